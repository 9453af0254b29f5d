//! One event into the tables: one transaction, and what the answer means.

use liaison_sdk::column::{Document, Record, Source, Type, shape, version_bound, version_text};
use liaison_sdk::prelude::*;
use liaison_sdk::sql::{Dialect, version_problem};
use liaison_sdk::version::{self, Late, Version};
use serde_json::Value;

use crate::line;
use crate::settings::{Statement, Tables};
use crate::statement::{Keys, Merge};
use crate::text;

/// A row that another wrote first at the same moment cannot be seen by the statement that met it; the next one sees it.
const LOOKS: usize = 2;

pub(crate) async fn deliver(tables: &Tables, delivery: &Delivery, http: &Http) -> Result<Outcome, Failure> {
    let document = delivery.data().map(Document::read).transpose()?;
    let record = Record::new(&delivery.event, document.as_ref());
    for _ in 0..LOOKS {
        let transaction = transaction(tables, &record, delivery, http)?;
        let answer = transaction.run_to_deliver().await.map_err(|failure| of_table(tables, failure))?;
        let Some(merge) = &tables.merge else { return Ok(Outcome::delivered()) };
        if let Some(outcome) = merged(merge, delivery, answer.rows_of(0).next())? {
            return Ok(outcome);
        }
    }
    Ok(Outcome::retry("somebody else writes the same row at the same moment"))
}

/// What one event binds: a row for the table, and one for the history.
pub(crate) type Rows = [Option<Vec<SqlValue>>; 2];

/// What a delivery that nothing was decided of binds, however often it looks.
pub(crate) fn rows(tables: &Tables, delivery: &Delivery) -> Result<Rows, Failure> {
    let document = delivery.data().map(Document::read).transpose()?;
    let record = Record::new(&delivery.event, document.as_ref());
    let row = tables.merge.as_ref().map(|merge| merge.row(&record));
    let history = tables.history.as_ref().map(|_| history_row(&record, delivery));
    Ok([row.transpose()?, history.transpose()?])
}

fn history_row(record: &Record<'_>, delivery: &Delivery) -> Result<Vec<SqlValue>, Failure> {
    Ok(line::values(delivery, record.document())?.map(text::of).to_vec())
}

/// All that one event comes to.
fn transaction<'http>(
    tables: &Tables,
    record: &Record<'_>,
    delivery: &Delivery,
    http: &'http Http,
) -> Result<Sql<'http>, Failure> {
    let mut transaction = None;
    if let Some(merge) = &tables.merge {
        transaction = Some(merging(merge, record, delivery, http)?);
    }
    if let Some(history) = &tables.history {
        transaction = Some(bound(asked(transaction, http, &history.insert), history_row(record, delivery)?));
    }
    transaction.ok_or_else(|| Failure::Settings("neither a table nor a history is named".to_owned()))
}

fn merging<'http>(
    merge: &Merge,
    record: &Record<'_>,
    delivery: &Delivery,
    http: &'http Http,
) -> Result<Sql<'http>, Failure> {
    let row = merge.row(record)?;
    Ok(match &delivery.resolution {
        None => bound(http.sql(&merge.newer), row),
        Some(_) => match delivery.version().filter(|version| !version.is_empty()) {
            Some(version) => {
                let text = if record.is_tombstone() { merge.mark_over() } else { merge.over() };
                bound(http.sql(text), row).bind(version_bound(version, merge.columns.version.of))
            }
            None => bound(http.sql(merge.over_nothing()), row),
        },
    })
}

/// One more statement.
fn asked<'http>(before: Option<Sql<'http>>, http: &'http Http, text: &str) -> Sql<'http> {
    match before {
        Some(before) => before.and(text),
        None => http.sql(text),
    }
}

fn bound<'http>(transaction: Sql<'http>, row: Vec<SqlValue>) -> Sql<'http> {
    row.into_iter().fold(transaction, Sql::bind)
}

/// The answer holds a row where the event was not written. Nothing where that row does not see yet what stood in the way.
fn merged(merge: &Merge, delivery: &Delivery, row: Option<Row<'_>>) -> Result<Option<Outcome>, Failure> {
    let Some(row) = row else { return Ok(Some(Outcome::delivered())) };
    let table = &merge.table;
    let Some(held) = row.get::<Option<Value>>("held")? else {
        return Ok(version::gone(delivery, &format!("the row in {table}")));
    };
    let is = |name: &str| Ok::<_, Failure>(row.get::<Option<bool>>(name)? == Some(true));
    let version = version_text(row.value("version").unwrap_or(&SqlValue::Null), merge.columns.version.of);
    let shown = version.as_deref().unwrap_or("none");
    let reason = match (is("is_same")?, is("is_equal")?) {
        (true, true) => {
            return Ok(Some(Outcome::skipped(format!("already there: {table} holds version {shown}"))));
        }
        (true, false) => format!("{table} holds version {shown} with other values"),
        (false, _) => format!("{table} holds version {shown}"),
    };
    let mut current = current(merge, held, version.clone());
    if delivery.data().is_none() && delivery.resolution.is_none() {
        let kept = version.as_deref().and_then(Version::kept);
        match merge.late_tombstone.judge(delivery.event.time, kept.as_ref()) {
            Late::Skipped => {
                return Ok(Some(Outcome::skipped(format!("{reason}, which is newer than the tombstone"))));
            }
            Late::Conflict { shows_version: true } => {}
            Late::Conflict { shows_version: false } => hide_version(merge, &mut current),
        }
    }
    Ok(Some(Outcome::conflict(version, Some(current.to_string().into_bytes()), reason)))
}

fn hide_version(merge: &Merge, current: &mut Value) {
    if let Source::Part(pointer) = &merge.columns.version.source
        && let Some(place) = pointer.find_mut(current)
    {
        *place = Value::Null;
    }
}

/// What the table holds, in the shape of an event's data as far as the settings tell it. A time without a zone would be one
/// that nobody can compare: the version is shown in UTC, as it was kept.
fn current(merge: &Merge, held: Value, version: Option<String>) -> Value {
    let Value::Object(mut held) = held else { return held };
    let of_version = &merge.columns.version;
    shape(merge.columns.filled().map(|column| {
        let value = held.remove(&column.name).unwrap_or(Value::Null);
        let is_shown = column.name == of_version.name && of_version.of == Some(Type::Timestamp);
        (&column.source, if is_shown { version.clone().map_or(value, Value::from) } else { value })
    }))
}

/// A failure in the words of the settings: the statements are nobody's who reads it.
fn of_table(tables: &Tables, failure: Failure) -> Failure {
    let name = |statement: u32| {
        let merge = tables.merge.as_ref().filter(|_| statement == 0).map(|merge| &merge.table);
        let table = merge.or(tables.history.as_ref().map(|history| &history.table));
        table.map(ToString::to_string).unwrap_or_default()
    };
    match failure {
        Failure::Refused(refusal) => {
            let request = format!("the row for {}", name(refusal.error.statement.unwrap_or_default()));
            Failure::Refused(SqlRefusal { request, ..refusal })
        }
        Failure::Unanswered { why, .. } => {
            Failure::Unanswered { request: format!("the row for {}", name(0)), why }
        }
        other @ (Failure::Settings(_) | Failure::Event(_) | Failure::Reply(_)) => other,
    }
}

pub(crate) async fn check(tables: &Tables, http: &Http) -> Result<Check, Failure> {
    if let Some(merge) = &tables.merge
        && let Some(problem) =
            version_problem(http, Dialect::Postgres, &merge.table, &merge.columns.version).await?
    {
        return Ok(Check::unusable(problem));
    }
    let mut transaction = None;
    // No rows at all: nothing is changed, and all that the statements name must be there.
    for Statement { sql, columns, .. } in tables.statements_of_many(Keys::Differ) {
        let no_rows = vec![SqlValue::Texts(Vec::new()); columns];
        transaction = Some(bound(asked(transaction, http, &sql), no_rows));
    }
    let Some(transaction) = transaction else { return Ok(Check::usable("nothing to ask for")) };
    transaction.run().await.map_err(|failure| of_table(tables, failure))?;
    Ok(Check::usable("the tables take an empty list of rows"))
}
