//! What the host decided is written over what it decided upon, and over nothing else.

use super::*;
use crate::outcome::Merged;

const CHANGED: &str = "what is held has changed since it was decided what to write over it";

fn over(version: Option<&str>) -> EventBuilder {
    room(2).resolution(Resolution::Overwrite(version.map(str::to_owned)))
}

#[test]
fn a_version_that_the_system_can_be_held_to_needs_no_look() {
    for when in [When::Before, When::Conflict] {
        let calls = calls(Some(when), false);
        let merged = Merged { data: b"{}".to_vec(), version: Some("v7".to_owned()) };
        for event in [over(Some("v7")), room(2).resolution(Resolution::Merged(merged))] {
            assert_eq!(run(&calls, endpoint().expect("WRITE /?v7", done()), event), delivered());
        }
        let gone = gone().resolution(Resolution::Overwrite(Some("v7".to_owned())));
        assert_eq!(run(&calls, endpoint().expect("DELETE /?v7", done()), gone), delivered());
        // Somebody was faster: a conflict again, even where they wrote the same version.
        let raced = endpoint().expect("WRITE /?v6", reply(409)).expect("LOOKUP /", found(2));
        assert_eq!(run(&calls, raced, over(Some("v6"))), conflict(2, "it is another"));
    }
}

#[test]
fn a_decision_without_a_version_is_not_written_without_a_look() {
    let calls = calls(Some(When::Before), true);
    for none in [None, Some("")] {
        // Nobody knows what was decided upon: decide upon what is there now.
        assert_eq!(run(&calls, lookup(found(9)), over(none)), conflict(9, CHANGED), "{none:?}");
        assert_eq!(run(&calls, lookup(reply(404)).expect("CREATE /", done()), over(none)), delivered());
    }
    // Without a lookup the system itself decides again, as it did before.
    let blind = super::calls(None, false);
    for none in [None, Some("")] {
        assert_eq!(run(&blind, endpoint().expect("WRITE /", done()), over(none)), delivered());
    }
}

#[test]
fn a_version_that_the_call_does_not_name_is_looked_at_before_the_write() {
    let mut calls = calls(Some(When::Conflict), false);
    calls.write.names_etag = false;
    assert_eq!(run(&calls, lookup(found(9)).expect("WRITE /", done()), over(Some("v7"))), delivered());
    assert_eq!(run(&calls, lookup(found(9)), over(Some("v6"))), conflict(9, CHANGED));
    // Of the call that is made, and not of another.
    let moved = event("room.moved").data(json!({})).resolution(Resolution::Overwrite(Some("v7".to_owned())));
    calls.types.insert("room.moved".to_owned(), Sent { names_etag: true });
    assert_eq!(run(&calls, endpoint().expect("WRITE /?v7", done()), moved), delivered());
}

fn no_version_of_its_own(when: When, held: &Value, other: &Value) {
    let calls = without_etags(Some(when));
    let seen = match when {
        When::Before => lookup(found(held.clone())),
        When::Conflict => endpoint().expect("WRITE /", reply(409)).expect("LOOKUP /", found(held.clone())),
    };
    let Outcome::Conflict(seen) = run(&calls, seen, room(2)) else { panic!("no conflict") };
    let current = json!({ "updatedAt": 9, "title": "theirs" }).to_string();
    assert_eq!(seen.current, Some(current.into_bytes()), "the host compares it");
    let print = seen.version.expect("a print of it");
    assert!(print.starts_with("content-"), "{print}");
    let written = |held: &Value| lookup(found(held.clone())).expect("WRITE /", done());
    assert_eq!(run(&calls, written(held), over(Some(&print))).kind(), OutcomeKind::Delivered);
    // The print goes nowhere, whatever the settings say.
    let named = Calls { write: Sent { names_etag: true }, ..without_etags(Some(when)) };
    assert_eq!(run(&named, written(held), over(Some(&print))).kind(), OutcomeKind::Delivered);
    // Another in between is another conflict, which can be decided in its turn.
    let changed = run(&calls, lookup(found(other.clone())), over(Some(&print)));
    let Outcome::Conflict(changed) = changed else { panic!("no conflict") };
    let current = json!({ "updatedAt": 10, "title": "theirs" }).to_string();
    assert_eq!((changed.reason.as_str(), changed.current), (CHANGED, Some(current.into_bytes())));
    let next = over(changed.version.as_deref());
    assert_eq!(run(&calls, written(other), next).kind(), OutcomeKind::Delivered);
}

#[test]
fn what_has_no_version_of_its_own_is_known_by_what_it_holds() {
    for when in [When::Before, When::Conflict] {
        no_version_of_its_own(when, &json!(9), &json!(10));
        // As a protocol writes numbers that has none.
        no_version_of_its_own(when, &json!("9"), &json!("10"));
    }
}

/// Somebody removed what was decided upon: to make it anew was not decided.
#[test]
fn what_was_removed_in_between_is_a_conflict_or_gone() {
    let calls = calls(Some(When::Before), true);
    let removed = |why: &str| {
        Outcome::conflict(None, None, format!("{why}: what it was decided to write over is gone"))
    };
    let missing = endpoint().expect("WRITE /?v7", reply(404));
    assert_eq!(run(&calls, missing, over(Some("v7"))), removed("no room"));
    let refused = endpoint().expect("WRITE /?v7", reply(409)).expect("LOOKUP /", reply(404));
    assert_eq!(run(&calls, refused, over(Some("v7"))), removed("no room"));
    for when in [When::Before, When::Conflict] {
        let looked = without_etags(Some(when));
        assert_eq!(run(&looked, lookup(reply(404)), over(Some("content-7"))), removed("no room"));
        let empty = lookup(reply(200).json(&json!({ "room": {} })));
        assert_eq!(run(&looked, empty, over(Some("content-7"))), removed("the lookup finds nothing"));
    }
    let blind = super::calls(None, true);
    assert_eq!(
        run(&blind, endpoint().expect("WRITE /?v7", reply(404)), over(Some("v7"))),
        removed("no room")
    );
    // A policy that overwrites whatever is there answers with no version: it is made anew.
    assert_eq!(run(&calls, lookup(reply(404)).expect("CREATE /", done()), over(None)), delivered());
    let gone = gone().resolution(Resolution::Overwrite(Some("v7".to_owned())));
    assert_eq!(run(&calls, endpoint().expect("DELETE /?v7", reply(404)), gone), Outcome::delivered());
    let gone = super::gone().resolution(Resolution::Overwrite(None));
    assert_eq!(run(&calls, lookup(reply(404)), gone), Outcome::skipped("no room"));
}
