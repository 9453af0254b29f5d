//! Statements of the rows of many events, each column an array. The types of the columns are the table's own: an array takes
//! that of the column that it is appended to.
//!
//! A row is given for each member that was not written, which says so and what is held instead. Rows are written in the
//! order in which they are bound, which is that of their keys: so two statements never wait for each other.

use liaison_sdk::sql::{Dialect, TableName};

use super::{Columns, identifier, list, of};

/// Which row of several it is, from 1: a name that no column of a table has.
const NUMBER: &str = "liaison_number";

/// Inserts rows of which no two have one key, and writes over what is held where that is older. Only where fewer are written
/// than were given does anything look for the others.
pub(super) fn merge(table: &TableName, columns: &Columns) -> String {
    let (all, key, rows) = (list(columns.names()), list(columns.key_names()), rows(table, columns.names()));
    let (set, is_newer) = (columns.set(of("excluded")), columns.is_newer());
    let v = identifier(&columns.version.name);
    let (given, held) = (content(columns, "given"), content(columns, "held"));
    let (table, is_unwritten) = (table.quoted(Dialect::Postgres), is_unwritten(columns));
    format!(
        "with given as (select * from {rows}), \
         written as (insert into {table} as held ({all}) select {all} from given \
         on conflict ({key}) do update set {set} where {is_newer} returning {key}) \
         select given.{NUMBER} - 1 as member, held.{v} = given.{v} as is_same, {given} = {held} as is_equal, \
         held.{v} as version, to_jsonb(held) as held \
         from given left join written using ({key}) left join {table} as held using ({key}) \
         where (select count(*) from written) < cardinality($1) and {is_unwritten}"
    )
}

/// The same of rows that may have one key. Of each the newest is chosen, of equal ones a tombstone, else the first. A row is
/// given for each member too that has the version of what was written and another content.
pub(super) fn merge_newest(table: &TableName, columns: &Columns) -> String {
    let (all, key, rows) = (list(columns.names()), list(columns.key_names()), rows(table, columns.names()));
    let (set, is_newer) = (columns.set(of("excluded")), columns.is_newer());
    let (v, d) = (identifier(&columns.version.name), identifier(&columns.deleted));
    let (given, held, chosen) =
        (content(columns, "given"), content(columns, "held"), content(columns, "chosen"));
    let (table, is_unwritten) = (table.quoted(Dialect::Postgres), is_unwritten(columns));
    format!(
        "with given as (select * from {rows}), \
         chosen as (select distinct on ({key}) * from given order by {key}, {v} desc, {d} desc, {NUMBER}), \
         written as (insert into {table} as held ({all}) select {all} from chosen order by {NUMBER} \
         on conflict ({key}) do update set {set} where {is_newer} returning {key}) \
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

/// Adds rows, unless their keys are there.
pub(super) fn insert(table: &TableName, names: &[&str]) -> String {
    let (all, key) = (list(names.iter().copied()), list(names.first().copied()));
    let rows = rows(table, names.iter().copied());
    let table = table.quoted(Dialect::Postgres);
    format!("insert into {table} ({all}) select {all} from {rows} on conflict ({key}) do nothing")
}

fn is_unwritten(columns: &Columns) -> String {
    columns.key_names().next().map(|name| format!("{} is null", of("written")(name))).unwrap_or_default()
}

fn content(columns: &Columns, alias: &str) -> String {
    columns.content(&of("given")(&columns.deleted), of(alias))
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
