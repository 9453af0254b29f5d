//! SQL in the connector's database, as a plugin writes it, and what came of it.
//!
//! Statements that are awaited together in one call are one transaction: all of them or none, and committed before the
//! answer comes. Values are bound and never written into the text. Each statement is in the database's own SQL: its
//! parameters stand as `$1` in PostgreSQL, as `?` in MySQL and MariaDB, and as either in SQLite.
//!
//! ```
//! use liaison_sdk::prelude::*;
//! use serde_json::json;
//!
//! async fn deliver(delivery: &Delivery, http: &Http) -> Result<Outcome, Failure> {
//!     let event = &delivery.event;
//!     let stored = http
//!         .sql("insert into people (id, name) values ($1, $2) on conflict (id) do update set name = excluded.name")
//!         .bind(&event.id)
//!         .bind("Ada")
//!         .and("insert into log (event) values ($1)")
//!         .bind(&delivery.idempotency_key)
//!         .run()
//!         .await?;
//!     Ok(if stored.affected() == 1 { Outcome::delivered() } else { Outcome::skipped("it is there") })
//! }
//!
//! use liaison_sdk::testing;
//!
//! let run = testing::endpoint()
//!     .expect("SQL insert into people (id, name) values ($1, $2) on conflict (id) do update set name = \
//!              excluded.name; insert into log (event) values ($1)", testing::affected(1).then(testing::affected(1)))
//!     .deliver(deliver, testing::event("person.changed").id("7"));
//! assert_eq!(run.outcome, Outcome::delivered());
//! assert_eq!(run.transactions[0].statements[0].parameters[0], "7".into());
//! ```

mod names;
mod values;
mod versions;

use std::fmt;
use std::time::Duration;

pub use crate::raw::connector::liaison::plugin::effects::{SqlError, SqlErrorKind, SqlValue};
pub use names::{Dialect, TableName, is_name};
pub use values::{FromSql, timestamp_ms};
pub use versions::version_problem;

use crate::failure::{Failure, Unanswered};
use crate::http::{Http, Place, milliseconds, wrong_kind};
use crate::raw::connector::liaison::plugin::effects::{
    Effect, Reply, SqlRequest, SqlResponse, SqlResult, SqlStatement,
};

/// A transaction that is being written.
#[derive(Debug)]
#[must_use = "nothing is done before `.run().await`"]
pub struct Sql<'http> {
    http: &'http Http,
    effect: SqlRequest,
}

impl Http {
    /// A transaction that begins with this statement, in the connector's database.
    pub fn sql(&self, statement: impl Into<String>) -> Sql<'_> {
        let sql = Sql { http: self, effect: SqlRequest { statements: Vec::new(), timeout: None } };
        sql.and(statement)
    }
}

impl Sql<'_> {
    /// Binds the next parameter of the latest statement, which takes at most 1000.
    pub fn bind(mut self, value: impl Into<SqlValue>) -> Self {
        if let Some(statement) = self.effect.statements.last_mut() {
            statement.parameters.push(value.into());
        }
        self
    }

    /// One more statement of the same transaction, of at most 64 KiB; a transaction takes at most 100.
    pub fn and(mut self, statement: impl Into<String>) -> Self {
        self.effect.statements.push(SqlStatement { sql: statement.into(), parameters: Vec::new() });
        self
    }

    /// Waits no longer than this. Else it is what is left of the attempt.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.effect.timeout = Some(milliseconds(timeout));
        self
    }

    /// Runs the transaction, and waits until it is committed.
    ///
    /// # Errors
    ///
    /// [`Failure::Refused`] where the database refused it and nothing was done, [`Failure::Unanswered`] where it is
    /// unknown whether all of it was done or nothing.
    pub async fn run(self) -> Result<SqlAnswer, Failure> {
        let Self { http, effect } = self;
        answered(http.ask(Effect::Sql(effect)).await)
    }

    /// As [`Sql::run`], for the transaction that delivers the event: where each of its statements changed a row and none
    /// gave one, that alone is [`Outcome::delivered`](crate::outcome::Outcome::delivered), and the host need not call the
    /// plugin again. Else the function goes on from here, and where it is called all the same, it must end just so: see
    /// [`SqlAnswer::has_delivered`]. Where something else is asked beside it, it is as [`Sql::run`].
    ///
    /// ```
    /// use liaison_sdk::prelude::*;
    ///
    /// async fn deliver(delivery: &Delivery, http: &Http) -> Result<Outcome, Failure> {
    ///     let update = http.sql("update people set seen = true where id = $1").bind(&delivery.event.id);
    ///     let changed = update.run_to_deliver().await?;
    ///     Ok(if changed.has_delivered() { Outcome::delivered() } else { Outcome::skipped("nobody is there") })
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Sql::run`].
    pub async fn run_to_deliver(self) -> Result<SqlAnswer, Failure> {
        let Self { http, effect } = self;
        answered(http.ask_to_settle(Effect::Sql(effect)).await)
    }
}

fn answered((effect, reply, _): (Effect, Reply, Place)) -> Result<SqlAnswer, Failure> {
    match (effect, reply) {
        (effect @ Effect::Sql(_), Reply::Sql(response)) => {
            let request = crate::http::line(&effect);
            match response {
                SqlResponse::Done(results) => Ok(SqlAnswer { request, results }),
                SqlResponse::Error(error) => Err(Failure::Refused(SqlRefusal { request, error })),
            }
        }
        // Statements are written by settings, and not by an event.
        (_, Reply::Failed(Unanswered::NotAllowed(why))) => Err(Failure::Settings(format!(
            "the connector's `database` does not grant what they ask for: {why}"
        ))),
        (effect, Reply::Failed(why)) => Err(Failure::unanswered(&effect, why)),
        (effect, Reply::Http(_) | Reply::Grpc(_) | Reply::Sql(_)) => Err(wrong_kind(&effect)),
    }
}

/// A transaction that is committed.
#[derive(Debug)]
pub struct SqlAnswer {
    request: String,
    results: Vec<SqlResult>,
}

impl SqlAnswer {
    /// Has each statement changed a row, and none given one? Then what was asked by [`Sql::run_to_deliver`] has delivered the
    /// event.
    pub fn has_delivered(&self) -> bool {
        have_delivered(&self.results)
    }

    /// Rows that the last statement inserted, updated or deleted, as the database counts them.
    pub fn affected(&self) -> u64 {
        self.results.last().map_or(0, |result| result.affected)
    }

    /// The same of one statement, from 0; 0 where there is no such statement.
    pub fn affected_by(&self, statement: usize) -> u64 {
        self.results.get(statement).map_or(0, |result| result.affected)
    }

    /// The rows that the last statement gave.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = Row<'_>> {
        self.rows_of(self.results.len().saturating_sub(1))
    }

    /// The rows that one statement gave, from 0; none where there is no such statement.
    pub fn rows_of(&self, statement: usize) -> impl ExactSizeIterator<Item = Row<'_>> {
        let result = self.results.get(statement);
        let rows = result.map_or(&[][..], |result| result.rows.as_slice());
        let columns = result.map_or(&[][..], |result| result.columns.as_slice());
        rows.iter().map(move |values| Row { answer: self, columns, values })
    }

    /// The first row of the last statement; `None` where there is none.
    pub fn row(&self) -> Option<Row<'_>> {
        self.rows().next()
    }
}

/// Do these results of a transaction that was run to deliver settle the event?
pub(crate) fn have_delivered(results: &[SqlResult]) -> bool {
    let changed = |result: &SqlResult| result.affected > 0 && result.rows.is_empty();
    !results.is_empty() && results.iter().all(changed)
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub struct Row<'answer> {
    answer: &'answer SqlAnswer,
    columns: &'answer [String],
    values: &'answer [SqlValue],
}

impl Row<'_> {
    /// The value of this column.
    ///
    /// # Errors
    ///
    /// [`Failure::Reply`] where there is no such column, or it holds something else than is wanted.
    pub fn get<T: FromSql>(&self, column: &str) -> Result<T, Failure> {
        let wrong = |what: &str| Failure::Reply(format!("{} gave {what}", self.answer.request));
        let position = self.columns.iter().position(|name| name == column);
        let value = position.and_then(|position| self.values.get(position));
        let value = value.ok_or_else(|| wrong(&format!("no column `{column}`")))?;
        T::from_sql(value).ok_or_else(|| wrong(&format!("another type than is wanted in `{column}`")))
    }

    /// The value of this column as it came; `None` where there is no such column.
    pub fn value(&self, column: &str) -> Option<&SqlValue> {
        let position = self.columns.iter().position(|name| name == column)?;
        self.values.get(position)
    }
}

/// A transaction that the database refused: it was rolled back as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct SqlRefusal {
    /// The transaction, as `SQL insert into people …`.
    pub request: String,
    pub error: SqlError,
}

impl fmt::Display for SqlRefusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { request, error } = self;
        write!(formatter, "{request} was refused")?;
        if !error.code.is_empty() {
            write!(formatter, " ({})", error.code)?;
        }
        write!(formatter, ": {}", error.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::join;
    use crate::outcome::{Delivery, Outcome};
    use crate::testing::{self, affected, rows};

    const LOOK: &str = "select version, name from people where id = $1";

    async fn deliver(_delivery: &Delivery, http: &Http) -> Result<Outcome, Failure> {
        let look = http.sql(LOOK).bind("7").timeout(Duration::from_secs(2)).run();
        let (found, page) = join(look, http.get("/a").send()).await;
        page?;
        let found = found?;
        let Some(row) = found.row() else { return Ok(Outcome::skipped("nobody")) };
        if row.get::<i64>("version")? > 3 {
            return Ok(Outcome::conflict(Some(row.get::<i64>("version")?.to_string()), None, "newer"));
        }
        let name: Option<String> = row.get("name")?;
        http.sql("update people set name = $1").bind(name).and("delete from old").run().await?;
        Ok(Outcome::delivered())
    }

    fn run(reply: impl Into<testing::Reply>) -> testing::Run {
        testing::endpoint()
            .expect(&format!("SQL {LOOK}"), reply)
            .expect("GET /a", testing::reply(200))
            .deliver(deliver, testing::event("t"))
    }

    #[test]
    fn a_row_is_looked_up_beside_a_request_and_then_two_statements_are_one_transaction() {
        let row = rows(["version", "name"]).row([3.into(), SqlValue::Null]);
        let run = testing::endpoint()
            .expect(&format!("SQL {LOOK}"), row)
            .expect("GET /a", testing::reply(200))
            .expect("SQL update people set name = $1; delete from old", affected(1).then(affected(0)))
            .deliver(deliver, testing::event("t"));
        assert_eq!((&run.outcome, &run.rounds[..]), (&Outcome::delivered(), &[2, 1][..]));
        let [look, change] = &run.transactions[..] else { panic!("{:?}", run.transactions) };
        assert_eq!((look.timeout, &look.statements[0].parameters[..]), (Some(2000), &["7".into()][..]));
        assert_eq!(change.statements[0].parameters, [SqlValue::Null]);
        assert_eq!(change.statements.len(), 2);
    }

    async fn once(_delivery: &Delivery, http: &Http) -> Result<Outcome, Failure> {
        let changed = http.sql("update a set b = $1").bind(1).run_to_deliver().await?;
        if changed.has_delivered() {
            return Ok(Outcome::delivered());
        }
        http.sql("insert into a values ($1)").bind(1).run().await?;
        Ok(Outcome::skipped("it was not there"))
    }

    #[test]
    fn a_transaction_that_delivers_is_said_to_and_is_gone_on_from_where_it_does_not() {
        use crate::raw::connector::exports::liaison::plugin::connector::Step;
        use crate::steps::deliver_one;

        let step = |rounds| {
            let delivery = Delivery { rounds, ..testing::event("t").into() };
            deliver_one(delivery, &once).unwrap()
        };
        assert!(matches!(step(Vec::new()), Step::SettleBy(Effect::Sql(_))));
        let nothing = SqlResult { affected: 0, columns: Vec::new(), rows: Vec::new() };
        let rounds = vec![vec![Reply::Sql(SqlResponse::Done(vec![nothing]))]];
        assert!(matches!(step(rounds), Step::Perform(effects) if effects.len() == 1));
        let run = testing::endpoint().expect("SQL update a set b = $1", affected(1));
        assert_eq!(run.deliver(once, testing::event("t")).outcome, Outcome::delivered());
    }

    #[test]
    #[should_panic(expected = "its transaction has delivered the event")]
    fn a_function_that_does_not_say_what_its_transaction_delivered_fails_its_test() {
        let silent = async |_: &Delivery, http: &Http| match http.sql("update a").run_to_deliver().await {
            Ok(_) => Outcome::skipped("it is there"),
            Err(failure) => failure.into(),
        };
        testing::endpoint().expect("SQL update a", affected(1)).deliver(silent, testing::event("t"));
    }

    #[test]
    fn what_a_row_says_decides() {
        assert_eq!(run(rows(["version", "name"])).outcome, Outcome::skipped("nobody"));
        let newer = run(rows(["version", "name"]).row([9.into(), "Ada".into()])).outcome;
        assert_eq!(newer, Outcome::conflict(Some("9".into()), None, "newer"));
        let odd = run(rows(["version", "name"]).row(["nine".into(), "Ada".into()])).outcome;
        let reason = format!("SQL {LOOK} gave another type than is wanted in `version`");
        assert_eq!(odd, Outcome::retry(reason));
        let other = run(rows(["name"]).row(["Ada".into()])).outcome;
        assert_eq!(other, Outcome::retry(format!("SQL {LOOK} gave no column `version`")));
    }
}
