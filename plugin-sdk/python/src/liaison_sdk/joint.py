"""Requests of several deliveries made one, for systems that take many events at a time.

A connector asks for what one delivery needs, as ever. Where its user configures a `batch`, the host gathers deliveries,
and `join` is called with the requests that each of them would settle by (`settle`, `run_to_deliver`): which of them can
be one request? The host performs that, and asks `split` what each would have been answered alone. So the function that
delivers knows nothing of it, and an event that is refused together with others is tried again without them.

What else is asked goes by itself: requests before the last one, those that send the event's data as it is, and gRPC, by
which nothing settles. So that the requests are there, the function that delivers runs before `join` does, and again for
what that does not settle: it may log twice. Its time is the delivery's, not Python's clock.

Both functions see nothing but their arguments. `memo` is whatever `split` has to know of the joint request; keep it
small.

    from liaison_sdk import Delivery, Http, Settling, connector
    from liaison_sdk.joint import Effect, HttpRequest, Joint, everyone, memo_of

    async def deliver(delivery: Delivery, http: Http) -> Settling:
        return http.post("/lines").body(f"{delivery.event.id}\\n".encode()).settle()

    def join(effects: list[Effect]) -> list[Joint]:
        \"\"\"All that is posted here are lines.\"\"\"
        lines = {
            number: effect.body
            for number, effect in enumerate(effects)
            if isinstance(effect, HttpRequest) and isinstance(effect.body, bytes)
        }
        whole = HttpRequest("POST", "/lines", body=b"".join(lines.values()))
        return [Joint(whole, list(lines), memo_of(len(lines)))]

    connector(deliver, join=join, split=everyone)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from liaison_sdk.database import SqlDone, SqlError, SqlRequest, SqlResponse, SqlResult, SqlStatement
from liaison_sdk.rounds import (
    Body,
    Effect,
    EventData,
    GrpcRequest,
    GrpcResponse,
    HttpRequest,
    HttpResponse,
    KeptBody,
    Place,
    Reply,
)

__all__ = [
    "Body",
    "Effect",
    "EventData",
    "GrpcRequest",
    "GrpcResponse",
    "HttpRequest",
    "HttpResponse",
    "Join",
    "Joint",
    "KeptBody",
    "Place",
    "Reply",
    "Split",
    "SqlDone",
    "SqlError",
    "SqlRequest",
    "SqlResponse",
    "SqlResult",
    "SqlStatement",
    "everyone",
    "memo_of",
]


@dataclass
class Joint:
    """One request that does what several do."""

    effect: Effect
    """Must not need the event's data or an earlier reply: it is of no single delivery."""
    members: list[int]
    """Which ones: their places in the list, from 0. None is in two."""
    memo: bytes = b""
    """Whatever `split` needs to know."""


Join = Callable[[list[Effect]], list[Joint]]
"""Which of these requests, two or more, can be one. What is in none of the answers is performed by itself."""
Split = Callable[[bytes, Reply], list[Reply]]
"""What came of a joint request for each of its members, in their order, by its memo."""


def memo_of(members: int) -> bytes:
    """The memo that `everyone` reads: how many share the request."""
    return str(members).encode()


def everyone(memo: bytes, reply: Reply) -> list[Reply]:
    """A `split` that gives the reply to everyone: for a request whose answer is true of each part of it. The memo is the
    number of members, by `memo_of`."""
    return [reply] * (int(memo) if memo.isdigit() else 0)


def join_own(join: Join, own: Sequence[Effect | None]) -> list[Joint]:
    """Joins what deliveries would settle by: members are places in this list. What is none, or needs the delivery's data,
    goes by itself."""
    asked = {place: effect for place, effect in enumerate(own) if effect is not None and _is_joinable(effect)}
    if len(asked) < 2:
        return []
    places = list(asked)
    joints = join(list(asked.values()))
    return [Joint(joint.effect, [_place(places, member) for member in joint.members], joint.memo) for joint in joints]


def _place(places: list[int], member: int) -> int:
    """The host says what is wrong with one that is none of them."""
    return places[member] if 0 <= member < len(places) else 0xFFFF_FFFF


def _is_joinable(effect: Effect) -> bool:
    if not isinstance(effect, HttpRequest):
        return True
    return not effect.keep_body and (effect.body is None or isinstance(effect.body, bytes))
