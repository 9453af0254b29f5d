//! A connector to a table of records: it looks a record up and writes the event's data over it, unless what is there is
//! newer. The database is asked in its own SQL, as the setting `dialect` says.
//!
//! An event with the attribute `statements` has its own: a JSON list of texts, or of `{"sql": …, "parameters": […]}`,
//! which are done as one transaction.

use liaison_sdk::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

liaison_sdk::connector!(deliver, check);

#[derive(Deserialize)]
struct Settings {
    dialect: Dialect,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Dialect {
    Postgres,
    MySql,
    Sqlite,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    name: String,
    updated_at: i64,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Statement {
    Text(String),
    Bound { sql: String, parameters: Vec<Value> },
}

async fn deliver(delivery: &Delivery, http: &Http) -> Result<Outcome, Failure> {
    let event = &delivery.event;
    if let Some(statements) = event.attribute("statements") {
        return Ok(statements_of(statements, http).await.unwrap_or_else(refused));
    }
    let dialect = settings::<Settings>()?.dialect;
    let record: Record = event.json()?;
    let found = http.sql(dialect.lookup()).bind(&event.id).run().await?;
    if let Some(row) = found.row()
        && let version = row.get::<i64>("updated_at")?
        && version >= record.updated_at
    {
        let current = json!({ "name": row.get::<String>("name")?, "updatedAt": version });
        let reason = format!("version {version} is there");
        return Ok(Outcome::conflict(
            Some(version.to_string()),
            Some(current.to_string().into_bytes()),
            reason,
        ));
    }
    // It may have changed since: the statement looks again.
    let write = http.sql(dialect.upsert()).bind(&event.id).bind(record.name).bind(record.updated_at);
    let written = write.and(dialect.log()).bind(&delivery.idempotency_key).run_to_deliver().await?;
    Ok(if written.has_delivered() { Outcome::delivered() } else { Outcome::skipped(NEWER) })
}

/// Of what the look did not find yet.
const NEWER: &str = "a newer version has come since it was looked up";

async fn statements_of(text: &str, http: &Http) -> Result<Outcome, Failure> {
    let statements: Vec<Statement> =
        serde_json::from_str(text).map_err(|error| Failure::Event(format!("statements: {error}")))?;
    let mut transaction: Option<Sql<'_>> = None;
    for statement in statements {
        let (sql, parameters) = match statement {
            Statement::Text(sql) => (sql, Vec::new()),
            Statement::Bound { sql, parameters } => (sql, parameters),
        };
        let begun = match transaction {
            Some(transaction) => transaction.and(sql),
            None => http.sql(sql),
        };
        transaction = Some(parameters.into_iter().map(bound).fold(begun, Sql::bind));
    }
    let transaction = transaction.ok_or_else(|| Failure::Event("statements: there are none".into()))?;
    transaction.run().await?;
    Ok(Outcome::delivered())
}

/// The scenarios' events and grants are wrong on purpose: each mistake is a dead letter to read, and holds nobody up.
fn refused(failure: Failure) -> Outcome {
    let is_mistake = match &failure {
        Failure::Settings(_) => true,
        Failure::Refused(refusal) => refusal.error.kind == SqlErrorKind::Statement,
        Failure::Event(_) | Failure::Reply(_) | Failure::Unanswered { .. } => false,
    };
    match failure.into() {
        Outcome::Denied(why) if is_mistake => Outcome::rejected(why),
        outcome => outcome,
    }
}

fn bound(value: Value) -> SqlValue {
    match value {
        Value::Null => SqlValue::Null,
        Value::Bool(value) => value.into(),
        Value::Number(number) => match number.as_i64() {
            Some(number) => number.into(),
            None => number.as_f64().into(),
        },
        Value::String(text) => text.into(),
        other @ (Value::Array(_) | Value::Object(_)) => other.into(),
    }
}

async fn check(http: &Http) -> Result<Check, Failure> {
    let found = http.sql("select count(*) as records from records").run().await?;
    let count: i64 = found.row().ok_or_else(|| Failure::Reply("no row came".into()))?.get("records")?;
    Ok(Check::usable(format!("it holds {count} records")))
}

impl Dialect {
    fn lookup(self) -> &'static str {
        match self {
            Dialect::Postgres => "select name, updated_at from records where id = $1",
            Dialect::MySql | Dialect::Sqlite => "select name, updated_at from records where id = ?",
        }
    }

    fn upsert(self) -> &'static str {
        match self {
            Dialect::Postgres => {
                "insert into records (id, name, updated_at) values ($1, $2, $3) on conflict (id) do update \
                 set name = excluded.name, updated_at = excluded.updated_at \
                 where excluded.updated_at > records.updated_at"
            }
            Dialect::MySql => {
                "insert into records (id, name, updated_at) values (?, ?, ?) on duplicate key update \
                 name = if(values(updated_at) > updated_at, values(name), name), \
                 updated_at = greatest(updated_at, values(updated_at))"
            }
            Dialect::Sqlite => {
                "insert into records (id, name, updated_at) values (?, ?, ?) on conflict (id) do update \
                 set name = excluded.name, updated_at = excluded.updated_at \
                 where excluded.updated_at > records.updated_at"
            }
        }
    }

    fn log(self) -> &'static str {
        match self {
            Dialect::Postgres => "insert into log (id) values ($1)",
            Dialect::MySql | Dialect::Sqlite => "insert into log (id) values (?)",
        }
    }
}

#[cfg(test)]
mod tests {
    use liaison_sdk::testing::{self, affected, endpoint, event, rows};

    use super::*;

    fn of_version(version: i64) -> liaison_sdk::testing::EventBuilder {
        testing::settings(json!({ "dialect": "postgres" }));
        event("record.changed").id("7").data(json!({ "name": "Ada", "updatedAt": version }))
    }

    const LOOKUP: &str = "SQL select name, updated_at from records where id = $1";

    #[test]
    fn what_is_older_is_written_over_in_one_transaction() {
        let write = format!("SQL {}; insert into log (id) values ($1)", Dialect::Postgres.upsert());
        let run = endpoint()
            .expect(LOOKUP, rows(["name", "updated_at"]).row(["Eve".into(), 1.into()]))
            .expect(&write, affected(1).then(affected(1)))
            .deliver(deliver, of_version(2));
        assert_eq!(run.outcome, Outcome::delivered());
        assert_eq!(run.transactions[1].statements[0].parameters, ["7".into(), "Ada".into(), 2.into()]);
    }

    #[test]
    fn what_became_newer_since_the_look_stays() {
        let write = format!("SQL {}; insert into log (id) values ($1)", Dialect::Postgres.upsert());
        let run = endpoint()
            .expect(LOOKUP, rows(["name", "updated_at"]))
            .expect(&write, affected(0).then(affected(1)))
            .deliver(deliver, of_version(2));
        assert_eq!(run.outcome, Outcome::skipped(NEWER));
    }

    #[test]
    fn what_is_newer_stays() {
        let run = endpoint()
            .expect(LOOKUP, rows(["name", "updated_at"]).row(["Eve".into(), 3.into()]))
            .deliver(deliver, of_version(2));
        assert!(
            matches!(run.outcome, Outcome::Conflict(conflict) if conflict.version.as_deref() == Some("3"))
        );
    }
}
