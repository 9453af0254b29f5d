//! Values as MySQL takes and gives them.
//!
//! Pure. MySQL has no boolean, so truth is 1 and 0; MariaDB's JSON is text.

use bytes::Bytes;
use chrono::{DateTime, Datelike as _, Timelike as _};
use mysql_async::consts::ColumnType;
use mysql_async::{Column, Row, Value};

use crate::contract::{Real, SqlErrorKind, SqlValue};
use crate::egress::sql::Ended;
use crate::egress::sql::bounds::Budget;
use crate::egress::sql::state::refused;
use crate::egress::sql::value::time_text;

/// The character set of what is no text.
const BINARY: u16 = 63;

/// The parameters of a statement.
pub(super) fn all(values: &[SqlValue]) -> Result<Vec<Value>, Ended> {
    let numbered = (1..).zip(values);
    numbered
        .map(|(number, value)| {
            bound(value).ok_or_else(|| {
                let text = format!("parameter {number} is a {} that MySQL does not have", value.kind());
                refused(SqlErrorKind::Data, "", text)
            })
        })
        .collect()
}

fn bound(value: &SqlValue) -> Option<Value> {
    Some(match value {
        SqlValue::Null => Value::NULL,
        SqlValue::Boolean(is) => Value::Int((*is).into()),
        SqlValue::Integer(number) => Value::Int(*number),
        SqlValue::Real(Real(number)) => return number.is_finite().then_some(Value::Double(*number)),
        SqlValue::Text(text) | SqlValue::Json(text) => Value::Bytes(text.as_bytes().to_vec()),
        SqlValue::Bytes(bytes) => Value::Bytes(bytes.to_vec()),
        SqlValue::Timestamp(microseconds) => return date(*microseconds),
        SqlValue::Texts(_) => return None,
    })
}

fn date(microseconds: i64) -> Option<Value> {
    let time = DateTime::from_timestamp_micros(microseconds)?.naive_utc();
    let year = u16::try_from(time.year()).ok().filter(|year| (1..=9_999).contains(year))?;
    let small = |number: u32| u8::try_from(number).ok();
    Some(Value::Date(
        year,
        small(time.month())?,
        small(time.day())?,
        small(time.hour())?,
        small(time.minute())?,
        small(time.second())?,
        time.nanosecond() / 1_000,
    ))
}

/// A row's values, as their columns say.
pub(super) fn values(row: Row, budget: &mut Budget) -> Result<Vec<SqlValue>, Ended> {
    let columns = row.columns();
    let mut values = Vec::with_capacity(columns.len());
    for (column, value) in columns.iter().zip(row.unwrap()) {
        let value = read(column, value);
        budget.value(&value)?;
        values.push(value);
    }
    Ok(values)
}

fn read(column: &Column, value: Value) -> SqlValue {
    match value {
        Value::NULL => SqlValue::Null,
        Value::Int(number) => SqlValue::Integer(number),
        Value::UInt(number) => {
            i64::try_from(number).map_or_else(|_| SqlValue::Text(number.to_string()), SqlValue::Integer)
        }
        Value::Float(number) => SqlValue::Real(Real(number.into())),
        Value::Double(number) => SqlValue::Real(Real(number)),
        Value::Bytes(bytes) => read_bytes(column, bytes),
        Value::Date(year, month, day, hour, minute, second, microsecond) => {
            let date = format!("{year:04}-{month:02}-{day:02}");
            if column.column_type() == ColumnType::MYSQL_TYPE_DATE {
                return SqlValue::Text(date);
            }
            let day_of = chrono::NaiveDate::from_ymd_opt(year.into(), month.into(), day.into());
            let time = day_of.and_then(|day| {
                day.and_hms_micro_opt(hour.into(), minute.into(), second.into(), microsecond)
            });
            match time {
                Some(time) => SqlValue::Timestamp(time.and_utc().timestamp_micros()),
                // The day 0 of some month, which no calendar has and MySQL may.
                None => SqlValue::Text(format!("{date} {hour:02}:{minute:02}:{second:02}")),
            }
        }
        Value::Time(is_negative, days, hours, minutes, seconds, microseconds) => {
            let hours = u64::from(days) * 24 + u64::from(hours);
            let seconds = (hours * 60 + u64::from(minutes)) * 60 + u64::from(seconds);
            let text = time_text(seconds * 1_000_000 + u64::from(microseconds));
            SqlValue::Text(if is_negative { format!("-{text}") } else { text })
        }
    }
}

/// Numbers with a fixed point come as text in the character set of what is none.
fn read_bytes(column: &Column, bytes: Vec<u8>) -> SqlValue {
    let kind = column.column_type();
    let is_number = matches!(kind, ColumnType::MYSQL_TYPE_DECIMAL | ColumnType::MYSQL_TYPE_NEWDECIMAL);
    let is_json = kind == ColumnType::MYSQL_TYPE_JSON;
    if column.character_set() == BINARY && !is_number && !is_json {
        return SqlValue::Bytes(bytes.into());
    }
    match String::from_utf8(bytes) {
        Ok(text) if is_json => SqlValue::Json(text),
        Ok(text) => SqlValue::Text(text),
        Err(error) => SqlValue::Bytes(Bytes::from(error.into_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_bound_as_what_mysql_has() {
        let text = || "é".to_owned();
        for (value, expected) in [
            (SqlValue::Null, Some(Value::NULL)),
            (SqlValue::Boolean(true), Some(Value::Int(1))),
            (SqlValue::Real(Real(0.5)), Some(Value::Double(0.5))),
            (SqlValue::Real(Real(f64::NAN)), None),
            (SqlValue::Text(text()), Some(Value::Bytes(text().into_bytes()))),
            (SqlValue::Timestamp(1_767_323_045_000_006), Some(Value::Date(2026, 1, 2, 3, 4, 5, 6))),
            (SqlValue::Timestamp(-62_167_219_200_000_000), None),
            (SqlValue::Texts(vec![Some(text())]), None),
        ] {
            assert_eq!(bound(&value), expected, "{value:?}");
        }
    }

    #[test]
    fn a_value_is_read_as_its_column_says() {
        let column = |kind, set| Column::new(kind).with_character_set(set);
        let text = |text: &str| SqlValue::Text(text.to_owned());
        use ColumnType::{
            MYSQL_TYPE_BLOB, MYSQL_TYPE_DATE, MYSQL_TYPE_DATETIME, MYSQL_TYPE_JSON, MYSQL_TYPE_LONGLONG,
            MYSQL_TYPE_NEWDECIMAL, MYSQL_TYPE_TIME, MYSQL_TYPE_VAR_STRING,
        };
        let date = |day| Value::Date(2026, 1, day, 3, 4, 5, 6);
        for (kind, set, value, expected) in [
            (MYSQL_TYPE_LONGLONG, BINARY, Value::UInt(u64::MAX), text("18446744073709551615")),
            (MYSQL_TYPE_LONGLONG, BINARY, Value::UInt(7), SqlValue::Integer(7)),
            (MYSQL_TYPE_NEWDECIMAL, BINARY, Value::Bytes(b"1.50".to_vec()), text("1.50")),
            (MYSQL_TYPE_VAR_STRING, 45, Value::Bytes(b"a".to_vec()), text("a")),
            (MYSQL_TYPE_BLOB, BINARY, Value::Bytes(b"a".to_vec()), SqlValue::Bytes("a".into())),
            (MYSQL_TYPE_BLOB, 45, Value::Bytes(vec![0xff]), SqlValue::Bytes(vec![0xff].into())),
            (MYSQL_TYPE_JSON, BINARY, Value::Bytes(b"{}".to_vec()), SqlValue::Json("{}".to_owned())),
            (MYSQL_TYPE_DATE, BINARY, date(2), text("2026-01-02")),
            (MYSQL_TYPE_DATETIME, BINARY, date(2), SqlValue::Timestamp(1_767_323_045_000_006)),
            (MYSQL_TYPE_DATETIME, BINARY, date(0), text("2026-01-00 03:04:05")),
            (MYSQL_TYPE_TIME, BINARY, Value::Time(true, 1, 2, 3, 4, 0), text("-26:03:04")),
        ] {
            assert_eq!(read(&column(kind, set), value), expected, "{kind:?}");
        }
    }
}
