//! A SQL transaction as a connector asks for it, and what came of it.
//!
//! Values only, as in [`super`]; they can be written as JSON and read back as they were. [`SqlRequest::strike`] and
//! [`SqlResponse::strike`] take secrets out of all that may hold one.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat};
use serde::{Deserialize, Serialize};

use super::written;
use crate::config::mask::Mask;

/// How much of a statement is shown to a person.
const SHOWN_CHARACTERS: usize = 100;

/// The statements of one transaction as a connector wrote them: unchecked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SqlRequest {
    pub statements: Vec<SqlStatement>,
    /// At most what is left of the attempt.
    #[serde(with = "written::milliseconds", default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SqlStatement {
    pub sql: String,
    /// In the order of their places.
    pub parameters: Vec<SqlValue>,
}

/// A value that is bound, or that a row holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SqlValue {
    Null,
    Boolean(bool),
    Integer(i64),
    Real(Real),
    Text(String),
    Bytes(#[serde(with = "written::bytes")] Bytes),
    /// Microseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
    Json(String),
    /// One array. Bound alone.
    Texts(Vec<Option<String>>),
}

/// A floating-point number that is itself, bit by bit, so that not-a-number equals itself. In JSON it is text.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Real(pub f64);

/// The answer to one transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SqlResponse {
    /// It is committed.
    Done(Vec<SqlResult>),
    /// It is rolled back.
    Error(SqlError),
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SqlResult {
    /// Rows changed.
    pub affected: u64,
    pub columns: Vec<String>,
    /// One value a column.
    pub rows: Vec<Vec<SqlValue>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SqlError {
    pub kind: SqlErrorKind,
    /// From 0; `None` where it was the log-in or the commit.
    pub statement: Option<u32>,
    /// The SQLSTATE, or empty.
    pub code: String,
    pub message: String,
    pub constraint: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SqlErrorKind {
    /// A constraint refused the data.
    Constraint,
    /// A value does not fit its place.
    Data,
    /// Two transactions were in each other's way.
    Serialization,
    /// The statement itself is wrong.
    Statement,
    /// The user may not do this, or is not let in.
    Permission,
    /// More than the connector's `database.max-rows`.
    TooManyRows,
    /// The database is full, starting or stopping.
    Unavailable,
    Other,
}

impl SqlRequest {
    /// Does every statement begin as one that changes nothing? A function that it calls may, all the same.
    pub fn only_reads(&self) -> bool {
        self.statements.iter().all(SqlStatement::only_reads)
    }

    /// All its statements, each on one line, without what is bound.
    pub(crate) fn text(&self) -> String {
        let texts: Vec<_> = self.statements.iter().map(|statement| one_line(&statement.sql)).collect();
        texts.join("; ")
    }

    /// Strikes secrets out; says whether there were any.
    pub(crate) fn strike(&mut self, mask: &Mask) -> bool {
        self.statements.iter_mut().fold(false, |is_struck, statement| {
            mask.text(&mut statement.sql) | strike(&mut statement.parameters, mask) | is_struck
        })
    }
}

/// The first statement's beginning, and how many follow: without any value.
impl fmt::Display for SqlRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.statements.first().map_or("", |statement| statement.sql.as_str());
        let text = one_line(first);
        write!(formatter, "SQL {}", text.chars().take(SHOWN_CHARACTERS).collect::<String>())?;
        if text.chars().nth(SHOWN_CHARACTERS).is_some() {
            formatter.write_str("…")?;
        }
        match self.statements.len() {
            0 | 1 => Ok(()),
            count => write!(formatter, ", and {} more", count - 1),
        }
    }
}

impl fmt::Display for SqlResponse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SqlResponse::Done(results) => {
                let changed: u64 = results.iter().map(|result| result.affected).sum();
                let rows: usize = results.iter().map(|result| result.rows.len()).sum();
                write!(formatter, "committed, {changed} rows changed, {rows} rows given")
            }
            SqlResponse::Error(error) => error.fmt(formatter),
        }
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "rolled back, {}", self.kind)?;
        if let Some(statement) = self.statement {
            write!(formatter, " in statement {statement}")?;
        }
        if !self.code.is_empty() {
            write!(formatter, " ({})", self.code)?;
        }
        write!(formatter, ": {}", self.message)
    }
}

impl fmt::Display for SqlErrorKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            SqlErrorKind::Constraint => "constraint",
            SqlErrorKind::Data => "data",
            SqlErrorKind::Serialization => "serialization",
            SqlErrorKind::Statement => "statement",
            SqlErrorKind::Permission => "permission",
            SqlErrorKind::TooManyRows => "too many rows",
            SqlErrorKind::Unavailable => "unavailable",
            SqlErrorKind::Other => "other",
        })
    }
}

impl SqlStatement {
    pub(crate) fn only_reads(&self) -> bool {
        let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let mut words = self.sql.trim_start().split(|letter| !is_of_name(letter));
        let is_one_of =
            |word: &str, several: &[&str]| several.iter().any(|one| word.eq_ignore_ascii_case(one));
        match words.next() {
            Some(first) if is_one_of(first, &["select", "values"]) => true,
            Some(first) if is_one_of(first, &["with"]) => {
                !words.any(|word| is_one_of(word, &["insert", "replace", "update", "delete", "merge"]))
            }
            Some(_) | None => false,
        }
    }
}

impl SqlResponse {
    /// The memory it takes, nearly.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            SqlResponse::Done(results) => results.iter().map(SqlResult::bytes).sum(),
            SqlResponse::Error(error) => error.message.len(),
        }
    }

    /// Strikes secrets out; says whether there were any.
    pub(crate) fn strike(&mut self, mask: &Mask) -> bool {
        match self {
            SqlResponse::Done(results) => results.iter_mut().fold(false, |is_struck, result| {
                let rows = result.rows.iter_mut();
                let in_rows = rows.fold(false, |is_struck, row| strike(row, mask) | is_struck);
                let columns = result.columns.iter_mut();
                in_rows | columns.fold(is_struck, |is_struck, name| mask.text(name) | is_struck)
            }),
            SqlResponse::Error(error) => {
                let constraint = error.constraint.as_mut().is_some_and(|name| mask.text(name));
                mask.text(&mut error.message) | constraint
            }
        }
    }
}

impl SqlResult {
    fn bytes(&self) -> usize {
        let columns: usize = self.columns.iter().map(|name| name.len() + size_of::<String>()).sum();
        columns + self.rows.iter().flatten().map(SqlValue::bytes).sum::<usize>()
    }
}

impl SqlValue {
    /// The memory it takes, nearly.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>() + self.content_bytes()
    }

    /// The memory of what it holds that can be of any length.
    pub(crate) fn content_bytes(&self) -> usize {
        match self {
            SqlValue::Text(text) | SqlValue::Json(text) => text.len(),
            SqlValue::Bytes(bytes) => bytes.len(),
            SqlValue::Texts(texts) => {
                size_of_val(texts.as_slice()) + texts.iter().flatten().map(String::len).sum::<usize>()
            }
            SqlValue::Null
            | SqlValue::Boolean(_)
            | SqlValue::Integer(_)
            | SqlValue::Real(_)
            | SqlValue::Timestamp(_) => 0,
        }
    }

    /// As a person calls it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            SqlValue::Null => "null",
            SqlValue::Boolean(_) => "boolean",
            SqlValue::Integer(_) => "integer",
            SqlValue::Real(_) => "real",
            SqlValue::Text(_) => "text",
            SqlValue::Bytes(_) => "bytes",
            SqlValue::Timestamp(_) => "timestamp",
            SqlValue::Json(_) => "json",
            SqlValue::Texts(_) => "list of texts",
        }
    }
}

/// With one space wherever there was any: so two texts that are only set in different ways are the same.
pub(crate) fn one_line(sql: &str) -> String {
    sql.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn strike(values: &mut [SqlValue], mask: &Mask) -> bool {
    values.iter_mut().fold(false, |is_struck, value| {
        is_struck
            | match value {
                SqlValue::Text(text) | SqlValue::Json(text) => mask.text(text),
                SqlValue::Bytes(bytes) => mask.bytes(bytes),
                SqlValue::Texts(texts) => {
                    texts.iter_mut().flatten().fold(false, |is_struck, text| mask.text(text) | is_struck)
                }
                SqlValue::Null
                | SqlValue::Boolean(_)
                | SqlValue::Integer(_)
                | SqlValue::Real(_)
                | SqlValue::Timestamp(_) => false,
            }
    })
}

/// For a person: as it would stand in JSON, but for what JSON has no form for.
impl fmt::Display for SqlValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SqlValue::Null => formatter.write_str("null"),
            SqlValue::Boolean(is) => is.fmt(formatter),
            SqlValue::Integer(number) => number.fmt(formatter),
            SqlValue::Real(Real(number)) => write!(formatter, "{number:?}"),
            SqlValue::Text(text) => write!(formatter, "{text:?}"),
            SqlValue::Bytes(bytes) => write!(formatter, "{} bytes {}", bytes.len(), STANDARD.encode(bytes)),
            SqlValue::Timestamp(microseconds) => match DateTime::from_timestamp_micros(*microseconds) {
                Some(time) => formatter.write_str(&time.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
                None => write!(formatter, "{microseconds} microseconds since 1970"),
            },
            SqlValue::Json(text) => write!(formatter, "JSON {text}"),
            SqlValue::Texts(texts) => {
                let shown = |text: &Option<String>| {
                    text.as_ref().map_or_else(|| "null".to_owned(), |text| format!("{text:?}"))
                };
                write!(formatter, "[{}]", texts.iter().map(shown).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

impl PartialEq for Real {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Real {}

impl From<Real> for String {
    fn from(real: Real) -> Self {
        format!("{:?}", real.0)
    }
}

impl TryFrom<String> for Real {
    type Error = std::num::ParseFloatError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::mask::tests::mask_of;

    fn statement(sql: &str, parameters: Vec<SqlValue>) -> SqlStatement {
        SqlStatement { sql: sql.to_owned(), parameters }
    }

    #[test]
    fn every_value_reads_back_as_it_was() {
        let values = vec![
            SqlValue::Null,
            SqlValue::Boolean(true),
            SqlValue::Integer(i64::MIN),
            SqlValue::Real(Real(0.1 + 0.2)),
            SqlValue::Real(Real(-0.0)),
            SqlValue::Real(Real(f64::NAN)),
            SqlValue::Real(Real(f64::NEG_INFINITY)),
            SqlValue::Text("é'\u{0}".to_owned()),
            SqlValue::Bytes(Bytes::from_static(&[0xff, 0])),
            SqlValue::Timestamp(-1),
            SqlValue::Json("{ \"a\": 1.0 }".to_owned()),
            SqlValue::Texts(vec![Some("é".to_owned()), None]),
        ];
        let timeout = Some(Duration::from_millis(1500));
        let request = SqlRequest { statements: vec![statement("select $1", values.clone())], timeout };
        let json = serde_json::to_value(&request).unwrap();
        assert_eq!(json["timeout"], 1500);
        assert_eq!(json["statements"][0]["parameters"][0], "null");
        assert_eq!(json["statements"][0]["parameters"][3], json!({"real": "0.30000000000000004"}));
        assert_eq!(serde_json::from_value::<SqlRequest>(json).unwrap(), request);
        let result = SqlResult { affected: 3, columns: vec!["a".to_owned()], rows: vec![values] };
        let error = SqlError {
            kind: SqlErrorKind::TooManyRows,
            statement: Some(1),
            code: "23505".to_owned(),
            message: "no".to_owned(),
            constraint: None,
        };
        for response in [SqlResponse::Done(vec![result]), SqlResponse::Error(error)] {
            let json = serde_json::to_string(&response).unwrap();
            assert_eq!(serde_json::from_str::<SqlResponse>(&json).unwrap(), response);
        }
    }

    #[test]
    fn what_only_reads_is_known_by_its_first_word() {
        for (statements, expected) in [
            (&["select 1"][..], true),
            (&[" \n\tSELECT(1)", "values (1)"], true),
            (&["selected"], false),
            (&["with x as (delete from t returning 1) select 1"], false),
            (&["WITH updated as (select 1) select * from updated"], true),
            (&["select 1", "update t set a = 1"], false),
            (&["/* select */ delete from t"], false),
            (&[""], false),
        ] {
            let statements = statements.iter().map(|sql| statement(sql, Vec::new())).collect();
            assert_eq!(SqlRequest { statements, timeout: None }.only_reads(), expected);
        }
    }

    #[test]
    fn secrets_are_struck_out_of_texts_values_and_errors() {
        let mask = mask_of("hush-hush");
        let values = || {
            let text = || "a hush-hush b".to_owned();
            vec![
                SqlValue::Text(text()),
                SqlValue::Json(text()),
                SqlValue::Bytes(text().into()),
                SqlValue::Texts(vec![None, Some(text())]),
                SqlValue::Null,
            ]
        };
        let mut request = SqlRequest { statements: vec![statement("-- hush-hush", values())], timeout: None };
        assert!(request.strike(&mask));
        let result = SqlResult { affected: 0, columns: vec!["hush-hush".into()], rows: vec![values()] };
        let mut done = SqlResponse::Done(vec![SqlResult::default(), result, SqlResult::default()]);
        assert!(done.strike(&mask));
        let mut error = SqlResponse::Error(SqlError {
            kind: SqlErrorKind::Other,
            statement: None,
            code: String::new(),
            message: "hush-hush".to_owned(),
            constraint: Some("hush-hush".to_owned()),
        });
        assert!(error.strike(&mask));
        for text in [format!("{request:?}"), format!("{done:?}"), format!("{error:?}")] {
            assert!(!text.contains("hush") && text.contains("[secret]"), "{text}");
        }
        assert!(!done.strike(&mask));
    }
}
