//! A header and its lines: two tables, one transaction.
//!
//! The header and the keys of its lines are read first, so that the transaction that follows knows which lines are gone.
//! That one is undone as a whole where another has changed the header between the two, and leaves no line where another has
//! deleted it. Each statement sees what others have committed before it (read committed, PostgreSQL's default), or holds
//! what it has read (MySQL's repeatable read, SQLite): nothing here relies on more.

mod held;

use liaison_sdk::column::{Column, Document, Record};
use liaison_sdk::failure::Failure;
use liaison_sdk::http::Http;
use liaison_sdk::outcome::{Delivery, Outcome};
use liaison_sdk::sql::{Dialect, Row as Found, SqlAnswer, SqlValue};

use crate::current::{Standing, conflict, same, version_of};
use crate::refusal::is_constraint;
use crate::row::{Row, key, values};
use crate::settings::{Lines, Mode};
use crate::single::{NEWER, decided, gone, is_decided, is_there};
use crate::text::{Text, run};

pub(crate) use self::held::whole;

/// Values of one statement, of the thousand that it may have.
const MAX_VALUES: usize = 900;
/// Statements of the transaction beside those of the lines, and what it may have in all.
const OTHERS: usize = 3;
const MAX_STATEMENTS: usize = 100;
const MOVED: &str = "the header was changed by another in the meantime";
const DECIDED: &str = "the header was changed by another since it was decided";

/// One line: its key beside the header's, and what else it holds.
#[derive(Debug)]
struct Line<'s> {
    key: Vec<(&'s str, SqlValue)>,
    columns: Vec<(&'s str, SqlValue)>,
}

/// What becomes of a header that is there.
enum Change {
    Write(Text),
    /// It is as the event says: its lines tell whether all of it is there.
    Compare,
    Settle(Outcome),
}

/// Writes the header, the lines of the event, and deletes those that it has no more.
pub(crate) async fn write(
    http: &Http,
    lines: &Lines,
    row: &Row<'_>,
    record: &Record<'_>,
    delivery: &Delivery,
) -> Result<Outcome, Failure> {
    let wanted = of_event(lines, record)?;
    let read = run(http, vec![row.select(), select(lines, row, &lines.table.key)]).await?;
    let header = read.rows_of(0).next();
    let change = match header {
        None => match gone(row, delivery) {
            Some(conflict) => return Ok(conflict),
            None => row.insert(),
        },
        Some(found) => match change_of(row, &found, delivery)? {
            Change::Write(change) => change,
            Change::Compare => return held::compare(http, lines, row, &wanted).await,
            Change::Settle(outcome) => return held::whole(http, lines, row, outcome).await,
        },
    };
    let mut texts = vec![change];
    texts.extend(line_texts(lines, row, &read, &wanted)?);
    if header.is_some() {
        texts.extend(row.guard());
        texts.push(delete_orphans(lines, row));
    }
    let failure = match run(http, texts).await {
        Ok(answer) if answer.affected_by(0) == 0 => return Ok(Outcome::retry(MOVED)),
        Ok(_) => return Ok(Outcome::delivered()),
        Err(failure) => failure,
    };
    let is_moved = match &header {
        Some(found) => has_moved(http, row, found, &failure).await?,
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
fn change_of(row: &Row<'_>, found: &Found<'_>, delivery: &Delivery) -> Result<Change, Failure> {
    let standing = Standing::of(row, found)?;
    let compared = || match same(row, found) {
        Outcome::Skipped(_) => Change::Compare,
        other => Change::Settle(other),
    };
    let conflict = |why| Change::Settle(conflict(row.settings, found, why));
    if delivery.resolution.is_some() {
        return Ok(match is_decided(row, delivery, found) || standing == Standing::Unknown {
            true => Change::Write(row.update_over(&decided(row, delivery))),
            false if standing == Standing::Same => compared(),
            false => conflict(DECIDED),
        });
    }
    let is_insert_only = row.settings.mode == Mode::InsertOnly;
    Ok(match standing {
        Standing::Same => compared(),
        Standing::Unknown if is_insert_only => {
            Change::Settle(Outcome::skipped("already there: it is only ever inserted"))
        }
        Standing::Newer => conflict(NEWER),
        Standing::Older if is_insert_only => {
            conflict("the database holds another version of what is only ever inserted")
        }
        Standing::Older | Standing::Unknown => {
            Change::Write(row.update_over(&version_of(row.settings, found)))
        }
    })
}

/// Was the transaction undone because the header is not as it was read? The next attempt reads it anew. What a constraint
/// refuses is the guard, or a line that has no header any more, or that came with another version of it; or it is a line
/// that will never be taken.
async fn has_moved(http: &Http, row: &Row<'_>, read: &Found<'_>, failure: &Failure) -> Result<bool, Failure> {
    let Failure::Refused(refusal) = failure else { return Ok(false) };
    if !is_constraint(failure) || matches!(refusal.error.statement, Some(0) | None) {
        return Ok(false);
    }
    let now = run(http, vec![row.select()]).await?;
    Ok(now.row().is_none_or(|now| version_of(row.settings, &now) != version_of(row.settings, read)))
}

/// Deletes the lines of a header that is not there. Where another has deleted it after it was read, they were written all
/// the same: the first statement found nothing to update, which no statement can refuse.
fn delete_orphans(lines: &Lines, row: &Row<'_>) -> Text {
    let mut text = Text::new(row.settings.dialect, "delete from ");
    text.table(&lines.table.name).push(" where ").matches(header_key(lines, row)).push(" and not ");
    row.is_there(&mut text);
    text
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

fn select<'s>(lines: &'s Lines, row: &Row<'_>, columns: impl IntoIterator<Item = &'s Column>) -> Text {
    let mut text = Text::new(row.settings.dialect, "select ");
    text.each(columns, ", ", |text, column| {
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
