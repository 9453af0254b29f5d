//! A transaction whose `begin` and statements are sent in one go, before anything is answered, and its `commit` after that.
//!
//! The server does them in order, and one that is refused makes it refuse those after it. The commit waits for what they are
//! answered: sent ahead, it would still be done after the time is over and the event was told so.

use futures_util::future::{join, join_all};
use tokio::time::Instant;
use tokio_postgres::{Error, Statement};

use super::{PostgresSession, SPARE_BYTES, begin_text, bind};
use crate::config::Access;
use crate::contract::{SqlResult, SqlStatement};
use crate::egress::sql::Ended;

impl PostgresSession {
    /// Refused, it is rolled back, and the session can be used again.
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
        let (begun, changed) = join(begin, join_all(changes)).await;
        // Without it each statement was a transaction of its own, and what is done is not known.
        begun.map_err(|error| self.lost(&error))?;
        let changed = (0..).zip(changed).map(|(number, affected)| {
            let affected = affected.map_err(|error| self.ended(&error).in_statement(number))?;
            Ok(SqlResult { affected, ..SqlResult::default() })
        });
        let ended = |error: Error| self.ended(&error);
        match changed.collect() {
            Ok(results) => {
                self.client.batch_execute("commit").await.map_err(ended)?;
                Ok(results)
            }
            Err(refused) => {
                self.client.batch_execute("rollback").await.map_err(ended)?;
                Err(refused)
            }
        }
    }
}
