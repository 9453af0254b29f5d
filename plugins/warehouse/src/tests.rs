//! What each event asks for, what the answers mean, and that several asked together come to the same.

mod joint;

use liaison_sdk::column::Document;
use liaison_sdk::testing::{self, EventBuilder, Run, affected, rows, sql_error};
use serde_json::{Value, json};

use super::*;
use crate::statement::{Keys, Merge};

fn merging() -> Value {
    json!({
        "table": "dw.policies",
        "key": { "id": "{key}" },
        "columns": { "title": "/title", "room": "/place/room", "rest": "{data}" },
        "tombstone-version": "{time}",
    })
}

fn event(key: &str, title: &str) -> EventBuilder {
    let data = json!({ "title": title, "place": { "room": 7 }, "updatedAt": "2026-01-02T02:00:00+02:00" });
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

/// What a statement of a transaction binds, in the order of the columns: the key, the others by their names, the version and
/// the mark.
fn bound(run: &Run, number: usize) -> &[SqlValue] {
    &run.transactions[0].statements[number].parameters
}

const COLUMNS: [&str; 4] = ["is_same", "is_equal", "version", "held"];

#[test]
fn an_event_is_one_row_of_one_statement() {
    let run = run(merging(), event("p-1", "Le\"ave"), rows(COLUMNS));
    assert_eq!(run.outcome, Outcome::delivered());
    let rest = r#"{"place":{"room":7},"title":"Le\"ave","updatedAt":"2026-01-02T02:00:00+02:00"}"#;
    let row = ["p-1", rest, "7", "Le\"ave", "2026-01-02T00:00:00Z", "false"];
    assert_eq!(bound(&run, 0), row.map(SqlValue::from));
    let text = &run.transactions[0].statements[0].sql;
    for part in [
        "(\"id\", \"rest\", \"room\", \"title\", \"updated_at\", \"deleted\") values ($1, $2, $3, $4, $5, $6)",
        "on conflict (\"id\") do update set \"rest\" = case when excluded.\"deleted\" then held.\"rest\"",
        "where excluded.\"updated_at\" > held.\"updated_at\"",
        "held.\"updated_at\" = $5 as is_same, row(case when $6 then null else $2 end, ",
        "left join \"dw\".\"policies\" as held on held.\"id\" = $1 where not exists",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_tombstone_marks_its_row_by_the_time_of_the_event() {
    let gone = testing::event("policy.removed").key("p-1").time_ms(1_000).tombstone();
    let run = run(merging(), gone, rows(COLUMNS));
    assert_eq!(run.outcome, Outcome::delivered());
    let nothing = SqlValue::Null;
    let row = [
        "p-1".into(),
        nothing.clone(),
        nothing.clone(),
        nothing,
        "1970-01-01T00:00:01Z".into(),
        "true".into(),
    ];
    assert_eq!(bound(&run, 0), row);
}

/// The row of an answer: the table holds a version of May.
fn held(is_same: bool, is_equal: bool) -> testing::SqlReply {
    let held = json!({ "id": "p-1", "title": "Theirs", "room": 9, "rest": { "more": true },
        "updated_at": "2026-05-05T00:00:00", "deleted": false });
    let version = SqlValue::Timestamp(1_777_939_200_000_000);
    rows(COLUMNS).row([is_same.into(), is_equal.into(), version, held.into()])
}

/// The row of an answer that cannot see what stood in the way, or where nothing is.
fn nobody() -> testing::SqlReply {
    rows(COLUMNS).row([SqlValue::Null, SqlValue::Null, SqlValue::Null, SqlValue::Null])
}

#[test]
fn a_row_of_the_answer_says_what_is_held_instead() {
    let same = run(merging(), event("p-1", "a"), held(true, true)).outcome;
    assert_eq!(same, Outcome::skipped("already there: dw.policies holds version 2026-05-05T00:00:00Z"));
    let older = "dw.policies holds version 2026-05-05T00:00:00Z";
    let other = "dw.policies holds version 2026-05-05T00:00:00Z with other values";
    for (is_same, reason) in [(false, older), (true, other)] {
        let outcome = run(merging(), event("p-1", "a"), held(is_same, false)).outcome;
        let Outcome::Conflict(conflict) = outcome else { panic!("{outcome:?}") };
        assert_eq!(conflict.version.as_deref(), Some("2026-05-05T00:00:00Z"));
        assert_eq!(conflict.reason, reason);
        // The column has no time zone: the version is shown in UTC, so that it can be compared.
        let current: Value = serde_json::from_slice(&conflict.current.unwrap()).unwrap();
        let expected = json!({ "more": true, "title": "Theirs", "place": { "room": 9 },
            "updatedAt": "2026-05-05T00:00:00Z" });
        assert_eq!(current, expected);
    }
}

#[test]
fn what_another_wrote_at_the_same_moment_is_looked_at_once_more() {
    testing::settings(merging());
    for (second, expected) in [
        (rows(COLUMNS), OutcomeKind::Delivered),
        (held(false, false), OutcomeKind::Conflict),
        (nobody(), OutcomeKind::Retry),
    ] {
        let script = testing::endpoint().expect(&statement(merging()), nobody());
        let run = script.expect(&statement(merging()), second).deliver(deliver, event("p-1", "a"));
        assert_eq!((run.outcome.kind(), run.rounds), (expected, vec![1, 1]));
    }
}

#[test]
fn a_late_tombstone_is_a_conflict_and_the_policy_decides() {
    let gone = || testing::event("policy.removed").key("p-1").time_ms(1_000);
    let outcome = run(merging(), gone().tombstone(), held(false, false)).outcome;
    let Outcome::Conflict(conflict) = outcome else { panic!("{outcome:?}") };
    assert!(conflict.version.as_deref() == Some("2026-05-05T00:00:00Z") && conflict.current.is_some());
    let over = gone().tombstone().resolution(Resolution::Overwrite(conflict.version));
    testing::settings(merging());
    let run = testing::endpoint().expect(&decided(Merge::mark_over), rows(COLUMNS)).deliver(deliver, over);
    assert_eq!(run.outcome, Outcome::delivered());
    assert_eq!(bound(&run, 0)[5..], ["true".into(), SqlValue::Timestamp(1_777_939_200_000_000)]);
}

#[test]
fn a_late_tombstone_with_a_version_of_its_own_is_skipped_or_for_the_policy() {
    let mut settings = merging();
    settings["tombstone-version"] = json!("{attributes.changed}");
    // Later than what is held by its time, older by its own version.
    let gone = |time| {
        let gone = testing::event("policy.removed").key("p-1").attribute("changed", "2026-01-01T00:00:00Z");
        gone.time_ms(time).tombstone()
    };
    let (before, after) = (1_777_939_100_000, 1_777_939_300_000);
    let outcome = run(settings.clone(), gone(after), held(false, false)).outcome;
    assert!(
        matches!(&outcome, Outcome::Skipped(why) if why.contains("newer than the tombstone")),
        "{outcome:?}"
    );
    let version = |outcome: Outcome| match outcome {
        Outcome::Conflict(conflict) => {
            let current: Value = serde_json::from_slice(&conflict.current.unwrap()).unwrap();
            current["updatedAt"].clone()
        }
        other => panic!("{other:?}"),
    };
    // By its time, too: a policy comes to the same.
    let shown = version(run(settings.clone(), gone(before), held(false, false)).outcome);
    assert_eq!(shown, json!("2026-05-05T00:00:00Z"));
    settings["late-tombstone"] = json!("conflict");
    assert_eq!(version(run(settings, gone(after), held(false, false)).outcome), Value::Null);
}

/// What is asked with this text of these settings.
fn decided(text: fn(&Merge) -> String) -> String {
    let Ok(Settings { into: Into::Tables(tables) }) = serde_json::from_value(merging()) else { panic!() };
    format!("SQL {}", text(&tables.merge.unwrap()))
}

#[test]
fn what_the_host_decided_is_written_over_the_version_that_it_saw() {
    let attempt = |text: fn(&Merge) -> String, answer: testing::SqlReply, resolution| {
        testing::settings(merging());
        testing::endpoint()
            .expect(&decided(text), answer)
            .deliver(deliver, event("p-1", "a").resolution(resolution))
    };
    let seen = "1970-01-01T00:00:07Z".to_owned();
    let overwrite = || Resolution::Overwrite(Some(seen.clone()));
    let over = attempt(Merge::over, rows(COLUMNS), overwrite());
    assert_eq!(over.outcome, Outcome::delivered());
    assert_eq!(bound(&over, 0)[6], SqlValue::Timestamp(7_000_000));
    let sql = &over.transactions[0].statements[0].sql;
    assert!(sql.contains("where held.\"id\" = $1 and held.\"updated_at\" = $7 returning 1)"), "{sql}");
    // A row that is gone is not made anew.
    let why = "the row in dw.policies: what it was decided to write over is gone";
    assert_eq!(attempt(Merge::over, nobody(), overwrite()).outcome, Outcome::conflict(None, None, why));
    // It is where that was decided. A row without a version is still one that was seen.
    let anew = attempt(Merge::over_nothing, rows(COLUMNS), Resolution::Overwrite(None));
    assert_eq!((bound(&anew, 0).len(), anew.outcome), (6, Outcome::delivered()));
    let data = br#"{"title": "both", "updatedAt": "2026-06-06T00:00:00Z"}"#.to_vec();
    let merged =
        attempt(Merge::over, rows(COLUMNS), Resolution::Merged(Merged { data, version: Some(seen.clone()) }));
    assert_eq!(bound(&merged, 0)[3..5], ["both".into(), "2026-06-06T00:00:00Z".into()]);
}

#[test]
fn what_cannot_be_a_row_is_rejected_with_the_reason() {
    testing::settings(merging());
    let reason = |delivery: EventBuilder| match testing::endpoint().deliver(deliver, delivery).outcome {
        Outcome::Rejected(reason) => reason,
        other => panic!("{other:?}"),
    };
    let no_key = testing::event("t").data(json!({ "updatedAt": 1 }));
    let expected = "the event has nothing at `{key}`, which is to be the key `id`";
    assert_eq!(reason(no_key), expected);
    let no_version = testing::event("t").key("k").data(json!({ "title": "a" }));
    let expected = "the event has nothing at `/updatedAt`, which is to be the version `updated_at`";
    assert_eq!(reason(no_version), expected);
    let no_time = testing::event("t").key("k").data(json!({ "updatedAt": "10" }));
    assert!(reason(no_time).starts_with("the column `updated_at` is to hold a time such as"));
    let no_text = testing::event("t").key([0xff]).data(json!({ "updatedAt": "2026-01-02T00:00:00Z" }));
    assert!(reason(no_text).contains("which are not UTF-8"));
    let no_json = testing::event("t").key("k").bytes("{", None);
    assert!(reason(no_json).starts_with("the event's data is not JSON: "));

    testing::settings(json!({ "table": "t", "key": { "id": "/id" } }));
    let gone = testing::event("t").time_ms(1).tombstone();
    assert!(
        reason(gone)
            .starts_with("the event has nothing at `/id`, which is to be the key `id`: it is a tombstone")
    );
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
    let run_both = run(both, event("p-1", "a"), rows(COLUMNS).then(affected(1)));
    assert_eq!(run_both.outcome, Outcome::delivered());
    let row = bound(&run_both, 1);
    assert_eq!(row.len(), 12);
    assert_eq!((&row[9], &row[10]), (&"p-1".into(), &"false".into()));
    assert!(matches!(&row[11], SqlValue::Text(data) if data.contains("\"title\":\"a\"")), "{row:?}");
    let alone = run(json!({ "history": "h" }), event("p-1", "a"), affected(0));
    assert_eq!(alone.outcome, Outcome::delivered());
    assert!(alone.transactions[0].statements[0].sql.ends_with("on conflict (\"delivery\") do nothing"));
}

#[test]
fn a_bucket_that_is_not_there_holds_the_connector_back() {
    testing::settings(json!({ "files": "" }));
    let delivery = Delivery::from(event("k", "a"));
    let document = Document::read(delivery.data().unwrap()).unwrap();
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

#[test]
fn a_check_says_where_versions_cannot_be_compared() {
    testing::settings(merging());
    let probe = "SQL select coalesce(max(\"updated_at\"), cast('1970-01-01' as date)) as liaison_version from \
                 \"dw\".\"policies\" where 1 = 0";
    let keeps = "SQL select r.\"updated_at\" as liaison_kept from jsonb_populate_record(cast(null as \"dw\".\"policies\"), \
                 cast($1 as jsonb)) as r";
    let found = |value: SqlValue| rows(["liaison_version"]).row([value]);
    let kept = |us| rows(["liaison_kept"]).row([SqlValue::Timestamp(us)]);
    let of_many = decided(|merge| merge.newer_of_many(Keys::Differ));
    let run = testing::endpoint()
        .expect(probe, found(SqlValue::Timestamp(0)))
        .expect(keeps, kept(123_456))
        .expect(&of_many, rows(COLUMNS))
        .check(check);
    assert!(matches!(run.outcome, Check::Usable(_)));
    assert_eq!(run.transactions[2].statements[0].parameters, vec![SqlValue::Texts(Vec::new()); 6]);
    let script = testing::endpoint().expect(probe, found(SqlValue::Timestamp(0))).expect(keeps, kept(0));
    let outcome = script.check(check).outcome;
    assert!(matches!(&outcome, Check::Unusable(why) if why.contains("rounds its fractions")), "{outcome:?}");
    let other = "settings: `updated_at` of dw.policies holds the version as `timestamp`, and the database's column has another type";
    let mismatch =
        sql_error(SqlErrorKind::Statement, "42804", "COALESCE types text and date cannot be matched");
    for reply in [testing::Reply::from(found("1970-01-01".into())), mismatch.into()] {
        let outcome = testing::endpoint().expect(probe, reply).check(check).outcome;
        assert!(matches!(&outcome, Check::Unusable(why) if why.starts_with(other)), "{outcome:?}");
    }
}
