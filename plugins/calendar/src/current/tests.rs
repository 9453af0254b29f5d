//! What the host is shown of a calendar.

use serde_json::json;

use super::*;

const EVENT: &str = "BEGIN:VCALENDAR\nUID:a-1\nSUMMARY:A\\, B\nDTSTART;TZID=Europe/Berlin:20260501T100000\n\
    DURATION:PT1H30M\nLOCATION:here\nSTATUS:CANCELLED\nRRULE:FREQ=WEEKLY\nEXDATE;TZID=Europe/Berlin:20260508T100000\n\
    ORGANIZER;CN=Amt:mailto:amt@example.gov\nATTENDEE:mailto:a@example.gov\nCATEGORIES:one,two\nEND:VCALENDAR";

fn shown(settings: Value, event: &str, version: Option<&Version>, data: &Value) -> Value {
    let settings: Settings = serde_json::from_value(settings).unwrap();
    let event = Component::parse(event.as_bytes()).unwrap();
    let style = Style::of(&settings, Some(data));
    serde_json::from_slice(&json(&settings, "a-1", &event, version, style)).unwrap()
}

#[test]
fn it_has_the_shape_of_the_event() {
    let settings = json!({ "uid": "/id", "fields": { "title": "/what/name", "location": false } });
    let data = json!({ "start": "2026-05-01T10:00:00", "end": "2026-05-01T11:00:00" });
    assert_eq!(
        shown(settings, EVENT, Version::of(Some(&json!("2026-04-01T00:00:00Z"))).as_ref(), &data),
        json!({
            "id": "a-1",
            "updatedAt": "2026-04-01T00:00:00Z",
            "what": { "name": "A, B" },
            "start": "2026-05-01T10:00:00",
            "end": "2026-05-01T11:30:00",
            "timezone": "Europe/Berlin",
            "status": "cancelled",
            "recurrence": ["RRULE:FREQ=WEEKLY", "EXDATE;TZID=Europe/Berlin:20260508T100000"],
            "organiser": { "name": "Amt", "email": "amt@example.gov" },
            "attendees": ["a@example.gov"],
            "categories": ["one", "two"],
        })
    );
}

#[test]
fn times_are_said_in_the_way_of_the_event() {
    let part = |settings: Value, event: &str, data: Value| {
        let shown = shown(settings, event, None, &data);
        assert!(shown.get("updatedAt").is_none());
        (shown["start"].clone(), shown["end"].clone(), shown["duration"].clone())
    };
    let offset = json!("2026-05-01T10:00:00+02:00");
    assert_eq!(
        part(json!({}), EVENT, json!({ "start": "2026-05-01T10:00:00Z" })),
        (offset.clone(), json!("2026-05-01T11:30:00+02:00"), Value::Null)
    );
    assert_eq!(
        part(json!({}), EVENT, json!({ "duration": "PT1H" })),
        (offset.clone(), Value::Null, json!("PT1H30M"))
    );
    let with_end = EVENT.replace("DURATION:PT1H30M", "DTEND;TZID=Europe/Berlin:20260501T120000");
    assert_eq!(part(json!({}), &with_end, json!({ "duration": 60 })), (offset, Value::Null, json!(120)));
    let days = "BEGIN:VCALENDAR\nDTSTART;VALUE=DATE:20260501\nDTEND;VALUE=DATE:20260503\nEND:VCALENDAR";
    let end = |settings| part(settings, days, json!({})).1;
    assert_eq!(end(json!({})), json!("2026-05-03"));
    assert_eq!(end(json!({ "all-day-end": "inclusive" })), json!("2026-05-02"));
}
