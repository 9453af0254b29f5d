//! What one delivery leaves for the next.

use serde_json::json;

use super::*;

const STAMPED: &str = "20260401T080100Z";

fn event(lines: &str) -> Component {
    Component::parse(format!("BEGIN:VCALENDAR\n{lines}\nEND:VCALENDAR").as_bytes()).unwrap()
}

fn at(text: &str) -> Option<Timestamp> {
    Some(text.parse().unwrap())
}

/// As it is after an event of this version wrote it, at [`STAMPED`].
fn written(lines: &str, version: serde_json::Value) -> Component {
    let mut event = event(lines);
    let mut marks = Marks::new(Version::of(Some(&version)));
    for field in Field::ALL {
        marks.note(field, &field.elements(&event));
    }
    event.set(Line::new("LAST-MODIFIED", &[], STAMPED));
    marks.write(&mut event, STAMPED);
    event
}

#[test]
fn a_change_by_somebody_else_is_seen() {
    let held = event("SUMMARY:A\nCATEGORIES:one,two");
    let marks = Marks::new(None);
    assert!(marks.is_foreign(Field::Title, &held) && !marks.is_foreign(Field::Location, &held));
    let held = written("SUMMARY:A\nCATEGORIES:one,two", json!(7));
    let marks = Marks::of(&held);
    assert_eq!(marks.version.as_ref().and_then(Version::whole), Some(7));
    assert!(Field::ALL.iter().all(|field| !marks.is_foreign(*field, &held)), "{held}");
    assert!(marks.was_given(Field::Categories, "two") && !marks.was_given(Field::Categories, "three"));

    let changed = event("SUMMARY:B\nLOCATION:here\nCATEGORIES:one,three");
    let foreign: Vec<_> = Field::ALL.into_iter().filter(|field| marks.is_foreign(*field, &changed)).collect();
    assert_eq!(foreign, [Field::Title, Field::Location, Field::Categories]);
    // What is added to a list is no contradiction.
    assert!(!marks.is_foreign(Field::Categories, &event("CATEGORIES:two,three,one")));
}

#[test]
fn a_change_since_the_last_write_is_of_the_time_that_is_said_of_it() {
    let held = written("SUMMARY:A", json!("2026-04-01T08:01:00.4Z"));
    let server = "2026-04-01T09:00:00Z";
    for (modified, by_server, expected) in [
        // A reader noted it.
        ("20260401T083000Z", at(server), at("2026-04-01T08:30:00Z")),
        // It left what this connector had noted, or what was there long before: only the server knows.
        (STAMPED, at(server), at(server)),
        ("20260301T000000Z", at(server), at(server)),
        (STAMPED, None, None),
        // In the second of the event that it came after.
        (STAMPED, at("2026-04-01T08:01:00Z"), at("2026-04-01T08:01:00Z")),
        // A server's clock that is behind.
        (STAMPED, at("2026-04-01T08:00:59Z"), None),
    ] {
        let mut changed = held.clone();
        changed.set(Line::new("SUMMARY", &[], "B"));
        changed.set(Line::new("LAST-MODIFIED", &[], modified));
        assert_eq!(Marks::of(&held).changed_at(Field::Title, &changed, by_server), expected, "{modified}");
    }
}

#[test]
fn a_write_around_what_others_changed_does_not_hide_when_they_did() {
    let mut held = written("SUMMARY:A", json!("2026-04-01T08:01:00Z"));
    held.set(Line::new("SUMMARY", &[], "B"));
    held.set(Line::new("LAST-MODIFIED", &[], "20260401T080500Z"));
    let before = Marks::of(&held);
    let mut marks = before.clone();
    marks.version = Version::of(Some(&json!("2026-04-01T08:10:00Z")));
    marks.note_others(&before, &held, None);
    held.set(Line::new("LAST-MODIFIED", &[], "20260401T081000Z"));
    marks.write(&mut held, "20260401T081000Z");
    let text = held.to_string();

    // The server's time is that of this connector's own write.
    let by_server = at("2026-04-01T08:10:02Z");
    let marks = Marks::of(&held);
    assert!(marks.is_foreign(Field::Title, &held), "{text}");
    assert_eq!(marks.changed_at(Field::Title, &held, by_server), at("2026-04-01T08:05:00Z"), "{text}");
    // Changed once more, it is of the time of that.
    held.set(Line::new("SUMMARY", &[], "C"));
    assert_eq!(marks.changed_at(Field::Title, &held, by_server), by_server, "{text}");
    // Nothing is noted any more where nothing is left.
    let before = marks.clone();
    let mut marks = marks;
    marks.note(Field::Title, &Field::Title.elements(&held));
    marks.note_others(&before, &held, by_server);
    marks.write(&mut held, "20260401T081100Z");
    assert!(held.line(OTHERS).is_none(), "{held}");
}

#[test]
fn a_change_whose_time_nobody_knew_stays_unknown() {
    let mut held = written("SUMMARY:A", json!("2026-04-01T08:01:00Z"));
    held.set(Line::new("SUMMARY", &[], "B"));
    let mut marks = Marks::of(&held);
    marks.note_others(&marks.clone(), &held, None);
    marks.write(&mut held, "20260401T081000Z");
    assert!(held.to_string().contains("@-"), "{held}");
    assert_eq!(Marks::of(&held).changed_at(Field::Title, &held, at("2026-04-01T09:00:00Z")), None);
}
