//! Values as PostgreSQL is given them: bytes as they are, all else as text, which the server reads as whatever type the
//! parameter has, with its own rules for ranges and forms.

use std::error::Error;

use bytes::{BufMut as _, BytesMut};
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};

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
            SqlValue::Null
            | SqlValue::Boolean(_)
            | SqlValue::Integer(_)
            | SqlValue::Real(_)
            | SqlValue::Text(_)
            | SqlValue::Bytes(_)
            | SqlValue::Timestamp(_)
            | SqlValue::Json(_) => continue,
        };
        let text = format!("parameter ${number} is of type {kind} and is given {problem}");
        return Err(refused(SqlErrorKind::Data, "", text));
    }
    Ok(values.iter().map(Bound).collect())
}

impl ToSql for Bound<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
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
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        match self.0 {
            SqlValue::Bytes(_) => Format::Binary,
            SqlValue::Null
            | SqlValue::Boolean(_)
            | SqlValue::Integer(_)
            | SqlValue::Real(_)
            | SqlValue::Text(_)
            | SqlValue::Timestamp(_)
            | SqlValue::Json(_) => Format::Text,
        }
    }

    to_sql_checked!();
}
