//! Which of two is newer, and what the host is shown where it has to decide.

use liaison_sdk::testing::{EventBuilder, event};
use serde_json::{Value, json};

use super::*;
use crate::bench::{Bench, Came, already_there, conflict, data, event_of, tombstone, updated};

fn at(minute: u32) -> Value {
    json!(format!("2026-04-01T00:{minute:02}:00Z"))
}

/// Only this of an appointment, and the version.
fn part(minute: u32, more: Value) -> EventBuilder {
    let mut data = more;
    data["updatedAt"] = at(minute);
    event_of(data)
}

/// As the host says it after a conflict about what is held now.
fn decided(bench: &Bench, event: EventBuilder, merged: Option<Value>) -> EventBuilder {
    let version = bench.held.as_ref().map(|held| held.version.clone());
    event.resolution(match merged {
        None => Resolution::Overwrite(version),
        Some(merged) => Resolution::Merged(Merged { data: merged.to_string().into(), version }),
    })
}

#[test]
fn a_write_of_ones_own_hides_no_earlier_change_by_somebody_else_and_is_taken_for_none() {
    let mut bench = Bench::new(json!({}));
    bench.take(updated(1, json!({ "location": "R1" }))).unwrap();
    bench.others(&["SUMMARY", "LAST-MODIFIED"], &["SUMMARY:theirs", "LAST-MODIFIED:20260401T002000Z"]);
    // Written around the title. The server notes the time of that write.
    bench.server_clock = "2026-04-01T00:21:00Z";
    assert_eq!(bench.take(part(10, json!({ "location": "R2" }))), Ok(Came::Written));
    assert_eq!(bench.line("LAST-MODIFIED").as_deref(), Some("LAST-MODIFIED:20260401T001000Z"));

    for minute in [15, 25] {
        let current = conflict(&mut bench, updated(minute, json!({})));
        assert_eq!((&current["title"], &current["updatedAt"]), (&json!("theirs"), &at(20)));
    }
    // What was written last is newer than what they changed, and still does not stand for it.
    assert_eq!(bench.take(part(30, json!({ "location": "R3" }))), Ok(Came::Written));
    assert_eq!(conflict(&mut bench, updated(28, json!({})))["updatedAt"], at(30));
    assert_eq!(conflict(&mut bench, updated(35, json!({})))["updatedAt"], at(30));
    // Changed again, by a program that notes nothing.
    bench.server_clock = "2026-04-01T00:40:00Z";
    bench.others(&["SUMMARY"], &["SUMMARY:theirs again"]);
    assert_eq!(conflict(&mut bench, updated(35, json!({})))["updatedAt"], at(40));
    // What is decided upon is ours from then on.
    let over = decided(&bench, updated(45, json!({})), None);
    assert_eq!(bench.take(over), Ok(Came::Written));
    assert_eq!(bench.take(updated(50, json!({ "title": "B" }))), Ok(Came::Written));
    assert_eq!(bench.line("X-LIAISON-OTHERS"), None);
}

#[test]
fn where_nobody_says_when_others_changed_it_nobody_knows_which_is_newer() {
    let mut bench = Bench::new(json!({}));
    bench.server_clock = "";
    bench.take(updated(5, json!({}))).unwrap();
    bench.others(&["SUMMARY"], &["SUMMARY:theirs"]);
    assert_eq!(conflict(&mut bench, updated(6, json!({}))).get("updatedAt"), None);
    // Theirs came after the event that was written last, so it is no older than that.
    for minute in [4, 5] {
        assert_eq!(conflict(&mut bench, updated(minute, json!({})))["updatedAt"], at(5));
    }
    assert_eq!(bench.take(part(7, json!({ "location": "R" }))), Ok(Came::Written));
    assert_eq!(conflict(&mut bench, updated(8, json!({}))).get("updatedAt"), None);
}

#[test]
fn the_same_version_is_there_already_or_is_for_the_host_to_decide() {
    for (settings, version) in [(json!({}), at(5)), (json!({ "version": "/revision" }), json!(5))] {
        let mut bench = Bench::new(settings);
        let revision = if version.is_number() { version.clone() } else { json!(0) };
        let event = |more: Value| {
            let mut data = data(5, more);
            data["revision"] = revision.clone();
            event_of(data)
        };
        bench.take(event(json!({}))).unwrap();
        assert_eq!(bench.take(event(json!({}))), Ok(already_there()));
        let current = conflict(&mut bench, event(json!({ "title": "B" })));
        let held = if version.is_number() { &current["revision"] } else { &current["updatedAt"] };
        assert_eq!((&current["title"], held), (&json!("A"), &version));
        let over = decided(&bench, event(json!({ "title": "B" })), None);
        assert_eq!(bench.take(over), Ok(Came::Written));
        // Written once, whoever else changed something beside it.
        bench.others(&["LOCATION"], &["LOCATION:theirs"]);
        assert_eq!(bench.take(event(json!({ "title": "B" }))), Ok(already_there()));
    }
}

#[test]
fn an_event_without_a_version_writes_over_nothing_that_has_one() {
    for nothing in [json!(null), json!(""), json!("missing")] {
        let mut data = data(0, json!({ "title": "B", "updatedAt": nothing }));
        if nothing == "missing" {
            data.as_object_mut().unwrap().remove("updatedAt");
        }
        let mut bench = Bench::new(json!({}));
        // Nothing is there yet, and then something without a version.
        assert_eq!(bench.take(event_of(data.clone())), Ok(Came::Written));
        assert_eq!(bench.take(event_of(data.clone())), Ok(already_there()));
        assert_eq!(bench.take(updated(1, json!({}))), Ok(Came::Written));
        assert_eq!(conflict(&mut bench, event_of(data.clone()))["updatedAt"], at(1), "{data}");
        // In the order in which they come, where that is what is set.
        bench.settings = serde_json::from_value(json!({ "version": false })).unwrap();
        assert_eq!(bench.take(event_of(data)), Ok(Came::Written));
    }
}

#[test]
fn a_tombstone_is_as_old_as_its_time() {
    let mut bench = Bench::new(json!({}));
    bench.take(updated(5, json!({}))).unwrap();
    assert_eq!(conflict(&mut bench, tombstone(4))["updatedAt"], at(5));
    assert_eq!(bench.take(tombstone(5)), Ok(Came::Deleted));
    // A number says nothing of time.
    let mut bench = Bench::new(json!({ "version": "/revision" }));
    bench.take(updated(5, json!({ "revision": 7 }))).unwrap();
    assert_eq!(bench.take(tombstone(4)), Ok(Came::Deleted));

    let mut bench = Bench::new(json!({ "on-tombstone": "cancel" }));
    bench.take(updated(5, json!({}))).unwrap();
    assert!(matches!(bench.take(tombstone(4)), Ok(Came::Conflict(_))));
    assert_eq!(bench.take(tombstone(9)), Ok(Came::Written));
    assert_eq!(bench.take(tombstone(9)), Ok(already_there()));
    assert_eq!(bench.line("STATUS").as_deref(), Some("STATUS:CANCELLED"));
    // What happened before is late, and what happens after takes place again.
    assert_eq!(conflict(&mut bench, updated(8, json!({})))["updatedAt"], json!("2026-04-01T00:09:00.000Z"));
    assert_eq!(bench.take(updated(10, json!({}))), Ok(Came::Written));
    assert_eq!(bench.line("STATUS"), None);
}

#[test]
fn a_cancellation_at_the_same_version_is_not_taken_for_what_is_there() {
    for (settings, place) in [
        (json!({}), "/status"),
        (json!({ "fields": { "status": "/how/it/is" } }), "/how/it/is"),
        (json!({ "fields": { "status": false } }), "/status"),
    ] {
        for on_cancel in ["cancel", "delete"] {
            let mut settings = settings.clone();
            settings["on-cancel"] = json!(on_cancel);
            let mut bench = Bench::new(settings);
            bench.take(updated(5, json!({}))).unwrap();
            // All that tells it from the event before is its type.
            let cancelled = || event("schedule.cancelled").data(data(5, json!({})));
            let current = conflict(&mut bench, cancelled());
            assert_eq!((&current["updatedAt"], current.pointer(place)), (&at(5), Some(&json!("confirmed"))));
            let over = decided(&bench, cancelled(), None);
            let expected = if on_cancel == "delete" { Came::Deleted } else { Came::Written };
            assert_eq!(bench.take(over), Ok(expected));
            if on_cancel == "cancel" {
                assert_eq!(bench.take(cancelled()), Ok(already_there()));
            }
        }
    }
}

#[test]
fn two_changes_of_one_second_are_of_one_age() {
    let mut bench = Bench::new(json!({}));
    let event = |fraction: &str| updated(0, json!({ "updatedAt": format!("2026-04-01T00:05:{fraction}Z") }));
    bench.take(event("00.4")).unwrap();
    // What was written at .4 is neither newer nor older for ever.
    assert_eq!(bench.take(event("00.4")), Ok(already_there()));
    bench.server_clock = "2026-04-01T00:05:00Z";
    bench.others(&["SUMMARY"], &["SUMMARY:theirs"]);
    for (offered, shown) in [
        // Older than what was written last, whatever came after that.
        ("00.2", "00.4"),
        ("00.4", "00.4"),
        // Of the second of their change: nobody knows.
        ("00.6", "00.6"),
        ("01", "00.4"),
        ("01.5", "00.4"),
    ] {
        let current = conflict(&mut bench, event(offered));
        assert_eq!(current["updatedAt"], json!(format!("2026-04-01T00:05:{shown}Z")), "{offered}");
    }
}

#[test]
fn numbers_are_no_times_and_still_tell_what_is_older() {
    let mut bench = Bench::new(json!({ "version": "/revision" }));
    bench.take(updated(1, json!({ "revision": 5 }))).unwrap();
    bench.others(&["SUMMARY"], &["SUMMARY:theirs"]);
    for (revision, shown) in [(4, Some(&json!(5))), (5, Some(&json!(5))), (6, None)] {
        let current = conflict(&mut bench, updated(1, json!({ "revision": revision })));
        assert_eq!(current.get("revision"), shown, "{revision}");
    }
}

#[test]
fn a_change_without_a_date_leaves_each_its_own_fields_whoever_was_last() {
    let mut bench = Bench::new(json!({ "changes-by-others": "undated" }));
    bench.take(updated(1, json!({ "location": "R1" }))).unwrap();
    bench.others(&["LOCATION", "LAST-MODIFIED"], &["LOCATION:B7", "LAST-MODIFIED:20260401T002000Z"]);
    let whole = |minute| updated(minute, json!({ "location": "R1", "title": "moved" }));
    assert_eq!(conflict(&mut bench, whole(10)).get("updatedAt"), None);
    let merged = data(10, json!({ "location": "B7", "title": "moved" }));
    let merged = decided(&bench, whole(10), Some(merged));
    assert_eq!(bench.take(merged), Ok(Came::Written));
    assert_eq!(bench.line("SUMMARY").as_deref(), Some("SUMMARY:moved"));
    // The room is still the portal's: the next event does not write over it unasked.
    let current = conflict(&mut bench, whole(11));
    assert_eq!((&current["location"], current.get("updatedAt")), (&json!("B7"), None));
    assert_eq!(conflict(&mut bench, whole(9))["updatedAt"], at(10));
    // Where both come to say the same, nothing is in dispute any more.
    assert_eq!(bench.take(updated(12, json!({ "location": "B7" }))), Ok(Came::Written));
    assert_eq!(bench.take(updated(13, json!({ "location": "C1" }))), Ok(Came::Written));
}

#[test]
fn a_merge_makes_an_appointment_no_older() {
    let mut bench = Bench::new(json!({}));
    bench.take(updated(5, json!({}))).unwrap();
    let mut merged = data(4, json!({ "title": "both" }));
    merged.as_object_mut().unwrap().remove("updatedAt");
    let event = decided(&bench, updated(4, json!({ "title": "late" })), Some(merged));
    assert_eq!(bench.take(event), Ok(Came::Written));
    assert_eq!(bench.line("X-LIAISON-VERSION").as_deref(), Some("X-LIAISON-VERSION:2026-04-01T00:05:00Z"));
    // Who says that the older one wins has it.
    let event = decided(&bench, updated(3, json!({})), None);
    assert_eq!(bench.take(event), Ok(Came::Written));
    assert_eq!(bench.line("X-LIAISON-VERSION").as_deref(), Some("X-LIAISON-VERSION:2026-04-01T00:03:00Z"));
}

#[test]
fn a_decision_is_carried_out_over_the_version_that_it_names_alone() {
    let mut bench = Bench::new(json!({}));
    bench.take(updated(5, json!({}))).unwrap();
    let merged = |version: Option<&str>| {
        let data = data(8, json!({ "title": "both" })).to_string().into();
        Resolution::Merged(Merged { data, version: version.map(str::to_owned) })
    };
    let nameless = Resolution::Overwrite(None);
    for event in [
        updated(6, json!({})).resolution(merged(None)),
        updated(6, json!({})).resolution(merged(Some("\"0\""))),
        updated(6, json!({})).resolution(nameless.clone()),
        tombstone(6).resolution(nameless),
    ] {
        let came = bench.take(event.clone());
        assert!(matches!(came, Ok(Came::Conflict(_))), "{event:?}: {came:?}");
    }
    // A server's compression makes a tag weak, and the appointment no other.
    bench.held.as_mut().unwrap().version = "W/\"1\"".to_owned();
    assert_eq!(bench.held.as_ref().unwrap().condition(), None);
    assert_eq!(bench.take(updated(6, json!({})).resolution(merged(Some("\"1\"")))), Ok(Came::Written));
    assert_eq!(bench.held.as_ref().unwrap().condition(), Some("\"2\""));

    // Removed by somebody, it is not made anew of what was decided over it.
    bench.held = None;
    let came = bench.take(updated(6, json!({})).resolution(merged(Some("\"2\""))));
    assert_eq!(came, Ok(Came::Conflict(Value::Null)));
    let came = bench.take(updated(6, json!({})).resolution(Resolution::Overwrite(None)));
    assert_eq!(came, Ok(Came::Written));
}
