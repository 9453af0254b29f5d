//! An event as one JSON object on one line: what a history holds of it, and a file.

use liaison_sdk::failure::Failure;
use liaison_sdk::outcome::Delivery;

use crate::document::Document;
use crate::source::{key, quoted};
use crate::statement::member;
use crate::time::rfc3339;

/// Adds a member to an object that is being written: `{` and what came before.
pub(crate) fn push(object: &mut String, name: &str, json: &str) {
    if object.len() > 1 {
        object.push(',');
    }
    object.push_str(&member(name));
    object.push_str(json);
}

/// All of an event, without a line break. `delivery` is the same for the same event on every attempt, and for no other.
pub(crate) fn of(delivery: &Delivery, document: Option<&Document<'_>>) -> Result<String, Failure> {
    let event = &delivery.event;
    let mut line = String::with_capacity(256 + event.data.as_ref().map_or(0, Vec::len));
    line.push('{');
    push(&mut line, "delivery", &quoted(&delivery.idempotency_key));
    push(&mut line, "topic", &quoted(&event.origin.topic));
    push(&mut line, "partition", &event.origin.partition.to_string());
    push(&mut line, "offset", &event.origin.offset.to_string());
    push(&mut line, "id", &quoted(&event.id));
    push(&mut line, "source", &quoted(&event.source));
    push(&mut line, "type", &quoted(&event.type_));
    if let Some(subject) = &event.subject {
        push(&mut line, "subject", &quoted(subject));
    }
    if let Some(time) = event.time {
        push(&mut line, "time", &quoted(&rfc3339(time)));
    }
    if let Some(key) = key(event)? {
        push(&mut line, "key", &quoted(key));
    }
    push(&mut line, "deleted", if document.is_none() { "true" } else { "false" });
    if let Some(document) = document {
        // Within a text of JSON, line breaks are written as escapes: these are between its parts.
        let whole = document.whole();
        match whole.contains(['\n', '\r']) {
            true => push(&mut line, "data", &whole.replace(['\n', '\r'], " ")),
            false => push(&mut line, "data", whole),
        }
    }
    line.push('}');
    Ok(line)
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
