//! The settings of a connector that uses this plugin: read and checked once an instance.

mod places;

use std::collections::BTreeMap;

use liaison_sdk::pointer::Pointer;
use serde::{Deserialize, Deserializer};

pub(crate) use places::{Place, Places};

use self::places::PlaceSetting;
use crate::moment::Clock;

/// The settings as used. The README describes each.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Behind the connector's endpoint, with a slash at both ends.
    pub(crate) calendar: String,
    pub(crate) create_calendar: bool,
    pub(crate) uid: UidSource,
    pub(crate) uid_suffix: String,
    pub(crate) version: Option<Pointer>,
    pub(crate) changes_by_others: ByOthers,
    pub(crate) places: Places,
    pub(crate) clock: Option<Clock>,
    pub(crate) all_day_end: DayEnd,
    cancel_types: Vec<String>,
    pub(crate) on_cancel: Removal,
    pub(crate) on_tombstone: Removal,
    statuses: BTreeMap<String, Status>,
}

/// The settings as written.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Written {
    #[serde(default = "root")]
    calendar: String,
    #[serde(default)]
    create_calendar: bool,
    #[serde(default)]
    uid: UidSource,
    #[serde(default)]
    uid_suffix: String,
    version: Option<PlaceSetting>,
    #[serde(default)]
    changes_by_others: ByOthers,
    #[serde(default)]
    fields: BTreeMap<Place, PlaceSetting>,
    default_timezone: Option<ClockSetting>,
    #[serde(default)]
    all_day_end: DayEnd,
    cancel_types: Option<Vec<String>>,
    #[serde(default = "keep")]
    on_cancel: Removal,
    #[serde(default = "delete")]
    on_tombstone: Removal,
    #[serde(default)]
    statuses: BTreeMap<String, Status>,
}

fn root() -> String {
    "/".to_owned()
}

fn keep() -> Removal {
    Removal::Cancel
}

fn delete() -> Removal {
    Removal::Delete
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Written::deserialize(deserializer)?;
        let error = |text: String| <D::Error as serde::de::Error>::custom(text);
        if !written.calendar.starts_with('/') || written.calendar.contains(['?', '#']) {
            let calendar = written.calendar;
            return Err(error(format!(
                "calendar: `{calendar}` must be a path, which begins with `/`: it follows the endpoint"
            )));
        }
        let version = match written.version {
            None => Some(Pointer::updated_at()),
            Some(PlaceSetting::At(pointer)) => Some(pointer),
            Some(PlaceSetting::Nowhere) => None,
        };
        let usual = || vec!["*.cancelled".to_owned(), "*.canceled".to_owned()];
        Ok(Self {
            calendar: format!("{}/", written.calendar.trim_end_matches('/')),
            create_calendar: written.create_calendar,
            uid: written.uid,
            uid_suffix: written.uid_suffix,
            version,
            changes_by_others: written.changes_by_others,
            places: Places(written.fields),
            clock: written.default_timezone.map(|ClockSetting(clock)| clock),
            all_day_end: written.all_day_end,
            cancel_types: written.cancel_types.unwrap_or_else(usual),
            on_cancel: written.on_cancel,
            on_tombstone: written.on_tombstone,
            statuses: written.statuses,
        })
    }
}

impl Settings {
    /// Whether events of this type cancel their appointment, whatever they hold.
    pub(crate) fn is_cancelling(&self, kind: &str) -> bool {
        self.cancel_types.iter().any(|pattern| is_match(pattern, kind))
    }

    /// What a status of the event's own is in a calendar.
    pub(crate) fn status(&self, text: &str) -> Option<Status> {
        let known = self.statuses.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        known.map(|(_, status)| *status).or_else(|| Status::named(text))
    }

    /// How events call what a calendar calls so.
    pub(crate) fn status_name(&self, property: &str) -> String {
        let is_it = |status: &Status| status.property() == property;
        let known = self.statuses.iter().find(|(_, status)| is_it(status)).map(|(name, _)| name.clone());
        known.unwrap_or_else(|| property.to_ascii_lowercase())
    }
}

/// `*` stands for any characters.
fn is_match(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            (0..=text.len()).any(|at| text.is_char_boundary(at) && is_match(rest, &text[at..]))
        }),
    }
}

/// What an appointment is known by, for ever.
#[derive(Debug, Default, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum UidSource {
    #[default]
    Key,
    Subject,
    At(Pointer),
}

impl TryFrom<String> for UidSource {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "key" => Ok(UidSource::Key),
            "subject" => Ok(UidSource::Subject),
            pointer if pointer.starts_with('/') => Pointer::parse(pointer).map(UidSource::At),
            other => Err(format!(
                "`{other}` cannot tell one appointment from another: use `key`, `subject` or a JSON pointer such as `/id`"
            )),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct ClockSetting(Clock);

impl TryFrom<String> for ClockSetting {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        match name.as_str() {
            "floating" => Ok(Self(Clock::Floating)),
            name => Clock::named(name).map(Self),
        }
    }
}

/// Whether the last day that an event names is a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DayEnd {
    /// The first day after it, as in iCalendar.
    #[default]
    Exclusive,
    Inclusive,
}

/// Which version an appointment has that somebody else changed after the last event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ByOthers {
    /// The time of that change, for a policy by which the newer of two changes wins.
    #[default]
    Dated,
    /// None, for a policy by which each keeps its own fields, whoever was last.
    Undated,
}

/// How an appointment ends that does not take place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Removal {
    /// It stays, and says that it is cancelled.
    Cancel,
    /// It is gone.
    Delete,
}

/// What a calendar can say of an appointment (RFC 5545, 3.8.1.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Confirmed,
    Tentative,
    #[serde(alias = "canceled")]
    Cancelled,
}

impl Status {
    fn named(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "confirmed" => Some(Status::Confirmed),
            "tentative" => Some(Status::Tentative),
            "cancelled" | "canceled" => Some(Status::Cancelled),
            _ => None,
        }
    }

    pub(crate) fn property(self) -> &'static str {
        match self {
            Status::Confirmed => "CONFIRMED",
            Status::Tentative => "TENTATIVE",
            Status::Cancelled => "CANCELLED",
        }
    }
}

#[cfg(test)]
mod tests;
