//! Settings as they are written.

use serde_json::{Value, json};

use super::*;

fn read(settings: Value) -> Result<Settings, String> {
    serde_json::from_value(settings).map_err(|error| error.to_string())
}

fn pointer(text: &str) -> Pointer {
    Pointer::parse(text).unwrap()
}

#[test]
fn nothing_needs_to_be_set_for_flat_events() {
    let settings = read(json!({})).unwrap();
    assert_eq!((settings.calendar.as_str(), settings.create_calendar), ("/", false));
    assert_eq!(settings.version, Some(Pointer::updated_at()));
    assert_eq!(settings.places.of(Place::Organiser), Some(pointer("/organiser")));
    assert_eq!((settings.on_cancel, settings.on_tombstone), (Removal::Cancel, Removal::Delete));
    assert_eq!(settings.changes_by_others, ByOthers::Dated);
    assert!(settings.clock.is_none());
    for (kind, is_cancelling) in [
        ("schedule.cancelled", true),
        ("a.b.canceled", true),
        ("cancelled", false),
        ("schedule.cancelled.x", false),
    ] {
        assert_eq!(settings.is_cancelling(kind), is_cancelling, "{kind}");
    }
}

#[test]
fn each_setting_is_used() {
    let settings = read(json!({
        "calendar": "/team/rooms",
        "fields": { "title": "/what/name", "location": false },
        "version": "/meta/version",
        "default-timezone": "Europe/Berlin",
        "cancel-types": ["*removed*"],
        "statuses": { "abgesagt": "cancelled", "Geplant": "confirmed" },
    }))
    .unwrap();
    assert_eq!(settings.calendar, "/team/rooms/");
    assert_eq!(settings.places.of(Place::Title), Some(pointer("/what/name")));
    assert_eq!(settings.places.of(Place::Location), None);
    assert!(matches!(&settings.clock, Some(Clock::In(zone)) if zone.name == "Europe/Berlin"));
    assert!(settings.is_cancelling("it.removed.today") && !settings.is_cancelling("a.cancelled"));
    assert_eq!(settings.status("ABGESAGT"), Some(Status::Cancelled));
    assert_eq!((settings.status("tentative"), settings.status("wohl")), (Some(Status::Tentative), None));
    assert_eq!(
        (settings.status_name("CONFIRMED"), settings.status_name("TENTATIVE")),
        ("Geplant".into(), "tentative".into())
    );
    assert_eq!(read(json!({ "version": false })).unwrap().version, None);
    let undated = read(json!({ "changes-by-others": "undated" })).unwrap();
    assert_eq!(undated.changes_by_others, ByOthers::Undated);
}

#[test]
fn a_mistake_is_named() {
    for (settings, expected) in [
        (json!({ "calender": "/" }), "unknown field `calender`"),
        (json!({ "calendar": "team" }), "`team` must be a path"),
        (json!({ "calendar": "/a?b" }), "must be a path"),
        (json!({ "uid": "id" }), "`id` cannot tell one appointment from another"),
        (json!({ "fields": { "titel": "/t" } }), "unknown variant `titel`"),
        (json!({ "fields": { "title": "t" } }), "`t` is no JSON pointer"),
        (json!({ "fields": { "title": true } }), "`true` names no place"),
        (json!({ "fields": { "title": 7 } }), "a JSON pointer such as `/title`, or false"),
        (json!({ "default-timezone": "Berlin" }), "`Berlin` is no time zone"),
        (json!({ "version": "/a~2" }), "`/a~2` is no JSON pointer"),
        (json!({ "uid": "/a~" }), "`/a~` is no JSON pointer"),
        (json!({ "changes-by-others": "mine" }), "unknown variant `mine`, expected `dated` or `undated`"),
        (json!({ "on-cancel": "hide" }), "unknown variant `hide`"),
        (json!({ "statuses": { "x": "gone" } }), "unknown variant `gone`"),
    ] {
        let error = read(settings.clone()).unwrap_err();
        assert!(error.contains(expected), "{settings}: {error}");
    }
}
