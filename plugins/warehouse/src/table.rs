//! One event into the tables: one transaction, and what the answer means.

use liaison_sdk::prelude::*;
use serde_json::{Map, Value};

use crate::document::{Document, Pointer};
use crate::line;
use crate::settings::Tables;
use crate::source::{Given, Source};
use crate::statement::Merge;

pub(crate) async fn deliver(tables: &Tables, delivery: &Delivery, http: &Http) -> Result<Outcome, Failure> {
    let document = delivery.data().map(Document::read).transpose()?;
    let given = Given { event: &delivery.event, document };
    let mut transaction = None;
    if let Some(merge) = &tables.merge {
        transaction = Some(merging(merge, &given, delivery, http)?);
    }
    if let Some(history) = &tables.history {
        let text = history.insert.as_str();
        let row = list_of(&line::of(delivery, given.document.as_ref())?);
        transaction = Some(match transaction {
            Some(merging) => merging.and(text).bind(row),
            None => http.sql(text).bind(row),
        });
    }
    let Some(transaction) = transaction else {
        return Err(Failure::Settings("neither a table nor a history is named".to_owned()));
    };
    let answer = transaction.run().await.map_err(|failure| of_table(tables, failure))?;
    match &tables.merge {
        Some(merge) => merged(merge, given.document.is_none(), answer.rows_of(0).next()),
        None => Ok(Outcome::delivered()),
    }
}

fn merging<'http>(
    merge: &Merge,
    given: &Given<'_>,
    delivery: &Delivery,
    http: &'http Http,
) -> Result<Sql<'http>, Failure> {
    let row = list_of(&merge.row(given)?);
    Ok(match (&delivery.resolution, delivery.version()) {
        (None, _) => http.sql(&merge.newer).bind(row),
        (Some(_), Some(version)) => http.sql(&merge.over).bind(row).bind(version),
        (Some(_), None) => http.sql(&merge.anyway).bind(row),
    })
}

fn list_of(row: &str) -> SqlValue {
    SqlValue::Json(format!("[{row}]"))
}

/// The answer holds a row where the event was not written.
fn merged(merge: &Merge, is_gone: bool, row: Option<Row<'_>>) -> Result<Outcome, Failure> {
    let Some(row) = row else { return Ok(Outcome::delivered()) };
    let table = &merge.table;
    let Some(held) = row.get::<Option<Value>>("held")? else {
        return Ok(Outcome::retry(format!("{table} was written by somebody else at the same moment")));
    };
    if row.get::<Option<bool>>("is_same")? == Some(true) {
        return Ok(Outcome::skipped(format!("{table} holds this version already")));
    }
    let version: Option<String> = row.get("version")?;
    let reason = format!("{table} holds version {}", version.as_deref().unwrap_or("null"));
    // No policy could compare what has no data.
    if is_gone {
        return Ok(Outcome::skipped(format!("{reason}, which is newer than the tombstone")));
    }
    let current = current(merge, held).to_string().into_bytes();
    Ok(Outcome::conflict(version, Some(current), reason))
}

/// What the table holds, in the shape of an event's data as far as the settings tell it.
fn current(merge: &Merge, held: Value) -> Value {
    let Value::Object(mut held) = held else { return held };
    let columns = merge.columns.key.iter().chain(&merge.columns.others);
    let mut data = Value::Object(Map::new());
    let mut parts = Vec::new();
    for (column, source) in columns {
        match (source, held.remove(column)) {
            (Source::Data, Some(whole @ Value::Object(_))) => data = whole,
            (Source::Part(pointer), Some(value)) if !value.is_null() => parts.push((pointer, value)),
            _ => {}
        }
    }
    if let (Source::Part(pointer), Some(version)) = (&merge.version, held.remove(&merge.columns.version)) {
        parts.push((pointer, version));
    }
    for (pointer, value) in parts {
        put(&mut data, pointer, value);
    }
    data
}

/// Puts it where the pointer leads, through objects that are made where they are not there.
fn put(data: &mut Value, pointer: &Pointer, value: Value) {
    let mut place = data;
    for token in &pointer.tokens {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        place = &mut place[token.as_str()];
    }
    *place = value;
}

/// A failure in the words of the settings: the statements are nobody's who reads it.
fn of_table(tables: &Tables, failure: Failure) -> Failure {
    let name = |statement: u32| {
        let merge = tables.merge.as_ref().filter(|_| statement == 0).map(|merge| merge.table.as_str());
        merge.or(tables.history.as_ref().map(|history| history.table.as_str())).unwrap_or_default().to_owned()
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
    let merge = tables.merge.as_ref().map(|merge| merge.newer.as_str());
    let texts = merge.into_iter().chain(tables.history.as_ref().map(|history| history.insert.as_str()));
    let mut transaction: Option<Sql<'_>> = None;
    // Rows of an empty list: nothing is changed, and all that the statements name must be there.
    for text in texts {
        let empty = SqlValue::Json("[]".to_owned());
        transaction = Some(match transaction {
            Some(before) => before.and(text).bind(empty),
            None => http.sql(text).bind(empty),
        });
    }
    let Some(transaction) = transaction else { return Ok(Check::usable("nothing to ask for")) };
    transaction.run().await.map_err(|failure| of_table(tables, failure))?;
    Ok(Check::usable("the tables take an empty list of rows"))
}
