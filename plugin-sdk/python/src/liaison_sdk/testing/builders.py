"""Events, deliveries and replies for a test, with defaults for all that the test does not care about."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from liaison_sdk.event import Delivery, Event, Origin, Resolution
from liaison_sdk.rounds import GrpcResponse, HttpResponse

NOW_MS = 1_767_225_600_000
"""2026-01-01T00:00:00Z: when attempts begin."""


def reply(status: int) -> ScriptedReply:
    """A reply with this status and nothing else."""
    return ScriptedReply(HttpResponse(status, [], b""))


def grpc_reply(status: int) -> ScriptedGrpcReply:
    """The answer to a gRPC call with this status and nothing else; 0 is OK."""
    return ScriptedGrpcReply(GrpcResponse(status, "", [], None))


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
class ScriptedGrpcReply:
    """What the endpoint answers to a gRPC call."""

    response: GrpcResponse

    def status_message(self, text: str) -> ScriptedGrpcReply:
        """With these words beside the status."""
        return ScriptedGrpcReply(replace(self.response, status_message=text))

    def metadata(self, name: str, value: str) -> ScriptedGrpcReply:
        """Adds metadata."""
        metadata = [*self.response.metadata, (name.lower(), value)]
        return ScriptedGrpcReply(replace(self.response, metadata=metadata))

    def message(self, message: bytes) -> ScriptedGrpcReply:
        """With this encoded message."""
        return ScriptedGrpcReply(replace(self.response, message=message))


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
