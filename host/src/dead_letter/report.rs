//! Shows dead letters: as text of at most 100 columns for a person, as JSON for a program.
//!
//! In come a listing or one letter, out goes a string or a JSON value. Whatever came with an event is made harmless
//! for a terminal: control characters are written out. Nothing is printed here.

mod body;
mod cause;
mod conflict;
mod replay;

use std::fmt::Write;

use bytes::Bytes;
use comfy_table::presets::ASCII_NO_BORDERS;
use comfy_table::{ColumnConstraint, ContentArrangement, Table};
use serde_json::{Value, json};

use self::body::{body_json, body_text};
use self::conflict::{conflict_json, conflict_text};
use super::attempts::{Attempts, cut};
use super::file::Written;
use super::header::{duration_text, hex_text, time_text};
use super::listing::{Listing, Summary};
use super::mark::{Mark, Resolution, state_name};
use super::reason::Reason;
use super::recording::Recorded;
use super::store::Letter;
use crate::contract::TimestampMs;
use crate::event::Record;

pub(crate) use self::body::line_text;
pub use self::body::printable;
pub use self::cause::{causes_json, causes_text};
pub(crate) use self::replay::{effect_text, outcome_text};
pub use self::replay::{replay_json, replay_text};

const COLUMNS: u16 = 100;
/// Where the list shows the time.
const AT_COLUMN: usize = 4;

/// The states that a list shows: `None` is waiting.
pub type States<'a> = &'a [Option<Resolution>];

/// A table of the letters in these states.
pub fn list_text(listing: &Listing, states: States<'_>) -> String {
    let shown: Vec<&Summary> = shown(listing, states).collect();
    let mut text = String::new();
    if shown.is_empty() {
        text.push_str("no dead letters\n");
    } else {
        let mut table = table(&["id", "event", "reason", "attempts", "at", "message"]);
        for letter in &shown {
            table.add_row(row(letter));
        }
        if let Some(at) = table.column_mut(AT_COLUMN) {
            // A time in two lines is hard to read.
            at.set_constraint(ColumnConstraint::ContentWidth);
        }
        let _ = writeln!(text, "{}", table.trim_fmt());
    }
    text.push_str(&left_out(listing, shown.len()));
    text
}

fn shown<'a>(listing: &'a Listing, states: States<'a>) -> impl Iterator<Item = &'a Summary> {
    listing.letters.iter().filter(move |letter| states.contains(&letter.resolution()))
}

/// A line of each kind of record that is not shown.
fn left_out(listing: &Listing, shown: usize) -> String {
    let mut text = String::new();
    let others = listing.letters.len() - shown;
    for (count, what) in [
        (others as u64, "in other states and not shown (--all shows them)"),
        (listing.omitted, "older and not shown"),
        (listing.foreign.len() as u64, "records of the topic that are no dead letters of this host"),
    ] {
        if count > 0 {
            let _ = writeln!(text, "{count} {what}");
        }
    }
    text
}

/// The same as JSON.
pub fn list_json(listing: &Listing, states: States<'_>) -> Value {
    let letters: Vec<Value> = shown(listing, states).map(summary_json).collect();
    let foreign: Vec<String> = listing.foreign.iter().map(ToString::to_string).collect();
    json!({"dead_letters": letters, "omitted": listing.omitted, "foreign": foreign})
}

/// One line of a list as JSON.
pub fn summary_json(letter: &Summary) -> Value {
    json!({
        "id": letter.id.to_string(),
        "event_id": letter.event_id,
        "event_type": letter.event_type,
        "key": body_json(letter.key.as_ref()),
        "origin": letter.origin.to_string(),
        "stage": letter.stage.name(),
        "reason": letter.reason.name(),
        "message": letter.message,
        "attempts": letter.attempts,
        "redrives": letter.redrives,
        "dead_lettered_at": time_text(letter.dead_lettered_at),
        "state": state_name(letter.resolution()),
        "note": letter.mark.as_ref().and_then(|mark| mark.note.as_deref()),
    })
}

/// Everything about one letter: what happened, the attempts, the event, and what to do next.
pub fn show_text(letter: &Letter) -> String {
    let dead = &letter.letter;
    let mut text = format!("dead letter {}\n\n", letter.id);
    for (name, value) in facts(letter) {
        let _ = writeln!(text, "{name:<14}{value}");
    }
    let _ = write!(text, "\n{}\n  {}\n", dead.reason.meaning(), printable(&dead.message));
    if dead.attempts.count() > 0 {
        let _ = write!(text, "\nattempts\n{}", attempts_text(&dead.attempts));
    }
    let _ = write!(text, "\nevent\n{}", record_text(&dead.record));
    text.push_str(&conflict_text(dead.conflict.as_ref()));
    let _ = write!(text, "\nwhat to do\n{}", wrapped(dead.reason.what_to_do()));
    let resolve = ["resolve --take source", "resolve --take target", "resolve --take FILE"];
    let resolve = if dead.reason == Reason::Conflict { &resolve[..] } else { &[] };
    for command in resolve.iter().chain(&["replay", "redrive", "discard --reason TEXT"]) {
        let _ = writeln!(text, "  liaison dead-letters {command} {}", letter.id);
    }
    text
}

/// The same as JSON, with the whole event, and with the dead letter as it is written, from which it can be read back.
pub fn show_json(letter: &Letter) -> Value {
    let dead = &letter.letter;
    let headers: Vec<Value> = dead
        .record
        .headers
        .iter()
        .map(|(name, value)| json!({"name": name, "value": body_json(value.as_ref())}))
        .collect();
    json!({
        "id": letter.id.to_string(),
        "subscription": dead.subscription.as_str(),
        "group": dead.group,
        "connector": dead.connector.as_str(),
        "plugin": dead.plugin.as_ref().map(|blamed| blamed.plugin.as_str()),
        "plugin_sha256": dead.plugin.as_ref().map(|blamed| hex_text(&blamed.sha256)),
        "host_version": dead.host_version,
        "stage": dead.stage.name(),
        "reason": dead.reason.name(),
        "message": dead.message,
        "what_to_do": dead.reason.what_to_do(),
        "event_id": dead.event_id,
        "event_type": dead.event_type,
        "part": dead.part,
        "idempotency_key": dead.idempotency_key,
        "attempts": {
            "count": dead.attempts.count(),
            "omitted": dead.attempts.omitted(),
            "attempts": dead.attempts.kept(),
        },
        "first_seen_at": time_text(dead.first_seen_at),
        "dead_lettered_at": time_text(dead.dead_lettered_at),
        "deadline": dead.deadline.map(time_text),
        "traceparent": dead.traceparent,
        "redrives": dead.redrives,
        "is_pointer": dead.is_pointer,
        "state": state_name(letter.marks.last().map(|mark| mark.resolution)),
        "decisions": letter.marks.iter().map(mark_json).collect::<Vec<_>>(),
        "recording": dead.recording.as_deref().and_then(|json| serde_json::from_slice::<Value>(json).ok()),
        "conflict": conflict_json(dead.conflict.as_ref()),
        "record": {
            "topic": &*dead.record.origin.topic,
            "partition": dead.record.origin.partition,
            "offset": dead.record.origin.offset,
            "timestamp": dead.record.timestamp.map(time_text),
            "key": body_json(dead.record.key.as_ref()),
            "value": body_json(dead.record.value.as_ref()),
            "headers": headers,
        },
        "written": Written::of(letter),
    })
}

fn mark_json(mark: &Mark) -> Value {
    json!({"state": mark.resolution.name(), "at": time_text(mark.at), "note": mark.note})
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(ASCII_NO_BORDERS)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(COLUMNS)
        .set_header(header.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    table
}

fn row(letter: &Summary) -> Vec<String> {
    const MESSAGE_BYTES: usize = 120;
    let event = match (&letter.event_type, &letter.event_id) {
        (Some(kind), Some(id)) => format!("{} {}", printable(kind), printable(id)),
        (None, _) | (_, None) => letter.origin.to_string(),
    };
    let state = letter.resolution().map_or(String::new(), |resolution| format!(", {}", resolution.name()));
    vec![
        letter.id.to_string(),
        event,
        format!("{}{state}", letter.reason.name()),
        letter.attempts.to_string(),
        seconds_text(letter.dead_lettered_at),
        printable(cut(&letter.message, MESSAGE_BYTES)),
    ]
}

/// The time without its milliseconds, for the width of a page.
fn seconds_text(at: TimestampMs) -> String {
    let text = time_text(at);
    text.split_once('.').map_or(text.clone(), |(seconds, _)| format!("{seconds}Z"))
}

fn facts(letter: &Letter) -> Vec<(&'static str, String)> {
    let dead = &letter.letter;
    let mut facts = vec![
        ("subscription", format!("{} (group {})", dead.subscription, dead.group)),
        ("connector", dead.connector.to_string()),
    ];
    let mut add = |name, value: Option<String>| facts.extend(value.map(|value| (name, value)));
    add(
        "plugin",
        dead.plugin.as_ref().map(|blamed| format!("{} {}", blamed.plugin, hex_text(&blamed.sha256))),
    );
    add("reason", Some(format!("{} ({})", dead.reason.name(), dead.stage.name())));
    add("event", dead.event_id.as_deref().map(printable));
    add("type", dead.event_type.as_deref().map(printable));
    add("part", dead.part.map(|part| format!("{part} of what a transformer made of the event, from 0")));
    add("read from", Some(dead.record.origin.to_string()));
    add("first seen", Some(time_text(dead.first_seen_at)));
    add("given up", Some(time_text(dead.dead_lettered_at)));
    add("deadline", dead.deadline.map(|deadline| deadline_text(deadline, dead.dead_lettered_at)));
    add("trace", dead.traceparent.as_deref().map(printable));
    add("redrives", (dead.redrives > 0).then(|| format!("{} that failed again", dead.redrives)));
    add("last attempt", dead.recording.as_ref().map(recording_text));
    add(
        "pointer",
        dead.is_pointer.then(|| "the original was too large for the topic, see `read from`".to_owned()),
    );
    add("state", Some(state_name(letter.marks.last().map(|mark| mark.resolution)).to_owned()));
    for mark in &letter.marks {
        let note = mark.note.as_deref().map(|note| format!(": {}", printable(note))).unwrap_or_default();
        add("decision", Some(format!("{} {}{note}", mark.resolution.name(), time_text(mark.at))));
    }
    facts
}

fn recording_text(json: &Bytes) -> String {
    match Recorded::from_json(json) {
        Ok(Recorded::Whole(recording)) => {
            let struck = if recording.is_struck { ", secrets struck out" } else { "" };
            format!("recorded, {} rounds{struck}", recording.rounds.len())
        }
        Ok(Recorded::Transform(recording)) => {
            format!("recorded, what transformer {} was given", printable(&recording.transformer))
        }
        Ok(Recorded::Cut(why)) => format!("not recorded: {}", printable(&why)),
        Err(error) => format!("recorded in a form that cannot be read: {error}"),
    }
}

fn deadline_text(deadline: u64, given_up_at: u64) -> String {
    match given_up_at.checked_sub(deadline) {
        Some(late) if late > 0 => format!("{}, missed by {}", time_text(deadline), duration_text(late)),
        Some(_) | None => time_text(deadline),
    }
}

fn attempts_text(attempts: &Attempts) -> String {
    let mut table = table(&["#", "at", "took", "outcome", "reason"]);
    let mut next = 1;
    for attempt in attempts.kept() {
        if attempt.number > next {
            table.add_row(vec!["…".to_owned(), format!("{} not kept", attempt.number - next)]);
        }
        next = attempt.number.saturating_add(1);
        table.add_row(vec![
            attempt.number.to_string(),
            time_text(attempt.at_ms),
            duration_text(attempt.duration_ms),
            printable(&attempt.outcome),
            printable(&attempt.reason),
        ]);
    }
    format!("{}\n", table.trim_fmt())
}

fn record_text(record: &Record) -> String {
    let mut text = String::new();
    if let Some(timestamp) = record.timestamp {
        let _ = writeln!(text, "  timestamp: {}", time_text(timestamp));
    }
    let _ = writeln!(text, "  key: {}", line_text(record.key.as_ref()));
    for (name, value) in &record.headers {
        let _ = writeln!(text, "  {}: {}", printable(name), line_text(value.as_ref()));
    }
    let _ = writeln!(text, "\n{}", body_text(record.value.as_ref()));
    text
}

/// Breaks text between words, indented by two.
fn wrapped(text: &str) -> String {
    let mut lines = String::new();
    let mut length = usize::MAX;
    for word in text.split_whitespace() {
        let wanted = word.chars().count() + 1;
        if length.saturating_add(wanted) > usize::from(COLUMNS) {
            lines.push_str(if lines.is_empty() { "  " } else { "\n  " });
            length = 2;
        } else {
            lines.push(' ');
        }
        lines.push_str(word);
        length += wanted;
    }
    lines.push('\n');
    lines
}

#[cfg(test)]
mod tests;
