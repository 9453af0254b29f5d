//! Both sides of a conflict that waits for a person: what the event says, what the external system holds, and by which
//! rule neither has won.
//!
//! In comes a conflict as the connector reported it, with its secrets struck out; out goes JSON of at most
//! [`CONFLICT_BYTES`], and back. Data that does not fit is cut, which is said; digests and sizes are of the whole.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::attempts::cut;
use super::header::hex_text;
use crate::config::{ConflictPolicy, Owner, Owners};
use crate::contract::{Conflict, written};

/// The most bytes of the JSON.
pub const CONFLICT_BYTES: usize = 64 << 10;
/// The most bytes of either side's data; less where its JSON would not fit.
const DATA_BYTES: usize = 32 << 10;
/// The most bytes of a version that is kept: half of one cannot be written over.
pub(crate) const VERSION_BYTES: usize = 512;
/// The most bytes of a value that is compared.
const VALUE_BYTES: usize = 128;

/// A conflict that a person decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sides {
    /// The subscription's policy, as it is written in the configuration.
    pub policy: String,
    /// The JSON pointer of what it compares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compares: Option<String>,
    /// Whose which field is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owners: Option<WrittenOwners>,
    /// What was to be written.
    pub event: Side,
    pub held: Side,
    /// The version that the connector named of what is held, such as an ETag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// It named one that is too long to be kept.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_version_cut: bool,
}

/// Owners by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenOwners {
    pub default: String,
    pub fields: BTreeMap<String, String>,
}

/// One of the two.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    /// `None`: there is no data, or nobody says what it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// What is compared of it, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// Data with its beginning, or all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    pub bytes: usize,
    /// Of all bytes, in hexadecimal.
    pub sha256: String,
    #[serde(with = "written::bytes", default, skip_serializing_if = "Bytes::is_empty")]
    pub data: Bytes,
    /// `data` is only the beginning.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_cut: bool,
    /// It is the record's value, and not repeated.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_original: bool,
}

impl Sides {
    /// Of a conflict with an event of this data. `original` is the value of its record.
    pub fn of(
        policy: &ConflictPolicy,
        event: Option<&Bytes>,
        original: Option<&Bytes>,
        conflict: &Conflict,
    ) -> Sides {
        let (compares, owners) = match policy {
            ConflictPolicy::NewestWins { version } => (Some(version.clone()), None),
            ConflictPolicy::Merge { owners, version } => (version.clone(), Some(WrittenOwners::of(owners))),
            ConflictPolicy::SourceWins | ConflictPolicy::TargetWins | ConflictPolicy::Manual => (None, None),
        };
        let side = |data: Option<&Bytes>| Side {
            content: data.map(Content::of),
            value: data.zip(compares.as_deref()).and_then(|(data, pointer)| value_at(data, pointer)),
        };
        let (mut event_side, held) = (side(event), side(conflict.current.as_ref()));
        if event.is_some()
            && event == original
            && let Some(content) = &mut event_side.content
        {
            (content.data, content.is_original) = (Bytes::new(), true);
        }
        let version = conflict.version.clone().filter(|version| version.len() <= VERSION_BYTES);
        let is_version_cut = version.is_none() && conflict.version.is_some();
        Sides {
            policy: policy.name().to_owned(),
            compares,
            owners,
            event: event_side,
            held,
            version,
            is_version_cut,
        }
    }

    /// JSON of at most [`CONFLICT_BYTES`].
    pub fn to_json(&self) -> Bytes {
        let mut limit = DATA_BYTES;
        loop {
            let json = self.with_data(limit).written();
            if json.len() <= CONFLICT_BYTES || limit == 0 {
                return json;
            }
            limit /= 2;
        }
    }

    /// Reads what [`Sides::to_json`] wrote.
    pub fn from_json(json: &[u8]) -> Result<Sides, serde_json::Error> {
        serde_json::from_slice(json)
    }

    /// Without the data, as [`Sides::to_json`].
    pub(super) fn without_data(&self) -> Bytes {
        self.with_data(0).written()
    }

    /// Without data and owners: less than 4 KiB.
    pub(super) fn outline(&self) -> Bytes {
        Sides { compares: None, owners: None, ..self.with_data(0) }.written()
    }

    fn with_data(&self, limit: usize) -> Sides {
        let side = |side: &Side| Side {
            content: side.content.as_ref().map(|content| content.cut(limit)),
            ..side.clone()
        };
        Sides { event: side(&self.event), held: side(&self.held), ..self.clone() }
    }

    fn written(&self) -> Bytes {
        serde_json::to_vec(self).expect("texts, numbers and bytes can always be written as JSON").into()
    }
}

impl WrittenOwners {
    fn of(owners: &Owners) -> Self {
        let name = |owner: Owner| owner.name().to_owned();
        let fields = owners.fields.iter().map(|(field, owner)| (field.clone(), name(*owner)));
        Self { default: name(owners.default), fields: fields.collect() }
    }
}

impl Content {
    fn of(data: &Bytes) -> Self {
        let sha256 = sha256_text(data);
        Self { bytes: data.len(), sha256, data: data.clone(), is_cut: false, is_original: false }
    }

    fn cut(&self, limit: usize) -> Self {
        if self.data.len() <= limit {
            return self.clone();
        }
        let end = match std::str::from_utf8(&self.data) {
            Ok(text) => cut(text, limit).len(),
            Err(_) => limit,
        };
        Self { data: self.data.slice(..end), is_cut: true, ..self.clone() }
    }
}

/// The sha256 of some data, in hexadecimal.
pub(crate) fn sha256_text(data: &[u8]) -> String {
    hex_text(&Sha256::digest(data))
}

/// What stands there, as JSON, where that is one value.
fn value_at(data: &[u8], pointer: &str) -> Option<String> {
    let json: Value = serde_json::from_slice(data).ok()?;
    match json.pointer(pointer)? {
        Value::Array(_) | Value::Object(_) => None,
        value @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
            Some(cut(&value.to_string(), VALUE_BYTES).to_owned())
        }
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn sides() -> Sides {
        let event = Bytes::from_static(br#"{"date":"2","room":"B","revision":3}"#);
        sides_of(&event, None, br#"{"date":"1","room":"A","revision":4}"#)
    }

    fn sides_of(event: &Bytes, original: Option<&Bytes>, current: &[u8]) -> Sides {
        let fields = [("/date".to_owned(), Owner::Source), ("/revision".to_owned(), Owner::Source)];
        let owners = Owners { default: Owner::Target, fields: fields.into() };
        let policy = ConflictPolicy::Merge { owners, version: Some("/revision".to_owned()) };
        let conflict = Conflict {
            version: Some("\"v7\"".to_owned()),
            current: Some(Bytes::copy_from_slice(current)),
            reason: "412".to_owned(),
        };
        Sides::of(&policy, Some(event), original, &conflict)
    }

    #[test]
    fn both_sides_are_written_and_read_back() {
        let json = serde_json::json!({
            "policy": "merge",
            "compares": "/revision",
            "owners": {"default": "target", "fields": {"/date": "source", "/revision": "source"}},
            "event": {
                "content": {
                    "bytes": 36,
                    "sha256": sha256_text(br#"{"date":"2","room":"B","revision":3}"#),
                    "data": r#"{"date":"2","room":"B","revision":3}"#,
                },
                "value": "3",
            },
            "held": {
                "content": {
                    "bytes": 36,
                    "sha256": sha256_text(br#"{"date":"1","room":"A","revision":4}"#),
                    "data": r#"{"date":"1","room":"A","revision":4}"#,
                },
                "value": "4",
            },
            "version": "\"v7\"",
        });
        let written = sides().to_json();
        assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), json);
        assert_eq!(Sides::from_json(&written).unwrap(), sides());
        assert_eq!(sha256_text(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn what_the_record_holds_is_not_repeated() {
        let event = Bytes::from_static(b"{}");
        let content = sides_of(&event, Some(&event), b"{}").event.content.unwrap();
        assert!(content.is_original && content.data.is_empty() && !content.is_cut);
        assert_eq!((content.bytes, content.sha256), (2, sha256_text(b"{}")));
        let reshaped = sides_of(&event, Some(&Bytes::from_static(b"{ }")), b"{}").event.content.unwrap();
        assert!(!reshaped.is_original && reshaped.data == event);
    }

    #[test]
    fn data_is_cut_until_all_of_it_fits_and_that_is_said() {
        for (byte, length) in [("x", 100_000), ("é", 100_000), ("\u{1}", 100_000), ("x", 30_000)] {
            let event = Bytes::from(byte.repeat(length));
            let current = byte.repeat(length);
            let json = sides_of(&event, None, current.as_bytes()).to_json();
            assert!(json.len() <= CONFLICT_BYTES, "{byte:?}: {}", json.len());
            let read = Sides::from_json(&json).unwrap();
            for content in [read.event.content.unwrap(), read.held.content.unwrap()] {
                assert_eq!(content.is_cut, length > 30_000, "{byte:?}");
                assert_eq!((content.bytes, content.sha256), (event.len(), sha256_text(&event)));
                assert!(event.starts_with(&content.data) && content.data.len() >= 4 << 10, "{byte:?}");
                assert!(std::str::from_utf8(&content.data).is_ok());
            }
        }
        let binary = sides_of(&vec![0xff; 100_000].into(), None, b"{}").to_json();
        assert!(binary.len() <= CONFLICT_BYTES);
    }

    #[test]
    fn an_outline_is_small_whatever_comes() {
        let mut large = sides_of(&vec![b'x'; 100_000].into(), None, b"{}");
        large.version = Some("\u{1}".repeat(VERSION_BYTES));
        large.event.value = Some("\u{1}".repeat(VALUE_BYTES));
        large.held.value = large.event.value.clone();
        assert!(large.outline().len() < 6 << 10, "{}", large.outline().len());
        let read = Sides::from_json(&large.without_data()).unwrap();
        assert!(read.event.content.is_some_and(|content| content.is_cut && content.data.is_empty()));
    }

    #[test]
    fn half_a_version_is_none() {
        let conflict = Conflict { version: Some("v".repeat(513)), current: None, reason: String::new() };
        let sides = Sides::of(&ConflictPolicy::Manual, None, None, &conflict);
        assert_eq!((sides.version, sides.is_version_cut), (None, true));
        assert_eq!((sides.event, sides.held), (Side::default(), Side::default()));
    }
}
