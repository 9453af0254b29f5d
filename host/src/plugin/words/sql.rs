//! The same for SQL: from a guest's statements to ours, and from rows to what a guest is given.
//!
//! Rows are lists of lists, and a guest's arguments borrow every list: those that have no other home live in an arena.

use std::time::Duration;

use bumpalo::Bump;

use super::wit_effects as wit;
use crate::contract::{
    Real, SqlError, SqlErrorKind, SqlRequest, SqlResponse, SqlResult, SqlStatement, SqlValue,
};

pub(super) fn lift(request: wit::SqlRequest) -> SqlRequest {
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
    }
}

pub(super) fn lower<'a>(response: &'a SqlResponse, arena: &'a Bump) -> wit::SqlResponse<'a> {
    match response {
        SqlResponse::Done(results) => {
            let results = results.iter().map(|result| lower_result(result, arena));
            wit::SqlResponse::Done(arena.alloc_slice_fill_iter(results))
        }
        SqlResponse::Error(error) => wit::SqlResponse::Error(lower_error(error)),
    }
}

fn lower_result<'a>(result: &'a SqlResult, arena: &'a Bump) -> wit::SqlResult<'a> {
    let row = |row: &'a Vec<SqlValue>| &*arena.alloc_slice_fill_iter(row.iter().map(lower_value));
    wit::SqlResult {
        affected: result.affected,
        columns: arena.alloc_slice_fill_iter(result.columns.iter().map(String::as_str)),
        rows: arena.alloc_slice_fill_iter(result.rows.iter().map(row)),
    }
}

fn lower_value(value: &SqlValue) -> wit::SqlValueParam<'_> {
    match value {
        SqlValue::Null => wit::SqlValueParam::Null,
        SqlValue::Boolean(value) => wit::SqlValueParam::Boolean(*value),
        SqlValue::Integer(value) => wit::SqlValueParam::Integer(*value),
        SqlValue::Real(Real(value)) => wit::SqlValueParam::Real(*value),
        SqlValue::Text(text) => wit::SqlValueParam::Text(text),
        SqlValue::Bytes(bytes) => wit::SqlValueParam::Bytes(bytes),
        SqlValue::Timestamp(microseconds) => wit::SqlValueParam::Timestamp(*microseconds),
        SqlValue::Json(text) => wit::SqlValueParam::Json(text),
    }
}

fn lower_error(error: &SqlError) -> wit::SqlError<'_> {
    wit::SqlError {
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
