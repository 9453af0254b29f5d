//! What a person and a program are shown of dead letters.

use bytes::Bytes;

use super::super::listing::tests::summary;
use super::super::mark::{Mark, Resolution};
use super::super::record::tests::letter;
use super::*;

const ALL: States<'_> =
    &[None, Some(Resolution::Redriven), Some(Resolution::Superseded), Some(Resolution::Discarded)];

fn shown(change: impl FnOnce(&mut Letter)) -> Letter {
    let mut shown = Letter { id: "calendar/0/9".parse().unwrap(), letter: letter(), marks: vec![] };
    change(&mut shown);
    shown
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
    for line in show_text(&wide).lines().chain(list_text(&listing, ALL).lines()) {
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
        shown.letter.record.headers = vec![(hostile.into(), Some(Bytes::from(hostile)))];
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
    for text in [text, list_text(&listing, ALL)] {
        let control = text.chars().find(|character| character.is_control() && *character != '\n');
        assert_eq!(control, None, "{text:?}");
    }
}

fn mark(resolution: Resolution, note: Option<&str>) -> Mark {
    Mark { offset: 9, resolution, at: 0, note: note.map(str::to_owned) }
}

#[test]
fn a_list_hides_other_states_and_counts_what_it_hides() {
    let done = Summary { mark: Some(mark(Resolution::Redriven, None)), ..summary() };
    let listing = Listing { letters: vec![summary(), done], omitted: 3, ..Listing::default() };
    for (states, rows, left_out) in [
        (&[None][..], 1, "1 in other states and not shown (--all shows them)\n3 older and not shown\n"),
        (&[Some(Resolution::Redriven)], 1, "1 in other states and not shown (--all shows them)\n3 older"),
        (&[Some(Resolution::Discarded)], 0, "2 in other states and not shown (--all shows them)\n3 older"),
        (ALL, 2, "\n3 older and not shown\n"),
    ] {
        let text = list_text(&listing, states);
        assert_eq!(text.matches("calendar/0/9").count(), rows, "{text}");
        assert!(text.contains(left_out), "{text}");
    }
    assert!(list_text(&listing, ALL).contains("redriven"));
    assert_eq!(list_text(&Listing::default(), &[None]), "no dead letters\n");
}

#[test]
fn a_letter_shows_its_state_its_decisions_and_what_there_is_to_replay() {
    let text = show_text(&shown(|shown| {
        shown.marks = vec![mark(Resolution::Superseded, Some("by t/0/7")), mark(Resolution::Discarded, None)];
        shown.letter.is_pointer = true;
    }));
    for line in [
        "state         discarded",
        "decision      superseded 1970-01-01T00:00:00.000Z: by t/0/7",
        "decision      discarded 1970-01-01T00:00:00.000Z",
        "redrives      2 that failed again",
        "last attempt  not recorded: a test",
        "pointer       the original was too large for the topic, see `read from`",
        "  liaison dead-letters redrive calendar/0/9",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line:?} is not a line of:\n{text}");
    }
    assert!(show_text(&shown(|_| {})).contains("state         waiting"));
}

#[test]
fn a_conflict_is_shown_with_the_ways_to_decide_it() {
    let text = show_text(&shown(|shown| shown.letter.reason = Reason::Conflict));
    for line in [
        "  liaison dead-letters resolve --take source calendar/0/9",
        "  liaison dead-letters resolve --take target calendar/0/9",
        "  liaison dead-letters resolve --take FILE calendar/0/9",
        "  held version  \"v7\"",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line:?} is not a line of:\n{text}");
    }
    assert!(!show_text(&shown(|_| {})).contains("resolve"));
    assert_eq!(show_json(&shown(|_| {}))["conflict"]["policy"], "merge");
}

#[test]
fn the_json_forms_hold_every_value() {
    let done = mark(Resolution::Discarded, Some("no room"));
    let json = show_json(&shown(|shown| shown.marks = vec![done]));
    for (pointer, expected) in [
        ("/id", json!("calendar/0/9")),
        ("/reason", json!("rejected")),
        ("/plugin_sha256", json!("ab".repeat(32))),
        ("/attempts/count", json!(2)),
        ("/attempts/attempts/1/reason", json!("400: no such room")),
        ("/state", json!("discarded")),
        ("/decisions/0", json!({"state": "discarded", "at": "1970-01-01T00:00:00.000Z", "note": "no room"})),
        ("/recording", json!({"cut": "a test"})),
        ("/redrives", json!(2)),
        ("/record/offset", json!(42)),
        ("/record/key", json!({"encoding": "text", "content": "policy-7"})),
        ("/record/value", json!({"encoding": "json", "content": {"room": "B12"}})),
        ("/record/headers/1", json!({"name": "flag", "value": null})),
        ("/record/headers/2/value", json!({"encoding": "base64", "content": "/wA="})),
    ] {
        assert_eq!(json.pointer(pointer), Some(&expected), "{pointer}");
    }
    let listing = Listing { letters: vec![summary()], ..Listing::default() };
    let json = list_json(&listing, &[None]);
    assert_eq!(json.pointer("/dead_letters/0/origin"), Some(&json!("policy-events/3/42")));
    assert_eq!(json.pointer("/dead_letters/0/state"), Some(&json!("waiting")));
    assert_eq!(list_json(&listing, &[Some(Resolution::Redriven)])["dead_letters"], json!([]));
}
