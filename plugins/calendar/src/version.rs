//! Which of two events is newer: by what stands at the pointer `version` of each.

use std::cmp::Ordering;

use jiff::Timestamp;
use liaison_sdk::failure::Failure;
use serde_json::Value;

use crate::component::{Line, escape, unescape};
use crate::settings::Settings;

/// A version as an event gives it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Version {
    Integer(i128),
    /// RFC 3339, and as it was written.
    Time(Timestamp, String),
    /// Some other text: it can be the same, and nothing more is known of it.
    Text(String),
}

impl Version {
    /// Nothing where the settings name no place for it.
    pub(crate) fn of(settings: &Settings, data: &Value) -> Result<Option<Self>, Failure> {
        let Some(pointer) = &settings.version else { return Ok(None) };
        let wrong = |what: &str| {
            let pointer = pointer.as_str();
            Failure::Event(format!(
                "the event's data has {what} at `{pointer}`, by which an older event is told from a newer one: name the place by \
                 the setting `version`, or set that to false"
            ))
        };
        match pointer.get(data) {
            Some(Value::String(text)) => Ok(Some(Version::from_text(text))),
            Some(Value::Number(number)) => {
                let integer = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
                integer.map(|integer| Some(Version::Integer(integer))).ok_or_else(|| wrong("a fraction"))
            }
            None | Some(Value::Null) => Err(wrong("nothing")),
            Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => {
                Err(wrong("neither text nor a number"))
            }
        }
    }

    fn from_text(text: &str) -> Self {
        match text.parse() {
            Ok(instant) => Version::Time(instant, text.to_owned()),
            Err(_) => Version::Text(text.to_owned()),
        }
    }

    /// From its line in a calendar.
    pub(crate) fn from_line(line: &Line) -> Option<Self> {
        let text = unescape(line.value());
        match line.parameter("VALUE") {
            Some(kind) if kind.eq_ignore_ascii_case("INTEGER") => {
                text.trim().parse().ok().map(Version::Integer)
            }
            _ => Some(Version::from_text(&text)),
        }
    }

    pub(crate) fn line(&self, name: &str) -> Line {
        match self {
            Version::Integer(integer) => Line::new(name, &[("VALUE", "INTEGER")], &integer.to_string()),
            Version::Time(_, text) | Version::Text(text) => Line::new(name, &[], &escape(text)),
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        match self {
            Version::Integer(integer) => match (i64::try_from(*integer), u64::try_from(*integer)) {
                (Ok(integer), _) => Value::from(integer),
                (_, Ok(integer)) => Value::from(integer),
                (Err(_), Err(_)) => Value::Null,
            },
            Version::Time(_, text) | Version::Text(text) => Value::from(text.as_str()),
        }
    }

    pub(crate) fn instant(&self) -> Option<Timestamp> {
        match self {
            Version::Time(instant, _) => Some(*instant),
            Version::Integer(_) | Version::Text(_) => None,
        }
    }

    /// Nothing where the two cannot be compared.
    pub(crate) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Version::Integer(one), Version::Integer(other)) => Some(one.cmp(other)),
            (Version::Time(one, _), Version::Time(other, _)) => Some(one.cmp(other)),
            (Version::Text(one), Version::Text(other)) if one == other => Some(Ordering::Equal),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn version(value: Value) -> Version {
        let settings: Settings = serde_json::from_value(json!({})).unwrap();
        Version::of(&settings, &json!({ "updatedAt": value })).unwrap().unwrap()
    }

    #[test]
    fn the_newer_is_told_by_time_and_by_number() {
        for (one, other, expected) in [
            (json!("2026-05-01T11:00:00+02:00"), json!("2026-05-01T10:00:00Z"), Some(Ordering::Less)),
            (json!("2026-05-01T10:00:00.001Z"), json!("2026-05-01T10:00:00Z"), Some(Ordering::Greater)),
            (json!("2026-05-01T12:00:00+02:00"), json!("2026-05-01T10:00:00Z"), Some(Ordering::Equal)),
            (json!(10), json!(9), Some(Ordering::Greater)),
            (json!(-1), json!(u64::MAX), Some(Ordering::Less)),
            (json!("b"), json!("b"), Some(Ordering::Equal)),
            (json!("b"), json!("a"), None),
            (json!(1), json!("1"), None),
        ] {
            assert_eq!(version(one.clone()).compare(&version(other.clone())), expected, "{one} {other}");
        }
    }

    #[test]
    fn a_version_comes_back_from_a_calendar_as_it_was() {
        for value in [json!("2026-05-01T11:00:00.5+02:00"), json!(7), json!(u64::MAX), json!("a,b;c")] {
            let version = version(value.clone());
            let line = version.line("X-V");
            assert_eq!(Version::from_line(&line), Some(version.clone()), "{line:?}");
            assert_eq!(version.to_json(), value);
        }
    }

    #[test]
    fn an_event_without_a_version_is_refused_unless_the_settings_say_that_there_is_none() {
        let settings: Settings = serde_json::from_value(json!({})).unwrap();
        for (value, expected) in
            [(json!(null), "nothing"), (json!(1.5), "a fraction"), (json!([]), "neither text")]
        {
            let error = Version::of(&settings, &json!({ "updatedAt": value })).unwrap_err().to_string();
            assert!(error.starts_with(&format!("the event's data has {expected}")), "{error}");
        }
        let settings: Settings = serde_json::from_value(json!({ "version": false })).unwrap();
        assert_eq!(Version::of(&settings, &json!({})), Ok(None));
    }
}
