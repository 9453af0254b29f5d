//! What each event asks for, what the answers mean, and that several asked together come to the same.

use liaison_sdk::joint::{Body, Effect, Joint, Reply, SqlRequest, SqlResponse, SqlResult};
use liaison_sdk::testing::{self, EventBuilder, Run, affected, rows, sql_error};
use serde_json::{Value, json};

use super::*;
use crate::joint::{join, split};

fn merging() -> Value {
    json!({
        "table": "dw.policies",
        "key": { "id": "{key}" },
        "columns": { "title": "/title", "room": "/place/room", "rest": "{data}" },
        "tombstone-version": "{time}",
    })
}

fn event(key: &str, title: &str) -> EventBuilder {
    let data = json!({ "title": title, "place": { "room": 7 }, "updatedAt": "2026-01-02T00:00:00Z" });
    testing::event("policy.updated").key(key).data(data)
}

/// The first statement of these settings, as the endpoint is asked.
fn statement(settings: Value) -> String {
    let Ok(Settings { into: Into::Tables(tables) }) = serde_json::from_value(settings) else { panic!() };
    let merge = tables.merge.map(|merge| merge.newer);
    let texts = merge.into_iter().chain(tables.history.map(|history| history.insert));
    format!("SQL {}", texts.collect::<Vec<_>>().join("; "))
}

fn run(settings: Value, delivery: EventBuilder, reply: impl std::convert::Into<testing::Reply>) -> Run {
    testing::settings(settings.clone());
    testing::endpoint().expect(&statement(settings), reply).deliver(deliver, delivery)
}

/// The rows that a transaction binds, as JSON.
fn bound(run: &Run, number: usize) -> Value {
    let SqlValue::Json(list) = &run.transactions[0].statements[number].parameters[0] else { panic!() };
    serde_json::from_str(list).unwrap()
}

#[test]
fn an_event_is_one_row_of_one_statement() {
    let run = run(merging(), event("p-1", "Leave"), rows(["member", "is_same", "version", "held"]));
    assert_eq!(run.outcome, Outcome::delivered());
    let whole = json!({ "title": "Leave", "place": { "room": 7 }, "updatedAt": "2026-01-02T00:00:00Z" });
    let row = json!({ "id": "p-1", "title": "Leave", "room": 7, "rest": whole,
        "updated_at": "2026-01-02T00:00:00Z", "deleted": false });
    assert_eq!(bound(&run, 0), json!([row]));
    let text = &run.transactions[0].statements[0].sql;
    for part in [
        "json_populate_recordset(null::\"dw\".\"policies\", $1::json)",
        "distinct on (\"id\") \"id\", \"rest\", \"room\", \"title\", \"updated_at\", \"deleted\"",
        "on conflict (\"id\") do update set \"rest\" = case when excluded.\"deleted\" then held.\"rest\"",
        "where excluded.\"updated_at\" > held.\"updated_at\"",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_tombstone_marks_its_row_by_the_time_of_the_event() {
    let gone = testing::event("policy.removed").key("p-1").time_ms(1_000).tombstone();
    let run = run(merging(), gone, rows(["member"]));
    assert_eq!(run.outcome, Outcome::delivered());
    let row = json!({ "id": "p-1", "updated_at": "1970-01-01T00:00:01.000Z", "deleted": true });
    assert_eq!(bound(&run, 0), json!([row]));
}

#[test]
fn a_row_of_the_answer_says_what_is_held_instead() {
    let columns = ["member", "is_same", "version", "held"];
    let held = json!({ "id": "p-1", "title": "Theirs", "room": 9, "rest": { "more": true },
        "updated_at": "2026-05-05T00:00:00+00:00", "deleted": false });
    let row = |is_same: bool| {
        let version = "2026-05-05 00:00:00+00".to_owned();
        rows(columns).row([0.into(), is_same.into(), version.into(), held.clone().into()])
    };
    let same = run(merging(), event("p-1", "a"), row(true)).outcome;
    assert_eq!(same, Outcome::skipped("dw.policies holds this version already"));
    let Outcome::Conflict(conflict) = run(merging(), event("p-1", "a"), row(false)).outcome else { panic!() };
    assert_eq!(conflict.version.as_deref(), Some("2026-05-05 00:00:00+00"));
    let current: Value = serde_json::from_slice(&conflict.current.unwrap()).unwrap();
    let expected = json!({ "more": true, "title": "Theirs", "place": { "room": 9 },
        "updatedAt": "2026-05-05T00:00:00+00:00" });
    assert_eq!(current, expected);
    let nobody = rows(columns).row([0.into(), SqlValue::Null, SqlValue::Null, SqlValue::Null]);
    assert_eq!(run(merging(), event("p-1", "a"), nobody).outcome.kind(), OutcomeKind::Retry);
}

#[test]
fn what_the_host_decided_is_written_over_the_version_that_it_saw() {
    let attempt = |resolution| {
        testing::settings(merging());
        let Ok(Settings { into: Into::Tables(tables) }) = serde_json::from_value(merging()) else { panic!() };
        let merge = tables.merge.unwrap();
        let text = if resolution == Resolution::Overwrite(None) { merge.anyway } else { merge.over };
        testing::endpoint()
            .expect(&format!("SQL {text}"), rows(["member"]))
            .deliver(deliver, event("p-1", "a").resolution(resolution))
    };
    let over = attempt(Resolution::Overwrite(Some("v7".into())));
    assert_eq!(over.outcome, Outcome::delivered());
    assert_eq!(over.transactions[0].statements[0].parameters[1], "v7".into());
    assert!(over.transactions[0].statements[0].sql.contains("where held.\"updated_at\"::text = $2"));
    assert_eq!(attempt(Resolution::Overwrite(None)).outcome, Outcome::delivered());
    let data = br#"{"title": "both", "updatedAt": "2026-06-06T00:00:00Z"}"#.to_vec();
    let merged = attempt(Resolution::Merged(Merged { data, version: Some("v7".into()) }));
    let bound = bound(&merged, 0);
    assert_eq!(
        (&bound[0]["title"], &bound[0]["updated_at"]),
        (&json!("both"), &json!("2026-06-06T00:00:00Z"))
    );
}

#[test]
fn what_cannot_be_a_row_is_rejected_with_the_reason() {
    testing::settings(merging());
    let reason = |delivery: EventBuilder| match testing::endpoint().deliver(deliver, delivery).outcome {
        Outcome::Rejected(reason) => reason,
        other => panic!("{other:?}"),
    };
    let no_key = testing::event("t").data(json!({ "updatedAt": 1 }));
    assert_eq!(reason(no_key), "the event has no `{key}`, which the key column `id` needs");
    let no_version = testing::event("t").key("k").data(json!({ "title": "a" }));
    assert_eq!(reason(no_version), "the event has no version: nothing is at `/updatedAt`");
    let no_json = testing::event("t").key("k").bytes("{", None);
    assert!(reason(no_json).starts_with("the event's data is not JSON: "));

    testing::settings(json!({ "table": "t", "key": { "id": "/id" } }));
    let gone = testing::event("t").time_ms(1).tombstone();
    let expected = "the event has no `/id`, which the key column `id` needs; a tombstone has no data: take the key from \
                    {key} or {subject}";
    assert_eq!(reason(gone), expected);
}

#[test]
fn a_refusal_names_the_table_and_not_the_statement() {
    let refused = sql_error(SqlErrorKind::Data, "22P02", "invalid input syntax for type integer: \"x\"");
    let outcome = run(merging(), event("p-1", "a"), refused).outcome;
    let reason = "the row for dw.policies was refused (22P02): invalid input syntax for type integer: \"x\"";
    assert_eq!(outcome, Outcome::rejected(reason));
    let outcome = run(merging(), event("p-1", "a"), Unanswered::TimedOut).outcome;
    assert_eq!(outcome, Outcome::retry("the row for dw.policies timed out"));
}

#[test]
fn a_history_has_each_event_once_beside_the_table_or_alone() {
    let both = json!({ "table": "t", "key": { "id": "{key}" }, "history": "h" });
    let run_both = run(both, event("p-1", "a"), rows(["member"]).then(affected(1)));
    assert_eq!(run_both.outcome, Outcome::delivered());
    let row = &bound(&run_both, 1)[0];
    assert_eq!((&row["key"], &row["data"]["title"]), (&json!("p-1"), &json!("a")));
    let alone = run(json!({ "history": "h" }), event("p-1", "a"), affected(0));
    assert_eq!(alone.outcome, Outcome::delivered());
    assert!(alone.transactions[0].statements[0].sql.ends_with("on conflict (\"delivery\") do nothing"));
}

fn transaction(delivery: EventBuilder) -> Effect {
    testing::settings(merging());
    let run = testing::endpoint().expect(&statement(merging()), rows(["member"])).deliver(deliver, delivery);
    Effect::Sql(run.transactions.into_iter().next().unwrap())
}

#[test]
fn rows_of_the_same_statement_are_joined_and_the_answer_is_split() {
    let mut over = transaction(event("p-3", "c"));
    if let Effect::Sql(SqlRequest { statements, .. }) = &mut over {
        statements[0].parameters.push("v7".into());
    }
    let effects = vec![transaction(event("p-1", "a")), over, transaction(event("p-2", "b"))];
    let mut joints = join(effects);
    assert_eq!(joints.len(), 1);
    let Joint { effect: Effect::Sql(request), members, memo } = joints.remove(0) else { panic!() };
    assert_eq!(members, [0, 2]);
    let SqlValue::Json(list) = &request.statements[0].parameters[0] else { panic!() };
    let list: Value = serde_json::from_str(list).unwrap();
    assert_eq!(
        (&list[0]["id"], &list[1]["id"], list.as_array().unwrap().len()),
        (&json!("p-1"), &json!("p-2"), 2)
    );

    let columns = vec!["member".to_owned(), "is_same".to_owned()];
    let rows = vec![vec![1.into(), true.into()], vec![9.into(), true.into()]];
    let merged = SqlResult { affected: 0, columns, rows };
    let history = SqlResult { affected: 2, columns: Vec::new(), rows: Vec::new() };
    let replies = split(memo, Reply::Sql(SqlResponse::Done(vec![merged, history])));
    let found: Vec<_> = replies.iter().map(own_rows).collect();
    assert_eq!(found, [vec![], vec![vec![SqlValue::Integer(0), SqlValue::Boolean(true)]]]);
}

/// The rows of the first statement; there are two statements.
fn own_rows(reply: &Reply) -> Vec<Vec<SqlValue>> {
    let Reply::Sql(SqlResponse::Done(results)) = reply else { panic!("{reply:?}") };
    assert_eq!(results.len(), 2);
    results[0].rows.clone()
}

/// The file that an event alone is put to.
fn file(key: &str, offset: i64) -> Effect {
    testing::settings(json!({ "files": "policies" }));
    let mut delivery = Delivery::from(event(key, "a"));
    delivery.event.origin.offset = offset;
    delivery.event.origin.topic = "policy events".to_owned();
    delivery.idempotency_key = format!("key-{offset}");
    let content = {
        let document = document::Document::read(delivery.data().unwrap()).unwrap();
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

#[test]
fn a_bucket_that_is_not_there_holds_the_connector_back() {
    testing::settings(json!({ "files": "" }));
    let delivery = Delivery::from(event("k", "a"));
    let document = document::Document::read(delivery.data().unwrap()).unwrap();
    let content = line::of(&delivery, Some(&document)).unwrap() + "\n";
    let offset = delivery.event.origin.offset;
    let path =
        format!("PUT /{}/0/{}", delivery.event.origin.topic, files::name(offset, offset, content.as_bytes()));
    for (status, kind) in [(404, OutcomeKind::Denied), (403, OutcomeKind::Denied), (503, OutcomeKind::Retry)]
    {
        let run = testing::endpoint().expect(&path, testing::reply(status)).deliver(deliver, event("k", "a"));
        assert_eq!(run.outcome.kind(), kind, "{status}");
    }
}
