//! One event, one row: written, or deleted, in one statement where the database has one for it.
//!
//! Only where it changed nothing is the row looked at, in the transaction of the same statement once more, which holds the
//! row: so what is told of it is what stood in the way.

use liaison_sdk::column::version_bound;
use liaison_sdk::failure::Failure;
use liaison_sdk::http::Http;
use liaison_sdk::outcome::{Delivery, Outcome};
use liaison_sdk::sql::{Dialect, Row as Found, SqlValue};
use liaison_sdk::version::{self, Late, Version};

use crate::current::{Standing, conflict, conflict_without_version, same, version_shown};
use crate::lines::{delete_all, whole};
use crate::refusal::is_constraint;
use crate::row::Row;
use crate::settings::Mode;
use crate::text::{Text, run, run_to_deliver};

pub(crate) const NEWER: &str = "the database holds a newer version";
const NEWER_THAN_DELETION: &str = "the database holds a newer version than this deletion";
const THERE: &str = "the database holds another version of what is only ever inserted";
/// What is only inserted, without versions.
const KNOWN: &str = "already there, as far as can be told: there are no versions to compare";
const CHANGED: &str = "the row was changed by another since the conflict was decided";
const MOVED: &str = "the row was changed by another in the meantime";

/// Writes a row.
pub(crate) async fn write(http: &Http, row: &Row<'_>, delivery: &Delivery) -> Result<Outcome, Failure> {
    if delivery.resolution.is_some() {
        return write_over(http, row, delivery).await;
    }
    match (row.settings.dialect, row.settings.mode) {
        (Dialect::Postgres | Dialect::Sqlite, Mode::Upsert) => write_or_look(http, row, Row::upsert).await,
        (Dialect::Postgres | Dialect::Sqlite, Mode::InsertOnly) => {
            write_or_look(http, row, Row::insert_if_new).await
        }
        // In MySQL `on duplicate key update` also writes over a row that has another key and the same value in some other
        // unique column, and its assignments see each other's results in an order. An update compares before it assigns.
        (Dialect::MySql, Mode::Upsert) => match is_done(http, row.update_older()).await? {
            false => insert(http, row).await,
            true => Ok(Outcome::delivered()),
        },
        (Dialect::MySql, Mode::InsertOnly) => insert(http, row).await,
    }
}

/// Asks for a change by itself: if it changes anything, the event is delivered.
async fn is_done(http: &Http, change: Text) -> Result<bool, Failure> {
    Ok(run_to_deliver(http, vec![change]).await?.has_delivered())
}

/// The statement is written anew where it is asked again: that is seldom, and what it binds may be large.
async fn write_or_look<'s>(
    http: &Http,
    row: &Row<'s>,
    statement: fn(&Row<'s>) -> Text,
) -> Result<Outcome, Failure> {
    if is_done(http, statement(row)).await? {
        return Ok(Outcome::delivered());
    }
    let answer = run(http, vec![statement(row), row.select()]).await?;
    if answer.affected_by(0) > 0 {
        return Ok(Outcome::delivered());
    }
    match answer.row() {
        None => Ok(Outcome::retry(MOVED)),
        Some(found) => stands(row, &found),
    }
}

/// A row that is to be new. What refuses it may be its own key, or another constraint.
async fn insert(http: &Http, row: &Row<'_>) -> Result<Outcome, Failure> {
    let refused = match is_done(http, row.insert()).await {
        Ok(_) => return Ok(Outcome::delivered()),
        Err(failure) if is_constraint(&failure) => failure,
        Err(failure) => return Err(failure),
    };
    let answer = run(http, vec![row.select()]).await?;
    match answer.row() {
        None => Err(refused),
        Some(found) => stands(row, &found),
    }
}

/// What a row means that stood in the way.
fn stands(row: &Row<'_>, found: &Found<'_>) -> Result<Outcome, Failure> {
    let is_insert_only = row.settings.mode == Mode::InsertOnly;
    Ok(match Standing::of(row, found)? {
        Standing::Same => same(row, found),
        Standing::Unknown if is_insert_only => Outcome::skipped(KNOWN),
        Standing::Older if is_insert_only => conflict(row.settings, found, THERE),
        Standing::Older | Standing::Unknown => Outcome::retry(MOVED),
        Standing::Newer => conflict(row.settings, found, NEWER),
    })
}

/// Writes a row over the version that the host decided on. Where it decided on no version, and nothing is there, the row is
/// inserted.
async fn write_over(http: &Http, row: &Row<'_>, delivery: &Delivery) -> Result<Outcome, Failure> {
    let version = &decided(row, delivery);
    if is_done(http, row.update_over(version)).await? {
        return Ok(Outcome::delivered());
    }
    let answer = run(http, vec![row.update_over(version), row.select()]).await?;
    if answer.affected_by(0) > 0 {
        return Ok(Outcome::delivered());
    }
    let Some(found) = answer.row() else {
        return match gone(row, delivery) {
            Some(conflict) => Ok(conflict),
            None => insert(http, row).await,
        };
    };
    Ok(match Standing::of(row, &found)? {
        Standing::Same => same(row, &found),
        Standing::Older | Standing::Newer | Standing::Unknown => conflict(row.settings, &found, CHANGED),
    })
}

/// Deletes a row, or marks it as deleted.
pub(crate) async fn delete(http: &Http, row: &Row<'_>, delivery: &Delivery) -> Result<Outcome, Failure> {
    if row.settings.mode == Mode::InsertOnly {
        return Ok(Outcome::skipped("nothing is deleted here: the settings say that rows are only inserted"));
    }
    let is_marked = row.settings.deleted_column.is_some();
    let version = delivery.resolution.is_some().then(|| decided(row, delivery));
    let change = match &version {
        Some(version) if is_marked => row.update_over(version),
        Some(version) => row.delete_over(version),
        None if is_marked => row.mark(),
        None => row.delete(),
    };
    // Lines go with their header; those of one that is marked stay with it.
    let lines = row.settings.lines.as_ref().filter(|_| !is_marked);
    let mut changes = Vec::new();
    if let Some(lines) = lines {
        // Else a header that another makes newer between the two deletions would stay without them.
        changes.extend(row.lock());
        changes.push(delete_all(lines, row, version.as_ref()));
    }
    changes.push(change);
    let last = changes.len() - 1;
    let is_deleted = match &changes[..] {
        [change] => is_done(http, change.clone()).await?,
        _ => run(http, changes.clone()).await?.affected() > 0,
    };
    if is_deleted || (row.version.is_none() && version.is_none()) {
        return Ok(Outcome::delivered());
    }
    changes.push(row.select());
    let answer = run(http, changes).await?;
    if answer.affected_by(last) > 0 {
        return Ok(Outcome::delivered());
    }
    let outcome = match answer.row() {
        None if is_marked && row.version.is_some() => return leave_mark(http, row).await,
        None => return Ok(Outcome::delivered()),
        Some(found) if version.is_some() => conflict(row.settings, &found, CHANGED),
        Some(found) => late(row, &found, delivery.event.time),
    };
    match &row.settings.lines {
        Some(lines) => whole(http, lines, row, outcome).await,
        None => Ok(outcome),
    }
}

/// A deletion that is older than the row, by its time or by a version of its own.
fn late(row: &Row<'_>, found: &Found<'_>, time: Option<u64>) -> Outcome {
    let settings = row.settings;
    let held = version_shown(settings, found);
    match settings.late_tombstone.judge(time, held.as_deref().and_then(Version::kept).as_ref()) {
        Late::Skipped => Outcome::skipped(NEWER_THAN_DELETION),
        Late::Conflict { shows_version: true } => conflict(settings, found, NEWER_THAN_DELETION),
        Late::Conflict { shows_version: false } => {
            conflict_without_version(settings, found, NEWER_THAN_DELETION)
        }
    }
}

/// What was never there is kept as deleted, so that an older event does not bring it back.
async fn leave_mark(http: &Http, row: &Row<'_>) -> Result<Outcome, Failure> {
    match run(http, vec![row.insert()]).await {
        Ok(_) => Ok(Outcome::delivered()),
        // Another may have inserted it first: the next attempt marks that row.
        Err(failure) if is_constraint(&failure) => Ok(match is_there(http, row).await? {
            true => Outcome::retry(MOVED),
            false => Outcome::skipped(format!(
                "there is nothing to delete, and no row that says so can be kept: {failure}"
            )),
        }),
        Err(failure) => Err(failure),
    }
}

/// Does anything have its key now?
pub(crate) async fn is_there(http: &Http, row: &Row<'_>) -> Result<bool, Failure> {
    Ok(run(http, vec![row.select()]).await?.row().is_some())
}

/// The version that the host decided to write over, as its column takes it.
pub(crate) fn decided(row: &Row<'_>, delivery: &Delivery) -> SqlValue {
    let of = row.settings.version.as_ref().and_then(|version| version.column.of);
    delivery.version().map_or(SqlValue::Null, |text| version_bound(text, of))
}

/// What becomes of a decision where the row is gone.
pub(crate) fn gone(row: &Row<'_>, delivery: &Delivery) -> Option<Outcome> {
    version::gone(delivery, &format!("the row in {}", row.settings.table.name))
}

/// Has the row that was found this version still? Compared as texts: not each database gives a value as it was bound.
pub(crate) fn is_decided(row: &Row<'_>, delivery: &Delivery, found: &Found<'_>) -> bool {
    version_shown(row.settings, found).as_deref() == delivery.version()
}
