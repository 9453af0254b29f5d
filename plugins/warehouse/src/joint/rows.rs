//! Rows of many events as one transaction, each column an array.

use std::collections::BTreeSet;

use liaison_sdk::joint::{Effect, Joint, Reply, SqlRequest, SqlResponse, SqlResult, SqlStatement, everyone};
use liaison_sdk::sql::SqlValue;
use liaison_sdk::text::is_same;

use crate::settings::Tables;
use crate::statement::Keys;
use crate::text;

/// What tells a transaction's memo from a file's, which is a number alone.
const ROWS: &str = "rows ";

/// The parameters of one statement in the rows of many: a list a column.
type Columns = Vec<Vec<Option<String>>>;

/// One transaction of all that ask for what a delivery asks for at first.
pub(super) fn join(tables: &Tables, effects: Vec<Effect>) -> Option<Joint> {
    let own: Vec<(&str, usize)> = tables.statements().collect();
    let mut members = Vec::with_capacity(effects.len());
    let mut lists: Vec<Columns> = own.iter().map(|(_, columns)| vec![Vec::new(); *columns]).collect();
    for (member, effect) in (0..).zip(effects) {
        let Some(statements) = statements(effect, &own) else { continue };
        members.push(member);
        for (statement, columns) in statements.into_iter().zip(&mut lists) {
            for (parameter, column) in statement.parameters.into_iter().zip(columns) {
                column.push(text::text(parameter)?);
            }
        }
    }
    if members.len() < 2 {
        return None;
    }
    let joint = tables.statements_of_many(keys(tables, &lists)).zip(lists).map(|(sql, columns)| {
        let parameters = columns.into_iter().map(SqlValue::from).collect();
        SqlStatement { sql, parameters }
    });
    let effect = Effect::Sql(SqlRequest { statements: joint.collect(), timeout: None });
    let memo = format!("{ROWS}{}", members.len()).into_bytes();
    Some(Joint { effect, members, memo })
}

/// Its statements, where they have these texts and so many parameters.
fn statements(effect: Effect, own: &[(&str, usize)]) -> Option<Vec<SqlStatement>> {
    let Effect::Sql(SqlRequest { statements, timeout: None }) = effect else { return None };
    let is_own = |(statement, (text, columns)): (&SqlStatement, &(&str, usize))| {
        statement.parameters.len() == *columns && is_same(&statement.sql, text)
    };
    (statements.len() == own.len() && statements.iter().zip(own).all(is_own)).then_some(statements)
}

/// Do two rows have one key? Where the database takes two texts for one key, it refuses the transaction, and all of its
/// rows go in halves.
fn keys(tables: &Tables, lists: &[Columns]) -> Keys {
    let (Some(merge), Some(columns)) = (&tables.merge, lists.first()) else { return Keys::Differ };
    let of_key = columns.iter().take(merge.columns.key.len());
    let rows = 0..columns.first().map_or(0, Vec::len);
    let mut known = BTreeSet::new();
    let mut is_new = |row| known.insert(of_key.clone().map(|column| &column[row]).collect::<Vec<_>>());
    if rows.into_iter().all(&mut is_new) { Keys::Differ } else { Keys::Repeat }
}

/// A merge says in a row of its answer which member was not written; all else is the same for everyone.
pub(super) fn split(memo: Vec<u8>, reply: Reply) -> Vec<Reply> {
    let count = std::str::from_utf8(&memo).ok().and_then(|memo| memo.strip_prefix(ROWS)?.parse().ok());
    match (count, reply) {
        (Some(count), Reply::Sql(SqlResponse::Done(results))) => split_rows(count, results),
        (_, reply) => everyone(memo, reply),
    }
}

fn split_rows(count: usize, results: Vec<SqlResult>) -> Vec<Reply> {
    // Whoever has no row was written: one row of its own.
    let written = |_: &SqlResult| SqlResult { affected: 1, columns: Vec::new(), rows: Vec::new() };
    let written: Vec<SqlResult> = results.iter().map(written).collect();
    let mut replies = vec![written; count];
    for (number, result) in results.into_iter().enumerate() {
        if result.columns.first().is_none_or(|column| column != "member") {
            continue;
        }
        for mut row in result.rows {
            let member = match row.first_mut() {
                Some(SqlValue::Integer(member)) => std::mem::take(member),
                _ => continue,
            };
            let reply = usize::try_from(member).ok().and_then(|member| replies.get_mut(member));
            if let Some(own) = reply.and_then(|reply| reply.get_mut(number)) {
                let (columns, rows) = (result.columns.clone(), vec![row]);
                *own = SqlResult { affected: 0, columns, rows };
            }
        }
    }
    replies.into_iter().map(|results| Reply::Sql(SqlResponse::Done(results))).collect()
}
