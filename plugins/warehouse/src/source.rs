//! Where the value of a column comes from: a part of the data, or a field of the event. Out goes JSON.

use liaison_sdk::failure::Failure;
use liaison_sdk::transform::Event;
use serde::Deserialize;

use crate::document::{Document, Pointer};
use crate::time::rfc3339;

/// As a setting says it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum Source {
    /// All of the data.
    Data,
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
}

/// What a value is taken from.
#[derive(Debug)]
pub(crate) struct Given<'delivery> {
    pub(crate) event: &'delivery Event,
    /// What is to be written, which need not be the event's own data; `None` for a tombstone.
    pub(crate) document: Option<Document<'delivery>>,
}

impl Source {
    /// The value as JSON; `None` where the event has none.
    pub(crate) fn json(&self, given: &Given<'_>) -> Result<Option<String>, Failure> {
        let event = given.event;
        Ok(match self {
            Source::Data => given.document.as_ref().map(|document| document.whole().to_owned()),
            Source::Part(pointer) => {
                let document = given.document.as_ref();
                document.map(|document| document.pick(pointer)).transpose()?.flatten().map(str::to_owned)
            }
            Source::Id => Some(quoted(&event.id)),
            Source::Uri => Some(quoted(&event.source)),
            Source::Type => Some(quoted(&event.type_)),
            Source::Subject => event.subject.as_deref().map(quoted),
            Source::Time => event.time.map(|time| quoted(&rfc3339(time))),
            Source::Key => key(event)?.map(quoted),
            Source::Topic => Some(quoted(&event.origin.topic)),
            Source::Partition => Some(event.origin.partition.to_string()),
            Source::Offset => Some(event.origin.offset.to_string()),
            Source::Attribute(name) => event.attribute(name).map(quoted),
        })
    }

    /// Is it there in a tombstone too?
    pub(crate) fn is_of_tombstones(&self) -> bool {
        !matches!(self, Source::Data | Source::Part(_))
    }
}

impl TryFrom<String> for Source {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.starts_with('/') {
            return Pointer::parse(&text).map(Source::Part);
        }
        let name = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
        Ok(match name {
            Some("data") => Source::Data,
            Some("id") => Source::Id,
            Some("source") => Source::Uri,
            Some("type") => Source::Type,
            Some("subject") => Source::Subject,
            Some("time") => Source::Time,
            Some("key") => Source::Key,
            Some("topic") => Source::Topic,
            Some("partition") => Source::Partition,
            Some("offset") => Source::Offset,
            Some(name) if name.strip_prefix("attributes.").is_some_and(|name| !name.is_empty()) => {
                Source::Attribute(name["attributes.".len()..].to_owned())
            }
            Some(_) | None => {
                return Err(format!(
                    "`{text}` is nothing of an event: use a JSON pointer into the data such as /title, or {{data}}, {{id}}, \
                     {{source}}, {{type}}, {{subject}}, {{time}}, {{key}}, {{topic}}, {{partition}}, {{offset}} or \
                     {{attributes.NAME}}"
                ));
            }
        })
    }
}

/// The Kafka key as text.
pub(crate) fn key(event: &Event) -> Result<Option<&str>, Failure> {
    let text = event.key.as_deref().map(std::str::from_utf8).transpose();
    text.map_err(|_| Failure::Event("the event's key is not UTF-8 text".to_owned()))
}

/// A text as JSON.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text can always be written as JSON")
}

#[cfg(test)]
mod tests {
    use liaison_sdk::outcome::Delivery;
    use liaison_sdk::testing;

    use super::*;

    #[test]
    fn each_source_gives_json() {
        let event = testing::event("policy.updated").id("e\"1").attribute("tenant", "north");
        let delivery = Delivery::from(event.bytes(r#"{"a": 1.50, "b": null}"#, Some("application/json")));
        let document = Document::read(delivery.data().unwrap()).unwrap();
        let given = Given { event: &delivery.event, document: Some(document) };
        for (text, json) in [
            ("/a", Some("1.50")),
            ("/b", None),
            ("/c", None),
            ("{data}", Some(r#"{"a": 1.50, "b": null}"#)),
            ("{id}", Some(r#""e\"1""#)),
            ("{type}", Some("\"policy.updated\"")),
            ("{attributes.tenant}", Some("\"north\"")),
            ("{attributes.nobody}", None),
        ] {
            let source = Source::try_from(text.to_owned()).unwrap();
            assert_eq!(source.json(&given).unwrap().as_deref(), json, "{text}");
        }
        for text in ["a", "{a}", "{attributes.}", "{id", ""] {
            assert!(Source::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
