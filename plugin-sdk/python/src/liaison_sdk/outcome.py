"""What a connector says of one attempt, and which answer means what.

A plugin says what happened; what follows from it (wait, alert, dead letter) is the host's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING

from liaison_sdk.database import SqlErrorKind
from liaison_sdk.failure import Failure, RefusedFailure, ReplyFailure, SettingsFailure, UnansweredFailure

if TYPE_CHECKING:
    from liaison_sdk.grpc import GrpcAnswer
    from liaison_sdk.response import Response


class OutcomeKind(Enum):
    """An outcome without what it holds. Its value is its name in settings."""

    DELIVERED = "delivered"
    SKIPPED = "skipped"
    RETRY = "retry"
    THROTTLED = "throttled"
    DENIED = "denied"
    CONFLICT = "conflict"
    REJECTED = "rejected"

    @staticmethod
    def of_status(status: int) -> OutcomeKind:
        """What a status means where the external system follows RFC 9110 and RFC 6585.

        | status | kind |
        |---|---|
        | 2xx | delivered |
        | 304 | skipped |
        | 401, 403, 407 | denied |
        | 408, 425, 5xx but 501 and 505 | retry |
        | 409, 412 | conflict |
        | 429 | throttled |
        | all others | rejected |

        A redirect is rejected because nobody follows it: the host asks only for what the plugin named.
        """
        match status:
            case _ if 200 <= status <= 299:
                return OutcomeKind.DELIVERED
            case 304:
                return OutcomeKind.SKIPPED
            case 401 | 403 | 407:
                return OutcomeKind.DENIED
            case 409 | 412:
                return OutcomeKind.CONFLICT
            case 429:
                return OutcomeKind.THROTTLED
            case 501 | 505:
                return OutcomeKind.REJECTED
            case 408 | 425:
                return OutcomeKind.RETRY
            case _ if 500 <= status <= 599:
                return OutcomeKind.RETRY
            case _:
                return OutcomeKind.REJECTED

    @staticmethod
    def of_grpc_status(status: int) -> OutcomeKind:
        """What a status of gRPC usually means by itself; `GrpcAnswer.kind` knows more.

        | status | kind |
        |---|---|
        | OK | delivered |
        | CANCELLED, UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE | retry |
        | RESOURCE_EXHAUSTED | retry, so that it ends: one message may be too large, or a quota gone |
        | PERMISSION_DENIED, UNAUTHENTICATED | denied |
        | ALREADY_EXISTS, FAILED_PRECONDITION, ABORTED | conflict |
        | all others | rejected |
        """
        match status:
            case 0:
                return OutcomeKind.DELIVERED
            case 1 | 2 | 4 | 8 | 13 | 14:
                return OutcomeKind.RETRY
            case 7 | 16:
                return OutcomeKind.DENIED
            case 6 | 9 | 10:
                return OutcomeKind.CONFLICT
            case _:
                return OutcomeKind.REJECTED

    @staticmethod
    def of_sql(kind: SqlErrorKind) -> OutcomeKind:
        """What a database's refusal usually means.

        | kind | outcome |
        |---|---|
        | constraint, data, too many rows | rejected |
        | serialization, unavailable, other | retry |
        | permission, statement | denied |

        A statement is written by the settings, or by the plugin: no event is to blame where the database does not know a
        table or a column, and none is lost while that is mended. So it is where a statement is not granted.
        """
        match kind:
            case SqlErrorKind.CONSTRAINT | SqlErrorKind.DATA | SqlErrorKind.TOO_MANY_ROWS:
                return OutcomeKind.REJECTED
            case SqlErrorKind.SERIALIZATION | SqlErrorKind.UNAVAILABLE | SqlErrorKind.OTHER:
                return OutcomeKind.RETRY
            case SqlErrorKind.PERMISSION | SqlErrorKind.STATEMENT:
                return OutcomeKind.DENIED


class Outcome:
    """What came of an attempt. The host decides what follows."""

    @staticmethod
    def delivered(external_id: str | None = None, version: str | None = None) -> Outcome:
        """The external system has it: what it calls it, and its version there, such as an ETag."""
        return Delivered(external_id, version)

    @staticmethod
    def skipped(reason: str) -> Outcome:
        """Nothing had to be done, and why."""
        return Skipped(reason)

    @staticmethod
    def retry(reason: str) -> Outcome:
        """This event may succeed later. The host decides when."""
        return Retry(reason)

    @staticmethod
    def retry_after(after: timedelta, reason: str) -> Outcome:
        """This event may succeed later, and not before this time has passed."""
        return Retry(reason, after)

    @staticmethod
    def throttled(after: timedelta | None, reason: str) -> Outcome:
        """The external system asks everyone to slow down."""
        return Throttled(reason, after)

    @staticmethod
    def denied(reason: str) -> Outcome:
        """The external system refuses our credentials, or a person must mend what concerns every event."""
        return Denied(reason)

    @staticmethod
    def conflict(version: str | None, current: bytes | None, reason: str) -> Outcome:
        """The external system holds something newer or different: its version, and what it holds."""
        return Conflict(reason, version, current)

    @staticmethod
    def rejected(reason: str) -> Outcome:
        """This event will never succeed, and why."""
        return Rejected(reason)

    @staticmethod
    def from_response(response: Response) -> Outcome:
        """What an HTTP answer means by `OutcomeKind.of_status`, with all that it tells: see `Outcome.of_kind`."""
        return Outcome.of_kind(OutcomeKind.of_status(response.status), response)

    @staticmethod
    def of_kind(kind: OutcomeKind, response: Response) -> Outcome:
        """An HTTP answer as this kind of outcome, for an external system that uses its statuses in its own way.

        `Location` and `ETag` become the receipt, `Retry-After` the wait; the first 200 characters of a body say why an
        event is rejected. The body of a conflict becomes what the external system holds where it can be that: see
        `Response.current`.
        """
        match kind:
            case OutcomeKind.DELIVERED:
                return Delivered(response.header("location"), response.header("etag"))
            case OutcomeKind.SKIPPED:
                return Skipped(response.summary)
            case OutcomeKind.RETRY:
                return Retry(response.summary, response.retry_after)
            case OutcomeKind.THROTTLED:
                return Throttled(response.summary, response.retry_after)
            case OutcomeKind.DENIED:
                return Denied(response.summary)
            case OutcomeKind.CONFLICT:
                return Conflict(response.summary, response.header("etag"), response.current)
            case OutcomeKind.REJECTED:
                return Rejected(response.summary_with_body)

    @staticmethod
    def from_grpc(answer: GrpcAnswer) -> Outcome:
        """What the answer to a gRPC call means by `GrpcAnswer.kind`."""
        return Outcome.of_grpc_kind(answer.kind, answer)

    @staticmethod
    def of_grpc_kind(kind: OutcomeKind, answer: GrpcAnswer) -> Outcome:
        """The answer to a gRPC call as this kind of outcome, for a server that uses its statuses in its own way. The wait
        that it asks for is passed on."""
        match kind:
            case OutcomeKind.RETRY:
                return Retry(answer.summary, answer.pushback)
            case OutcomeKind.THROTTLED:
                return Throttled(answer.summary, answer.pushback)
            case _:
                return Outcome._of_reason(kind, answer.summary)

    @staticmethod
    def _of_reason(kind: OutcomeKind, reason: str) -> Outcome:
        match kind:
            case OutcomeKind.DELIVERED:
                return Delivered()
            case OutcomeKind.SKIPPED:
                return Skipped(reason)
            case OutcomeKind.RETRY:
                return Retry(reason)
            case OutcomeKind.THROTTLED:
                return Throttled(reason)
            case OutcomeKind.DENIED:
                return Denied(reason)
            case OutcomeKind.CONFLICT:
                return Conflict(reason)
            case OutcomeKind.REJECTED:
                return Rejected(reason)

    @staticmethod
    def from_sql(refusal: RefusedFailure) -> Outcome:
        """What a database's refusal means by `OutcomeKind.of_sql`."""
        return Outcome._of_reason(OutcomeKind.of_sql(refusal.error.kind), str(refusal))

    @staticmethod
    def of_failure(failure: Failure) -> Outcome:
        """What a failure becomes: the outcome that does the least harm."""
        reason = str(failure)
        if isinstance(failure, SettingsFailure):
            return Denied(reason)
        if isinstance(failure, RefusedFailure):
            return Outcome.from_sql(failure)
        if isinstance(failure, ReplyFailure) or (isinstance(failure, UnansweredFailure) and failure.why.may_pass):
            return Retry(reason)
        return Rejected(reason)


@dataclass(frozen=True)
class Delivered(Outcome):
    external_id: str | None = None
    """What the external system calls what was written."""
    version: str | None = None
    """Its version there, such as an ETag."""


@dataclass(frozen=True)
class Skipped(Outcome):
    reason: str


@dataclass(frozen=True)
class Retry(Outcome):
    reason: str
    after: timedelta | None = None
    """How long to wait at least; the host may wait longer."""


@dataclass(frozen=True)
class Throttled(Outcome):
    reason: str
    after: timedelta | None = None
    """How long to wait at least; the host may wait longer."""


@dataclass(frozen=True)
class Denied(Outcome):
    reason: str


@dataclass(frozen=True)
class Conflict(Outcome):
    reason: str
    version: str | None = None
    """The version the external system holds."""
    current: bytes | None = None
    """What it holds, as the host's conflict policy should see it."""


@dataclass(frozen=True)
class Rejected(Outcome):
    reason: str


def wait_ms(after: timedelta) -> int:
    """As the contract counts time, and never sooner."""
    return max(0, -(-after // timedelta(milliseconds=1)))


class Check:
    """Whether the external system is usable, as `check` found."""

    @staticmethod
    def usable(how: str) -> Check:
        """It is, and how that was seen."""
        return Usable(how)

    @staticmethod
    def unusable(why: str) -> Check:
        """It is not, and why."""
        return Unusable(why)

    @staticmethod
    def from_response(response: Response) -> Check:
        """Usable is what answers, lets us in and is not broken: a status below 500, but for 401, 403 and 407."""
        if response.status in (401, 403, 407) or response.status >= 500:
            return Unusable(response.summary)
        return Usable(response.summary)


@dataclass(frozen=True)
class Usable(Check):
    how: str


@dataclass(frozen=True)
class Unusable(Check):
    why: str
