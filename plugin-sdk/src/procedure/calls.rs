//! The settings of calls: which there are, and where in data and answers things stand.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::When;
use crate::pointer::Pointer;

/// The keys of [`Calls`].
const KEYS: [&str; 10] = [
    "write",
    "create",
    "delete",
    "deletes",
    "types",
    "lookup",
    "version",
    "etag",
    "external-id",
    "timeout-ms",
];
/// Those of [`Lookup`] that are not its call's.
const LOOKUP_KEYS: [&str; 2] = ["current", "when"];

/// The settings of calls. `C` is one call: as it is written at first, and as it is used after [`Calls::try_map`].
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", bound = "C: DeserializeOwned")]
pub struct Calls<C> {
    /// Of an event with data.
    pub write: C,
    /// Where nothing is there yet; without it `write` does that too.
    pub create: Option<C>,
    /// Of an event that deletes; without it such events are rejected.
    pub delete: Option<C>,
    /// Events of these types delete, although they have data.
    #[serde(default)]
    pub deletes: Vec<String>,
    /// By event type, in the place of `write`.
    #[serde(default = "BTreeMap::new")]
    pub types: BTreeMap<String, C>,
    pub lookup: Option<Lookup<C>>,
    /// The version in the event's data and in what the external system holds: times (RFC 3339) or whole numbers.
    #[serde(default = "Pointer::updated_at")]
    pub version: Pointer,
    /// In an answer: what a change has to name, so that nothing else is overwritten.
    #[serde(default, deserialize_with = "optional_place")]
    pub etag: Option<Pointer>,
    /// In the answer to a change: what the external system calls it.
    #[serde(default, deserialize_with = "optional_place")]
    pub external_id: Option<Pointer>,
    /// How long one call may take.
    #[serde(default, rename = "timeout-ms", deserialize_with = "milliseconds")]
    pub timeout: Option<Duration>,
}

/// The call that shows what the external system holds.
#[derive(Debug, Clone)]
pub struct Lookup<C> {
    pub call: C,
    /// In its answer: what is held, in the shape of the event's data.
    pub current: Pointer,
    pub when: When,
}

impl<C: DeserializeOwned> Calls<C> {
    /// Reads one table of settings as two: those of calls, and those of the protocol, which has no key of a call's.
    ///
    /// # Errors
    ///
    /// What is wrong, behind the key.
    pub fn read_beside<'de, Own: DeserializeOwned, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<(Self, Own), D::Error> {
        read_as_two(deserializer, &KEYS)
    }
}

impl<C> Calls<C> {
    /// The same with other calls, each made of one by its key in the settings, such as `types.room.moved`.
    ///
    /// # Errors
    ///
    /// The first error of `make`.
    pub fn try_map<D, E>(self, mut make: impl FnMut(&str, C) -> Result<D, E>) -> Result<Calls<D>, E> {
        let types = self.types.into_iter();
        Ok(Calls {
            write: make("write", self.write)?,
            create: self.create.map(|call| make("create", call)).transpose()?,
            delete: self.delete.map(|call| make("delete", call)).transpose()?,
            deletes: self.deletes,
            types: types
                .map(|(kind, call)| Ok((kind.clone(), make(&format!("types.{kind}"), call)?)))
                .collect::<Result<_, E>>()?,
            lookup: match self.lookup {
                Some(Lookup { call, current, when }) => {
                    Some(Lookup { call: make("lookup", call)?, current, when })
                }
                None => None,
            },
            version: self.version,
            etag: self.etag,
            external_id: self.external_id,
            timeout: self.timeout,
        })
    }
}

impl<'de, C: DeserializeOwned> Deserialize<'de> for Lookup<C> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Own {
            #[serde(default = "Pointer::whole", deserialize_with = "place")]
            current: Pointer,
            #[serde(default)]
            when: When,
        }
        let (Own { current, when }, call) = read_as_two(deserializer, &LOOKUP_KEYS)?;
        Ok(Self { call, current, when })
    }
}

/// Reads one table as two, the first of which has these keys. (`flatten` would do it, and lose the keys of errors.)
fn read_as_two<'de, One: DeserializeOwned, Other: DeserializeOwned, D: Deserializer<'de>>(
    deserializer: D,
    keys: &[&str],
) -> Result<(One, Other), D::Error> {
    let (one, other): (Map<_, _>, Map<_, _>) =
        Map::deserialize(deserializer)?.into_iter().partition(|(key, _)| keys.contains(&key.as_str()));
    let other = read(other).map_err(|error| match error.starts_with_unknown {
        true => D::Error::custom(format!("{}, or `{}`", error.text, keys.join("`, `"))),
        false => D::Error::custom(error.text),
    });
    Ok((read(one).map_err(|error| D::Error::custom(error.text))?, other?))
}

struct Mistake {
    text: String,
    /// It is a key of the table itself that nobody knows, so that all others are to be told.
    starts_with_unknown: bool,
}

fn read<T: DeserializeOwned>(table: Map<String, Value>) -> Result<T, Mistake> {
    serde_path_to_error::deserialize(Value::Object(table)).map_err(|error| {
        let depth = error.path().iter().count();
        let path = error.path().to_string();
        let why = error.into_inner().to_string();
        let starts_with_unknown = depth <= 1 && why.starts_with("unknown field");
        let text = if depth == 0 { why } else { format!("{path}: {why}") };
        Mistake { text, starts_with_unknown }
    })
}

/// A pointer, or nothing for the whole answer: some are a single text.
fn place<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Pointer, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "" => Ok(Pointer::whole()),
        text => Pointer::parse(text).map_err(D::Error::custom),
    }
}

fn optional_place<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Pointer>, D::Error> {
    #[derive(Deserialize)]
    struct Place(#[serde(deserialize_with = "place")] Pointer);
    Ok(Option::<Place>::deserialize(deserializer)?.map(|Place(pointer)| pointer))
}

fn milliseconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_millis))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Written {
        method: String,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
    struct Own {
        unknown_fields: bool,
        metadata: BTreeMap<String, u8>,
    }

    fn parse(settings: Value) -> Result<(Calls<Written>, Own), String> {
        Calls::read_beside(settings).map_err(|error: serde_json::Error| error.to_string())
    }

    #[test]
    fn one_table_has_the_settings_of_calls_and_of_the_protocol() {
        let call = |method: &str| json!({ "method": method });
        let (calls, own) = parse(json!({
            "write": call("put"), "create": call("make"), "delete": call("drop"), "deletes": ["a.closed"],
            "types": { "a.b": call("move") }, "version": "/at", "etag": "", "external-id": "/name", "timeout-ms": 5,
            "lookup": { "method": "get", "current": "/room", "when": "conflict" }, "unknown-fields": true,
        }))
        .unwrap();
        assert_eq!(own, Own { unknown_fields: true, metadata: BTreeMap::new() });
        let mut keys = Vec::new();
        let calls = calls.try_map(|key, Written { method }| {
            keys.push(format!("{key} {method}"));
            Ok::<_, String>(method)
        });
        let calls = calls.unwrap();
        assert_eq!(keys, ["write put", "create make", "delete drop", "types.a.b move", "lookup get"]);
        assert_eq!((calls.write.as_str(), calls.deletes.as_slice()), ("put", &["a.closed".to_owned()][..]));
        assert_eq!((calls.version.as_str(), calls.etag), ("/at", Some(Pointer::whole())));
        assert_eq!(
            (calls.external_id.unwrap().as_str(), calls.timeout),
            ("/name", Some(Duration::from_millis(5)))
        );
        let lookup = calls.lookup.unwrap();
        assert_eq!((lookup.current.as_str(), lookup.when), ("/room", When::Conflict));
    }

    #[test]
    fn what_is_not_set_is_as_usual() {
        let (calls, own) =
            parse(json!({ "write": { "method": "put" }, "lookup": { "method": "get" } })).unwrap();
        assert_eq!((own, calls.version), (Own::default(), Pointer::updated_at()));
        assert_eq!((calls.etag, calls.external_id, calls.timeout), (None, None, None));
        let lookup = calls.lookup.unwrap();
        assert_eq!((lookup.current, lookup.when), (Pointer::whole(), When::Before));
    }

    #[test]
    fn a_mistake_is_named_by_its_key() {
        let with = |more: Value| {
            let mut settings = json!({ "write": { "method": "put" } });
            settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            parse(settings).unwrap_err()
        };
        for (settings, expected) in [
            (
                json!({ "wriet": {} }),
                "wriet: unknown field `wriet`, expected `unknown-fields` or `metadata`, or `write`, `create`",
            ),
            (json!({ "write": {} }), "write: missing field `method`"),
            (
                json!({ "types": { "a": { "mode": 1 } } }),
                "types.a.mode: unknown field `mode`, expected `method`",
            ),
            (
                json!({ "lookup": { "method": "get", "whn": 1 } }),
                "lookup: whn: unknown field `whn`, expected `method`, or `current`, `when`",
            ),
            (
                json!({ "lookup": { "method": "get", "when": "never" } }),
                "lookup: when: unknown variant `never`",
            ),
            (json!({ "etag": "etag" }), "etag: `etag` is no JSON pointer: it must begin with `/`"),
            (json!({ "version": "" }), "version: `` is no JSON pointer"),
            (json!({ "metadata": { "a": "b" } }), "metadata.a: invalid type: string \"b\""),
        ] {
            let error = with(settings);
            assert!(error.starts_with(expected), "{error}");
        }
        assert_eq!(parse(json!({})).unwrap_err(), "missing field `write`");
    }
}
