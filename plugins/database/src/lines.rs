//! A header and its lines: two tables, one transaction.
//!
//! The header and the keys of its lines are read first, so that the transaction that follows knows which lines are gone.
//! That one is undone as a whole where another has changed the header between the two.

use liaison_sdk::column::{Column, Document, Record};
use liaison_sdk::failure::Failure;
use liaison_sdk::http::Http;
use liaison_sdk::outcome::{Outcome, Resolution};
use liaison_sdk::sql::{Dialect, Row as Found, SqlAnswer, SqlValue};

use crate::current::{Standing, conflict, same, version_of};
use crate::refusal::{is_constraint, is_foreign_key};
use crate::row::{Row, key, values};
use crate::settings::{Lines, Mode};
use crate::single::{NEWER, decided, is_decided, is_there};
use crate::text::{Text, run};

/// Values of one statement, of the thousand that it may have.
const MAX_VALUES: usize = 900;
/// Statements of the transaction beside those of the lines, and what it may have in all.
const OTHERS: usize = 2;
const MAX_STATEMENTS: usize = 100;
const MOVED: &str = "the header was changed by another in the meantime";

/// One line: its key beside the header's, and what else it holds.
#[derive(Debug)]
struct Line<'s> {
    key: Vec<(&'s str, SqlValue)>,
    columns: Vec<(&'s str, SqlValue)>,
}

/// Writes the header, the lines of the event, and deletes those that it has no more.
pub(crate) async fn write(
    http: &Http,
    lines: &Lines,
    row: &Row<'_>,
    record: &Record<'_>,
    resolution: Option<&Resolution>,
) -> Result<Outcome, Failure> {
    let wanted = of_event(lines, record)?;
    let read = run(http, vec![row.select(), select_keys(lines, row)]).await?;
    let header = read.rows_of(0).next();
    let change = match header {
        None => row.insert(),
        Some(found) => match change_of(row, &found, resolution)? {
            Ok(change) => change,
            Err(outcome) => return Ok(outcome),
        },
    };
    let mut texts = vec![change];
    if header.is_some() {
        texts.extend(row.guard());
    }
    texts.extend(line_texts(lines, row, &read, &wanted)?);
    let failure = match run(http, texts).await {
        Ok(answer) if answer.affected_by(0) == 0 => return Ok(Outcome::retry(MOVED)),
        Ok(_) => return Ok(Outcome::delivered()),
        Err(failure) => failure,
    };
    let is_moved = match header {
        Some(_) => has_moved(http, row, &failure).await?,
        // Where a header is there that was new, another has inserted it first. Else its own values were refused.
        None => is_of_header(&failure) && is_there(http, row).await?,
    };
    match is_moved {
        true => Ok(Outcome::retry(format!("{MOVED}: {failure}"))),
        false => Err(failure),
    }
}

/// Was it the header, the first of all, that a constraint refused?
fn is_of_header(failure: &Failure) -> bool {
    matches!(failure, Failure::Refused(refusal) if refusal.error.statement == Some(0))
        && is_constraint(failure)
}

/// How a header that is there is written, or why it is not.
fn change_of(
    row: &Row<'_>,
    found: &Found<'_>,
    resolution: Option<&Resolution>,
) -> Result<Result<Text, Outcome>, Failure> {
    let standing = Standing::of(row, found)?;
    if let Some(resolution) = resolution {
        let version = decided(row, resolution);
        return Ok(match is_decided(row, resolution, found) || standing == Standing::Unknown {
            true => Ok(row.update_over(&version)),
            false if standing == Standing::Same => Err(same(row, found)),
            false => {
                Err(conflict(row.settings, found, "the header was changed by another since it was decided"))
            }
        });
    }
    let is_insert_only = row.settings.mode == Mode::InsertOnly;
    Ok(match standing {
        Standing::Same => Err(same(row, found)),
        Standing::Unknown if is_insert_only => {
            Err(Outcome::skipped("already there: it is only ever inserted"))
        }
        Standing::Newer => Err(conflict(row.settings, found, NEWER)),
        Standing::Older if is_insert_only => {
            let why = "the database holds another version of what is only ever inserted";
            Err(conflict(row.settings, found, why))
        }
        Standing::Older | Standing::Unknown => Ok(row.update_over(&version_of(row.settings, found))),
    })
}

/// Was the transaction undone because the header is not as it was read? The next attempt reads it anew.
async fn has_moved(http: &Http, row: &Row<'_>, failure: &Failure) -> Result<bool, Failure> {
    let Failure::Refused(refusal) = failure else { return Ok(false) };
    Ok(match refusal.error.statement {
        // The guard, which there is where there are versions.
        Some(1) if row.version.is_some() => is_constraint(failure),
        // A line refers to its header, which may be gone, or to something else that is not there.
        Some(1..) => is_foreign_key(refusal) && !is_there(http, row).await?,
        Some(0) | None => false,
    })
}

/// Deletes all lines of a header that is not newer, or that has this version.
pub(crate) fn delete_all(lines: &Lines, row: &Row<'_>, version: Option<&SqlValue>) -> Text {
    let mut text = Text::new(row.settings.dialect, "delete from ");
    text.table(&lines.table.name).push(" where ").matches(header_key(lines, row));
    if row.version.is_some() || version.is_some() {
        text.push(" and ");
        row.exists(&mut text, version);
    }
    text
}

fn of_event<'s>(lines: &'s Lines, record: &Record<'_>) -> Result<Vec<Line<'s>>, Failure> {
    let document = record.document().ok_or_else(|| Failure::Event("the event has no data".to_owned()))?;
    let mut all: Vec<Line<'s>> = Vec::new();
    for (number, text) in (1..).zip(document.lines(&lines.rows)?) {
        let in_line = |failure: Failure| match failure {
            Failure::Event(why) => Failure::Event(format!("line {number}: {why}")),
            other => other,
        };
        let document = Document::read(text.as_bytes()).map_err(in_line)?;
        let record = record.line(&document, number);
        let key = key(&lines.table, &record).map_err(in_line)?;
        if all.iter().any(|line| line.key == key) {
            return Err(in_line(Failure::Event("it has the same key as another line".to_owned())));
        }
        let columns = values(&lines.table.columns, &record).map_err(in_line)?;
        all.push(Line { key, columns });
    }
    Ok(all)
}

/// The lines' columns for the header's key, with its values.
fn header_key<'a>(lines: &'a Lines, row: &'a Row<'_>) -> impl Iterator<Item = (&'a str, &'a SqlValue)> {
    lines.header_key.iter().map(String::as_str).zip(row.key.iter().map(|(_, value)| value))
}

fn select_keys(lines: &Lines, row: &Row<'_>) -> Text {
    let mut text = Text::new(row.settings.dialect, "select ");
    text.each(&lines.table.key, ", ", |text, column| {
        text.name(&column.name);
    });
    text.push(" from ").table(&lines.table.name).push(" where ").matches(header_key(lines, row));
    text
}

fn line_texts(
    lines: &Lines,
    row: &Row<'_>,
    read: &SqlAnswer,
    wanted: &[Line<'_>],
) -> Result<Vec<Text>, Failure> {
    let mut there: Vec<Vec<SqlValue>> = Vec::new();
    for found in read.rows_of(1) {
        let value = |column: &Column| found.get::<SqlValue>(&column.name);
        there.push(lines.table.key.iter().map(value).collect::<Result<_, _>>()?);
    }
    let is_key = |line: &Line<'_>, key: &[SqlValue]| line.key.iter().map(|(_, value)| value).eq(key);
    let gone: Vec<_> = there.iter().filter(|key| !wanted.iter().any(|line| is_key(line, key))).collect();
    let (old, new): (Vec<_>, Vec<_>) =
        wanted.iter().partition(|line| there.iter().any(|key| is_key(line, key)));
    let width = lines.header_key.len() + lines.table.key.len() + lines.table.columns.len();
    let mut texts = Vec::new();
    for gone in gone.chunks((MAX_VALUES / width).max(1)) {
        texts.push(delete_keys(lines, row, gone));
    }
    for old in old.chunks((MAX_VALUES / width).max(1)) {
        if !lines.table.columns.is_empty() {
            texts.push(insert(lines, row, old, true));
        }
    }
    for new in new.chunks((MAX_VALUES / width).max(1)) {
        texts.push(insert(lines, row, new, false));
    }
    match texts.len() > MAX_STATEMENTS - OTHERS {
        true => Err(Failure::Event(format!(
            "its {} lines take more than {MAX_STATEMENTS} statements, which no transaction may have",
            wanted.len()
        ))),
        false => Ok(texts),
    }
}

fn delete_keys(lines: &Lines, row: &Row<'_>, gone: &[&Vec<SqlValue>]) -> Text {
    let mut text = Text::new(row.settings.dialect, "delete from ");
    text.table(&lines.table.name).push(" where ").matches(header_key(lines, row)).push(" and (");
    text.each(gone, " or ", |text, key| {
        let columns = lines.table.key.iter().map(|column| column.name.as_str());
        text.push("(").matches(columns.zip(key.iter())).push(")");
    });
    text.push(")");
    text
}

/// Several lines in one statement; written over those that are there by their key. In MySQL that is right because they
/// are known to be there: it looks at the primary key before it looks at any other.
fn insert(lines: &Lines, row: &Row<'_>, of: &[&Line<'_>], is_there: bool) -> Text {
    let mut text = Text::new(row.settings.dialect, "insert into ");
    text.table(&lines.table.name).push(" (");
    let own = || lines.table.all().map(|column| column.name.as_str());
    text.each(lines.header_key.iter().map(String::as_str).chain(own()), ", ", |text, name| {
        text.name(name);
    });
    text.push(") values ");
    text.each(of, ", ", |text, line| {
        let own = line.key.iter().chain(&line.columns).map(|(_, value)| value);
        text.push("(");
        text.each(header_key(lines, row).map(|(_, value)| value).chain(own), ", ", |text, value| {
            text.bind(value);
        });
        text.push(")");
    });
    if !is_there {
        return text;
    }
    let columns = &lines.table.columns;
    if row.settings.dialect == Dialect::MySql {
        text.push(" on duplicate key update ");
        text.each(columns, ", ", |text, column| {
            text.name(&column.name).push(" = values(").name(&column.name).push(")");
        });
        return text;
    }
    text.push(" on conflict (");
    let key = lines.header_key.iter().chain(lines.table.key.iter().map(|column| &column.name));
    text.each(key, ", ", |text, name| {
        text.name(name);
    });
    text.push(") do update set ");
    text.each(columns, ", ", |text, column| {
        text.name(&column.name).push(" = excluded.").name(&column.name);
    });
    text
}
