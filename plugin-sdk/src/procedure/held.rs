//! What the external system holds, and how an event stands to it.

use serde_json::Value;

use super::{Calls, sameness};
use crate::failure::Failure;
use crate::outcome::{Delivery, Outcome};
use crate::pointer::Pointer;
use crate::template::{Source, Uses};
use crate::text::scalar;
use crate::version::{self, Offered, Version};

/// How a print of what is held begins, where nothing else names it.
const PRINT: &str = "content-";

/// What a lookup found.
#[derive(Debug)]
pub(super) struct Held {
    /// In the shape of the event's data.
    current: Value,
    /// What a change has to name.
    pub(super) etag: Option<String>,
    /// What tells it from all that was or will be there: what the external system calls it, else a print of all of it.
    version: String,
}

/// May the event be written over what is held?
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Free,
    AlreadyThere,
    /// The host decides, and why.
    Conflict(String),
}

impl Held {
    /// What the answer to a lookup holds; nothing where that is nothing.
    pub(super) fn find<C>(
        calls: &Calls<C>,
        delivery: &Delivery,
        source: &Source<'_>,
        answer: &Value,
    ) -> Option<Self> {
        let current = calls.lookup.as_ref()?.current.find(answer)?;
        let is_nothing = match current {
            Value::Object(map) => map.is_empty(),
            Value::String(text) => text.is_empty(),
            Value::Array(values) => values.is_empty(),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        };
        if is_nothing {
            return None;
        }
        let etag = text_at(calls.etag.as_ref(), answer);
        // Of what came, and not of what is made of it for this event.
        let version = etag.clone().unwrap_or_else(|| print(&current.to_string()));
        let mut held = Self { current: current.clone(), etag, version };
        held.read_like(&calls.version, delivery, source);
        Some(held)
    }

    /// Protocols without numbers, or with small ones only, write versions as text: where the event has a number it becomes
    /// one, because the host compares what it is given.
    fn read_like(&mut self, pointer: &Pointer, delivery: &Delivery, source: &Source<'_>) {
        let own = match delivery.data() {
            Some(_) => source.data().ok().and_then(|data| Version::of(pointer.find(data))),
            None => delivery.event.time.map(Version::of_time),
        };
        if let Some(place @ Value::String(_)) = pointer.find_mut(&mut self.current)
            && let Some(version) = kept(place)
        {
            *place = version.to_json(own.as_ref());
        }
    }

    /// How the event stands to it, where nobody has decided yet. `sends` is what would be written of it.
    pub(super) fn standing(
        &self,
        pointer: &Pointer,
        delivery: &Delivery,
        source: &Source<'_>,
        sends: &Uses,
        is_deletion: bool,
    ) -> Result<Standing, Failure> {
        let Some(held) = pointer.find(&self.current).and_then(kept) else { return Ok(Standing::Free) };
        let offered = match delivery.data() {
            Some(_) => Offered::record(source.data()?, pointer),
            None => Offered::tombstone(delivery.event.time),
        };
        let standing = offered.against(Some(&held));
        let objection = match standing {
            version::Standing::Newer => return Ok(Standing::Free),
            version::Standing::Equal if is_deletion => return Ok(Standing::Free),
            version::Standing::Equal if sameness::is_held(sends, source.data()?, &self.current) => {
                return Ok(Standing::AlreadyThere);
            }
            version::Standing::Equal => Some(version::OTHER),
            version::Standing::Older | version::Standing::Unversioned | version::Standing::Incomparable => {
                standing.objection()
            }
        };
        Ok(Standing::Conflict(format!("`{pointer}`: {}", objection.unwrap_or_default())))
    }

    /// Is it what was decided upon?
    pub(super) fn is_version(&self, decided: Option<&str>) -> bool {
        decided == Some(self.version.as_str())
    }

    pub(super) fn conflict(self, why: impl Into<String>) -> Outcome {
        let current = self.current.to_string().into_bytes();
        Outcome::conflict(Some(self.version), Some(current), why)
    }

    pub(super) fn already_there(self) -> Outcome {
        let etag = self.etag.map(|etag| format!(", as version {etag}")).unwrap_or_default();
        Outcome::skipped(format!("already there{etag}"))
    }
}

/// What the external system itself can hold a change to, of what was decided upon: a print is ours.
pub(super) fn named(decided: Option<&str>) -> Option<&str> {
    decided.filter(|version| !version.is_empty() && !version.starts_with(PRINT))
}

/// A text, number or boolean as a text; nothing where there is none. The empty text is none.
pub(super) fn text_at(pointer: Option<&Pointer>, answer: &Value) -> Option<String> {
    pointer?.find(answer).and_then(scalar).filter(|text| !text.is_empty())
}

/// Protocols without numbers, or with small ones only, write them as text.
fn kept(value: &Value) -> Option<Version> {
    match value {
        Value::String(text) => Version::kept(text),
        other => Version::of(Some(other)),
    }
}

/// What is held where nothing else names it.
fn print(current: &str) -> String {
    format!("{PRINT}{:032x}", fnv(current.as_bytes()))
}

/// FNV-1a of 128 bits: no secret, but no two documents of a record have the same by chance.
fn fnv(bytes: &[u8]) -> u128 {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    bytes.iter().fold(BASIS, |print, byte| (print ^ u128::from(*byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_print_is_the_published_one() {
        // The vectors of the IETF's draft on FNV.
        assert_eq!(fnv(b""), 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
        assert_eq!(fnv(b"a"), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
    }

    #[test]
    fn a_print_and_an_empty_text_are_no_versions_of_the_system() {
        assert_eq!(named(Some(&print("{}"))), None);
        assert_eq!((named(Some("")), named(None), named(Some("v7"))), (None, None, Some("v7")));
        assert_ne!(print("{}"), print("{ }"));
    }
}
