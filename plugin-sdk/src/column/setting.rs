//! What a column is filled with, as a setting: `"/title"`, or `{ from = "/title", type = "text" }`.

use std::fmt;

use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::source::Source;
use super::value::Type;

/// Where the value of a column comes from, and of which type it is to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapping {
    pub source: Source,
    pub of: Option<Type>,
}

impl From<Source> for Mapping {
    fn from(source: Source) -> Self {
        Self { source, of: None }
    }
}

impl<'de> Deserialize<'de> for Mapping {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MappingVisitor)
    }
}

struct MappingVisitor;

impl<'de> Visitor<'de> for MappingVisitor {
    type Value = Mapping;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .write_str("where it comes from, such as \"/title\", or { from = \"/title\", type = \"text\" }")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Mapping, E> {
        Ok(Source::parse(text).map_err(E::custom)?.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Mapping, A::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            from: String,
            #[serde(rename = "type")]
            of: Option<Type>,
        }
        let Table { from, of } = Table::deserialize(de::value::MapAccessDeserializer::new(map))?;
        Ok(Mapping { source: Source::parse(&from).map_err(de::Error::custom)?, of })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_source_stands_alone_or_with_a_type() {
        let read = |value| serde_json::from_value::<Mapping>(value);
        assert_eq!(read(json!("/a")).unwrap(), Source::parse("/a").unwrap().into());
        let typed = read(json!({ "from": "{id}", "type": "bytes" })).unwrap();
        assert_eq!((typed.source, typed.of), (Source::Id, Some(Type::Bytes)));
        for (wrong, part) in [
            (json!({ "from": "/a", "typ": "text" }), "unknown field `typ`"),
            (json!({ "from": "/a", "type": "date" }), "unknown variant `date`"),
            (json!({ "from": "a" }), "`a` is no part of an event"),
            (json!(7), "where it comes from"),
        ] {
            let error = read(wrong).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
