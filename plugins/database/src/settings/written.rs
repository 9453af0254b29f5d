//! The settings as they are written, and their checks.

use std::collections::BTreeMap;

use liaison_sdk::column::{Column, Mapping, Source, Type};
use liaison_sdk::pointer::Pointer;
use liaison_sdk::sql::{Dialect, TableName, is_name};
use liaison_sdk::version::LateTombstone;
use serde::Deserialize;

use super::{ForeignKey, Lines, Mode, Settings, Table, TombstoneVersion, Version};

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Written {
    dialect: Dialect,
    table: TableName,
    key: Vec<String>,
    columns: BTreeMap<String, Mapping>,
    #[serde(default)]
    mode: Mode,
    version_column: Option<String>,
    tombstone_version: Option<Mapping>,
    late_tombstone: Option<LateTombstone>,
    deleted_column: Option<String>,
    #[serde(default)]
    foreign_key: ForeignKey,
    lines: Option<WrittenLines>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct WrittenLines {
    rows: String,
    table: TableName,
    key: Vec<String>,
    /// As the header's where it is not said.
    header_key: Option<Vec<String>>,
    columns: BTreeMap<String, Mapping>,
}

impl Written {
    pub(super) fn read(mut self) -> Result<Settings, String> {
        if let Some(name) = &self.version_column {
            let default = || Mapping::from(Source::Part(Pointer::updated_at()));
            self.columns.entry(name.clone()).or_insert_with(default);
        }
        let mut table = Table::of(self.table, &self.key, named(self.columns), "")?;
        if table.all().any(|column| column.source == Source::LineNumber) {
            return Err("columns: `line-number` is of lines".to_owned());
        }
        let version = version(self.version_column, self.tombstone_version, &mut table)?;
        if version.is_none() && self.late_tombstone.is_some() {
            return Err("late-tombstone: is of no use without a `version-column`".to_owned());
        }
        if let Some(name) = &self.deleted_column {
            is_name(name).map_err(|problem| format!("deleted-column: {problem}"))?;
            if table.all().any(|column| column.name == *name) {
                return Err(format!(
                    "deleted-column: `{name}` is set by this plugin: take it out of `columns`"
                ));
            }
        }
        if self.mode == Mode::Upsert && table.columns.is_empty() {
            return Err(
                "columns: beside the key there is nothing to update: use `mode = \"insert-only\"`".to_owned()
            );
        }
        let lines = self.lines.map(|lines| lines.read(&table)).transpose()?;
        Ok(Settings {
            dialect: self.dialect,
            mode: self.mode,
            table,
            version,
            late_tombstone: self.late_tombstone.unwrap_or_default(),
            deleted_column: self.deleted_column,
            foreign_key: self.foreign_key,
            lines,
        })
    }
}

impl WrittenLines {
    fn read(self, header: &Table) -> Result<Lines, String> {
        let table = Table::of(self.table, &self.key, named(self.columns), "lines.")?;
        let same_names = || header.key.iter().map(|column| column.name.clone()).collect();
        let header_key: Vec<String> = self.header_key.unwrap_or_else(same_names);
        header_key
            .iter()
            .try_for_each(|name| is_name(name))
            .map_err(|problem| format!("lines.header-key: {problem}"))?;
        if header_key.len() != header.key.len() {
            return Err(format!(
                "lines.header-key: names {} columns, and the header's key has {}",
                header_key.len(),
                header.key.len()
            ));
        }
        if let Some(name) = header_key.iter().find(|name| table.all().any(|column| column.name == **name)) {
            return Err(format!(
                "lines.columns: `{name}` holds the header's key: take it out of `lines.columns`"
            ));
        }
        let rows = Pointer::parse(&self.rows).map_err(|problem| format!("lines.rows: {problem}"))?;
        Ok(Lines { rows, header_key, table })
    }
}

fn version(
    name: Option<String>,
    of_tombstone: Option<Mapping>,
    table: &mut Table,
) -> Result<Option<Version>, String> {
    let Some(name) = name else {
        return match of_tombstone {
            Some(_) => Err("tombstone-version: is of no use without a `version-column`".to_owned()),
            None => Ok(None),
        };
    };
    let column = table.columns.iter_mut().find(|column| column.name == name);
    let column =
        column.ok_or_else(|| format!("version-column: `{name}` is of the key, which never changes"))?;
    *column = column.clone().as_version().map_err(|problem| format!("columns: {problem}"))?;
    let column = column.clone();
    let of_tombstone = match of_tombstone {
        Some(Mapping { source, .. }) if !source.is_of_event() => {
            return Err(format!("tombstone-version: `{source}` is of the data, and a tombstone has none"));
        }
        Some(Mapping { of: Some(of), .. }) if Some(of) != column.of => {
            return Err(format!(
                "tombstone-version: is compared with `{name}`, so it is of the same type: leave `type` out"
            ));
        }
        Some(Mapping { source, .. }) => TombstoneVersion::Of(Column { source, ..column.clone() }),
        None if column.source.is_of_event() => TombstoneVersion::Of(column.clone()),
        None if column.of == Some(Type::Timestamp) => {
            TombstoneVersion::Time(Column { source: Source::Time, ..column.clone() })
        }
        None => TombstoneVersion::Unknown,
    };
    Ok(Some(Version { column, of_tombstone }))
}

fn named(columns: BTreeMap<String, Mapping>) -> BTreeMap<String, Column> {
    columns.into_iter().map(|(name, mapping)| (name.clone(), Column::new(name, mapping))).collect()
}
