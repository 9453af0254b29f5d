//! Times as the text that all databases read and write: `2026-01-02 03:04:05.000006`, in UTC.
//!
//! Pure. Years before 1 and beyond 9999 are written as PostgreSQL does, which alone has them.

use chrono::{DateTime, Datelike as _, NaiveDate, Timelike as _};

/// Of microseconds since 1970; `None` where no calendar has that day.
pub(super) fn timestamp_text(microseconds: i64) -> Option<String> {
    let time = DateTime::from_timestamp_micros(microseconds)?.naive_utc();
    let (date, era) = date_parts(time.date());
    let seconds = u64::from(time.num_seconds_from_midnight());
    let within_day = seconds * 1_000_000 + u64::from(time.nanosecond() / 1_000);
    Some(format!("{date} {}{era}", time_text(within_day)))
}

pub(super) fn date_text(date: NaiveDate) -> String {
    let (date, era) = date_parts(date);
    format!("{date}{era}")
}

fn date_parts(date: NaiveDate) -> (String, &'static str) {
    let (year, era) = match date.year() {
        year if year > 0 => (year, ""),
        year => (1 - year, " BC"),
    };
    (format!("{year:04}-{:02}-{:02}", date.month(), date.day()), era)
}

/// Of microseconds since midnight; a fraction is written where there is one.
pub(super) fn time_text(microseconds: u64) -> String {
    let (seconds, fraction) = (microseconds / 1_000_000, microseconds % 1_000_000);
    let text = format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match fraction {
        0 => text,
        fraction => format!("{text}.{fraction:06}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_databases_read_them() {
        for (microseconds, expected) in [
            (0, Some("1970-01-01 00:00:00")),
            (1_767_323_045_000_006, Some("2026-01-02 03:04:05.000006")),
            (-1, Some("1969-12-31 23:59:59.999999")),
            (-62_167_219_200_000_000, Some("0001-01-01 00:00:00 BC")),
            (i64::MAX, None),
        ] {
            assert_eq!(timestamp_text(microseconds).as_deref(), expected, "{microseconds}");
        }
        assert_eq!(time_text(24 * 3_600 * 1_000_000), "24:00:00");
        assert_eq!(date_text(NaiveDate::from_ymd_opt(-43, 3, 15).unwrap()), "0044-03-15 BC");
    }
}
