//! What follows from what the repository holds. Pure; who wins a conflict is the host's to say.

use std::cmp::Ordering;

use liaison_sdk::prelude::*;
use serde_json::{Map, Number, Value};

use crate::document::Digest;
use crate::settings::Settings;
use crate::template::Source;
use crate::version::Version;
use crate::wanted::{Held, Wanted};

/// What follows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// Document, metadata and version are there.
    AlreadyThere,
    /// It is to be written; where the content is there already, that need not be sent.
    Write { is_same_content: bool, is_same_metadata: bool },
    /// The host decides, for this reason.
    Conflict(String),
}

/// Compares what an event wants with what is there.
pub(crate) fn judge(wanted: &Wanted, sha256: &Digest, held: &Held) -> Judgement {
    let is_same_content = held.digest() == Some(sha256);
    let is_same_metadata = held.is_same_metadata(wanted);
    let write = Judgement::Write { is_same_content, is_same_metadata };
    let conflict = |why: String| Judgement::Conflict(format!("{}: {why}", wanted.path.url()));
    let Some(record) = &held.record else {
        return match held.is_foreign() && !is_same_content {
            true => conflict("it holds what was not delivered here".to_owned()),
            false => write,
        };
    };
    let (version, wanted) = (&record.version, &wanted.version);
    match version.compare(wanted) {
        None => conflict(format!("it holds version {version}, which cannot be compared with {wanted}")),
        Some(Ordering::Greater) => {
            conflict(format!("it holds version {version}, which is newer than {wanted}"))
        }
        _ if held.is_foreign() && !is_same_content => {
            conflict("someone else has changed it since".to_owned())
        }
        Some(Ordering::Less) => write,
        Some(Ordering::Equal) if held.is_begun() => write,
        Some(Ordering::Equal) if is_same_content && is_same_metadata => Judgement::AlreadyThere,
        Some(Ordering::Equal) => {
            conflict(format!("it holds version {version} already, and it is another one"))
        }
    }
}

impl Held {
    /// Has all that is wanted? What a repository keeps of older metadata is not asked for.
    fn is_same_metadata(&self, wanted: &Wanted) -> bool {
        wanted.metadata.iter().all(|(name, value)| self.metadata.get(name) == Some(value))
    }

    /// As the outcome that asks the host to decide.
    pub(crate) fn conflict(&self, settings: &Settings, source: &Source<'_>, reason: String) -> Outcome {
        Outcome::conflict(self.etag.clone(), Some(self.current(settings, source)), reason)
    }

    /// What is there in the shape of the event, as far as it can be told: its version, its metadata where they are single
    /// parts of the data, its checksum. What someone else has changed has no version; where versions are times, the time
    /// of the change stands for it.
    fn current(&self, settings: &Settings, source: &Source<'_>) -> Vec<u8> {
        let mut current = Value::Object(Map::new());
        let written =
            self.record.as_ref().filter(|_| !self.is_changed()).map(|record| record.version.as_str());
        let of_event = source.at(&settings.version);
        let is_counted = of_event.is_some_and(Value::is_number);
        let version = written.or(self.modified.as_deref().filter(|_| !is_counted));
        if let Some(version) = version {
            put(&mut current, &settings.version, like(version, of_event));
        }
        for (name, template) in &settings.metadata {
            if let (Some(pointer), Some(value)) = (template.pointer(), self.metadata.get(name)) {
                put(&mut current, pointer, like(value, source.at(pointer)));
            }
        }
        if let (Some(pointer), Some(sha256)) = (&settings.document.sha256, self.digest()) {
            put(&mut current, pointer, sha256.hex().into());
        }
        current.to_string().into_bytes()
    }

    /// Is it from an event that happened after this one?
    pub(crate) fn is_newer_than(&self, event_time: Option<&str>) -> bool {
        let held = self.record.as_ref().and_then(|record| record.event_time.as_deref());
        let order =
            held.zip(event_time).and_then(|(held, event)| Version::kept(held).compare(&Version::kept(event)));
        order == Some(Ordering::Greater)
    }
}

/// A text as the kind of value that the event has in its place; an integer where the event has none and it is one.
fn like(text: &str, of_event: Option<&Value>) -> Value {
    let number = || text.parse::<Number>().ok().map(Value::Number);
    let value = match of_event {
        Some(Value::Number(_)) => number(),
        Some(Value::Bool(_)) => text.parse().ok().map(Value::Bool),
        Some(Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_)) => None,
        None => text.parse::<i64>().ok().map(Value::from),
    };
    value.unwrap_or_else(|| text.into())
}

/// Puts a value at a JSON pointer, making the objects on the way. What is no object in the way stays.
fn put(json: &mut Value, pointer: &str, value: Value) {
    let unescaped = |token: &str| token.replace("~1", "/").replace("~0", "~");
    let mut place = json;
    for token in pointer.split('/').skip(1).map(unescaped) {
        if place.is_null() {
            *place = Value::Object(Map::new());
        }
        let Value::Object(object) = place else { return };
        place = object.entry(token).or_insert(Value::Null);
    }
    if place.is_null() {
        *place = value;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_put_where_the_pointer_says() {
        let mut json = json!({});
        put(&mut json, "/a/b~1c", json!(1));
        put(&mut json, "/a/d", json!("x"));
        put(&mut json, "/a/d/e", json!(2));
        put(&mut json, "/a/d", json!(3));
        assert_eq!(json, json!({ "a": { "b/c": 1, "d": "x" } }));
    }

    #[test]
    fn a_text_becomes_what_the_event_has_in_its_place() {
        for (text, of_event, expected) in [
            ("7", Some(json!(9)), json!(7)),
            ("1.5", Some(json!(9)), json!(1.5)),
            ("7", Some(json!("9")), json!("7")),
            ("true", Some(json!(false)), json!(true)),
            ("seven", Some(json!(9)), json!("seven")),
            ("7", None, json!(7)),
            ("2026-05-01T12:00:00Z", None, json!("2026-05-01T12:00:00Z")),
        ] {
            assert_eq!(like(text, of_event.as_ref()), expected, "{text}");
        }
    }
}
