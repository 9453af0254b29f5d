//! JSON with fields in it.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::field::{Named, Part};
use super::{Source, TextTemplate, Uses};
use crate::failure::Failure;

/// JSON whose texts are templates. A text that is one field and nothing else is that field's value, of whatever type; in
/// an object or a list it is left out where the data has no such part, and where no version is known.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonTemplate(Node);

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Literal(Value),
    Text(TextTemplate),
    Field(Named),
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

    /// What it is made of.
    pub fn uses(&self) -> Uses {
        let mut uses = Uses::default();
        self.0.add_to(&mut uses);
        uses
    }
}

impl Node {
    fn add_to(&self, uses: &mut Uses) {
        match self {
            Node::Literal(_) => {}
            Node::Text(template) => uses.etag |= template.uses().etag,
            Node::Field(named) => uses.add(&named.field),
            Node::List(nodes) => nodes.iter().for_each(|node| node.add_to(uses)),
            Node::Object(entries) => entries.iter().for_each(|(_, node)| node.add_to(uses)),
        }
    }

    fn parse(value: Value) -> Result<Self, String> {
        Ok(match value {
            Value::String(text) => match <[Part; 1]>::try_from(TextTemplate::try_from(text)?.0) {
                Ok([Part::Field(named)]) => Node::Field(named),
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
            Node::Field(named) => match named.field.value(source)? {
                None if !named.field.may_be_missing() => return Err(named.missing()),
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
