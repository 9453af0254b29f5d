//! Where two JSON values differ: each place by its pointer, rather than two long texts. Pure.

use serde_json::Value;

use super::Differences;

/// Each place (RFC 6901) at which two JSON values differ.
pub(super) fn json_differences(place: &str, expected: &Value, found: &Value, all: &mut Differences) {
    match (expected, found) {
        (Value::Object(one), Value::Object(other)) => {
            let more = other.keys().filter(|name| !one.contains_key(*name));
            for name in one.keys().chain(more) {
                let place = format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"));
                match (one.get(name), other.get(name)) {
                    (Some(one), Some(other)) => json_differences(&place, one, other, all),
                    (one, other) => all.push(place, json_text(one), json_text(other)),
                }
            }
        }
        (Value::Array(one), Value::Array(other)) => {
            for index in 0..one.len().max(other.len()) {
                let place = format!("{place}/{index}");
                match (one.get(index), other.get(index)) {
                    (Some(one), Some(other)) => json_differences(&place, one, other, all),
                    (one, other) => all.push(place, json_text(one), json_text(other)),
                }
            }
        }
        (one, other) if one == other => {}
        (one, other) => all.push(place, one.to_string(), other.to_string()),
    }
}

fn json_text(value: Option<&Value>) -> String {
    value.map_or_else(|| "nothing".to_owned(), Value::to_string)
}
