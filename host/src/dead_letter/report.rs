//! Shows dead letters: as text of at most 100 columns for a person, as JSON for a program.
//!
//! In come a listing or one letter, out goes a string or a JSON value. Whatever came with an event is made harmless
//! for a terminal: control characters are written out. Nothing is printed here.

mod body;

use std::fmt::Write;

use comfy_table::presets::ASCII_NO_BORDERS;
use comfy_table::{ColumnConstraint, ContentArrangement, Table};
use serde_json::{Value, json};

use self::body::{body_json, body_text, line_text};
use super::attempts::{Attempts, cut};
use super::header::{duration_text, hex_text, time_text};
use super::store::{Letter, Listing, Summary};
use crate::contract::TimestampMs;
use crate::event::Record;

pub use self::body::printable;

const COLUMNS: u16 = 100;
/// Where the list shows the time.
const AT_COLUMN: usize = 4;

/// A table of the letters that are not dealt with, or of all.
pub fn list_text(listing: &Listing, all: bool) -> String {
    let shown: Vec<&Summary> =
        listing.letters.iter().filter(|letter| all || letter.resolution.is_none()).collect();
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
    let dealt_with = listing.letters.len() - shown.len();
    for (count, what) in [
        (dealt_with as u64, "dealt with and not shown (--all shows them)"),
        (listing.omitted, "older and not shown"),
        (listing.foreign.len() as u64, "records of the topic that are no dead letters of this host"),
    ] {
        if count > 0 {
            let _ = writeln!(text, "{count} {what}");
        }
    }
    text
}

/// The same as JSON, always of all letters.
pub fn list_json(listing: &Listing) -> Value {
    let letters: Vec<Value> = listing
        .letters
        .iter()
        .map(|letter| {
            json!({
                "id": letter.id.to_string(),
                "event_id": letter.event_id,
                "event_type": letter.event_type,
                "origin": letter.origin.to_string(),
                "stage": letter.stage.name(),
                "reason": letter.reason.name(),
                "message": letter.message,
                "attempts": letter.attempts,
                "dead_lettered_at": time_text(letter.dead_lettered_at),
                "resolution": letter.resolution.map(super::mark::Resolution::name),
            })
        })
        .collect();
    let foreign: Vec<String> = listing.foreign.iter().map(ToString::to_string).collect();
    json!({"dead_letters": letters, "omitted": listing.omitted, "foreign": foreign})
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
    let _ = write!(text, "\nwhat to do\n{}", wrapped(dead.reason.what_to_do()));
    text
}

/// The same as JSON, with the whole event.
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
        "resolution": letter.mark.map(|mark| json!({"name": mark.resolution.name(), "at": time_text(mark.at)})),
        "record": {
            "topic": &*dead.record.origin.topic,
            "partition": dead.record.origin.partition,
            "offset": dead.record.origin.offset,
            "timestamp": dead.record.timestamp.map(time_text),
            "key": body_json(dead.record.key.as_ref()),
            "value": body_json(dead.record.value.as_ref()),
            "headers": headers,
        },
    })
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
    let state = letter.resolution.map_or(String::new(), |resolution| format!(", {}", resolution.name()));
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
    add("dealt with", letter.mark.map(|mark| format!("{} {}", mark.resolution.name(), time_text(mark.at))));
    facts
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
mod tests {
    use bytes::Bytes;

    use super::super::mark::{Mark, Resolution};
    use super::super::record::tests::letter;
    use super::*;

    fn shown(change: impl FnOnce(&mut Letter)) -> Letter {
        let mut shown = Letter { id: "calendar/0/9".parse().unwrap(), letter: letter(), mark: None };
        change(&mut shown);
        shown
    }

    fn summary() -> Summary {
        Summary {
            id: "calendar/0/9".parse().unwrap(),
            event_id: Some("e-1".to_owned()),
            event_type: Some("policy.updated".to_owned()),
            origin: letter().record.origin,
            stage: letter().stage,
            reason: letter().reason,
            message: letter().message,
            attempts: 2,
            dead_lettered_at: letter().dead_lettered_at,
            resolution: None,
        }
    }

    #[test]
    fn one_letter_shows_what_happened_and_what_to_do() {
        let text = show_text(&shown(|_| {}));
        for line in [
            "dead letter calendar/0/9",
            "subscription  calendar (group liaison-calendar)",
            "connector     training-calendar",
            "reason        rejected (deliver)",
            "event         e-1",
            "type          policy.updated",
            "read from     policy-events/3/42",
            "given up      2023-11-14T22:13:23.010Z",
            "The connector said that this event will never be accepted.",
            "  400: no such room",
            "  key: policy-7",
            "  flag: none",
            "  binary: 0xff00 (2 bytes)",
            "  \"room\": \"B12\"",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line:?} is not a line of:\n{text}");
        }
        let attempt = text.lines().find(|line| line.contains("503 Service Unavailable")).unwrap();
        assert!(attempt.contains("2023-11-14T22:13:21.000Z") && attempt.contains("12ms"), "{attempt}");
    }

    #[test]
    fn no_line_of_ours_is_wider_than_the_page() {
        let wide = shown(|shown| {
            shown.letter.message = "one two three ".repeat(20);
            shown.letter.attempts.push(1, std::time::Duration::ZERO, "retry", &"word ".repeat(40));
        });
        let listing = Listing {
            letters: vec![Summary { message: "one two three ".repeat(20), ..summary() }],
            ..Listing::default()
        };
        let said = printable(&wide.letter.message);
        for line in show_text(&wide).lines().chain(list_text(&listing, true).lines()) {
            assert!(line.chars().count() <= 100 || line.trim() == said.trim(), "{line}");
        }
    }

    #[test]
    fn attempts_that_were_not_kept_are_counted_between_the_others() {
        let text = show_text(&shown(|shown| {
            for number in 0..40 {
                shown.letter.attempts.push(number, std::time::Duration::from_millis(1), "retry", "503");
            }
        }));
        assert!(text.contains("10 not kept"), "{text}");
    }

    #[test]
    fn a_missed_deadline_says_by_how_much() {
        let late = shown(|shown| shown.letter.deadline = Some(shown.letter.dead_lettered_at - 90_000));
        assert!(show_text(&late).contains("2023-11-14T22:11:53.010Z, missed by 1m 30s"));
        assert!(!show_text(&shown(|_| {})).contains("missed by"));
    }

    #[test]
    fn an_event_cannot_drive_the_terminal() {
        let hostile = "\u{1b}]0;owned\u{7}\r\u{9b}31m";
        let text = show_text(&shown(|shown| {
            shown.letter.message = hostile.to_owned();
            shown.letter.event_id = Some(hostile.to_owned());
            shown.letter.record.key = Some(Bytes::from(hostile));
            shown.letter.record.value = Some(Bytes::from(hostile));
            shown.letter.record.headers = vec![(hostile.to_owned(), Some(Bytes::from(hostile)))];
            shown.letter.attempts.push(1, std::time::Duration::ZERO, hostile, hostile);
        }));
        let listing = Listing {
            letters: vec![Summary {
                message: hostile.to_owned(),
                event_id: Some(hostile.to_owned()),
                ..summary()
            }],
            ..Listing::default()
        };
        for text in [text, list_text(&listing, true)] {
            let control = text.chars().find(|character| character.is_control() && *character != '\n');
            assert_eq!(control, None, "{text:?}");
        }
    }

    #[test]
    fn a_list_hides_what_is_dealt_with_and_counts_what_it_hides() {
        let done = Summary { resolution: Some(Resolution::Redriven), ..summary() };
        let listing = Listing { letters: vec![summary(), done], omitted: 3, foreign: vec![] };
        let text = list_text(&listing, false);
        assert_eq!(text.matches("calendar/0/9").count(), 1, "{text}");
        assert!(
            text.ends_with("1 dealt with and not shown (--all shows them)\n3 older and not shown\n"),
            "{text}"
        );
        let all = list_text(&listing, true);
        assert_eq!(all.matches("calendar/0/9").count(), 2, "{all}");
        assert!(all.contains("redriven"), "{all}");
        assert_eq!(list_text(&Listing::default(), false), "no dead letters\n");
    }

    #[test]
    fn the_json_forms_hold_every_value() {
        let mark = Mark { offset: 9, resolution: Resolution::Discarded, at: 0 };
        let json = show_json(&shown(|shown| shown.mark = Some(mark)));
        for (pointer, expected) in [
            ("/id", json!("calendar/0/9")),
            ("/reason", json!("rejected")),
            ("/plugin_sha256", json!("ab".repeat(32))),
            ("/attempts/count", json!(2)),
            ("/attempts/attempts/1/reason", json!("400: no such room")),
            ("/resolution", json!({"name": "discarded", "at": "1970-01-01T00:00:00.000Z"})),
            ("/record/offset", json!(42)),
            ("/record/key", json!({"encoding": "text", "content": "policy-7"})),
            ("/record/value", json!({"encoding": "json", "content": {"room": "B12"}})),
            ("/record/headers/1", json!({"name": "flag", "value": null})),
            ("/record/headers/2/value", json!({"encoding": "base64", "content": "/wA="})),
        ] {
            assert_eq!(json.pointer(pointer), Some(&expected), "{pointer}");
        }
        let listing = Listing { letters: vec![summary()], ..Listing::default() };
        let json = list_json(&listing);
        assert_eq!(json.pointer("/dead_letters/0/origin"), Some(&json!("policy-events/3/42")));
        assert_eq!(json.pointer("/dead_letters/0/resolution"), Some(&Value::Null));
    }
}
