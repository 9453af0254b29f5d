//! What this connector writes down in an appointment for its next visit, in properties of its own.
//!
//! | property | holds |
//! |---|---|
//! | `X-LIAISON-VERSION` | the version of the event that was written last |
//! | `X-LIAISON-WRITTEN` | a digest of what it wrote into each field: where a field has another now, somebody else changed it |
//! | `X-LIAISON-CANCELLED` | that a cancellation was written here, and which status was there before |

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::component::{Component, Line};
use crate::field::{Element, Field};
use crate::version::Version;

const VERSION: &str = "X-LIAISON-VERSION";
const WRITTEN: &str = "X-LIAISON-WRITTEN";
pub(crate) const CANCELLED: &str = "X-LIAISON-CANCELLED";
/// Of a digest: enough that two values of one field are not taken for each other.
const DIGEST_BYTES: usize = 6;
/// In the place of a digest: there was nothing.
const NOTHING: &str = "-";

/// What an earlier delivery left behind.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Marks {
    pub(crate) version: Option<Version>,
    /// By the name of the field; nothing at all where no earlier delivery wrote here.
    written: Option<BTreeMap<String, Vec<String>>>,
}

impl Marks {
    /// For what is written for the first time.
    pub(crate) fn new(version: Option<Version>) -> Self {
        Self { version, written: None }
    }

    pub(crate) fn of(event: &Component) -> Self {
        let field = |text: &str| {
            let (name, digests) = text.split_once('=')?;
            Some((name.to_owned(), digests.split('.').map(str::to_owned).collect()))
        };
        Self {
            version: event.line(VERSION).and_then(Version::from_line),
            written: event
                .line(WRITTEN)
                .map(|line| line.value().split_whitespace().filter_map(field).collect()),
        }
    }

    /// Whether somebody else changed this field since. Of a list: whether something that was given is gone.
    pub(crate) fn is_foreign(&self, field: Field, event: &Component) -> bool {
        let held: Vec<String> = field.elements(event).iter().map(|element| digest(&element.key)).collect();
        match self.digests(field) {
            None => !held.is_empty() && !field.is_list(),
            Some(given) if field.is_list() => {
                given.iter().any(|digest| digest != NOTHING && !held.contains(digest))
            }
            Some(given) => *given != or_nothing(held),
        }
    }

    /// Whether this element of a list came from an event.
    pub(crate) fn was_given(&self, field: Field, key: &str) -> bool {
        self.digests(field).is_some_and(|given| given.contains(&digest(key)))
    }

    fn digests(&self, field: Field) -> Option<&Vec<String>> {
        self.written.as_ref()?.get(field.name())
    }

    /// Notes what this field was given.
    pub(crate) fn note(&mut self, field: Field, given: &[Element]) {
        let digests = given.iter().map(|element| digest(&element.key)).collect();
        let written = self.written.get_or_insert_default();
        written.insert(field.name().to_owned(), or_nothing(digests));
    }

    pub(crate) fn write(&self, event: &mut Component) {
        if let Some(version) = &self.version {
            event.set(version.line(VERSION));
        }
        if let Some(written) = &self.written {
            let mut text = String::new();
            for (name, digests) in written {
                let _ =
                    write!(text, "{}{name}={}", if text.is_empty() { "" } else { " " }, digests.join("."));
            }
            event.set(Line::new(WRITTEN, &[], &text));
        }
    }
}

fn or_nothing(digests: Vec<String>) -> Vec<String> {
    if digests.is_empty() { vec![NOTHING.to_owned()] } else { digests }
}

fn digest(key: &str) -> String {
    hex(&Sha256::digest(key)[..DIGEST_BYTES])
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(lines: &str) -> Component {
        Component::parse(format!("BEGIN:VCALENDAR\n{lines}\nEND:VCALENDAR").as_bytes()).unwrap()
    }

    #[test]
    fn a_change_by_somebody_else_is_seen() {
        let mut held = event("SUMMARY:A\nCATEGORIES:one,two");
        let mut marks = Marks::new(None);
        assert!(marks.is_foreign(Field::Title, &held) && !marks.is_foreign(Field::Location, &held));
        for field in [Field::Title, Field::Categories, Field::Location] {
            marks.note(field, &field.elements(&held));
        }
        marks.version = Some(Version::Integer(7));
        marks.write(&mut held);
        let marks = Marks::of(&held);
        assert_eq!(marks.version, Some(Version::Integer(7)));
        assert!(Field::ALL.iter().all(|field| !marks.is_foreign(*field, &held)), "{held}");
        assert!(marks.was_given(Field::Categories, "two") && !marks.was_given(Field::Categories, "three"));

        let changed = event("SUMMARY:B\nLOCATION:here\nCATEGORIES:one,three");
        let foreign: Vec<_> =
            Field::ALL.into_iter().filter(|field| marks.is_foreign(*field, &changed)).collect();
        assert_eq!(foreign, [Field::Title, Field::Location, Field::Categories]);
        // What is added to a list is no contradiction.
        assert!(!marks.is_foreign(Field::Categories, &event("CATEGORIES:two,three,one")));
    }
}
