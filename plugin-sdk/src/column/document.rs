//! An event's data as JSON, of which parts are taken as they are written: numbers keep their digits, objects their order.

use std::borrow::Cow;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::failure::Failure;
use crate::pointer::{Pointer, index};

/// A member's name, borrowed where it is written without escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Name<'data>(#[serde(borrow)] Cow<'data, str>);

/// The members of an object, each as it is written. Few of them are looked for, so that they are not put in order.
#[derive(Debug, Default)]
struct Members<'data>(Vec<(Cow<'data, str>, &'data RawValue)>);

/// The data of one delivery, or one line of it. It is read once, and what is not asked for is kept as it is.
#[derive(Debug)]
pub struct Document<'data> {
    whole: &'data str,
    members: Members<'data>,
}

impl<'data> Document<'data> {
    /// # Errors
    ///
    /// [`Failure::Event`] where it is not JSON.
    pub fn read(data: &'data [u8]) -> Result<Self, Failure> {
        let whole = std::str::from_utf8(data).map_err(Failure::not_json)?.trim_ascii();
        let members = match whole.as_bytes().first() {
            Some(b'{') => serde_json::from_str(whole).map_err(Failure::not_json)?,
            _ => {
                serde_json::from_str::<&RawValue>(whole).map_err(Failure::not_json)?;
                Members::default()
            }
        };
        Ok(Self { whole, members })
    }

    /// All of it, as it is written.
    pub fn whole(&self) -> &'data str {
        self.whole
    }

    /// What is there, as it is written; nothing where nothing is, or null. The document itself is an object.
    ///
    /// # Errors
    ///
    /// [`Failure::Event`] where what leads there is not JSON.
    pub fn pick(&self, pointer: &Pointer) -> Result<Option<&'data str>, Failure> {
        let Some((first, rest)) = pointer.tokens().split_first() else { return Ok(Some(self.whole())) };
        let mut part = self.members.get(first);
        for token in rest {
            let Some(parent) = part else { return Ok(None) };
            part = match parent.get().as_bytes().first() {
                Some(b'[') => index(token).and_then(|index| elements(parent).ok()?.get(index).copied()),
                _ => members_of(parent, token)?,
            };
        }
        Ok(part.map(RawValue::get).filter(|text| *text != "null"))
    }

    /// The elements of the list there, each as it is written.
    ///
    /// # Errors
    ///
    /// [`Failure::Event`] where no list is there.
    pub fn lines(&self, pointer: &Pointer) -> Result<Vec<&'data str>, Failure> {
        let list = self.pick(pointer)?.filter(|text| text.starts_with('['));
        let lines = list.map(serde_json::from_str::<Vec<&RawValue>>).transpose();
        match lines.map_err(Failure::not_json)? {
            Some(lines) => Ok(lines.into_iter().map(RawValue::get).collect()),
            None => Err(Failure::Event(format!(
                "the event's data has no list at `{}`, which is to be the lines",
                pointer.as_str()
            ))),
        }
    }
}

impl<'data> Members<'data> {
    /// Of several with one name the last counts.
    fn get(&self, name: &str) -> Option<&'data RawValue> {
        self.0.iter().rev().find(|(known, _)| known == name).map(|(_, value)| *value)
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
            members.push((name, value));
        }
        Ok(Members(members))
    }
}

/// Nothing where it is no object.
fn members_of<'data>(value: &'data RawValue, name: &str) -> Result<Option<&'data RawValue>, Failure> {
    match value.get().as_bytes().first() {
        Some(b'{') => {
            let members = serde_json::from_str::<Members<'_>>(value.get()).map_err(Failure::not_json)?;
            Ok(members.get(name))
        }
        _ => Ok(None),
    }
}

fn elements(array: &RawValue) -> Result<Vec<&RawValue>, Failure> {
    serde_json::from_str(array.get()).map_err(Failure::not_json)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Pointer {
        Pointer::parse(text).unwrap()
    }

    #[test]
    fn parts_are_picked_as_they_are_written() {
        let data =
            br#" {"a":{"b~/c":[1, {"d": 1.50e2}]},"n":null,"":{"":"x"},"\u0065":1,"twice":1,"twice":2} "#;
        let document = Document::read(data).unwrap();
        for (pointer, picked) in [
            ("/a/b~0~1c/0", Some("1")),
            ("/a/b~0~1c/1", Some(r#"{"d": 1.50e2}"#)),
            ("/a/b~0~1c/1/d", Some("1.50e2")),
            ("/a/b~0~1c/2", None),
            ("/a/b~0~1c/first", None),
            ("/a/b~0~1c/0/x", None),
            ("/n", None),
            ("/n/x", None),
            ("/z", None),
            ("//", Some("\"x\"")),
            ("/e", Some("1")),
            ("/twice", Some("2")),
        ] {
            assert_eq!(document.pick(&at(pointer)), Ok(picked), "{pointer}");
        }
        let list = Document::read(b"[1]").unwrap();
        assert_eq!(list.pick(&at("/0")), Ok(None), "a row is made of an object");
        let error = Document::read(b"{").unwrap_err().to_string();
        assert!(error.starts_with("the event's data is not JSON: "), "{error}");
    }

    #[test]
    fn lines_keep_how_they_are_written() {
        let document = Document::read(br#" {"lines": [{"a": 1.0}, 2], "other": {}} "#).unwrap();
        assert_eq!(document.lines(&at("/lines")).unwrap(), ["{\"a\": 1.0}", "2"]);
        for wrong in ["/other", "/nothing"] {
            let error = document.lines(&at(wrong)).unwrap_err().to_string();
            assert!(error.starts_with("the event's data has no list at"), "{error}");
        }
    }
}
