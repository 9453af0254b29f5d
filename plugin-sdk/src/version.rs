//! Which of two versions of one thing is the newer: integers, or times (RFC 3339), as the host's `newest-wins` compares
//! them.

use std::cmp::Ordering;

use serde_json::Value;

use crate::time::nanoseconds;

/// How the first stands to the second; nothing where they cannot be compared. Times are compared as instants:
/// `12:00+02:00` is `10:00Z`. Texts that are no times are equal or cannot be compared.
pub fn compare(one: &Value, other: &Value) -> Option<Ordering> {
    if let (Some(one), Some(other)) = (integer(one), integer(other)) {
        return Some(one.cmp(&other));
    }
    let (one, other) = (one.as_str()?, other.as_str()?);
    match (nanoseconds(one), nanoseconds(other)) {
        (Some(one), Some(other)) => Some(one.cmp(&other)),
        _ => (one == other).then_some(Ordering::Equal),
    }
}

fn integer(value: &Value) -> Option<i128> {
    value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn integers_and_times_are_compared() {
        use Ordering::{Equal, Greater, Less};
        for (one, other, expected) in [
            (json!(10), json!(9), Some(Greater)),
            (json!(-3), json!(u64::MAX), Some(Less)),
            (json!(7), json!(7), Some(Equal)),
            (json!("2026-11-22T10:00:01Z"), json!("2026-11-22T10:00:00Z"), Some(Greater)),
            (json!("2026-11-22T10:00:00.001Z"), json!("2026-11-22t10:00:00z"), Some(Greater)),
            (json!("2026-11-22T11:00:00+02:00"), json!("2026-11-22T10:00:00Z"), Some(Less)),
            (json!("2026-11-22 12:00:00.0+02:00"), json!("2026-11-22T10:00:00Z"), Some(Equal)),
            (json!("2026-01-01T00:30:00+01:00"), json!("2025-12-31T23:30:00Z"), Some(Equal)),
            (json!("2024-02-29T23:59:60Z"), json!("2024-03-01T00:00:00Z"), Some(Equal)),
            (json!("0000-01-01T00:00:00Z"), json!("1970-01-01T00:00:00-23:59"), Some(Less)),
            (json!("\"v7\""), json!("\"v7\""), Some(Equal)),
            (json!("b"), json!("a"), None),
            (json!("2026-02-29T00:00:00Z"), json!("2026-02-28T00:00:00Z"), None),
            (json!("2026-11-22"), json!("2026-11-21"), None),
            (json!("2026-11-22T10:00:00"), json!("2026-11-22T10:00:00Z"), None),
            (json!("2026-11-22T10:00:00.Z"), json!("2026-11-22T10:00:00Z"), None),
            (json!("2026-11-22T24:00:00Z"), json!("2026-11-22T10:00:00Z"), None),
            (json!("2026-11-22T10:00:00+2:00"), json!("2026-11-22T10:00:00Z"), None),
            (json!(1.5), json!(1.5), None),
            (json!(1), json!("1"), None),
            (json!(null), json!(null), None),
        ] {
            assert_eq!(compare(&one, &other), expected, "{one} {other}");
        }
    }
}
