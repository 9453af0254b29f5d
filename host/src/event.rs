//! An event: one Kafka record, read as a CloudEvent.
//!
//! In comes a [`Record`] as Kafka gave it, out goes an [`Event`], or a [`DecodeError`] that says what is wrong with it.
//! The record's bytes are shared, never copied.

mod decode;
mod encode;
mod identity;
mod incoming;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::contract::TimestampMs;

pub use decode::{DecodeError, DecodeRules};
pub use encode::{EncodeError, OutgoingRecord, TextError};
pub(crate) use incoming::percent_decoded;
pub use incoming::{Incoming, IncomingError, PlainAttributes};

/// Where a record was read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    pub topic: Arc<str>,
    pub partition: i32,
    pub offset: i64,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}/{}", self.topic, self.partition, self.offset)
    }
}

/// Name and value of a record's header. The value may be null and need not be text.
pub type RecordHeader = (Cow<'static, str>, Option<Bytes>);

/// One Kafka record, untouched: what a dead letter must hold.
#[derive(Debug, Clone)]
pub struct Record {
    pub origin: Origin,
    /// When Kafka or the producer says it was written.
    pub timestamp: Option<TimestampMs>,
    pub key: Option<Bytes>,
    /// `None` is a tombstone.
    pub value: Option<Bytes>,
    /// In order; names may repeat.
    pub headers: Vec<RecordHeader>,
}

/// One event, in the words of CloudEvents 1.0.
#[derive(Debug, Clone)]
pub struct Event {
    pub id: String,
    pub source: String,
    /// CloudEvents' `type`.
    pub kind: String,
    pub subject: Option<String>,
    pub time: Option<TimestampMs>,
    pub key: Option<Bytes>,
    pub content_type: Option<String>,
    pub data: Option<Bytes>,
    pub attributes: Vec<(String, String)>,
    pub origin: Origin,
}

/// Why the data of an event cannot be read as JSON.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error("the event has no data: it is a tombstone")]
    Absent,
    #[error("the event's data is not JSON: {0}")]
    NotJson(#[from] serde_json::Error),
}

impl Event {
    /// The data as JSON, whatever the content type says.
    pub fn data_json(&self) -> Result<serde_json::Value, DataError> {
        let data = self.data.as_ref().ok_or(DataError::Absent)?;
        Ok(serde_json::from_slice(data)?)
    }

    /// Whether there is data that says it is JSON.
    pub fn has_json_data(&self) -> bool {
        self.data.is_some() && self.content_type.as_deref().is_some_and(is_json)
    }

    /// The first attribute of this name, which is lower case.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// The trace that the event belongs to (W3C Trace Context), where the producer sent one.
    pub fn traceparent(&self) -> Option<&str> {
        self.attribute("traceparent")
    }
}

/// Whether a media type says JSON: `…/json` or `…+json`, with any parameters.
pub(crate) fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim_end();
    let ends_with = |suffix: &str| {
        essence
            .len()
            .checked_sub(suffix.len())
            .and_then(|start| essence.get(start..))
            .is_some_and(|end| end.eq_ignore_ascii_case(suffix))
    };
    ends_with("/json") || ends_with("+json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_recognised_by_its_media_type() {
        for (content_type, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("text/json", true),
            ("application/problem+json", true),
            ("application/vnd.a+JSON ;x=1", true),
            ("application/xml", false),
            ("application/json-seq", false),
            ("json", false),
            ("", false),
            ("é", false),
        ] {
            assert_eq!(is_json(content_type), expected, "{content_type}");
        }
    }
}
