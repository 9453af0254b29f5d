//! How an event stands to what is held: older, newer, the same, or nobody can tell.

use super::*;

/// 2026-01-01T00:00:00Z and a second.
const TIME_MS: u64 = 1_767_225_601_000;

fn before() -> Calls<Sent> {
    calls(Some(When::Before), false)
}

fn over(held: impl Into<Value>) -> Endpoint {
    lookup(found(held)).expect("WRITE /?v7", done())
}

#[test]
fn the_newer_of_two_is_written() {
    assert_eq!(run(&before(), over(1), room(2)), delivered());
    assert_eq!(run(&before(), lookup(found(3)), room(2)), conflict(3, NEWER));
    // A number that a protocol wrote as text: the host compares what it is given.
    assert_eq!(run(&before(), lookup(found("3")), room(2)), conflict(3, NEWER));
    let largest = u64::MAX;
    assert_eq!(run(&before(), lookup(found(largest.to_string())), room(2)), conflict(largest, NEWER));
    let at = |second: u32| format!("2026-01-01T00:00:{second:02}Z");
    assert_eq!(run(&before(), over(at(1)), room("2026-01-01T02:00:02+02:00")), delivered());
    assert_eq!(run(&before(), lookup(found(at(3))), room(at(2))), conflict(at(3), NEWER));
    let cannot = "`/updatedAt`: the versions of the event and of what is held cannot be compared";
    assert_eq!(run(&before(), lookup(found(3)), room("soon")), conflict(3, cannot));
}

#[test]
fn an_equal_version_is_already_there_unless_its_data_are_others() {
    let there = Outcome::skipped("already there, as version v7");
    assert_eq!(run(&before(), lookup(found(2)), room(2)), there);
    let titled = |title: &str| event("t").data(json!({ "updatedAt": 2, "title": title, "own": 1 }));
    assert_eq!(run(&before(), lookup(found(2)), titled("theirs")), there);
    let other = "`/updatedAt`: what is held has the event's version, and other data";
    assert_eq!(run(&before(), lookup(found(2)), titled("ours")), conflict(2, other));
    // The system refused it itself.
    let refused = |event| {
        let endpoint = endpoint().expect("WRITE /", reply(409)).expect("LOOKUP /", found(2));
        run(&calls(Some(When::Conflict), false), endpoint, event)
    };
    assert_eq!(refused(titled("theirs")), there);
    assert_eq!(refused(titled("ours")), conflict(2, "it is another"));
}

#[test]
fn an_event_without_a_version_overwrites_none_that_has_one() {
    let none = "`/updatedAt`: what is held has a version, and the event has none";
    for event in [event("t").data(json!({})), room(Value::Null), room("")] {
        assert_eq!(run(&before(), lookup(found(3)), event.clone()), conflict(3, none));
        for without in [Value::Null, json!("")] {
            assert_eq!(run(&before(), over(without), event.clone()), delivered());
        }
    }
    assert_eq!(run(&before(), over(""), room(2)), delivered());
}

#[test]
fn a_late_tombstone_deletes_nothing_newer() {
    let gone = || gone().time_ms(TIME_MS);
    let deleted = |held: Value| lookup(found(held)).expect("DELETE /?v7", done());
    for held in ["2026-01-01T00:00:01Z", "2026-01-01T00:00:00Z", "soon", ""] {
        assert_eq!(run(&before(), deleted(held.into()), gone()), delivered(), "{held}");
    }
    for held in [json!(9_999), json!(null), json!("9999")] {
        assert_eq!(run(&before(), deleted(held), gone()), delivered());
    }
    let newer = "2026-01-01T02:00:01.001+02:00";
    assert_eq!(run(&before(), lookup(found(newer)), gone()), conflict(newer, NEWER));
    // Nobody said when it was deleted.
    assert_eq!(run(&before(), deleted(newer.into()), super::gone()), delivered());
}

#[test]
fn a_deletion_with_data_has_their_version() {
    let closed = |version: Value| {
        event("room.closed").data(json!({ "updatedAt": version, "title": "ours" })).time_ms(1)
    };
    let deleted = |held: i64| lookup(found(held)).expect("DELETE /?v7", done());
    assert_eq!(run(&before(), deleted(2), closed(json!(3))), delivered());
    // It says when what it deletes was changed last.
    assert_eq!(run(&before(), deleted(3), closed(json!(3))), delivered());
    assert_eq!(run(&before(), lookup(found(4)), closed(json!(3))), conflict(4, NEWER));
    let none = "`/updatedAt`: what is held has a version, and the event has none";
    assert_eq!(run(&before(), lookup(found(4)), closed(json!(null))), conflict(4, none));
}
