//! The SQL of PostgreSQL, written once from the settings: one text for one row and for many, which are bound as one JSON
//! list. The types of the columns are the table's own.

use std::fmt;

use liaison_sdk::failure::Failure;
use serde::Deserialize;

use crate::line;
use crate::source::{Given, Source, quoted};

/// A table, perhaps with its schema.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct TableName {
    /// As a person writes it.
    pub(crate) written: String,
    /// As a statement does.
    quoted: String,
}

/// The columns of a table that is merged into.
#[derive(Debug)]
pub(crate) struct Columns {
    pub(crate) key: Vec<(String, Source)>,
    pub(crate) others: Vec<(String, Source)>,
    pub(crate) version: String,
    pub(crate) deleted: String,
}

/// Merges by key and version.
#[derive(Debug)]
pub(crate) struct Merge {
    pub(crate) table: String,
    pub(crate) columns: Columns,
    pub(crate) version: Source,
    tombstone_version: Source,
    /// Where the event is newer.
    pub(crate) newer: String,
    /// Where the table holds this version: its text is the second parameter.
    pub(crate) over: String,
    /// Whatever the table holds.
    pub(crate) anyway: String,
}

/// Adds each event once.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) table: String,
    pub(crate) insert: String,
}

/// The columns of a history.
const HISTORY: [&str; 12] = [
    "delivery",
    "topic",
    "partition",
    "offset",
    "id",
    "source",
    "type",
    "subject",
    "time",
    "key",
    "deleted",
    "data",
];

impl Merge {
    pub(crate) fn new(
        table: &TableName,
        columns: Columns,
        version: Source,
        tombstone_version: Source,
    ) -> Result<Self, String> {
        if columns.key.is_empty() {
            return Err("`key` names no column: which of them tell one row from another?".to_owned());
        }
        columns.check()?;
        if !tombstone_version.is_of_tombstones() {
            return Err("`tombstone-version` cannot be a part of the data: a tombstone has none".to_owned());
        }
        let text = |guard: &str| merge(table, &columns, guard);
        let (v, d) = (identifier(&columns.version), identifier(&columns.deleted));
        let newer = text(&format!(
            " where excluded.{v} > held.{v} or (excluded.{v} = held.{v} and excluded.{d} and held.{d} is not true)"
        ));
        let (over, anyway) = (text(&format!(" where held.{v}::text = $2")), text(""));
        let table = table.written.clone();
        Ok(Self { table, version, tombstone_version, newer, over, anyway, columns })
    }

    /// One row as a JSON object.
    pub(crate) fn row(&self, given: &Given<'_>) -> Result<String, Failure> {
        let mut row = String::from("{");
        let is_gone = given.document.is_none();
        for (column, source) in &self.columns.key {
            let value = source.json(given)?.ok_or_else(|| missing_key(column, source, is_gone))?;
            line::push(&mut row, column, &value);
        }
        for (column, source) in &self.columns.others {
            if let Some(value) = source.json(given)? {
                line::push(&mut row, column, &value);
            }
        }
        let version = if is_gone { &self.tombstone_version } else { &self.version };
        let value = version
            .json(given)?
            .ok_or_else(|| Failure::Event(format!("the event has no version: nothing is at `{version}`")))?;
        line::push(&mut row, &self.columns.version, &value);
        line::push(&mut row, &self.columns.deleted, if is_gone { "true" } else { "false" });
        row.push('}');
        Ok(row)
    }
}

fn missing_key(column: &str, source: &Source, is_gone: bool) -> Failure {
    let why = match is_gone && !source.is_of_tombstones() {
        true => "; a tombstone has no data: take the key from {key} or {subject}",
        false => "",
    };
    Failure::Event(format!("the event has no `{source}`, which the key column `{column}` needs{why}"))
}

impl Columns {
    fn check(&self) -> Result<(), String> {
        let own = [&self.version, &self.deleted];
        let mapped = self.key.iter().chain(&self.others).map(|(name, _)| name);
        let mut names: Vec<&String> = mapped.chain(own).collect();
        if names.iter().any(|name| name.is_empty() || name.contains('\0')) {
            return Err("a column without a name that PostgreSQL takes".to_owned());
        }
        names.sort();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(format!("the column `{}` is named twice", pair[0])),
            None => Ok(()),
        }
    }

    fn all(&self) -> impl Iterator<Item = &str> {
        let mapped = self.key.iter().chain(&self.others).map(|(name, _)| name.as_str());
        mapped.chain([self.version.as_str(), self.deleted.as_str()])
    }
}

/// Gives a row for each member that was not written: which one, and what the table holds instead.
fn merge(table: &TableName, columns: &Columns, guard: &str) -> String {
    let table = &table.quoted;
    let all = list(columns.all());
    let key = list(columns.key.iter().map(|(name, _)| name.as_str()));
    let first_key = columns.key.first().map(|(name, _)| identifier(name)).unwrap_or_default();
    let (v, d) = (identifier(&columns.version), identifier(&columns.deleted));
    // What is gone keeps what it was, but for its version.
    let kept = columns.others.iter().map(|(name, _)| identifier(name));
    let kept = kept.map(|c| format!("{c} = case when excluded.{d} then held.{c} else excluded.{c} end, "));
    let kept = kept.collect::<String>();
    format!(
        "with given as (select * from json_populate_recordset(null::{table}, $1::json) with ordinality), \
         written as (insert into {table} as held ({all}) \
         select distinct on ({key}) {all} from given order by {key}, {v} desc, {d} desc \
         on conflict ({key}) do update set {kept}{v} = excluded.{v}, {d} = excluded.{d}{guard} \
         returning {key}) \
         select given.ordinality - 1 as member, held.{v} = given.{v} as is_same, held.{v}::text as version, \
         to_jsonb(held) as held \
         from given left join written using ({key}) left join {table} as held using ({key}) \
         where written.{first_key} is null"
    )
}

impl History {
    pub(crate) fn new(table: &TableName) -> Self {
        let (name, all) = (&table.quoted, list(HISTORY));
        let insert = format!(
            "insert into {name} ({all}) select {all} from json_populate_recordset(null::{name}, $1::json) \
             on conflict (\"delivery\") do nothing"
        );
        Self { table: table.written.clone(), insert }
    }
}

fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(identifier).collect::<Vec<_>>().join(", ")
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl TryFrom<String> for TableName {
    type Error = String;

    fn try_from(written: String) -> Result<Self, String> {
        let parts: Vec<&str> = written.split('.').collect();
        let is_good = |part: &&str| !part.is_empty() && !part.contains(['\0', '"']);
        if parts.len() > 2 || !parts.iter().all(is_good) {
            return Err(format!("`{written}` is no table: write its name, or `schema.name`"));
        }
        let quoted = parts.into_iter().map(identifier).collect::<Vec<_>>().join(".");
        Ok(Self { written, quoted })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Part(pointer) => formatter.write_str(&pointer.text),
            Source::Attribute(name) => write!(formatter, "{{attributes.{name}}}"),
            Source::Data => formatter.write_str("{data}"),
            Source::Id => formatter.write_str("{id}"),
            Source::Uri => formatter.write_str("{source}"),
            Source::Type => formatter.write_str("{type}"),
            Source::Subject => formatter.write_str("{subject}"),
            Source::Time => formatter.write_str("{time}"),
            Source::Key => formatter.write_str("{key}"),
            Source::Topic => formatter.write_str("{topic}"),
            Source::Partition => formatter.write_str("{partition}"),
            Source::Offset => formatter.write_str("{offset}"),
        }
    }
}

/// A member of a JSON object that is being written.
pub(crate) fn member(name: &str) -> String {
    format!("{}:", quoted(name))
}
