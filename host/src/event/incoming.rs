//! Events that come over HTTP, as records of Kafka: the HTTP protocol binding and the JSON event format of CloudEvents
//! 1.0.2 in, the binary mode of its Kafka protocol binding out.
//!
//! What is made here is read again as a subscription reads it: `decode` is the judge of what a CloudEvent must have.
//! Attributes and data are carried over as they were sent; times and numbers are not written anew.

use std::borrow::Cow;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, header};
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::decode::structured::{self, Members};
use super::{DecodeError, DecodeRules, Event, Origin, Record, RecordHeader, is_json};
use crate::config::KeySource;

/// Before an attribute's name in a header of HTTP.
const PREFIX: &str = "ce-";
/// Of one event. Each becomes a header of the record, and each is looked for among the others.
const MAX_ATTRIBUTES: usize = 100;
/// How the types of content begin that are whole events.
const EVENT_TYPE: &str = "application/cloudevents";

/// An event that is not in Kafka yet.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// As a subscription will read it.
    pub event: Event,
    pub headers: Vec<RecordHeader>,
    /// `None` is no data: a tombstone.
    pub value: Option<Bytes>,
}

/// What is known of JSON that is no CloudEvent beside its data.
#[derive(Debug, Clone, Default)]
pub struct PlainAttributes {
    pub id: String,
    pub source: String,
    /// Of what says none itself, in a string `type`.
    pub kind: Option<String>,
    /// Goes before what the data says.
    pub given_kind: Option<String>,
    pub subject: Option<String>,
    pub partition_key: Option<String>,
}

/// Why something is no event. Sending it again gives the same answer.
#[derive(Debug, thiserror::Error)]
pub enum IncomingError {
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error("the event is not a JSON object: {0}")]
    NotAnObject(#[source] serde_json::Error),
    #[error("the batch is not a JSON array: {0}")]
    NotABatch(#[source] serde_json::Error),
    #[error("the batch holds {count} events, and {most} are taken at a time: send less at once")]
    TooMany { count: usize, most: usize },
    #[error("the event has more than {MAX_ATTRIBUTES} attributes: put what is many into its data")]
    TooManyAttributes,
    #[error("`{0}` is no name of an attribute: use lower-case letters and digits alone")]
    Name(String),
    #[error("`{0}` is said by the header Content-Type and the body, and by no attribute: leave it out")]
    OfData(String),
    #[error("the attribute `{0}` is an object or a list: an attribute is text, a number or a boolean")]
    NotScalar(String),
    #[error("the attribute `{0}` holds a control character, which none may")]
    Control(String),
    #[error("the attribute `{0}` comes twice")]
    Twice(String),
    #[error("the header `{0}` is not UTF-8, or is not once it is percent-decoded")]
    NotText(String),
    #[error(
        "the data is of type `{0}`, a CloudEvent itself, and a record cannot be told from that one: give it another type"
    )]
    DataIsCloudEvent(String),
    #[error("the data says that it is JSON, and is not: {0}")]
    DataNotJson(#[source] serde_json::Error),
    #[error(
        "the event has no type: say it by `?type=…`, by a string `type` in the JSON, or send a CloudEvent"
    )]
    NoType,
}

impl Incoming {
    /// One CloudEvent in the binary mode of HTTP: attributes in headers, the body is the data.
    pub fn from_binary(headers: &HeaderMap, body: Bytes) -> Result<Self, IncomingError> {
        let mut making = Making::default();
        for name in headers.keys() {
            let Some(attribute) = name.as_str().strip_prefix(PREFIX) else { continue };
            making.add(attribute, &one(headers, name)?)?;
        }
        let content_type = if headers.contains_key(header::CONTENT_TYPE) {
            Some(one(headers, &header::CONTENT_TYPE)?)
        } else {
            None
        };
        // Without anything and without a word of what it would be there is no data.
        let value = (!body.is_empty() || content_type.is_some()).then_some(body);
        making.finish(content_type.as_deref(), value)
    }

    /// One CloudEvent in the structured mode: the body is all of it.
    pub fn from_structured(text: &Bytes) -> Result<Self, IncomingError> {
        let Members(members) = serde_json::from_slice(text).map_err(IncomingError::NotAnObject)?;
        let mut making = Making::default();
        let (mut data, mut data_base64, mut content_type) = (None, None, None);
        for (name, raw) in members {
            match (name.as_ref(), raw.get()) {
                ("data", _) => once(&mut data, raw, "data")?,
                // The JSON format lets a sender write an attribute that it does not set as null; of data it is a value.
                (_, "null") => {}
                ("data_base64", _) => once(&mut data_base64, raw, "data_base64")?,
                ("datacontenttype", raw) => once(&mut content_type, structured::string(&name, raw)?, &name)?,
                (name, raw) => making.add(name, &scalar(name, raw)?)?,
            }
        }
        let value = match (data, data_base64) {
            (Some(raw), Some(_)) if raw.get() != "null" => return Err(DecodeError::DataTwice.into()),
            (_, Some(raw)) => {
                let encoded = structured::string("data_base64", raw.get())?;
                let decoded = BASE64_STANDARD.decode(encoded.as_bytes()).map_err(DecodeError::Base64)?;
                Some(Bytes::from(decoded))
            }
            (Some(raw), None) => {
                content_type.get_or_insert(Cow::Borrowed("application/json"));
                Some(data_of(text, raw, content_type.as_deref())?)
            }
            (None, None) => None,
        };
        // It is of the data: there is nothing that it could be said of.
        let content_type = content_type.filter(|_| value.is_some());
        making.finish(content_type.as_deref(), value)
    }

    /// Several of them; the error says which is none, the first being 0.
    pub fn from_batch(text: &Bytes, most: usize) -> Result<Vec<Self>, (usize, IncomingError)> {
        let all: Vec<&RawValue> =
            serde_json::from_slice(text).map_err(|error| (0, IncomingError::NotABatch(error)))?;
        if all.len() > most {
            return Err((most, IncomingError::TooMany { count: all.len(), most }));
        }
        let one = |(index, raw): (usize, &&RawValue)| {
            Self::from_structured(&text.slice_ref(raw.get().as_bytes())).map_err(|error| (index, error))
        };
        all.iter().enumerate().map(one).collect()
    }

    /// JSON that is no CloudEvent, which becomes the data of one.
    pub fn from_plain(
        attributes: PlainAttributes,
        content_type: &str,
        body: Bytes,
    ) -> Result<Self, IncomingError> {
        let PlainAttributes { id, source, kind, given_kind, subject, partition_key } = attributes;
        let of_data = || super::decode::type_in(&body);
        let kind = given_kind.or_else(of_data).or(kind).ok_or(IncomingError::NoType)?;
        let mut making = Making::default();
        for (name, value) in [("specversion", "1.0"), ("id", &id), ("source", &source), ("type", &kind)] {
            making.add(name, value)?;
        }
        for (name, value) in [("subject", subject), ("partitionkey", partition_key)] {
            if let Some(value) = value {
                making.add(name, &value)?;
            }
        }
        making.finish(Some(content_type), Some(body))
    }

    /// The key of its record: the first of these that it has.
    pub fn key(&self, sources: &[KeySource]) -> Option<Bytes> {
        let event = &self.event;
        let text = |source: &KeySource| match source {
            KeySource::PartitionKey => event.attribute("partitionkey"),
            KeySource::Subject => event.subject.as_deref(),
            KeySource::Id => Some(event.id.as_str()),
            KeySource::Source => Some(event.source.as_str()),
            KeySource::Type => Some(event.kind.as_str()),
        };
        let found = sources.iter().filter_map(text).find(|text| !text.is_empty());
        found.map(|text| Bytes::copy_from_slice(text.as_bytes()))
    }
}

/// A record on its way.
#[derive(Default)]
struct Making {
    headers: Vec<RecordHeader>,
}

impl Making {
    fn add(&mut self, name: &str, value: &str) -> Result<(), IncomingError> {
        if self.headers.len() == MAX_ATTRIBUTES {
            return Err(IncomingError::TooManyAttributes);
        }
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if matches!(name, "data" | "datacontenttype") {
            return Err(IncomingError::OfData(name.to_owned()));
        }
        if name.is_empty() || !name.bytes().all(is_plain) {
            return Err(IncomingError::Name(name.to_owned()));
        }
        if value.chars().any(char::is_control) {
            return Err(IncomingError::Control(name.to_owned()));
        }
        let header = format!("ce_{name}");
        if self.headers.iter().any(|(known, _)| *known == header) {
            return Err(IncomingError::Twice(name.to_owned()));
        }
        self.headers.push((header.into(), Some(Bytes::copy_from_slice(value.as_bytes()))));
        Ok(())
    }

    /// Reads it as a subscription will.
    fn finish(mut self, content_type: Option<&str>, value: Option<Bytes>) -> Result<Incoming, IncomingError> {
        // A record without any of them would be read as one that is no CloudEvent, and never refused.
        if !self.headers.iter().any(|(name, _)| name == "ce_specversion") {
            return Err(DecodeError::Missing("specversion").into());
        }
        if let Some(content_type) = content_type {
            if content_type.chars().any(char::is_control) {
                return Err(IncomingError::Control("datacontenttype".to_owned()));
            }
            // Whoever reads the record would take the data for all of the event.
            let is_event = content_type
                .get(..EVENT_TYPE.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(EVENT_TYPE));
            if is_event {
                return Err(IncomingError::DataIsCloudEvent(content_type.to_owned()));
            }
            let text = Bytes::copy_from_slice(content_type.as_bytes());
            self.headers.push(("content-type".into(), Some(text)));
        }
        if let Some(value) = value.as_deref().filter(|_| content_type.is_some_and(is_json)) {
            serde_json::from_slice::<IgnoredAny>(value).map_err(IncomingError::DataNotJson)?;
        }
        let origin = Origin { topic: "intake".into(), partition: 0, offset: 0 };
        let record =
            Record { origin, timestamp: None, key: None, value: value.clone(), headers: self.headers };
        let event = Event::decode(&record, &DecodeRules { type_header: String::new() })?;
        Ok(Incoming { event, headers: record.headers, value })
    }
}

fn once<T>(place: &mut Option<T>, value: T, name: &str) -> Result<(), IncomingError> {
    match place.replace(value) {
        Some(_) => Err(IncomingError::Twice(name.to_owned())),
        None => Ok(()),
    }
}

/// The data as it stands in the text, or the string that it is where its type is not JSON.
fn data_of(text: &Bytes, raw: &RawValue, content_type: Option<&str>) -> Result<Bytes, IncomingError> {
    if content_type.is_some_and(is_json) || !raw.get().starts_with('"') {
        return Ok(text.slice_ref(raw.get().as_bytes()));
    }
    Ok(match structured::string("data", raw.get())? {
        Cow::Borrowed(data) => text.slice_ref(data.as_bytes()),
        Cow::Owned(data) => data.into(),
    })
}

/// An attribute's value as text.
fn scalar<'a>(name: &str, raw: &'a str) -> Result<Cow<'a, str>, IncomingError> {
    match raw.as_bytes().first() {
        Some(b'"') => Ok(structured::string(name, raw)?),
        Some(b'{' | b'[') => Err(IncomingError::NotScalar(name.to_owned())),
        // Of those that must be text a number is none.
        _ if structured::is_string_attribute(name) => Err(DecodeError::NotString(name.to_owned()).into()),
        _ => Ok(raw.into()),
    }
}

/// The value of a header that comes once (HTTP binding, 3.1.3.2): quotes and percent signs are undone, once each.
fn one(headers: &HeaderMap, name: &HeaderName) -> Result<String, IncomingError> {
    let shown = || name.as_str().strip_prefix(PREFIX).unwrap_or(name.as_str()).to_owned();
    let mut values = headers.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(IncomingError::Twice(shown()));
    };
    let is_attribute = name.as_str().starts_with(PREFIX);
    let text =
        if is_attribute { percent_decoded(&unquoted(value.as_bytes())) } else { value.as_bytes().to_vec() };
    String::from_utf8(text).map_err(|_| IncomingError::NotText(name.as_str().to_owned()))
}

/// Without the quotes of a quoted string and its backslashes (RFC 9110, 5.6.4).
fn unquoted(value: &[u8]) -> Cow<'_, [u8]> {
    let Some(inner) = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) else {
        return value.into();
    };
    let (mut text, mut is_escaped) = (Vec::with_capacity(inner.len()), false);
    for byte in inner {
        if *byte == b'\\' && !is_escaped {
            is_escaped = true;
        } else {
            text.push(*byte);
            is_escaped = false;
        }
    }
    text.into()
}

/// What is no percent sign with two hexadecimal digits stays as it is.
pub(crate) fn percent_decoded(value: &[u8]) -> Vec<u8> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let (mut text, mut index) = (Vec::with_capacity(value.len()), 0);
    while index < value.len() {
        let pair = (value[index] == b'%')
            .then(|| digit(value.get(index + 1)).zip(digit(value.get(index + 2))))
            .flatten();
        match pair.and_then(|(high, low)| u8::try_from(high * 16 + low).ok()) {
            Some(byte) => {
                text.push(byte);
                index += 3;
            }
            None => {
                text.push(value[index]);
                index += 1;
            }
        }
    }
    text
}

#[cfg(test)]
mod tests;
