//! What several deliveries ask for as few transactions: each change stays a statement of its own, and the database is asked
//! to begin and to commit once for all of them.

use liaison_sdk::joint::{Effect, Joint, Reply, SqlRequest, SqlResponse, SqlStatement};

/// Statements of one transaction. A host sends this many at once and waits for the answers together.
const MAX_STATEMENTS: usize = 16;
/// Bytes of their texts: a host takes 64 KiB, unless it is told otherwise.
const MAX_TEXT: usize = 48 << 10;

pub(crate) fn join(effects: Vec<Effect>) -> Vec<Joint> {
    let mut changes: Vec<(u32, SqlStatement)> = Vec::with_capacity(effects.len());
    for (number, effect) in (0..).zip(effects) {
        changes.extend(change(effect).map(|statement| (number, statement)));
    }
    let mut joints = Vec::with_capacity(changes.len().div_ceil(MAX_STATEMENTS));
    let (mut members, mut statements, mut text) = (Vec::new(), Vec::new(), 0);
    for (number, statement) in changes {
        text += statement.sql.len();
        if members.len() == MAX_STATEMENTS || text > MAX_TEXT {
            text = statement.sql.len();
            joints.extend(joint(std::mem::take(&mut members), std::mem::take(&mut statements)));
        }
        members.push(number);
        statements.push(statement);
    }
    joints.extend(joint(members, statements));
    joints
}

fn joint(members: Vec<u32>, statements: Vec<SqlStatement>) -> Option<Joint> {
    let effect = Effect::Sql(SqlRequest { statements, timeout: None });
    (members.len() > 1).then_some(Joint { effect, members, memo: Vec::new() })
}

/// The statement, where the transaction is one change alone. Those of a header with its lines, and those that look at what
/// stood in the way, belong together and go by themselves.
fn change(effect: Effect) -> Option<SqlStatement> {
    let Effect::Sql(SqlRequest { mut statements, timeout: None }) = effect else { return None };
    let statement = statements.pop()?;
    (statements.is_empty() && !statement.sql.starts_with("select ")).then_some(statement)
}

/// Each member has the result of its own statement.
pub(crate) fn split(_memo: Vec<u8>, reply: Reply) -> Vec<Reply> {
    match reply {
        Reply::Sql(SqlResponse::Done(results)) => {
            results.into_iter().map(|result| Reply::Sql(SqlResponse::Done(vec![result]))).collect()
        }
        // A host splits nothing else, and takes this for what it is.
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use liaison_sdk::joint::SqlResult;

    use super::*;

    fn asks(texts: &[&str]) -> Effect {
        let statement =
            |text: &&str| SqlStatement { sql: (*text).to_owned(), parameters: vec![(*text).into()] };
        Effect::Sql(SqlRequest { statements: texts.iter().map(statement).collect(), timeout: None })
    }

    #[test]
    fn single_changes_are_statements_of_one_transaction() {
        let changes = ["insert 0", "delete 1"];
        let effects = vec![
            asks(&changes[..1]),
            asks(&["select 2"]),
            asks(&["delete 3", "delete 3"]),
            asks(&changes[1..]),
        ];
        let [joint] = &join(effects)[..] else { panic!("two of them are one") };
        assert_eq!((&joint.effect, &joint.members[..]), (&asks(&changes), &[0, 3][..]));
        let result = |affected| SqlResult { affected, columns: Vec::new(), rows: Vec::new() };
        let done = |results| Reply::Sql(SqlResponse::Done(results));
        let replies = split(Vec::new(), done(vec![result(0), result(7)]));
        assert_eq!(replies, [done(vec![result(0)]), done(vec![result(7)])]);
    }

    #[test]
    fn a_transaction_has_no_more_statements_than_go_at_once() {
        let joints = join(vec![asks(&["insert"]); MAX_STATEMENTS * 2 + 1]);
        let counts: Vec<usize> = joints.iter().map(|joint| joint.members.len()).collect();
        assert_eq!(counts, [MAX_STATEMENTS, MAX_STATEMENTS], "the last stands alone");
        assert_eq!(joints[1].members[0], 16);
        let wide = "insert ".repeat(3_000);
        let joints = join(vec![asks(&[&wide]); 5]);
        let counts: Vec<usize> = joints.iter().map(|joint| joint.members.len()).collect();
        assert_eq!(counts, [2, 2], "their texts are as large as a host takes");
        assert_eq!(join(Vec::new()), []);
    }
}
