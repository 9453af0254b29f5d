//! The two shapes of a record: as the event has it, and as the external system takes and gives it.
//!
//! An event may hold the record in a part of its data, and a system may want it below a member of the body, such as
//! `{"data": …}`.

use std::borrow::Cow;

use liaison_sdk::failure::Failure;
use liaison_sdk::pointer::Pointer;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Where the record is on either side.
#[derive(Debug)]
pub(crate) struct Shape {
    /// In the event's data, where it is not all of them.
    part: Option<Pointer>,
    /// In the system's bodies, where it is not all of them.
    wrap: Option<Pointer>,
    /// What stands around it there.
    around: (String, String),
}

impl Shape {
    pub(crate) fn new(part: Option<Pointer>, wrap: Option<Pointer>) -> Self {
        let tokens = wrap.as_ref().map(Pointer::tokens).unwrap_or_default();
        let before = tokens.iter().map(|token| format!("{{{}:", Value::from(token.as_str()))).collect();
        let after = "}".repeat(tokens.len());
        Self { part, wrap, around: (before, after) }
    }

    /// True where the body is the event's data as they are.
    pub(crate) fn is_plain(&self) -> bool {
        self.part.is_none() && self.wrap.is_none()
    }

    /// The record in the system's shape, with the bytes that it has in the event.
    pub(crate) fn body<'data>(&self, data: &'data [u8]) -> Result<Cow<'data, [u8]>, Failure> {
        let record = match &self.part {
            None if self.wrap.is_none() => return Ok(Cow::Borrowed(data)),
            None => serde_json::from_slice::<&RawValue>(data).map_err(Failure::not_json)?,
            Some(pointer) => {
                pointer.pick(data).map_err(Failure::not_json)?.ok_or_else(|| nothing_at(pointer))?
            }
        };
        if self.wrap.is_none() {
            return Ok(Cow::Borrowed(record.get().as_bytes()));
        }
        let (before, after) = &self.around;
        Ok(Cow::Owned([before.as_bytes(), record.get().as_bytes(), after.as_bytes()].concat()))
    }

    /// The record that the event has.
    pub(crate) fn wanted(&self, data: &[u8]) -> Result<Value, Failure> {
        let mut data: Value = serde_json::from_slice(data).map_err(Failure::not_json)?;
        match &self.part {
            None => Ok(data),
            Some(pointer) => {
                let part = pointer.find_mut(&mut data).map(Value::take);
                part.ok_or_else(|| nothing_at(pointer))
            }
        }
    }

    /// The record that an answer of the system holds; nothing where it holds none.
    pub(crate) fn held(&self, answer: &[u8]) -> Option<Value> {
        let mut answer: Value = serde_json::from_slice(answer).ok()?;
        match &self.wrap {
            None => Some(answer),
            Some(pointer) => pointer.find_mut(&mut answer).map(Value::take),
        }
    }

    /// The record in something that has the shape of the event's data.
    pub(crate) fn part_of<'value>(&self, data: &'value Value) -> Option<&'value Value> {
        match &self.part {
            None => Some(data),
            Some(pointer) => pointer.find(data),
        }
    }

    /// A record of the system in the shape of the event's data.
    pub(crate) fn current(&self, record: Value) -> Value {
        below(self.part.as_ref(), record)
    }

    /// Something in the shape of the system's bodies.
    pub(crate) fn wrapped(&self, record: Value) -> Value {
        below(self.wrap.as_ref(), record)
    }

    /// Where the record begins in the system's bodies, as a JSON pointer.
    pub(crate) fn at(&self) -> String {
        self.wrap.as_ref().map(ToString::to_string).unwrap_or_default()
    }
}

fn below(pointer: Option<&Pointer>, record: Value) -> Value {
    let tokens = pointer.map(Pointer::tokens).unwrap_or_default();
    tokens.iter().rev().fold(record, |inner, token| Value::Object(Map::from_iter([(token.clone(), inner)])))
}

fn nothing_at(pointer: &Pointer) -> Failure {
    Failure::Event(format!("the event's data has nothing at `{pointer}`, which is to be the body"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shape(part: &str, wrap: &str) -> Shape {
        let pointer = |text: &str| (!text.is_empty()).then(|| Pointer::parse(text).unwrap());
        Shape::new(pointer(part), pointer(wrap))
    }

    #[test]
    fn a_record_is_found_and_wrapped_on_either_side() {
        let data = br#"{"policy": {"price": 1.50}}"#;
        for (part, wrap, body) in [
            ("", "", r#"{"policy": {"price": 1.50}}"#),
            ("/policy", "", r#"{"price": 1.50}"#),
            ("/policy/price", "/a/b~1\"c", r#"{"a":{"b/\"c":1.50}}"#),
            ("", "/data", r#"{"data":{"policy": {"price": 1.50}}}"#),
        ] {
            let shape = shape(part, wrap);
            let sent = shape.body(data).unwrap();
            assert_eq!(std::str::from_utf8(&sent).unwrap(), body);
            let wanted = shape.wanted(data).unwrap();
            // What the system would give back is what the event has.
            assert_eq!(shape.held(&sent), Some(wanted.clone()));
            assert_eq!(shape.wrapped(wanted.clone()), serde_json::from_str::<Value>(body).unwrap());
            let current = shape.current(wanted);
            assert_eq!(current, json!({ "policy": { "price": 1.5 } }));
        }
    }

    #[test]
    fn what_is_not_there_is_said() {
        let reason = |shape: &Shape, data: &[u8]| shape.body(data).unwrap_err().to_string();
        assert_eq!(
            reason(&shape("/policy", ""), b"{}"),
            "the event's data has nothing at `/policy`, which is to be the body"
        );
        assert!(reason(&shape("", "/data"), b"<x/>").starts_with("the event's data is not JSON: "));
        assert!(shape("/policy", "").wanted(b"{}").is_err());
        assert_eq!(shape("", "/data").held(b"{}"), None);
        assert_eq!(shape("", "").held(b"<x/>"), None);
    }
}
