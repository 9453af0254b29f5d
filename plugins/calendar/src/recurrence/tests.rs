//! Rules and dates as events give them.

use serde_json::{Value, json};

use super::*;

fn read(value: &Value, start: &str, zone: Option<&str>) -> Result<Vec<String>, String> {
    let start = Moment::from_value(start, zone);
    let found = Found { value, pointer: "/recurrence".to_owned() };
    let wanted = wanted(&found, start.as_ref(), None).map_err(|failure| failure.to_string())?;
    let elements = wanted.iter().flat_map(|wanted| &wanted.elements);
    Ok(elements.map(|element| element.line.as_str().to_owned()).collect())
}

#[test]
fn a_rule_and_its_exceptions_are_taken() {
    let berlin = Some("Europe/Berlin");
    for (value, start, zone, lines) in [
        (json!("FREQ=WEEKLY;COUNT=5"), "20260501T100000", berlin, &["RRULE:FREQ=WEEKLY;COUNT=5"][..]),
        (json!("rrule:freq=daily"), "20260501", None, &["RRULE:FREQ=DAILY"]),
        (
            json!([
                "RRULE:FREQ=WEEKLY;UNTIL=20261231T230000Z;BYDAY=MO,-1FR",
                "EXDATE:20260508T100000,20260515T100000"
            ]),
            "20260501T100000",
            berlin,
            &[
                "RRULE:FREQ=WEEKLY;UNTIL=20261231T230000Z;BYDAY=MO,-1FR",
                "EXDATE;TZID=Europe/Berlin:20260508T100000",
                "EXDATE;TZID=Europe/Berlin:20260515T100000",
            ],
        ),
        // Shown by the clock of the start, so that it is the occurrence that is meant.
        (
            json!(["EXDATE:20260508T080000Z"]),
            "20260501T100000",
            berlin,
            &["EXDATE;TZID=Europe/Berlin:20260508T100000"],
        ),
        (json!(["RDATE;VALUE=DATE:20260508"]), "20260501", None, &["RDATE;VALUE=DATE:20260508"]),
        (json!(null), "20260501", None, &[]),
        (json!([]), "20260501", None, &[]),
    ] {
        assert_eq!(read(&value, start, zone).unwrap(), lines, "{value}");
    }
}

#[test]
fn what_a_server_would_refuse_is_named() {
    for (value, expected) in [
        (json!("FREQ=SOMETIMES"), "`FREQ=SOMETIMES` is no part of a rule"),
        (json!("COUNT=5"), "the rule has no FREQ"),
        (json!("FREQ=DAILY;COUNT=5;UNTIL=20261231T000000Z"), "UNTIL and COUNT"),
        (json!("FREQ=DAILY;FREQ=DAILY"), "`FREQ` twice"),
        (json!("FREQ=DAILY;INTERVAL=0"), "`INTERVAL=0`"),
        (json!("FREQ=MONTHLY;BYDAY=1XX"), "`BYDAY=1XX`"),
        (json!("FREQ=MONTHLY;BYDAY=\u{fc}"), "no part of a rule"),
        (json!("FREQ=MONTHLY;BYMONTHDAY=32"), "`BYMONTHDAY=32`"),
        (json!("FREQ=DAILY;X=1"), "`X=1`"),
        (json!("FREQ=DAILY;UNTIL=20261231"), "does not fit the start"),
        (json!("weekly"), "`WEEKLY` of the rule has no value"),
        (json!(["EXRULE:FREQ=DAILY"]), "`EXRULE` is none of"),
        (json!(["RRULE:FREQ=DAILY", "RRULE:FREQ=WEEKLY"]), "several rules"),
        (json!(["EXDATE:20260508"]), "not of the kind of the start"),
        (json!(["EXDATE:soon"]), "`soon` is no date"),
        (json!(["EXDATE;TZID=Nowhere:20260508T100000"]), "is no date"),
        (json!(["RDATE;VALUE=PERIOD:20260508T100000Z/PT1H"]), "periods"),
        (json!("FREQ=DAILY\r\nX:1"), "a line break"),
        (json!([{}]), "it is no text"),
    ] {
        let error = read(&value, "20260501T100000Z", None).unwrap_err();
        assert!(
            error.starts_with("the event's data at `/recurrence") && error.contains(expected),
            "{value}: {error}"
        );
    }
}
