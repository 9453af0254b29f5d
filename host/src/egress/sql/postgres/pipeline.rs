//! A transaction whose `begin` and statements are sent in one go, before anything is answered, and its `commit` after that.
//!
//! The server does them in order, and one that is refused makes it refuse those after it. The commit waits for what they are
//! answered: sent ahead, it would still be done after the time is over and the event was told so.

use std::cell::RefCell;

use futures_util::future::{join, join_all};
use tokio::time::Instant;
use tokio_postgres::Error;

use super::{PostgresSession, Prepared, SPARE_BYTES, begin_text, bind};
use crate::config::Access;
use crate::contract::{SqlResult, SqlStatement};
use crate::egress::sql::Ended;
use crate::egress::sql::bounds::Budget;

impl PostgresSession {
    /// Refused, it is rolled back, and the session can be used again, if the rows were not too many.
    pub(super) async fn pipeline(
        &self,
        statements: &[SqlStatement],
        prepared: &[Prepared],
        access: Access,
        end: Instant,
        budget: &mut Budget,
    ) -> Result<Vec<SqlResult>, Ended> {
        let budget = RefCell::new(budget);
        let mut answers = Vec::with_capacity(statements.len());
        for (number, (statement, prepared)) in (0..).zip(statements.iter().zip(prepared)) {
            let parameters = bind::all(&statement.parameters, prepared.statement.params());
            let parameters = parameters.map_err(|ended| ended.in_statement(number))?;
            let budget = &budget;
            answers.push(async move {
                let answer = self.answer(statement, prepared, parameters, budget).await;
                answer.map_err(|ended| ended.in_statement(number))
            });
        }
        self.allowance.set(self.max_bytes.saturating_mul(2).saturating_add(SPARE_BYTES));
        let begin = begin_text(access, end);
        let begin = self.client.batch_execute(&begin);
        let (begun, answers) = join(begin, join_all(answers)).await;
        // Without it each statement was a transaction of its own, and what is done is not known.
        begun.map_err(|error| self.lost(&error))?;
        let ended = |error: Error| self.ended(&error);
        match answers.into_iter().collect() {
            Ok(results) => {
                self.client.batch_execute("commit").await.map_err(ended)?;
                Ok(results)
            }
            Err(refused) => {
                // Else it ends with its session.
                if refused.leaves_session() {
                    self.client.batch_execute("rollback").await.map_err(ended)?;
                }
                Err(refused)
            }
        }
    }
}
