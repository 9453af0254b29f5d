"""How one awaited effect gets its answer, and what a person calls it."""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import TypeVar

from liaison_sdk.database import SqlRequest
from liaison_sdk.failure import Unanswered, UnansweredFailure
from liaison_sdk.joining import WAITING, Waiting
from liaison_sdk.rounds import Effect, GrpcRequest, HttpRequest, Place, Reply, Rounds

R = TypeVar("R")


def ask(
    rounds: Rounds, effect: Effect, kind: type[R], settles: bool = False
) -> Generator[Waiting, None, tuple[R, Place]]:
    """Asks for this when it is first awaited, and comes back with its answer, of this kind. What `settles` delivers the
    event, where it is alone in its round.

    Raises `UnansweredFailure` where there is none.
    """
    place = rounds.ask(effect, settles)
    while (reply := rounds.answer(place)) is None:
        yield WAITING
    return answered(effect, reply, kind), place


def answered(effect: Effect, reply: Reply, kind: type[R]) -> R:
    """The reply as an answer of this kind. Raises `UnansweredFailure` where it is none."""
    if isinstance(reply, kind):
        return reply
    why = reply if isinstance(reply, Unanswered) else Unanswered("other", "the host answered it in another kind")
    raise UnansweredFailure(line(effect), why)


def line(effect: Effect) -> str:
    """What was asked, as a person knows it: `PUT https://host/path`, without user, password and query, which may hold
    secrets; `gRPC /package.Service/Method`; `SQL` and all statements, without what is bound."""
    match effect:
        case HttpRequest():
            return f"{effect.method} {_without_secrets(effect.url)}"
        case GrpcRequest():
            return f"gRPC {effect.method}"
        case SqlRequest():
            return f"SQL {'; '.join(statement.sql for statement in effect.statements)}"


def _without_secrets(url: str) -> str:
    # Of the endpoint itself nothing is written.
    url = re.split("[?#]", url)[0] or "/"
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url
    authority, slash, path = rest.partition("/")
    return f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}"
