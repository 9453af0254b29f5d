//! The SQL of PostgreSQL, written once from the settings: one text for one row and for many, whose values are bound as one
//! array a column. The types of the columns are the table's own: an array takes that of the column that it is appended to.

use liaison_sdk::column::{Column, Given, Record, Type};
use liaison_sdk::failure::Failure;
use liaison_sdk::sql::{Dialect, SqlValue, TableName, is_name};
use liaison_sdk::version::LateTombstone;

use crate::array;
use crate::line;

/// Which row of several it is, from 1: a name that no column of a table has.
const NUMBER: &str = "liaison_number";

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
    /// Where the event is newer.
    pub(crate) newer: String,
}

/// Adds each event once.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) table: TableName,
    pub(crate) insert: String,
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
        let (v, d) = (identifier(&columns.version.name), identifier(&columns.deleted));
        let guard = format!(
            " where excluded.{v} > held.{v} or held.{v} is null \
             or (excluded.{v} = held.{v} and excluded.{d} and held.{d} is not true)"
        );
        let newer = merge(&table, &columns, &guard);
        Ok(Self { table, tombstone_version, late_tombstone, newer, columns })
    }

    /// Where the table holds this version, which is the last parameter, and nowhere else: a row that is gone is not made
    /// anew.
    pub(crate) fn over(&self) -> String {
        let last = self.columns.names().count() + 1;
        over(&self.table, &self.columns, &format!("${last}"))
    }

    /// The same of a tombstone, which leaves its mark where nothing is, too.
    pub(crate) fn mark_over(&self) -> String {
        let (v, last) = (identifier(&self.columns.version.name), self.columns.names().count() + 1);
        merge(&self.table, &self.columns, &format!(" where held.{v} = ${last}"))
    }

    /// Where the table holds nothing, or a row without a version.
    pub(crate) fn over_nothing(&self) -> String {
        let v = identifier(&self.columns.version.name);
        merge(&self.table, &self.columns, &format!(" where held.{v} is null"))
    }

    /// One row: an array with one element for each of the columns, in their order.
    pub(crate) fn row(&self, record: &Record<'_>) -> Result<Vec<SqlValue>, Failure> {
        let Columns { key, others, version, .. } = &self.columns;
        let is_gone = record.is_tombstone();
        let mut row = Vec::with_capacity(key.len() + others.len() + 2);
        for column in key {
            row.push(array::one(&readable(column, column.present(record, "key")?)?));
        }
        for column in others {
            row.push(element(column, record)?);
        }
        let version = if is_gone { &self.tombstone_version } else { version };
        row.push(array::one(&version.present(record, "version")?));
        row.push(array::one(&is_gone.into()));
        Ok(row)
    }
}

/// A text is copied once where it can stand as it is written.
fn element(column: &Column, record: &Record<'_>) -> Result<SqlValue, Failure> {
    if let (None | Some(Type::Text), Given::Json(json)) = (column.of, column.source.give(record)?)
        && let Some(array) = array::of_plain_text(json)
    {
        return Ok(array);
    }
    Ok(array::one(&readable(column, column.value(record)?)?))
}

/// Bytes are for columns that the settings say are of bytes; in any other they would be kept as digits.
fn readable(column: &Column, value: SqlValue) -> Result<SqlValue, Failure> {
    match (&value, column.of) {
        (SqlValue::Bytes(_), None) => Err(Failure::Event(format!(
            "the column `{}` is to hold a text, and the event has bytes at `{}`, which are not UTF-8",
            column.name, column.source
        ))),
        _ => Ok(value),
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
}

/// Inserts rows, and writes over what is held where the guard says so.
fn merge(table: &TableName, columns: &Columns, guard: &str) -> String {
    let (all, key) = (list(columns.names()), key(columns));
    let set = set(columns, "excluded");
    let quoted = table.quoted(Dialect::Postgres);
    let written = format!(
        "insert into {quoted} as held ({all}) \
         select {all} from chosen \
         on conflict ({key}) do update set {set}{guard} returning {key}"
    );
    told(table, columns, &written)
}

/// Writes over what is held in this version.
fn over(table: &TableName, columns: &Columns, version: &str) -> String {
    let (v, set) = (identifier(&columns.version.name), set(columns, "chosen"));
    let keys = || columns.key.iter().map(|column| identifier(&column.name));
    let is_key = keys().map(|k| format!("held.{k} = chosen.{k} and ")).collect::<String>();
    let key = keys().map(|k| format!("held.{k}")).collect::<Vec<_>>().join(", ");
    let quoted = table.quoted(Dialect::Postgres);
    let written = format!(
        "update {quoted} as held set {set} from chosen where {is_key}held.{v} = {version} returning {key}"
    );
    told(table, columns, &written)
}

/// What a row is set to. What is gone keeps what it was, but for its version.
fn set(columns: &Columns, of: &str) -> String {
    let (v, d) = (identifier(&columns.version.name), identifier(&columns.deleted));
    let others = columns.others.iter().map(|column| identifier(&column.name));
    let kept = others.map(|c| format!("{c} = case when {of}.{d} then held.{c} else {of}.{c} end, "));
    format!("{}{v} = {of}.{v}, {d} = {of}.{d}", kept.collect::<String>())
}

fn key(columns: &Columns) -> String {
    list(columns.key.iter().map(|column| column.name.as_str()))
}

/// Of each key the newest is chosen, of equal ones a tombstone, else the first. A row is given for each member that was not
/// written, and for each that has the version of what was and another content: which one, and what is held instead.
fn told(table: &TableName, columns: &Columns, written: &str) -> String {
    let key = key(columns);
    let first_key = columns.key.first().map(|column| identifier(&column.name)).unwrap_or_default();
    let (v, d) = (identifier(&columns.version.name), identifier(&columns.deleted));
    let others: Vec<String> = columns.others.iter().map(|column| identifier(&column.name)).collect();
    let content = |of: &str| {
        let values = others.iter().map(|c| format!("case when given.{d} then null else {of}.{c} end, "));
        format!("row({}{of}.{d})::text", values.collect::<String>())
    };
    let (given, held, chosen) = (content("given"), content("held"), content("chosen"));
    let rows = rows(table, columns.names());
    let table = table.quoted(Dialect::Postgres);
    let is_unwritten = format!("written.{first_key} is null");
    format!(
        "with given as (select * from {rows}), \
         chosen as (select distinct on ({key}) * from given order by {key}, {v} desc, {d} desc, {NUMBER}), \
         written as ({written}) \
         select given.{NUMBER} - 1 as member, not {is_unwritten} or held.{v} = given.{v} as is_same, \
         {is_unwritten} and {given} = {held} as is_equal, \
         case when {is_unwritten} then held.{v} else chosen.{v} end as version, \
         case when {is_unwritten} then to_jsonb(held) else to_jsonb(chosen) end as held \
         from given join chosen using ({key}) left join written using ({key}) \
         left join {table} as held using ({key}) \
         where {is_unwritten} or (given.{NUMBER} <> chosen.{NUMBER} and given.{v} = chosen.{v} and not chosen.{d} \
         and {given} <> {chosen})"
    )
}

/// One array a column, as the rows `given`.
fn rows<'a>(table: &TableName, names: impl Iterator<Item = &'a str> + Clone) -> String {
    let table = table.quoted(Dialect::Postgres);
    let arrays = (1..).zip(names.clone()).map(|(number, name)| {
        format!("array(select {} from {table} limit 0) || ${number}", identifier(name))
    });
    let arrays = arrays.collect::<Vec<_>>().join(", ");
    format!("unnest({arrays}) with ordinality as given({}, {NUMBER})", list(names))
}

impl History {
    pub(crate) fn new(table: TableName) -> Self {
        let (name, all) = (table.quoted(Dialect::Postgres), list(line::NAMES));
        let rows = rows(&table, line::NAMES.into_iter());
        let insert = format!(
            "insert into {name} ({all}) select {all} from {rows} on conflict (\"delivery\") do nothing"
        );
        Self { table, insert }
    }
}

/// What binds no row at all.
pub(crate) fn nothing(columns: usize) -> Vec<SqlValue> {
    vec![array::none(); columns]
}

fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(identifier).collect::<Vec<_>>().join(", ")
}

fn identifier(name: &str) -> String {
    Dialect::Postgres.quoted(name)
}
