//! Points in time as people mean them: a day, a clock in a zone, or an instant.

use std::fmt;

use jiff::civil::{Date, DateTime, Time};
use jiff::{Timestamp, ToSpan};

use crate::component::Line;
use crate::duration::Length;
use crate::zones::{Zone, basic};

pub(crate) mod written;

/// A value of the type DATE or DATE-TIME.
#[derive(Debug, Clone)]
pub(crate) enum Moment {
    Day(Date),
    /// What any clock shows, wherever it is.
    Floating(DateTime),
    Zoned(DateTime, Zone),
    /// In a zone that has a name of its own in its calendar.
    Foreign(DateTime, String),
    Utc(DateTime),
}

/// What a local time is counted in where nothing beside it says so.
#[derive(Debug, Clone)]
pub(crate) enum Clock {
    Utc,
    Floating,
    In(Zone),
}

impl Clock {
    /// By the name that a zone has in an event or in the settings.
    pub(crate) fn named(name: &str) -> Result<Self, String> {
        match name {
            "UTC" | "Z" | "Etc/UTC" | "GMT" => Ok(Clock::Utc),
            _ => Zone::named(name).map(Clock::In).ok_or_else(|| {
                format!("`{name}` is no time zone of the IANA database: use a name such as `Europe/Berlin`, or `UTC`")
            }),
        }
    }
}

impl Moment {
    /// From JSON: `2026-05-01`, `2026-05-01T10:00:00`, or the same with an offset (RFC 3339). Seconds may be left out.
    ///
    /// A time with an offset is that instant, shown by the clock where there is one. One without is what the clock shows.
    pub(crate) fn from_json(text: &str, clock: Option<&Clock>) -> Result<Self, String> {
        let written = written::Written::parse(text).ok_or_else(|| {
            format!(
                "`{text}` is no date and no time: use 2026-05-01, 2026-05-01T10:00:00 or 2026-05-01T10:00:00+02:00"
            )
        })?;
        let local = match written {
            written::Written::Day(day) => return Ok(Moment::Day(day)),
            written::Written::Instant(instant) => return Ok(Moment::at(instant, clock)),
            written::Written::Local(local) => local,
        };
        match clock {
            Some(Clock::In(zone)) => Ok(Moment::Zoned(local, zone.clone())),
            Some(Clock::Utc) => Ok(Moment::Utc(local)),
            Some(Clock::Floating) => Ok(Moment::Floating(local)),
            None => Err(format!(
                "`{text}` has no time zone: nothing beside it names one, and the setting `default-timezone` is not set"
            )),
        }
    }

    /// An instant, as the clock shows it. What a zone's clock shows a second time can only be said in UTC.
    pub(crate) fn at(instant: Timestamp, clock: Option<&Clock>) -> Self {
        let utc = || Moment::Utc(whole_seconds(jiff::tz::Offset::UTC.to_datetime(instant)));
        let Some(Clock::In(zone)) = clock else { return utc() };
        let local = whole_seconds(zone.local(instant));
        match zone.instant(local) {
            Some(again) if again.as_second() == instant.as_second() => Moment::Zoned(local, zone.clone()),
            _ => utc(),
        }
    }

    /// From a line such as `DTSTART`.
    pub(crate) fn from_line(line: &Line) -> Option<Self> {
        Moment::from_value(line.value().trim(), line.parameter("TZID").as_deref())
    }

    /// From `20260501`, `20260501T100000` or `20260501T100000Z`. The case of letters says nothing (RFC 5545, 2.1).
    pub(crate) fn from_value(value: &str, zone: Option<&str>) -> Option<Self> {
        let (date, time) =
            value.split_once(['T', 't']).map_or((value, None), |(date, time)| (date, Some(time)));
        let date = date_of(date)?;
        let Some(time) = time else { return Some(Moment::Day(date)) };
        if let Some(time) = time.strip_suffix(['Z', 'z']) {
            return Some(Moment::Utc(date.to_datetime(time_of(time)?)));
        }
        let local = date.to_datetime(time_of(time)?);
        Some(match zone {
            None => Moment::Floating(local),
            Some(name) => match Zone::named(name) {
                Some(zone) => Moment::Zoned(local, zone),
                None => Moment::Foreign(local, name.to_owned()),
            },
        })
    }

    /// As a line of this name.
    pub(crate) fn line(&self, name: &str) -> Line {
        match self {
            Moment::Day(date) => {
                Line::new(name, &[("VALUE", "DATE")], &basic(date.to_datetime(Time::midnight()))[..8])
            }
            Moment::Floating(local) => Line::new(name, &[], &basic(*local)),
            Moment::Zoned(local, zone) => Line::new(name, &[("TZID", zone.name)], &basic(*local)),
            Moment::Foreign(local, zone) => Line::new(name, &[("TZID", zone)], &basic(*local)),
            Moment::Utc(utc) => Line::new(name, &[], &format!("{}Z", basic(*utc))),
        }
    }

    /// As JSON has it. An event that gives its times without an offset is answered so where its zone is the same.
    pub(crate) fn to_json(&self, is_local: bool) -> String {
        match self {
            Moment::Day(date) => date.to_string(),
            Moment::Floating(local) | Moment::Foreign(local, _) => local.to_string(),
            Moment::Utc(utc) => format!("{utc}Z"),
            Moment::Zoned(local, _) if is_local => local.to_string(),
            Moment::Zoned(local, zone) => match zone.instant(*local) {
                Some(instant) => instant.display_with_offset(zone.offset(instant)).to_string(),
                None => local.to_string(),
            },
        }
    }

    /// What it is in UTC, where that can be told.
    pub(crate) fn instant(&self) -> Option<Timestamp> {
        match self {
            Moment::Zoned(local, zone) => zone.instant(*local),
            Moment::Utc(utc) => jiff::tz::Offset::UTC.to_timestamp(*utc).ok(),
            Moment::Day(_) | Moment::Floating(_) | Moment::Foreign(..) => None,
        }
    }

    /// What the clocks, or the calendar on the wall, show.
    pub(crate) fn local(&self) -> DateTime {
        match self {
            Moment::Day(date) => date.to_datetime(Time::midnight()),
            Moment::Floating(local)
            | Moment::Foreign(local, _)
            | Moment::Zoned(local, _)
            | Moment::Utc(local) => *local,
        }
    }

    /// The name of its zone.
    pub(crate) fn zone_name(&self) -> Option<&str> {
        match self {
            Moment::Zoned(_, zone) => Some(zone.name),
            Moment::Foreign(_, name) => Some(name),
            Moment::Utc(_) => Some("UTC"),
            Moment::Day(_) | Moment::Floating(_) => None,
        }
    }

    pub(crate) fn is_day(&self) -> bool {
        matches!(self, Moment::Day(_))
    }

    /// So much later: days and weeks by the calendar, the rest by the clock (RFC 5545, 3.3.6).
    pub(crate) fn after(&self, length: Length) -> Option<Self> {
        let days = length.days().days();
        let seconds = jiff::SignedDuration::from_secs(length.seconds());
        let later = |local: &DateTime| local.checked_add(days).ok()?.checked_add(seconds).ok();
        Some(match self {
            Moment::Day(date) => Moment::Day(date.checked_add(days).ok()?),
            Moment::Floating(local) => Moment::Floating(later(local)?),
            Moment::Foreign(local, zone) => Moment::Foreign(later(local)?, zone.clone()),
            Moment::Utc(utc) => Moment::Utc(later(utc)?),
            Moment::Zoned(local, zone) => {
                let begin = zone.instant(local.checked_add(days).ok()?)?;
                Moment::at(begin.checked_add(seconds).ok()?, Some(&Clock::In(zone.clone())))
            }
        })
    }

    /// Whether it is later than another; nothing where the two cannot be compared.
    pub(crate) fn is_after(&self, other: &Self) -> Option<bool> {
        match (self.instant(), other.instant()) {
            (Some(one), Some(other)) => Some(one > other),
            _ if self.is_day() == other.is_day() && self.zone_name() == other.zone_name() => {
                Some(self.local() > other.local())
            }
            _ => None,
        }
    }
}

/// By what two are told apart.
impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Moment::Day(date) => write!(formatter, "{date}"),
            Moment::Floating(local) => write!(formatter, "{local}"),
            Moment::Zoned(local, zone) => write!(formatter, "{local}[{}]", zone.name),
            Moment::Foreign(local, zone) => write!(formatter, "{local}[{zone}]"),
            Moment::Utc(utc) => write!(formatter, "{utc}Z"),
        }
    }
}

/// An instant as calendars write it: `20260501T100000Z`.
pub(crate) fn utc(instant: Timestamp) -> String {
    format!("{}Z", basic(jiff::tz::Offset::UTC.to_datetime(instant)))
}

fn whole_seconds(local: DateTime) -> DateTime {
    local.with().subsec_nanosecond(0).build().unwrap_or(local)
}

fn date_of(digits: &str) -> Option<Date> {
    let part = |range| number(digits.get(range)?);
    let (year, month, day) = (part(0..4)?, part(4..6)?, part(6..8)?);
    if digits.len() != 8 {
        return None;
    }
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

fn time_of(digits: &str) -> Option<Time> {
    let part = |range| i8::try_from(number(digits.get(range)?)?).ok();
    if digits.len() != 6 {
        return None;
    }
    // A leap second is the second before, here as everywhere.
    let second = part(4..6).map(|second| if second == 60 { 59 } else { second })?;
    Time::new(part(0..2)?, part(2..4)?, second, 0).ok()
}

fn number(digits: &str) -> Option<i16> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests;
