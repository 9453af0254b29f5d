//! An event's data as JSON, of which parts are taken as they are written: numbers keep their digits.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use liaison_sdk::failure::Failure;
use serde_json::value::RawValue;

/// The members of the object, each as it is written.
type Members<'data> = BTreeMap<String, &'data RawValue>;

/// The data of one delivery.
#[derive(Debug)]
pub(crate) struct Document<'data> {
    whole: &'data RawValue,
    /// Read when the first of them is wanted.
    members: OnceCell<Members<'data>>,
}

/// A place in a document: a JSON pointer (RFC 6901).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pointer {
    pub(crate) text: String,
    /// Unescaped.
    pub(crate) tokens: Vec<String>,
}

impl<'data> Document<'data> {
    pub(crate) fn read(data: &'data [u8]) -> Result<Self, Failure> {
        let whole = serde_json::from_slice(data).map_err(|error| not_json(&error))?;
        Ok(Self { whole, members: OnceCell::new() })
    }

    pub(crate) fn whole(&self) -> &'data str {
        self.whole.get()
    }

    /// What is there, as it is written. `None` where nothing is, or null.
    pub(crate) fn pick(&self, pointer: &Pointer) -> Result<Option<&'data str>, Failure> {
        let Some((first, rest)) = pointer.tokens.split_first() else { return Ok(Some(self.whole())) };
        let members = match self.members.get() {
            Some(members) => members,
            None => {
                let members = members(self.whole)?.unwrap_or_default();
                self.members.get_or_init(|| members)
            }
        };
        let mut part = members.get(first).copied();
        for token in rest {
            let Some(parent) = part else { return Ok(None) };
            part = match parent.get().as_bytes().first() {
                Some(b'[') => element(parent, token)?,
                _ => members_of(parent)?.remove(token),
            };
        }
        Ok(part.map(RawValue::get).filter(|text| *text != "null"))
    }
}

impl Pointer {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix('/') else {
            return Err(format!("`{text}` is no JSON pointer: it must begin with `/`"));
        };
        let unescape = |token: &str| token.replace("~1", "/").replace("~0", "~");
        Ok(Self { text: text.to_owned(), tokens: rest.split('/').map(unescape).collect() })
    }
}

/// `None` where it is no object.
fn members(value: &RawValue) -> Result<Option<Members<'_>>, Failure> {
    match value.get().as_bytes().first() {
        Some(b'{') => serde_json::from_str(value.get()).map(Some).map_err(|error| not_json(&error)),
        _ => Ok(None),
    }
}

fn members_of(value: &RawValue) -> Result<Members<'_>, Failure> {
    Ok(members(value)?.unwrap_or_default())
}

fn element<'data>(array: &'data RawValue, token: &str) -> Result<Option<&'data RawValue>, Failure> {
    let elements: Vec<&RawValue> = serde_json::from_str(array.get()).map_err(|error| not_json(&error))?;
    Ok(token.parse().ok().and_then(|index: usize| elements.into_iter().nth(index)))
}

fn not_json(error: &serde_json::Error) -> Failure {
    Failure::Event(format!("the event's data is not JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_picked_as_they_are_written() {
        let document = Document::read(br#"{"a":{"b~/c":[1, {"d": 1.50e2}]},"n":null,"":{"":"x"}}"#).unwrap();
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
        ] {
            assert_eq!(document.pick(&Pointer::parse(pointer).unwrap()), Ok(picked), "{pointer}");
        }
        let list = Document::read(b"[1]").unwrap();
        assert_eq!(list.pick(&Pointer::parse("/0").unwrap()), Ok(None), "a row is made of an object");
        assert!(Document::read(b"{").is_err());
        assert!(Pointer::parse("a").is_err());
    }
}
