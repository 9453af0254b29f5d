//! Text with fields of the event in it, such as `/policies/{key}.pdf`.
//!
//! A template is parsed once an instance. In a path each field stays within its segment, whatever is in it.

use std::borrow::Cow;

use liaison_sdk::failure::Failure;
use liaison_sdk::pointer::Pointer;
use liaison_sdk::push_segment;
use liaison_sdk::text::scalar;
use liaison_sdk::transform::Event;
use liaison_sdk::version::Version;
use serde::Deserialize;
use serde_json::Value;

/// Where the fields are found.
#[derive(Debug)]
pub(crate) struct Source<'delivery> {
    pub(crate) event: &'delivery Event,
    /// What is to be written, which need not be the event's own; nothing for a tombstone.
    pub(crate) data: Option<Value>,
    /// Where the data has its version.
    pub(crate) version: &'delivery Pointer,
}

/// A text with fields in it.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Template(Vec<Part>);

/// Where a document is kept, with fields in it.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct PathTemplate(Vec<Template>);

/// Where a document is kept: names of folders, and its own. None is empty, `.` or `..`, nor has a `/` in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DocumentPath(Vec<String>);

#[derive(Debug, Clone)]
enum Part {
    Text(String),
    Field { name: String, field: Field },
}

#[derive(Debug, Clone)]
enum Field {
    Id,
    Source,
    Type,
    Subject,
    Key,
    Version,
    /// An extension attribute or a header.
    Attribute(String),
    /// A part of the data, by its JSON pointer.
    Data(Pointer),
}

impl Source<'_> {
    /// The value there in the data, unless it is null.
    pub(crate) fn at(&self, pointer: &Pointer) -> Option<&Value> {
        pointer.find(self.data.as_ref()?)
    }

    /// What the event says its version is.
    pub(crate) fn version(&self) -> Result<Version, Failure> {
        Version::of(self.at(self.version)).filter(Version::is_comparable).ok_or_else(|| {
            Failure::Event(format!(
                "the event's data has no text or integer at `{}`, which is its version",
                self.version
            ))
        })
    }
}

impl Template {
    /// The text for one event, or the name of a field that the event does not have.
    pub(crate) fn render(&self, source: &Source<'_>) -> Result<String, &str> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Field { name, field } => text.push_str(&field.value(source).ok_or(name.as_str())?),
            }
        }
        Ok(text)
    }

    /// The pointer, where it is a part of the data and nothing else.
    pub(crate) fn pointer(&self) -> Option<&Pointer> {
        match self.0.as_slice() {
            [Part::Field { field: Field::Data(pointer), .. }] => Some(pointer),
            _ => None,
        }
    }

    fn has_version(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Field { field: Field::Version, .. }))
    }
}

/// For a person: why there is no text.
pub(crate) fn missing(name: &str, source: &Source<'_>) -> Failure {
    let what = match source.data {
        Some(_) if name.starts_with('/') => "the event's data has no text, number or boolean at",
        Some(_) => "the event has no",
        None => "the event is a tombstone and has no",
    };
    Failure::Event(format!("{what} `{name}`, which the settings ask for"))
}

impl PathTemplate {
    /// The path for one event. What could lead elsewhere is refused and not mended: a server may decode a `/` or take `..`
    /// for the folder above, and one document would be written over another.
    pub(crate) fn render(&self, source: &Source<'_>) -> Result<DocumentPath, Failure> {
        let segments = self.0.iter().map(|template| {
            let name = template.render(source).map_err(|name| missing(name, source))?;
            match name.as_str() {
                "" => Err(Failure::Event("a name in the path is empty".to_owned())),
                "." | ".." => {
                    Err(Failure::Event(format!("`{name}` in the path would lead to another folder")))
                }
                text if text.contains(['/', '\\']) || text.contains(char::is_control) => {
                    let why = "a name has no `/`, `\\` or control character";
                    Err(Failure::Event(format!("{text:?} cannot be a name in the path: {why}")))
                }
                _ => Ok(name),
            }
        });
        segments.collect::<Result<_, _>>().map(DocumentPath)
    }

    /// Does each version have a path of its own?
    pub(crate) fn has_version(&self) -> bool {
        self.0.iter().any(Template::has_version)
    }
}

impl DocumentPath {
    /// As a request asks for it, after the connector's endpoint.
    pub(crate) fn url(&self) -> String {
        encoded(&self.0)
    }

    /// The folders that it lies in, the outermost first, each as a request asks for it.
    pub(crate) fn folders(&self) -> Vec<String> {
        (1..self.0.len()).map(|count| encoded(&self.0[..count])).collect()
    }
}

fn encoded(segments: &[String]) -> String {
    let mut url = String::with_capacity(96);
    for segment in segments {
        url.push('/');
        push_segment(&mut url, segment);
    }
    url
}

impl Field {
    fn value<'source>(&self, source: &'source Source<'_>) -> Option<Cow<'source, str>> {
        let event = source.event;
        match self {
            Field::Id => Some(event.id.as_str().into()),
            Field::Source => Some(event.source.as_str().into()),
            Field::Type => Some(event.type_.as_str().into()),
            Field::Subject => event.subject.as_deref().map(Cow::from),
            Field::Key => std::str::from_utf8(event.key.as_deref()?).ok().map(Cow::from),
            Field::Version => source.version().ok().map(|version| version.as_str().to_owned().into()),
            Field::Attribute(attribute) => event.attribute(attribute).map(Cow::from),
            Field::Data(pointer) => scalar(source.at(pointer)?).map(Cow::from),
        }
    }

    fn parse(name: &str) -> Result<Self, String> {
        Ok(match name {
            "id" => Field::Id,
            "source" => Field::Source,
            "type" => Field::Type,
            "subject" => Field::Subject,
            "key" => Field::Key,
            "version" => Field::Version,
            _ if name.starts_with('/') => Field::Data(Pointer::parse(name)?),
            _ => match name.strip_prefix("attributes.") {
                Some(attribute) if !attribute.is_empty() => Field::Attribute(attribute.to_owned()),
                _ => {
                    return Err(format!(
                        "`{{{name}}}` is no field of an event: use id, source, type, subject, key, version, \
                         attributes.NAME, or a JSON pointer such as /policy/id"
                    ));
                }
            },
        })
    }
}

impl TryFrom<String> for Template {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text.as_str();
        while let Some((literal, after)) = rest.split_once('{') {
            let Some((name, after)) = after.split_once('}') else {
                return Err(format!("`{text}` has a `{{` without its `}}`"));
            };
            if !literal.is_empty() {
                parts.push(Part::Text(literal.to_owned()));
            }
            parts.push(Part::Field { name: name.to_owned(), field: Field::parse(name)? });
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }
}

impl TryFrom<String> for PathTemplate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix('/') else {
            return Err(format!("`{text}` must begin with `/`: it follows the connector's endpoint"));
        };
        let segments = segments(rest).into_iter().map(|segment| match segment {
            "" => Err(format!("`{text}` has an empty name in it")),
            "." | ".." => Err(format!("`{text}` would lead to another folder: it has a `.` or `..` in it")),
            name => Template::try_from(name.to_owned()),
        });
        segments.collect::<Result<_, _>>().map(Self)
    }
}

/// Divided at each `/` that is not within a field.
fn segments(path: &str) -> Vec<&str> {
    let mut is_in_field = false;
    let is_end = |character: char| {
        is_in_field = character == '{' || (is_in_field && character != '}');
        character == '/' && !is_in_field
    };
    path.split(is_end).collect()
}

#[cfg(test)]
mod tests;
