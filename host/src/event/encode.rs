//! Writes events: JSON text to records that can be produced, JSON text to one event, an event to JSON text.
//!
//! What people hand over is either a CloudEvent, told by its `specversion`, or any other JSON. What is written here
//! reads back as the same event: `decode` is the judge of what a CloudEvent must have.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use chrono::{DateTime, Datelike as _, SecondsFormat};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::identity::hexadecimal;
use super::{DecodeError, DecodeRules, Event, Origin, Record, is_json};

const STRUCTURED: &str = "application/cloudevents+json; charset=UTF-8";

/// A record that was not produced yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingRecord {
    pub key: Option<Bytes>,
    pub value: Bytes,
    pub headers: Vec<(String, Bytes)>,
}

/// Why a line of a file of events cannot be produced.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    #[error("line {line} is not JSON: {}; write one JSON value a line", in_line(source))]
    NotJson { line: usize, source: serde_json::Error },
    #[error("line {line} has a `specversion`, but is no CloudEvent 1.0: {source}")]
    CloudEvent { line: usize, source: DecodeError },
    #[error("line {line} has nothing at `{pointer}` to take the key from: add it, or give another pointer")]
    NoKey { line: usize, pointer: String },
    #[error("line {line} has no string, number or boolean at `{pointer}` to take the key from")]
    KeyNotText { line: usize, pointer: String },
}

/// Why a text is no event.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    #[error("the event is not JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    #[error("the event has a `specversion`, but is no CloudEvent 1.0: {0}")]
    CloudEvent(#[from] DecodeError),
    #[error("the event has no type: add a string `type`, or write it as a CloudEvent")]
    NoType,
}

impl OutgoingRecord {
    /// Makes a record of one line of a file, the first line being 1.
    ///
    /// The key of a CloudEvent is its `partitionkey`, else its `subject`; that of other JSON is what stands under the
    /// JSON pointer `key` (RFC 6901). The value is the line as it is.
    pub fn from_line(line: usize, text: &str, key: Option<&str>) -> Result<OutgoingRecord, EncodeError> {
        let text = text.trim();
        let json: Value =
            serde_json::from_str(text).map_err(|source| EncodeError::NotJson { line, source })?;
        if json.get("specversion").is_none() {
            let key = key.map(|pointer| key_at(line, &json, pointer)).transpose()?;
            return Ok(OutgoingRecord::new(key, text, "application/json"));
        }
        let event = decode_structured(text).map_err(|source| EncodeError::CloudEvent { line, source })?;
        let key = event.attribute("partitionkey").or(event.subject.as_deref()).map(str::to_owned);
        Ok(OutgoingRecord::new(key, text, STRUCTURED))
    }

    fn new(key: Option<String>, value: &str, content_type: &'static str) -> OutgoingRecord {
        OutgoingRecord {
            key: key.map(Bytes::from),
            value: Bytes::copy_from_slice(value.as_bytes()),
            headers: vec![("content-type".to_owned(), Bytes::from_static(content_type.as_bytes()))],
        }
    }
}

impl Event {
    /// Reads one event that came in a file and not from Kafka.
    ///
    /// Other JSON than a CloudEvent gets an id made of its text, so that the same file is the same event again.
    pub fn from_text(text: &str) -> Result<Event, TextError> {
        let text = text.trim();
        let json: Value = serde_json::from_str(text)?;
        if json.get("specversion").is_some() {
            let mut event = decode_structured(text)?;
            let key = event.attribute("partitionkey").or(event.subject.as_deref());
            event.key = key.map(|key| Bytes::copy_from_slice(key.as_bytes()));
            return Ok(event);
        }
        let kind = json.get("type").and_then(Value::as_str).filter(|kind| !kind.is_empty());
        Ok(Event {
            id: hexadecimal(&Sha256::digest(text)[..16]),
            source: "/files".to_owned(),
            kind: kind.ok_or(TextError::NoType)?.to_owned(),
            subject: None,
            time: None,
            key: None,
            content_type: Some("application/json".to_owned()),
            data: Some(Bytes::copy_from_slice(text.as_bytes())),
            attributes: Vec::new(),
            origin: file_origin(),
        })
    }

    /// The event as a CloudEvent in JSON (CloudEvents JSON event format 1.0.2), to be serialised.
    ///
    /// Data that is JSON stands in it as it came. Attributes that came twice are written once, the first of them.
    pub fn as_cloudevent(&self) -> impl Serialize + '_ {
        CloudEvent(self)
    }
}

struct CloudEvent<'a>(&'a Event);

impl Serialize for CloudEvent<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let event = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("specversion", "1.0")?;
        map.serialize_entry("id", &event.id)?;
        map.serialize_entry("source", &event.source)?;
        map.serialize_entry("type", &event.kind)?;
        if let Some(subject) = &event.subject {
            map.serialize_entry("subject", subject)?;
        }
        if let Some(time) = event.time.and_then(rfc3339) {
            map.serialize_entry("time", &time)?;
        }
        if let Some(content_type) = &event.content_type {
            map.serialize_entry("datacontenttype", content_type)?;
        }
        for (position, (name, value)) in event.attributes.iter().enumerate() {
            let is_first = event.attributes[..position].iter().all(|(earlier, _)| earlier != name);
            if is_first && !is_reserved(name) {
                map.serialize_entry(name, value)?;
            }
        }
        if let Some(data) = &event.data {
            serialize_data(&mut map, event.content_type.as_deref(), data)?;
        }
        map.end()
    }
}

fn serialize_data<M: SerializeMap>(
    map: &mut M,
    content_type: Option<&str>,
    data: &[u8],
) -> Result<(), M::Error> {
    if content_type.is_some_and(is_json) {
        if let Ok(json) = serde_json::from_slice::<&RawValue>(data) {
            return map.serialize_entry("data", json);
        }
    } else if content_type.is_some()
        && let Ok(text) = str::from_utf8(data)
    {
        return map.serialize_entry("data", text);
    }
    map.serialize_entry("data_base64", &BASE64_STANDARD.encode(data))
}

/// Names that the members of the CloudEvent itself have, which a record's header may have too.
fn is_reserved(name: &str) -> bool {
    matches!(
        name,
        "specversion"
            | "id"
            | "source"
            | "type"
            | "subject"
            | "time"
            | "datacontenttype"
            | "data"
            | "data_base64"
    )
}

/// `None` beyond the year 9999, which RFC 3339 cannot write.
fn rfc3339(time_ms: u64) -> Option<String> {
    let time = DateTime::from_timestamp_millis(i64::try_from(time_ms).ok()?)?;
    (time.year() <= 9999).then(|| time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

/// What is wrong and in which column: the number of the line is another one for the person who wrote the file.
fn in_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    format!("{what} at column {}", error.column())
}

fn key_at(line: usize, json: &Value, pointer: &str) -> Result<String, EncodeError> {
    match json.pointer(pointer) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(value.to_string()),
        Some(Value::Null) | None => Err(EncodeError::NoKey { line, pointer: pointer.to_owned() }),
        Some(Value::Array(_) | Value::Object(_)) => {
            Err(EncodeError::KeyNotText { line, pointer: pointer.to_owned() })
        }
    }
}

fn decode_structured(text: &str) -> Result<Event, DecodeError> {
    let record = Record {
        origin: file_origin(),
        timestamp: None,
        key: None,
        value: Some(Bytes::copy_from_slice(text.as_bytes())),
        headers: vec![("content-type".into(), Some(Bytes::from_static(STRUCTURED.as_bytes())))],
    };
    Event::decode(&record, &DecodeRules { type_header: String::new() })
}

fn file_origin() -> Origin {
    Origin { topic: "file".into(), partition: 0, offset: 0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cloudevent_becomes_a_structured_record_keyed_by_partitionkey_or_subject() {
        for (extra, key) in [
            (r#","partitionkey":"p","subject":"s""#, Some("p")),
            (r#","subject":"s""#, Some("s")),
            ("", None),
        ] {
            let line = format!(r#"{{"specversion":"1.0","id":"1","source":"/s","type":"t"{extra}}}"#);
            let record = OutgoingRecord::from_line(1, &format!(" {line}\r\n"), Some("/ignored")).unwrap();
            assert_eq!(record.key.as_deref(), key.map(str::as_bytes));
            assert_eq!(record.value, line.as_bytes());
            assert_eq!(
                record.headers,
                [("content-type".to_owned(), Bytes::from_static(STRUCTURED.as_bytes()))]
            );
        }
    }

    #[test]
    fn other_json_is_keyed_by_the_pointer() {
        let line = r#"{"policy":{"id":7},"name":"x","draft":true}"#;
        for (pointer, key) in [("/policy/id", "7"), ("/name", "x"), ("/draft", "true")] {
            let record = OutgoingRecord::from_line(1, line, Some(pointer)).unwrap();
            assert_eq!(record.key.as_deref(), Some(key.as_bytes()));
            assert_eq!(
                record.headers,
                [("content-type".to_owned(), Bytes::from_static(b"application/json"))]
            );
        }
        assert_eq!(OutgoingRecord::from_line(1, line, None).unwrap().key, None);
    }

    #[test]
    fn errors_name_the_line_and_the_mend() {
        for (line, pointer, expected) in [
            ("{\"a\":}", None, "line 7 is not JSON: expected value at column 6; write one JSON value a line"),
            (
                r#"{"specversion":"1.0","id":"1","source":"/s"}"#,
                None,
                "line 7 has a `specversion`, but is no CloudEvent 1.0: the CloudEvent has no `type`, or an empty one: the \
                 producer must set it",
            ),
            (
                "{}",
                Some("/id"),
                "line 7 has nothing at `/id` to take the key from: add it, or give another pointer",
            ),
            (r#"{"id":null}"#, Some("/id"), "line 7 has nothing at `/id`"),
            (
                r#"{"id":[]}"#,
                Some("/id"),
                "line 7 has no string, number or boolean at `/id` to take the key from",
            ),
        ] {
            let error = OutgoingRecord::from_line(7, line, pointer).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn a_file_that_is_no_cloudevent_is_the_same_event_each_time() {
        let text = r#"{ "type": "policy.updated", "n": 1.0 }"#;
        let event = Event::from_text(text).unwrap();
        assert_eq!(event.kind, "policy.updated");
        assert_eq!(event.data.as_deref(), Some(text.as_bytes()));
        assert_eq!(event.id, Event::from_text(&format!("{text}\n")).unwrap().id);
        assert_ne!(event.id, Event::from_text(r#"{"type":"policy.updated"}"#).unwrap().id);
        assert!(matches!(Event::from_text("{}"), Err(TextError::NoType)));
        assert!(matches!(Event::from_text("nonsense"), Err(TextError::NotJson(_))));
        assert!(matches!(Event::from_text(r#"{"specversion":"1.0"}"#), Err(TextError::CloudEvent(_))));
    }

    #[test]
    fn a_file_with_a_cloudevent_is_that_event() {
        let text =
            r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","subject":"doc/1","data":{"a": 1}}"#;
        let event = Event::from_text(text).unwrap();
        assert_eq!((event.id.as_str(), event.kind.as_str()), ("1", "t"));
        assert_eq!(event.key.as_deref(), Some(b"doc/1".as_slice()));
        assert_eq!(event.data.as_deref(), Some(br#"{"a": 1}"#.as_slice()));
    }

    fn event(content_type: Option<&str>, data: Option<&[u8]>) -> Event {
        Event {
            id: "1".to_owned(),
            source: "/s".to_owned(),
            kind: "t".to_owned(),
            subject: None,
            time: Some(1_700_000_000_123),
            key: None,
            content_type: content_type.map(str::to_owned),
            data: data.map(Bytes::copy_from_slice),
            attributes: vec![
                ("traceparent".to_owned(), "00-a".to_owned()),
                ("traceparent".to_owned(), "00-b".to_owned()),
                ("id".to_owned(), "a header".to_owned()),
            ],
            origin: file_origin(),
        }
    }

    #[test]
    fn an_event_is_written_as_a_cloudevent() {
        let event = event(Some("application/json"), Some(br#"{"n":12345678901234567890123}"#));
        assert_eq!(
            serde_json::to_string(&event.as_cloudevent()).unwrap(),
            r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","time":"2023-11-14T22:13:20.123Z","datacontenttype":"application/json","traceparent":"00-a","data":{"n":12345678901234567890123}}"#,
        );
    }

    #[test]
    fn data_is_written_in_the_form_it_has() {
        for (content_type, data, name, expected) in [
            (Some("application/json"), b"[1]".as_slice(), "data", json!([1])),
            (Some("application/json"), b"null", "data", json!(null)),
            (Some("application/json"), b"{broken", "data_base64", json!("e2Jyb2tlbg==")),
            (Some("text/plain"), b"{broken", "data", json!("{broken")),
            (Some("text/plain"), b"\xff", "data_base64", json!("/w==")),
            (None, b"x", "data_base64", json!("eA==")),
        ] {
            let written = serde_json::to_value(event(content_type, Some(data)).as_cloudevent()).unwrap();
            assert_eq!(written.get(name), Some(&expected), "{content_type:?} {data:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_as_the_same_event(
            content_type in proptest::option::of(prop_oneof![
                Just("application/json"), Just("text/plain"), Just("application/octet-stream"),
            ]),
            data in proptest::collection::vec(any::<u8>(), 0..40),
            subject in proptest::option::of(".{1,10}"),
        ) {
            let mut event = event(content_type, Some(&data));
            event.subject = subject;
            let text = serde_json::to_string(&event.as_cloudevent()).unwrap();
            let read = Event::from_text(&text).unwrap();
            prop_assert_eq!(&read.data, &event.data);
            prop_assert_eq!(&read.content_type, &event.content_type);
            prop_assert_eq!(&read.subject, &event.subject);
            prop_assert_eq!(read.time, event.time);
            prop_assert_eq!(read.attributes, [("traceparent".to_owned(), "00-a".to_owned())]);
        }
    }
}
