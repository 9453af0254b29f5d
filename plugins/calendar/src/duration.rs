//! How long something lasts: `PT1H30M`, `P1D`, `P2W` (RFC 5545, 3.3.6; a part of ISO 8601).

use std::fmt;

use crate::moment::Moment;

const DAY_SECONDS: i64 = 86_400;
/// More than any calendar shows; keeps all sums small.
const MAX_DAYS: i64 = 400_000;

/// A length of time that is not negative: days by the calendar, and seconds by the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Length {
    days: i64,
    seconds: i64,
}

impl Length {
    pub(crate) const ONE_DAY: Self = Self { days: 1, seconds: 0 };

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('+').unwrap_or(text);
        let (date, time) = text.strip_prefix('P')?.split_once('T').map_or_else(
            || (text.strip_prefix('P').unwrap_or_default(), None),
            |(date, time)| (date, Some(time)),
        );
        if time.map_or(date.is_empty(), str::is_empty) {
            return None;
        }
        let days = sum(date, &[('W', 7), ('D', 1)])?;
        let seconds = sum(time.unwrap_or_default(), &[('H', 3600), ('M', 60), ('S', 1)])?;
        (days <= MAX_DAYS && seconds <= MAX_DAYS * DAY_SECONDS).then_some(Self { days, seconds })
    }

    pub(crate) fn of_seconds(seconds: u64) -> Option<Self> {
        let seconds = i64::try_from(seconds).ok()?;
        (seconds <= MAX_DAYS * DAY_SECONDS).then_some(Self { days: 0, seconds })
    }

    /// From one to a later other: days between days, and else what the clock counts.
    pub(crate) fn between(start: &Moment, end: &Moment) -> Option<Self> {
        let (begin, close) = (start.local(), end.local());
        if start.is_day() && end.is_day() {
            let days = i64::from(begin.date().until(close.date()).ok()?.get_days());
            return (days >= 0).then_some(Self { days, seconds: 0 });
        }
        let seconds = match (start.instant(), end.instant()) {
            (Some(start), Some(end)) => end.as_second() - start.as_second(),
            _ => begin.duration_until(close).as_secs(),
        };
        Self::of_seconds(u64::try_from(seconds).ok()?)
    }

    /// Where it is whole minutes.
    pub(crate) fn minutes(self) -> Option<i64> {
        (self.days == 0 && self.seconds % 60 == 0).then_some(self.seconds / 60)
    }

    pub(crate) fn days(self) -> i64 {
        self.days
    }

    pub(crate) fn seconds(self) -> i64 {
        self.seconds
    }

    pub(crate) fn is_zero(self) -> bool {
        self.days == 0 && self.seconds == 0
    }

    pub(crate) fn is_whole_days(self) -> bool {
        self.seconds == 0
    }
}

impl fmt::Display for Length {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("P")?;
        if self.days > 0 {
            write!(formatter, "{}D", self.days)?;
        }
        if self.seconds > 0 || self.days == 0 {
            formatter.write_str("T")?;
        }
        for (count, unit) in
            [(self.seconds / 3600, 'H'), (self.seconds / 60 % 60, 'M'), (self.seconds % 60, 'S')]
        {
            if count > 0 || (unit == 'S' && self.is_zero()) {
                write!(formatter, "{count}{unit}")?;
            }
        }
        Ok(())
    }
}

/// The sum of numbers with these units, each at most once and in this order.
fn sum(mut text: &str, units: &[(char, i64)]) -> Option<i64> {
    let mut sum = 0_i64;
    for (unit, factor) in units {
        if let Some((number, rest)) = text.split_once(*unit) {
            if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            sum = sum.checked_add(number.parse::<i64>().ok()?.checked_mul(*factor)?)?;
            text = rest;
        }
    }
    text.is_empty().then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::Length;

    #[test]
    fn lengths_are_read_and_written() {
        for (text, days, seconds, written) in [
            ("PT1H30M", 0, 5400, "PT1H30M"),
            ("P1D", 1, 0, "P1D"),
            ("P2W", 14, 0, "P14D"),
            ("P1DT2H", 1, 7200, "P1DT2H"),
            ("PT90M", 0, 5400, "PT1H30M"),
            ("+PT5S", 0, 5, "PT5S"),
            ("PT0S", 0, 0, "PT0S"),
        ] {
            let length = Length::parse(text).unwrap();
            assert_eq!((length.days(), length.seconds()), (days, seconds), "{text}");
            assert_eq!(length.to_string(), written);
        }
    }

    #[test]
    fn what_is_no_length_is_none() {
        for text in [
            "",
            "P",
            "PT",
            "P1DT",
            "1H",
            "-PT1H",
            "P1Y",
            "P1M",
            "PT1.5H",
            "PT1M1H",
            "PTH",
            "PT99999999999999999999S",
            "P999999D",
        ] {
            assert_eq!(Length::parse(text), None, "{text}");
        }
    }
}
