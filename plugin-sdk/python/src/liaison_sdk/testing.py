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
from liaison_sdk.event import Delivery, Event, Origin, Resolution
from liaison_sdk.failure import Unanswered
from liaison_sdk.outcome import Check, Outcome
from liaison_sdk.rounds import HttpRequest, HttpResponse, KeptBody
from liaison_sdk.rounds import Reply as RawReply
from liaison_sdk.transform import Transformed

__all__ = ["Asked", "Endpoint", "Prepared", "Run", "ScriptedReply", "endpoint", "event", "logged", "reply", "settings", "transform"]

T = TypeVar("T")

NOW_MS = 1_767_225_600_000
"""2026-01-01T00:00:00Z: when attempts begin."""


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


def reply(status: int) -> ScriptedReply:
    """A reply with this status and nothing else."""
    return ScriptedReply(HttpResponse(status, [], b""))


def event(kind: str) -> Prepared:
    """An event of this type: id `1`, source `/test`, data `{}`."""
    made = Event(
        id="1",
        source="/test",
        type=kind,
        subject=None,
        time_ms=None,
        key=None,
        content_type="application/json",
        data=b"{}",
        attributes=[],
        origin=Origin("events", 0, 0),
    )
    return Prepared(Delivery(made, 1, NOW_MS, 7, None, "test-1", None))


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
    """All it asked for, in order."""
    rounds: list[int]
    """How many requests each round had: those of one round are sent together."""


class Endpoint:
    """An endpoint that follows a script."""

    def __init__(self) -> None:
        self._script: deque[tuple[str, RawReply]] = deque()

    def expect(self, call: str, reply: ScriptedReply | Unanswered) -> Endpoint:
        """The next call, such as `PUT /events/1`, and the reply to it."""
        self._script.append((call, reply if isinstance(reply, Unanswered) else reply.response))
        return self

    def deliver(self, deliver: steps.Deliver, prepared: Prepared) -> Run[Outcome]:
        """Runs one attempt to its end. Fails where a call is not the expected one, an expected one is missing, or a step
        does not come out the same twice."""
        return self._run(lambda rounds: steps.deliver_one(deliver, prepared.delivery(), rounds))

    def check(self, check: steps.DoCheck) -> Run[Check]:
        """Runs one check to its end. Fails as `deliver` does."""
        return self._run(lambda rounds: steps.check_one(check, NOW_MS, rounds))

    def _run(self, step: Callable[[list[list[RawReply]]], list[HttpRequest] | T]) -> Run[T]:
        requests: list[Asked] = []
        recorded: list[list[RawReply]] = []
        rounds: list[int] = []
        while True:
            taken = step(deepcopy(recorded))
            assert taken == step(deepcopy(recorded)), "the same step was taken in two ways"
            if not isinstance(taken, list):
                missing = [call for call, _ in self._script]
                assert not missing, f"it ended with {taken} and never asked for {missing}"
                return Run(taken, requests, rounds)
            rounds.append(len(taken))
            recorded.append([self._answer(request) for request in taken])
            requests.extend(Asked(**vars(request)) for request in taken)

    def _answer(self, request: HttpRequest) -> RawReply:
        asked = f"{request.method} {request.url}"
        assert self._script, f"it asks for `{asked}`, and the script is at its end"
        call, answer = self._script.popleft()
        assert asked == call, f"it asks for `{asked}`, and the script expects `{call}`"
        if request.keep_body and isinstance(answer, HttpResponse) and isinstance(answer.body, bytes):
            # The sha256 is all zeros: nothing here computes one.
            return replace(answer, body=KeptBody(len(answer.body), bytes(32)))
        return answer


@dataclass(frozen=True)
class ScriptedReply:
    """What the endpoint answers."""

    response: HttpResponse

    def header(self, name: str, value: str) -> ScriptedReply:
        """Adds a header."""
        return self._with(headers=[*self.response.headers, (name.lower(), value)])

    def json(self, body: object) -> ScriptedReply:
        """With this value as JSON."""
        return self.text(json.dumps(body)).header("content-type", "application/json")

    def text(self, body: str) -> ScriptedReply:
        """With this text."""
        return self.bytes(body.encode())

    def bytes(self, body: bytes) -> ScriptedReply:
        """With these bytes."""
        return self._with(body=body)

    def _with(self, **changes: Any) -> ScriptedReply:
        return ScriptedReply(replace(self.response, **changes))


@dataclass(frozen=True)
class Prepared:
    """An event, and its delivery, with defaults for all that the test does not care about."""

    _delivery: Delivery

    def id(self, id: str) -> Prepared:
        return Prepared(replace(self._event(id=id)._delivery, idempotency_key=f"test-{id}"))

    def source(self, source: str) -> Prepared:
        return self._event(source=source)

    def subject(self, subject: str) -> Prepared:
        return self._event(subject=subject)

    def key(self, key: bytes) -> Prepared:
        return self._event(key=key)

    def time_ms(self, time_ms: int) -> Prepared:
        """When it happened, in milliseconds since 1970."""
        return self._event(time_ms=time_ms)

    def attribute(self, name: str, value: str) -> Prepared:
        """Adds an extension attribute or a header."""
        return self._event(attributes=[*self._delivery.event.attributes, (name, value)])

    def data(self, data: object) -> Prepared:
        """With this JSON as data."""
        return self._event(data=json.dumps(data).encode())

    def bytes(self, data: bytes, content_type: str | None) -> Prepared:
        """With these bytes as data, and their media type where there is one."""
        return self._event(data=data, content_type=content_type)

    def tombstone(self) -> Prepared:
        """Without data."""
        return self._event(data=None, content_type=None)

    def attempt(self, attempt: int) -> Prepared:
        """On this attempt; 1 is the first."""
        return Prepared(replace(self._delivery, attempt=attempt))

    def now_ms(self, now_ms: int) -> Prepared:
        """At this time, in milliseconds since 1970."""
        return Prepared(replace(self._delivery, now_ms=now_ms))

    def resolution(self, resolution: Resolution) -> Prepared:
        """After the host decided a conflict in this way."""
        return Prepared(replace(self._delivery, resolution=resolution))

    def delivery(self) -> Delivery:
        """The delivery, anew."""
        return deepcopy(self._delivery)

    def event(self) -> Event:
        """The event, anew."""
        return self.delivery().event

    def _event(self, **changes: Any) -> Prepared:
        return Prepared(replace(self._delivery, event=replace(self._delivery.event, **changes)))
