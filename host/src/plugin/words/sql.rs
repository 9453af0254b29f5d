//! The same for SQL: statements, and what came of them both ways.
//!
//! Rows are lists of lists, and a guest's arguments borrow every list: those that have no other home live in an arena.

use std::time::Duration;

use bumpalo::Bump;

use super::wit_effects as wit;
use crate::contract::{
    Real, SqlError, SqlErrorKind, SqlRequest, SqlResponse, SqlResult, SqlStatement, SqlValue,
};

pub(super) fn lift_request(request: wit::SqlRequest) -> SqlRequest {
    let statement = |statement: wit::SqlStatement| SqlStatement {
        sql: statement.sql,
        parameters: statement.parameters.into_iter().map(lift_value).collect(),
    };
    SqlRequest {
        statements: request.statements.into_iter().map(statement).collect(),
        timeout: request.timeout.map(Duration::from_millis),
    }
}

fn lift_value(value: wit::SqlValueResult) -> SqlValue {
    match value {
        wit::SqlValueResult::Null => SqlValue::Null,
        wit::SqlValueResult::Boolean(value) => SqlValue::Boolean(value),
        wit::SqlValueResult::Integer(value) => SqlValue::Integer(value),
        wit::SqlValueResult::Real(value) => SqlValue::Real(Real(value)),
        wit::SqlValueResult::Text(text) => SqlValue::Text(text),
        wit::SqlValueResult::Bytes(bytes) => SqlValue::Bytes(bytes.into()),
        wit::SqlValueResult::Timestamp(microseconds) => SqlValue::Timestamp(microseconds),
        wit::SqlValueResult::Json(text) => SqlValue::Json(text),
        wit::SqlValueResult::Texts(texts) => SqlValue::Texts(texts),
    }
}

pub(super) fn lower_response<'a>(response: &'a SqlResponse, arena: &'a Bump) -> wit::SqlResponseParam<'a> {
    match response {
        SqlResponse::Done(results) => {
            let results = results.iter().map(|result| lower_result(result, arena));
            wit::SqlResponseParam::Done(arena.alloc_slice_fill_iter(results))
        }
        SqlResponse::Error(error) => wit::SqlResponseParam::Error(lower_error(error)),
    }
}

pub(super) fn lift_result(result: wit::SqlResultResult) -> SqlResult {
    let rows = result.rows.into_iter().map(|row| row.into_iter().map(lift_value).collect());
    SqlResult { affected: result.affected, columns: result.columns, rows: rows.collect() }
}

fn lower_result<'a>(result: &'a SqlResult, arena: &'a Bump) -> wit::SqlResultParam<'a> {
    let row = |row: &'a Vec<SqlValue>| lower_values(row, arena);
    wit::SqlResultParam {
        affected: result.affected,
        columns: arena.alloc_slice_fill_iter(result.columns.iter().map(String::as_str)),
        rows: arena.alloc_slice_fill_iter(result.rows.iter().map(row)),
    }
}

fn lower_values<'a>(values: &'a [SqlValue], arena: &'a Bump) -> &'a [wit::SqlValueParam<'a>] {
    arena.alloc_slice_fill_iter(values.iter().map(|value| lower_value(value, arena)))
}

fn lower_value<'a>(value: &'a SqlValue, arena: &'a Bump) -> wit::SqlValueParam<'a> {
    match value {
        SqlValue::Null => wit::SqlValueParam::Null,
        SqlValue::Boolean(value) => wit::SqlValueParam::Boolean(*value),
        SqlValue::Integer(value) => wit::SqlValueParam::Integer(*value),
        SqlValue::Real(Real(value)) => wit::SqlValueParam::Real(*value),
        SqlValue::Text(text) => wit::SqlValueParam::Text(text),
        SqlValue::Bytes(bytes) => wit::SqlValueParam::Bytes(bytes),
        SqlValue::Timestamp(microseconds) => wit::SqlValueParam::Timestamp(*microseconds),
        SqlValue::Json(text) => wit::SqlValueParam::Json(text),
        SqlValue::Texts(texts) => {
            wit::SqlValueParam::Texts(arena.alloc_slice_fill_iter(texts.iter().map(Option::as_deref)))
        }
    }
}

fn lower_error(error: &SqlError) -> wit::SqlErrorParam<'_> {
    wit::SqlErrorParam {
        kind: match error.kind {
            SqlErrorKind::Constraint => wit::SqlErrorKind::Constraint,
            SqlErrorKind::Data => wit::SqlErrorKind::Data,
            SqlErrorKind::Serialization => wit::SqlErrorKind::Serialization,
            SqlErrorKind::Statement => wit::SqlErrorKind::Statement,
            SqlErrorKind::Permission => wit::SqlErrorKind::Permission,
            SqlErrorKind::TooManyRows => wit::SqlErrorKind::TooManyRows,
            SqlErrorKind::Unavailable => wit::SqlErrorKind::Unavailable,
            SqlErrorKind::Other => wit::SqlErrorKind::Other,
        },
        statement: error.statement,
        code: &error.code,
        message: &error.message,
        constraint: error.constraint.as_deref(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_of_a_row_is_given_as_it_was_found() {
        let values = [
            SqlValue::Null,
            SqlValue::Boolean(true),
            SqlValue::Integer(-1),
            SqlValue::Real(Real(0.5)),
            SqlValue::Text("t".to_owned()),
            SqlValue::Bytes("b".into()),
            SqlValue::Timestamp(3),
            SqlValue::Json("{}".to_owned()),
            SqlValue::Texts(vec![Some("t".to_owned()), None]),
        ];
        let arena = Bump::new();
        let found: Vec<_> = lower_values(&values, &arena).iter().map(|value| format!("{value:?}")).collect();
        let expected = [
            "Null",
            "Boolean(true)",
            "Integer(-1)",
            "Real(0.5)",
            "Text(\"t\")",
            "Bytes([98])",
            "Timestamp(3)",
            "Json(\"{}\")",
            "Texts([Some(\"t\"), None])",
        ];
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.ends_with(expected), "{found} for {expected}");
        }
    }
}
