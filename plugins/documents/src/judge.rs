//! What follows from what the repository holds. Pure; who wins a conflict is the host's to say.

use liaison_sdk::prelude::*;
use liaison_sdk::template::Source;
use liaison_sdk::version::{Offered, Standing, Version};
use serde_json::{Map, Number, Value};

use crate::document::Digest;
use crate::held::Held;
use crate::settings::Settings;
use crate::wanted::{Wanted, at};

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
pub(crate) fn judge(settings: &Settings, wanted: &Wanted, sha256: &Digest, held: &Held) -> Judgement {
    let is_same_content = held.digest() == Some(sha256);
    let is_same_metadata = held.is_same_metadata(wanted);
    let write = Judgement::Write { is_same_content, is_same_metadata };
    let conflict = |why: String| Judgement::Conflict(format!("{}: {why}", wanted.path.url()));
    if held.is_half_merged(wanted) {
        return conflict("an attempt to write what was merged with it ended half-way".to_owned());
    }
    let Some(version) = held.document_version() else {
        // The same document may be taken over, unless someone else says other things of it.
        let is_same = is_same_content && !held.has_other_metadata(wanted);
        return match held.is_foreign() && !is_same {
            true => conflict("it holds what was not delivered here".to_owned()),
            false => write,
        };
    };
    let is_described_otherwise = held.metadata != wanted.metadata && held.is_described_otherwise(settings);
    let wanted = &wanted.version;
    match Offered::Record(Some(wanted.clone())).against(Some(version)) {
        Standing::Incomparable | Standing::Unversioned => {
            conflict(format!("it holds version {version}, which cannot be compared with {wanted}"))
        }
        Standing::Older => conflict(format!("it holds version {version}, which is newer than {wanted}")),
        Standing::Newer | Standing::Equal if held.is_foreign() && !is_same_content => {
            conflict("someone else has changed it since".to_owned())
        }
        Standing::Newer if is_described_otherwise => {
            conflict("someone else has changed its metadata since".to_owned())
        }
        Standing::Newer => write,
        Standing::Equal if held.is_begun() => write,
        Standing::Equal if is_same_content && is_same_metadata => Judgement::AlreadyThere,
        Standing::Equal => conflict(format!("it holds version {version} already, and it is another one")),
    }
}

/// What speaks against the removal of what is held, by this tombstone.
pub(crate) fn against_removal(held: &Held, event: &Event) -> Option<String> {
    if held.is_foreign() {
        return Some(match held.record {
            None => "it holds what was not delivered here, and is to be removed".to_owned(),
            Some(_) => "someone else has changed it since, and it is to be removed".to_owned(),
        });
    }
    let (version, offered) = (held.document_version()?, Offered::tombstone(event.time));
    let is_older = offered.against(Some(version)) == Standing::Older;
    let time = offered.version()?;
    is_older.then(|| format!("it holds version {version}, which is newer than its removal at {time}"))
}

impl Held {
    /// As the outcome that asks the host to decide.
    pub(crate) fn conflict(&self, settings: &Settings, source: &Source<'_>, reason: String) -> Outcome {
        Outcome::conflict(Some(self.version()), Some(self.current(settings, source)), reason)
    }

    /// What is there in the shape of the event, as far as it can be told: its version, its metadata where they are single
    /// parts of the data, its checksum. What someone else has changed has no version; where versions are times, the time
    /// of the change stands for it, but not beside a removal: whether their work goes too is for a person.
    fn current(&self, settings: &Settings, source: &Source<'_>) -> Vec<u8> {
        let mut current = Value::Object(Map::new());
        let offered = Version::of(at(source, &settings.version));
        let version = match self.is_foreign() {
            true => offered.as_ref().and_then(|offered| self.changed_at(offered)),
            false => self.document_version().cloned(),
        };
        for (name, described) in &settings.metadata {
            let pointer = described.pointer.as_ref().filter(|pointer| **pointer != settings.version);
            if let (Some(pointer), Some(value)) = (pointer, self.metadata.get(name)) {
                pointer.put(&mut current, like(value, at(source, pointer)));
            }
        }
        if let (Some(pointer), Some(sha256)) = (&settings.document.sha256, self.digest()) {
            pointer.put(&mut current, sha256.hex().into());
        }
        if let Some(version) = version {
            settings.version.put(&mut current, version.to_json(offered.as_ref()));
        }
        current.to_string().into_bytes()
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
