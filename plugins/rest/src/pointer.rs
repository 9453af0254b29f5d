//! JSON pointers (RFC 6901) into an event's data.
//!
//! What is picked keeps its bytes: numbers and the order of members stay as the producer wrote them.

use std::collections::BTreeMap;
use std::fmt;

use liaison_sdk::failure::Failure;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// A place in a JSON document.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Pointer {
    text: String,
    /// Unescaped.
    tokens: Vec<String>,
}

impl Pointer {
    /// Reads a pointer to a part of a document: it begins with `/`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix('/') else {
            return Err(format!("`{text}` is no JSON pointer: it must begin with `/`"));
        };
        let unescape = |token: &str| token.replace("~1", "/").replace("~0", "~");
        Ok(Self { text: text.to_owned(), tokens: rest.split('/').map(unescape).collect() })
    }

    /// Unescaped.
    pub(crate) fn tokens(&self) -> &[String] {
        &self.tokens
    }

    /// The value there in a document that was read.
    pub(crate) fn find<'value>(&self, document: &'value Value) -> Option<&'value Value> {
        document.pointer(&self.text)
    }

    /// The value there, or nothing. An error where the data is not JSON.
    pub(crate) fn pick<'data>(&self, data: &'data [u8]) -> Result<Option<&'data RawValue>, Failure> {
        let mut part: &RawValue = serde_json::from_slice(data).map_err(not_json)?;
        for token in &self.tokens {
            let next = match part.get().as_bytes().first() {
                Some(b'{') => members(part)?.remove(token),
                Some(b'[') => {
                    token.parse().ok().and_then(|index: usize| elements(part).ok()?.into_iter().nth(index))
                }
                _ => None,
            };
            let Some(next) = next else { return Ok(None) };
            part = next;
        }
        Ok(Some(part))
    }
}

impl TryFrom<String> for Pointer {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

fn members(object: &RawValue) -> Result<BTreeMap<String, &RawValue>, Failure> {
    serde_json::from_str(object.get()).map_err(not_json)
}

fn elements(array: &RawValue) -> Result<Vec<&RawValue>, Failure> {
    serde_json::from_str(array.get()).map_err(not_json)
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn not_json(error: serde_json::Error) -> Failure {
    Failure::Event(format!("the event's data is not JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use super::Pointer;

    #[test]
    fn a_pointer_picks_the_bytes_as_they_are() {
        let data = br#"{"a":{"b~/c":[1, {"d": 1.50e2}]},"":{"":"x"}}"#;
        for (pointer, picked) in [
            ("/a/b~0~1c/0", Some("1")),
            ("/a/b~0~1c/1", Some(r#"{"d": 1.50e2}"#)),
            ("/a/b~0~1c/1/d", Some("1.50e2")),
            ("/a/b~0~1c/2", None),
            ("/a/b~0~1c/first", None),
            ("/a/b~0~1c/0/x", None),
            ("/z", None),
            ("//", Some("\"x\"")),
        ] {
            let found = Pointer::parse(pointer).unwrap().pick(data).unwrap();
            assert_eq!(found.map(|part| part.get()), picked, "{pointer}");
        }
        assert!(Pointer::parse("/a").unwrap().pick(b"{").is_err());
        assert!(Pointer::parse("a").is_err());
    }
}
