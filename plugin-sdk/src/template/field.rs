//! Fields between `{` and `}`, and texts that are made of them.

use std::borrow::Cow;

use serde_json::Value;

use super::Source;
use crate::failure::Failure;
use crate::pointer::Pointer;
use crate::text::scalar_of;

/// A text, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    Field(Named),
}

/// A field, and how it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) field: Field,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Field {
    Id,
    Source,
    Type,
    Subject,
    Key,
    /// An extension attribute or a header.
    Attribute(String),
    /// All of the data.
    Data,
    /// A part of it.
    Part(Pointer),
    /// The version that the external system holds.
    Etag,
    /// A part of the record that a lookup has found.
    Found(Pointer),
}

/// Which fields a template may have beside those of every event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beside {
    Nothing,
    /// `{data}` and `{etag}`.
    DataAndEtag,
    /// `{found/…}`.
    Found,
}

/// Takes a text apart.
pub(super) fn parse(text: &str, beside: Beside) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((literal, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else {
            return Err(format!("`{text}` has a `{{` without its `}}`"));
        };
        if !literal.is_empty() {
            parts.push(Part::Text(literal.to_owned()));
        }
        let field = Field::parse(name, beside)?;
        parts.push(Part::Field(Named { name: name.to_owned(), field }));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    Ok(parts)
}

/// Puts a text together. `push` adds the value of a field, and is told its name.
pub(super) fn render(
    parts: &[Part],
    source: &Source<'_>,
    mut push: impl FnMut(&mut String, &str, &str) -> Result<(), Failure>,
) -> Result<String, Failure> {
    let mut text = String::with_capacity(96);
    for part in parts {
        match part {
            Part::Text(literal) => text.push_str(literal),
            Part::Field(named) => {
                let value = named.field.text(source)?.ok_or_else(|| named.missing())?;
                push(&mut text, &named.name, &value)?;
            }
        }
    }
    Ok(text)
}

impl Named {
    /// Why there is no value.
    pub(super) fn missing(&self) -> Failure {
        let name = &self.name;
        match &self.field {
            Field::Found(pointer) => Failure::Reply(format!(
                "the record that was found has no text, number or boolean at `{pointer}`"
            )),
            Field::Part(_) => Failure::Event(format!(
                "the event's data has no text, number or boolean at `{name}`, which the settings ask for"
            )),
            _ => Failure::Event(format!("the event has no `{name}`, which the settings ask for")),
        }
    }
}

impl Field {
    fn parse(name: &str, beside: Beside) -> Result<Self, String> {
        let (has_data, has_found) = (beside == Beside::DataAndEtag, beside == Beside::Found);
        Ok(match name {
            "id" => Field::Id,
            "source" => Field::Source,
            "type" => Field::Type,
            "subject" => Field::Subject,
            "key" => Field::Key,
            "data" if has_data => Field::Data,
            "etag" if has_data => Field::Etag,
            _ if name.starts_with('/') => Field::Part(Pointer::parse(name)?),
            _ if name.starts_with("found/") && has_found => {
                Field::Found(Pointer::parse(&name["found".len()..])?)
            }
            _ => match name.strip_prefix("attributes.") {
                Some(attribute) if !attribute.is_empty() => Field::Attribute(attribute.to_owned()),
                _ => {
                    let own = if has_data { "data, etag, " } else { "" };
                    return Err(format!(
                        "`{{{name}}}` is no field of an event: use id, source, type, subject, key, attributes.NAME, {own}or a \
                         JSON pointer such as /policy/id"
                    ));
                }
            },
        })
    }

    /// As text: a number keeps the digits that it was written with. Nothing where the event does not have it, or has
    /// something there that is no text, number or boolean.
    fn text<'source>(
        &'source self,
        source: &'source Source<'_>,
    ) -> Result<Option<Cow<'source, str>>, Failure> {
        let event = source.event;
        let part = |json: Option<&[u8]>, pointer: &Pointer| match json {
            None => Ok(None),
            Some(json) => Ok(pointer.pick(json)?.and_then(|part| scalar_of(part.get())).map(Cow::Owned)),
        };
        Ok(match self {
            Field::Id => Some(Cow::from(&event.id)),
            Field::Source => Some(Cow::from(&event.source)),
            Field::Type => Some(Cow::from(&event.type_)),
            Field::Subject => event.subject.as_deref().map(Cow::from),
            Field::Key => event.key_text()?.map(Cow::from),
            Field::Attribute(name) => event.attribute(name).map(Cow::from),
            Field::Etag => source.etag.as_deref().map(Cow::from),
            Field::Data => part(source.data, &Pointer::whole()).map_err(Failure::not_json)?,
            Field::Part(pointer) => part(source.data, pointer).map_err(Failure::not_json)?,
            Field::Found(pointer) => part(source.found, pointer).map_err(found_is_not_json)?,
        })
    }

    /// As JSON, of whatever type.
    pub(super) fn value(&self, source: &Source<'_>) -> Result<Option<Value>, Failure> {
        Ok(match self {
            Field::Data => Some(source.data()?.clone()),
            // A tombstone has none of it.
            Field::Part(_) if source.data.is_none() => None,
            // What is `null` there is given, and as `null`.
            Field::Part(pointer) => source.data()?.pointer(pointer.as_str()).cloned(),
            _ => self.text(source)?.map(|text| Value::from(text.into_owned())),
        })
    }

    /// May it be left out of JSON?
    pub(super) fn may_be_missing(&self) -> bool {
        matches!(self, Field::Part(_) | Field::Etag)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn found_is_not_json(error: serde_json::Error) -> Failure {
    Failure::Reply(format!("the record that was found is not JSON: {error}"))
}
