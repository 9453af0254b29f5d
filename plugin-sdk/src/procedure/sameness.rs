//! Does what the external system holds say what the event says? As far as that can be told: protocols have other types,
//! and a system need not hold all that it is sent.

use std::cmp::Ordering;

use serde_json::Value;

use crate::template::Uses;
use crate::text::scalar;
use crate::version;

/// True where nothing that a call sends stands differently in what is held. What is not held is not compared, and neither
/// is what the call sends as a part of some text.
pub(super) fn is_held(uses: &Uses, event: &Value, held: &Value) -> bool {
    if uses.all_data {
        return is_same(event, held);
    }
    uses.parts.iter().all(|part| match (part.find(event), part.find(held)) {
        (Some(event), Some(held)) => is_same(event, held),
        (None, _) | (_, None) => true,
    })
}

fn is_same(event: &Value, held: &Value) -> bool {
    match (event, held) {
        (_, Value::Null) => true,
        (Value::Null, held) => is_default(held),
        (Value::Object(event), Value::Object(held)) => {
            event.iter().all(|(name, event)| held.get(name).is_none_or(|held| is_same(event, held)))
        }
        (Value::Array(event), Value::Array(held)) => {
            event.len() == held.len() && event.iter().zip(held).all(|(event, held)| is_same(event, held))
        }
        // XML has a list of one as its one element, unless a schema says that it is a list.
        (Value::Array(event), held) => match event.as_slice() {
            [] => is_default(held),
            [one] => is_same(one, held),
            _ => false,
        },
        // Of other shapes nobody can tell.
        (Value::Object(_), _) | (_, Value::Object(_) | Value::Array(_)) => true,
        (event, held) => is_same_scalar(event, held),
    }
}

/// What protocols give for what was never said.
fn is_default(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

fn is_same_scalar(event: &Value, held: &Value) -> bool {
    if version::compare(event, held) == Some(Ordering::Equal) || scalar(event) == scalar(held) {
        return true;
    }
    if !(event.is_number() || held.is_number()) {
        return false;
    }
    match (number(event), number(held)) {
        // Written in another way, or held in half as many bits.
        (Some(event), Some(held)) => event == held || event as f32 == held as f32,
        // A value of an enum, by its number on one side and by its name on the other.
        (None, _) | (_, None) => true,
    }
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pointer::Pointer;

    #[test]
    fn only_what_stands_differently_on_both_sides_is_another() {
        for (event, held, expected) in [
            (
                json!({ "a": 1, "b": { "c": "x" } }),
                json!({ "a": 1, "b": { "c": "x", "own": 2 }, "etag": "7" }),
                true,
            ),
            (json!({ "a": "x" }), json!({ "a": "y" }), false),
            (json!({ "a": "x" }), json!({ "a": "" }), false),
            (json!({ "a": 12 }), json!({ "a": 0 }), false),
            (json!({ "a": true }), json!({ "a": false }), false),
            // Not held, or not said.
            (json!({ "a": "x" }), json!({}), true),
            (json!({ "a": "x" }), json!({ "a": null }), true),
            (json!({ "a": null, "b": null }), json!({ "a": 0, "b": [] }), true),
            (json!({ "a": null }), json!({ "a": "x" }), false),
            // As a protocol writes it.
            (json!({ "a": "2026-05-01T12:00:00+02:00" }), json!({ "a": "2026-05-01T10:00:00Z" }), true),
            (json!({ "a": "2026-05-01T12:00:00Z" }), json!({ "a": "2026-05-01T10:00:00Z" }), false),
            (json!({ "a": 7, "b": "7", "c": true }), json!({ "a": "7", "b": 7, "c": "true" }), true),
            (json!({ "a": 7 }), json!({ "a": "8" }), false),
            (json!({ "a": 1.0, "b": 0.1 }), json!({ "a": 1, "b": 0.1_f32 }), true),
            (json!({ "a": 1.5 }), json!({ "a": 1.25 }), false),
            (json!({ "a": 12.5, "b": "12.50" }), json!({ "a": "12.50", "b": 12.5 }), true),
            (json!({ "a": 12.5 }), json!({ "a": "12.51" }), false),
            (json!({ "a": "07" }), json!({ "a": "7" }), false),
            (json!({ "a": 1, "b": "KIND_HALL" }), json!({ "a": "KIND_HALL", "b": 1 }), true),
            (json!({ "a": "KIND_LAB" }), json!({ "a": "KIND_HALL" }), false),
            (json!({ "a": ["x"], "b": [] }), json!({ "a": "x", "b": "" }), true),
            (json!({ "a": ["x"] }), json!({ "a": "y" }), false),
            (json!({ "a": ["x", "y"] }), json!({ "a": ["x"] }), false),
            (json!({ "a": ["x", "y"] }), json!({ "a": ["y", "x"] }), false),
            (json!({ "a": { "b": 1 } }), json!({ "a": "1" }), true),
        ] {
            let all = Uses { all_data: true, ..Uses::default() };
            assert_eq!(is_held(&all, &event, &held), expected, "{event} {held}");
        }
    }

    #[test]
    fn only_what_a_call_sends_is_compared() {
        let uses = |parts: &[&str]| {
            let parts = parts.iter().map(|part| Pointer::parse(part).unwrap()).collect();
            Uses { parts, ..Uses::default() }
        };
        let (event, held) = (json!({ "a": 1, "b": { "c": 2 } }), json!({ "a": 1, "b": { "c": 3 } }));
        for (parts, expected) in [
            (&["/a"][..], true),
            (&["/a", "/b/c"], false),
            (&["/b"], false),
            (&["/x", "/a"], true),
            (&[], true),
        ] {
            assert_eq!(is_held(&uses(parts), &event, &held), expected, "{parts:?}");
        }
    }
}
