//! Fields of an appointment, held and wanted.

use super::*;

fn event(lines: &str) -> Component {
    Component::parse(format!("BEGIN:VCALENDAR\n{lines}\nEND:VCALENDAR").as_bytes()).unwrap()
}

fn keys(field: Field, lines: &str) -> Vec<String> {
    field.elements(&event(lines)).into_iter().map(|element| element.key).collect()
}

fn wanted(lines: &str, field: Field) -> Vec<Element> {
    field.elements(&event(lines))
}

#[test]
fn what_is_the_same_has_the_same_key() {
    for (field, one, other) in [
        (Field::Title, "SUMMARY;LANGUAGE=de:a\\, b", "SUMMARY:a\\, b"),
        (
            Field::End,
            "DTSTART:20260501T100000Z\nDURATION:PT1H",
            "DTSTART:20260501T100000Z\nDTEND:20260501T110000Z",
        ),
        (Field::Rule, "RRULE:FREQ=WEEKLY;INTERVAL=1;BYDAY=MO;COUNT=5", "RRULE:freq=weekly;count=5;byday=mo"),
        (
            Field::Dates,
            "EXDATE:20260501T100000Z,20260502T100000Z",
            "EXDATE:20260501T100000Z\nEXDATE:20260502T100000Z",
        ),
        (Field::Attendees, "ATTENDEE;CN=A:MAILTO:A@x.gov", "ATTENDEE:mailto:a@x.gov"),
        (Field::Categories, "CATEGORIES:a,b\\,c", "CATEGORIES:a\nCATEGORIES:b\\,c"),
        (Field::Status, "STATUS:confirmed", "STATUS:CONFIRMED"),
        (Field::Description, "DESCRIPTION:a\\n ", "DESCRIPTION:a"),
    ] {
        assert!(!keys(field, one).is_empty());
        assert_eq!(keys(field, one), keys(field, other), "{one} {other}");
    }
    assert_eq!(keys(Field::Location, "LOCATION: "), keys(Field::Location, "X-A:1"));
    assert_ne!(keys(Field::Dates, "RDATE:20260501"), keys(Field::Dates, "EXDATE:20260501"));
    assert_ne!(keys(Field::Rule, "RRULE:FREQ=DAILY;INTERVAL=10"), keys(Field::Rule, "RRULE:FREQ=DAILY"));
}

#[test]
fn one_value_takes_the_place_of_another() {
    let mut held = event("SUMMARY;LANGUAGE=de:A\nDTSTART:20260501T100000Z\nDURATION:PT1H\nX-A:1");
    assert!(!Field::Title.apply(&mut held, &wanted("SUMMARY:A", Field::Title), |_| false));
    assert!(held.line("SUMMARY").unwrap().parameter("LANGUAGE").is_some());
    assert!(Field::Title.apply(&mut held, &wanted("SUMMARY:B", Field::Title), |_| false));
    assert!(Field::End.apply(&mut held, &wanted("DTEND:20260501T120000Z", Field::End), |_| false));
    let lines: Vec<_> = held.lines().map(Line::as_str).collect();
    assert_eq!(lines, ["SUMMARY:B", "DTSTART:20260501T100000Z", "DTEND:20260501T120000Z", "X-A:1"]);
    assert!(Field::Title.apply(&mut held, &[], |_| false) && held.line("SUMMARY").is_none());
}

#[test]
fn of_a_list_only_what_was_given_goes() {
    let mut held =
        event("ATTENDEE;PARTSTAT=ACCEPTED:mailto:a@x\nATTENDEE:mailto:b@x\nATTENDEE:mailto:theirs@x");
    let given = |key: &str| !key.contains("theirs");
    let new = wanted("ATTENDEE:mailto:A@x\nATTENDEE:mailto:c@x", Field::Attendees);
    assert!(Field::Attendees.apply(&mut held, &new, given));
    let lines: Vec<_> = held.lines().map(Line::as_str).collect();
    assert_eq!(
        lines,
        ["ATTENDEE;PARTSTAT=ACCEPTED:mailto:a@x", "ATTENDEE:mailto:theirs@x", "ATTENDEE:mailto:c@x"]
    );
    assert!(!Field::Attendees.apply(&mut held, &new, given));

    let mut held = event("EXDATE;TZID=Europe/Berlin:20260501T100000,20260508T100000");
    assert!(Field::Dates.apply(&mut held, &[], |key| key.contains("05-01")));
    assert_eq!(held.line("EXDATE").unwrap().as_str(), "EXDATE;TZID=Europe/Berlin:20260508T100000");
}
