"""SQL between the contract's words and the SDK's."""

from wit_world.imports import effects

from liaison_sdk.database import (
    Json,
    SqlDone,
    SqlError,
    SqlErrorKind,
    SqlRequest,
    SqlResponse,
    SqlResult,
    SqlStatement,
    SqlValue,
    Texts,
    Timestamp,
)


def request(request: SqlRequest) -> effects.SqlRequest:
    return effects.SqlRequest([_statement(statement) for statement in request.statements], request.timeout_ms)


def _statement(statement: SqlStatement) -> effects.SqlStatement:
    return effects.SqlStatement(statement.sql, [_bound(value) for value in statement.parameters])


def _bound(value: SqlValue) -> effects.SqlValue:
    match value:
        case None:
            return effects.SqlValue_Null()
        # Before `int`, of which it is one to Python.
        case bool():
            return effects.SqlValue_Boolean(value)
        case int():
            return effects.SqlValue_Integer(value)
        case float():
            return effects.SqlValue_Real(value)
        case str():
            return effects.SqlValue_Text(value)
        case bytes():
            return effects.SqlValue_Bytes(value)
        case Timestamp(microseconds):
            return effects.SqlValue_Timestamp(microseconds)
        case Json(text):
            return effects.SqlValue_Json(text)
        case Texts(texts):
            return effects.SqlValue_Texts(texts)
    raise TypeError(f"{value!r} cannot be bound")


def response(raw: effects.SqlResponse) -> SqlResponse:
    match raw:
        case effects.SqlResponse_Done(results):
            return SqlDone([_result(result) for result in results])
        case effects.SqlResponse_Error(error):
            kind = SqlErrorKind[error.kind.name]
            return SqlError(kind, error.statement, error.code, error.message, error.constraint)
    raise TypeError(f"{raw!r} is no answer to SQL")


def _result(raw: effects.SqlResult) -> SqlResult:
    return SqlResult(raw.affected, raw.columns, [[_value(value) for value in row] for row in raw.rows])


def _value(raw: effects.SqlValue) -> SqlValue:
    match raw:
        case effects.SqlValue_Null():
            return None
        case effects.SqlValue_Bytes(value):
            return bytes(value)
        case effects.SqlValue_Timestamp(value):
            return Timestamp(value)
        case effects.SqlValue_Json(value):
            return Json(value)
        case (
            effects.SqlValue_Boolean(value)
            | effects.SqlValue_Integer(value)
            | effects.SqlValue_Real(value)
            | effects.SqlValue_Text(value)
        ):
            native: bool | int | float | str = value
            return native
        case effects.SqlValue_Texts(value):
            return Texts(value)
    raise TypeError(f"{raw!r} is no value of a database")


def answered(response: SqlDone | SqlError) -> effects.SqlResponse:
    """As `response`, the other way round."""
    match response:
        case SqlDone(results):
            return effects.SqlResponse_Done([_done(result) for result in results])
        case SqlError(kind, statement, code, message, constraint):
            raw = effects.SqlErrorKind[kind.name]
            return effects.SqlResponse_Error(effects.SqlError(raw, statement, code, message, constraint))


def _done(result: SqlResult) -> effects.SqlResult:
    rows = [[_bound(value) for value in row] for row in result.rows]
    return effects.SqlResult(result.affected, result.columns, rows)
