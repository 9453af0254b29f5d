//! Rows of many events as one transaction, each column an array.

use liaison_sdk::joint::{Effect, Joint, Reply, SqlRequest, SqlResponse, SqlResult, SqlStatement, everyone};
use liaison_sdk::sql::SqlValue;
use liaison_sdk::text::is_same;

use crate::settings::Tables;
use crate::statement::Keys;
use crate::text;

/// What tells a transaction's memo from a file's, which is a number alone. After it comes for each row which member's it is:
/// 32 bits, the lowest first.
const ROWS: &[u8] = b"rows ";

/// What one delivery asks for.
type Asked = Vec<SqlStatement>;

/// One transaction of all that ask for what a delivery asks for at first. Its rows are in the order of their keys: two
/// transactions write what both have in one order.
pub(super) fn join(tables: &Tables, effects: Vec<Effect>) -> Option<Joint> {
    let own: Vec<(&str, usize)> = tables.statements().collect();
    let asked = (0..).zip(effects).filter_map(|(number, effect)| Some((number, statements(effect, &own)?)));
    let (members, asked): (Vec<u32>, Vec<Asked>) = asked.unzip();
    if members.len() < 2 {
        return None;
    }
    let (order, keys) = order(&asked, tables.merge.as_ref().map_or(0, |merge| merge.columns.key.len()));
    let rows = order.iter().flat_map(|member| u32::try_from(*member).unwrap_or(u32::MAX).to_le_bytes());
    let memo = ROWS.iter().copied().chain(rows).collect();
    let joint = tables.statements_of_many(keys).zip(lists(asked, &order, &own)?).map(|(sql, columns)| {
        let parameters = columns.into_iter().map(SqlValue::Texts).collect();
        SqlStatement { sql, parameters }
    });
    let effect = Effect::Sql(SqlRequest { statements: joint.collect(), timeout: None });
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

/// Of members by their keys, which are so many first parameters of the first statement; of one key the first is first.
/// Whether two have one key: where the database takes two texts for one, it refuses the transaction, and all of its rows go
/// in halves.
fn order(asked: &[Asked], columns: usize) -> (Vec<usize>, Keys) {
    let key = |member: usize| {
        let parameters = asked[member].first().map_or(&[][..], |merge| &merge.parameters);
        parameters.iter().take(columns).map(text::borrowed)
    };
    let mut order: Vec<usize> = (0..asked.len()).collect();
    if columns == 0 {
        return (order, Keys::Differ);
    }
    order.sort_by(|one, other| key(*one).cmp(key(*other)));
    let repeats = order.windows(2).any(|pair| key(pair[0]).eq(key(pair[1])));
    (order, if repeats { Keys::Repeat } else { Keys::Differ })
}

/// The parameters of each statement in the rows of many: a list a column.
fn lists(
    mut asked: Vec<Asked>,
    order: &[usize],
    own: &[(&str, usize)],
) -> Option<Vec<Vec<Vec<Option<String>>>>> {
    let list = |_| Vec::with_capacity(order.len());
    let mut lists: Vec<Vec<_>> = own.iter().map(|(_, columns)| (0..*columns).map(list).collect()).collect();
    for member in order {
        for (statement, columns) in std::mem::take(&mut asked[*member]).into_iter().zip(&mut lists) {
            for (parameter, column) in statement.parameters.into_iter().zip(columns) {
                column.push(text::text(parameter)?);
            }
        }
    }
    Some(lists)
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
