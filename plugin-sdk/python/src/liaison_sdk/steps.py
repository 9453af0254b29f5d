"""Runs a connector's function as far as the recorded replies take it, and says what is next."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from liaison_sdk import log, randomness
from liaison_sdk.event import Delivery, Event
from liaison_sdk.failure import Failure
from liaison_sdk.http import Http
from liaison_sdk.joining import WAITING
from liaison_sdk.outcome import Check, Outcome, Unusable
from liaison_sdk.rounds import Effect, Fault, Reply, Rounds, foreign
from liaison_sdk.settling import Ending, SettleBy, Settling
from liaison_sdk.transform import Reject, Transformed

T = TypeVar("T")

Deliver = Callable[[Delivery, Http], Awaitable[Ending]]
DoCheck = Callable[[Http], Awaitable[Check]]
Transform = Callable[[Event], Transformed]


def deliver_one(
    deliver: Deliver, delivery: Delivery, recorded: list[list[Reply]]
) -> list[Effect] | SettleBy | Outcome:
    """What to ask next, or how the attempt ended."""
    rounds = Rounds(recorded)
    http = Http(rounds, delivery.now_ms)
    with randomness.seeded(delivery.seed):
        try:
            progress = _run(rounds, deliver(delivery, http))
            if isinstance(progress, list):
                is_settled = rounds.is_settling and len(progress) == 1
                return SettleBy(progress[0]) if is_settled else progress
            if isinstance(progress.value, Settling):
                return progress.value.step(rounds)
            rounds.end()
            return _expect(progress.value, Outcome)
        except Failure as failure:
            rounds.end()
            return Outcome.of_failure(failure)


def check_one(check: DoCheck, now_ms: int, recorded: list[list[Reply]]) -> list[Effect] | Check:
    """What to ask next, or whether the external system is usable."""
    rounds = Rounds(recorded)
    http = Http(rounds, now_ms)
    with randomness.seeded(now_ms):
        try:
            progress = _run(rounds, check(http))
            if isinstance(progress, list):
                return progress
            rounds.end()
            return _expect(progress.value, Check)
        except Failure as failure:
            rounds.end()
            return Unusable(str(failure))


def transform_one(transform: Transform, event: Event) -> Transformed:
    """What becomes of the event."""
    with randomness.seeded(event.origin.offset):
        try:
            return _expect(transform(event), Transformed)
        except Failure as failure:
            return Reject(str(failure))


async def no_check(http: Http) -> Check:
    """The `check` of a connector that has none."""
    return Check.usable("this plugin has no check: it cannot tell")


def told(fault: Fault) -> str:
    """A fault in words, after it was logged."""
    log.error(str(fault))
    return str(fault)


@dataclass(frozen=True)
class _Ended(Generic[T]):
    """A function that has returned. Whether that was all that it asked before is still to be seen."""

    value: T


def _run(rounds: Rounds, function: Awaitable[T]) -> list[Effect] | _Ended[T]:
    """Goes on in passes, one a round: see `rounds` for why."""
    steps = function.__await__()
    try:
        while True:
            try:
                yielded = next(steps)
            except StopIteration as end:
                return _Ended(end.value)
            if yielded is not WAITING:
                raise foreign()
            asked = rounds.end_round()
            if asked is not None:
                return asked
    finally:
        steps.close()


def _expect(value: object, expected: type[T]) -> T:
    """Not every author has a type checker that would tell."""
    if not isinstance(value, expected):
        raise Fault(f"plugin fault: it returned {value!r:.100}, and not what is made by `{expected.__name__}`")
    return value
