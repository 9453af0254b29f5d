//! A statement that is a transaction by itself, in one round trip: nothing begins it, and its end is its commit.

use futures_util::future::join;
use tokio::time::Instant;
use tokio_postgres::Statement;

use super::{PostgresSession, SPARE_BYTES, bind};
use crate::contract::{SqlResult, SqlStatement};
use crate::egress::sql::Ended;
use crate::egress::sql::bounds::patience;

impl PostgresSession {
    /// Of a prepared statement that gives no row. Refused, nothing is done, and the session can be used again.
    pub(super) async fn alone(
        &mut self,
        statement: &SqlStatement,
        prepared: &Statement,
        end: Instant,
    ) -> Result<SqlResult, Ended> {
        let parameters = bind::all(&statement.parameters, prepared.params());
        let parameters = parameters.map_err(|ended| ended.in_statement(0))?;
        self.allowance.set(self.max_bytes.saturating_mul(2).saturating_add(SPARE_BYTES));
        let wanted = patience(end.saturating_duration_since(Instant::now()));
        let change = self.client.execute_raw(prepared, parameters);
        let affected = if self.patience == Some(wanted) {
            change.await
        } else {
            // Sent in one go: the server does them in order. A role may be one that only reads unless it says otherwise.
            let text = format!(
                "set default_transaction_read_only = off; set statement_timeout = {}",
                super::milliseconds(wanted)
            );
            let (told, affected) = join(self.client.batch_execute(&text), change).await;
            // Where it is not told, the change may be done, and the session is not to be used again.
            told.map_err(|error| self.lost(&error))?;
            self.patience = Some(wanted);
            affected
        };
        let affected = affected.map_err(|error| self.ended(&error).in_statement(0))?;
        Ok(SqlResult { affected, ..SqlResult::default() })
    }
}
