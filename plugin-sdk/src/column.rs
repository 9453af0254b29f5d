//! Columns of a table, and where each takes its value from: as settings say it, as a statement binds it, and as an event
//! would write what was found.
//!
//! A setting names a source alone, or with the type that the column is to hold:
//!
//! ```
//! use liaison_sdk::column::{Column, Document, Mapping, Record};
//! use liaison_sdk::outcome::Delivery;
//! use liaison_sdk::sql::SqlValue;
//! use liaison_sdk::testing;
//! use serde_json::json;
//!
//! let mapping: Mapping = serde_json::from_value(json!({ "from": "/updatedAt", "type": "timestamp" })).unwrap();
//! let column = Column::new("updated_at", mapping);
//! let delivery = Delivery::from(testing::event("t").data(json!({ "updatedAt": "1970-01-01T01:00:01+01:00" })));
//! let document = Document::read(delivery.data().unwrap()).unwrap();
//! let record = Record::new(&delivery.event, Some(&document));
//! assert_eq!(column.value(&record), Ok(SqlValue::Timestamp(1_000_000)));
//! ```

mod compare;
mod document;
mod setting;
mod source;
mod value;

pub use document::Document;
pub use setting::Mapping;
pub use source::{Given, Record, Source};
pub use value::{Type, json, version_bound, version_text};

pub use compare::is_other;

use serde_json::{Map, Value};

use crate::failure::Failure;
use crate::sql::SqlValue;

/// A column, and what it holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    pub name: String,
    pub source: Source,
    /// `None`: what JSON says.
    pub of: Option<Type>,
}

impl Column {
    /// The column of this name, filled as a setting says.
    pub fn new(name: impl Into<String>, mapping: Mapping) -> Self {
        let Mapping { source, of } = mapping;
        Self { name: name.into(), source, of }
    }

    /// The same as the version of its row: a time unless its type says otherwise. Times and integers alone are compared
    /// alike by every database; a text is not (`"10" < "9"`).
    ///
    /// # Errors
    ///
    /// It has another type.
    pub fn as_version(mut self) -> Result<Self, String> {
        match self.of {
            None => self.of = Some(Type::Timestamp),
            Some(Type::Timestamp | Type::Integer) => {}
            Some(of @ (Type::Text | Type::Real | Type::Boolean | Type::Json | Type::Bytes)) => {
                return Err(format!(
                    "`{}` is the version, so its type is `timestamp` or `integer`: `{}` is not compared alike by all",
                    self.name,
                    of.word()
                ));
            }
        }
        Ok(self)
    }

    /// What an event has for it; null where it has nothing.
    ///
    /// # Errors
    ///
    /// [`Failure::Event`] where that is not of the column's type.
    pub fn value(&self, record: &Record<'_>) -> Result<SqlValue, Failure> {
        value::bound(&self.source.give(record)?, self.of).map_err(|wanted| {
            let Self { name, source, .. } = self;
            Failure::Event(format!(
                "the column `{name}` is to hold {wanted}, and the event has another thing at `{source}`"
            ))
        })
    }

    /// The same where the row is nothing without it, as `what` is: its key or its version.
    ///
    /// # Errors
    ///
    /// [`Failure::Event`] where there is nothing.
    pub fn present(&self, record: &Record<'_>, what: &str) -> Result<SqlValue, Failure> {
        let value = self.value(record)?;
        if value != SqlValue::Null {
            return Ok(value);
        }
        let Self { name, source, .. } = self;
        let mut why = format!("the event has nothing at `{source}`, which is to be the {what} `{name}`");
        if record.is_tombstone() && !source.is_of_event() {
            why.push_str(
                ": it is a tombstone; take the column from what it has, such as `{key}` or `{subject}`",
            );
        }
        Err(Failure::Event(why))
    }
}

/// What columns hold in the shape of an event's data, as far as they are parts of it.
pub fn shape<'a>(columns: impl IntoIterator<Item = (&'a Source, Value)>) -> Value {
    let (mut whole, mut parts) = (Value::Object(Map::new()), Vec::new());
    for (source, value) in columns {
        match source {
            Source::Data if value.is_object() => whole = value,
            Source::Part(pointer) => parts.push((pointer, value)),
            _ => {}
        }
    }
    for (pointer, value) in parts {
        // What is null was not there, or has gone.
        if !value.is_null() || pointer.find(&whole).is_some() {
            pointer.put(&mut whole, value);
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing;
    use crate::transform::Event;

    fn column(of: Option<Type>) -> Column {
        Column { name: "v".to_owned(), source: Source::parse("/v").unwrap(), of }
    }

    #[test]
    fn a_version_is_a_time_or_an_integer() {
        assert_eq!(column(None).as_version().unwrap().of, Some(Type::Timestamp));
        assert_eq!(column(Some(Type::Integer)).as_version().unwrap().of, Some(Type::Integer));
        let error = column(Some(Type::Text)).as_version().unwrap_err();
        assert!(error.contains("its type is `timestamp` or `integer`: `text` is"), "{error}");
    }

    #[test]
    fn what_is_missing_is_named_and_a_tombstone_is_told_what_it_has() {
        let gone: Event = testing::event("t").tombstone().into();
        let error = column(None).present(&Record::new(&gone, None), "key").unwrap_err().to_string();
        assert!(
            error.starts_with("the event has nothing at `/v`, which is to be the key `v`: it is a tomb"),
            "{error}"
        );
        let event: Event = testing::event("t").into();
        let document = Document::read(br#"{"v": true}"#).unwrap();
        let record = Record::new(&event, Some(&document));
        let error = column(Some(Type::Integer)).value(&record).unwrap_err().to_string();
        assert_eq!(error, "the column `v` is to hold an integer, and the event has another thing at `/v`");
    }

    #[test]
    fn columns_are_put_where_they_came_from() {
        let source = |text: &str| Source::parse(text).unwrap();
        let sources = ["{data}", "/a/b", "/a/c", "/d", "/e", "{id}"].map(source);
        let values =
            [json!({ "d": 1, "more": true }), json!(1), json!(null), json!(null), json!("e"), json!("id")];
        let whole = shape(sources.iter().zip(values));
        assert_eq!(whole, json!({ "more": true, "a": { "b": 1 }, "d": null, "e": "e" }));
    }
}
