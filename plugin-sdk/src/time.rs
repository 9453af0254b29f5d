//! Times as JSON has them, RFC 3339, read and written; and as HTTP has them, read.

use std::ops::Range;
use std::time::UNIX_EPOCH;

/// As `2026-01-01T00:00:00.000Z`, of milliseconds since 1970, which is how the contract counts time.
pub fn rfc3339(ms: u64) -> String {
    let (seconds, ms) = (ms / 1000, ms % 1000);
    let mut text = seconds_text(i64::try_from(seconds).unwrap_or(i64::MAX / 2));
    text.push('.');
    push_digits(&mut text, ms, 3);
    text.push('Z');
    text
}

/// As RFC 3339 in UTC, of microseconds since 1970, with as many digits as it needs: none, three or six. Nothing beyond the
/// years 1 to 9999.
pub fn rfc3339_us(us: i64) -> Option<String> {
    const YEARS: Range<i64> = -62_135_596_800..253_402_300_800;
    let (seconds, us) = (us.div_euclid(1_000_000), us.rem_euclid(1_000_000).unsigned_abs());
    let mut text = YEARS.contains(&seconds).then(|| seconds_text(seconds))?;
    if us > 0 {
        text.push('.');
        match us % 1_000 {
            0 => push_digits(&mut text, us / 1_000, 3),
            _ => push_digits(&mut text, us, 6),
        }
    }
    text.push('Z');
    Some(text)
}

/// Without a zone. Each event has such times: the digits are written by hand, which takes a fifth of what `format!` does.
fn seconds_text(seconds: i64) -> String {
    let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400).unsigned_abs());
    let (year, month, date) = date(day);
    let mut text = String::with_capacity("2026-01-01T00:00:00.000000Z".len());
    if year > 9_999 {
        text.push_str(&year.to_string());
    } else {
        push_digits(&mut text, year.unsigned_abs(), 4);
    }
    for (before, value) in [
        ('-', month.unsigned_abs()),
        ('-', date.unsigned_abs()),
        ('T', second / 3600),
        (':', second / 60 % 60),
        (':', second % 60),
    ] {
        text.push(before);
        push_digits(&mut text, value, 2);
    }
    text
}

/// The last so many digits, with zeros before them.
fn push_digits(text: &mut String, value: u64, count: u32) {
    for place in (0..count).rev() {
        let digit = value / 10_u64.pow(place) % 10;
        text.push(char::from(b'0' + u8::try_from(digit).unwrap_or_default()));
    }
}

/// Milliseconds since 1970, of a date as HTTP has it, in each of its three forms (RFC 9110, 5.6.7). Nothing where it is none,
/// or from before.
pub fn http_date(text: &str) -> Option<u64> {
    let since = httpdate::parse_http_date(text.trim()).ok()?.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok()
}

/// Since 1970-01-01T00:00:00Z, of a time by RFC 3339, or as databases write it, `2026-01-02 03:04:05.000006`, which without
/// a zone is in UTC. What is finer is cut.
pub fn microseconds(text: &str) -> Option<i64> {
    let of_database = || {
        let has_space = text.as_bytes().get(10) == Some(&b' ');
        has_space.then(|| instant(&format!("{text}Z"))).flatten()
    };
    let (seconds, nanoseconds) = instant(text).or_else(of_database)?;
    Some(seconds * 1_000_000 + nanoseconds / 1_000)
}

/// Since 1970-01-01T00:00:00Z; nothing where the text is no time by RFC 3339. What is finer than a nanosecond is cut.
pub fn nanoseconds(text: &str) -> Option<i128> {
    let (seconds, nanoseconds) = instant(text)?;
    Some(i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds))
}

/// Seconds since 1970 and the nanoseconds after them. A year has four digits, so that neither is large.
fn instant(text: &str) -> Option<(i64, i64)> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = bytes.get(from..to).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
        Some(digits.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
    };
    let is = |at: usize, wanted: &[u8]| bytes.get(at).is_some_and(|byte| wanted.contains(byte));
    if !(is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":")) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    // A leap second is the first of the next minute.
    let is_date = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
    if !is_date || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (fraction, zone) = fraction(bytes.get(19..)?)?;
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset(zone)?;
    Some((seconds, fraction))
}

/// In nanoseconds, and what comes behind it.
fn fraction(rest: &[u8]) -> Option<(i64, &[u8])> {
    let Some(digits) = rest.strip_prefix(b".") else { return Some((0, rest)) };
    let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let nanoseconds = (0..9).fold(0, |sum, place| {
        let digit = if place < length { i64::from(digits[place] - b'0') } else { 0 };
        sum * 10 + digit
    });
    (length > 0).then(|| (nanoseconds, &digits[length..]))
}

/// In seconds east of UTC.
fn offset(zone: &[u8]) -> Option<i64> {
    let digit =
        |at: usize| zone.get(at).filter(|byte| byte.is_ascii_digit()).map(|byte| i64::from(byte - b'0'));
    let sign = match zone {
        b"Z" | b"z" => return Some(0),
        [b'+', _, _, b':', _, _] => 1,
        [b'-', _, _, b':', _, _] => -1,
        _ => return None,
    };
    let (hours, minutes) = (digit(1)? * 10 + digit(2)?, digit(4)? * 10 + digit(5)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Since 1970-01-01 in the proleptic Gregorian calendar. Years begin in March, so that the day that is added in leap years
/// comes last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

/// Year, month and day of so many days after 1970-01-01: [`days`] the other way round.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (year, month) = (era * 400 + year_of_era, if month < 10 { month + 3 } else { month - 9 });
    (year + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_date_of_http_is_read_in_each_of_its_forms() {
        for (text, expected) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777_000)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(784_111_777_000)),
            (" Sun Nov  6 08:49:37 1994 ", Some(784_111_777_000)),
            ("1994-11-06T08:49:37Z", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(http_date(text), expected, "{text}");
        }
    }

    #[test]
    fn an_instant_is_counted_from_1970() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0_i64),
            ("1969-12-31T23:59:59Z", -1),
            ("2000-02-29T12:00:00Z", 951_825_600),
            ("1994-11-06T08:49:37Z", 784_111_777),
            ("2100-03-01T00:00:00Z", 4_107_542_400),
        ] {
            assert_eq!(nanoseconds(text), Some(i128::from(seconds) * 1_000_000_000), "{text}");
        }
        assert_eq!(nanoseconds("1970-01-01T00:00:00.1234567899Z"), Some(123_456_789));
    }

    #[test]
    fn a_time_is_written_to_the_millisecond() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (784_111_777_005, "1994-11-06T08:49:37.005Z"),
            (951_825_600_000, "2000-02-29T12:00:00.000Z"),
            (1_767_225_599_999, "2025-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(rfc3339(ms), text);
        }
        assert!(rfc3339(u64::MAX).ends_with('Z'));
    }

    #[test]
    fn times_of_databases_are_read_and_written_to_the_microsecond() {
        for (written, us, shown) in [
            ("1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00Z"),
            ("2026-01-02T03:04:05.000006Z", 1_767_323_045_000_006, "2026-01-02T03:04:05.000006Z"),
            ("2026-01-02 03:04:05.5", 1_767_323_045_500_000, "2026-01-02T03:04:05.500Z"),
            ("2026-01-02t05:04:05.0000069+02:00", 1_767_323_045_000_006, "2026-01-02T03:04:05.000006Z"),
            ("1969-12-31T18:59:59.999-05:00", -1_000, "1969-12-31T23:59:59.999Z"),
            ("0001-01-01T00:00:00Z", -62_135_596_800_000_000, "0001-01-01T00:00:00Z"),
            ("9999-12-31T23:59:59.999999Z", 253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"),
        ] {
            assert_eq!(microseconds(written), Some(us), "{written}");
            assert_eq!(rfc3339_us(us).as_deref(), Some(shown), "{written}");
        }
        for beyond in [-62_135_596_800_000_001, 253_402_300_800_000_000, i64::MIN, i64::MAX] {
            assert_eq!(rfc3339_us(beyond), None);
        }
        for wrong in ["", "2026-01-02", "2026-01-02T03:04:05", "2026-02-29 00:00:00", "ü026-01-02T03:04:05Z"]
        {
            assert_eq!(microseconds(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_it_was(ms in 0_u64..253_402_300_799_999) {
            prop_assert_eq!(nanoseconds(&rfc3339(ms)), Some(i128::from(ms) * 1_000_000));
        }
    }
}
