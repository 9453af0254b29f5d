//! What Avro makes of its plain types: numbers that lose nothing, identifiers and times, as text. Pure.

use std::ops::RangeInclusive;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Datelike as _, NaiveDate, NaiveTime, SecondsFormat};

use crate::schema_registry::output::Output;

/// The most bytes of a decimal, and digits behind its point: far beyond what any database has.
const MOST_DECIMAL_BYTES: usize = 64;
const MOST_SCALE: usize = 154;

/// Those that RFC 3339 can write.
const YEARS: RangeInclusive<i32> = 0..=9_999;

/// What a time counts in.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unit {
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

/// JSON has no number for what is none: the names that protobuf's JSON has for it.
pub(super) fn float_text(
    text: Option<serde_json::Result<String>>,
    value: f64,
    output: &mut Output,
) -> Result<(), String> {
    match text {
        Some(text) => output.text(&text.map_err(|error| error.to_string())?),
        None if value.is_nan() => output.string("NaN"),
        None => output.string(if value > 0.0 { "Infinity" } else { "-Infinity" }),
    }
}

/// Big-endian two's complement as text, which loses nothing.
pub(super) fn decimal(bytes: &[u8], scale: usize) -> Result<String, String> {
    if bytes.len() > MOST_DECIMAL_BYTES || scale > MOST_SCALE {
        let most = MOST_DECIMAL_BYTES;
        return Err(format!("a decimal has more than {most} bytes, or a scale beyond {MOST_SCALE}"));
    }
    let is_negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
    let magnitude = if is_negative { negated(bytes) } else { bytes.to_vec() };
    let digits = format!("{:0>width$}", digits(magnitude), width = scale + 1);
    let (before, after) = digits.split_at(digits.len() - scale);
    let point = if scale > 0 { "." } else { "" };
    Ok(format!("{}{before}{point}{after}", if is_negative { "-" } else { "" }))
}

/// The magnitude of a negative number: all bits the other way, and one more.
fn negated(bytes: &[u8]) -> Vec<u8> {
    let mut carry = true;
    let mut magnitude: Vec<u8> = bytes.iter().map(|byte| !byte).collect();
    for byte in magnitude.iter_mut().rev() {
        (*byte, carry) = byte.overflowing_add(u8::from(carry));
    }
    magnitude
}

/// Decimal digits, by long division, nine at a time; none for zero.
fn digits(mut magnitude: Vec<u8>) -> String {
    const NINE: u64 = 1_000_000_000;
    let mut groups = Vec::new();
    while magnitude.iter().any(|byte| *byte != 0) {
        let mut left = 0;
        for byte in &mut magnitude {
            let value = left << 8 | u64::from(*byte);
            // What is left is less than the divisor, so this is less than 256.
            *byte = u8::try_from(value / NINE).unwrap_or_default();
            left = value % NINE;
        }
        groups.push(format!("{left:09}"));
    }
    let digits: String = groups.into_iter().rev().collect();
    digits.trim_start_matches('0').to_owned()
}

pub(super) fn uuid(value: u128) -> String {
    let digits = format!("{value:032x}");
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}

impl Unit {
    fn per_second(self) -> i64 {
        match self {
            Unit::Milliseconds => 1_000,
            Unit::Microseconds => 1_000_000,
            Unit::Nanoseconds => 1_000_000_000,
        }
    }

    /// Seconds and the nanoseconds of the one that has begun.
    fn split(self, since: i64) -> (i64, u32) {
        let per_second = self.per_second();
        let nanoseconds = since.rem_euclid(per_second) * (1_000_000_000 / per_second);
        (since.div_euclid(per_second), u32::try_from(nanoseconds).unwrap_or_default())
    }
}

pub(super) fn date(days: i32) -> Option<String> {
    let date = NaiveDate::from_epoch_days(days).filter(|date| YEARS.contains(&date.year()))?;
    Some(date.format("%Y-%m-%d").to_string())
}

pub(super) fn time(since: i64, unit: Unit) -> Option<String> {
    let (seconds, nanoseconds) = unit.split(since);
    let time = NaiveTime::from_num_seconds_from_midnight_opt(u32::try_from(seconds).ok()?, nanoseconds)?;
    Some(time.format("%H:%M:%S%.f").to_string())
}

pub(super) fn timestamp(since: i64, unit: Unit, is_local: bool) -> Option<String> {
    let (seconds, nanoseconds) = unit.split(since);
    let time = DateTime::from_timestamp(seconds, nanoseconds).filter(|time| YEARS.contains(&time.year()))?;
    let text = time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    Some(if is_local { text.trim_end_matches('Z').to_owned() } else { text })
}

impl Output {
    pub(super) fn base64(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.string(&STANDARD.encode(bytes))
    }

    pub(super) fn string_or_number(&mut self, text: Option<String>, number: i64) -> Result<(), String> {
        match text {
            Some(text) => self.string(&text),
            None => self.text(&number.to_string()),
        }
    }
}
