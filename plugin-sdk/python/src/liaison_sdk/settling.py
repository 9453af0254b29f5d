"""The request whose answer is the outcome: the last thing that a connector's function does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from liaison_sdk.asking import answered
from liaison_sdk.outcome import Outcome, OutcomeKind
from liaison_sdk.response import Response
from liaison_sdk.rounds import Effect, HttpRequest, HttpResponse, Rounds


@dataclass(frozen=True)
class SettleBy:
    """A step: ask for this. A 2xx ends the attempt without another call, and so does a transaction in which each statement
    changed a row and none gave one."""

    effect: Effect


@dataclass(frozen=True)
class Settling:
    """A request that delivers the event: what it is answered is what came of the attempt. See `Request.settle`."""

    _request: HttpRequest
    _now_ms: int
    _judge: Callable[[Response], Outcome]

    def step(self, rounds: Rounds) -> SettleBy | Outcome:
        """Asks, where it was not answered before; else ends the attempt with what was answered."""
        last = rounds.last()
        if last is None:
            return SettleBy(self._request)
        reply, place = last
        response = Response(self._request, answered(self._request, reply, HttpResponse), place, self._now_ms)
        return Outcome.of_kind(OutcomeKind.DELIVERED, response) if response.is_success else self._judge(response)


Ending = Outcome | Settling
"""How a connector's function ends: with what it says of the attempt, or with the request whose answer says it."""
