//! Where the value of a column comes from: a part of the event's data, or a field of the event.

use std::fmt;

use super::document::Document;
use crate::failure::Failure;
use crate::pointer::Pointer;
use crate::transform::Event;

/// As a setting writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// All of the data.
    Data,
    /// A part of the data, or of a line.
    Part(Pointer),
    Id,
    /// Who says so: the event's own `source`.
    Uri,
    Type,
    Subject,
    Time,
    Key,
    Topic,
    Partition,
    Offset,
    Attribute(String),
    /// Of a line: its place among them, from 1.
    LineNumber,
}

/// What a source gives.
#[derive(Debug, Clone, PartialEq)]
pub enum Given<'data> {
    /// Nothing, or null.
    Nothing,
    Text(&'data str),
    Bytes(&'data [u8]),
    /// Microseconds since 1970.
    Time(i64),
    Number(i64),
    /// As it is written.
    Json(&'data str),
}

/// An event on its way into a row, or one line of it.
#[derive(Debug, Clone, Copy)]
pub struct Record<'data> {
    event: &'data Event,
    /// What is to be written, which need not be the event's own data.
    document: Option<&'data Document<'data>>,
    line_number: i64,
}

impl<'data> Record<'data> {
    /// Without a document it is a tombstone.
    pub fn new(event: &'data Event, document: Option<&'data Document<'data>>) -> Self {
        Self { event, document, line_number: 0 }
    }

    /// A line of the same event, by its number from 1.
    #[must_use]
    pub fn line<'line>(&self, document: &'line Document<'line>, line_number: i64) -> Record<'line>
    where
        'data: 'line,
    {
        Record { event: self.event, document: Some(document), line_number }
    }

    /// What is to be written; nothing for a tombstone.
    pub fn document(&self) -> Option<&'data Document<'data>> {
        self.document
    }

    pub fn is_tombstone(&self) -> bool {
        self.document.is_none()
    }
}

impl Source {
    /// A JSON pointer, or a field of the event: `{id}`. Its braces may be left out.
    ///
    /// # Errors
    ///
    /// It is neither, and what it may be.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with('/') {
            return Pointer::parse(text).map(Source::Part);
        }
        let name = match text.strip_prefix('{') {
            Some(rest) => rest.strip_suffix('}').unwrap_or_default(),
            None => text,
        };
        Ok(match name {
            "data" => Source::Data,
            "id" => Source::Id,
            "source" => Source::Uri,
            "type" => Source::Type,
            "subject" => Source::Subject,
            "time" => Source::Time,
            "key" => Source::Key,
            "topic" => Source::Topic,
            "partition" => Source::Partition,
            "offset" => Source::Offset,
            "line-number" => Source::LineNumber,
            _ => match name.strip_prefix("attributes.") {
                Some(name) if !name.is_empty() => Source::Attribute(name.to_owned()),
                Some(_) | None => {
                    return Err(format!(
                        "`{text}` is no part of an event: use a JSON pointer into the data such as /policy/id, or {{data}}, \
                         {{id}}, {{source}}, {{type}}, {{subject}}, {{time}}, {{key}}, {{topic}}, {{partition}}, {{offset}} \
                         or {{attributes.NAME}}"
                    ));
                }
            },
        })
    }

    /// Is it there without data, as in a tombstone?
    pub fn is_of_event(&self) -> bool {
        !matches!(self, Source::Data | Source::Part(_) | Source::LineNumber)
    }

    /// What this event has there.
    ///
    /// # Errors
    ///
    /// [`Failure::Event`] where the data is not JSON.
    pub fn give<'given>(&'given self, record: &'given Record<'_>) -> Result<Given<'given>, Failure> {
        let event = record.event;
        let text = |text: Option<&'given str>| text.map_or(Given::Nothing, Given::Text);
        Ok(match self {
            Source::Data => match record.document.map(Document::whole) {
                None | Some("null") => Given::Nothing,
                Some(whole) => Given::Json(whole),
            },
            Source::Part(pointer) => {
                let part = record.document.map(|document| document.pick(pointer)).transpose()?;
                part.flatten().map_or(Given::Nothing, Given::Json)
            }
            Source::Id => Given::Text(&event.id),
            Source::Uri => Given::Text(&event.source),
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
            Source::Topic => Given::Text(&event.origin.topic),
            Source::Partition => Given::Number(event.origin.partition.into()),
            Source::Offset => Given::Number(event.origin.offset),
            Source::Attribute(name) => text(event.attribute(name)),
            Source::LineNumber => Given::Number(record.line_number),
        })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Source::Part(pointer) => pointer.as_str(),
            Source::Attribute(name) => return write!(formatter, "{{attributes.{name}}}"),
            Source::Data => "{data}",
            Source::Id => "{id}",
            Source::Uri => "{source}",
            Source::Type => "{type}",
            Source::Subject => "{subject}",
            Source::Time => "{time}",
            Source::Key => "{key}",
            Source::Topic => "{topic}",
            Source::Partition => "{partition}",
            Source::Offset => "{offset}",
            Source::LineNumber => "{line-number}",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::event;

    #[test]
    fn each_source_gives_what_it_names() {
        let data = br#"{"a":{"b":[1, {"d": 1.50}]},"n":null}"#;
        let document = Document::read(data).unwrap();
        let event: Event =
            event("t").id("e").subject("s").key([0xff]).attribute("tenant", "north").time_ms(2).into();
        let whole = Record::new(&event, Some(&document));
        let record = whole.line(&document, 7);
        for (text, expected) in [
            ("id", Given::Text("e")),
            ("{source}", Given::Text("/test")),
            ("{type}", Given::Text("t")),
            ("subject", Given::Text("s")),
            ("{time}", Given::Time(2_000)),
            ("{key}", Given::Bytes(&[0xff])),
            ("{partition}", Given::Number(0)),
            ("{attributes.tenant}", Given::Text("north")),
            ("attributes.other", Given::Nothing),
            ("{data}", Given::Json(r#"{"a":{"b":[1, {"d": 1.50}]},"n":null}"#)),
            ("/a/b/1/d", Given::Json("1.50")),
            ("/n", Given::Nothing),
            ("/a/x", Given::Nothing),
            ("{line-number}", Given::Number(7)),
        ] {
            let source = Source::parse(text).unwrap();
            assert_eq!(source.give(&record), Ok(expected), "{text}");
            assert_eq!(Source::parse(&source.to_string()).as_ref(), Ok(&source));
            let gone = Record::new(&event, None);
            let is_there = source.give(&gone) != Ok(Given::Nothing);
            assert!(source.is_of_event() || source == Source::LineNumber || !is_there, "{text}");
        }
        for text in ["a", "{a}", "{attributes.}", "{id", "", "attributes."] {
            assert!(Source::parse(text).is_err(), "{text}");
        }
    }
}
