"""What a transformer makes of an event."""

from __future__ import annotations

from dataclasses import dataclass, replace

from liaison_sdk import shape
from liaison_sdk.failure import EventFailure


@dataclass(frozen=True)
class Reshaped:
    """What one event becomes. The host keeps id, source, time, key and origin."""

    type: str
    subject: str | None
    content_type: str | None
    data: bytes | None
    attributes: list[tuple[str, str]]

    def json(self, data: object) -> Reshaped:
        """With this data, as JSON. Raises `EventFailure` where the value has no form in JSON."""
        try:
            written = shape.write(data)
        except ValueError as error:
            raise EventFailure(f"the new data: {error}") from None
        return replace(self, data=written, content_type="application/json")

    def kind(self, kind: str) -> Reshaped:
        """With this type."""
        return replace(self, type=kind)


class Transformed:
    """What to do with one event."""

    @staticmethod
    def emit(*reshaped: Reshaped) -> Transformed:
        """Deliver these instead, in this order: at least one."""
        return Emit(list(reshaped))

    @staticmethod
    def drop(reason: str) -> Transformed:
        """Deliver nothing, and why."""
        return Drop(reason)

    @staticmethod
    def reject(reason: str) -> Transformed:
        """This event can never be transformed, and why: it goes to the dead letters."""
        return Reject(reason)


@dataclass(frozen=True)
class Emit(Transformed):
    reshaped: list[Reshaped]


@dataclass(frozen=True)
class Drop(Transformed):
    reason: str


@dataclass(frozen=True)
class Reject(Transformed):
    reason: str
