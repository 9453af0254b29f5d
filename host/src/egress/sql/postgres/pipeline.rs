//! A whole transaction that is sent in one go: `begin`, its statements and `commit`, before anything is answered.
//!
//! The server does them in order. One that is refused makes it refuse those after it and turn the commit into a rollback,
//! so nothing is done by half.

use futures_util::future::{join_all, join3};
use tokio::time::Instant;
use tokio_postgres::{Error, Statement};

use super::{PostgresSession, SPARE_BYTES, begin_text, bind};
use crate::config::Access;
use crate::contract::{SqlResult, SqlStatement};
use crate::egress::sql::Ended;

impl PostgresSession {
    /// Everything is sent in this order before anything is answered.
    pub(super) async fn pipeline(
        &self,
        statements: &[SqlStatement],
        prepared: &[Statement],
        access: Access,
        end: Instant,
    ) -> Result<Vec<SqlResult>, Ended> {
        let mut changes = Vec::with_capacity(statements.len());
        for (number, (statement, prepared)) in (0..).zip(statements.iter().zip(prepared)) {
            let parameters = bind::all(&statement.parameters, prepared.params());
            let parameters = parameters.map_err(|ended| ended.in_statement(number))?;
            changes.push(self.client.execute_raw(prepared, parameters));
        }
        self.allowance.set(self.max_bytes.saturating_mul(2).saturating_add(SPARE_BYTES));
        let begin = begin_text(access, end);
        let begin = self.client.batch_execute(&begin);
        let (begun, changed, committed) =
            join3(begin, join_all(changes), self.client.batch_execute("commit")).await;
        let failed = |error: Error| self.ended(&error);
        begun.map_err(failed)?;
        let mut results = Vec::with_capacity(changed.len());
        for (number, affected) in (0..).zip(changed) {
            let affected = affected.map_err(|error| self.ended(&error).in_statement(number))?;
            results.push(SqlResult { affected, ..SqlResult::default() });
        }
        committed.map_err(failed)?;
        Ok(results)
    }
}
