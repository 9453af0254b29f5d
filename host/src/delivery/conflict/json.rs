//! JSON that is compared and taken apart without being changed: what is not touched keeps each of its letters, so that
//! numbers of any length survive.
//!
//! Bounded: what is nested more deeply than [`MAX_DEPTH`] is refused, or is not the same.

use std::collections::HashMap;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// As deep as `serde_json` itself reads.
pub(super) const MAX_DEPTH: usize = 128;

/// The members of an object in their order. Of several with one name the last counts.
pub(super) struct Members<'a>(pub(super) Vec<(String, &'a RawValue)>);

impl<'a> Members<'a> {
    /// `None` if the value is no object.
    pub(super) fn of(value: &'a RawValue) -> Option<Self> {
        if value.get().starts_with('{') { serde_json::from_str(value.get()).ok() } else { None }
    }

    /// By name, for more than one look-up.
    pub(super) fn by_name(&self) -> HashMap<&str, &'a RawValue> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value)).collect()
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members: Vec<(String, &'de RawValue)> = Vec::new();
                let mut places: HashMap<String, usize> = HashMap::new();
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    match places.get(&name) {
                        Some(place) => members[*place].1 = value,
                        None => {
                            places.insert(name.clone(), members.len());
                            members.push((name, value));
                        }
                    }
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

/// Reads a whole document.
pub(super) fn document(bytes: &[u8]) -> Result<&RawValue, serde_json::Error> {
    serde_json::from_slice(bytes)
}

pub(super) fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

/// Do both say the same? The order of members does not matter, and neither does how a string is written; numbers are
/// the same where both are integers of the same value, or are written the same. What is no JSON is the same as nothing
/// but itself.
pub(super) fn is_same(one: &[u8], other: &[u8]) -> bool {
    one == other
        || matches!((document(one), document(other)), (Ok(one), Ok(other)) if is_same_value(one, other, 0))
}

fn is_same_value(one: &RawValue, other: &RawValue, depth: usize) -> bool {
    let (one_text, other_text) = (one.get(), other.get());
    if one_text == other_text {
        return true;
    }
    if depth >= MAX_DEPTH || kind(one_text) != kind(other_text) {
        return false;
    }
    match kind(one_text) {
        Kind::Object => is_same_object(one, other, depth),
        Kind::List => {
            let list = |text| serde_json::from_str::<Vec<&RawValue>>(text).unwrap_or_default();
            let (one, other) = (list(one_text), list(other_text));
            one.len() == other.len()
                && one.iter().zip(&other).all(|(one, other)| is_same_value(one, other, depth + 1))
        }
        Kind::String => {
            let string = |text| serde_json::from_str::<String>(text).ok();
            string(one_text).is_some_and(|one| Some(one) == string(other_text))
        }
        Kind::Other => one_text.parse::<i128>().is_ok_and(|one| other_text.parse() == Ok(one)),
    }
}

fn is_same_object(one: &RawValue, other: &RawValue, depth: usize) -> bool {
    let (Some(one), Some(other)) = (Members::of(one), Members::of(other)) else { return false };
    let others = other.by_name();
    one.0.len() == other.0.len()
        && one.0.iter().all(|(name, value)| {
            others.get(name.as_str()).is_some_and(|other| is_same_value(value, other, depth + 1))
        })
}

#[derive(PartialEq)]
enum Kind {
    Object,
    List,
    String,
    /// A number, a boolean or null.
    Other,
}

fn kind(text: &str) -> Kind {
    match text.as_bytes().first() {
        Some(b'{') => Kind::Object,
        Some(b'[') => Kind::List,
        Some(b'"') => Kind::String,
        Some(_) | None => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_the_same_is_the_same_however_it_is_written() {
        for (one, other, expected) in [
            (r#"{"a":1,"b":[true,null]}"#, "{ \"b\" : [ true, null ],\n\"a\": 1 }", true),
            (r#"{"a":1}"#, r#"{"a":2}"#, false),
            (r#"{"a":1}"#, r#"{"a":1,"b":null}"#, false),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#, true),
            (r#"["a","b"]"#, r#"["b","a"]"#, false),
            (r#""\u0041\n""#, "\"A\\n\"", true),
            ("-0", "0", true),
            ("1.0", "1", false),
            ("12345678901234567890123", "12345678901234567890124", false),
            ("12345678901234567890123", "12345678901234567890123", true),
            ("1e400", "1e400", true),
            ("true", "false", false),
            ("\"1\"", "1", false),
            ("<a/>", "<a/>", true),
            ("<a/>", "<b/>", false),
            ("", "{}", false),
        ] {
            assert_eq!(is_same(one.as_bytes(), other.as_bytes()), expected, "{one} {other}");
            assert_eq!(is_same(other.as_bytes(), one.as_bytes()), expected, "{other} {one}");
        }
    }

    #[test]
    fn what_is_nested_too_deeply_is_the_same_as_itself_alone() {
        let deep = |inner: &str| format!("{}{inner}{}", "[".repeat(1_000), "]".repeat(1_000));
        assert!(is_same(deep("1").as_bytes(), deep("1").as_bytes()));
        assert!(!is_same(deep("1").as_bytes(), deep(" 1").as_bytes()));
    }
}
