"""SQL as the host is told of it, and what it tells."""

from dataclasses import dataclass, field
from enum import Enum


@dataclass(frozen=True)
class Timestamp:
    """A moment, in microseconds since 1970-01-01T00:00:00Z."""

    microseconds: int


@dataclass(frozen=True)
class Json:
    """A value as JSON text."""

    text: str


@dataclass(frozen=True)
class Texts:
    """Texts and nulls as one array. Bound in PostgreSQL alone, which reads each as the type of the array's elements."""

    texts: list[str | None]


SqlValue = None | bool | int | float | str | bytes | Timestamp | Json | Texts
"""A value that is bound, or that a row holds."""


@dataclass
class SqlStatement:
    """One statement, and its parameters in order."""

    sql: str
    parameters: list[SqlValue] = field(default_factory=list)


@dataclass
class SqlRequest:
    """The statements of one transaction."""

    statements: list[SqlStatement]
    timeout_ms: int | None = None


@dataclass(frozen=True)
class SqlResult:
    """What came of one statement."""

    affected: int
    columns: list[str]
    rows: list[list[SqlValue]]


class SqlResponse:
    """What came of a transaction: it is committed, or was rolled back."""


@dataclass(frozen=True)
class SqlDone(SqlResponse):
    """A transaction that is committed: one result a statement."""

    results: list[SqlResult]


class SqlErrorKind(Enum):
    """Why a database refuses."""

    CONSTRAINT = "constraint"
    """A constraint refused the data."""
    DATA = "data"
    """A value does not fit: out of range, too long, not of its column's type."""
    SERIALIZATION = "serialization"
    """Two transactions were in each other's way: trying again may help."""
    STATEMENT = "statement"
    """The statement itself is wrong."""
    PERMISSION = "permission"
    """The database lets this user not in, or not do this."""
    TOO_MANY_ROWS = "too-many-rows"
    """A statement gives more rows than the connector's `database.max-rows`."""
    UNAVAILABLE = "unavailable"
    """The database cannot now: it is full, starting, or being shut down."""
    OTHER = "other"


@dataclass(frozen=True)
class SqlError(SqlResponse):
    """A transaction that was rolled back."""

    kind: SqlErrorKind
    statement: int | None
    """The statement that was refused, from 0; `None` where it was the log-in or the commit."""
    code: str
    """The SQLSTATE, where there is one, else empty."""
    message: str
    constraint: str | None = None
    """The constraint that was violated, where the database says so."""
