//! Does a row hold something else than an event would write? A database gives a value in the form of its own type, so that
//! one value has several: what cannot be told is taken for the same.

use serde_json::Value;

use crate::sql::SqlValue;
use crate::time::microseconds;

/// Is what was found certainly another value than what would be bound?
pub fn is_other(wanted: &SqlValue, found: &SqlValue) -> bool {
    use SqlValue::{Boolean, Bytes, Integer, Json, Null, Real, Text, Texts, Timestamp};
    match (wanted, found) {
        (Null, Null) => false,
        (Null, _) | (_, Null) => true,
        (Boolean(one), Boolean(other)) => one != other,
        (Boolean(one), Integer(other)) | (Integer(other), Boolean(one)) => i64::from(*one) != *other,
        (Integer(one), Integer(other)) => one != other,
        (Bytes(one), Bytes(other)) => one != other,
        (Timestamp(one), Timestamp(other)) => one != other,
        (Timestamp(time), Text(text)) | (Text(text), Timestamp(time)) => {
            microseconds(text).is_some_and(|other| other != *time)
        }
        (Json(one), Json(other) | Text(other)) | (Text(one), Json(other)) => is_other_json(one, other),
        (Text(one), Text(other)) => is_other_text(one, other),
        (Integer(_) | Real(_) | Text(_), Integer(_) | Real(_) | Text(_)) => {
            matches!((number(wanted), number(found)), (Some(one), Some(other)) if !is_near(one, other))
        }
        (Boolean(_) | Integer(_) | Real(_) | Text(_) | Bytes(_) | Timestamp(_) | Json(_) | Texts(_), _) => {
            false
        }
    }
}

fn is_other_json(one: &str, other: &str) -> bool {
    let read = |text| serde_json::from_str::<Value>(text).ok();
    match (read(one), read(other)) {
        (Some(one), Some(other)) => one != other,
        _ => one != other,
    }
}

fn is_other_text(one: &str, other: &str) -> bool {
    // Columns of a fixed length are filled up, and some types have one way to write letters.
    if one.trim_end().eq(other.trim_end()) || (is_uuid(one) && one.eq_ignore_ascii_case(other)) {
        return false;
    }
    if let (Ok(one), Ok(other)) = (one.parse(), other.parse()) {
        return !is_near(one, other);
    }
    match (microseconds(one), microseconds(other)) {
        (Some(one), Some(other)) => one != other,
        // A date of which the column keeps the day.
        (Some(_), None) => false,
        (None, _) => true,
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

fn number(value: &SqlValue) -> Option<f64> {
    match value {
        #[expect(clippy::cast_precision_loss, reason = "beyond that it is taken for the same")]
        SqlValue::Integer(number) => Some(*number as f64),
        SqlValue::Real(number) => Some(*number),
        SqlValue::Text(text) => text.parse().ok(),
        _ => None,
    }
}

/// Columns may have half the digits.
fn is_near(one: f64, other: f64) -> bool {
    (one - other).abs() <= f64::from(f32::EPSILON) * one.abs().max(other.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_in_another_form_is_the_same() {
        let time = |micros| SqlValue::Timestamp(micros);
        let json = |text: &str| SqlValue::Json(text.to_owned());
        for (wanted, found, expected) in [
            ("a".into(), "a".into(), false),
            ("a".into(), "b".into(), true),
            ("a".into(), SqlValue::Null, true),
            (SqlValue::Null, SqlValue::Null, false),
            ("ab".into(), "ab   ".into(), false),
            ("1.5".into(), "1.500".into(), false),
            ("1.5".into(), "1.6".into(), true),
            (0.1.into(), f64::from(0.1_f32).into(), false),
            (7.into(), "7.000".into(), false),
            (7.into(), "8".into(), true),
            (7.into(), "seven".into(), false),
            (true.into(), 1.into(), false),
            (true.into(), 0.into(), true),
            (time(1_000_000), "1970-01-01 00:00:01".into(), false),
            ("1970-01-01T01:00:00+01:00".into(), time(0), false),
            ("1970-01-01T01:00:00+01:00".into(), time(1), true),
            ("1970-01-01T00:00:00Z".into(), "1970-01-01".into(), false),
            (json("{\"a\": 1, \"b\": 2}"), json("{\"b\":2,\"a\":1}"), false),
            (json("{\"a\": 1}"), "{\"a\":2}".into(), true),
            (vec![1_u8].into(), vec![2_u8].into(), true),
            (vec![1_u8].into(), "AQ==".into(), false),
            (
                "0A0B0C0D-0000-0000-0000-000000000000".into(),
                "0a0b0c0d-0000-0000-0000-000000000000".into(),
                false,
            ),
        ] {
            assert_eq!(is_other(&wanted, &found), expected, "{wanted:?} {found:?}");
        }
    }
}
