//! Times from events and from calendars.

use super::*;

fn clock(name: &str) -> Option<Clock> {
    match name {
        "" => None,
        "floating" => Some(Clock::Floating),
        name => Some(Clock::named(name).unwrap()),
    }
}

#[test]
fn a_time_of_an_event_is_written_as_it_was_meant() {
    for (text, zone, line) in [
        ("2026-05-01", "Europe/Berlin", "DTSTART;VALUE=DATE:20260501"),
        ("2026-05-01T10:00:00", "Europe/Berlin", "DTSTART;TZID=Europe/Berlin:20260501T100000"),
        ("2026-05-01T10:00", "europe/berlin", "DTSTART;TZID=Europe/Berlin:20260501T100000"),
        ("2026-05-01T10:00:00.75", "UTC", "DTSTART:20260501T100000Z"),
        ("2026-05-01T10:00:00", "floating", "DTSTART:20260501T100000"),
        ("2026-05-01T10:00:00Z", "", "DTSTART:20260501T100000Z"),
        ("2026-05-01T10:00:00+02:00", "", "DTSTART:20260501T080000Z"),
        ("2026-05-01T08:00:00Z", "Europe/Berlin", "DTSTART;TZID=Europe/Berlin:20260501T100000"),
        ("2026-05-01T10:00:00+02:00", "America/New_York", "DTSTART;TZID=America/New_York:20260501T040000"),
        // Shown twice: the zone's clock means the first time, and the second can only be said in UTC.
        ("2026-10-25T00:30:00Z", "Europe/Berlin", "DTSTART;TZID=Europe/Berlin:20261025T023000"),
        ("2026-10-25T01:30:00Z", "Europe/Berlin", "DTSTART:20261025T013000Z"),
    ] {
        let moment = Moment::from_json(text, clock(zone).as_ref()).unwrap();
        let written = moment.line("DTSTART");
        assert_eq!(written.as_str(), line, "{text} {zone}");
        assert_eq!(Moment::from_line(&written).unwrap().to_string(), moment.to_string());
    }
}

#[test]
fn what_is_no_time_says_so() {
    for (text, zone, expected) in [
        ("tomorrow", "UTC", "`tomorrow` is no date and no time"),
        ("2026-13-01", "", "is no date"),
        ("2026-02-30T10:00:00Z", "", "is no date"),
        ("20260501", "", "is no date"),
        ("2026-05-01T25:00:00", "UTC", "is no date"),
        ("2026-05-01T10:00:00", "", "`2026-05-01T10:00:00` has no time zone"),
        ("9999-12-31T23:59:59-10:00", "Europe/Berlin", "is no date"),
        ("2026-05-01T10:00:00+25:00", "Europe/Berlin", "is no date"),
        ("\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}", "", "is no date"),
    ] {
        let error = Moment::from_json(text, clock(zone).as_ref()).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
    assert!(Clock::named("Europe/Nowhere").is_err());
}

#[test]
fn a_time_of_a_calendar_is_shown_as_events_have_it() {
    for (line, local, offset) in [
        ("DTSTART;VALUE=DATE:20260501", "2026-05-01", "2026-05-01"),
        ("DTSTART;TZID=Europe/Berlin:20260501T100000", "2026-05-01T10:00:00", "2026-05-01T10:00:00+02:00"),
        ("DTSTART:20260501T100000Z", "2026-05-01T10:00:00Z", "2026-05-01T10:00:00Z"),
        ("DTSTART:20260501t100060z", "2026-05-01T10:00:59Z", "2026-05-01T10:00:59Z"),
        ("DTSTART;TZID=\"(UTC+01:00) Berlin\":20260501T100000", "2026-05-01T10:00:00", "2026-05-01T10:00:00"),
    ] {
        let moment = Moment::from_line(&Line::parse(line).unwrap()).unwrap();
        assert_eq!(
            (moment.to_json(true).as_str(), moment.to_json(false).as_str()),
            (local, offset),
            "{line}"
        );
    }
    for line in [
        "DTSTART:2026",
        "DTSTART:20260501T10",
        "DTSTART:20260501TxxxxxxZ",
        "DTSTART:\u{fc}0260501",
        "DTSTART:+0260501",
        "DTSTART:20260501T100061Z",
        "DTSTART:20260501T240000Z",
    ] {
        assert!(Moment::from_line(&Line::parse(line).unwrap()).is_none(), "{line}");
    }
}

#[test]
fn a_day_is_a_day_of_the_calendar_and_an_hour_one_of_the_clock() {
    for (start, length, end) in [
        ("DTSTART;VALUE=DATE:20260228", "P1D", "2026-03-01"),
        ("DTSTART:20260501T230000Z", "PT2H", "2026-05-02T01:00:00Z"),
        // The night in which the clocks skip an hour.
        ("DTSTART;TZID=Europe/Berlin:20260328T230000", "P1D", "2026-03-29T23:00:00[Europe/Berlin]"),
        ("DTSTART;TZID=Europe/Berlin:20260328T230000", "PT24H", "2026-03-30T00:00:00[Europe/Berlin]"),
    ] {
        let start = Moment::from_line(&Line::parse(start).unwrap()).unwrap();
        let later = start.after(Length::parse(length).unwrap()).unwrap();
        assert_eq!(later.to_string(), end);
        assert_eq!((later.is_after(&start), start.is_after(&later)), (Some(true), Some(false)));
    }
    let day = Moment::from_value("20260501", None).unwrap();
    assert_eq!(day.is_after(&Moment::from_value("20260501T100000Z", None).unwrap()), None);
}
