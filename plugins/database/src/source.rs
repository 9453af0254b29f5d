//! Where the value of a column comes from: a part of the event's data, or a field of the event.

use std::collections::BTreeMap;
use std::fmt;

use liaison_sdk::failure::Failure;
use liaison_sdk::transform::Event;
use serde_json::Value;
use serde_json::value::RawValue;

/// As a setting writes it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Source {
    Id,
    Origin,
    Type,
    Subject,
    Time,
    Key,
    Attribute(String),
    /// All of the data.
    Data,
    /// A part of the data, or of a line: a JSON pointer (RFC 6901).
    Part(Pointer),
    /// Of a line: its place among them, from 1.
    LineNumber,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pointer {
    text: String,
    /// Unescaped.
    tokens: Vec<String>,
}

/// JSON as it was written, and read.
#[derive(Debug)]
pub(crate) struct Document<'data> {
    text: &'data str,
    pub(crate) value: Value,
}

/// What a source gives.
#[derive(Debug)]
pub(crate) enum Given<'data> {
    /// Nothing, or null.
    Nothing,
    Text(&'data str),
    Bytes(&'data [u8]),
    /// Microseconds since 1970.
    Time(i64),
    Number(i64),
    /// The value, and how it was written.
    Json(&'data Value, Written<'data>),
}

/// A part of a document, whose bytes are looked for only where they matter.
#[derive(Debug)]
pub(crate) struct Written<'data> {
    text: &'data str,
    tokens: &'data [String],
}

/// An event on its way into rows, or one line of it.
#[derive(Debug)]
pub(crate) struct Record<'data> {
    pub(crate) event: &'data Event,
    pub(crate) document: Option<&'data Document<'data>>,
    pub(crate) line_number: i64,
}

impl Source {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        Ok(match text {
            "id" => Source::Id,
            "source" => Source::Origin,
            "type" => Source::Type,
            "subject" => Source::Subject,
            "time" => Source::Time,
            "key" => Source::Key,
            "data" => Source::Data,
            "line-number" => Source::LineNumber,
            _ if text.starts_with('/') => Source::Part(Pointer::parse(text)?),
            _ => match text.strip_prefix("attributes.") {
                Some(name) if !name.is_empty() => Source::Attribute(name.to_owned()),
                _ => {
                    return Err(format!(
                        "`{text}` is no part of an event: use a JSON pointer such as /policy/id, data, id, source, type, \
                         subject, time, key or attributes.NAME"
                    ));
                }
            },
        })
    }

    /// Is it there without data, as in a tombstone?
    pub(crate) fn is_of_event(&self) -> bool {
        !matches!(self, Source::Data | Source::Part(_) | Source::LineNumber)
    }

    pub(crate) fn give<'data>(&'data self, record: &'data Record<'data>) -> Given<'data> {
        let event = record.event;
        let text = |text: Option<&'data str>| text.map_or(Given::Nothing, Given::Text);
        let part = |tokens: &'data [String]| {
            let document = record.document?;
            let value = find(&document.value, tokens)?;
            let written = Written { text: document.text, tokens };
            (!value.is_null()).then_some(Given::Json(value, written))
        };
        match self {
            Source::Id => Given::Text(&event.id),
            Source::Origin => Given::Text(&event.source),
            Source::Type => Given::Text(&event.type_),
            Source::Subject => text(event.subject.as_deref()),
            Source::Time => {
                let micros = event.time.and_then(|time| i64::try_from(time).ok()?.checked_mul(1_000));
                micros.map_or(Given::Nothing, Given::Time)
            }
            Source::Key => match event.key.as_deref().map(|key| (key, std::str::from_utf8(key))) {
                None => Given::Nothing,
                Some((_, Ok(key))) => Given::Text(key),
                Some((key, Err(_))) => Given::Bytes(key),
            },
            Source::Attribute(name) => text(event.attribute(name)),
            Source::Data => part(&[]).unwrap_or(Given::Nothing),
            Source::Part(pointer) => part(&pointer.tokens).unwrap_or(Given::Nothing),
            Source::LineNumber => Given::Number(record.line_number),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Id => formatter.write_str("id"),
            Source::Origin => formatter.write_str("source"),
            Source::Type => formatter.write_str("type"),
            Source::Subject => formatter.write_str("subject"),
            Source::Time => formatter.write_str("time"),
            Source::Key => formatter.write_str("key"),
            Source::Attribute(name) => write!(formatter, "attributes.{name}"),
            Source::Data => formatter.write_str("data"),
            Source::Part(pointer) => formatter.write_str(&pointer.text),
            Source::LineNumber => formatter.write_str("line-number"),
        }
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

    /// Puts a value there, into objects that are made as need be. What would be a place in a list is left out.
    pub(crate) fn put(&self, into: &mut Value, value: Value) {
        if self.tokens.iter().any(|token| token.parse::<usize>().is_ok()) {
            return;
        }
        let mut place = into;
        for token in &self.tokens {
            if !place.is_object() {
                *place = Value::Object(serde_json::Map::new());
            }
            let Some(object) = place.as_object_mut() else { return };
            place = object.entry(token.as_str()).or_insert(Value::Null);
        }
        *place = value;
    }
}

impl<'data> Document<'data> {
    pub(crate) fn parse(data: &'data [u8]) -> Result<Self, Failure> {
        let not_json =
            |error: &dyn fmt::Display| Failure::Event(format!("the event's data is not JSON: {error}"));
        let text = std::str::from_utf8(data).map_err(|error| not_json(&error))?;
        let value = serde_json::from_str(text).map_err(|error| not_json(&error))?;
        Ok(Self { text, value })
    }

    /// The elements of the list there, each as it is written.
    pub(crate) fn lines(&self, pointer: &Pointer) -> Result<Vec<&'data str>, Failure> {
        let is_list = find(&self.value, &pointer.tokens).is_some_and(Value::is_array);
        let list = if is_list { raw(self.text, &pointer.tokens) } else { None };
        let lines = list.and_then(|list| serde_json::from_str::<Vec<&RawValue>>(list).ok());
        let lines = lines.ok_or_else(|| {
            let place = &pointer.text;
            Failure::Event(format!("the event's data has no list at `{place}`, which is to be the lines"))
        })?;
        Ok(lines.into_iter().map(RawValue::get).collect())
    }
}

impl Written<'_> {
    /// Numbers with all their digits, objects with their order.
    pub(crate) fn text(&self) -> String {
        raw(self.text, self.tokens).unwrap_or_default().to_owned()
    }
}

fn find<'value>(value: &'value Value, tokens: &[String]) -> Option<&'value Value> {
    tokens.iter().try_fold(value, |value, token| match value {
        Value::Object(object) => object.get(token),
        Value::Array(list) => list.get(token.parse::<usize>().ok()?),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    })
}

/// The bytes of a part that is there.
fn raw<'text>(text: &'text str, tokens: &[String]) -> Option<&'text str> {
    let mut part = text.trim();
    for token in tokens {
        let next = match part.as_bytes().first()? {
            b'{' => {
                let mut members: BTreeMap<String, &RawValue> = serde_json::from_str(part).ok()?;
                members.remove(token)?
            }
            b'[' => {
                let elements: Vec<&RawValue> = serde_json::from_str(part).ok()?;
                *elements.get(token.parse::<usize>().ok()?)?
            }
            _ => return None,
        };
        part = next.get();
    }
    Some(part)
}

#[cfg(test)]
mod tests {
    use liaison_sdk::testing::event;
    use serde_json::json;

    use super::*;

    #[test]
    fn each_source_gives_what_it_names() {
        let data = br#"{"a":{"b~/c":[1, {"d": 1.50}]},"n":null}"#;
        let document = Document::parse(data).unwrap();
        let event: Event =
            event("t").id("e").subject("s").key([0xff]).attribute("tenant", "north").time_ms(2).into();
        let record = Record { event: &event, document: Some(&document), line_number: 7 };
        for (source, expected) in [
            ("id", "Text(\"e\")"),
            ("source", "Text(\"/test\")"),
            ("type", "Text(\"t\")"),
            ("subject", "Text(\"s\")"),
            ("time", "Time(2000)"),
            ("key", "Bytes([255])"),
            ("attributes.tenant", "Text(\"north\")"),
            ("attributes.other", "Nothing"),
            ("/n", "Nothing"),
            ("/a/x", "Nothing"),
            ("line-number", "Number(7)"),
        ] {
            let source = Source::parse(source).unwrap();
            assert_eq!(format!("{:?}", source.give(&record)), expected, "{source}");
            assert_eq!(Source::parse(&source.to_string()), Ok(source));
        }
        let source = Source::parse("/a/b~0~1c/1/d").unwrap();
        let Given::Json(value, written) = source.give(&record) else { panic!("it is there") };
        assert_eq!((value, written.text().as_str()), (&json!(1.5), "1.50"));
        assert!(Source::parse("attributes.").is_err() && Source::parse("a").is_err());
    }

    #[test]
    fn a_value_is_put_where_it_came_from() {
        let mut whole = json!({});
        for (pointer, value) in [("/a/b", json!(1)), ("/a/c", json!(2)), ("/l/0", json!(3))] {
            Pointer::parse(pointer).unwrap().put(&mut whole, value);
        }
        assert_eq!(whole, json!({"a": {"b": 1, "c": 2}}));
    }

    #[test]
    fn lines_keep_how_they_are_written() {
        let document = Document::parse(br#" {"lines": [{"a": 1.0}, 2], "other": {}} "#).unwrap();
        assert_eq!(document.lines(&Pointer::parse("/lines").unwrap()).unwrap(), ["{\"a\": 1.0}", "2"]);
        for wrong in ["/other", "/nothing"] {
            let error = document.lines(&Pointer::parse(wrong).unwrap()).unwrap_err().to_string();
            assert!(error.starts_with("the event's data has no list at"), "{error}");
        }
    }
}
