//! Whole resources.

use super::*;

fn calendar(text: &str) -> Component {
    Component::parse(format!("BEGIN:VCALENDAR\n{text}\nEND:VCALENDAR").as_bytes()).unwrap()
}

const SERIES: &str = "BEGIN:VEVENT\nUID:a\nRECURRENCE-ID:20260508T100000Z\nSTATUS:TENTATIVE\nEND:VEVENT\n\
    BEGIN:VEVENT\nUID:a\nRECURRENCE-ID:20260515T100000Z\nSTATUS:CANCELLED\nEND:VEVENT\n\
    BEGIN:VEVENT\nUID:a\nDTSTART:20260501T100000Z\nEND:VEVENT";

#[test]
fn the_appointment_is_found_among_its_exceptions() {
    let series = calendar(SERIES);
    assert!(main_event(&series, "a").unwrap().line("DTSTART").is_some());
    let error = main_event(&series, "b").unwrap_err().to_string();
    assert!(error.ends_with("has another UID: `a`, not `b`"), "{error}");
    let error = main_event(&calendar("BEGIN:VTODO\nUID:a\nEND:VTODO"), "a").unwrap_err().to_string();
    assert!(error.contains("holds no appointment"), "{error}");
}

#[test]
fn a_cancellation_is_one_of_each_exception_and_can_be_taken_back() {
    let mut series = calendar(SERIES);
    cancel_exceptions(&mut series, true);
    let statuses = |series: &Component| -> Vec<String> {
        let status =
            |event: &Component| event.line("STATUS").map(|line| line.value().to_owned()).unwrap_or_default();
        series.components().map(status).collect()
    };
    assert_eq!(statuses(&series), ["CANCELLED", "CANCELLED", ""]);
    let again = series.clone();
    cancel_exceptions(&mut series, true);
    assert_eq!(series, again);
    cancel_exceptions(&mut series, false);
    assert_eq!(statuses(&series), ["TENTATIVE", "CANCELLED", ""]);
    assert_eq!(series.components().next().unwrap().line("SEQUENCE").unwrap().value(), "2");
}

#[test]
fn every_zone_that_is_used_is_defined_and_no_other() {
    let mut series = calendar(
        "BEGIN:VTIMEZONE\nTZID:Asia/Tokyo\nEND:VTIMEZONE\nBEGIN:VTIMEZONE\nTZID:Own Zone\nX-A:1\nEND:VTIMEZONE\n\
         BEGIN:VTIMEZONE\nTZID:Europe/Berlin\nX-OLD:1\nEND:VTIMEZONE\nBEGIN:VEVENT\nUID:a\n\
         DTSTART;TZID=Europe/Berlin:20260501T100000\nEXDATE;TZID=Europe/Berlin:20240501T100000\n\
         DTEND;TZID=Own Zone:20260501T110000\nEND:VEVENT",
    );
    define_zones(&mut series);
    let names = |series: &Component| -> Vec<String> {
        let zones = series.components().filter(|component| component.name == "VTIMEZONE");
        zones.filter_map(|zone| Some(zone.line("TZID")?.value().to_owned())).collect()
    };
    assert_eq!(names(&series), ["Europe/Berlin", "Own Zone"]);
    let text = series.to_string();
    assert!(
        text.contains("DTSTART:20231029T030000") && !text.contains("X-OLD") && text.contains("X-A:1"),
        "{text}"
    );
    let again = series.clone();
    define_zones(&mut series);
    assert_eq!(series, again);
}

#[test]
fn an_appointment_ends_after_it_began() {
    let event = |lines: &str| check(&calendar(lines)).map_err(|failure| failure.to_string());
    for good in [
        "DTSTART:20260501T100000Z",
        "DTSTART:20260501T100000Z\nDTEND;TZID=Europe/Berlin:20260501T130000",
        "DTSTART;VALUE=DATE:20260501\nDTEND;VALUE=DATE:20260502",
    ] {
        assert_eq!(event(good), Ok(()), "{good}");
    }
    for (bad, expected) in [
        ("SUMMARY:x", "the event has no start"),
        ("DTSTART:20260501T100000Z\nDTEND:20260501T100000Z", "is not after its start"),
        ("DTSTART:20260501T100000Z\nDTEND;TZID=Europe/Berlin:20260501T113000", "is not after its start"),
        ("DTSTART;VALUE=DATE:20260501\nDTEND:20260501T100000Z", "are not of one kind"),
    ] {
        let error = event(bad).unwrap_err();
        assert!(error.contains(expected), "{bad}: {error}");
    }
}
