//! The settings of a connector that uses this plugin: read and checked once an instance. The README describes each.

use std::collections::BTreeMap;

use liaison_sdk::column::{Column, Mapping, Source, Type};
use liaison_sdk::pointer::Pointer;
use liaison_sdk::sql::TableName;
use liaison_sdk::version::LateTombstone;
use serde::{Deserialize, Deserializer, de};

use crate::line;
use crate::statement::{Columns, History, Keys, Merge};

/// The settings as used.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) into: Into,
}

/// Where events are kept.
#[derive(Debug)]
pub(crate) enum Into {
    Tables(Box<Tables>),
    Files(Files),
}

/// At least one of them.
#[derive(Debug)]
pub(crate) struct Tables {
    pub(crate) merge: Option<Merge>,
    pub(crate) history: Option<History>,
}

#[derive(Debug)]
pub(crate) struct Files {
    /// Before the topic, with `/` at its end; or empty.
    pub(crate) prefix: String,
}

/// The settings as written.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Written {
    table: Option<TableName>,
    #[serde(default)]
    key: BTreeMap<String, Mapping>,
    #[serde(default)]
    columns: BTreeMap<String, Mapping>,
    version: Option<Mapping>,
    version_column: Option<String>,
    deleted_column: Option<String>,
    tombstone_version: Option<Mapping>,
    late_tombstone: Option<LateTombstone>,
    history: Option<TableName>,
    files: Option<String>,
}

/// What many events ask for together, with an array in the place of each parameter.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) sql: String,
    /// Which of an event's [rows](crate::table::Rows) it is of.
    pub(crate) row: usize,
    /// How many parameters it has.
    pub(crate) columns: usize,
}

impl Tables {
    /// In the order in which one event asks for the same.
    pub(crate) fn statements_of_many(&self, keys: Keys) -> impl Iterator<Item = Statement> {
        let merge = self.merge.iter().map(move |merge| Statement {
            sql: merge.newer_of_many(keys),
            row: 0,
            columns: merge.columns.names().count(),
        });
        merge.chain(self.history.iter().map(|history| Statement {
            sql: history.insert_many(),
            row: 1,
            columns: line::NAMES.len(),
        }))
    }
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Written::deserialize(deserializer)?;
        let into = written.into().map_err(de::Error::custom)?;
        Ok(Self { into })
    }
}

impl Written {
    fn into(self) -> Result<Into, String> {
        match (&self.table, &self.history, &self.files) {
            (None, None, None) => {
                Err("none of `table`, `history` and `files` says where to keep events".to_owned())
            }
            (None, None, Some(prefix)) => {
                let files = Files { prefix: prefix_of(prefix)? };
                self.nothing_of_a_table()?;
                Ok(Into::Files(files))
            }
            (_, _, Some(_)) => {
                Err("`files` is S3's, and `table` and `history` are a database's: make two connectors"
                    .to_owned())
            }
            (None, Some(history), None) => {
                let history = Some(History::new(history.clone()));
                self.nothing_of_a_table()?;
                Ok(Into::Tables(Box::new(Tables { merge: None, history })))
            }
            (Some(_), _, None) => {
                let history = self.history.clone().map(History::new);
                Ok(Into::Tables(Box::new(Tables { merge: Some(self.merge()?), history })))
            }
        }
    }

    fn nothing_of_a_table(&self) -> Result<(), String> {
        let has_own = self.version.is_some()
            || self.tombstone_version.is_some()
            || self.late_tombstone.is_some()
            || self.version_column.is_some()
            || self.deleted_column.is_some();
        match self.key.is_empty() && self.columns.is_empty() && !has_own {
            true => Ok(()),
            false => {
                Err("`key`, `columns`, versions and `deleted-column` are of a `table`, which is missing"
                    .to_owned())
            }
        }
    }

    fn merge(self) -> Result<Merge, String> {
        let table = self.table.ok_or("`table` is missing")?;
        let (version, tombstone_version) = versions(
            self.version_column.unwrap_or_else(|| "updated_at".to_owned()),
            self.version,
            self.tombstone_version,
        )?;
        let columns = Columns {
            key: named(self.key)?,
            others: named(self.columns)?,
            version,
            deleted: self.deleted_column.unwrap_or_else(|| "deleted".to_owned()),
        };
        Merge::new(table, columns, tombstone_version, self.late_tombstone.unwrap_or_default())
    }
}

fn named(columns: BTreeMap<String, Mapping>) -> Result<Vec<Column>, String> {
    let columns: Vec<Column> =
        columns.into_iter().map(|(name, mapping)| Column::new(name, mapping)).collect();
    match columns.iter().find(|column| column.source == Source::LineNumber) {
        Some(column) => Err(format!("`{}`: an event has no `{}` here", column.name, column.source)),
        None => Ok(columns),
    }
}

/// What fills the version's column, and what does where the event is a tombstone.
fn versions(
    name: String,
    version: Option<Mapping>,
    of_tombstone: Option<Mapping>,
) -> Result<(Column, Column), String> {
    let updated_at = || Mapping::from(Source::Part(Pointer::updated_at()));
    let version = Column::new(name, version.unwrap_or_else(updated_at)).as_version()?;
    let default = match version.of {
        _ if version.source.is_of_event() => version.source.clone(),
        Some(Type::Timestamp) => Source::Time,
        _ if of_tombstone.is_none() => {
            return Err("`version` is an integer, and a tombstone has no data: say in `tombstone-version` which one it has, \
                        such as {attributes.version}"
                .to_owned());
        }
        _ => Source::Time,
    };
    let Mapping { source, of } = of_tombstone.unwrap_or_else(|| default.into());
    if of.is_some() && of != version.of {
        return Err(
            "`tombstone-version` is compared with `version`, so it is of the same type: leave `type` out"
                .to_owned(),
        );
    }
    let of_tombstone = Column { source, ..version.clone() };
    Ok((version, of_tombstone))
}

/// As the part of a path that it becomes.
fn prefix_of(text: &str) -> Result<String, String> {
    let trimmed = text.trim_matches('/');
    if trimmed.is_empty() {
        return Ok(String::new());
    }
    let mut prefix = String::new();
    for segment in trimmed.split('/') {
        if matches!(segment, "" | "." | "..") {
            return Err(format!("`{text}` is no prefix of names: it has an empty part, `.` or `..`"));
        }
        liaison_sdk::push_segment(&mut prefix, segment);
        prefix.push('/');
    }
    Ok(prefix)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(value: Value) -> Result<Settings, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (value, part) in [
            (json!({}), "none of `table`, `history` and `files`"),
            (json!({ "table": "t", "files": "" }), "make two connectors"),
            (json!({ "files": "", "columns": { "a": "/a" } }), "of a `table`, which is missing"),
            (json!({ "history": "h", "version": "/a" }), "of a `table`, which is missing"),
            (json!({ "files": "a/../b" }), "`a/../b` is no prefix"),
            (json!({ "table": "t" }), "`key` names no column"),
            (json!({ "table": "a.b.c", "key": { "id": "{key}" } }), "`a.b.c` is no table"),
            (json!({ "table": "t", "key": { "id": "ident" } }), "`ident` is no part of an event"),
            (
                json!({ "table": "t", "key": { "id": "id" }, "version": { "from": "/v", "type": "text" } }),
                "its type is `timestamp` or `integer`",
            ),
            (
                json!({ "table": "t", "key": { "id": "id" }, "version": { "from": "/v", "type": "integer" } }),
                "say in `tombstone-version` which one it has",
            ),
            (
                json!({ "table": "t", "key": { "id": "id" }, "tombstone-version": "/v" }),
                "a tombstone has none",
            ),
            (
                json!({ "table": "t", "key": { "id": "{key}" }, "columns": { "id": "/a" } }),
                "`id` is named twice",
            ),
            (json!({ "table": "t", "key": { "updated_at": "{key}" } }), "`updated_at` is named twice"),
            (json!({ "table": "t", "key": { "": "{key}" } }), "`` is no name of a table or column"),
            (json!({ "table": "t", "colums": {} }), "unknown field `colums`"),
        ] {
            let error = read(value.clone()).unwrap_err();
            assert!(error.contains(part), "{value}: {error}");
        }
    }

    #[test]
    fn each_way_to_keep_events_is_read() {
        let Ok(Settings { into: Into::Files(files) }) = read(json!({ "files": "/a b/c/" })) else { panic!() };
        assert_eq!(files.prefix, "a%20b/c/");
        let Ok(Settings { into: Into::Tables(tables) }) = read(json!({ "history": "h" })) else { panic!() };
        assert!(tables.merge.is_none() && tables.history.is_some());
        let both = json!({ "table": "dw.t", "key": { "id": "{key}" }, "history": "h" });
        let Ok(Settings { into: Into::Tables(tables) }) = read(both) else { panic!() };
        assert!(tables.merge.is_some() && tables.history.is_some());
    }
}
