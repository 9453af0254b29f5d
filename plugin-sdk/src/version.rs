//! Versions of one thing: what an external system holds, and what an event offers.
//!
//! A version is a whole number or a time (RFC 3339), as the host's `newest-wins` compares them; another text can be the
//! same or not, and nothing more is known of it. One rule for all connectors is in [`Offered::against`]:
//!
//! | held | offered by an event with data | comes to |
//! |---|---|---|
//! | no version | whatever it is | [`Standing::Newer`]: it may be written |
//! | a version | none, `null` or an empty text | [`Standing::Unversioned`]: a conflict, nothing is overwritten blindly |
//! | a version | a newer one | [`Standing::Newer`] |
//! | a version | the same | [`Standing::Equal`]: there already, or a conflict where its content is another |
//! | a version | an older one | [`Standing::Older`]: a conflict |
//! | a version | one that cannot be compared | [`Standing::Incomparable`]: a conflict |
//!
//! A tombstone has no data and so no version of its own: its version is the event's time. Where what is held has a time
//! that is later, that is [`Standing::Older`]; in every other case, also where nothing can be compared, it removes
//! ([`Standing::Newer`]).
//!
//! What the host has decided after a conflict ([`Delivery::resolution`]) is written over what was decided upon, and over
//! nothing else:
//!
//! | decided upon | now there is | comes to |
//! |---|---|---|
//! | a version | that one | it is written |
//! | a version | another, or none | a conflict, with what is there |
//! | a version | nothing | a conflict that says so, with nothing: [`gone`]; to a tombstone it is done |
//! | no version | something with a version | a conflict, with what is there |
//! | no version | nothing | it is written: it was decided upon that, or nobody knows upon what |

use std::cmp::Ordering;
use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use crate::failure::Failure;
use crate::outcome::{Delivery, Outcome};
use crate::pointer::Pointer;
use crate::text::scalar;
use crate::time::{nanoseconds, rfc3339};

/// Why [`Standing::Equal`] is a conflict where the content is another.
pub const OTHER: &str = "what is held has the event's version, and other data";

/// Why a decision is a conflict again.
pub const CHANGED: &str = "what is held has changed since it was decided what to write over it";

/// Why [`gone`] is a conflict.
const GONE: &str = "what it was decided to write over is gone";

/// A version of one thing.
///
/// Where an external system keeps versions as text ([`Version::kept`]), the text is read as what it is compared with: `7`
/// is a number beside a number, and a text beside a text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Version {
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    /// A whole number of JSON.
    Whole,
    /// A text of JSON.
    Text,
    /// A text that was kept: of what kind it was nobody knows.
    Kept,
    /// Something else, which compares to nothing.
    Other,
}

impl Version {
    /// As JSON has it. Missing, `null` and a text without a letter in it are no version; what is neither a text nor a
    /// whole number is one that cannot be compared.
    pub fn of(value: Option<&Value>) -> Option<Self> {
        let (text, kind) = match value? {
            Value::Null => return None,
            Value::String(text) => (text.trim().to_owned(), Kind::Text),
            Value::Number(number) if number.is_i64() || number.is_u64() => (number.to_string(), Kind::Whole),
            other => (scalar(other).unwrap_or_else(|| other.to_string()), Kind::Other),
        };
        (!text.is_empty()).then_some(Self { text, kind })
    }

    /// As an external system kept it, as text. An empty one is no version.
    pub fn kept(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self { text: text.to_owned(), kind: Kind::Kept })
    }

    /// A time, in milliseconds since 1970.
    pub fn of_time(ms: u64) -> Self {
        Self { text: rfc3339(ms), kind: Kind::Text }
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The whole number that it is, or can be.
    pub fn whole(&self) -> Option<i128> {
        matches!(self.kind, Kind::Whole | Kind::Kept).then(|| self.text.parse().ok())?
    }

    /// The instant that it is, or can be, in nanoseconds since 1970.
    pub fn instant(&self) -> Option<i128> {
        matches!(self.kind, Kind::Text | Kind::Kept).then(|| nanoseconds(&self.text))?
    }

    /// Is it a text or a whole number? Anything else compares to nothing, and an event's may be rejected for it.
    pub fn is_comparable(&self) -> bool {
        self.kind != Kind::Other
    }

    /// How it stands to another; nothing where they cannot be compared. Times are compared as instants: `12:00+02:00` is
    /// `10:00Z`.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        if let (Some(one), Some(other)) = (self.whole(), other.whole()) {
            return Some(one.cmp(&other));
        }
        if let (Some(one), Some(other)) = (self.instant(), other.instant()) {
            return Some(one.cmp(&other));
        }
        let are_texts = [self, other].iter().all(|version| matches!(version.kind, Kind::Text | Kind::Kept));
        (are_texts && self.text == other.text).then_some(Ordering::Equal)
    }

    /// As the host's conflict policy is to see it in `current`. What was kept as text becomes what `offered` is, and
    /// without that a whole number where it can be one.
    pub fn to_json(&self, offered: Option<&Version>) -> Value {
        let is_whole = match self.kind {
            Kind::Whole => true,
            Kind::Kept => offered.is_none_or(|offered| offered.kind != Kind::Text),
            Kind::Text | Kind::Other => false,
        };
        let number = is_whole.then(|| serde_json::from_str::<serde_json::Number>(&self.text).ok()).flatten();
        match number.filter(|number| number.is_i64() || number.is_u64()) {
            Some(number) => number.into(),
            None => self.text.as_str().into(),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// What a delivery offers in the place of what is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offered {
    /// A record, and its version if it has one.
    Record(Option<Version>),
    /// Nothing any more, since then if that is known.
    Tombstone(Option<Version>),
}

/// How what is offered stands to what is held: see [the table](self).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It may be written, or removes what is held.
    Newer,
    Equal,
    Older,
    /// What is held has a version, and the event has none.
    Unversioned,
    Incomparable,
}

impl Offered {
    /// What this delivery offers, with its version at this place of its data.
    ///
    /// # Errors
    ///
    /// [`Failure::Event`] where there are data that are not JSON.
    pub fn of(delivery: &Delivery, at: &Pointer) -> Result<Self, Failure> {
        let Some(data) = delivery.data() else { return Ok(Self::tombstone(delivery.event.time)) };
        let data = serde_json::from_slice(data).map_err(Failure::not_json)?;
        Ok(Self::record(&data, at))
    }

    /// A record that was read before.
    pub fn record(data: &Value, at: &Pointer) -> Self {
        Offered::Record(Version::of(at.find(data)))
    }

    /// A tombstone, with the event's time in milliseconds since 1970.
    pub fn tombstone(time: Option<u64>) -> Self {
        Offered::Tombstone(time.map(Version::of_time))
    }

    /// Its version, if it has one.
    pub fn version(&self) -> Option<&Version> {
        match self {
            Offered::Record(version) | Offered::Tombstone(version) => version.as_ref(),
        }
    }

    /// How it stands to what is held, which has this version or none.
    pub fn against(&self, held: Option<&Version>) -> Standing {
        let Some(held) = held else { return Standing::Newer };
        let order = self.version().and_then(|offered| offered.compare(held));
        match (self, order) {
            (_, Some(Ordering::Less)) => Standing::Older,
            (_, Some(Ordering::Greater)) | (Offered::Tombstone(_), _) => Standing::Newer,
            (Offered::Record(_), Some(Ordering::Equal)) => Standing::Equal,
            (Offered::Record(Some(_)), None) => Standing::Incomparable,
            (Offered::Record(None), None) => Standing::Unversioned,
        }
    }
}

impl Standing {
    /// Why a conflict is one, for a person; nothing where it is none yet.
    pub fn objection(self) -> Option<&'static str> {
        match self {
            Standing::Newer | Standing::Equal => None,
            Standing::Older => Some("what is held is newer than the event"),
            Standing::Unversioned => Some("what is held has a version, and the event has none"),
            Standing::Incomparable => {
                Some("the versions of the event and of what is held cannot be compared")
            }
        }
    }
}

/// What becomes of a tombstone that is older than what is held, by a version of its own that no policy of the host can
/// compare: policies know a tombstone by its event's time. In settings: `skip` or `conflict`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LateTombstone {
    /// What is held stays.
    #[default]
    Skip,
    /// The policy decides, and sees no version: `source-wins` removes, `newest-wins` asks a person.
    Conflict,
}

/// What is told of a tombstone that is older than what is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    Skipped,
    /// The version that is held belongs into `current` only where a policy that compares it with the event's time
    /// comes to the same.
    Conflict {
        shows_version: bool,
    },
}

impl LateTombstone {
    /// What is told of a tombstone of this time that is older than what is held, by whatever version.
    pub fn judge(self, time: Option<u64>, held: Option<&Version>) -> Late {
        match (Offered::tombstone(time).against(held), self) {
            (Standing::Older, _) => Late::Conflict { shows_version: true },
            (_, Self::Conflict) => Late::Conflict { shows_version: false },
            (_, Self::Skip) => Late::Skipped,
        }
    }
}

/// What becomes of a decision where nothing is there any more at this place: somebody removed what was decided upon, and to
/// make it anew was not decided. Nothing where nobody has decided, or upon no version, or where it is to be removed anyway.
///
/// The conflict holds neither data nor version, so that a policy that overwrites whatever is there
/// writes next, and any other leaves it to a person.
pub fn gone(delivery: &Delivery, place: &str) -> Option<Outcome> {
    delivery.data()?;
    delivery.version().filter(|version| !version.is_empty())?;
    Some(Outcome::conflict(None, None, format!("{place}: {GONE}")))
}

/// How the first stands to the second; nothing where they cannot be compared. As [`Version::compare`].
pub fn compare(one: &Value, other: &Value) -> Option<Ordering> {
    Version::of(Some(one))?.compare(&Version::of(Some(other))?)
}

#[cfg(test)]
mod tests;
