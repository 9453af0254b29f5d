//! Times as events write them (RFC 3339) and as databases write them, in microseconds since 1970.

const MICROS: i64 = 1_000_000;
const DAY: i64 = 86_400;

/// Reads `2026-01-02T03:04:05.000006+01:00`, and the form of a database, `2026-01-02 03:04:05.000006`, which is in UTC.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let (date, rest) = text.split_at_checked(10)?;
    let mut date = date.split('-');
    let (year, month, day) = (digits(date.next()?, 4)?, digits(date.next()?, 2)?, digits(date.next()?, 2)?);
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (clock, rest) = rest.split_at_checked(8)?;
    let mut clock = clock.split(':');
    let (hour, minute, second) =
        (digits(clock.next()?, 2)?, digits(clock.next()?, 2)?, digits(clock.next()?, 2)?);
    let is_in_range = (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !is_in_range {
        return None;
    }
    let (fraction, zone) = fraction(rest)?;
    let is_of_database = text.as_bytes().get(10) == Some(&b' ');
    let offset = match zone {
        "Z" | "z" => 0,
        "" if is_of_database => 0,
        zone => offset(zone)?,
    };
    let seconds = days(year, month, day) * DAY + hour * 3_600 + minute * 60 + second - offset;
    Some(seconds * MICROS + fraction)
}

/// As RFC 3339, in UTC; `None` beyond the years 1 to 9999.
pub(crate) fn text(micros: i64) -> Option<String> {
    let (seconds, fraction) = (micros.div_euclid(MICROS), micros.rem_euclid(MICROS));
    let (day, clock) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let (year, month, day) = civil(day);
    if !(1..=9_999).contains(&year) {
        return None;
    }
    let fraction = match fraction {
        0 => String::new(),
        fraction if fraction % 1_000 == 0 => format!(".{:03}", fraction / 1_000),
        fraction => format!(".{fraction:06}"),
    };
    let (hour, minute, second) = (clock / 3_600, clock / 60 % 60, clock % 60);
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z"))
}

fn digits(text: &str, count: usize) -> Option<i64> {
    let is_plain = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| text.parse().ok()).flatten()
}

/// The microseconds after the second, cut, and what follows them.
fn fraction(rest: &str) -> Option<(i64, &str)> {
    let Some(fraction) = rest.strip_prefix('.') else { return Some((0, rest)) };
    let end = fraction.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(fraction.len());
    let (fraction, zone) = fraction.split_at(end);
    let padded: String = fraction.chars().chain("000000".chars()).take(6).collect();
    (!fraction.is_empty()).then(|| padded.parse().ok()).flatten().map(|micros| (micros, zone))
}

fn offset(zone: &str) -> Option<i64> {
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = zone[1..].split_once(':')?;
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970 of a date of the Gregorian calendar: years begin in March, so that the odd day is their last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The other way round.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_both_forms_and_written_in_one() {
        for (written, micros, shown) in [
            ("1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00Z"),
            ("2026-01-02T03:04:05.000006Z", 1_767_323_045_000_006, "2026-01-02T03:04:05.000006Z"),
            ("2026-01-02 03:04:05.5", 1_767_323_045_500_000, "2026-01-02T03:04:05.500Z"),
            ("2026-01-02t05:04:05.0000069+02:00", 1_767_323_045_000_006, "2026-01-02T03:04:05.000006Z"),
            ("1969-12-31T18:59:59.999-05:00", -1_000, "1969-12-31T23:59:59.999Z"),
            ("2024-02-29T00:00:00z", 1_709_164_800_000_000, "2024-02-29T00:00:00Z"),
            ("0001-01-01T00:00:00Z", -62_135_596_800_000_000, "0001-01-01T00:00:00Z"),
        ] {
            assert_eq!(parse(written), Some(micros), "{written}");
            assert_eq!(text(micros).as_deref(), Some(shown), "{written}");
        }
        assert_eq!(text(i64::MAX), None);
    }

    #[test]
    fn what_is_no_time_is_not_read() {
        for wrong in [
            "",
            "2026-01-02",
            "2026-01-02T03:04:05",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-02T24:00:00Z",
            "2026-01-02T03:04:05.Z",
            "2026-01-02T03:04:05+1:00",
            "2026-01-02X03:04:05Z",
            "ü026-01-02T03:04:05Z",
            "+026-01-02T03:04:05Z",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
