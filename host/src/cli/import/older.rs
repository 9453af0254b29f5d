//! The older files as they are: one JSON object of objects, in their order, with nothing said twice.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use crate::cli::failure::Failure;
use crate::cli::input::Input;

/// One file.
#[derive(Debug)]
pub(super) struct Older {
    /// As the report calls it.
    pub(super) name: String,
    pub(super) entries: Vec<(String, Entry)>,
}

/// One member of the file.
#[derive(Debug)]
pub(super) enum Entry {
    Members(Vec<(String, Value)>),
    /// Something else than an object.
    Other,
}

impl Older {
    pub(super) fn read(input: &Input) -> Result<Self, Failure> {
        let text = input.text()?;
        Self::parse(&name(input), &text).map_err(Failure::Usage)
    }

    pub(super) fn parse(name: &str, text: &str) -> Result<Self, String> {
        // Editors of some systems begin a file with a mark of its order of bytes.
        let text = text.trim_start_matches('\u{feff}');
        let Members(entries) = serde_json::from_str(text).map_err(|error| {
            format!("{name} is not one of the older files: {error}; they are a JSON object of objects")
        })?;
        Ok(Self { name: name.to_owned(), entries })
    }
}

/// Without its folder.
fn name(input: &Input) -> String {
    match input {
        Input::Stdin => "stdin".to_owned(),
        Input::File(path) => {
            path.file_name().map_or_else(|| input.to_string(), |name| name.to_string_lossy().into_owned())
        }
    }
}

/// The members of an object in their order; the same name twice is an error.
struct Members<T>(Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Members<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for MembersVisitor<T> {
            type Value = Members<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members: Vec<(String, T)> = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if members.iter().any(|(known, _)| *known == name) {
                        return Err(serde::de::Error::custom(format!("`{name}` stands there twice")));
                    }
                    members.push((name, map.next_value()?));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(MembersVisitor(std::marker::PhantomData))
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Text first: what is no object is reported with its name, and not as a mistake of the file.
        let raw: Box<serde_json::value::RawValue> = Deserialize::deserialize(deserializer)?;
        if !raw.get().starts_with('{') {
            return Ok(Entry::Other);
        }
        let Members(members) = serde_json::from_str(raw.get()).map_err(serde::de::Error::custom)?;
        Ok(Entry::Members(members))
    }
}

/// A member's name without what tells `maxRetries`, `max_retries` and `max-retries` apart.
pub(super) fn plain(name: &str) -> String {
    name.chars().filter(|character| !matches!(character, '-' | '_')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_order_and_are_said_once() {
        let older = Older::parse("a.json", "\u{feff}{\"z\": {\"b\": 1, \"a\": 2}, \"c\": 7}").unwrap();
        let [(z, Entry::Members(members)), (_, Entry::Other)] = &older.entries[..] else {
            panic!("{older:?}")
        };
        let names: Vec<_> = members.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!((z.as_str(), names), ("z", vec!["b", "a"]));
        for (text, said) in [
            ("[]", "a.json is not one of the older files: invalid type: sequence, expected an object"),
            ("{\"a\": {}, \"a\": {}}", "`a` stands there twice"),
            ("{\"a\": {\"b\": 1, \"b\": 2}}", "`b` stands there twice"),
            ("{", "EOF while parsing"),
        ] {
            let error = Older::parse("a.json", text).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn names_are_the_same_however_they_are_written() {
        assert_eq!(
            ["maxRetries", "max_retries", "Max-Retries"].map(plain),
            ["maxretries"; 3].map(str::to_owned)
        );
    }
}
