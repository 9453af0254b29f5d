//! Values as PostgreSQL is given them: bytes as they are, all else as text, which the server reads as whatever type the
//! parameter has, with its own rules for ranges and forms. An array of texts goes as it is where its elements are texts, which
//! the server reads in a fraction of the time.

use std::error::Error;

use bytes::{BufMut as _, BytesMut};
use tokio_postgres::types::{Format, IsNull, Kind, ToSql, Type, to_sql_checked};

use crate::contract::{Real, SqlErrorKind, SqlValue};
use crate::egress::sql::Ended;
use crate::egress::sql::state::refused;
use crate::egress::sql::value::timestamp_text;

/// One parameter.
#[derive(Debug)]
pub(super) struct Bound<'a>(&'a SqlValue);

/// The parameters of a statement, if they are what it takes.
pub(super) fn all<'a>(values: &'a [SqlValue], types: &[Type]) -> Result<Vec<Bound<'a>>, Ended> {
    if values.len() != types.len() {
        let (takes, given) = (types.len(), values.len());
        let text = format!("it takes {takes} parameters and is given {given}");
        return Err(refused(SqlErrorKind::Statement, "", text));
    }
    for (number, (value, kind)) in (1..).zip(values.iter().zip(types)) {
        let problem = match value {
            SqlValue::Bytes(_) if *kind != Type::BYTEA => "bytes",
            SqlValue::Timestamp(microseconds) if timestamp_text(*microseconds).is_none() => {
                "a time that no calendar has"
            }
            SqlValue::Texts(_) if !matches!(kind.kind(), Kind::Array(_)) => "a list of texts",
            SqlValue::Null
            | SqlValue::Boolean(_)
            | SqlValue::Integer(_)
            | SqlValue::Real(_)
            | SqlValue::Text(_)
            | SqlValue::Bytes(_)
            | SqlValue::Timestamp(_)
            | SqlValue::Json(_)
            | SqlValue::Texts(_) => continue,
        };
        let text = format!("parameter ${number} is of type {kind} and is given {problem}");
        return Err(refused(SqlErrorKind::Data, "", text));
    }
    Ok(values.iter().map(Bound).collect())
}

impl ToSql for Bound<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self.0 {
            SqlValue::Null => return Ok(IsNull::Yes),
            SqlValue::Boolean(true) => out.put_slice(b"true"),
            SqlValue::Boolean(false) => out.put_slice(b"false"),
            SqlValue::Integer(number) => out.put_slice(number.to_string().as_bytes()),
            SqlValue::Real(Real(number)) => out.put_slice(format!("{number:?}").as_bytes()),
            SqlValue::Text(text) | SqlValue::Json(text) => out.put_slice(text.as_bytes()),
            SqlValue::Bytes(bytes) => out.put_slice(bytes),
            SqlValue::Timestamp(microseconds) => {
                let text = timestamp_text(*microseconds).ok_or("a time that no calendar has")?;
                // The zone stands before the era.
                let (time, era) =
                    text.split_once(" BC").map_or((text.as_str(), ""), |(time, _)| (time, " BC"));
                out.put_slice(format!("{time}+00{era}").as_bytes());
            }
            SqlValue::Texts(texts) if is_of_texts(kind) => {
                out.reserve(array_bytes(texts));
                return texts.to_sql(kind, out);
            }
            SqlValue::Texts(texts) => put_array(texts, out),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, kind: &Type) -> Format {
        match self.0 {
            SqlValue::Bytes(_) => Format::Binary,
            SqlValue::Texts(_) if is_of_texts(kind) => Format::Binary,
            SqlValue::Null
            | SqlValue::Boolean(_)
            | SqlValue::Integer(_)
            | SqlValue::Real(_)
            | SqlValue::Text(_)
            | SqlValue::Timestamp(_)
            | SqlValue::Json(_)
            | SqlValue::Texts(_) => Format::Text,
        }
    }

    to_sql_checked!();
}

fn is_of_texts(array: &Type) -> bool {
    matches!(*array, Type::TEXT_ARRAY | Type::VARCHAR_ARRAY)
}

/// What an array of one dimension takes in its binary form: a head, and a length before each element.
fn array_bytes(texts: &[Option<String>]) -> usize {
    let elements = texts.iter().map(|text| 4 + text.as_ref().map_or(0, String::len));
    20 + elements.sum::<usize>()
}

/// An array as it is written: `{"a",NULL}`.
fn put_array(texts: &[Option<String>], out: &mut BytesMut) {
    out.put_u8(b'{');
    for (number, text) in texts.iter().enumerate() {
        if number > 0 {
            out.put_u8(b',');
        }
        let Some(text) = text else {
            out.put_slice(b"NULL");
            continue;
        };
        out.put_u8(b'"');
        for byte in text.bytes() {
            if matches!(byte, b'"' | b'\\') {
                out.put_u8(b'\\');
            }
            out.put_u8(byte);
        }
        out.put_u8(b'"');
    }
    out.put_u8(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_an_array_whatever_is_in_them() {
        let texts = ["NULL", "", "a\"b\\c,d}é"].map(|text| Some(text.to_owned()));
        let value = SqlValue::Texts([&texts[..], &[None]].concat());
        let mut out = BytesMut::new();
        assert!(matches!(Bound(&value).encode_format(&Type::INT4_ARRAY), Format::Text));
        Bound(&value).to_sql(&Type::INT4_ARRAY, &mut out).unwrap();
        assert_eq!(out, r#"{"NULL","","a\"b\\c,d}é",NULL}"#);
        assert!(all(std::slice::from_ref(&value), &[Type::TEXT]).is_err());
        assert!(all(std::slice::from_ref(&value), &[Type::TEXT_ARRAY]).is_ok());
        assert!(matches!(Bound(&value).encode_format(&Type::TEXT_ARRAY), Format::Binary));
    }

    #[test]
    fn what_an_array_takes_is_known_before() {
        for texts in [vec![], vec![Some("é".to_owned()), None, Some(String::new())]] {
            let (bytes, mut out) = (array_bytes(&texts), BytesMut::new());
            Bound(&SqlValue::Texts(texts)).to_sql(&Type::TEXT_ARRAY, &mut out).unwrap();
            assert!((out.len()..=out.len() + 8).contains(&bytes), "{bytes} and {}", out.len());
        }
    }
}
