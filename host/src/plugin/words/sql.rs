//! The same for SQL: statements and what came of them, both ways.
//!
//! Rows are lists of lists, and a guest's arguments borrow every list: those that have no other home live in an arena.

use std::time::Duration;

use bumpalo::Bump;

use super::effect::milliseconds;
use super::wit_effects as wit;
use crate::contract::{
    Real, SqlError, SqlErrorKind, SqlRequest, SqlResponse, SqlResult, SqlStatement, SqlValue,
};

pub(super) fn lift_request(request: wit::SqlRequestResult) -> SqlRequest {
    let statement = |statement: wit::SqlStatementResult| SqlStatement {
        sql: statement.sql,
        parameters: statement.parameters.into_iter().map(lift_value).collect(),
    };
    SqlRequest {
        statements: request.statements.into_iter().map(statement).collect(),
        timeout: request.timeout.map(Duration::from_millis),
    }
}

pub(super) fn lower_request<'a>(request: &'a SqlRequest, arena: &'a Bump) -> wit::SqlRequestParam<'a> {
    let statement = |statement: &'a SqlStatement| wit::SqlStatementParam {
        sql: &statement.sql,
        parameters: lower_values(&statement.parameters, arena),
    };
    wit::SqlRequestParam {
        statements: arena.alloc_slice_fill_iter(request.statements.iter().map(statement)),
        timeout: request.timeout.map(milliseconds),
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
