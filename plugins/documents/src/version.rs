//! Versions of a document, and which of two is the newer; times as texts.
//!
//! A version is an integer or a time (RFC 3339), as the host's own conflict policies want it.

use std::cmp::Ordering;
use std::fmt;
use std::time::UNIX_EPOCH;

use serde_json::Value;

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// A version as text, which is how a repository keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version(String);

impl Version {
    /// As an event has it: a text or an integer.
    pub(crate) fn of_event(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) if !text.trim().is_empty() => Some(Self(text.trim().to_owned())),
            Value::Number(number) if number.is_i64() || number.is_u64() => Some(Self(number.to_string())),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
            Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// As a repository kept it.
    pub(crate) fn kept(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// Two integers, two times, or two equal texts; `None` for all else.
    pub(crate) fn compare(&self, other: &Self) -> Option<Ordering> {
        if let (Ok(one), Ok(other)) = (self.0.parse::<i128>(), other.0.parse::<i128>()) {
            return Some(one.cmp(&other));
        }
        if let (Some(one), Some(other)) = (instant(&self.0), instant(&other.0)) {
            return Some(one.cmp(&other));
        }
        (self.0 == other.0).then_some(Ordering::Equal)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Seconds since 1970 and the digits of a fraction, which compare as texts: `2026-05-01T14:00:00.5+02:00`.
fn instant(text: &str) -> Option<(i64, String)> {
    let (date, time) = text.split_once(['T', 't', ' '])?;
    let mut date = date.split('-');
    let (year, month, day) = (digits(date.next()?, 4)?, digits(date.next()?, 2)?, digits(date.next()?, 2)?);
    let is_whole = date.next().is_none() && (1..=12).contains(&month) && (1..=31).contains(&day);
    let (clock, offset) = match time.strip_suffix(['Z', 'z']) {
        Some(clock) => (clock, 0),
        None => {
            let (clock, offset) = time.split_at_checked(time.len().checked_sub(6)?)?;
            let (sign, offset) = offset.split_at_checked(1)?;
            let (hours, minutes) = offset.split_once(':')?;
            let seconds = digits(hours, 2)? * 3600 + digits(minutes, 2)? * 60;
            (clock, if sign == "+" { seconds } else { (sign == "-").then_some(-seconds)? })
        }
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut clock = clock.split(':');
    let (hours, minutes) = (digits(clock.next()?, 2)?, digits(clock.next()?, 2)?);
    let seconds = digits(clock.next()?, 2)?;
    let is_whole = is_whole && clock.next().is_none() && hours < 24 && minutes < 60 && seconds <= 60;
    let is_fraction = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let since = days(year, month, day) * DAY_SECONDS + hours * 3600 + minutes * 60 + seconds - offset;
    (is_whole && is_fraction).then(|| (since, fraction.trim_end_matches('0').to_owned()))
}

/// A number of exactly so many digits.
fn digits(text: &str, count: usize) -> Option<i64> {
    let is_number = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

/// Days since 1970-01-01 of a date in the Gregorian calendar: March begins the year, so that a leap day ends it.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, month) = (year.div_euclid(400), (month + 9) % 12);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Milliseconds since 1970 as RFC 3339, in UTC.
pub(crate) fn rfc3339(milliseconds: u64) -> String {
    let (seconds, fraction) = (milliseconds / 1000, milliseconds % 1000);
    let (day, second) = (seconds / 86_400, seconds % 86_400);
    // The inverse of `days`.
    let day = day + 719_468;
    let (era, day_of_era) = (day / 146_097, day % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let fraction = if fraction == 0 { String::new() } else { format!(".{fraction:03}") };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

/// A date as HTTP writes it, as RFC 3339; nothing where it is none.
pub(crate) fn of_http_date(text: &str) -> Option<String> {
    let since = httpdate::parse_http_date(text.trim()).ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(rfc3339(u64::try_from(since.as_millis()).ok()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn versions_are_compared_as_what_they_are() {
        use Ordering::{Equal, Greater, Less};
        for (one, other, expected) in [
            ("9", "10", Some(Less)),
            ("-3", "18446744073709551615", Some(Less)),
            ("7", "07", Some(Equal)),
            ("2026-05-01T14:00:00+02:00", "2026-05-01T12:00:00Z", Some(Equal)),
            ("2026-05-01T11:30:00-01:00", "2026-05-01T12:00:00Z", Some(Greater)),
            ("2026-05-01T12:00:00.10Z", "2026-05-01T12:00:00.1z", Some(Equal)),
            ("2026-05-01T12:00:00.09Z", "2026-05-01 12:00:00.1Z", Some(Less)),
            ("2024-02-29T23:59:60Z", "2024-03-01T00:00:00Z", Some(Equal)),
            ("1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z", Some(Less)),
            ("draft", "draft", Some(Equal)),
            ("draft", "final", None),
            ("7", "2026-05-01T12:00:00Z", None),
            ("2026-05-01", "2026-05-02", None),
            ("2026-13-01T00:00:00Z", "2026-05-01T12:00:00Z", None),
            ("2026-05-01T24:00:00Z", "2026-05-01T12:00:00Z", None),
            ("2026-05-01T12:00:00.Z", "2026-05-01T12:00:00Z", None),
            ("2026-05-01T12:00:00é", "2026-05-01T12:00:00Z", None),
            ("2026-05-01T12:00:00*02:00", "2026-05-01T12:00:00Z", None),
        ] {
            let (one, other) = (Version::kept(one), Version::kept(other));
            assert_eq!(one.compare(&other), expected, "{one} {other}");
            assert_eq!(other.compare(&one), expected.map(Ordering::reverse), "{other} {one}");
        }
    }

    #[test]
    fn a_version_is_a_text_or_an_integer() {
        for (value, expected) in [
            (json!("a "), Some("a")),
            (json!(7), Some("7")),
            (json!(18_446_744_073_709_551_615_u64), Some("18446744073709551615")),
            (json!(1.5), None),
            (json!(""), None),
            (json!(null), None),
            (json!([1]), None),
        ] {
            let version = Version::of_event(&value);
            assert_eq!(version.as_ref().map(Version::as_str), expected, "{value}");
        }
    }

    #[test]
    fn times_are_written_as_they_are_read() {
        for text in [
            "1970-01-01T00:00:00Z",
            "2000-02-29T23:59:59.007Z",
            "2026-11-28T09:49:09Z",
            "2100-03-01T00:00:00Z",
        ] {
            let (seconds, fraction) = instant(text).unwrap();
            let milliseconds = format!("{fraction:0<3}").parse::<u64>().unwrap();
            assert_eq!(rfc3339(u64::try_from(seconds).unwrap() * 1000 + milliseconds), text);
        }
        let date = of_http_date("Sat, 28 Nov 2026 09:49:09 GMT");
        assert_eq!(date.as_deref(), Some("2026-11-28T09:49:09Z"));
        assert_eq!(of_http_date("yesterday"), None);
    }
}
