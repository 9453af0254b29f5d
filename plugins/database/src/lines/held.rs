//! A header and its lines as the database holds them, read in one look: compared with the event, and told as a conflict.

use liaison_sdk::column::{Column, is_other, json, shape};
use liaison_sdk::failure::{Failure, Unanswered};
use liaison_sdk::http::Http;
use liaison_sdk::outcome::{Conflict, Outcome};
use liaison_sdk::sql::{Row as Found, SqlAnswer, SqlErrorKind, SqlValue};
use serde_json::Value;

use super::{Line, MOVED, select};
use crate::current::{Standing, conflict, same, version_shown};
use crate::row::Row;
use crate::settings::Lines;
use crate::text::run;

const OTHER_LINES: &str = "the database holds this version with other lines";

/// The header is as the event says: are its lines? The first look was not of all of them: most events find an older
/// header.
pub(super) async fn compare(
    http: &Http,
    lines: &Lines,
    row: &Row<'_>,
    wanted: &[Line<'_>],
) -> Result<Outcome, Failure> {
    let read = look(http, lines, row).await?;
    let Some(found) = read.rows_of(0).next().filter(|found| !row.is_other_than(found)) else {
        return Ok(Outcome::retry(MOVED));
    };
    if Standing::of(row, &found)? != Standing::Same {
        return Ok(Outcome::retry(MOVED));
    }
    let is = |found: &Found<'_>, (name, value): &(&str, SqlValue)| {
        found.value(name).is_some_and(|found| !is_other(value, found))
    };
    let has = |line: &Line<'_>| {
        read.rows_of(1).any(|found| line.key.iter().chain(&line.columns).all(|value| is(&found, value)))
    };
    Ok(match read.rows_of(1).len() == wanted.len() && wanted.iter().all(has) {
        true => same(row, &found),
        false => with_lines(lines, &read, conflict(row.settings, &found, OTHER_LINES)),
    })
}

/// A conflict with a header tells its lines too: else `merge` and a person would decide on half of what is held.
pub(crate) async fn whole(
    http: &Http,
    lines: &Lines,
    row: &Row<'_>,
    outcome: Outcome,
) -> Result<Outcome, Failure> {
    let Outcome::Conflict(Conflict { version, current: Some(_), .. }) = &outcome else { return Ok(outcome) };
    let read = match look(http, lines, row).await {
        Err(failure) if is_too_much(&failure) => return Ok(outcome),
        read => read?,
    };
    let now = read.rows_of(0).next().map(|found| version_shown(row.settings, &found));
    Ok(match now.as_ref() == Some(version) {
        true => with_lines(lines, &read, outcome),
        false => Outcome::retry(MOVED),
    })
}

/// The header, and all that is kept of its lines, in the order of their key.
async fn look(http: &Http, lines: &Lines, row: &Row<'_>) -> Result<SqlAnswer, Failure> {
    let mut all = select(lines, row, lines.table.all());
    all.push(" order by ").each(&lines.table.key, ", ", |text, column: &Column| {
        text.name(&column.name);
    });
    run(http, vec![row.select(), all]).await
}

/// Are there more lines than the connector may read?
fn is_too_much(failure: &Failure) -> bool {
    match failure {
        Failure::Unanswered { why, .. } => matches!(why, Unanswered::TooLarge(_)),
        Failure::Refused(refusal) => refusal.error.kind == SqlErrorKind::TooManyRows,
        Failure::Settings(_) | Failure::Event(_) | Failure::Reply(_) => false,
    }
}

/// The same conflict with the lines where an event has them.
fn with_lines(lines: &Lines, read: &SqlAnswer, outcome: Outcome) -> Outcome {
    let Outcome::Conflict(Conflict { version, current: Some(current), reason }) = outcome else {
        return outcome;
    };
    // `conflict` has written it.
    let mut header: Value = serde_json::from_slice(&current).unwrap_or_default();
    let line = |found: Found<'_>| {
        shape(lines.table.all().filter_map(|column| {
            let value = found.value(&column.name)?;
            Some((&column.source, json(value, column.of)))
        }))
    };
    lines.rows.put(&mut header, read.rows_of(1).map(line).collect());
    Outcome::conflict(version, Some(header.to_string().into_bytes()), reason)
}
