//! Versions as events give them and as a calendar keeps them, in a line of this connector's own.

use liaison_sdk::failure::Failure;
use liaison_sdk::version::Version;
use serde_json::Value;

use crate::component::{Line, escape, unescape};
use crate::settings::Settings;

/// Of an event. Nothing where the settings name no place for it, and where nothing stands there.
pub(crate) fn of(settings: &Settings, data: &Value) -> Result<Option<Version>, Failure> {
    let Some(pointer) = &settings.version else { return Ok(None) };
    let version = Version::of(pointer.find(data));
    match version.as_ref().filter(|version| !version.is_comparable()) {
        None => Ok(version),
        Some(version) => Err(Failure::Event(format!(
            "the event's data has `{version}` at `{pointer}`, by which an older event is told from a newer one: it must be a time \
             (RFC 3339), a whole number or another text"
        ))),
    }
}

/// From its line in a calendar.
pub(crate) fn from_line(line: &Line) -> Option<Version> {
    let text = unescape(line.value());
    let is_whole = line.parameter("VALUE").is_some_and(|kind| kind.eq_ignore_ascii_case("INTEGER"));
    let value = match is_whole {
        true => Value::from(text.trim().parse::<serde_json::Number>().ok()?),
        false => Value::from(text),
    };
    Version::of(Some(&value))
}

pub(crate) fn line(version: &Version, name: &str) -> Line {
    match version.whole() {
        Some(_) => Line::new(name, &[("VALUE", "INTEGER")], version.as_str()),
        None => Line::new(name, &[], &escape(version.as_str())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(settings: Value, data: &Value) -> Result<Option<Version>, String> {
        of(&serde_json::from_value(settings).unwrap(), data).map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_version_comes_back_from_a_calendar_as_it_was() {
        for value in [
            json!("2026-05-01T11:00:00.5+02:00"),
            json!(7),
            json!(-7),
            json!(u64::MAX),
            json!("7"),
            json!("a,b;c"),
        ] {
            let version = read(json!({}), &json!({ "updatedAt": value })).unwrap().unwrap();
            let line = line(&version, "X-V");
            assert_eq!(from_line(&line), Some(version.clone()), "{line:?}");
            assert_eq!(version.to_json(None), value);
        }
    }

    #[test]
    fn what_says_nothing_is_no_version_and_what_cannot_be_compared_is_refused() {
        for data in [json!({}), json!({ "updatedAt": null }), json!({ "updatedAt": "" })] {
            assert_eq!(read(json!({}), &data), Ok(None), "{data}");
        }
        for value in [json!(1.5), json!(true), json!([]), json!({})] {
            let error = read(json!({}), &json!({ "updatedAt": value })).unwrap_err();
            assert!(error.starts_with(&format!("the event's data has `{value}` at `/updatedAt`")), "{error}");
            assert_eq!(read(json!({ "version": false }), &json!({ "updatedAt": value })), Ok(None));
        }
    }
}
