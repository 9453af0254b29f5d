//! The bodies that an event is posted as. JSON data stay as they are, to the digit.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use liaison_sdk::failure::Failure;
use liaison_sdk::time::rfc3339;
use liaison_sdk::transform::Event;
use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};
use serde_json::value::RawValue;

/// What Standard Webhooks recommends, and the subject, without which nobody knows what a tombstone is of.
#[derive(Serialize)]
struct Standard<'event> {
    #[serde(rename = "type")]
    kind: &'event str,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'event str>,
    data: Content<'event>,
}

/// A CloudEvent 1.0 in JSON, in structured mode.
struct CloudEvent<'event> {
    event: &'event Event,
    data: Option<Content<'event>>,
}

/// Data in the form that they have.
enum Content<'data> {
    Nothing,
    Json(&'data RawValue),
    Text(&'data str),
    Bytes(&'data [u8]),
}

/// `{"type": …, "timestamp": …, "data": …}`
pub(crate) fn standard(event: &Event) -> Result<Vec<u8>, Failure> {
    let data = Content::of(event).unwrap_or(Content::Nothing);
    let (kind, subject) = (event.type_.as_str(), event.subject.as_deref());
    written(&Standard { kind, timestamp: event.time.map(rfc3339), subject, data })
}

/// <https://github.com/cloudevents/spec/blob/main/cloudevents/formats/json-format.md>
pub(crate) fn cloud_event(event: &Event) -> Result<Vec<u8>, Failure> {
    written(&CloudEvent { event, data: Content::of(event) })
}

fn written(payload: &impl Serialize) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(payload).map_err(|error| Failure::Event(format!("the payload: {error}")))
}

impl<'event> Content<'event> {
    /// Nothing of a tombstone.
    fn of(event: &'event Event) -> Option<Self> {
        let data = event.data.as_deref()?;
        let content_type = event.content_type.as_deref().unwrap_or("application/json");
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        let is_json = media_type.ends_with("/json") || media_type.ends_with("+json");
        Some(match (is_json.then(|| serde_json::from_slice(data)), std::str::from_utf8(data)) {
            (Some(Ok(json)), _) => Self::Json(json),
            (_, Ok(text)) => Self::Text(text),
            (_, Err(_)) => Self::Bytes(data),
        })
    }
}

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nothing => serializer.serialize_none(),
            Self::Json(json) => json.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => serializer.serialize_str(&STANDARD.encode(bytes)),
        }
    }
}

impl Serialize for CloudEvent<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let event = self.event;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("specversion", "1.0")?;
        map.serialize_entry("id", &event.id)?;
        map.serialize_entry("source", &event.source)?;
        map.serialize_entry("type", &event.type_)?;
        let time = event.time.map(rfc3339).map(Cow::Owned);
        let subject = event.subject.as_deref().map(Cow::Borrowed);
        let content_type = event.content_type.as_deref().map(Cow::Borrowed);
        for (name, value) in [("subject", subject), ("time", time), ("datacontenttype", content_type)] {
            if let Some(value) = value {
                map.serialize_entry(name, &value)?;
            }
        }
        let extensions = event.attributes.iter().enumerate().filter(|(place, (name, _))| {
            // Of several of one name the first; JSON has no place for more.
            is_extension(name) && !event.attributes[..*place].iter().any(|(earlier, _)| earlier == name)
        });
        for (_, (name, value)) in extensions {
            map.serialize_entry(name, value)?;
        }
        match &self.data {
            None => {}
            Some(bytes @ Content::Bytes(_)) => map.serialize_entry("data_base64", bytes)?,
            Some(data) => map.serialize_entry("data", data)?,
        }
        map.end()
    }
}

/// A name that an extension attribute may have, and that means nothing else. Record headers with other names stay here.
fn is_extension(name: &str) -> bool {
    let is_name =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let is_taken = ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "data"];
    is_name && !is_taken.contains(&name)
}
