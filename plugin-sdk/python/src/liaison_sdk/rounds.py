"""Which request of a function that runs again and again belongs to which recorded reply.

A request takes the next place of the current round when it is first awaited, and never has its reply in the same pass.
After each pass the round ends: if the host has recorded its replies, they become available and the function goes on; if
not, the round's requests are the next step. So a place depends on the function alone, and not on how much was recorded,
and joined branches that ask for more than one thing keep theirs.
"""

from dataclasses import dataclass, field
from datetime import timedelta

from liaison_sdk.database import SqlRequest, SqlResponse
from liaison_sdk.failure import Unanswered


@dataclass(frozen=True)
class Place:
    """A round, and a position in it, both from 0."""

    round: int
    position: int


class EventData:
    """As a body: the event's data, which the host sends without a copy through the plugin."""


Body = None | bytes | type[EventData] | Place
"""What a request carries: nothing, bytes, the event's data, or the body of an earlier reply."""


@dataclass
class HttpRequest:
    """A request as the host is told of it."""

    method: str
    url: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: Body = None
    timeout_ms: int | None = None
    keep_body: bool = False


@dataclass(frozen=True)
class KeptBody:
    """A body that stayed with the host."""

    length: int
    """In bytes."""
    sha256: bytes
    """32 bytes."""


@dataclass(frozen=True)
class HttpResponse:
    """The answer to a request as the host tells it."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes | KeptBody


@dataclass
class GrpcRequest:
    """A unary gRPC call as the host is told of it."""

    method: str
    metadata: list[tuple[str, str]] = field(default_factory=list)
    message: bytes = b""
    timeout_ms: int | None = None


@dataclass(frozen=True)
class GrpcResponse:
    """The answer to a call as the host tells it."""

    status: int
    status_message: str
    metadata: list[tuple[str, str]]
    message: bytes | None


Effect = HttpRequest | GrpcRequest | SqlRequest
"""What the host can be asked for."""
Reply = HttpResponse | GrpcResponse | SqlResponse | Unanswered
"""What came of it."""


class Fault(Exception):
    """A plugin's function that cannot be run in steps: a mistake of its author."""


class Rounds:
    """All that one attempt asked and was answered, up to the current pass."""

    def __init__(self, recorded: list[list[Reply]]) -> None:
        self._recorded = recorded
        self._answered: list[list[Reply]] = []
        self._asked: list[Effect] = []
        self._settles = False

    def ask(self, effect: Effect, settles: bool = False) -> Place:
        """Takes the next place of the current round. Does what is asked there deliver the event?"""
        place = Place(len(self._answered), len(self._asked))
        self._asked.append(effect)
        self._settles = self._settles or settles
        return place

    @property
    def is_settling(self) -> bool:
        """Is there something in the round that is asked now that delivers the event?"""
        return self._settles

    def answer(self, place: Place) -> Reply | None:
        """What came of the request there, once its round has ended."""
        if place.round < len(self._answered):
            return self._answered[place.round][place.position]
        return None

    def end_round(self) -> list[Effect] | None:
        """Ends a round after a pass that left the function waiting: `None` to go on, else what to ask the host."""
        if not self._asked:
            raise foreign()
        asked, self._asked = self._asked, []
        number = len(self._answered)
        if number == len(self._recorded):
            return asked
        self._settles = False
        if len(asked) != len(self._recorded[number]):
            raise self._changed(len(asked))
        self._answered.append(self._recorded[number])
        return None

    def last(self) -> tuple[Reply, Place] | None:
        """The function has ended with one more request: what came of it; `None` where it is still to be asked."""
        number = len(self._answered)
        if number == len(self._recorded):
            return None
        if len(self._recorded[number]) != 1:
            raise self._changed(1)
        self._answered.append(self._recorded[number])
        self.end()
        return self._recorded[number][0], Place(number, 0)

    def end(self) -> None:
        """The function has ended: it must have come as far as it did before."""
        if len(self._answered) < len(self._recorded):
            raise self._changed(0)

    def _changed(self, asked: int) -> Fault:
        number = len(self._answered)
        return Fault(
            f"plugin fault: run again with the same arguments, it makes {asked} requests in round {number} where it "
            f"made {len(self._recorded[number])} before; what it asks must depend on its arguments and the replies alone"
        )


def milliseconds(timeout: timedelta) -> int:
    """As the contract counts time."""
    return max(0, timeout // timedelta(milliseconds=1))


def foreign() -> Fault:
    """It waits for something that is no request."""
    return Fault(
        "plugin fault: it awaits something that is no request of `http`; only requests, `join` and `join_all` can be "
        "awaited"
    )
