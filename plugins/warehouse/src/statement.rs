//! The SQL of PostgreSQL, written from the settings: a text for one row, and one for the rows of many events.
//!
//! Every value is bound as a text or null, alone or as an element of an array, and the database reads it as the column's
//! type. So it comes to the same whether an event goes alone or with others.

mod many;
mod one;

use liaison_sdk::column::{Column, Record};
use liaison_sdk::failure::Failure;
use liaison_sdk::sql::{Dialect, SqlValue, TableName, is_name};
use liaison_sdk::version::LateTombstone;

use crate::line;
use crate::text;

/// The columns of a table that is merged into.
#[derive(Debug)]
pub(crate) struct Columns {
    pub(crate) key: Vec<Column>,
    pub(crate) others: Vec<Column>,
    /// A time or an integer.
    pub(crate) version: Column,
    pub(crate) deleted: String,
}

/// Merges by key and version.
#[derive(Debug)]
pub(crate) struct Merge {
    pub(crate) table: TableName,
    pub(crate) columns: Columns,
    /// The version's column, filled by a tombstone.
    tombstone_version: Column,
    pub(crate) late_tombstone: LateTombstone,
    /// Writes one row where the event is newer.
    pub(crate) newer: String,
}

/// Adds each event once.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) table: TableName,
    /// Adds one row.
    pub(crate) insert: String,
}

/// The rows of one statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    /// Each has a key of its own.
    Differ,
    Repeat,
}

impl Merge {
    pub(crate) fn new(
        table: TableName,
        columns: Columns,
        tombstone_version: Column,
        late_tombstone: LateTombstone,
    ) -> Result<Self, String> {
        if columns.key.is_empty() {
            return Err("`key` names no column: which of them tell one row from another?".to_owned());
        }
        columns.check()?;
        let source = &tombstone_version.source;
        if !source.is_of_event() {
            return Err(format!("`tombstone-version` is of the data (`{source}`), and a tombstone has none"));
        }
        let newer = one::merge(&table, &columns, &columns.is_newer());
        Ok(Self { table, tombstone_version, late_tombstone, newer, columns })
    }

    /// The same for the rows of many events.
    pub(crate) fn newer_of_many(&self, keys: Keys) -> String {
        match keys {
            Keys::Differ => many::merge(&self.table, &self.columns),
            Keys::Repeat => many::merge_newest(&self.table, &self.columns),
        }
    }

    /// Where the table holds this version, which is the last parameter, and nowhere else: a row that is gone is not made
    /// anew.
    pub(crate) fn over(&self) -> String {
        one::over(&self.table, &self.columns)
    }

    /// The same of a tombstone, which leaves its mark where nothing is, too.
    pub(crate) fn mark_over(&self) -> String {
        let (v, last) = (identifier(&self.columns.version.name), self.columns.names().count() + 1);
        one::merge(&self.table, &self.columns, &format!("held.{v} = ${last}"))
    }

    /// Where the table holds nothing, or a row without a version.
    pub(crate) fn over_nothing(&self) -> String {
        let v = identifier(&self.columns.version.name);
        one::merge(&self.table, &self.columns, &format!("held.{v} is null"))
    }

    /// What one row binds: each of the columns, in their order.
    pub(crate) fn row(&self, record: &Record<'_>) -> Result<Vec<SqlValue>, Failure> {
        let Columns { key, others, version, .. } = &self.columns;
        let is_gone = record.is_tombstone();
        let mut row = Vec::with_capacity(key.len() + others.len() + 2);
        for column in key {
            row.push(text::readable(column, column.present(record, "key")?)?);
        }
        for column in others {
            row.push(text::of_column(column, record)?);
        }
        let version = if is_gone { &self.tombstone_version } else { version };
        row.push(text::of(version.present(record, "version")?));
        row.push(text::of(is_gone.into()));
        Ok(row)
    }
}

impl Columns {
    fn check(&self) -> Result<(), String> {
        let mut names: Vec<&str> = self.names().collect();
        names.iter().try_for_each(|name| is_name(name))?;
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(format!("the column `{}` is named twice", pair[0])),
            None => Ok(()),
        }
    }

    /// The columns that the settings fill, the version last.
    pub(crate) fn filled(&self) -> impl Iterator<Item = &Column> + Clone {
        self.key.iter().chain(&self.others).chain([&self.version])
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.filled().map(|column| column.name.as_str()).chain([self.deleted.as_str()])
    }

    fn key_names(&self) -> impl Iterator<Item = &str> {
        self.key.iter().map(|column| column.name.as_str())
    }

    /// Is the row that was to be inserted newer than the one held?
    fn is_newer(&self) -> String {
        let (v, d) = (identifier(&self.version.name), identifier(&self.deleted));
        format!(
            "excluded.{v} > held.{v} or held.{v} is null \
             or (excluded.{v} = held.{v} and excluded.{d} and held.{d} is not true)"
        )
    }

    /// What a row is set to. What is gone keeps what it was, but for its version.
    fn set(&self, new: impl Fn(&str) -> String) -> String {
        let (version, deleted) = (&self.version.name, &self.deleted);
        let kept = self.others.iter().map(|Column { name, .. }| {
            let c = identifier(name);
            format!("{c} = case when {} then held.{c} else {} end, ", new(deleted), new(name))
        });
        let (v, d) = (identifier(version), identifier(deleted));
        format!("{}{v} = {}, {d} = {}", kept.collect::<String>(), new(version), new(deleted))
    }

    /// All but key and version as one text, to be compared: of what is gone, that it is.
    fn content(&self, is_gone: &str, of: impl Fn(&str) -> String) -> String {
        let others = self.others.iter();
        let values = others
            .map(|Column { name, .. }| format!("case when {is_gone} then null else {} end, ", of(name)));
        format!("row({}{})::text", values.collect::<String>(), of(&self.deleted))
    }
}

impl History {
    pub(crate) fn new(table: TableName) -> Self {
        let insert = one::insert(&table, &line::NAMES);
        Self { table, insert }
    }

    /// Adds the rows of many events.
    pub(crate) fn insert_many(&self) -> String {
        many::insert(&self.table, &line::NAMES)
    }
}

/// `alias."name"`
fn of(alias: &str) -> impl Fn(&str) -> String {
    move |name| format!("{alias}.{}", identifier(name))
}

fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(identifier).collect::<Vec<_>>().join(", ")
}

fn identifier(name: &str) -> String {
    Dialect::Postgres.quoted(name)
}
