//! JSON pointers (RFC 6901): where in an event's data something stands.

use serde::Deserialize;
use serde_json::{Map, Value};

/// A place in a JSON document.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Pointer(String);

impl TryFrom<String> for Pointer {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.starts_with('/') {
            true => Ok(Self(text)),
            false => Err(format!("`{text}` is no JSON pointer: it must begin with `/`")),
        }
    }
}

impl Pointer {
    pub(crate) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn get<'value>(&self, document: &'value Value) -> Option<&'value Value> {
        document.pointer(&self.0)
    }

    /// Puts a value there, into objects that are made on the way. Nothing happens where something else stands in it.
    pub(crate) fn put(&self, document: &mut Map<String, Value>, value: Value) {
        let unescape = |token: &str| token.replace("~1", "/").replace("~0", "~");
        let mut tokens = self.0.split('/').skip(1).map(unescape).peekable();
        let mut object = document;
        while let Some(token) = tokens.next() {
            if tokens.peek().is_none() {
                object.insert(token, value);
                return;
            }
            let Value::Object(next) = object.entry(token).or_insert_with(|| Value::Object(Map::new())) else {
                return;
            };
            object = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_put_there_is_found_there() {
        let mut document = Map::new();
        for (pointer, value) in [("/a/b~1c", json!(1)), ("/a/d~0", json!("x")), ("/e", json!([2]))] {
            Pointer::new(pointer).put(&mut document, value);
        }
        Pointer::new("/e/0").put(&mut document, json!("lost"));
        let document = Value::Object(document);
        assert_eq!(document, json!({ "a": { "b/c": 1, "d~": "x" }, "e": [2] }));
        assert_eq!(Pointer::new("/a/b~1c").get(&document), Some(&json!(1)));
        assert!(Pointer::try_from("a".to_owned()).is_err());
    }
}
