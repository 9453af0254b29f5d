//! What a database answers in a test.

use super::builders::Reply;
use crate::raw::connector::liaison::plugin::effects::{
    Reply as RawReply, SqlError, SqlErrorKind, SqlResponse, SqlResult, SqlValue,
};

/// Rows with these columns; none yet.
pub fn rows<const COLUMNS: usize>(columns: [&str; COLUMNS]) -> SqlReply {
    let columns = columns.map(str::to_owned).to_vec();
    SqlReply(vec![SqlResult { affected: 0, columns, rows: Vec::new() }])
}

/// So many rows changed, and none given.
pub fn affected(rows: u64) -> SqlReply {
    SqlReply(vec![SqlResult { affected: rows, columns: Vec::new(), rows: Vec::new() }])
}

/// A refusal, with its SQLSTATE and message.
pub fn sql_error(kind: SqlErrorKind, code: &str, message: &str) -> SqlErrorReply {
    let (code, message) = (code.to_owned(), message.to_owned());
    SqlErrorReply(SqlError { kind, statement: Some(0), code, message, constraint: None })
}

/// What the statements of one transaction are answered with.
#[derive(Debug, Clone)]
#[must_use]
pub struct SqlReply(Vec<SqlResult>);

impl SqlReply {
    /// One more row of the latest statement.
    pub fn row<const COLUMNS: usize>(mut self, values: [SqlValue; COLUMNS]) -> Self {
        if let Some(result) = self.0.last_mut() {
            result.rows.push(values.to_vec());
        }
        self
    }

    /// And then this, to the statements that follow.
    pub fn then(mut self, next: SqlReply) -> Self {
        self.0.extend(next.0);
        self
    }
}

impl From<SqlReply> for Reply {
    fn from(reply: SqlReply) -> Self {
        Reply::of(RawReply::Sql(SqlResponse::Done(reply.0)))
    }
}

/// A refusal.
#[derive(Debug, Clone)]
#[must_use]
pub struct SqlErrorReply(SqlError);

impl SqlErrorReply {
    /// Of the statement at this place of the transaction, from 0: the first, unless it is said.
    pub fn in_statement(mut self, statement: u32) -> Self {
        self.0.statement = Some(statement);
        self
    }

    /// By this constraint.
    pub fn constraint(mut self, name: &str) -> Self {
        self.0.constraint = Some(name.to_owned());
        self
    }
}

impl From<SqlErrorReply> for Reply {
    fn from(reply: SqlErrorReply) -> Self {
        Reply::of(RawReply::Sql(SqlResponse::Error(reply.0)))
    }
}
