//! Times as events write them: by RFC 3339 and no other format, so that two programs never read one text as two times.
//! Only the offset and the seconds may be left out, as forms in browsers do.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;

/// Where the date ends.
const DATE: usize = 10;

/// What a text says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Written {
    Day(Date),
    /// Without an offset: what some clock shows.
    Local(DateTime),
    Instant(Timestamp),
}

impl Written {
    /// To the second. What is finer is cut, and a leap second is the second before, as calendars have it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let date = date(text.get(..DATE)?)?;
        let Some(rest) = text.get(DATE..).filter(|rest| !rest.is_empty()) else {
            return Some(Written::Day(date));
        };
        let (time, rest) = time(rest.strip_prefix(['T', 't', ' '])?)?;
        let local = date.to_datetime(time);
        if rest.is_empty() {
            return Some(Written::Local(local));
        }
        offset(rest)?.to_timestamp(local).ok().map(Written::Instant)
    }

    pub(crate) fn is_local(self) -> bool {
        matches!(self, Written::Local(_))
    }
}

fn date(text: &str) -> Option<Date> {
    let [year, month, day] = parts(text, '-')?;
    let is_shaped = (year.len(), month.len(), day.len()) == (4, 2, 2);
    is_shaped.then(|| Date::new(number(year)?, narrow(month)?, narrow(day)?).ok())?
}

/// The time, and what comes behind it.
fn time(text: &str) -> Option<(Time, &str)> {
    let end =
        text.find(|character: char| !character.is_ascii_digit() && character != ':').unwrap_or(text.len());
    let (clock, mut rest) = text.split_at(end);
    let (hour, minute, second) = match (parts(clock, ':'), parts(clock, ':')) {
        (Some([hour, minute, second]), _) => (hour, minute, second),
        (None, Some([hour, minute])) => (hour, minute, "00"),
        (None, None) => return None,
    };
    if [hour, minute, second].iter().any(|part| part.len() != 2) {
        return None;
    }
    if let Some(fraction) = rest.strip_prefix('.') {
        let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
        rest = Some(&fraction[digits..]).filter(|_| digits > 0 && clock.len() == 8)?;
    }
    let second = narrow(second).map(|second| if second == 60 { 59 } else { second })?;
    Some((Time::new(narrow(hour)?, narrow(minute)?, second, 0).ok()?, rest))
}

/// `Z`, or hours and minutes east of UTC.
fn offset(text: &str) -> Option<Offset> {
    if matches!(text, "Z" | "z") {
        return Some(Offset::UTC);
    }
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let [hours, minutes] = parts(digits, ':')?;
    if (hours.len(), minutes.len()) != (2, 2) {
        return None;
    }
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let is_offset = hours < 24 && minutes < 60;
    is_offset
        .then(|| Offset::from_seconds(sign * (i32::from(hours) * 3600 + i32::from(minutes) * 60)).ok())?
}

/// As many parts as are asked for, and no more.
fn parts<const COUNT: usize>(text: &str, separator: char) -> Option<[&str; COUNT]> {
    let parts: Vec<_> = text.split(separator).collect();
    parts.try_into().ok()
}

fn narrow(digits: &str) -> Option<i8> {
    number(digits)?.try_into().ok()
}

fn number(digits: &str) -> Option<i16> {
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rfc_3339_allows_is_read() {
        let instant = |text: &str| Some(Written::Instant(text.parse().unwrap()));
        for (text, expected) in [
            ("2026-05-01T10:00:00Z", instant("2026-05-01T10:00:00Z")),
            ("2026-05-01t10:00:00z", instant("2026-05-01T10:00:00Z")),
            ("2026-05-01 10:00:00+02:00", instant("2026-05-01T08:00:00Z")),
            ("2026-05-01T10:00:00-23:59", instant("2026-05-02T09:59:00Z")),
            ("2026-05-01T10:00:00-00:00", instant("2026-05-01T10:00:00Z")),
            ("2026-05-01T10:00+02:00", instant("2026-05-01T08:00:00Z")),
            // Finer than any clock, and no less a time for that.
            ("2026-05-01T10:00:00.123456789012345Z", instant("2026-05-01T10:00:00Z")),
            ("2016-12-31T23:59:60Z", instant("2016-12-31T23:59:59Z")),
            ("2026-05-01", Some(Written::Day(Date::constant(2026, 5, 1)))),
            ("2026-05-01T10:30", Some(Written::Local(DateTime::constant(2026, 5, 1, 10, 30, 0, 0)))),
            ("2026-05-01T10:30:15.9", Some(Written::Local(DateTime::constant(2026, 5, 1, 10, 30, 15, 0)))),
        ] {
            assert_eq!(Written::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn what_it_does_not_allow_is_none() {
        for text in [
            "",
            "2026",
            "20260501",
            "2026-5-1",
            "2026-13-01",
            "2026-02-29",
            "+002026-05-01",
            "2026-W18-5",
            "2026-05-01T",
            "2026-05-01T10",
            "2026-05-01T1000",
            "2026-05-01T10:00:00,5Z",
            "2026-05-01T10:00:00.Z",
            "2026-05-01T10:00.5Z",
            "2026-05-01T24:00:00Z",
            "2026-05-01T10:60:00Z",
            "2026-05-01T10:00:61Z",
            "2026-05-01T10:00:00+2:00",
            "2026-05-01T10:00:00+02",
            "2026-05-01T10:00:00+0200",
            "2026-05-01T10:00:00+24:00",
            "2026-05-01T10:00:00+25:30",
            "2026-05-01T10:00:00+02:60",
            "2026-05-01T10:00:00+02:00:30",
            "2026-05-01T10:00:00+02:00[Europe/Berlin]",
            "2026-05-01T10:00:00 Z",
            "2026-05-01T10:00:00[Europe/Berlin]",
            "2026-05-01_10:00:00Z",
            "2026-05-01Z",
            " 2026-05-01",
            "2026-05-01 ",
            // Beyond the last year, and not to be taken for a time without an offset.
            "9999-12-31T23:59:59-10:00",
            "２026-05-01",
            "2026-05-0ü",
            "2026-05-01T10:00:0ü",
        ] {
            assert_eq!(Written::parse(text), None, "{text}");
        }
    }
}
