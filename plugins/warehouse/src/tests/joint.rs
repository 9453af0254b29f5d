//! What several ask together, and what each of them is answered.

use liaison_sdk::joint::{Body, Effect, Joint, Reply, SqlRequest, SqlResponse, SqlResult};

use super::*;
use crate::joint::{join, split};

fn transaction(delivery: EventBuilder) -> Effect {
    testing::settings(merging());
    let run = testing::endpoint().expect(&statement(merging()), rows(COLUMNS)).deliver(deliver, delivery);
    Effect::Sql(run.transactions.into_iter().next().unwrap())
}

fn list<const ROWS: usize>(texts: [&str; ROWS]) -> SqlValue {
    texts.map(|text| Some(text.to_owned())).to_vec().into()
}

fn joint_rows(effects: Vec<Effect>) -> (SqlRequest, Vec<u32>, Vec<u8>) {
    testing::settings(merging());
    let mut joints = join(effects);
    assert_eq!(joints.len(), 1);
    let Joint { effect: Effect::Sql(request), members, memo } = joints.remove(0) else { panic!() };
    (request, members, memo)
}

#[test]
fn rows_of_the_same_statement_are_joined_and_the_answer_is_split() {
    let mut over = transaction(event("p-3", "c"));
    if let Effect::Sql(SqlRequest { statements, .. }) = &mut over {
        statements[0].sql.push_str(" and held.\"updated_at\" = $7");
    }
    let effects = vec![transaction(event("p-2", "b")), over, transaction(event("p-1", "a\""))];
    let (request, members, memo) = joint_rows(effects);
    assert_eq!(members, [0, 2]);
    let [merge] = &request.statements[..] else { panic!("{request:?}") };
    for part in [
        "unnest(array(select \"id\" from \"dw\".\"policies\" limit 0) || $1, ",
        "|| $6) with ordinality as given(\"id\", \"rest\", \"room\", \"title\", \"updated_at\", \"deleted\", liaison_number)",
        "from given on conflict",
        "where (select count(*) from written) < cardinality($1) and written.\"id\" is null",
    ] {
        assert!(merge.sql.contains(part), "{part}: {}", merge.sql);
    }
    let bound = |column: usize| merge.parameters[column].clone();
    // In the order of their keys.
    for (column, texts) in [(0, ["p-1", "p-2"]), (3, ["a\"", "b"]), (5, ["false", "false"])] {
        assert_eq!(bound(column), list(texts));
    }

    let columns = vec!["member".to_owned(), "is_same".to_owned()];
    let rows = vec![vec![1.into(), true.into()], vec![9.into(), true.into()]];
    let merged = SqlResult { affected: 0, columns, rows };
    let history = SqlResult { affected: 2, columns: Vec::new(), rows: Vec::new() };
    let replies = split(memo, Reply::Sql(SqlResponse::Done(vec![merged, history])));
    // The first has its row, which was the second; the other was written, and is told so.
    let found: Vec<_> = replies.iter().map(changes_and_rows).collect();
    let row = vec![SqlValue::Integer(0), SqlValue::Boolean(true)];
    assert_eq!(found, [([0, 1], vec![row]), ([1, 1], vec![])]);
}

#[test]
fn of_rows_with_one_key_the_newest_is_chosen() {
    let keys = ["p-2", "p-1", "p-2"];
    let (request, members, _) = joint_rows(keys.map(|key| transaction(event(key, "a"))).to_vec());
    let bound = &request.statements[0].parameters[0];
    assert_eq!((members, bound), (vec![0, 1, 2], &list(["p-1", "p-2", "p-2"])));
    let text = &request.statements[0].sql;
    let chosen = "distinct on (\"id\") * from given order by \"id\", \"updated_at\" desc, \"deleted\" desc, liaison_number)";
    assert!(text.contains(chosen), "{text}");
}

/// Rows that each of two statements changed, and those that the first gave.
fn changes_and_rows(reply: &Reply) -> ([u64; 2], Vec<Vec<SqlValue>>) {
    let Reply::Sql(SqlResponse::Done(results)) = reply else { panic!("{reply:?}") };
    let [merged, history] = &results[..] else { panic!("{results:?}") };
    ([merged.affected, history.affected], merged.rows.clone())
}

/// The file that an event alone is put to.
fn file(key: &str, offset: i64) -> Effect {
    testing::settings(json!({ "files": "policies" }));
    let mut delivery = Delivery::from(event(key, "a"));
    delivery.event.origin.offset = offset;
    delivery.event.origin.topic = "policy events".to_owned();
    delivery.idempotency_key = format!("key-{offset}");
    let content = {
        let document = Document::read(delivery.data().unwrap()).unwrap();
        line::of(&delivery, Some(&document)).unwrap() + "\n"
    };
    let name = files::name(offset, offset, content.as_bytes());
    let run = testing::endpoint()
        .expect(
            &format!("PUT /policies/policy%20events/0/{name}"),
            testing::reply(200).header("etag", "\"1\""),
        )
        .deliver(deliver, delivery);
    assert_eq!(run.outcome, Outcome::Delivered(Receipt { external_id: None, version: Some("\"1\"".into()) }));
    Effect::Http(run.requests.into_iter().next().unwrap())
}

#[test]
fn lines_of_one_folder_are_one_file_whose_name_says_what_is_in_it() {
    let mut joints = join(vec![file("b", 12), file("a", 7), file("a", 7)]);
    assert_eq!(joints.len(), 1);
    let Joint { effect: Effect::Http(request), members, memo } = joints.remove(0) else { panic!() };
    assert_eq!((&members[..], &memo[..]), (&[0, 1, 2][..], &b"3"[..]));
    let folder = "/policies/policy%20events/0/0000000000000000007-0000000000000000012-";
    assert!(request.url.starts_with(folder) && request.url.ends_with(".ndjson"), "{}", request.url);
    let Body::Bytes(content) = &request.body else { panic!() };
    let lines: Vec<Value> = content
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(lines.iter().map(|line| &line["offset"]).collect::<Vec<_>>(), [&json!(7), &json!(12)]);

    let again = join(vec![file("a", 7), file("b", 12)]).remove(0);
    let others = join(vec![file("a", 7), file("c", 12)]).remove(0);
    let url = |joint: Joint| match joint.effect {
        Effect::Http(request) => request.url,
        other => panic!("{other:?}"),
    };
    assert_eq!(url(again), request.url, "the same events, the same name");
    assert_ne!(url(others), request.url, "others never overwrite them");
}

#[test]
fn what_stands_alone_is_not_joined() {
    assert_eq!(join(vec![file("a", 1), transaction(event("p-1", "a"))]), []);
    assert_eq!(join(Vec::new()), []);
}
