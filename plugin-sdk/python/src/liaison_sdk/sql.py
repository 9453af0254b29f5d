"""SQL in the connector's database, as a plugin writes it, and what came of it.

Statements that are run together are one transaction: all of them or none, and committed before the answer comes. Values
are bound and never written into the text. Each statement is in the database's own SQL: its parameters stand as `$1` in
PostgreSQL, as `?` in MySQL and MariaDB, and as either in SQLite.

    stored = await (
        http.sql("insert into people (id, name) values ($1, $2) on conflict (id) do nothing")
        .bind(delivery.event.id)
        .bind("Ada")
        .and_("insert into log (event) values ($1)")
        .bind(delivery.idempotency_key)
        .run()
    )
    return Outcome.delivered() if stored.affected == 1 else Outcome.skipped("it is there")
"""

from __future__ import annotations

from collections.abc import Awaitable, Generator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, overload

from liaison_sdk import shape as form
from liaison_sdk.asking import ask, line
from liaison_sdk.database import Json, SqlDone, SqlError, SqlRequest, SqlResponse, SqlStatement, SqlValue, Timestamp
from liaison_sdk.failure import EventFailure, RefusedFailure, ReplyFailure, SettingsFailure, UnansweredFailure
from liaison_sdk.joining import Waiting
from liaison_sdk.rounds import Rounds, milliseconds
from liaison_sdk.shape import Shape

T = TypeVar("T")

Bound = SqlValue | datetime | list[Any] | dict[str, Any]
"""What can be bound: lists and dictionaries as JSON, a `datetime` without a zone as UTC."""

_EPOCH = datetime.fromtimestamp(0, UTC)
_LARGEST = 2**63


class Sql:
    """A transaction that is being written. Nothing is done before `await ….run()`."""

    def __init__(self, rounds: Rounds, statement: str) -> None:
        self._rounds = rounds
        self._request = SqlRequest([SqlStatement(statement)])

    def bind(self, value: Bound) -> Sql:
        """Binds the next parameter of the latest statement, which takes at most 1000. Raises `EventFailure` where no
        database can hold it."""
        self._request.statements[-1].parameters.append(_bound(value))
        return self

    def and_(self, statement: str) -> Sql:
        """One more statement of the same transaction, of at most 64 KiB; a transaction takes at most 100."""
        self._request.statements.append(SqlStatement(statement))
        return self

    def timeout(self, timeout: timedelta) -> Sql:
        """Waits no longer than this. Else it is what is left of the attempt."""
        self._request.timeout_ms = milliseconds(timeout)
        return self

    def run(self) -> Awaitable[SqlAnswer]:
        """Runs the transaction, and waits until it is committed.

        Raises `RefusedFailure` where the database refused it and nothing was done, `SettingsFailure` where the connector
        is not granted what it asks for, `UnansweredFailure` where it is unknown whether all of it was done or nothing.
        """
        return _Running(self._rounds, self._request)

    def run_to_deliver(self) -> Awaitable[SqlAnswer]:
        """As `run`, for the transaction that delivers the event: where each of its statements changed a row and none gave
        one, that alone is `Outcome.delivered()`, and the host need not call the plugin again. Else the function goes on from
        here, and where it is called all the same, it must end just so: see `SqlAnswer.has_delivered`. Where something else is
        asked beside it, it is as `run`.

            changed = await http.sql("update people set name = $1 where id = $2").bind("Ada").bind(7).run_to_deliver()
            return Outcome.delivered() if changed.has_delivered else Outcome.skipped("nobody is there")
        """
        return _Running(self._rounds, self._request, settles=True)


class _Running(Awaitable["SqlAnswer"]):
    """A transaction on its way. It has a place once it is awaited."""

    def __init__(self, rounds: Rounds, request: SqlRequest, settles: bool = False) -> None:
        self._rounds = rounds
        self._request = request
        self._settles = settles

    def __await__(self) -> Generator[Waiting, None, SqlAnswer]:
        try:
            response, _ = yield from ask(self._rounds, self._request, SqlResponse, self._settles)
        except UnansweredFailure as failure:
            if failure.why.kind != "not-allowed":
                raise
            # Statements are written by settings, and not by an event.
            why = f"the connector's `database` does not grant what they ask for: {failure.why.detail}"
            raise SettingsFailure(why) from None
        if isinstance(response, SqlDone):
            return SqlAnswer(line(self._request), response)
        assert isinstance(response, SqlError)
        raise RefusedFailure(line(self._request), response)


class SqlAnswer:
    """A transaction that is committed."""

    def __init__(self, request: str, done: SqlDone) -> None:
        self._request = request
        self._results = done.results

    @property
    def has_delivered(self) -> bool:
        """Has each statement changed a row, and none given one? Then what was asked by `Sql.run_to_deliver` has delivered the
        event."""
        return bool(self._results) and all(result.affected > 0 and not result.rows for result in self._results)

    @property
    def affected(self) -> int:
        """Rows that the last statement inserted, updated or deleted, as the database counts them."""
        return self.affected_by(len(self._results) - 1)

    def affected_by(self, statement: int) -> int:
        """The same of one statement, from 0; 0 where there is no such statement."""
        return self._results[statement].affected if 0 <= statement < len(self._results) else 0

    @property
    def rows(self) -> list[Row]:
        """The rows that the last statement gave."""
        return self.rows_of(len(self._results) - 1)

    def rows_of(self, statement: int) -> list[Row]:
        """The rows that one statement gave, from 0; none where there is no such statement."""
        if not 0 <= statement < len(self._results):
            return []
        result = self._results[statement]
        return [Row(self._request, dict(zip(result.columns, row, strict=False))) for row in result.rows]

    @property
    def row(self) -> Row | None:
        """The first row of the last statement; `None` where there is none."""
        return next(iter(self.rows), None)


class Row:
    """One row."""

    def __init__(self, request: str, values: dict[str, SqlValue]) -> None:
        self._request = request
        self._values = values

    def value(self, column: str) -> SqlValue:
        """The value of this column as it came. Raises `ReplyFailure` where there is no such column."""
        if column not in self._values:
            raise ReplyFailure(f"{self._request} gave no column `{column}`")
        return self._values[column]

    def get(self, column: str, kind: type[T]) -> T:
        """The value of this column as `bool`, `int`, `float`, `str`, `bytes` or `datetime`.

        Raises `ReplyFailure` where there is no such column, or it holds something else, or nothing.
        """
        value = _read(self.value(column), kind)
        if not isinstance(value, kind):
            raise self._wrong(column)
        return value

    def get_or_none(self, column: str, kind: type[T]) -> T | None:
        """As `get`; `None` where the column holds nothing."""
        return None if self.value(column) is None else self.get(column, kind)

    @overload
    def json(self, column: str) -> Any: ...
    @overload
    def json(self, column: str, shape: Shape[T]) -> T: ...
    def json(self, column: str, shape: Any = Any) -> Any:
        """The JSON in this column, of its own type or in text, as a dataclass or any type that `typing` can name."""
        try:
            return form.parse(self.get(column, str).encode(), shape)
        except ValueError as error:
            raise ReplyFailure(f"{self._request} gave in `{column}`: {error}") from None

    def _wrong(self, column: str) -> ReplyFailure:
        return ReplyFailure(f"{self._request} gave another type than is wanted in `{column}`")


def _bound(value: Bound) -> SqlValue:
    match value:
        case bool() | None:
            return value
        case int() if not -_LARGEST <= value < _LARGEST:
            raise EventFailure(f"{value} is no number of 64 bits, which a database could hold")
        case datetime():
            moment = value if value.tzinfo else value.replace(tzinfo=UTC)
            return Timestamp((moment - _EPOCH) // timedelta(microseconds=1))
        case list() | dict():
            try:
                return Json(form.write(value).decode())
            except ValueError as error:
                raise EventFailure(f"what is bound has no form in JSON: {error}") from None
        case _:
            return value


def _read(value: SqlValue, kind: type[object]) -> object:
    """As this kind of value where it can be told to be one; else as it is."""
    match value:
        # MySQL and SQLite have 1 and 0 for it.
        case 0 | 1 if kind is bool:
            return bool(value)
        # To Python `True` is a number, to a database it is none.
        case bool() if kind is int:
            return None
        # JSON is text too.
        case Json(text) if kind is str:
            return text
        case Timestamp(microseconds) if kind is datetime:
            try:
                return _EPOCH + timedelta(microseconds=microseconds)
            except OverflowError:
                return None
    return value
