//! Text with fields of the event in it, such as `/policies/{subject}/{/version}`.
//!
//! A template is parsed once an instance. A field that an event does not have rejects the event: a request to
//! a path that misses a part would change something else.

use liaison_sdk::failure::Failure;
use liaison_sdk::push_segment;
use liaison_sdk::transform::Event;
use serde::Deserialize;

use crate::pointer::Pointer;

/// Where the fields are found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'delivery> {
    pub(crate) event: &'delivery Event,
    /// What is to be written, which need not be the event's own data.
    pub(crate) data: Option<&'delivery [u8]>,
    /// The record that a lookup has found, as JSON.
    pub(crate) found: Option<&'delivery [u8]>,
}

/// A path, and a query if it has one. Each field is percent-encoded, so it stays within its segment.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct PathTemplate(Vec<Part>);

/// The value of a header.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct HeaderTemplate(Vec<Part>);

#[derive(Debug)]
enum Part {
    Text(String),
    Field { name: String, field: Field },
}

#[derive(Debug)]
enum Field {
    Id,
    Source,
    Type,
    Subject,
    Key,
    /// An extension attribute or a header.
    Attribute(String),
    /// A part of the data, which is JSON.
    Data(Pointer),
    /// A part of the record that a lookup has found.
    Found(Pointer),
}

impl PathTemplate {
    /// Is it made from the record that a lookup finds?
    pub(crate) fn needs_found(&self) -> bool {
        self.0.iter().any(Part::is_found)
    }

    /// The path for one event.
    ///
    /// An empty field is refused, and so are `.` and `..` as segments: whatever they are encoded as, a server
    /// may take the path for another one, and a `DELETE` of one thing would become that of all.
    pub(crate) fn render(&self, source: &Source<'_>) -> Result<String, Failure> {
        let mut path = String::with_capacity(96);
        render(&self.0, source, &mut path, |path, name, value| {
            if value.is_empty() {
                return Err(Failure::Event(format!("`{name}` is empty, and the path needs it")));
            }
            push_segment(path, value);
            Ok(())
        })?;
        let segments = path.split('?').next().unwrap_or_default();
        if segments.split('/').any(|segment| matches!(segment, "." | "..")) {
            return Err(Failure::Event(format!(
                "`{path}` would lead to another path: it has a `.` or `..` in it"
            )));
        }
        Ok(path)
    }
}

impl Part {
    fn is_found(&self) -> bool {
        matches!(self, Part::Field { field: Field::Found(_), .. })
    }
}

impl HeaderTemplate {
    /// The value for one event.
    pub(crate) fn render(&self, source: &Source<'_>) -> Result<String, Failure> {
        let mut text = String::new();
        render(&self.0, source, &mut text, |text, _, value| {
            text.push_str(value);
            Ok(())
        })?;
        Ok(text)
    }
}

fn render(
    parts: &[Part],
    source: &Source<'_>,
    text: &mut String,
    push: impl Fn(&mut String, &str, &str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    for part in parts {
        match part {
            Part::Text(literal) => text.push_str(literal),
            Part::Field { name, field } => {
                field.with_value(source, |value| push(text, name, value.ok_or_else(|| missing(name))?))?;
            }
        }
    }
    Ok(())
}

fn missing(name: &str) -> Failure {
    if let Some(pointer) = name.strip_prefix("found") {
        return Failure::Reply(format!(
            "the record that was found has no text, number or boolean at `{pointer}`"
        ));
    }
    let what = if name.starts_with('/') { "'s data has no text, number or boolean at" } else { " has no" };
    Failure::Event(format!("the event{what} `{name}`, which the settings ask for"))
}

impl Field {
    /// Calls with the field's text, or with nothing.
    fn with_value(
        &self,
        source: &Source<'_>,
        call: impl FnOnce(Option<&str>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let event = source.event;
        match self {
            Field::Id => call(Some(&event.id)),
            Field::Source => call(Some(&event.source)),
            Field::Type => call(Some(&event.type_)),
            Field::Subject => call(event.subject.as_deref()),
            Field::Key => {
                let text = event.key.as_deref().map(std::str::from_utf8).transpose();
                call(text.map_err(|_| Failure::Event("the event's key is not UTF-8 text".to_owned()))?)
            }
            Field::Attribute(name) => call(event.attribute(name)),
            Field::Data(pointer) => {
                let part = source.data.map(|data| pointer.pick(data)).transpose()?.flatten();
                call(part.and_then(|part| scalar(part.get())).as_deref())
            }
            Field::Found(pointer) => {
                let part = source.found.map(|found| pointer.pick(found)).transpose()?.flatten();
                call(part.and_then(|part| scalar(part.get())).as_deref())
            }
        }
    }
}

/// The text of a JSON string, number or boolean.
pub(crate) fn scalar(json: &str) -> Option<String> {
    match json.as_bytes().first()? {
        b'"' => serde_json::from_str(json).ok(),
        b'{' | b'[' | b'n' => None,
        _ => Some(json.to_owned()),
    }
}

impl TryFrom<String> for PathTemplate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if !text.starts_with('/') {
            return Err(format!("`{text}` must begin with `/`: it follows the connector's endpoint"));
        }
        parse(&text).map(Self)
    }
}

impl TryFrom<String> for HeaderTemplate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let parts = parse(&text)?;
        if parts.iter().any(Part::is_found) {
            return Err(format!("`{text}`: `{{found/…}}` stands in `path` alone"));
        }
        Ok(Self(parts))
    }
}

fn parse(text: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((literal, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else {
            return Err(format!("`{text}` has a `{{` without its `}}`"));
        };
        if !literal.is_empty() {
            parts.push(Part::Text(literal.to_owned()));
        }
        parts.push(Part::Field { name: name.to_owned(), field: field(name)? });
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    Ok(parts)
}

fn field(name: &str) -> Result<Field, String> {
    Ok(match name {
        "id" => Field::Id,
        "source" => Field::Source,
        "type" => Field::Type,
        "subject" => Field::Subject,
        "key" => Field::Key,
        _ if name.starts_with('/') => Field::Data(Pointer::parse(name)?),
        _ if name.starts_with("found/") => Field::Found(Pointer::parse(&name["found".len()..])?),
        _ => match name.strip_prefix("attributes.") {
            Some(attribute) if !attribute.is_empty() => Field::Attribute(attribute.to_owned()),
            _ => {
                return Err(format!(
                    "`{{{name}}}` is no field of an event: use id, source, type, subject, key, attributes.NAME, or a JSON \
                     pointer such as /policy/id"
                ));
            }
        },
    })
}
