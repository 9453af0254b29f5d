"""What a database answers in a test."""

from __future__ import annotations

from dataclasses import dataclass, replace

from liaison_sdk.database import SqlDone, SqlError, SqlErrorKind, SqlResult, SqlValue


def rows(*columns: str) -> ScriptedRows:
    """Rows with these columns; none yet."""
    return ScriptedRows(SqlDone([SqlResult(0, list(columns), [])]))


def affected(rows: int) -> ScriptedRows:
    """So many rows changed, and none given."""
    return ScriptedRows(SqlDone([SqlResult(rows, [], [])]))


def sql_error(kind: SqlErrorKind, code: str, message: str) -> ScriptedRefusal:
    """A refusal, with its SQLSTATE and message."""
    return ScriptedRefusal(SqlError(kind, 0, code, message))


@dataclass(frozen=True)
class ScriptedRows:
    """What the statements of one transaction are answered with."""

    response: SqlDone

    def row(self, *values: SqlValue) -> ScriptedRows:
        """One more row of the latest statement."""
        *before, last = self.response.results
        return ScriptedRows(SqlDone([*before, replace(last, rows=[*last.rows, list(values)])]))

    def then(self, following: ScriptedRows) -> ScriptedRows:
        """And then this, to the statements that follow."""
        return ScriptedRows(SqlDone([*self.response.results, *following.response.results]))


@dataclass(frozen=True)
class ScriptedRefusal:
    """A refusal."""

    response: SqlError

    def constraint(self, name: str) -> ScriptedRefusal:
        """By this constraint."""
        return ScriptedRefusal(replace(self.response, constraint=name))
