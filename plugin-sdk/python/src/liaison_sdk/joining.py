"""Awaiting several things together, so that their requests are sent together.

They go on in the order given, always all of them: that order decides which reply belongs to which request when the
function runs again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Generator, Iterable
from typing import Any, Final, Generic, TypeVar, overload

from liaison_sdk.rounds import foreign

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
T = TypeVar("T")


class Waiting:
    """What a request gives up when it has no reply yet."""


WAITING: Final = Waiting()


@overload
async def join(first: Awaitable[A], second: Awaitable[B], /) -> tuple[A, B]: ...
@overload
async def join(first: Awaitable[A], second: Awaitable[B], third: Awaitable[C], /) -> tuple[A, B, C]: ...
@overload
async def join(
    first: Awaitable[A], second: Awaitable[B], third: Awaitable[C], fourth: Awaitable[D], /
) -> tuple[A, B, C, D]: ...
async def join(*awaitables: Awaitable[Any]) -> tuple[Any, ...]:
    """Awaits all of them and gives their results. Where some fail, the first failure is raised when all have ended."""
    return tuple(await join_all(awaitables))


async def join_all(awaitables: Iterable[Awaitable[T]]) -> list[T]:
    """Awaits all of them and gives their results in the same order. Where some fail, the first failure is raised when
    all have ended."""
    branches = [_Branch(awaitable) for awaitable in awaitables]
    await _Together(branches)
    return [branch.result() for branch in branches]


class _Together(Awaitable[None]):
    def __init__(self, branches: list[_Branch[Any]]) -> None:
        self._branches = branches

    def __await__(self) -> Generator[Waiting, None, None]:
        while True:
            for branch in self._branches:
                branch.go_on()
            if all(branch.has_ended for branch in self._branches):
                return
            yield WAITING


class _Branch(Generic[T]):
    """One of those that are awaited together."""

    def __init__(self, awaitable: Awaitable[T]) -> None:
        self._steps = awaitable.__await__()
        self.has_ended = False
        self._failure: Exception | None = None
        self._value: Any = None

    def go_on(self) -> None:
        if self.has_ended:
            return
        try:
            yielded = next(self._steps)
        except StopIteration as end:
            self.has_ended, self._value = True, end.value
        except Exception as failure:
            self.has_ended, self._failure = True, failure
        else:
            if yielded is not WAITING:
                raise foreign()

    def result(self) -> T:
        if self._failure is not None:
            raise self._failure
        value: T = self._value
        return value
