//! Reads a Kafka record as an event: the Kafka protocol binding of CloudEvents 1.0.2.
//!
//! In comes a [`Record`], out goes an [`Event`] that shares its bytes. Three forms are told apart by the headers:
//! structured (the value is the CloudEvent), binary (`ce_…` headers, the value is the data), and anything else, for
//! which the missing attributes are made up from where the record was read. Every event passes here: it copies
//! attributes, never payloads.

pub(super) mod structured;

use bytes::Bytes;
use chrono::DateTime;
use serde::Deserialize;

use super::{Event, Record};
use crate::contract::TimestampMs;

/// What records that are no CloudEvents are read by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeRules {
    /// The header that holds the type of such an event.
    pub type_header: String,
}

/// Why a record is no event. Reading it again gives the same answer.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("the record is a batch of CloudEvents, a form for HTTP only: produce one record for each event")]
    Batch,
    #[error("the CloudEvent is not a JSON object, though its content type says so: {0}")]
    NotJson(#[source] serde_json::Error),
    #[error("the CloudEvent has no `{0}`, or an empty one: the producer must set it")]
    Missing(&'static str),
    #[error("the CloudEvent's `{0}` is not a string")]
    NotString(String),
    #[error("the header `{0}` is not UTF-8")]
    NotText(String),
    #[error("the CloudEvent has specversion `{0}`: only `1.0` is known")]
    SpecVersion(String),
    #[error("the CloudEvent's time `{0}` is not an RFC 3339 time since 1970")]
    Time(String),
    #[error("the CloudEvent's `data_base64` is not base64: {0}")]
    Base64(#[source] base64::DecodeError),
    #[error("the CloudEvent has both `data` and `data_base64`: the producer must set one of them")]
    DataTwice,
}

/// The form a record is written in.
enum Form {
    Structured,
    Batch,
    Binary,
    Plain,
}

/// The attributes that CloudEvents gives a meaning, as far as they were found.
#[derive(Default)]
struct Context {
    spec_version: Option<String>,
    id: Option<String>,
    source: Option<String>,
    kind: Option<String>,
    subject: Option<String>,
    time: Option<TimestampMs>,
    content_type: Option<String>,
    /// Everything else, names in lower case.
    attributes: Vec<(String, String)>,
}

impl Event {
    /// Reads one record. A `time` that the producer did not give is the record's.
    pub fn decode(record: &Record, rules: &DecodeRules) -> Result<Event, DecodeError> {
        let form = form_of(record);
        match (form, &record.value) {
            (Form::Structured, Some(value)) => structured::decode(record, value),
            (Form::Batch, _) => Err(DecodeError::Batch),
            (Form::Binary, _) => decode_binary(record),
            // A tombstone of a topic of structured CloudEvents holds no attributes to read.
            (Form::Plain | Form::Structured, _) => Ok(decode_plain(record, rules)),
        }
    }
}

fn form_of(record: &Record) -> Form {
    let mut form = Form::Plain;
    for (name, value) in &record.headers {
        if is_content_type(name) {
            let value = value.as_deref().unwrap_or_default();
            if starts_with(value, b"application/cloudevents-batch+json") {
                return Form::Batch;
            }
            if starts_with(value, b"application/cloudevents+json") {
                return Form::Structured;
            }
        } else if let Some(attribute) = cloudevents_name(name)
            && ["id", "source", "type", "specversion"]
                .iter()
                .any(|known| attribute.eq_ignore_ascii_case(known))
        {
            form = Form::Binary;
        }
    }
    form
}

fn decode_binary(record: &Record) -> Result<Event, DecodeError> {
    let mut context = Context::default();
    for (name, value) in &record.headers {
        let Some(value) = value else { continue };
        match (cloudevents_name(name), text(value)) {
            (Some(attribute), Some(value)) => context.set(attribute, value)?,
            (Some(attribute), None) if must_be_text(attribute) => {
                return Err(DecodeError::NotText(name.clone().into_owned()));
            }
            (Some(_), None) => {}
            (None, value) => context.set_header(name, value),
        }
    }
    context.into_event(record, record.value.clone())
}

fn decode_plain(record: &Record, rules: &DecodeRules) -> Event {
    let mut context = Context { attributes: Vec::with_capacity(record.headers.len()), ..Context::default() };
    for (name, value) in &record.headers {
        let value = value.as_deref().and_then(text);
        if *name == rules.type_header {
            context.kind = value.filter(|kind| !kind.is_empty()).map(str::to_owned);
        }
        context.set_header(name, value);
    }
    let origin = &record.origin;
    let json = record.value.as_deref().filter(|value| looks_like_json(value));
    let kind = context.kind.take().or_else(|| json.and_then(type_in));
    let content_type = record
        .value
        .as_ref()
        .and_then(|_| context.content_type.take().or_else(|| json.map(|_| "application/json".to_owned())));
    Event {
        id: origin.to_string(),
        source: format!("/topics/{}", origin.topic),
        kind: kind.unwrap_or_else(|| origin.topic.as_ref().to_owned()),
        subject: None,
        time: record.timestamp,
        key: record.key.clone(),
        content_type,
        data: record.value.clone(),
        attributes: context.attributes,
        origin: origin.clone(),
    }
}

impl Context {
    /// Takes one CloudEvents attribute.
    fn set(&mut self, name: &str, value: &str) -> Result<(), DecodeError> {
        let lower = lower_case(name);
        let place = match lower.as_ref() {
            "specversion" => &mut self.spec_version,
            "id" => &mut self.id,
            "source" => &mut self.source,
            "type" => &mut self.kind,
            "subject" => &mut self.subject,
            "datacontenttype" => &mut self.content_type,
            "time" => {
                self.time = Some(time(value)?);
                return Ok(());
            }
            _ => {
                self.attributes.push((lower.into_owned(), value.to_owned()));
                return Ok(());
            }
        };
        *place = Some(value.to_owned());
        Ok(())
    }

    /// Takes one header that is no CloudEvents attribute; one that is not text is left out.
    fn set_header(&mut self, name: &str, value: Option<&str>) {
        let Some(value) = value else { return };
        if is_content_type(name) {
            self.content_type = Some(value.to_owned());
        } else {
            self.attributes.push((lower_case(name).into_owned(), value.to_owned()));
        }
    }

    /// Checks what must be there (CloudEvents 1.0.2, section 3.1).
    fn into_event(self, record: &Record, data: Option<Bytes>) -> Result<Event, DecodeError> {
        let spec_version = required("specversion", self.spec_version)?;
        if spec_version != "1.0" {
            return Err(DecodeError::SpecVersion(spec_version));
        }
        Ok(Event {
            id: required("id", self.id)?,
            source: required("source", self.source)?,
            kind: required("type", self.kind)?,
            subject: self.subject.filter(|subject| !subject.is_empty()),
            time: self.time.or(record.timestamp),
            key: record.key.clone(),
            content_type: self.content_type.filter(|_| data.is_some()),
            data,
            attributes: self.attributes,
            origin: record.origin.clone(),
        })
    }
}

fn required(name: &'static str, value: Option<String>) -> Result<String, DecodeError> {
    value.filter(|value| !value.is_empty()).ok_or(DecodeError::Missing(name))
}

/// Leaving these out would make another event of it.
fn must_be_text(attribute: &str) -> bool {
    ["id", "source", "type", "specversion", "time"].iter().any(|name| attribute.eq_ignore_ascii_case(name))
}

fn time(value: &str) -> Result<TimestampMs, DecodeError> {
    DateTime::parse_from_rfc3339(value)
        .ok()
        .and_then(|time| TimestampMs::try_from(time.timestamp_millis()).ok())
        .ok_or_else(|| DecodeError::Time(value.to_owned()))
}

/// The attribute that a header carries, if it carries one.
fn cloudevents_name(header: &str) -> Option<&str> {
    let (prefix, name) = header.split_at_checked(3)?;
    (prefix.eq_ignore_ascii_case("ce_") && !name.is_empty()).then_some(name)
}

fn is_content_type(header: &str) -> bool {
    header.eq_ignore_ascii_case("content-type")
}

fn starts_with(value: &[u8], prefix: &[u8]) -> bool {
    value.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn text(value: &[u8]) -> Option<&str> {
    str::from_utf8(value).ok()
}

/// Borrowed where it is lower case already, as almost every name is.
fn lower_case(name: &str) -> std::borrow::Cow<'_, str> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        name.to_ascii_lowercase().into()
    } else {
        name.into()
    }
}

fn looks_like_json(value: &[u8]) -> bool {
    matches!(value.trim_ascii_start().first(), Some(b'{' | b'['))
}

/// The string at `/type`. The data need not be JSON: then there is none.
pub(super) fn type_in(data: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Typed<'a> {
        #[serde(borrow, rename = "type")]
        kind: Option<std::borrow::Cow<'a, str>>,
    }
    // An array would be read as the fields in order.
    if data.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    let typed: Typed<'_> = serde_json::from_slice(data).ok()?;
    typed.kind.filter(|kind| !kind.is_empty()).map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests;
