//! JSON pointers (RFC 6901), as settings name places in an event's data and in what an external system holds.
//!
//! What is `null` counts as missing, wherever a pointer is followed: a producer that writes `"updatedAt": null` says as
//! little as one that leaves it out.

mod seek;

use std::fmt;

use serde::Deserialize;
use serde::de::DeserializeSeed as _;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use self::seek::Seek;

/// Where an event has its version, unless the settings say otherwise.
const UPDATED_AT: &str = "/updatedAt";

/// A place in a JSON document. In settings it is a text that begins with `/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Pointer {
    text: String,
    /// Unescaped.
    tokens: Vec<String>,
}

impl Pointer {
    /// Reads a pointer to a part of a document.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and how it is written well.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix('/') else {
            return Err(format!("`{text}` is no JSON pointer: it must begin with `/`"));
        };
        if text.split('~').skip(1).any(|after| !after.starts_with(['0', '1'])) {
            return Err(format!(
                "`{text}` is no JSON pointer: a `~` in a name is written `~0`, and a `/` `~1`"
            ));
        }
        let unescape = |token: &str| token.replace("~1", "/").replace("~0", "~");
        Ok(Self { text: text.to_owned(), tokens: rest.split('/').map(unescape).collect() })
    }

    /// The whole document, which no setting has to name.
    pub fn whole() -> Self {
        Self { text: String::new(), tokens: Vec::new() }
    }

    /// `/updatedAt`, where an event has its version unless the settings say otherwise.
    pub fn updated_at() -> Self {
        Self { text: UPDATED_AT.to_owned(), tokens: vec![UPDATED_AT[1..].to_owned()] }
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names and places on the way, unescaped.
    pub fn tokens(&self) -> &[String] {
        &self.tokens
    }

    /// The value there; nothing where there is none, or `null`.
    pub fn find<'value>(&self, document: &'value Value) -> Option<&'value Value> {
        document.pointer(&self.text).filter(|value| !value.is_null())
    }

    /// As [`Pointer::find`], to change it or to take it out.
    pub fn find_mut<'value>(&self, document: &'value mut Value) -> Option<&'value mut Value> {
        document.pointer_mut(&self.text).filter(|value| !value.is_null())
    }

    /// The value there with the bytes that it has in the text: numbers keep their digits, and members their order.
    /// Nothing where there is none, or `null`. What is beside it is passed over and never kept.
    ///
    /// # Errors
    ///
    /// The text is not JSON: see [`Failure::not_json`](crate::failure::Failure::not_json).
    pub fn pick<'json>(&self, json: &'json [u8]) -> Result<Option<&'json RawValue>, serde_json::Error> {
        let mut reader = serde_json::Deserializer::from_slice(json);
        let found = Seek(&self.tokens).deserialize(&mut reader)?;
        reader.end()?;
        Ok(found.filter(|found| found.get() != "null"))
    }

    /// Puts a value there, over what stands there, into objects that are made on the way; false where it cannot be put.
    ///
    /// That is so where something on the way is neither object nor list, where a list is too short, and where a number
    /// leads into what is not there yet: that may be a place in a list, and an object would be of another shape.
    pub fn put(&self, document: &mut Value, value: Value) -> bool {
        put(&self.tokens, document, value)
    }
}

fn put(tokens: &[String], place: &mut Value, value: Value) -> bool {
    let Some((token, deeper)) = tokens.split_first() else {
        *place = value;
        return true;
    };
    if place.is_null() {
        if tokens.iter().any(|token| index(token).is_some()) {
            return false;
        }
        *place = Value::Object(Map::new());
    }
    match place {
        Value::Object(members) => match members.get_mut(token) {
            Some(next) => put(deeper, next, value),
            None => {
                let mut next = Value::Null;
                let is_put = put(deeper, &mut next, value);
                if is_put {
                    members.insert(token.clone(), next);
                }
                is_put
            }
        },
        Value::Array(elements) => index(token)
            .and_then(|index| elements.get_mut(index))
            .is_some_and(|next| put(deeper, next, value)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// A place in a list: digits, without a zero before others (RFC 6901, 4).
pub(crate) fn index(token: &str) -> Option<usize> {
    let is_index =
        token.bytes().all(|byte| byte.is_ascii_digit()) && (token == "0" || !token.starts_with('0'));
    is_index.then(|| token.parse().ok())?
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pointer(text: &str) -> Pointer {
        Pointer::parse(text).unwrap()
    }

    #[test]
    fn what_is_picked_keeps_its_bytes() {
        let data = br#"{"a":{"b~/c":[1, {"d": 1.50e2}]},"":{"":"x"},"n":null,"twice":1,"twice":{"e": 2.0}}"#;
        for (text, picked) in [
            ("/a/b~0~1c/0", Some("1")),
            ("/a/b~0~1c/1", Some(r#"{"d": 1.50e2}"#)),
            ("/a/b~0~1c/1/d", Some("1.50e2")),
            ("/a/b~0~1c/2", None),
            ("/a/b~0~1c/00", None),
            ("/a/b~0~1c/first", None),
            ("/a/b~0~1c/0/x", None),
            ("/a/b~0~1c/0/0", None),
            ("/n", None),
            ("/n/x", None),
            ("/z", None),
            ("//", Some("\"x\"")),
            // Of two members of one name the last counts, as it does where all is read.
            ("/twice", Some(r#"{"e": 2.0}"#)),
            ("/twice/e", Some("2.0")),
        ] {
            let found = pointer(text).pick(data).unwrap();
            assert_eq!(found.map(RawValue::get), picked, "{text}");
            let whole: Value = serde_json::from_slice(data).unwrap();
            let read = picked.map(|picked| serde_json::from_str::<Value>(picked).unwrap());
            assert_eq!(pointer(text).find(&whole), read.as_ref(), "{text}");
        }
        assert_eq!(Pointer::whole().pick(b" [1.0]").unwrap().map(RawValue::get), Some("[1.0]"));
        assert_eq!(pointer("/a").pick(b"\"a\"").unwrap().map(RawValue::get), None);
        // It is JSON as a whole, or none of it is believed.
        for broken in [&b"{"[..], br#"{"a":1,"b":}"#, br#"{"a":1} x"#, b"\xff", b""] {
            assert!(pointer("/a").pick(broken).is_err());
        }
    }

    #[test]
    fn what_is_null_is_not_there() {
        let mut document = json!({ "a": null, "b": { "c": false } });
        assert_eq!(pointer("/a").find(&document), None);
        assert_eq!(pointer("/a/x").find(&document), None);
        assert_eq!(pointer("/b/c").find(&document), Some(&json!(false)));
        assert_eq!(pointer("/a").find_mut(&mut document), None);
        assert_eq!(pointer("/b").find_mut(&mut document).map(Value::take), Some(json!({ "c": false })));
        assert_eq!(Pointer::whole().find(&Value::Null), None);
    }

    #[test]
    fn what_is_put_somewhere_is_found_there() {
        let mut document = json!({ "list": [1, { "x": 1 }], "gone": null, "years": { "2025": 1 } });
        for (text, value) in [
            ("/a/b~1c", json!(1)),
            ("/a/d~0", json!("x")),
            ("/a/d~0", json!("y")),
            ("/gone/e", json!([2])),
            ("/list/1/x", json!(2)),
            ("/list/0", json!({})),
            ("/years/2026", json!(2)),
        ] {
            assert!(pointer(text).put(&mut document, value.clone()), "{text}");
            assert_eq!(pointer(text).find(&document), Some(&value), "{text}");
        }
        let expected = json!({
            "list": [{}, { "x": 2 }], "gone": { "e": [2] }, "years": { "2025": 1, "2026": 2 },
            "a": { "b/c": 1, "d~": "y" },
        });
        assert_eq!(document, expected);
        for text in ["/lines/0", "/lines/0/x", "/list/2", "/list/first", "/list/01", "/a/d~0/x", "/gone/e/1"]
        {
            assert!(!pointer(text).put(&mut document, json!("lost")), "{text}");
        }
        assert_eq!(document, expected, "what cannot be put leaves nothing behind");
        assert!(pointer("/a").put(&mut json!(null), json!(1)));
        assert!(!pointer("/0").put(&mut json!(null), json!(1)));
    }

    #[test]
    fn a_setting_is_a_pointer_or_says_how_to_write_one() {
        let read =
            |text: &str| serde_json::from_value::<Pointer>(json!(text)).map_err(|error| error.to_string());
        assert_eq!(read("/a~1b/c~0").unwrap().tokens(), ["a/b", "c~"]);
        assert_eq!(read("/a~01").unwrap().tokens(), ["a~1"]);
        assert_eq!(Ok(Pointer::updated_at()), read("/updatedAt"));
        assert_eq!(Pointer::updated_at().to_string(), "/updatedAt");
        assert_eq!(read("a").unwrap_err(), "`a` is no JSON pointer: it must begin with `/`");
        assert_eq!(read("").unwrap_err(), "`` is no JSON pointer: it must begin with `/`");
        for text in ["/a~", "/a~2b", "/~0~"] {
            assert!(read(text).unwrap_err().contains("a `~` in a name is written `~0`"), "{text}");
        }
    }
}
