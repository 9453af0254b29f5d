//! Who wins when the external system holds something newer or different.
//!
//! Pure: the policy, the event's data and what the connector reported come in, the decision goes out. Where the two
//! cannot be compared a person decides: nothing is guessed and nothing is overwritten.

use std::cmp::Ordering;

use bytes::Bytes;
use chrono::{DateTime, FixedOffset};
use serde_json::Value;

use crate::config::ConflictPolicy;
use crate::contract::{Conflict, Resolution};

/// What follows a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The external system keeps what it holds: the event settles, with this reason.
    Superseded(String),
    /// The connector is called again with this.
    Again(Resolution),
    /// A person decides: the event becomes a dead letter, with this reason.
    Manual(String),
}

/// Decides by the subscription's policy.
pub fn decide(policy: &ConflictPolicy, event_data: Option<&[u8]>, conflict: &Conflict) -> Decision {
    match policy {
        ConflictPolicy::SourceWins => overwrite(conflict),
        ConflictPolicy::TargetWins => Decision::Superseded("the external system wins by policy".to_owned()),
        ConflictPolicy::Manual => {
            Decision::Manual(format!("a person decides by policy: {}", conflict.reason))
        }
        ConflictPolicy::NewestWins { version } => newest_wins(version, event_data, conflict),
    }
}

fn newest_wins(pointer: &str, event_data: Option<&[u8]>, conflict: &Conflict) -> Decision {
    match compare(pointer, event_data, conflict.current.as_ref()) {
        Ok(Ordering::Greater) => overwrite(conflict),
        Ok(Ordering::Equal) => Decision::Superseded("already there".to_owned()),
        Ok(Ordering::Less) => Decision::Superseded(format!("the external system holds a newer `{pointer}`")),
        Err(reason) => Decision::Manual(format!("cannot tell which is newer: {reason}")),
    }
}

fn overwrite(conflict: &Conflict) -> Decision {
    Decision::Again(Resolution::Overwrite(conflict.version.clone()))
}

fn compare(pointer: &str, event_data: Option<&[u8]>, current: Option<&Bytes>) -> Result<Ordering, String> {
    let event = value_at(pointer, "the event", event_data)?;
    let current = value_at(pointer, "what the external system holds", current.map(Bytes::as_ref))?;
    if let (Some(event), Some(current)) = (integer(&event), integer(&current)) {
        return Ok(event.cmp(&current));
    }
    if let (Some(event), Some(current)) = (instant(&event), instant(&current)) {
        return Ok(event.cmp(&current));
    }
    if event.is_string() && event == current {
        return Ok(Ordering::Equal);
    }
    Err(format!("at `{pointer}` are {event} and {current}, not two RFC 3339 times or two integers"))
}

fn value_at(pointer: &str, whose: &str, data: Option<&[u8]>) -> Result<Value, String> {
    let data = data.ok_or_else(|| format!("{whose} has no data to compare"))?;
    let mut json: Value =
        serde_json::from_slice(data).map_err(|error| format!("{whose} is not JSON: {error}"))?;
    match json.pointer_mut(pointer) {
        None | Some(Value::Null) => Err(format!("{whose} has nothing at `{pointer}`")),
        Some(Value::Array(_) | Value::Object(_)) => {
            Err(format!("{whose} has no single value at `{pointer}`"))
        }
        Some(value @ (Value::Bool(_) | Value::Number(_) | Value::String(_))) => Ok(value.take()),
    }
}

fn integer(value: &Value) -> Option<i128> {
    value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from))
}

/// Compared as instants: `12:00+02:00` is `10:00Z`.
fn instant(value: &Value) -> Option<DateTime<FixedOffset>> {
    DateTime::parse_from_rfc3339(value.as_str()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conflict(current: Option<&str>) -> Conflict {
        Conflict {
            version: Some("\"v7\"".to_owned()),
            current: current.map(|current| Bytes::copy_from_slice(current.as_bytes())),
            reason: "412".to_owned(),
        }
    }

    fn newest(event: Option<&str>, current: Option<&str>) -> Decision {
        let policy = ConflictPolicy::NewestWins { version: "/meta/at".to_owned() };
        decide(&policy, event.map(str::as_bytes), &conflict(current))
    }

    fn at(value: &str) -> String {
        format!(r#"{{"meta":{{"at":{value}}}}}"#)
    }

    #[test]
    fn the_newer_of_two_times_or_integers_wins() {
        let overwrite = Decision::Again(Resolution::Overwrite(Some("\"v7\"".to_owned())));
        let older = Decision::Superseded("the external system holds a newer `/meta/at`".to_owned());
        let same = Decision::Superseded("already there".to_owned());
        for (event, current, expected) in [
            (r#""2026-11-22T10:00:01Z""#, r#""2026-11-22T10:00:00Z""#, &overwrite),
            (r#""2026-11-22T10:00:00.001Z""#, r#""2026-11-22T10:00:00Z""#, &overwrite),
            (r#""2026-11-22T09:00:00Z""#, r#""2026-11-22T10:00:00Z""#, &older),
            // Later by the letters, earlier by the clock.
            (r#""2026-11-22T11:00:00+02:00""#, r#""2026-11-22T10:00:00Z""#, &older),
            (r#""2026-11-22T12:00:00+02:00""#, r#""2026-11-22T10:00:00Z""#, &same),
            ("10", "9", &overwrite),
            ("-3", "18446744073709551615", &older),
            ("18446744073709551615", "9223372036854775807", &overwrite),
            ("7", "7", &same),
            (r#""etag""#, r#""etag""#, &same),
        ] {
            assert_eq!(&newest(Some(&at(event)), Some(&at(current))), expected, "{event} {current}");
        }
    }

    #[test]
    fn a_person_decides_what_cannot_be_compared() {
        let good = at("1");
        for (event, current, expected) in [
            (None, Some(good.as_str()), "the event has no data to compare"),
            (Some(good.as_str()), None, "what the external system holds has no data to compare"),
            (Some("{"), Some(good.as_str()), "the event is not JSON: "),
            (Some(good.as_str()), Some("<xml/>"), "what the external system holds is not JSON: "),
            (Some("{}"), Some(good.as_str()), "the event has nothing at `/meta/at`"),
            (Some(&at("null")), Some(good.as_str()), "the event has nothing at `/meta/at`"),
            (Some(good.as_str()), Some(&at("[]")), "what the external system holds has no single value"),
            (
                Some(good.as_str()),
                Some(&at(r#""1""#)),
                "at `/meta/at` are 1 and \"1\", not two RFC 3339 times",
            ),
            (Some(&at("1.5")), Some(&at("1.5")), "at `/meta/at` are 1.5 and 1.5"),
            (Some(&at(r#""b""#)), Some(&at(r#""a""#)), "at `/meta/at` are \"b\" and \"a\""),
            (Some(&at(r#""2026-11-22""#)), Some(&at(r#""2026-11-21""#)), "at `/meta/at` are "),
        ] {
            let Decision::Manual(reason) = newest(event, current) else { panic!("{event:?} {current:?}") };
            let expected = format!("cannot tell which is newer: {expected}");
            assert!(reason.starts_with(&expected), "{reason}");
        }
    }

    #[test]
    fn the_other_policies_do_not_look_at_the_data() {
        for (policy, expected) in [
            (ConflictPolicy::SourceWins, Decision::Again(Resolution::Overwrite(Some("\"v7\"".to_owned())))),
            (
                ConflictPolicy::TargetWins,
                Decision::Superseded("the external system wins by policy".to_owned()),
            ),
            (ConflictPolicy::Manual, Decision::Manual("a person decides by policy: 412".to_owned())),
        ] {
            assert_eq!(decide(&policy, None, &conflict(None)), expected);
        }
    }
}
