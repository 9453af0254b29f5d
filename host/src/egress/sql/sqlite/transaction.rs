//! One transaction in one file, from `begin` to `commit` or `rollback`. Blocks.

use bytes::Bytes;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, Statement};

use super::authorize::Watch;
use super::errors::ended;
use crate::config::Access;
use crate::contract::{Failure, Real, SqlErrorKind, SqlRequest, SqlResult, SqlStatement, SqlValue};
use crate::egress::LONGEST;
use crate::egress::sql::Ended;
use crate::egress::sql::bounds::Budget;
use crate::egress::sql::state::refused;
use crate::egress::sql::value::timestamp_text;

pub(super) fn perform(
    connection: &mut Connection,
    watch: &Watch,
    access: Access,
    request: &SqlRequest,
    budget: &mut Budget,
) -> Result<Vec<SqlResult>, Ended> {
    // A writer waits for others at the beginning, and not half-way with a lock of its own.
    let begin = match access {
        Access::Read => "begin",
        Access::Write => "begin immediate",
    };
    let host = |text: &str| watch.as_host(|| connection.execute_batch(text));
    connection
        .busy_timeout(watch.left().min(LONGEST))
        .and_then(|()| host(begin))
        .map_err(|error| ended(&error, watch, budget))?;
    let done = run_all(connection, watch, request, budget).and_then(|results| match watch.is_over() {
        true => Err(Failure::TimedOut.into()),
        false => host("commit").map(|()| results).map_err(|error| ended(&error, watch, budget)),
    });
    if done.is_err() && !connection.is_autocommit() && host("rollback").is_err() {
        // Closing the connection rolls it back.
        return done
            .map_err(|_| Failure::Connection("a transaction could not be rolled back".to_owned()).into());
    }
    done
}

fn run_all(
    connection: &Connection,
    watch: &Watch,
    request: &SqlRequest,
    budget: &mut Budget,
) -> Result<Vec<SqlResult>, Ended> {
    let mut results = Vec::with_capacity(request.statements.len());
    for (number, statement) in (0..).zip(&request.statements) {
        let result = run(connection, watch, statement, budget).map_err(|ended| match ended {
            Ended::Failed(Failure::NotAllowed(why)) => {
                Ended::Failed(Failure::NotAllowed(format!("statement {number} {why}")))
            }
            other => other.in_statement(number),
        });
        results.push(result?);
    }
    Ok(results)
}

fn run(
    connection: &Connection,
    watch: &Watch,
    statement: &SqlStatement,
    budget: &mut Budget,
) -> Result<SqlResult, Ended> {
    watch.reads(&statement.sql);
    let mut prepared = match connection.prepare(&statement.sql) {
        Ok(prepared) => prepared,
        Err(error) => return Err(ended(&error, watch, budget)),
    };
    bind(&mut prepared, &statement.parameters)?;
    let columns: Vec<String> = prepared.column_names().map(str::to_owned).collect();
    let reads = prepared.readonly();
    let mut result = SqlResult { affected: 0, columns, rows: Vec::new() };
    let width = result.columns.len();
    let mut rows = prepared.raw_query();
    loop {
        let row = match rows.next() {
            Ok(Some(row)) => row,
            Ok(None) => break,
            Err(error) => return Err(ended(&error, watch, budget)),
        };
        budget.row(result.rows.len())?;
        let mut values = Vec::with_capacity(width);
        for index in 0..width {
            let value = row.get_ref(index).map_err(|error| ended(&error, watch, budget))?;
            let value = read(value, &result.columns[index])?;
            budget.value(&value)?;
            values.push(value);
        }
        result.rows.push(values);
    }
    if !reads {
        result.affected = connection.changes();
    }
    Ok(result)
}

fn bind(prepared: &mut Statement<'_>, values: &[SqlValue]) -> Result<(), Ended> {
    let (takes, given) = (prepared.parameter_count(), values.len());
    if takes != given {
        let text = format!("it takes {takes} parameters and is given {given}");
        return Err(refused(SqlErrorKind::Statement, "", text));
    }
    for (number, value) in (1..).zip(values) {
        let bound = bound(value).ok_or_else(|| {
            let text = format!("parameter {number} is a {} that SQLite does not have", value.kind());
            refused(SqlErrorKind::Data, "", text)
        })?;
        let bound = prepared.raw_bind_parameter(number, bound);
        bound.map_err(|error| refused(SqlErrorKind::Data, "", error.to_string()))?;
    }
    Ok(())
}

fn bound(value: &SqlValue) -> Option<ToSqlOutput<'_>> {
    Some(match value {
        SqlValue::Null => ToSqlOutput::Borrowed(ValueRef::Null),
        SqlValue::Boolean(is) => ToSqlOutput::Borrowed(ValueRef::Integer((*is).into())),
        SqlValue::Integer(number) => ToSqlOutput::Borrowed(ValueRef::Integer(*number)),
        SqlValue::Real(Real(number)) => ToSqlOutput::Borrowed(ValueRef::Real(*number)),
        SqlValue::Text(text) | SqlValue::Json(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        SqlValue::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        SqlValue::Timestamp(microseconds) => ToSqlOutput::Owned(Value::Text(timestamp_text(*microseconds)?)),
        SqlValue::Texts(_) => return None,
    })
}

fn read(value: ValueRef<'_>, column: &str) -> Result<SqlValue, Ended> {
    Ok(match value {
        ValueRef::Null => SqlValue::Null,
        ValueRef::Integer(number) => SqlValue::Integer(number),
        ValueRef::Real(number) => SqlValue::Real(Real(number)),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => SqlValue::Text(text.to_owned()),
            Err(_) => {
                let text = format!("column `{column}` holds text that is not UTF-8; cast it to blob");
                return Err(refused(SqlErrorKind::Data, "", text));
            }
        },
        ValueRef::Blob(bytes) => SqlValue::Bytes(Bytes::copy_from_slice(bytes)),
    })
}
