//! What a request carries: the record as JSON, a form, or a form with files.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use liaison_sdk::pointer::Pointer;
use liaison_sdk::prelude::*;
use liaison_sdk::template::{FieldTemplate, Source};
use liaison_sdk::text::{scalar, scalar_of};
use serde::Deserialize;
use serde_json::Value;

use crate::settings::{BodyKind, Settings};

/// The fields of a form.
#[derive(Debug)]
pub(crate) enum Fields {
    /// The members of the event's data.
    OfData,
    Named(BTreeMap<String, FieldTemplate>),
}

/// A file of a form.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct FilePart {
    name: String,
    file_name: FieldTemplate,
    content_type: Option<FieldTemplate>,
    content: FileContent,
    #[serde(default)]
    encoding: Encoding,
}

/// Where a file's content is.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
enum FileContent {
    /// The event's data as they are.
    Data,
    /// A text in them.
    Part(Pointer),
}

/// How a text stands for a file's bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Encoding {
    #[default]
    Base64,
    Text,
}

impl TryFrom<String> for FileContent {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "data" => Ok(FileContent::Data),
            pointer if pointer.starts_with('/') => Pointer::parse(pointer).map(FileContent::Part),
            other => {
                Err(format!("`{other}` is no content: use `data`, or a JSON pointer such as `/document`"))
            }
        }
    }
}

/// The request with the whole record. A tombstone has none.
pub(crate) fn with_body<'http>(
    request: Request<'http>,
    settings: &Settings,
    delivery: &Delivery,
    source: &Source<'_>,
) -> Result<Request<'http>, Failure> {
    let Some(data) = source.bytes() else {
        return Ok(request);
    };
    match &settings.body {
        BodyKind::None => Ok(request),
        BodyKind::Data | BodyKind::Patch(..) => with_record(request, settings, delivery, data),
        BodyKind::Form(fields) => Ok(request.form(texts(fields, source)?)),
        BodyKind::Multipart(fields, files) => {
            let texts = texts(fields, source)?;
            let form = texts.into_iter().fold(Multipart::new(), |form, (name, text)| form.field(name, text));
            let form = files.iter().try_fold(form, |form, file| with_file(form, file, source))?;
            Ok(request.multipart(form))
        }
    }
}

fn with_record<'http>(
    request: Request<'http>,
    settings: &Settings,
    delivery: &Delivery,
    data: &[u8],
) -> Result<Request<'http>, Failure> {
    let (request, content_type) = match settings.shape.is_plain() {
        true if delivery.resolution.is_none() => {
            (request.event_data(), delivery.event.content_type.as_deref())
        }
        true => (request.body(data), delivery.event.content_type.as_deref()),
        false => (request.body(settings.shape.body(data)?), Some("application/json")),
    };
    Ok(match content_type {
        Some(content_type) if !settings.has_content_type => request.header("content-type", content_type),
        _ => request,
    })
}

fn texts(fields: &Fields, source: &Source<'_>) -> Result<Vec<(String, String)>, Failure> {
    match fields {
        Fields::Named(fields) => {
            fields.iter().map(|(name, field)| Ok((name.clone(), field.render(source)?))).collect()
        }
        Fields::OfData => members(source.bytes().unwrap_or_default()),
    }
}

/// Each member as a field, and one with a list as a field for each of its elements. What is `null` is left out.
fn members(data: &[u8]) -> Result<Vec<(String, String)>, Failure> {
    let data: Value = serde_json::from_slice(data).map_err(Failure::not_json)?;
    let Value::Object(members) = data else {
        return Err(Failure::Event(
            "the event's data is not a JSON object, whose members would be the fields".to_owned(),
        ));
    };
    let mut fields = Vec::with_capacity(members.len());
    for (name, value) in members {
        match value {
            Value::Array(elements) => {
                fields.extend(elements.iter().filter_map(|value| Some((name.clone(), text(value)?))));
            }
            value => fields.extend(text(&value).map(|text| (name, text))),
        }
    }
    Ok(fields)
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Array(_) | Value::Object(_) => Some(value.to_string()),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => scalar(value),
    }
}

fn with_file(form: Multipart, file: &FilePart, source: &Source<'_>) -> Result<Multipart, Failure> {
    let content_type = match &file.content_type {
        Some(content_type) => Cow::Owned(content_type.render(source)?),
        None => Cow::Borrowed("application/octet-stream"),
    };
    let data = source.bytes().unwrap_or_default();
    let content = match &file.content {
        FileContent::Data => data.to_vec(),
        FileContent::Part(pointer) => {
            let text = pointer.pick(data).map_err(Failure::not_json)?;
            let text = text.and_then(|part| scalar_of(part.get()));
            let text = text.ok_or_else(|| {
                Failure::Event(format!("the event's data has no text at `{pointer}`, which is to be a file"))
            })?;
            match file.encoding {
                Encoding::Text => text.into_bytes(),
                Encoding::Base64 => STANDARD.decode(text).map_err(|error| {
                    Failure::Event(format!("the event's data has at `{pointer}` what is no base64: {error}"))
                })?,
            }
        }
    };
    Ok(form.file(&file.name, file.file_name.render(source)?, content_type, content))
}
