//! Rows of many events as one transaction, each column an array.

use liaison_sdk::joint::{Effect, Joint, Reply, SqlRequest, SqlResponse, SqlResult, SqlStatement, everyone};
use liaison_sdk::prelude::*;
use liaison_sdk::sql::SqlValue;

use crate::settings::{Statement, Tables};
use crate::statement::Keys;
use crate::table::{self, Rows};
use crate::text;

/// What tells a transaction's memo from a file's, which is a number alone. After it comes for each row which member's it is:
/// 32 bits, the lowest first.
const ROWS: &[u8] = b"rows ";

/// One transaction of all that have rows to bind; what is wrong with the others they say by themselves. Its rows are in the
/// order of their keys: two transactions write what both have in one order. Each delivery is let go of once its rows are made:
/// they take its place in memory.
pub(super) fn join(tables: &Tables, deliveries: Vec<Delivery>) -> Option<Joint> {
    let (mut members, mut bound) = (Vec::new(), Vec::with_capacity(deliveries.len()));
    for (number, delivery) in (0..).zip(deliveries) {
        if let Ok(rows) = table::rows(tables, &delivery) {
            members.push(number);
            bound.push(rows);
        }
    }
    if members.len() < 2 {
        return None;
    }
    let (order, keys) = order(&bound, tables.merge.as_ref().map_or(0, |merge| merge.columns.key.len()));
    let rows = order.iter().flat_map(|member| u32::try_from(*member).unwrap_or(u32::MAX).to_le_bytes());
    let memo = ROWS.iter().copied().chain(rows).collect();
    let mut statements = Vec::with_capacity(2);
    for Statement { sql, row, columns } in tables.statements_of_many(keys) {
        let mut lists: Vec<Vec<_>> = (0..columns).map(|_| Vec::with_capacity(order.len())).collect();
        for row in order.iter().filter_map(|member| bound[*member][row].take()) {
            for (value, list) in row.into_iter().zip(&mut lists) {
                list.push(text::text(value)?);
            }
        }
        statements.push(SqlStatement { sql, parameters: lists.into_iter().map(SqlValue::Texts).collect() });
    }
    Some(Joint { effect: Effect::Sql(SqlRequest { statements, timeout: None }), members, memo })
}

/// Of members by their keys, which are so many first columns of the first row; of one key the first is first. Whether two have
/// one key: where the database takes two texts for one, it refuses the transaction, and all of its rows go in halves.
fn order(bound: &[Rows], columns: usize) -> (Vec<usize>, Keys) {
    let key = |member: usize| {
        let row = bound[member][0].as_deref().unwrap_or_default();
        row.iter().take(columns).map(text::borrowed)
    };
    let mut order: Vec<usize> = (0..bound.len()).collect();
    if columns == 0 {
        return (order, Keys::Differ);
    }
    order.sort_by(|one, other| key(*one).cmp(key(*other)));
    let repeats = order.windows(2).any(|pair| key(pair[0]).eq(key(pair[1])));
    (order, if repeats { Keys::Repeat } else { Keys::Differ })
}

/// A merge says in a row of its answer which of the rows that it was given was not written; all else is the same for everyone.
pub(super) fn split(memo: Vec<u8>, reply: Reply) -> Vec<Reply> {
    match (memo.strip_prefix(ROWS), reply) {
        (Some(rows), Reply::Sql(SqlResponse::Done(results))) => split_rows(rows.as_chunks().0, results),
        (Some(rows), reply) => vec![reply; rows.as_chunks::<4>().0.len()],
        (None, reply) => everyone(memo, reply),
    }
}

fn split_rows(members: &[[u8; 4]], results: Vec<SqlResult>) -> Vec<Reply> {
    // Whoever has no row was written: one row of its own.
    let written = |_: &SqlResult| SqlResult { affected: 1, columns: Vec::new(), rows: Vec::new() };
    let written: Vec<SqlResult> = results.iter().map(written).collect();
    let mut replies = vec![written; members.len()];
    for (number, result) in results.into_iter().enumerate() {
        if result.columns.first().is_none_or(|column| column != "member") {
            continue;
        }
        for mut row in result.rows {
            // The place of the row as it was given becomes 0, as if it had been alone.
            let given = match row.first_mut() {
                Some(SqlValue::Integer(given)) => std::mem::take(given),
                _ => continue,
            };
            let member = usize::try_from(given).ok().and_then(|given| members.get(given));
            let reply = member.and_then(|member| replies.get_mut(u32::from_le_bytes(*member) as usize));
            if let Some(own) = reply.and_then(|reply| reply.get_mut(number)) {
                let (columns, rows) = (result.columns.clone(), vec![row]);
                *own = SqlResult { affected: 0, columns, rows };
            }
        }
    }
    replies.into_iter().map(|results| Reply::Sql(SqlResponse::Done(results))).collect()
}
