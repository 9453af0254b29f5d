//! Reads what a case says of SQL: the values that are bound, and what a database answers.
//!
//! A text, a number, a truth or (in JSON) null stands for itself; what has no such form is a table of one entry.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::DateTime;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::contract::{Real, SqlError, SqlErrorKind, SqlResponse, SqlResult, SqlValue};

/// What one statement is answered with.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct WrittenResult {
    #[serde(default)]
    affected: u64,
    #[serde(default)]
    columns: Vec<String>,
    #[serde(default)]
    rows: Vec<Vec<Value>>,
}

/// Of a refusal, beside its kind.
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct WrittenRefusal {
    kind: Option<SqlErrorKind>,
    statement: Option<u32>,
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
    constraint: Option<String>,
}

/// The answer that is committed.
pub(super) fn done(results: Vec<WrittenResult>) -> Result<SqlResponse, String> {
    let results = (0..).zip(results).map(|(number, result): (u32, _)| {
        result.read().map_err(|problem| format!("result {number}: {problem}"))
    });
    Ok(SqlResponse::Done(results.collect::<Result<_, _>>()?))
}

/// The answer that is rolled back.
pub(super) fn refused(written: WrittenRefusal) -> Result<SqlResponse, String> {
    let kind = written.kind.ok_or("sql-error: give its `kind`, such as \"constraint\"")?;
    Ok(SqlResponse::Error(SqlError {
        kind,
        statement: Some(written.statement.unwrap_or(0)),
        code: written.code,
        message: written.message,
        constraint: written.constraint,
    }))
}

/// The parameters of all statements, a list for each.
pub(super) fn parameters(written: Vec<Value>) -> Result<Vec<Vec<SqlValue>>, String> {
    let lists = (0..).zip(written).map(|(number, list): (u32, _)| match list {
        Value::Array(list) => {
            values(list).map_err(|problem| format!("parameters of statement {number}: {problem}"))
        }
        other => {
            Err(format!("parameters: {other} is no list; give a list for each statement, as [[\"7\", 1]]"))
        }
    });
    lists.collect()
}

impl WrittenResult {
    fn read(self) -> Result<SqlResult, String> {
        let Self { affected, columns, rows } = self;
        let rows: Vec<Vec<SqlValue>> = rows.into_iter().map(values).collect::<Result<_, _>>()?;
        match rows.iter().find(|row| row.len() != columns.len()) {
            Some(row) => Err(format!("a row has {} values for {} columns", row.len(), columns.len())),
            None => Ok(SqlResult { affected, columns, rows }),
        }
    }
}

fn values(written: Vec<Value>) -> Result<Vec<SqlValue>, String> {
    written.into_iter().map(value).collect()
}

fn value(written: Value) -> Result<SqlValue, String> {
    Ok(match written {
        Value::Null => SqlValue::Null,
        Value::Bool(is) => SqlValue::Boolean(is),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => SqlValue::Integer(number),
            (None, Some(real)) if number.is_f64() => SqlValue::Real(Real(real)),
            (None, _) => return Err(format!("{number} is larger than any integer of SQL")),
        },
        Value::String(text) => SqlValue::Text(text),
        Value::Object(map) => of_table(map)?,
        Value::Array(list) => SqlValue::Texts(list.into_iter().map(text).collect::<Result<_, _>>()?),
    })
}

fn text(written: Value) -> Result<Option<String>, String> {
    match written {
        Value::String(text) => Ok(Some(text)),
        written => match value(written)? {
            SqlValue::Null => Ok(None),
            _ => Err("a list is of texts and { null = true }; for another write { json = … }".to_owned()),
        },
    }
}

fn of_table(map: Map<String, Value>) -> Result<SqlValue, String> {
    let shown = Value::Object(map.clone()).to_string();
    let mut entries = map.into_iter();
    let value = match (entries.next(), entries.next()) {
        (Some((name, value)), None) => match (name.as_str(), value) {
            ("null", Value::Bool(true)) => Some(SqlValue::Null),
            ("json", value) => Some(SqlValue::Json(value.to_string())),
            ("timestamp", Value::String(text)) => DateTime::parse_from_rfc3339(&text)
                .ok()
                .map(|time| SqlValue::Timestamp(time.timestamp_micros())),
            ("base64", Value::String(text)) => {
                STANDARD.decode(text).ok().map(|bytes| SqlValue::Bytes(bytes.into()))
            }
            _ => None,
        },
        _ => None,
    };
    value.ok_or_else(|| {
        format!(
            "{shown} is no value; write {{ null = true }}, {{ timestamp = 2026-01-01T00:00:00Z }}, {{ json = … }} or \
             {{ base64 = \"…\" }}"
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_value_has_a_form() {
        for (written, expected) in [
            (json!(null), SqlValue::Null),
            (json!({"null": true}), SqlValue::Null),
            (json!(true), SqlValue::Boolean(true)),
            (json!(-7), SqlValue::Integer(-7)),
            (json!(0.5), SqlValue::Real(Real(0.5))),
            (json!("a"), SqlValue::Text("a".to_owned())),
            (json!({"timestamp": "2026-01-02T03:04:05.000006Z"}), SqlValue::Timestamp(1_767_323_045_000_006)),
            (json!({"json": {"a": [1]}}), SqlValue::Json("{\"a\":[1]}".to_owned())),
            (json!({"base64": "/wA="}), SqlValue::Bytes(vec![0xff, 0].into())),
            (json!(["a", {"null": true}]), SqlValue::Texts(vec![Some("a".to_owned()), None])),
        ] {
            assert_eq!(value(written.clone()), Ok(expected), "{written}");
        }
        for wrong in [
            json!([1]),
            json!({}),
            json!({"null": false}),
            json!({"timestamp": "noon"}),
            json!({"base64": "!"}),
            json!({"json": 1, "null": true}),
            json!(u64::MAX),
        ] {
            assert!(value(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_not_written_well_says_where() {
        let result = |json| vec![serde_json::from_value::<WrittenResult>(json).unwrap()];
        for (found, expected) in [
            (parameters(vec![json!("7")]).map(drop), "parameters: \"7\" is no list; give a list for each"),
            (parameters(vec![json!([]), json!([[7]])]).map(drop), "parameters of statement 1: a list is of"),
            (
                done(result(json!({"columns": ["a"], "rows": [[1, 2]]}))).map(drop),
                "result 0: a row has 2 values",
            ),
            (refused(WrittenRefusal::default()).map(drop), "sql-error: give its `kind`"),
        ] {
            let problem = found.unwrap_err();
            assert!(problem.starts_with(expected), "{problem}");
        }
    }
}
