//! Lists of values as PostgreSQL writes arrays: `{"a",NULL}`. One list is a column of many rows, so that two of them are made
//! one by putting them together.

use std::fmt::Write as _;

use liaison_sdk::sql::SqlValue;
use liaison_sdk::time::rfc3339_us;

/// An array with this one element.
pub(crate) fn one(value: &SqlValue) -> SqlValue {
    let mut text = String::from("{");
    push(&mut text, value);
    text.push('}');
    SqlValue::Text(text)
}

/// An array with none.
pub(crate) fn none() -> SqlValue {
    SqlValue::Text("{}".to_owned())
}

/// What stands between the braces of an array that has elements.
pub(crate) fn elements(value: &SqlValue) -> Option<&str> {
    let SqlValue::Text(text) = value else { return None };
    text.strip_prefix('{')?.strip_suffix('}').filter(|elements| !elements.is_empty())
}

/// An array with a text of JSON, as it is written, where an array would write it so: without escapes.
pub(crate) fn of_plain_text(json: &str) -> Option<SqlValue> {
    if !json.starts_with('"') || json.contains('\\') {
        return None;
    }
    let mut text = String::with_capacity(json.len() + 2);
    text.push('{');
    text.push_str(json);
    text.push('}');
    Some(SqlValue::Text(text))
}

/// Several arrays as one.
pub(crate) fn joined(arrays: &[&str]) -> SqlValue {
    let mut text = String::with_capacity(arrays.iter().map(|elements| elements.len() + 1).sum::<usize>() + 1);
    for elements in arrays {
        text.push(if text.is_empty() { '{' } else { ',' });
        text.push_str(elements);
    }
    text.push('}');
    SqlValue::Text(text)
}

fn push(text: &mut String, value: &SqlValue) {
    // Nothing but memory can fail.
    let _ = match value {
        SqlValue::Null => text.write_str("NULL"),
        SqlValue::Boolean(is) => write!(text, "{is}"),
        SqlValue::Integer(number) => write!(text, "{number}"),
        SqlValue::Real(number) => write!(text, "{number:?}"),
        SqlValue::Text(letters) | SqlValue::Json(letters) => {
            push_quoted(text, letters);
            Ok(())
        }
        SqlValue::Timestamp(us) => match rfc3339_us(*us) {
            Some(time) => write!(text, "{time}"),
            None => write!(text, "\"{us} microseconds\""),
        },
        SqlValue::Bytes(bytes) => {
            text.push_str("\"\\\\x");
            bytes.iter().try_for_each(|byte| write!(text, "{byte:02x}")).and_then(|()| text.write_char('"'))
        }
    };
}

fn push_quoted(text: &mut String, letters: &str) {
    text.reserve(letters.len() + 2);
    text.push('"');
    let mut rest = letters;
    while let Some(place) = rest.find(['"', '\\']) {
        text.push_str(&rest[..place]);
        text.push('\\');
        text.push_str(&rest[place..=place]);
        rest = &rest[place + 1..];
    }
    text.push_str(rest);
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_one_element_whatever_is_in_it() {
        for (value, expected) in [
            (SqlValue::Null, "{NULL}"),
            ("NULL".into(), "{\"NULL\"}"),
            ("".into(), "{\"\"}"),
            ("a\"b\\c,d}é".into(), r#"{"a\"b\\c,d}é"}"#),
            (7.into(), "{7}"),
            (0.5.into(), "{0.5}"),
            (true.into(), "{true}"),
            (SqlValue::Json("{\"a\":[1]}".to_owned()), r#"{"{\"a\":[1]}"}"#),
            (SqlValue::Timestamp(1_000_006), "{1970-01-01T00:00:01.000006Z}"),
            (vec![0_u8, 0xff].into(), r#"{"\\x00ff"}"#),
        ] {
            assert_eq!(one(&value), SqlValue::Text(expected.to_owned()), "{value:?}");
        }
    }

    #[test]
    fn a_text_of_json_without_escapes_is_an_element_as_it_is() {
        for json in ["\"\"", "\"a,b}é\"", "\"NULL\""] {
            let text: String = serde_json::from_str(json).unwrap();
            assert_eq!(of_plain_text(json), Some(one(&text.into())), "{json}");
        }
        assert_eq!((of_plain_text("\"a\\n\""), of_plain_text("7")), (None, None));
    }

    #[test]
    fn arrays_are_put_together() {
        let (first, second) = (one(&"a,b".into()), one(&SqlValue::Null));
        let arrays = [elements(&first).unwrap(), elements(&second).unwrap()];
        assert_eq!(joined(&arrays), SqlValue::Text("{\"a,b\",NULL}".to_owned()));
        assert_eq!(elements(&none()), None);
        assert_eq!(elements(&7.into()), None);
    }
}
