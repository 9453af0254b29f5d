//! The settings of a connector that uses this plugin: read and checked once an instance. The README describes each.

mod written;

use std::collections::BTreeMap;

use liaison_sdk::column::Column;
use liaison_sdk::pointer::Pointer;
use liaison_sdk::sql::{Dialect, TableName, is_name};
use liaison_sdk::version::LateTombstone;
use serde::{Deserialize, Deserializer};

use self::written::Written;

/// The settings as used.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) dialect: Dialect,
    pub(crate) mode: Mode,
    pub(crate) table: Table,
    pub(crate) version: Option<Version>,
    pub(crate) late_tombstone: LateTombstone,
    pub(crate) deleted_column: Option<String>,
    pub(crate) foreign_key: ForeignKey,
    pub(crate) lines: Option<Lines>,
}

/// A table, and which columns of it are kept.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: TableName,
    pub(crate) key: Vec<Column>,
    /// All others.
    pub(crate) columns: Vec<Column>,
}

/// What tells which of two events is newer.
#[derive(Debug)]
pub(crate) struct Version {
    /// One of the table's columns: a time or an integer.
    pub(crate) column: Column,
    pub(crate) of_tombstone: TombstoneVersion,
}

/// What the version of an event without data is.
#[derive(Debug)]
pub(crate) enum TombstoneVersion {
    /// The settings say it, or the version is never of the data: an event without it is at fault.
    Of(Column),
    /// The time of the event, where it has one.
    Time(Column),
    /// It cannot be told.
    Unknown,
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

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mode {
    #[default]
    Upsert,
    InsertOnly,
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

    /// All columns that this plugin writes, the key first and the mark last.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.table.all().map(|column| column.name.as_str()).chain(self.deleted_column.as_deref())
    }
}

impl Table {
    /// All of its columns that are kept, the key first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Column> {
        self.key.iter().chain(&self.columns)
    }

    fn of(
        name: TableName,
        key: &[String],
        columns: BTreeMap<String, Column>,
        what: &str,
    ) -> Result<Self, String> {
        columns
            .keys()
            .try_for_each(|name| is_name(name))
            .map_err(|problem| format!("{what}columns: {problem}"))?;
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
