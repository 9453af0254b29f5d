"""What went wrong on the way to an outcome: what a plugin raises, or lets pass.

Each kind becomes the outcome that does the least harm, so a plugin need not decide unless it knows better. Any other
exception is a fault of the plugin: the host tries again, and the third time on one event it is a dead letter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from liaison_sdk.database import SqlError


class Failure(Exception):
    """Why a plugin could not go on. Raise one of its kinds."""


@dataclass(frozen=True)
class Unanswered:
    """Why a request has no answer."""

    kind: Literal["not-allowed", "invalid", "connection", "timed-out", "too-large", "unsupported", "other"]
    detail: str = ""
    """For a person; of `too-large` the limit in bytes."""

    @property
    def may_pass(self) -> bool:
        """True where another attempt may go better."""
        return self.kind in ("connection", "timed-out", "other")


class UnansweredFailure(Failure):
    """A request has no answer. Becomes `retry` where another attempt may go better, else `rejected`."""

    def __init__(self, request: str, why: Unanswered) -> None:
        self.request = request
        """Which one, as `PUT /events/1`."""
        self.why = why
        super().__init__(f"{request} {_in_words(why)}")


class RefusedFailure(Failure):
    """The database refused a transaction, and nothing of it was done. Becomes what `OutcomeKind.of_sql` says."""

    def __init__(self, request: str, error: SqlError) -> None:
        self.request = request
        """The transaction, as `SQL insert into people …`."""
        self.error = error
        code = f" ({error.code})" if error.code else ""
        super().__init__(f"{request} was refused{code}: {error.message}")


class SettingsFailure(Failure):
    """The settings are not what the plugin wants. Becomes `denied`: nothing is lost while they are mended."""

    def __str__(self) -> str:
        return f"settings: {super().__str__()}"


class EventFailure(Failure):
    """The event is not what the plugin can deliver. Becomes `rejected`."""


class ReplyFailure(Failure):
    """The external system's answer is not what the plugin understands. Becomes `retry`."""


def _in_words(why: Unanswered) -> str:
    match why.kind:
        case "not-allowed":
            return f"is not allowed: {why.detail}"
        case "invalid":
            return f"is not valid: {why.detail}"
        case "connection":
            return f"got no answer: {why.detail}"
        case "timed-out":
            return "timed out"
        case "too-large":
            return f"was answered with more than {why.detail} bytes"
        case "unsupported":
            return f"is not supported by this host: {why.detail}"
        case "other":
            return f"failed: {why.detail}"
