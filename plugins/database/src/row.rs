//! A row as an event says it.

use liaison_sdk::column::{Column, Record, is_other};
use liaison_sdk::failure::Failure;
use liaison_sdk::sql::{Row as Found, SqlValue};

use crate::settings::{Settings, Table, TombstoneVersion};

/// A row of the table.
#[derive(Debug)]
pub(crate) struct Row<'s> {
    pub(crate) settings: &'s Settings,
    pub(crate) key: Vec<(&'s str, SqlValue)>,
    /// All columns but the key.
    pub(crate) columns: Vec<(&'s str, SqlValue)>,
    /// The version's column and value, if there are any.
    pub(crate) version: Option<(&'s str, SqlValue)>,
}

impl<'s> Row<'s> {
    pub(crate) fn of(settings: &'s Settings, record: &Record<'_>) -> Result<Self, Failure> {
        let mut columns = values(&settings.table.columns, record)?;
        let version = match &settings.version {
            None => None,
            Some(version) => Some((version.column.name.as_str(), version.column.present(record, "version")?)),
        };
        if let Some(name) = &settings.deleted_column {
            columns.push((name, SqlValue::Boolean(false)));
        }
        Ok(Self { settings, key: key(&settings.table, record)?, columns, version })
    }

    /// The row of a deletion: its key, its version if that can be told, and the mark if there is one.
    pub(crate) fn deleted(settings: &'s Settings, record: &Record<'_>) -> Result<Self, Failure> {
        let version = match settings.version.as_ref().map(|version| &version.of_tombstone) {
            None | Some(TombstoneVersion::Unknown) => None,
            Some(TombstoneVersion::Of(column)) => {
                Some((column.name.as_str(), column.present(record, "version")?))
            }
            Some(TombstoneVersion::Time(column)) => match column.value(record)? {
                SqlValue::Null => None,
                time => Some((column.name.as_str(), time)),
            },
        };
        let mut columns: Vec<_> = version.clone().into_iter().collect();
        if let Some(name) = &settings.deleted_column {
            columns.push((name, SqlValue::Boolean(true)));
        }
        Ok(Self { settings, key: key(&settings.table, record)?, columns, version })
    }

    /// Does the row that was found hold anything else, as far as that can be told?
    pub(crate) fn is_other_than(&self, found: &Found<'_>) -> bool {
        let is_other = |(name, wanted): &(&str, SqlValue)| {
            found.value(name).is_some_and(|found| is_other(wanted, found))
        };
        self.columns.iter().any(is_other)
    }
}

pub(crate) fn values<'s>(
    columns: &'s [Column],
    record: &Record<'_>,
) -> Result<Vec<(&'s str, SqlValue)>, Failure> {
    columns.iter().map(|column| Ok((column.name.as_str(), column.value(record)?))).collect()
}

/// None of it is null.
pub(crate) fn key<'s>(table: &'s Table, record: &Record<'_>) -> Result<Vec<(&'s str, SqlValue)>, Failure> {
    table.key.iter().map(|column| Ok((column.name.as_str(), column.present(record, "key")?))).collect()
}
