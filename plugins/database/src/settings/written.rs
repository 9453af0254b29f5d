//! The settings as they are written, and their checks.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{Column, Dialect, ForeignKey, Lines, Mode, OlderTombstone, Settings, Table, Version};
use crate::source::{Pointer, Source};
use crate::value::Type;

/// Where the version comes from if nothing says so.
const VERSION: &str = "/updatedAt";

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Written {
    dialect: Dialect,
    table: String,
    key: Vec<String>,
    columns: BTreeMap<String, WrittenColumn>,
    #[serde(default)]
    mode: Mode,
    version_column: Option<String>,
    tombstone_version: Option<WrittenColumn>,
    deleted_column: Option<String>,
    #[serde(default)]
    older_tombstone: OlderTombstone,
    #[serde(default)]
    foreign_key: ForeignKey,
    lines: Option<WrittenLines>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct WrittenLines {
    rows: String,
    table: String,
    key: Vec<String>,
    /// As the header's where it is not said.
    header_key: Option<Vec<String>>,
    columns: BTreeMap<String, WrittenColumn>,
}

/// `"/a"`, or `{ from = "/a", type = "text" }`.
struct WrittenColumn {
    source: Source,
    of: Option<Type>,
}

impl Written {
    pub(super) fn read(mut self) -> Result<Settings, String> {
        if let Some(name) = &self.version_column {
            let default = || WrittenColumn { source: Source::Part(pointer(VERSION)), of: None };
            self.columns.entry(name.clone()).or_insert_with(default);
        }
        let table = Table::of(&self.table, &self.key, named(self.columns), "")?;
        if table.all().any(|column| column.source == Source::LineNumber) {
            return Err("columns: `line-number` is of lines".to_owned());
        }
        let version = version(self.version_column, self.tombstone_version, &table)?;
        if let Some(name) = &self.deleted_column {
            super::is_name(name, "deleted-column: ")?;
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
            deleted_column: self.deleted_column,
            older_tombstone: self.older_tombstone,
            foreign_key: self.foreign_key,
            lines,
        })
    }
}

impl WrittenLines {
    fn read(self, header: &Table) -> Result<Lines, String> {
        let table = Table::of(&self.table, &self.key, named(self.columns), "lines.")?;
        let same_names = || header.key.iter().map(|column| column.name.clone()).collect();
        let header_key: Vec<String> = self.header_key.unwrap_or_else(same_names);
        header_key.iter().try_for_each(|name| super::is_name(name, "lines.header-key: "))?;
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
    of_tombstone: Option<WrittenColumn>,
    table: &Table,
) -> Result<Option<Version>, String> {
    let Some(name) = name else {
        return match of_tombstone {
            Some(_) => Err("tombstone-version: is of no use without a `version-column`".to_owned()),
            None => Ok(None),
        };
    };
    let column = table.columns.iter().find(|column| column.name == name).cloned();
    let column =
        column.ok_or_else(|| format!("version-column: `{name}` is of the key, which never changes"))?;
    let own = column.source.is_of_event().then(|| column.clone());
    let of_tombstone = match of_tombstone {
        None => own,
        Some(WrittenColumn { source, .. }) if !source.is_of_event() => {
            return Err(format!("tombstone-version: `{source}` is of the data, and a tombstone has none"));
        }
        Some(WrittenColumn { source, of }) => Some(Column { name, source, of: of.or(column.of) }),
    };
    Ok(Some(Version { column, of_tombstone }))
}

fn named(columns: BTreeMap<String, WrittenColumn>) -> BTreeMap<String, Column> {
    let column =
        |(name, WrittenColumn { source, of }): (String, _)| (name.clone(), Column { name, source, of });
    columns.into_iter().map(column).collect()
}

fn pointer(text: &str) -> Pointer {
    Pointer::parse(text).expect("a constant pointer is one")
}

impl<'de> Deserialize<'de> for WrittenColumn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ColumnVisitor)
    }
}

struct ColumnVisitor;

impl<'de> Visitor<'de> for ColumnVisitor {
    type Value = WrittenColumn;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .write_str("where it comes from, such as \"/title\", or { from = \"/title\", type = \"text\" }")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<WrittenColumn, E> {
        Ok(WrittenColumn { source: Source::parse(text).map_err(E::custom)?, of: None })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<WrittenColumn, A::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            from: String,
            #[serde(rename = "type")]
            of: Option<Type>,
        }
        let Table { from, of } = Table::deserialize(de::value::MapAccessDeserializer::new(map))?;
        Ok(WrittenColumn { source: Source::parse(&from).map_err(de::Error::custom)?, of })
    }
}
