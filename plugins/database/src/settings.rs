//! The settings of a connector that uses this plugin: read and checked once an instance. The README describes each.

mod written;

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use crate::source::{Pointer, Source};
use crate::value::Type;

use self::written::Written;

/// The settings as used.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) dialect: Dialect,
    pub(crate) mode: Mode,
    pub(crate) table: Table,
    pub(crate) version: Option<Version>,
    pub(crate) deleted_column: Option<String>,
    pub(crate) older_tombstone: OlderTombstone,
    pub(crate) foreign_key: ForeignKey,
    pub(crate) lines: Option<Lines>,
}

/// A table, and which columns of it are kept.
#[derive(Debug)]
pub(crate) struct Table {
    /// Schema and name, or the name alone.
    pub(crate) name: Vec<String>,
    pub(crate) key: Vec<Column>,
    /// All others.
    pub(crate) columns: Vec<Column>,
}

/// A column, and what it holds.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) source: Source,
    pub(crate) of: Option<Type>,
}

/// What tells which of two events is newer.
#[derive(Debug)]
pub(crate) struct Version {
    /// One of the table's columns.
    pub(crate) column: Column,
    /// Of an event without data; `None` where it cannot be told.
    pub(crate) of_tombstone: Option<Column>,
}

/// Rows of a second table, which belong to one of the first.
#[derive(Debug)]
pub(crate) struct Lines {
    /// A list in the event's data.
    pub(crate) rows: Pointer,
    /// The columns that hold the header's key, in its order.
    pub(crate) header_key: Vec<String>,
    /// Its key is what tells lines of one header apart.
    pub(crate) table: Table,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Dialect {
    #[serde(alias = "postgresql")]
    Postgres,
    #[serde(alias = "mariadb")]
    MySql,
    Sqlite,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mode {
    #[default]
    Upsert,
    InsertOnly,
}

/// What becomes of a deletion that is older than the row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OlderTombstone {
    #[default]
    Skip,
    Conflict,
}

/// What becomes of an event whose row refers to one that is not there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ForeignKey {
    #[default]
    Reject,
    Retry,
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Written::deserialize(deserializer)?.read().map_err(serde::de::Error::custom)
    }
}

impl Settings {
    pub(crate) fn version_column(&self) -> Option<&str> {
        self.version.as_ref().map(|version| version.column.name.as_str())
    }
}

impl Table {
    /// All of its columns that are kept, the key first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Column> {
        self.key.iter().chain(&self.columns)
    }

    fn of(name: &str, key: &[String], columns: BTreeMap<String, Column>, what: &str) -> Result<Self, String> {
        let name: Vec<String> = name.split('.').map(str::to_owned).collect();
        if name.len() > 2 {
            return Err(format!("{what}table: a table is named as `records` or `hr.records`"));
        }
        name.iter().chain(columns.keys()).try_for_each(|name| is_name(name, what))?;
        if key.is_empty() {
            return Err(format!("{what}key: name the columns that tell rows apart"));
        }
        let (mut keys, mut others) = (Vec::new(), columns);
        for name in key {
            let column = others.remove(name).ok_or_else(|| {
                format!("{what}key: `{name}` is not among the columns: say in `columns` where it comes from")
            })?;
            keys.push(column);
        }
        Ok(Self { name, key: keys, columns: others.into_values().collect() })
    }
}

/// Quoted, a name may be nearly anything.
fn is_name(name: &str, what: &str) -> Result<(), String> {
    match name.is_empty() || name.chars().any(char::is_control) {
        true => Err(format!("{what}`{}` is no name of a table or column", name.escape_debug())),
        false => Ok(()),
    }
}
