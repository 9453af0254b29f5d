//! The structured form: the record's value is the whole CloudEvent as JSON (CloudEvents JSON event format 1.0.2).
//!
//! The data is handed on as it stands in the text: it is not written anew, so numbers and spacing stay.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Context, DecodeError, Event, Record, cloudevents_name, is_content_type, text};
use crate::event::is_json;

/// The members of the CloudEvent's object, in order, their values still text.
pub(in crate::event) struct Members<'a>(pub(in crate::event) Vec<(Cow<'a, str>, &'a RawValue)>);

/// A string that is borrowed where nothing in it is escaped.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

pub(super) fn decode(record: &Record, value: &Bytes) -> Result<Event, DecodeError> {
    let Members(members) = serde_json::from_slice(value).map_err(DecodeError::NotJson)?;
    let mut context = Context {
        attributes: Vec::with_capacity(members.len() + record.headers.len()),
        ..Context::default()
    };
    let mut data = None;
    let mut data_base64 = None;
    for (name, raw) in members {
        match (name.as_ref(), raw.get()) {
            ("data", _) => data = Some(raw),
            // The JSON format lets a producer write an attribute that it does not set as null; of data it is a value.
            (_, "null") => {}
            ("data_base64", _) => data_base64 = Some(raw),
            (name, raw) if raw.starts_with('"') => context.set(name, &string(name, raw)?)?,
            (name, _) if is_string_attribute(name) => return Err(DecodeError::NotString(name.to_owned())),
            (name, raw) => context.set(name, raw)?,
        }
    }
    set_headers(&mut context, record);
    let data = match (data, data_base64) {
        (Some(raw), Some(_)) if raw.get() != "null" => return Err(DecodeError::DataTwice),
        (_, Some(raw)) => Some(binary_data(raw.get())?),
        (Some(raw), None) => Some(json_data(value, raw.get(), &mut context)?),
        (None, None) => None,
    };
    context.into_event(record, data)
}

/// Data written as JSON: itself, or the string that it is where the content type is not JSON. A `null` is data, other than
/// no member at all (JSON format 1.0.2, section 3.1.1): it is no tombstone.
fn json_data(value: &Bytes, raw: &str, context: &mut Context) -> Result<Bytes, DecodeError> {
    let content_type = context.content_type.get_or_insert_with(|| "application/json".to_owned());
    if is_json(content_type) || !raw.starts_with('"') {
        return Ok(value.slice_ref(raw.as_bytes()));
    }
    Ok(match string("data", raw)? {
        Cow::Borrowed(text) => value.slice_ref(text.as_bytes()),
        Cow::Owned(text) => text.into(),
    })
}

/// Bytes, of the type that the producer says. Where it says none, none is made up: `application/json` is implied for the
/// member `data` alone (JSON format 1.0.2, section 3.1.2).
fn binary_data(raw: &str) -> Result<Bytes, DecodeError> {
    let encoded = string("data_base64", raw)?;
    BASE64_STANDARD.decode(encoded.as_bytes()).map(Bytes::from).map_err(DecodeError::Base64)
}

/// The record's own headers; what the CloudEvent says of itself stands.
fn set_headers(context: &mut Context, record: &Record) {
    for (name, value) in &record.headers {
        if !is_content_type(name) && cloudevents_name(name).is_none() {
            context.set_header(name, value.as_deref().and_then(text));
        }
    }
}

pub(in crate::event) fn string<'a>(name: &str, raw: &'a str) -> Result<Cow<'a, str>, DecodeError> {
    let text: Text<'a> = serde_json::from_str(raw).map_err(|_| DecodeError::NotString(name.to_owned()))?;
    Ok(text.0)
}

/// Extensions may be booleans and integers too.
pub(in crate::event) fn is_string_attribute(name: &str) -> bool {
    matches!(
        name,
        "specversion" | "id" | "source" | "type" | "subject" | "time" | "datacontenttype" | "dataschema"
    )
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;

        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(12);
                while let Some(Text(name)) = map.next_key()? {
                    members.push((name, map.next_value()?));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(MembersVisitor)
    }
}
