"""Requests of several deliveries made one, for systems that take many events at a time.

A connector asks for what one delivery needs, as ever. Where its user configures a `batch`, the host gathers what
deliveries ask for and calls `join` with it: which of them can be one request? It performs that, and asks `split` what
each would have been answered alone. So the function that delivers knows nothing of it, and an event that is refused
together with others is tried again without them. Joining is never needed to be right.

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

from collections.abc import Callable
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
