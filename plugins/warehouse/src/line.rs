//! An event with all that a history holds of it: as a row of a table, and as one JSON object on one line of a file.

use liaison_sdk::column::Document;
use liaison_sdk::failure::Failure;
use liaison_sdk::outcome::Delivery;
use liaison_sdk::sql::{SqlValue, timestamp_ms};
use liaison_sdk::time::rfc3339;

/// The columns of a history, and the members of a line.
pub(crate) const NAMES: [&str; 12] = [
    "delivery",
    "topic",
    "partition",
    "offset",
    "id",
    "source",
    "type",
    "subject",
    "time",
    "key",
    "deleted",
    "data",
];

/// All of an event. `delivery` is the same for the same event on every attempt, and for no other.
pub(crate) fn values(
    delivery: &Delivery,
    document: Option<&Document<'_>>,
) -> Result<[SqlValue; NAMES.len()], Failure> {
    let event = &delivery.event;
    let origin = &event.origin;
    Ok([
        (&delivery.idempotency_key).into(),
        (&origin.topic).into(),
        origin.partition.into(),
        origin.offset.into(),
        (&event.id).into(),
        (&event.source).into(),
        (&event.type_).into(),
        event.subject.as_ref().into(),
        event.time.map_or(SqlValue::Null, timestamp_ms),
        event.key_text()?.into(),
        document.is_none().into(),
        document.map_or(SqlValue::Null, |document| SqlValue::Json(document.whole().to_owned())),
    ])
}

/// The same as JSON, without what is not there and without a line break.
pub(crate) fn of(delivery: &Delivery, document: Option<&Document<'_>>) -> Result<String, Failure> {
    let mut line = String::with_capacity(256 + delivery.data().map_or(0, <[u8]>::len));
    line.push('{');
    for (name, value) in NAMES.iter().zip(values(delivery, document)?) {
        let json = match value {
            SqlValue::Null => continue,
            SqlValue::Boolean(is) => is.to_string(),
            SqlValue::Integer(number) => number.to_string(),
            SqlValue::Text(text) => quoted(&text),
            // Within a text of JSON, line breaks are written as escapes: these are between its parts.
            SqlValue::Json(json) => json.replace(['\n', '\r'], " "),
            SqlValue::Timestamp(_) => quoted(&rfc3339(delivery.event.time.unwrap_or_default())),
            SqlValue::Real(_) | SqlValue::Bytes(_) | SqlValue::Texts(_) => continue,
        };
        if line.len() > 1 {
            line.push(',');
        }
        line.push_str(&quoted(name));
        line.push(':');
        line.push_str(&json);
    }
    line.push('}');
    Ok(line)
}

/// A text as JSON.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text can always be written as JSON")
}

#[cfg(test)]
mod tests {
    use liaison_sdk::testing;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn an_event_is_one_line() {
        let event = testing::event("policy.updated").id("e-1").key("k").time_ms(1_000);
        let pretty = "{\n  \"a\": \"x\\n\",\r\n \"b\": 1.50}";
        let delivery = Delivery::from(event.bytes(pretty, Some("application/json")));
        let document = Document::read(delivery.data().unwrap()).unwrap();
        let line = of(&delivery, Some(&document)).unwrap();
        assert!(!line.contains(['\n', '\r']) && line.contains("1.50"), "{line}");
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (&line["key"], &line["data"]["a"], &line["deleted"]),
            (&json!("k"), &json!("x\n"), &json!(false))
        );
        assert_eq!(
            (&line["time"], &line["delivery"]),
            (&json!("1970-01-01T00:00:01.000Z"), &json!(delivery.idempotency_key))
        );
        let gone = Delivery::from(testing::event("policy.removed").tombstone());
        let line: Value = serde_json::from_str(&of(&gone, None).unwrap()).unwrap();
        assert_eq!((&line["deleted"], line.get("data")), (&json!(true), None));
    }
}
