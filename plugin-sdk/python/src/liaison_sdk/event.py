"""What a plugin is given: an event, and its delivery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar, overload

from liaison_sdk import shape as form
from liaison_sdk.failure import EventFailure
from liaison_sdk.shape import Shape
from liaison_sdk.transform import Reshaped

T = TypeVar("T")


@dataclass(frozen=True)
class Origin:
    """Where an event was read. With the subscription it names one delivery for ever."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True)
class Event:
    """One event, in the words of CloudEvents 1.0."""

    id: str
    """Stable for the life of the event: the same on every attempt, after a restart and after a redrive."""
    source: str
    """Who says so: a URI reference. With `id` it is unique."""
    type: str
    """What happened, such as `policy.updated`."""
    subject: str | None
    """What it happened to, where the producer says so."""
    time_ms: int | None
    """When it happened, in milliseconds since 1970; else when Kafka received it."""
    key: bytes | None
    """The Kafka key: events with the same key are delivered in order."""
    content_type: str | None
    """The media type of `data`, such as `application/json`."""
    data: bytes | None
    """`None` is a tombstone: the thing named by `key` or `subject` is gone."""
    attributes: list[tuple[str, str]]
    """CloudEvents extension attributes and the record's text headers; names are lower case."""
    origin: Origin

    @overload
    def json(self) -> Any: ...
    @overload
    def json(self, shape: Shape[T]) -> T: ...
    def json(self, shape: Any = Any) -> Any:
        """The data as JSON, read now: as a dataclass, or any type that `typing` can name; without one as it is.

        Raises `EventFailure` where there is no data (a tombstone), or it is not JSON of this shape.
        """
        return _json(self.data, shape, "the event's data")

    def attribute(self, name: str) -> str | None:
        """The first extension attribute or header of this name, which is lower case."""
        return next((value for known, value in self.attributes if known == name), None)

    @property
    def is_tombstone(self) -> bool:
        """True where what the key or the subject names is gone."""
        return self.data is None

    def reshaped(self) -> Reshaped:
        """The event as it is, to be changed and emitted."""
        return Reshaped(self.type, self.subject, self.content_type, self.data, list(self.attributes))


@dataclass(frozen=True)
class Overwrite:
    """The host decided a conflict: write the event over this version of what the external system holds."""

    version: str | None


@dataclass(frozen=True)
class Merged:
    """The host decided a conflict: write this instead of the event's data, over this version only."""

    data: bytes
    version: str | None


Resolution = Overwrite | Merged


@dataclass(frozen=True)
class Delivery:
    """One event on its way to the external system."""

    event: Event
    attempt: int
    """1 for the first attempt."""
    now_ms: int
    """When the attempt began, in milliseconds since 1970, to a tenth of a second. The clock shows it too."""
    seed: int
    """What random numbers grow from: the same for every step of one attempt."""
    deadline_ms: int | None
    """When the event's SLA is missed, in milliseconds since 1970."""
    idempotency_key: str
    """The same on every attempt, after restarts and redrives. The host sends it with every request."""
    resolution: Resolution | None
    """What the host decided after an earlier conflict."""

    @property
    def data(self) -> bytes | None:
        """What to write: the event's data, or what the host made of it and of the external system's."""
        return self.resolution.data if isinstance(self.resolution, Merged) else self.event.data

    @property
    def version(self) -> str | None:
        """The version to write over, where the host decided on one."""
        return self.resolution.version if self.resolution else None

    @overload
    def json(self) -> Any: ...
    @overload
    def json(self, shape: Shape[T]) -> T: ...
    def json(self, shape: Any = Any) -> Any:
        """What to write as JSON: as `Event.json`, of `data`."""
        what = "the merged data" if isinstance(self.resolution, Merged) else "the event's data"
        return _json(self.data, shape, what)



def _json(data: bytes | None, shape: Any, what: str) -> Any:
    if data is None:
        raise EventFailure("the event has no data: it is a tombstone")
    try:
        return form.parse(data, shape)
    except ValueError as error:
        raise EventFailure(f"{what}: {error}") from None
