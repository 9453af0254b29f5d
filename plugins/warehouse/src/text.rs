//! Values as PostgreSQL reads them whatever the column's type is: as texts.

use liaison_sdk::column::{Column, Given, Record, Type};
use liaison_sdk::failure::Failure;
use liaison_sdk::sql::SqlValue;
use liaison_sdk::time::rfc3339_us;

/// What an event has for a column. A text is copied once where it can stand as it is written.
pub(crate) fn of_column(column: &Column, record: &Record<'_>) -> Result<SqlValue, Failure> {
    if let (None | Some(Type::Text), Given::Json(json)) = (column.of, column.source.give(record)?)
        && let Some(text) = plain(json)
    {
        return Ok(text.into());
    }
    readable(column, column.value(record)?)
}

/// The same of a value that is a column's own. Bytes are for columns that the settings say are of bytes; in any other they
/// would be kept as digits.
pub(crate) fn readable(column: &Column, value: SqlValue) -> Result<SqlValue, Failure> {
    match (&value, column.of) {
        (SqlValue::Bytes(_), None) => Err(Failure::Event(format!(
            "the column `{}` is to hold a text, and the event has bytes at `{}`, which are not UTF-8",
            column.name, column.source
        ))),
        _ => Ok(of(value)),
    }
}

/// A value as a text, or null.
pub(crate) fn of(value: SqlValue) -> SqlValue {
    SqlValue::Text(match value {
        SqlValue::Null | SqlValue::Texts(_) => return value,
        SqlValue::Text(text) | SqlValue::Json(text) => text,
        SqlValue::Boolean(is) => is.to_string(),
        SqlValue::Integer(number) => number.to_string(),
        SqlValue::Real(number) => format!("{number:?}"),
        SqlValue::Timestamp(us) => rfc3339_us(us).unwrap_or_else(|| format!("{us} microseconds")),
        SqlValue::Bytes(bytes) => {
            let mut text = String::with_capacity(2 + 2 * bytes.len());
            text.push_str("\\x");
            for byte in bytes {
                text.extend([byte >> 4, byte & 15].map(|digit| char::from(HEXADECIMAL[usize::from(digit)])));
            }
            text
        }
    })
}

const HEXADECIMAL: [u8; 16] = *b"0123456789abcdef";

/// A text of JSON, where nothing in it is escaped.
fn plain(json: &str) -> Option<&str> {
    json.strip_prefix('"')?.strip_suffix('"').filter(|text| !text.contains('\\'))
}

/// A parameter as it was made here: a text or null.
pub(crate) fn text(value: SqlValue) -> Option<Option<String>> {
    match value {
        SqlValue::Text(text) => Some(Some(text)),
        SqlValue::Null => Some(None),
        _ => None,
    }
}

/// The same, to be looked at.
pub(crate) fn borrowed(value: &SqlValue) -> Option<&str> {
    match value {
        SqlValue::Text(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_a_text_that_the_database_reads() {
        assert_eq!(of(SqlValue::Null), SqlValue::Null);
        for (value, expected) in [
            ("a\"b\\c,d}é".into(), "a\"b\\c,d}é"),
            ("".into(), ""),
            (7.into(), "7"),
            (0.5.into(), "0.5"),
            (true.into(), "true"),
            (SqlValue::Json("{\"a\":[1]}".to_owned()), "{\"a\":[1]}"),
            (SqlValue::Timestamp(1_000_006), "1970-01-01T00:00:01.000006Z"),
            (vec![0_u8, 0xfe].into(), "\\x00fe"),
        ] {
            assert_eq!(of(value), SqlValue::from(expected));
        }
    }

    #[test]
    fn a_text_of_json_without_escapes_is_taken_as_it_is() {
        for json in ["\"\"", "\"a,b}é\"", "\"NULL\""] {
            let text: String = serde_json::from_str(json).unwrap();
            assert_eq!(plain(json), Some(text.as_str()), "{json}");
        }
        assert_eq!((plain("\"a\\n\""), plain("7"), plain("\"")), (None, None, None));
    }
}
