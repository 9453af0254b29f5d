//! Text and JSON with fields of the event in them, such as `urn:room:{subject}` or `{ "name": "{key}", "seats": "{/seats}" }`.
//!
//! A template is a setting: it is parsed once an instance, and a field that no event has is a mistake in the settings.
//!
//! | field | is |
//! |---|---|
//! | `{id}`, `{source}`, `{type}`, `{subject}` | the event's |
//! | `{key}` | the Kafka key, as text |
//! | `{attributes.NAME}` | an extension attribute or a record header |
//! | `{data}` | all of the data, which is JSON |
//! | `{/policy/id}` | a part of the data, by its JSON pointer (RFC 6901) |
//! | `{etag}` | the version that the external system holds, where it is known |

use std::cell::OnceCell;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::failure::Failure;
use crate::outcome::Delivery;
pub use crate::text::scalar;
use crate::transform::Event;

/// Where the fields of a template are found.
#[derive(Debug)]
pub struct Source<'delivery> {
    event: &'delivery Event,
    data: Option<&'delivery [u8]>,
    etag: Option<String>,
    json: OnceCell<Value>,
}

impl<'delivery> Source<'delivery> {
    /// The event, with what is to be written ([`Delivery::data`]) over which version ([`Delivery::version`]).
    pub fn new(delivery: &'delivery Delivery) -> Self {
        Self {
            event: &delivery.event,
            data: delivery.data(),
            etag: delivery.version().map(str::to_owned),
            json: OnceCell::new(),
        }
    }

    /// The same, with this as `{etag}`.
    #[must_use]
    pub fn with_etag(self, etag: Option<String>) -> Self {
        Self { etag, ..self }
    }

    /// The data as JSON, read once.
    ///
    /// # Errors
    ///
    /// [`Failure::Event`] where there is none (a tombstone), or it is not JSON.
    pub fn data(&self) -> Result<&Value, Failure> {
        if let Some(json) = self.json.get() {
            return Ok(json);
        }
        let data =
            self.data.ok_or_else(|| Failure::Event("the event has no data: it is a tombstone".to_owned()))?;
        let json = crate::json::parse(data).map_err(Failure::not_json)?;
        Ok(self.json.get_or_init(|| json))
    }
}

/// Text with fields in it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct TextTemplate(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Field { name: String, field: Field },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Field {
    Id,
    Source,
    Type,
    Subject,
    Key,
    Attribute(String),
    Data,
    Pointer(String),
    Etag,
}

impl TextTemplate {
    /// The text for one event, each field put through `escape`.
    ///
    /// # Errors
    ///
    /// [`Failure::Event`] where the event has no such field, or something that is no text, number or boolean there.
    pub fn render(&self, source: &Source<'_>, escape: impl Fn(&str) -> String) -> Result<String, Failure> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Field { name, field } => {
                    let value = field.value(source)?.and_then(|value| scalar(&value));
                    text.push_str(&escape(&value.ok_or_else(|| missing(name))?));
                }
            }
        }
        Ok(text)
    }
}

impl TextTemplate {
    /// The text with this in the place of each field: to see whether it is what it is meant to be, whatever the event.
    pub fn with_each(&self, value: &str) -> String {
        let parts = self.0.iter().map(|part| match part {
            Part::Text(literal) => literal.as_str(),
            Part::Field { .. } => value,
        });
        parts.collect()
    }
}

fn missing(name: &str) -> Failure {
    let what = if name.starts_with('/') { "'s data has no text, number or boolean at" } else { " has no" };
    Failure::Event(format!("the event{what} `{name}`, which the settings ask for"))
}

impl Field {
    /// Nothing where the event does not have it.
    fn value(&self, source: &Source<'_>) -> Result<Option<Value>, Failure> {
        let event = source.event;
        let text = |text: &str| Some(Value::from(text));
        Ok(match self {
            Field::Id => text(&event.id),
            Field::Source => text(&event.source),
            Field::Type => text(&event.type_),
            Field::Subject => event.subject.as_deref().and_then(text),
            Field::Key => event.key_text()?.and_then(text),
            Field::Attribute(name) => event.attribute(name).and_then(text),
            Field::Data => Some(source.data()?.clone()),
            // A tombstone has none of it.
            Field::Pointer(_) if source.data.is_none() => None,
            Field::Pointer(pointer) => source.data()?.pointer(pointer).cloned(),
            Field::Etag => source.etag.as_deref().and_then(text),
        })
    }

    fn may_be_missing(&self) -> bool {
        matches!(self, Field::Pointer(_) | Field::Etag)
    }
}

/// JSON whose texts are templates. A text that is one field and nothing else is that field's value, of whatever type; in
/// an object or a list it is left out where the data has no such part, and where no version is known.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonTemplate(Node);

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Literal(Value),
    Text(TextTemplate),
    Field { name: String, field: Field },
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl JsonTemplate {
    /// The JSON for one event.
    ///
    /// # Errors
    ///
    /// [`Failure::Event`] as [`TextTemplate::render`].
    pub fn build(&self, source: &Source<'_>) -> Result<Value, Failure> {
        Ok(self.0.build(source)?.unwrap_or(Value::Null))
    }
}

impl Node {
    fn parse(value: Value) -> Result<Self, String> {
        Ok(match value {
            Value::String(text) => match <[Part; 1]>::try_from(TextTemplate::try_from(text)?.0) {
                Ok([Part::Field { name, field }]) => Node::Field { name, field },
                Ok([Part::Text(literal)]) => Node::Literal(literal.into()),
                Err(parts) => Node::Text(TextTemplate(parts)),
            },
            Value::Array(values) => {
                Node::List(values.into_iter().map(Node::parse).collect::<Result<_, _>>()?)
            }
            Value::Object(map) => {
                let entries = map.into_iter();
                let entries = entries.map(|(key, value)| match Node::parse(value) {
                    Ok(node) => Ok((key, node)),
                    Err(error) => Err(format!("{key}: {error}")),
                });
                Node::Object(entries.collect::<Result<_, _>>()?)
            }
            literal @ (Value::Null | Value::Bool(_) | Value::Number(_)) => Node::Literal(literal),
        })
    }

    fn build(&self, source: &Source<'_>) -> Result<Option<Value>, Failure> {
        Ok(match self {
            Node::Literal(value) => Some(value.clone()),
            Node::Text(template) => Some(template.render(source, str::to_owned)?.into()),
            Node::Field { name, field } => match field.value(source)? {
                None if !field.may_be_missing() => return Err(missing(name)),
                value => value,
            },
            Node::List(nodes) => {
                let mut values = Vec::with_capacity(nodes.len());
                for node in nodes {
                    values.extend(node.build(source)?);
                }
                Some(values.into())
            }
            Node::Object(entries) => {
                let mut map = Map::new();
                for (key, node) in entries {
                    if let Some(value) = node.build(source)? {
                        map.insert(key.clone(), value);
                    }
                }
                Some(map.into())
            }
        })
    }
}

impl<'de> Deserialize<'de> for JsonTemplate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Node::parse(value).map(Self).map_err(serde::de::Error::custom)
    }
}

impl TryFrom<String> for TextTemplate {
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
            parts.push(Part::Field { name: name.to_owned(), field: field(name)? });
            rest = after;
        }
        if !rest.is_empty() || parts.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }
}

fn field(name: &str) -> Result<Field, String> {
    Ok(match name {
        "id" => Field::Id,
        "source" => Field::Source,
        "type" => Field::Type,
        "subject" => Field::Subject,
        "key" => Field::Key,
        "data" => Field::Data,
        "etag" => Field::Etag,
        _ if name.starts_with('/') => Field::Pointer(name.to_owned()),
        _ => match name.strip_prefix("attributes.") {
            Some(attribute) if !attribute.is_empty() => Field::Attribute(attribute.to_owned()),
            _ => {
                return Err(format!(
                    "`{{{name}}}` is no field of an event: use id, source, type, subject, key, attributes.NAME, data, etag, or a \
                     JSON pointer such as /policy/id"
                ));
            }
        },
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::outcome::{Merged, Resolution};
    use crate::testing::{self, EventBuilder};

    fn event() -> EventBuilder {
        let data = json!({ "title": "A & B", "seats": 7, "tags": ["x"], "none": null, "a/b": { "c": true } });
        testing::event("room.changed")
            .id("e-1")
            .subject("r/1")
            .key("k")
            .attribute("tenant", "north")
            .data(data)
    }

    fn text(template: &str, delivery: EventBuilder) -> Result<String, Failure> {
        let delivery = delivery.into();
        let template = TextTemplate::try_from(template.to_owned()).unwrap();
        template.render(&Source::new(&delivery), |text| text.replace('&', "&amp;"))
    }

    fn built(template: Value, delivery: EventBuilder) -> Result<Value, Failure> {
        let delivery = delivery.into();
        serde_json::from_value::<JsonTemplate>(template).unwrap().build(&Source::new(&delivery))
    }

    #[test]
    fn text_has_each_field_escaped() {
        for (template, expected) in [
            ("", ""),
            ("{id} {source} {type} {subject} {key}", "e-1 /test room.changed r/1 k"),
            ("{attributes.tenant}&{/title}/{/seats}{/a~1b/c}", "north&A &amp; B/7true"),
            ("{data}x", "the event has no `data`, which the settings ask for"),
            (
                "{/tags}x",
                "the event's data has no text, number or boolean at `/tags`, which the settings ask for",
            ),
            (
                "{/none}",
                "the event's data has no text, number or boolean at `/none`, which the settings ask for",
            ),
            ("{etag}", "the event has no `etag`, which the settings ask for"),
        ] {
            let found = text(template, event()).unwrap_or_else(|failure| failure.to_string());
            assert_eq!(found, expected, "{template}");
        }
        assert_eq!(
            text("{key}", event().key([0xff])).unwrap_err().to_string(),
            "the event's key is not UTF-8 text"
        );
    }

    #[test]
    fn a_template_can_be_looked_at_without_an_event() {
        let template = TextTemplate::try_from("<a>{id}{/b}</a>".to_owned()).unwrap();
        assert_eq!(template.with_each("x"), "<a>xx</a>");
    }

    #[test]
    fn json_has_the_values_of_its_fields_and_leaves_out_what_is_not_there() {
        let template = json!({
            "all": "{data}", "seats": "{/seats}", "none": "{/none}", "missing": "{/missing}", "etag": "{etag}",
            "name": "rooms/{key}", "plain": "x", "deep": { "list": [1, "{/tags}", "{/missing}"] }, "yes": true,
        });
        let data: Value =
            serde_json::from_slice(&crate::outcome::Delivery::from(event()).event.data.unwrap()).unwrap();
        let expected = json!({
            "all": data, "seats": 7, "none": null, "name": "rooms/k", "plain": "x",
            "deep": { "list": [1, ["x"]] }, "yes": true,
        });
        assert_eq!(built(template, event()).unwrap(), expected);
        let gone = testing::event("t").tombstone();
        assert_eq!(built(json!({ "a": "{/seats}", "b": 1 }), gone.clone()).unwrap(), json!({ "b": 1 }));
        for (template, delivery, expected) in [
            ("{data}", gone, "the event has no data: it is a tombstone"),
            ("{subject}", testing::event("t"), "the event has no `subject`, which the settings ask for"),
            (
                "{data}",
                testing::event("t").bytes("<x/>", None),
                "the event's data is not JSON: expected value",
            ),
        ] {
            let error = built(template.into(), delivery).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{template}: {error}");
        }
    }

    #[test]
    fn what_was_merged_is_the_data_and_the_version_is_that_of_the_decision() {
        let merged = Merged { data: b"{\"seats\":8}".to_vec(), version: Some("v7".to_owned()) };
        let found = built(json!(["{/seats}", "{etag}"]), event().resolution(Resolution::Merged(merged)));
        assert_eq!(found.unwrap(), json!([8, "v7"]));
        let delivery = event().into();
        let source = Source::new(&delivery).with_etag(Some("v8".to_owned()));
        let template: JsonTemplate = serde_json::from_value(json!("{etag}")).unwrap();
        assert_eq!(template.build(&source).unwrap(), "v8");
    }

    #[test]
    fn a_mistake_is_named() {
        for (template, expected) in [
            (json!("{id"), "`{id` has a `{` without its `}`"),
            (json!({ "a": ["{name}"] }), "a: `{name}` is no field of an event: use id, "),
            (json!("{attributes.}"), "`{attributes.}` is no field of an event"),
        ] {
            let error = serde_json::from_value::<JsonTemplate>(template).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
