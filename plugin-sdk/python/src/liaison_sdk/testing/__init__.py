"""Runs a plugin natively, without a host: a connector against an endpoint that follows a script, a transformer as it is.

Every step is taken twice, and has to come out the same: a plugin whose answers depend on more than its arguments fails
its test. A call that the script does not expect fails with what was asked.

    from liaison_sdk.testing import endpoint, event, reply

    def test_a_booking_waits_as_long_as_it_is_told() -> None:
        run = (
            endpoint()
            .expect("GET /rooms/7", reply(200).json("large"))
            .expect("POST /bookings", reply(503).header("retry-after", "30"))
            .deliver(deliver, event("booking.made"))
        )
        assert run.rounds == [1, 1]
        assert run.requests[1].json() == {"room": "large"}
        assert run.outcome == Outcome.retry_after(timedelta(seconds=30), "POST /bookings answered 503 Service Unavailable")
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from liaison_sdk import configuration, log, steps
from liaison_sdk.asking import line
from liaison_sdk.database import SqlDone, SqlRequest
from liaison_sdk.event import Event
from liaison_sdk.failure import Unanswered
from liaison_sdk.outcome import Check, Outcome
from liaison_sdk.rounds import Effect, GrpcRequest, HttpRequest, HttpResponse, KeptBody, Reply
from liaison_sdk.settling import SettleBy
from liaison_sdk.sql import SqlAnswer
from liaison_sdk.testing.builders import NOW_MS, Prepared, ScriptedGrpcReply, ScriptedReply, event, grpc_reply, reply
from liaison_sdk.testing.sql import ScriptedRefusal, ScriptedRows, affected, rows, sql_error
from liaison_sdk.transform import Transformed

__all__ = [
    "Asked",
    "Endpoint",
    "NOW_MS",
    "Prepared",
    "Run",
    "ScriptedGrpcReply",
    "ScriptedRefusal",
    "ScriptedReply",
    "ScriptedRows",
    "affected",
    "endpoint",
    "event",
    "grpc_reply",
    "logged",
    "reply",
    "rows",
    "settings",
    "sql_error",
    "transform",
]

T = TypeVar("T")

Scripted = ScriptedReply | ScriptedGrpcReply | ScriptedRows | ScriptedRefusal
"""What an endpoint can answer."""


def settings(**settings: object) -> None:
    """The plugin's settings from now on, in this test: `settings(building="north")`, or `settings(**{"a-b": 1})`."""
    text = json.dumps(settings)
    configuration.read_from(lambda: text)


def logged() -> list[str]:
    """What was logged since the last call."""
    lines = [message for _, message in log.lines]
    log.lines.clear()
    return lines


def transform(transform: Callable[[Event], Transformed], prepared: Prepared) -> Transformed:
    """What a transformer makes of an event, seen twice. Fails where it does not come out the same."""
    first = steps.transform_one(transform, prepared.event())
    assert first == steps.transform_one(transform, prepared.event()), "the same event was transformed in two ways"
    return first


def endpoint() -> Endpoint:
    """An endpoint that answers what it was told to, and nothing else."""
    return Endpoint()


@dataclass
class Asked(HttpRequest):
    """A request that was made."""

    def header(self, name: str) -> str | None:
        """The first header of this name."""
        return next((value for known, value in self.headers if known.lower() == name.lower()), None)

    def json(self) -> Any:
        """The body as JSON. Fails where it is not JSON that the plugin itself wrote."""
        assert isinstance(self.body, bytes), f"the body is {self.body}"
        return json.loads(self.body)


@dataclass(frozen=True)
class Run(Generic[T]):
    """What a connector did with one delivery."""

    outcome: T
    """How it ended."""
    requests: list[Asked]
    """All HTTP requests it made, in order."""
    grpc_calls: list[GrpcRequest]
    """All gRPC calls it made, in order."""
    transactions: list[SqlRequest]
    """All SQL transactions it asked for, in order."""
    rounds: list[int]
    """How many requests each round had: those of one round are sent together."""


class Endpoint:
    """An endpoint that follows a script."""

    def __init__(self) -> None:
        self._script: deque[tuple[str, Reply]] = deque()

    def expect(self, call: str, reply: Scripted | Unanswered) -> Endpoint:
        """The next call, such as `PUT /events/1`, `gRPC /package.Service/Method` or `SQL` and all statements with `; `
        between them, and the reply to it: a `reply`, a `grpc_reply`, `rows`, `affected`, a `sql_error`, or why there is
        none."""
        self._script.append((call, reply if isinstance(reply, Unanswered) else reply.response))
        return self

    def deliver(self, deliver: steps.Deliver, prepared: Prepared) -> Run[Outcome]:
        """Runs one attempt to its end. Fails where a call is not the expected one, an expected one is missing, a step does
        not come out the same twice, or a transaction that was run to deliver did and the function does not say so."""
        settling: set[int] = set()

        def step(rounds: list[list[Reply]]) -> list[Effect] | Outcome:
            taken = steps.deliver_one(deliver, prepared.delivery(), rounds)
            # Asked for again with its reply, it must say what the host may make of it by itself.
            if isinstance(taken, SettleBy):
                settling.add(len(rounds))
                return [taken.effect]
            if any(_has_delivered(rounds[number]) for number in settling if number < len(rounds)):
                assert taken == Outcome.delivered(), f"its transaction has delivered the event, and it says {taken}"
            return taken

        return self._run(step)

    def check(self, check: steps.DoCheck) -> Run[Check]:
        """Runs one check to its end. Fails as `deliver` does."""
        return self._run(lambda rounds: steps.check_one(check, NOW_MS, rounds))

    def _run(self, step: Callable[[list[list[Reply]]], list[Effect] | T]) -> Run[T]:
        asked: list[Effect] = []
        recorded: list[list[Reply]] = []
        rounds: list[int] = []
        while True:
            taken = step(deepcopy(recorded))
            assert taken == step(deepcopy(recorded)), "the same step was taken in two ways"
            if not isinstance(taken, list):
                missing = [call for call, _ in self._script]
                assert not missing, f"it ended with {taken} and never asked for {missing}"
                requests = [Asked(**vars(effect)) for effect in asked if isinstance(effect, HttpRequest)]
                calls = [effect for effect in asked if isinstance(effect, GrpcRequest)]
                transactions = [effect for effect in asked if isinstance(effect, SqlRequest)]
                return Run(taken, requests, calls, transactions, rounds)
            rounds.append(len(taken))
            recorded.append([self._answer(effect) for effect in taken])
            asked.extend(taken)

    def _answer(self, effect: Effect) -> Reply:
        asked = f"{effect.method} {effect.url}" if isinstance(effect, HttpRequest) else line(effect)
        assert self._script, f"it asks for `{asked}`, and the script is at its end"
        call, answer = self._script.popleft()
        assert asked == call, f"it asks for `{asked}`, and the script expects `{call}`"
        is_kept = isinstance(effect, HttpRequest) and effect.keep_body
        if is_kept and isinstance(answer, HttpResponse) and isinstance(answer.body, bytes):
            # The sha256 is all zeros: nothing here computes one.
            return replace(answer, body=KeptBody(len(answer.body), bytes(32)))
        return answer


def _has_delivered(round: list[Reply]) -> bool:
    """Is this the answer to a transaction by which the host settles the event?"""
    [reply] = round
    return isinstance(reply, SqlDone) and SqlAnswer("", reply).has_delivered
