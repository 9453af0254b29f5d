//! Statements of one row, each column a parameter.
//!
//! Where the row was not written they give a row that says what is held instead: its version, whether that is the event's
//! own, and whether the content is, too.

use liaison_sdk::sql::{Dialect, TableName};

use super::{Columns, identifier, list, of};

/// Inserts it, and writes over what is held where that is so.
pub(super) fn merge(table: &TableName, columns: &Columns, is_written: &str) -> String {
    let (all, key) = (list(columns.names()), list(columns.key_names()));
    let (values, set) = (parameters(columns.names().count()), columns.set(of("excluded")));
    let quoted = table.quoted(Dialect::Postgres);
    let written = format!(
        "insert into {quoted} as held ({all}) values ({values}) \
         on conflict ({key}) do update set {set} where {is_written} returning 1"
    );
    told(table, columns, &written)
}

/// Writes it over what is held in the version that is the last parameter.
pub(super) fn over(table: &TableName, columns: &Columns) -> String {
    let (v, set) = (identifier(&columns.version.name), columns.set(|name| parameter(columns, name)));
    let (is_key, last) = (is_key(columns), columns.names().count() + 1);
    let quoted = table.quoted(Dialect::Postgres);
    let written =
        format!("update {quoted} as held set {set} where {is_key} and held.{v} = ${last} returning 1");
    told(table, columns, &written)
}

/// Adds it, unless its key is there.
pub(super) fn insert(table: &TableName, names: &[&str]) -> String {
    let (all, values) = (list(names.iter().copied()), parameters(names.len()));
    let key = list(names.first().copied());
    let table = table.quoted(Dialect::Postgres);
    format!("insert into {table} ({all}) values ({values}) on conflict ({key}) do nothing")
}

fn told(table: &TableName, columns: &Columns, written: &str) -> String {
    let new = |name: &str| parameter(columns, name);
    let (v, is_gone) = (identifier(&columns.version.name), new(&columns.deleted));
    let (given, held) = (columns.content(&is_gone, new), columns.content(&is_gone, of("held")));
    let (version, is_key) = (new(&columns.version.name), is_key(columns));
    let table = table.quoted(Dialect::Postgres);
    format!(
        "with written as ({written}) \
         select held.{v} = {version} as is_same, {given} = {held} as is_equal, held.{v} as version, \
         to_jsonb(held) as held from (select 1) as given left join {table} as held on {is_key} \
         where not exists (select 1 from written)"
    )
}

fn is_key(columns: &Columns) -> String {
    let is_same = |name| format!("held.{} = {}", identifier(name), parameter(columns, name));
    columns.key_names().map(is_same).collect::<Vec<_>>().join(" and ")
}

/// The parameter of a column.
fn parameter(columns: &Columns, name: &str) -> String {
    let place = columns.names().position(|column| column == name).unwrap_or_default();
    format!("${}", place + 1)
}

/// `$1, $2`
fn parameters(count: usize) -> String {
    (1..=count).map(|number| format!("${number}")).collect::<Vec<_>>().join(", ")
}
