//! What this connector writes down in an appointment for its next visit, in properties of its own.
//!
//! | property | holds |
//! |---|---|
//! | `X-LIAISON-VERSION` | the version of the event that was written last |
//! | `X-LIAISON-WRITTEN` | a digest of what events gave each field: where a field has another now, somebody else changed it |
//! | `X-LIAISON-STAMP` | `LAST-MODIFIED` as this connector wrote it: where that is later now, somebody else wrote it |
//! | `X-LIAISON-OTHERS` | which fields others had changed before this connector wrote last: a digest of what each held, and when that was written |
//! | `X-LIAISON-CANCELLED` | that a cancellation was written here, and which status was there before |
//!
//! So a write of this connector's own is never taken for somebody else's, and it hides none: neither `LAST-MODIFIED` nor
//! what the server says can tell whose the last write was.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use liaison_sdk::version::Version;
use sha2::{Digest as _, Sha256};

use crate::component::{Component, Line};
use crate::field::{Element, Field};
use crate::moment::{Moment, utc};
use crate::version;

const VERSION: &str = "X-LIAISON-VERSION";
const WRITTEN: &str = "X-LIAISON-WRITTEN";
const STAMP: &str = "X-LIAISON-STAMP";
const OTHERS: &str = "X-LIAISON-OTHERS";
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
    stamp: Option<Timestamp>,
    others: BTreeMap<String, Other>,
}

/// What somebody else had made of a field when this connector wrote last.
#[derive(Debug, Clone, PartialEq)]
struct Other {
    digests: Vec<String>,
    /// When that was, if it could be told.
    at: Option<Timestamp>,
}

impl Marks {
    /// For what is written for the first time.
    pub(crate) fn new(version: Option<Version>) -> Self {
        Self { version, written: None, stamp: None, others: BTreeMap::new() }
    }

    pub(crate) fn of(event: &Component) -> Self {
        let words = |name: &str| event.line(name).map(|line| line.value().split_whitespace());
        let given = |text: &str| {
            let (name, given) = text.split_once('=')?;
            Some((name.to_owned(), digests_in(given)))
        };
        let other = |text: &str| {
            let (name, other) = text.split_once('=')?;
            Some((name.to_owned(), Other::parse(other)))
        };
        Self {
            version: event.line(VERSION).and_then(version::from_line),
            written: words(WRITTEN).map(|words| words.filter_map(given).collect()),
            stamp: event.line(STAMP).and_then(instant),
            others: words(OTHERS).map(|words| words.filter_map(other).collect()).unwrap_or_default(),
        }
    }

    /// Whether somebody else changed this field since. Of a list: whether something that was given is gone.
    pub(crate) fn is_foreign(&self, field: Field, event: &Component) -> bool {
        let held = digests(&field.elements(event));
        match self.given(field) {
            None => held != [NOTHING] && !field.is_list(),
            Some(given) if field.is_list() => {
                given.iter().any(|digest| digest != NOTHING && !held.contains(digest))
            }
            Some(given) => *given != held,
        }
    }

    /// Whether this element of a list came from an event.
    pub(crate) fn was_given(&self, field: Field, key: &str) -> bool {
        self.given(field).is_some_and(|given| given.contains(&digest(key)))
    }

    fn given(&self, field: Field) -> Option<&Vec<String>> {
        self.written.as_ref()?.get(field.name())
    }

    /// Notes what this field was given.
    pub(crate) fn note(&mut self, field: Field, given: &[Element]) {
        self.written.get_or_insert_default().insert(field.name().to_owned(), digests(given));
    }

    /// When somebody else gave this field what it has now: before this connector wrote last, as it noted then, or since:
    /// then what is said of the last write, `LAST-MODIFIED` or by the server, is said of theirs. Nothing where it cannot
    /// be told.
    pub(crate) fn changed_at(
        &self,
        field: Field,
        event: &Component,
        by_server: Option<Timestamp>,
    ) -> Option<Timestamp> {
        let held = digests(&field.elements(event));
        if let Some(other) = self.others.get(field.name()).filter(|other| other.digests == held) {
            return other.at;
        }
        let stamped = event.line("LAST-MODIFIED").and_then(instant);
        let is_theirs = |at: &Timestamp| self.stamp.is_none_or(|stamp| *at > stamp);
        // Theirs came after the event that was written last: a clock that says otherwise goes wrong.
        let known = self.version.as_ref().and_then(Version::instant);
        let is_later = |at: &Timestamp| known.is_none_or(|known| at.as_nanosecond() >= second(known));
        stamped.filter(is_theirs).filter(is_later).or(by_server.filter(is_later))
    }

    /// Notes what others have made of fields that this write leaves as they are. `before` is what was known until now.
    pub(crate) fn note_others(&mut self, before: &Marks, event: &Component, by_server: Option<Timestamp>) {
        let foreign = Field::ALL.into_iter().filter(|field| self.is_foreign(*field, event));
        let other = |field: Field| {
            let digests = digests(&field.elements(event));
            (field.name().to_owned(), Other { digests, at: before.changed_at(field, event, by_server) })
        };
        self.others = foreign.map(other).collect();
    }

    /// Writes them, with `LAST-MODIFIED` as it is written now.
    pub(crate) fn write(&self, event: &mut Component, stamp: &str) {
        if let Some(version) = &self.version {
            event.set(version::line(version, VERSION));
        }
        if let Some(written) = &self.written {
            let words = written.iter().map(|(name, digests)| format!("{name}={}", digests.join(".")));
            event.set(Line::new(WRITTEN, &[], &words.collect::<Vec<_>>().join(" ")));
        }
        event.set(Line::new(STAMP, &[], stamp));
        let words: Vec<_> =
            self.others.iter().map(|(name, other)| format!("{name}={}", other.text())).collect();
        let line = (!words.is_empty()).then(|| Line::new(OTHERS, &[], &words.join(" ")));
        event.replace(&[OTHERS], line.into_iter().collect());
    }
}

impl Other {
    fn parse(text: &str) -> Self {
        let (digests, at) = text.split_once('@').unwrap_or((text, ""));
        let at = Moment::from_value(at, None).and_then(|at| at.instant());
        Self { digests: digests_in(digests), at }
    }

    fn text(&self) -> String {
        let at = self.at.map_or_else(|| NOTHING.to_owned(), utc);
        format!("{}@{at}", self.digests.join("."))
    }
}

/// Of a line that is a time in UTC.
fn instant(line: &Line) -> Option<Timestamp> {
    Moment::from_line(line)?.instant()
}

/// The begin of the second that an instant in nanoseconds is in: a calendar knows nothing finer.
fn second(nanoseconds: i128) -> i128 {
    nanoseconds - nanoseconds.rem_euclid(1_000_000_000)
}

fn digests_in(text: &str) -> Vec<String> {
    text.split('.').map(str::to_owned).collect()
}

fn digests(elements: &[Element]) -> Vec<String> {
    match elements {
        [] => vec![NOTHING.to_owned()],
        elements => elements.iter().map(|element| digest(&element.key)).collect(),
    }
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
mod tests;
