//! What is read and written again.

use super::*;

const CALENDAR: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nX-WR-CALNAME;X-A=\"b:c;d\":Team, Süd\r\nBEGIN:VEVENT\r\n\
    UID:1\r\nBEGIN:VALARM\r\nTRIGGER:-PT15M\r\nEND:VALARM\r\nX-BEHIND:1\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

#[test]
fn what_is_not_known_is_written_as_it_was_read() {
    let calendar = Component::parse(CALENDAR.as_bytes()).unwrap();
    assert_eq!(calendar.to_string(), CALENDAR);
    let with_line_feeds = CALENDAR.replace("\r\n", "\n");
    assert_eq!(Component::parse(with_line_feeds.as_bytes()).unwrap().to_string(), CALENDAR);
    let name = calendar.line("x-wr-calname").unwrap();
    assert_eq!((name.parameter("x-a").as_deref(), name.value()), (Some("b:c;d"), "Team, Süd"));
}

#[test]
fn no_line_has_more_than_75_octets_and_no_character_is_cut() {
    for letter in ["a", "ü", "漢", "🜚"] {
        let mut calendar = Component::new("VCALENDAR");
        calendar.items.push(Item::Line(Line::new("SUMMARY", &[], &letter.repeat(300))));
        let written = calendar.to_string();
        assert!(written.split("\r\n").all(|line| line.len() <= 75), "{written}");
        assert!(written.split("\r\n").filter(|line| line.len() > 70).count() >= 4, "{written}");
        assert_eq!(Component::parse(written.as_bytes()).unwrap(), calendar);
    }
}

#[test]
fn a_fold_within_a_character_is_read() {
    let (before, after) = "ü".as_bytes().split_at(1);
    let bytes = [b"BEGIN:VCALENDAR\r\nA:x", before, b"\r\n ", after, b"\r\nEND:VCALENDAR\r\n"].concat();
    assert_eq!(Component::parse(&bytes).unwrap().line("A").unwrap().value(), "xü");
}

#[test]
fn what_is_no_calendar_says_why() {
    for (text, error) in [
        ("", "it is empty"),
        ("<html>", "the text's line 1 has no colon"),
        ("BEGIN:VCARD\nEND:VCARD", "it is a VCARD and no VCALENDAR"),
        ("BEGIN:VCALENDAR\nVERSION:2.0", "VCALENDAR has no end"),
        ("BEGIN:VCALENDAR\nEND:VEVENT", "`END:VEVENT` ends nothing that has begun"),
        ("VERSION:2.0", "it does not begin with BEGIN:VCALENDAR"),
        (&"BEGIN:A\n".repeat(9), "it has more than 8 components within each other"),
    ] {
        assert_eq!(Component::parse(text.as_bytes()).unwrap_err(), error);
    }
    assert_eq!(Component::parse(b"A:\xff").unwrap_err(), "it is not UTF-8");
}

#[test]
fn lines_are_replaced_in_their_place() {
    let mut event = Component::parse(CALENDAR.as_bytes()).unwrap();
    event
        .replace(&["VERSION", "PRODID"], vec![Line::new("PRODID", &[], "x"), Line::new("VERSION", &[], "3")]);
    let names: Vec<_> = event.lines().map(Line::name).collect();
    assert_eq!(names, ["PRODID", "VERSION", "X-WR-CALNAME"]);
    let event = event.components_mut().next().unwrap();
    event.set(Line::new("SEQUENCE", &[], "1"));
    assert!(event.to_string().contains("UID:1\r\nSEQUENCE:1\r\nBEGIN:VALARM"), "{event}");
    event.replace(&["SEQUENCE"], Vec::new());
    assert!(event.line("SEQUENCE").is_none());
}

#[test]
fn text_comes_back_as_it_went() {
    for text in ["a, b; c\\d", "two\nlines", "\\n", "tab\t", "", "\\,", "Ä\u{301}ß漢字 🜚"] {
        assert_eq!(unescape(&escape(text)), text);
    }
    assert_eq!(normal("a\r\nb\rc\u{b}d\u{0}e\u{7f}"), "a\nb\nc\nde");
    assert_eq!(unescape("a\\Nb\\"), "a\nb");
    assert_eq!(split_list("a\\,b,c\\\\,,d"), ["a\\,b", "c\\\\", "d"]);
}

#[test]
fn a_parameter_is_quoted_where_it_must_be() {
    let line =
        Line::new("ATTENDEE", &[("CN", "Muster, \"Max\" ^1"), ("ROLE", "CHAIR")], "mailto:m@example.gov");
    assert_eq!(line.as_str(), "ATTENDEE;CN=\"Muster, ^'Max^' ^^1\";ROLE=CHAIR:mailto:m@example.gov");
    assert_eq!(line.parameter("cn").as_deref(), Some("Muster, \"Max\" ^1"));
    assert_eq!((line.parameter("role").as_deref(), line.parameter("X")), (Some("CHAIR"), None));
    assert_eq!(Line::parse(line.as_str()).unwrap(), line);
    assert_eq!(line.with_value("x").value(), "x");
}
