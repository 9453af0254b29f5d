//! One event after another, on a calendar that others use too.

use liaison_sdk::testing::{EventBuilder, event};
use serde_json::json;

use super::*;
use crate::bench::{Bench, Came, already_there, data, delivered, event_of, updated};
use crate::component::Item;

#[test]
fn an_appointment_is_made_moved_and_left_alone_when_nothing_changes() {
    let mut bench = Bench::new(json!({}));
    assert_eq!(bench.take(updated(1, json!({}))), Ok(Came::Written));
    assert_eq!(bench.line("DTSTART").as_deref(), Some("DTSTART;TZID=Europe/Berlin:20260501T100000"));
    assert_eq!(
        (bench.sequence().as_str(), bench.line("DTSTAMP").as_deref()),
        ("SEQUENCE:0", Some("DTSTAMP:20260401T000100Z"))
    );
    for _ in 0..4 {
        assert_eq!(bench.take(updated(1, json!({}))), Ok(already_there()));
    }
    assert_eq!(bench.writes, 1);
    let moved = || updated(2, json!({ "start": "2026-05-01T14:00:00", "end": "2026-05-01T15:00:00" }));
    assert_eq!((bench.take(moved()), bench.sequence().as_str()), (Ok(Came::Written), "SEQUENCE:1"));
    assert_eq!(bench.take(moved()), Ok(already_there()));
    // A new title is no new time.
    let titled =
        updated(3, json!({ "title": "B", "start": "2026-05-01T14:00:00", "end": "2026-05-01T15:00:00" }));
    assert_eq!((bench.take(titled), bench.sequence().as_str()), (Ok(Came::Written), "SEQUENCE:1"));
    assert_eq!(bench.line("LAST-MODIFIED").as_deref(), Some("LAST-MODIFIED:20260401T000300Z"));
}

#[test]
fn an_older_event_is_a_conflict_with_what_is_there() {
    let mut bench = Bench::new(json!({}));
    bench.take(updated(5, json!({ "title": "new" }))).unwrap();
    for event in [updated(4, json!({ "title": "old" })), updated(4, json!({ "title": "new" }))] {
        let Ok(Came::Conflict(current)) = bench.take(event) else { panic!() };
        assert_eq!(current, data(5, json!({ "title": "new" })));
    }
    // Another event of the same version is no newer.
    assert!(matches!(bench.take(updated(5, json!({ "title": "other" }))), Ok(Came::Conflict(_))));
    // What changes nothing is newer all the same.
    assert_eq!(bench.take(updated(7, json!({ "title": "new" }))), Ok(Came::Written));
    assert!(matches!(bench.take(updated(6, json!({ "title": "late" }))), Ok(Came::Conflict(_))));
    assert_eq!(bench.sequence(), "SEQUENCE:0");
}

#[test]
fn the_host_s_decision_is_carried_out_over_what_it_saw() {
    let mut bench = Bench::new(json!({}));
    bench.take(updated(5, json!({ "title": "new" }))).unwrap();
    let over = |version: &str, event: EventBuilder| {
        event.resolution(Resolution::Overwrite(Some(version.to_owned())))
    };
    // It was changed again.
    assert!(matches!(bench.take(over("\"0\"", updated(4, json!({})))), Ok(Came::Conflict(_))));
    assert_eq!(bench.take(over("\"1\"", updated(4, json!({})))), Ok(Came::Written));
    assert_eq!(bench.line("SUMMARY").as_deref(), Some("SUMMARY:A"));
    let merged = Merged {
        data: data(8, json!({ "title": "both" })).to_string().into(),
        version: Some("\"2\"".into()),
    };
    assert_eq!(bench.take(updated(6, json!({})).resolution(Resolution::Merged(merged))), Ok(Came::Written));
    assert_eq!(bench.line("SUMMARY").as_deref(), Some("SUMMARY:both"));
    assert!(matches!(bench.take(updated(7, json!({}))), Ok(Came::Conflict(_))));
}

#[test]
fn what_the_host_merged_is_all_that_there_is_to_be() {
    let mut bench = Bench::new(json!({ "version": "/revision" }));
    bench.take(updated(1, json!({ "revision": 1, "location": "R1", "description": "D" }))).unwrap();
    bench.others(&["SUMMARY", "LOCATION"], &["SUMMARY:theirs", "LOCATION:R2"]);
    let event = || updated(2, json!({ "revision": 2, "location": null, "description": "E" }));
    assert!(matches!(bench.take(event()), Ok(Came::Conflict(_))));
    // The title is the calendar's, and the rest the event's: without a version, which the calendar could not tell.
    let mut merged = data(2, json!({ "title": "theirs", "description": "E" }));
    merged.as_object_mut().unwrap().remove("updatedAt");
    let etag = bench.held.as_ref().map(|held| held.version.clone());
    let merged = Merged { data: merged.to_string().into(), version: etag };
    assert_eq!(bench.take(event().resolution(Resolution::Merged(merged))), Ok(Came::Written));
    let lines = ["SUMMARY", "LOCATION", "DESCRIPTION", "X-LIAISON-VERSION"].map(|name| bench.line(name));
    let expected =
        [Some("SUMMARY:theirs"), None, Some("DESCRIPTION:E"), Some("X-LIAISON-VERSION;VALUE=INTEGER:2")];
    assert_eq!(lines.each_ref().map(Option::as_deref), expected);
    // Redelivered, it finds a calendar that nobody else changed since.
    let Ok(Came::Conflict(current)) = bench.take(event()) else { panic!() };
    assert_eq!((&current["revision"], &current["title"]), (&json!(2), &json!("theirs")));
}

#[test]
fn what_others_add_stays_and_what_they_change_is_a_conflict() {
    let mut bench = Bench::new(json!({}));
    let people = json!({ "attendees": ["a@x.gov", "b@x.gov"], "recurrence": "FREQ=WEEKLY" });
    bench.take(updated(1, people)).unwrap();
    let alarm = Component::parse(b"BEGIN:VCALENDAR\nTRIGGER:-PT5M\nEND:VCALENDAR").unwrap();
    let held = bench.held.as_mut().unwrap();
    let main = resource::main_event_mut(&mut held.calendar).unwrap();
    main.items.push(Item::Component(Component { name: "VALARM".into(), ..alarm }));
    bench.others(&["X-NOTE", "EXDATE"], &["X-NOTE:mine", "EXDATE;TZID=Europe/Berlin:20260508T100000"]);
    bench.others(&["LOCATION"], &["LOCATION:theirs"]);
    let moved =
        json!({ "start": "2026-05-01T09:00:00", "attendees": ["b@x.gov"], "recurrence": "FREQ=WEEKLY" });
    assert_eq!(bench.take(updated(2, moved)), Ok(Came::Written));
    let text = bench.held.as_ref().unwrap().calendar.to_string();
    for part in [
        "X-NOTE:mine",
        "TRIGGER:-PT5M",
        "EXDATE;TZID=Europe/Berlin:20260508T100000",
        "LOCATION:theirs",
        "mailto:b@x.gov",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("a@x.gov"), "{text}");

    let Ok(Came::Conflict(current)) = bench.take(updated(3, json!({ "location": "ours" }))) else { panic!() };
    // The server says when that was: no reader noted it.
    assert_eq!(
        (&current["location"], &current["updatedAt"]),
        (&json!("theirs"), &json!("2026-05-01T12:00:00Z"))
    );
    let again = ["LOCATION:theirs again", "LAST-MODIFIED:20260415T080000Z"];
    bench.others(&["LOCATION", "LAST-MODIFIED"], &again);
    let Ok(Came::Conflict(current)) = bench.take(updated(3, json!({ "location": "ours" }))) else { panic!() };
    assert_eq!(current["updatedAt"], json!("2026-04-15T08:00:00Z"));
    // What both say is no conflict.
    let agreed = json!({ "start": "2026-05-01T09:00:00", "location": "theirs again" });
    assert_eq!(bench.take(updated(3, agreed)), Ok(Came::Written));
    assert_eq!(
        bench.take(updated(4, json!({ "start": "2026-05-01T09:00:00", "location": "ours" }))),
        Ok(Came::Written)
    );
}

#[test]
fn a_change_by_others_cannot_be_compared_with_a_number() {
    let mut bench = Bench::new(json!({ "version": "/revision" }));
    bench.take(updated(1, json!({ "revision": 1 }))).unwrap();
    bench.others(&["SUMMARY"], &["SUMMARY:theirs"]);
    let Ok(Came::Conflict(current)) = bench.take(updated(2, json!({ "revision": 2 }))) else { panic!() };
    assert_eq!((current.get("revision"), &current["title"]), (None, &json!("theirs")));
}

#[test]
fn what_the_event_does_not_say_stays_and_null_is_gone() {
    let mut bench = Bench::new(json!({}));
    bench.take(updated(1, json!({ "location": "R1", "description": "D" }))).unwrap();
    let event = event_of(json!({ "updatedAt": "2026-04-01T00:02:00Z", "description": null }));
    assert_eq!(bench.take(event), Ok(Came::Written));
    assert_eq!((bench.line("LOCATION").as_deref(), bench.line("DESCRIPTION")), (Some("LOCATION:R1"), None));
    let empty = json!({ "updatedAt": "2026-04-01T00:02:30Z", "location": " " });
    assert_eq!((bench.take(event_of(empty)), bench.line("LOCATION")), (Ok(Came::Written), None));
    // A start alone takes the end of something that lasts so long with it.
    let lasting = json!({ "end": null, "duration": "PT2H" });
    assert_eq!(bench.take(updated(3, lasting)), Ok(Came::Written));
    let moved = json!({ "updatedAt": "2026-04-01T00:04:00Z", "start": "2026-05-02T10:00:00Z", "timezone": "Europe/Berlin" });
    assert_eq!(bench.take(event_of(moved)), Ok(Came::Written));
    assert_eq!(bench.take(updated(5, json!({ "end": null, "duration": 60 }))), Ok(Came::Written));
    assert_eq!(bench.line("DURATION").as_deref(), Some("DURATION:PT1H"));
}

#[test]
fn a_cancellation_is_said_by_type_by_status_or_by_a_tombstone() {
    let mut bench = Bench::new(json!({ "on-tombstone": "cancel" }));
    let cancelled = |minute| {
        event("schedule.cancelled").data(json!({ "updatedAt": format!("2026-04-01T00:{minute:02}:00Z") }))
    };
    let nothing = Came::Ended(OutcomeKind::Skipped, "the calendar has no such appointment to cancel".into());
    assert_eq!(bench.take(cancelled(1)), Ok(nothing));
    assert_eq!(bench.take(event("t").tombstone()), bench.take(cancelled(1)));
    bench.take(updated(2, json!({}))).unwrap();
    let status = |bench: &Bench| (bench.line("STATUS").unwrap_or_default(), bench.sequence());
    assert_eq!(
        (bench.take(cancelled(3)), status(&bench)),
        (Ok(Came::Written), ("STATUS:CANCELLED".into(), "SEQUENCE:1".into()))
    );
    assert_eq!(bench.take(cancelled(3)), Ok(already_there()));
    // What only its type cancelled takes place when a later type says so.
    assert_eq!(
        (bench.take(updated(4, json!({}))), status(&bench)),
        (Ok(Came::Written), (String::new(), "SEQUENCE:2".into()))
    );
    assert_eq!(bench.take(updated(5, json!({ "status": "canceled" }))), Ok(Came::Written));
    assert_eq!(bench.take(updated(6, json!({}))), Ok(Came::Written));
    assert_eq!(status(&bench), ("STATUS:CANCELLED".into(), "SEQUENCE:3".into()));
    assert_eq!(bench.take(updated(7, json!({ "status": "confirmed" }))), Ok(Came::Written));
    assert_eq!(
        (bench.take(event("t").tombstone()), status(&bench).0),
        (Ok(Came::Written), "STATUS:CANCELLED".into())
    );
    assert_eq!(bench.take(event("t").tombstone()), Ok(already_there()));
}

#[test]
fn a_deletion_minds_what_others_did() {
    let mut bench = Bench::new(json!({ "on-cancel": "delete" }));
    assert_eq!(bench.take(event("t").tombstone()), Ok(delivered()));
    bench.take(updated(2, json!({}))).unwrap();
    assert!(matches!(bench.take(event("a.cancelled").data(data(1, json!({})))), Ok(Came::Conflict(_))));
    bench.others(&["SUMMARY"], &["SUMMARY:theirs"]);
    assert!(matches!(bench.take(event("t").tombstone()), Ok(Came::Conflict(_))));
    let over = Resolution::Overwrite(bench.held.as_ref().map(|held| held.version.clone()));
    assert_eq!(bench.take(event("t").tombstone().resolution(over)), Ok(Came::Deleted));
    bench.take(updated(3, json!({}))).unwrap();
    assert_eq!(bench.take(updated(4, json!({ "status": "cancelled" }))), Ok(Came::Deleted));
}

#[test]
fn an_event_that_is_no_appointment_is_refused_with_the_place() {
    for (more, expected) in [
        (json!({ "start": null }), "start is null"),
        (json!({ "start": 7 }), "`/start`: `7` is no date"),
        (json!({ "end": "2026-05-01T09:00:00" }), "is not after its start"),
        (json!({ "end": "2026-05-02" }), "are not of one kind"),
        (json!({ "duration": "PT1H" }), "an end and a duration"),
        (json!({ "end": null, "duration": "1 hour" }), "`/duration`: \"1 hour\" is no duration"),
        (json!({ "start": "2026-05-01", "end": null, "duration": "PT1H" }), "whole days"),
        (json!({ "timezone": "Mars/Base" }), "`/timezone`: `Mars/Base` is no time zone"),
        (json!({ "timezone": null }), "has no time zone"),
        (json!({ "status": "open" }), "`/status`: `open` is no status"),
        (json!({ "title": { "de": "A" } }), "`/title`: it is no text"),
        (json!({ "attendees": ["a@x", "nobody"] }), "`/attendees/1`: `nobody` is no mail address"),
        (json!({ "attendees": [{ "name": "A" }] }), "`/attendees/0`: it has no text at `email`"),
        (json!({ "organiser": "a b@x" }), "is no mail address"),
        (json!({ "url": "nowhere" }), "is no URL"),
        (json!({ "recurrence": "FREQ=NEVER" }), "no part of a rule"),
        (json!({ "updatedAt": 1.5 }), "`1.5` at `/updatedAt`"),
    ] {
        let error = Bench::new(json!({})).take(updated(1, more.clone())).unwrap_err();
        assert!(error.contains(expected), "{more}: {error}");
    }
    let error = Bench::new(json!({})).take(event("t").data(json!({ "updatedAt": 1 }))).unwrap_err();
    assert!(error.starts_with("the event has no start, and the calendar has no such"), "{error}");
    assert!(Bench::new(json!({})).take(event("t").bytes("<x/>", None)).is_err());
}
