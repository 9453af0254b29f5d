//! Values of an event as a column takes them, and values of a row as the event would write them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use super::source::Given;
use crate::sql::SqlValue;
use crate::time::{microseconds, rfc3339_us};

/// What a column is told to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Type {
    Text,
    Integer,
    Real,
    Boolean,
    /// A time in RFC 3339.
    Timestamp,
    Json,
    /// In base64.
    Bytes,
}

impl Type {
    /// As a setting writes it.
    pub fn word(self) -> &'static str {
        match self {
            Type::Text => "text",
            Type::Integer => "integer",
            Type::Real => "real",
            Type::Boolean => "boolean",
            Type::Timestamp => "timestamp",
            Type::Json => "json",
            Type::Bytes => "bytes",
        }
    }

    /// What an event is to have for it.
    fn name(self) -> &'static str {
        match self {
            Type::Text => "a text",
            Type::Integer => "an integer",
            Type::Real => "a number",
            Type::Boolean => "true or false",
            Type::Timestamp => "a time such as 2026-01-02T03:04:05Z",
            Type::Json => "JSON",
            Type::Bytes => "base64",
        }
    }
}

/// The value to bind; without a type it is what JSON says. An error is what is wanted instead.
pub(super) fn bound(given: &Given<'_>, of: Option<Type>) -> Result<SqlValue, &'static str> {
    let value = match (given, of) {
        (Given::Nothing, _) => Some(SqlValue::Null),
        (Given::Text(text), of) => of_text(text, of.unwrap_or(Type::Text)),
        (Given::Bytes(bytes), None | Some(Type::Bytes)) => Some(SqlValue::Bytes(bytes.to_vec())),
        (Given::Bytes(_), Some(_)) => None,
        (Given::Time(micros), None | Some(Type::Timestamp)) => Some(SqlValue::Timestamp(*micros)),
        (Given::Time(micros), Some(Type::Integer)) => Some(SqlValue::Integer(micros / 1_000)),
        (Given::Time(micros), Some(Type::Text)) => rfc3339_us(*micros).map(SqlValue::Text),
        (Given::Time(_), Some(_)) => None,
        (Given::Number(number), None | Some(Type::Integer)) => Some(SqlValue::Integer(*number)),
        (Given::Number(number), Some(of)) => of_text(&number.to_string(), of),
        (Given::Json(json), Some(Type::Json)) => Some(SqlValue::Json((*json).to_owned())),
        (Given::Json(json), of) => of_json(json, of),
    };
    value.ok_or_else(|| of.map_or("a value", Type::name))
}

fn of_text(text: &str, of: Type) -> Option<SqlValue> {
    Some(match of {
        Type::Text => SqlValue::Text(text.to_owned()),
        Type::Integer => SqlValue::Integer(text.parse().ok()?),
        Type::Real => SqlValue::Real(real(text)?),
        Type::Boolean => SqlValue::Boolean(text.parse().ok()?),
        Type::Timestamp => SqlValue::Timestamp(microseconds(text)?),
        Type::Json => SqlValue::Json(Value::from(text).to_string()),
        Type::Bytes => SqlValue::Bytes(STANDARD.decode(text).ok()?),
    })
}

/// As it is written, and never as JSON: that is every value.
fn of_json(json: &str, of: Option<Type>) -> Option<SqlValue> {
    match (json.as_bytes().first()?, of) {
        (b'"', Some(Type::Text) | None) => serde_json::from_str(json).ok().map(SqlValue::Text),
        (b'"', Some(of)) => of_text(&serde_json::from_str::<String>(json).ok()?, of),
        (b't' | b'f', None | Some(Type::Boolean)) => Some(SqlValue::Boolean(json == "true")),
        (b'{' | b'[', None) => Some(SqlValue::Json(json.to_owned())),
        (_, Some(Type::Text)) => Some(SqlValue::Text(json.to_owned())),
        (b'-' | b'0'..=b'9', of) => of_number(json, of),
        _ => None,
    }
}

fn of_number(digits: &str, of: Option<Type>) -> Option<SqlValue> {
    let whole = digits.parse::<i64>();
    match of {
        None => Some(match (whole, real(digits)) {
            (Ok(whole), _) => SqlValue::Integer(whole),
            (Err(_), Some(number)) if format!("{number:?}") == digits => SqlValue::Real(number),
            // A number that the machine's own would change goes by its digits.
            (Err(_), _) => SqlValue::Text(digits.to_owned()),
        }),
        Some(Type::Integer) => whole.ok().map(SqlValue::Integer),
        Some(Type::Real) => real(digits).map(SqlValue::Real),
        Some(Type::Boolean) => match whole {
            Ok(0) => Some(SqlValue::Boolean(false)),
            Ok(1) => Some(SqlValue::Boolean(true)),
            Ok(_) | Err(_) => None,
        },
        Some(Type::Text | Type::Timestamp | Type::Json | Type::Bytes) => None,
    }
}

fn real(digits: &str) -> Option<f64> {
    digits.parse().ok().filter(|number: &f64| number.is_finite())
}

/// What a row holds, as an event would write it.
pub fn json(value: &SqlValue, of: Option<Type>) -> Value {
    match (value, of) {
        (SqlValue::Null, _) => Value::Null,
        (SqlValue::Boolean(is), _) => Value::from(*is),
        (SqlValue::Integer(0 | 1), Some(Type::Boolean)) => Value::from(*value == SqlValue::Integer(1)),
        (SqlValue::Integer(number), Some(Type::Text)) => Value::from(number.to_string()),
        (SqlValue::Integer(number), _) => Value::from(*number),
        (SqlValue::Real(number), _) => Value::from(*number),
        (SqlValue::Timestamp(micros), _) => rfc3339_us(*micros).map_or(Value::Null, Value::from),
        (SqlValue::Text(text), Some(Type::Timestamp)) => {
            let micros = microseconds(text).and_then(rfc3339_us);
            Value::from(micros.unwrap_or_else(|| text.clone()))
        }
        (SqlValue::Text(text), Some(Type::Integer)) => {
            text.parse::<i64>().map_or_else(|_| Value::from(text.as_str()), Value::from)
        }
        (SqlValue::Text(text), Some(Type::Real)) => {
            text.parse::<f64>().map_or_else(|_| Value::from(text.as_str()), Value::from)
        }
        (SqlValue::Json(text), of) if of != Some(Type::Text) => parsed(text),
        (SqlValue::Text(text), Some(Type::Json)) => parsed(text),
        (SqlValue::Text(text) | SqlValue::Json(text), _) => Value::from(text.as_str()),
        (SqlValue::Bytes(bytes), _) => Value::from(STANDARD.encode(bytes)),
        (SqlValue::Texts(texts), _) => Value::from(texts.clone()),
    }
}

/// What a version is called: the host hands it back as it is. None where the row has none.
pub fn version_text(value: &SqlValue, of: Option<Type>) -> Option<String> {
    match json(value, of) {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

/// The version that the host hands back, as its column takes it.
pub fn version_bound(text: &str, of: Option<Type>) -> SqlValue {
    let typed = of_text(text, of.unwrap_or(Type::Integer));
    typed.unwrap_or_else(|| SqlValue::Text(text.to_owned()))
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn without_a_type_a_value_is_what_json_says() {
        for (written, expected) in [
            ("true", true.into()),
            ("-7", (-7).into()),
            ("0.5", 0.5.into()),
            ("12345678901234567.890", "12345678901234567.890".into()),
            ("18446744073709551615", "18446744073709551615".into()),
            ("1e400", "1e400".into()),
            ("\"a\\n\"", "a\n".into()),
            ("{\"b\": 1.0, \"a\": []}", SqlValue::Json("{\"b\": 1.0, \"a\": []}".into())),
        ] {
            assert_eq!(bound(&Given::Json(written), None), Ok(expected), "{written}");
        }
        assert_eq!(bound(&Given::Nothing, None), Ok(SqlValue::Null));
        assert!(bound(&Given::Json("\"\\ud800\""), None).is_err(), "half a letter is no text");
    }

    #[test]
    fn a_type_is_kept_to_or_the_value_is_not_taken() {
        use Type::{Boolean, Bytes, Integer, Json, Real, Text, Timestamp};
        for (written, wanted, expected) in [
            ("12345678901234567.890", Text, Some("12345678901234567.890".into())),
            ("7", Text, Some("7".into())),
            ("true", Text, Some("true".into())),
            ("[1, 2]", Text, Some("[1, 2]".into())),
            ("\"7\"", Integer, Some(7.into())),
            ("7.5", Integer, None),
            ("true", Integer, None),
            ("7", Real, Some(7.0.into())),
            ("\"nan\"", Real, None),
            ("1", Boolean, Some(true.into())),
            ("2", Boolean, None),
            ("\"true\"", Boolean, Some(true.into())),
            ("\"1970-01-01T00:00:01Z\"", Timestamp, Some(SqlValue::Timestamp(1_000_000))),
            ("\"1970-01-01T02:00:01+02:00\"", Timestamp, Some(SqlValue::Timestamp(1_000_000))),
            ("\"1970-01-01T00:00:01\"", Timestamp, None),
            ("\"\"", Timestamp, None),
            ("1", Timestamp, None),
            ("\"a\"", Json, Some(SqlValue::Json("\"a\"".into()))),
            ("\"/wA=\"", Bytes, Some(vec![0xff_u8, 0].into())),
            ("\"!\"", Bytes, None),
        ] {
            let value = bound(&Given::Json(written), Some(wanted));
            assert_eq!(value.ok(), expected, "{written} as {wanted:?}");
        }
        assert_eq!(bound(&Given::Json("1"), Some(Timestamp)), Err("a time such as 2026-01-02T03:04:05Z"));
        assert_eq!(bound(&Given::Nothing, Some(Integer)), Ok(SqlValue::Null));
        assert_eq!(bound(&Given::Time(7_000), Some(Integer)), Ok(7.into()));
    }

    #[test]
    fn what_is_read_is_what_was_written() {
        for (value, of, expected) in [
            (SqlValue::Integer(1), Some(Type::Boolean), json!(true)),
            (SqlValue::Integer(7), None, json!(7)),
            (
                SqlValue::Text("1970-01-01 00:00:01".into()),
                Some(Type::Timestamp),
                json!("1970-01-01T00:00:01Z"),
            ),
            (SqlValue::Timestamp(1_000_000), None, json!("1970-01-01T00:00:01Z")),
            (SqlValue::Text("{\"a\":1}".into()), Some(Type::Json), json!({"a": 1})),
            (SqlValue::Json("{\"a\":1}".into()), None, json!({"a": 1})),
            (SqlValue::Bytes(vec![0xff, 0]), None, json!("/wA=")),
            (SqlValue::Null, Some(Type::Text), json!(null)),
        ] {
            assert_eq!(json(&value, of), expected, "{value:?}");
        }
    }

    #[test]
    fn a_version_comes_back_as_it_went() {
        for (value, of) in [
            (SqlValue::Integer(7), None),
            (SqlValue::Integer(7), Some(Type::Integer)),
            (SqlValue::Text("v7".into()), None),
            (SqlValue::Timestamp(1_000_006), Some(Type::Timestamp)),
        ] {
            let text = version_text(&value, of).unwrap();
            assert_eq!(version_bound(&text, of), value, "{text}");
        }
        assert_eq!(version_text(&SqlValue::Null, None), None);
    }
}
