//! What several ask together, and what each of them is answered.

use liaison_sdk::joint::{Body, Effect, Joint, Reply, SqlRequest, SqlResponse, SqlResult};
use liaison_sdk::raw::connector::exports::liaison::plugin::connector::Step;

use super::*;
use crate::joint::{join, split};

fn list<const ROWS: usize>(texts: [&str; ROWS]) -> SqlValue {
    texts.map(|text| Some(text.to_owned())).to_vec().into()
}

fn joint_rows(deliveries: Vec<EventBuilder>) -> (SqlRequest, Vec<u32>, Vec<u8>) {
    testing::settings(merging());
    let mut joints = join(deliveries.into_iter().map(Delivery::from).collect());
    assert_eq!(joints.len(), 1);
    let Joint { effect: Effect::Sql(request), members, memo } = joints.remove(0) else { panic!() };
    (request, members, memo)
}

#[test]
fn rows_are_joined_and_the_answer_is_split() {
    let wrong = testing::event("policy.updated").key("p-3").data(json!({ "title": "no version" }));
    let (request, members, memo) = joint_rows(vec![event("p-2", "b"), wrong, event("p-1", "a\"")]);
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

/// What is joined is delivered by that alone: it must bind what each would have bound.
#[test]
fn what_is_joined_is_what_each_would_ask_for() {
    let mut with_history = merging();
    with_history["history"] = json!("dw.history");
    let only_history = json!({ "history": "dw.history" });
    for settings in [merging(), with_history, only_history] {
        let mut gone = testing::event("policy.removed").key("p-0").tombstone();
        gone = gone.time_ms(1_700_000_000_123);
        let deliveries =
            || [event("p-2", "b\\\"\u{e9}"), gone.clone(), event("p-1", "a")].map(Delivery::from);
        let own = deliveries().map(|delivery| {
            testing::settings(settings.clone());
            let steps = liaison_sdk::raw::deliver(vec![delivery], deliver);
            let [Step::SettleBy(Effect::Sql(request))] = &steps[..] else { panic!("{steps:?}") };
            request.clone()
        });
        testing::settings(settings.clone());
        let joints = join(deliveries().to_vec());
        let [Joint { effect: Effect::Sql(together), members, memo }] = &joints[..] else {
            panic!("{joints:?}")
        };
        assert_eq!(members, &[0, 1, 2]);
        assert_eq!(together.statements.len(), own[0].statements.len());
        let rows: Vec<usize> = memo[b"rows ".len()..].chunks(4).map(|row| usize::from(row[0])).collect();
        for (number, statement) in together.statements.iter().enumerate() {
            for (column, list) in statement.parameters.iter().enumerate() {
                let SqlValue::Texts(texts) = list else { panic!("{list:?}") };
                let found: Vec<_> = texts.iter().map(Option::as_deref).collect();
                let each = |row: &usize| text::borrowed(&own[*row].statements[number].parameters[column]);
                let expected: Vec<_> = rows.iter().map(each).collect();
                assert_eq!(found, expected, "column {column} of statement {number}");
            }
            let columns = own[0].statements[number].parameters.len();
            assert_eq!(statement.parameters.len(), columns);
        }
    }
}

#[test]
fn of_rows_with_one_key_the_newest_is_chosen() {
    let keys = ["p-2", "p-1", "p-2"];
    let (request, members, _) = joint_rows(keys.map(|key| event(key, "a")).to_vec());
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

/// What is put into a file.
fn line(key: &str, offset: i64) -> Delivery {
    let mut delivery = Delivery::from(event(key, "a"));
    delivery.event.origin.offset = offset;
    delivery.event.origin.topic = "policy events".to_owned();
    delivery.idempotency_key = format!("key-{offset}");
    delivery
}

fn joint_lines(deliveries: Vec<Delivery>) -> Vec<Joint> {
    testing::settings(json!({ "files": "policies" }));
    join(deliveries)
}

#[test]
fn a_line_alone_is_a_file_by_itself() {
    testing::settings(json!({ "files": "policies" }));
    let delivery = line("a", 7);
    let content = {
        let document = Document::read(delivery.data().unwrap()).unwrap();
        crate::line::of(&delivery, Some(&document)).unwrap() + "\n"
    };
    let name = files::name(7, 7, content.as_bytes());
    let run = testing::endpoint()
        .expect(
            &format!("PUT /policies/policy%20events/0/{name}"),
            testing::reply(200).header("etag", "\"1\""),
        )
        .deliver(deliver, delivery);
    assert_eq!(run.outcome, Outcome::Delivered(Receipt { external_id: None, version: Some("\"1\"".into()) }));
}

#[test]
fn lines_of_one_folder_are_one_file_whose_name_says_what_is_in_it() {
    let mut joints = joint_lines(vec![line("b", 12), line("a", 7), line("a", 7)]);
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

    let again = joint_lines(vec![line("a", 7), line("b", 12)]).remove(0);
    let others = joint_lines(vec![line("a", 7), line("c", 12)]).remove(0);
    let url = |joint: Joint| match joint.effect {
        Effect::Http(request) => request.url,
        other => panic!("{other:?}"),
    };
    assert_eq!(url(again), request.url, "the same events, the same name");
    assert_ne!(url(others), request.url, "others never overwrite them");
}

#[test]
fn what_stands_alone_is_not_joined() {
    assert_eq!(joint_lines(vec![line("a", 1)]), []);
    let mut other = line("a", 2);
    other.event.origin.partition = 1;
    assert_eq!(joint_lines(vec![line("a", 1), other]), [], "of two folders");
    testing::settings(merging());
    assert_eq!(join(vec![event("p-1", "a").into()]), []);
    assert_eq!(join(Vec::new()), []);
}
