//! The plugin against a database that follows a script: what it asks for in each dialect, and what the answers mean.

mod lines;
mod mistakes;

use liaison_sdk::failure::Unanswered;
use liaison_sdk::outcome::Merged;
use liaison_sdk::testing::{self, EventBuilder, SqlReply, affected, endpoint, event, rows, sql_error};
use serde_json::{Value, json};

use super::*;

const UPSERT: &str = "SQL insert into \"hr\".\"people\" (\"id\", \"name\", \"updated_at\") values ($1, $2, $3) on conflict \
                      (\"id\") do update set \"name\" = excluded.\"name\", \"updated_at\" = excluded.\"updated_at\" where \
                      \"people\".\"updated_at\" is null or excluded.\"updated_at\" > \"people\".\"updated_at\"";
const LOOK: &str = "select \"id\", \"name\", \"updated_at\", \"updated_at\" = $1 as liaison_is_same, (\"updated_at\" is null \
                    or \"updated_at\" < $2) as liaison_is_older from \"hr\".\"people\" where \"id\" = $3";

fn integer() -> Value {
    json!({ "from": "/updatedAt", "type": "integer" })
}

fn settings_of(dialect: &str, more: Value) -> Value {
    let mut settings = json!({
        "dialect": dialect,
        "table": "hr.people",
        "key": ["id"],
        "columns": { "id": "key", "name": "/person/name", "updated_at": integer() },
        "version-column": "updated_at",
    });
    for (name, value) in more.as_object().unwrap() {
        settings[name] = value.clone();
    }
    settings
}

fn person(version: i64) -> EventBuilder {
    event("person.changed").key("7").data(json!({ "person": { "name": "Ada" }, "updatedAt": version }))
}

/// One row: what is there, of this version, written by another.
fn there(version: i64, ours: i64) -> SqlReply {
    named("Eve", version, ours)
}

fn named(name: &str, version: i64, ours: i64) -> SqlReply {
    rows(["id", "name", "updated_at", "liaison_is_same", "liaison_is_older"]).row([
        "7".into(),
        name.into(),
        version.into(),
        (version == ours).into(),
        (version < ours).into(),
    ])
}

fn none() -> SqlReply {
    rows(["id", "name", "updated_at", "liaison_is_same", "liaison_is_older"])
}

#[test]
fn a_new_or_newer_row_is_one_statement() {
    testing::settings(settings_of("postgres", json!({})));
    let run = endpoint().expect(UPSERT, affected(1)).deliver(deliver, person(3));
    assert_eq!((run.outcome, &run.rounds[..]), (Outcome::delivered(), &[1][..]));
    assert_eq!(run.transactions[0].statements[0].parameters, ["7".into(), "Ada".into(), 3.into()]);
}

#[test]
fn what_stood_in_the_way_is_read_in_the_transaction_that_met_it() {
    testing::settings(settings_of("postgres", json!({})));
    let again = format!("{UPSERT}; {LOOK}");
    let outcome = |answer: SqlReply| {
        endpoint().expect(UPSERT, affected(0)).expect(&again, answer).deliver(deliver, person(3)).outcome
    };
    let already = Outcome::skipped("already there: the database holds this version");
    assert_eq!(outcome(affected(0).then(named("Ada", 3, 3))), already);
    let Outcome::Conflict(other) = outcome(affected(0).then(there(3, 3))) else {
        panic!("it has another name")
    };
    assert_eq!(other.reason, "the database holds this version with other values");
    assert!(other.version.as_deref() == Some("3") && other.current.is_some());
    assert!(matches!(outcome(affected(1).then(none())), Outcome::Delivered(_)));
    assert!(matches!(outcome(affected(0).then(none())), Outcome::Retry(_)));
    let Outcome::Conflict(conflict) = outcome(affected(0).then(there(9, 3))) else { panic!("it is newer") };
    assert_eq!(conflict.version.as_deref(), Some("9"));
    let current: Value = serde_json::from_slice(&conflict.current.unwrap()).unwrap();
    assert_eq!(current, json!({ "person": { "name": "Eve" }, "updatedAt": 9 }));
}

#[test]
fn mysql_compares_before_it_assigns_and_inserts_what_is_not_there() {
    testing::settings(settings_of("mariadb", json!({})));
    let update = "SQL update `hr`.`people` set `name` = ?, `updated_at` = ? where `id` = ? and (`updated_at` is null or \
                  `updated_at` < ?)";
    let insert = "SQL insert into `hr`.`people` (`id`, `name`, `updated_at`) values (?, ?, ?)";
    let look = "SQL select `id`, `name`, `updated_at`, `updated_at` = ? as liaison_is_same, (`updated_at` is null or \
                `updated_at` < ?) as liaison_is_older from `hr`.`people` where `id` = ?";
    let run = endpoint().expect(update, affected(1)).deliver(deliver, person(3));
    assert!(matches!(run.outcome, Outcome::Delivered(_)));
    let run = endpoint().expect(update, affected(0)).expect(insert, affected(1)).deliver(deliver, person(3));
    assert!(matches!(run.outcome, Outcome::Delivered(_)));
    let refused = || sql_error(SqlErrorKind::Constraint, "23000", "Duplicate entry").constraint("PRIMARY");
    let outcome = |answer: SqlReply| {
        let script = endpoint().expect(update, affected(0)).expect(insert, refused()).expect(look, answer);
        script.deliver(deliver, person(3)).outcome
    };
    assert!(matches!(outcome(named("Ada", 3, 3)), Outcome::Skipped(_)));
    assert!(matches!(outcome(there(3, 3)), Outcome::Conflict(_)));
    assert!(matches!(outcome(there(9, 3)), Outcome::Conflict(_)));
    assert!(matches!(outcome(there(1, 3)), Outcome::Retry(_)));
    // The key was free: another constraint refused it.
    assert_eq!(
        outcome(none()),
        Outcome::rejected("the database refused it (23000), constraint `PRIMARY`: Duplicate entry")
    );
}

#[test]
fn what_the_host_decided_is_written_over_the_version_that_it_saw() {
    testing::settings(settings_of("postgres", json!({})));
    let over = "SQL update \"hr\".\"people\" set \"name\" = $1, \"updated_at\" = $2 where \"id\" = $3 and \"updated_at\" = $4";
    let overwrite = || person(3).resolution(Resolution::Overwrite(Some("9".into())));
    let run = endpoint().expect(over, affected(1)).deliver(deliver, overwrite());
    assert!(matches!(run.outcome, Outcome::Delivered(_)));
    assert_eq!(run.transactions[0].statements[0].parameters, ["Ada".into(), 3.into(), "7".into(), 9.into()]);
    let again = format!("{over}; {LOOK}").replace("$1 as", "$1 as");
    let changed =
        |answer: SqlReply| endpoint().expect(over, affected(0)).expect(&again, affected(0).then(answer));
    assert!(matches!(changed(there(10, 3)).deliver(deliver, overwrite()).outcome, Outcome::Conflict(_)));
    let gone =
        Outcome::conflict(None, None, "the row in hr.people: what it was decided to write over is gone");
    assert_eq!(changed(none()).deliver(deliver, overwrite()).outcome, gone);
    // It was decided that it is made anew.
    let nothing = over.replace("= $4", "is null");
    let again = format!("{nothing}; {LOOK}");
    let insert = "SQL insert into \"hr\".\"people\" (\"id\", \"name\", \"updated_at\") values ($1, $2, $3)";
    let run = endpoint()
        .expect(&nothing, affected(0))
        .expect(&again, affected(0).then(none()))
        .expect(insert, affected(1))
        .deliver(deliver, person(3).resolution(Resolution::Overwrite(None)));
    assert_eq!(run.outcome, Outcome::delivered());

    let data = br#"{"person":{"name":"both"},"updatedAt":11}"#.to_vec();
    let merged = Resolution::Merged(Merged { data, version: Some("9".into()) });
    let run = endpoint().expect(over, affected(1)).deliver(deliver, person(3).resolution(merged));
    assert_eq!(
        run.transactions[0].statements[0].parameters,
        ["both".into(), 11.into(), "7".into(), 9.into()]
    );
}

#[test]
fn only_inserted_is_never_written_over() {
    let more = json!({ "mode": "insert-only", "version-column": null,
        "columns": { "id": "key", "name": "/person/name" } });
    testing::settings(settings_of("sqlite", more));
    let insert = "SQL insert into `hr`.`people` (`id`, `name`) values (?, ?) on conflict (`id`) do nothing";
    let run = endpoint().expect(insert, affected(1)).deliver(deliver, person(3));
    assert_eq!(run.outcome, Outcome::delivered());
    let again = format!("{insert}; select `id`, `name` from `hr`.`people` where `id` = ?");
    let found = affected(0).then(rows(["id", "name"]).row(["7".into(), "Eve".into()]));
    let run = endpoint().expect(insert, affected(0)).expect(&again, found).deliver(deliver, person(3));
    assert!(matches!(run.outcome, Outcome::Skipped(_)));
    let run = endpoint().deliver(deliver, person(3).tombstone());
    assert!(matches!(run.outcome, Outcome::Skipped(_)));
}

#[test]
fn a_tombstone_deletes_what_is_not_newer() {
    testing::settings(settings_of("postgres", json!({})));
    let delete = "SQL delete from \"hr\".\"people\" where \"id\" = $1";
    let run = endpoint().expect(delete, affected(0)).deliver(deliver, person(3).tombstone());
    assert_eq!(run.outcome, Outcome::delivered());

    testing::settings(settings_of(
        "postgres",
        json!({ "tombstone-version": "{time}", "late-tombstone": "conflict" }),
    ));
    let delete = format!("{delete} and (\"updated_at\" is null or \"updated_at\" <= $2)");
    let gone = || person(3).time_ms(3).tombstone();
    let run = endpoint().expect(&delete, affected(1)).deliver(deliver, gone());
    assert!(matches!(run.outcome, Outcome::Delivered(_)));
    let again = format!("{delete}; {LOOK}");
    let newer = || endpoint().expect(&delete, affected(0)).expect(&again, affected(0).then(there(9, 3)));
    let Outcome::Conflict(conflict) = newer().deliver(deliver, gone()).outcome else { panic!("it is newer") };
    assert_eq!(conflict.version.as_deref(), Some("9"));
    assert_eq!(conflict.reason, "the database holds a newer version than this deletion");
    let script = endpoint().expect(&delete, affected(0)).expect(&again, affected(0).then(none()));
    assert!(matches!(script.deliver(deliver, gone()).outcome, Outcome::Delivered(_)));

    let over = "SQL delete from \"hr\".\"people\" where \"id\" = $1 and \"updated_at\" = $2";
    let resolved = || gone().resolution(Resolution::Overwrite(Some("9".into())));
    let run = endpoint().expect(over, affected(1)).deliver(deliver, resolved());
    assert!(matches!(run.outcome, Outcome::Delivered(_)));
    let moved = affected(0).then(there(10, 3));
    let script = endpoint().expect(over, affected(0)).expect(&format!("{over}; {LOOK}"), moved);
    let Outcome::Conflict(moved) = script.deliver(deliver, resolved()).outcome else {
        panic!("it has moved")
    };
    assert_eq!(moved.version.as_deref(), Some("10"));
}

#[test]
fn a_late_tombstone_with_a_version_of_its_own_is_skipped_for_no_policy_knows_that() {
    testing::settings(settings_of("postgres", json!({ "tombstone-version": "{attributes.revision}" })));
    let delete = "SQL delete from \"hr\".\"people\" where \"id\" = $1 and (\"updated_at\" is null or \"updated_at\" <= $2)";
    let again = format!("{delete}; {LOOK}");
    let script = endpoint().expect(delete, affected(0)).expect(&again, affected(0).then(there(9, 3)));
    let outcome = script.deliver(deliver, person(3).attribute("revision", "3").tombstone()).outcome;
    assert_eq!(outcome, Outcome::skipped("the database holds a newer version than this deletion"));
}

/// `source-wins` reaches it where the settings say so; no policy is shown what it cannot compare with the event's time.
#[test]
fn a_late_tombstone_with_a_version_of_its_own_is_a_conflict_where_the_settings_say_so() {
    for of_tombstone in ["{attributes.revision}", "{time}"] {
        let more = json!({ "tombstone-version": of_tombstone, "late-tombstone": "conflict" });
        testing::settings(settings_of("postgres", more));
        let delete = "SQL delete from \"hr\".\"people\" where \"id\" = $1 and (\"updated_at\" is null or \"updated_at\" <= $2)";
        let again = format!("{delete}; {LOOK}");
        let gone = || person(3).attribute("revision", "3").time_ms(3).tombstone();
        let script = endpoint().expect(delete, affected(0)).expect(&again, affected(0).then(there(9, 3)));
        let Outcome::Conflict(late) = script.deliver(deliver, gone()).outcome else {
            panic!("{of_tombstone}")
        };
        let current: Value = serde_json::from_slice(&late.current.unwrap()).unwrap();
        assert_eq!((late.version.as_deref(), &current["updatedAt"]), (Some("9"), &Value::Null));
        let over = "SQL delete from \"hr\".\"people\" where \"id\" = $1 and \"updated_at\" = $2";
        let decided = gone().resolution(Resolution::Overwrite(late.version));
        assert_eq!(
            endpoint().expect(over, affected(1)).deliver(deliver, decided).outcome,
            Outcome::delivered()
        );
        // A time beside an integer is nothing that a policy could compare.
        testing::settings(settings_of("postgres", json!({ "tombstone-version": of_tombstone })));
        let script = endpoint().expect(delete, affected(0)).expect(&again, affected(0).then(there(9, 3)));
        assert!(matches!(script.deliver(deliver, gone()).outcome, Outcome::Skipped(_)), "{of_tombstone}");
    }
}

#[test]
fn a_tombstone_is_as_old_as_its_event_where_versions_are_times() {
    let columns = json!({ "id": "key", "name": "/person/name" });
    testing::settings(settings_of("mysql", json!({ "columns": columns })));
    let delete =
        "SQL delete from `hr`.`people` where `id` = ? and (`updated_at` is null or `updated_at` <= ?)";
    let run = endpoint().expect(delete, affected(1)).deliver(deliver, person(3).time_ms(3).tombstone());
    assert_eq!(run.outcome, Outcome::delivered());
    let statement = &run.transactions[0].statements[0];
    assert_eq!(statement.parameters, ["7".into(), SqlValue::Timestamp(3_000)]);
}

#[test]
fn a_version_is_bound_as_what_is_compared_and_not_as_a_text() {
    let columns = json!({ "id": "key", "name": "/person/name" });
    testing::settings(settings_of("mysql", json!({ "columns": columns })));
    let update = "SQL update `hr`.`people` set `name` = ?, `updated_at` = ? where `id` = ? and (`updated_at` is null or \
                  `updated_at` < ?)";
    let data = json!({ "person": { "name": "Ada" }, "updatedAt": "1970-01-01T02:00:01+02:00" });
    let event = || event("person.changed").key("7").data(data.clone());
    let run = endpoint().expect(update, affected(1)).deliver(deliver, event());
    let second = SqlValue::Timestamp(1_000_000);
    let parameters = ["Ada".into(), second.clone(), "7".into(), second];
    assert_eq!(run.transactions[0].statements[0].parameters, parameters);
    // SQLite may hold an integer as text.
    testing::settings(settings_of("sqlite", json!({})));
    let upsert = "SQL insert into `hr`.`people` (`id`, `name`, `updated_at`) values (?, ?, ?) on conflict (`id`) do update \
                  set `name` = excluded.`name`, `updated_at` = excluded.`updated_at` where `people`.`updated_at` is null or \
                  cast(excluded.`updated_at` as integer) > cast(`people`.`updated_at` as integer)";
    let run = endpoint().expect(upsert, affected(1)).deliver(deliver, person(10));
    assert_eq!(run.outcome, Outcome::delivered());
}

#[test]
fn a_mark_keeps_the_version_of_what_is_deleted() {
    let more = json!({ "deleted-column": "gone", "tombstone-version": "time" });
    testing::settings(settings_of("postgres", more));
    let mark = "SQL update \"hr\".\"people\" set \"updated_at\" = $1, \"gone\" = $2 where \"id\" = $3 and (\"updated_at\" is \
                null or \"updated_at\" <= $4)";
    let gone = || person(3).time_ms(3).tombstone();
    let run = endpoint().expect(mark, affected(1)).deliver(deliver, gone());
    assert_eq!(run.transactions[0].statements[0].parameters, [3.into(), true.into(), "7".into(), 3.into()]);
    // What was never there is kept as deleted, too.
    let again = format!("{mark}; {LOOK}")
        .replace("\"updated_at\", \"updated_at\" =", "\"updated_at\", \"gone\", \"updated_at\" =");
    let insert = "SQL insert into \"hr\".\"people\" (\"id\", \"updated_at\", \"gone\") values ($1, $2, $3)";
    let script = || endpoint().expect(mark, affected(0)).expect(&again, affected(0).then(none()));
    let run = script().expect(insert, affected(1)).deliver(deliver, gone());
    assert!(matches!(run.outcome, Outcome::Delivered(_)));
    let refused = || sql_error(SqlErrorKind::Constraint, "23502", "null value in column \"name\"");
    let look = again.strip_prefix(&format!("{mark}; ")).map(|look| format!("SQL {look}")).unwrap();
    let run = script().expect(insert, refused()).expect(&look, none()).deliver(deliver, gone());
    assert!(matches!(run.outcome, Outcome::Skipped(_)));
    // Another inserted it between the look and the mark: that row is to be marked.
    let run = script().expect(insert, refused()).expect(&look, there(1, 3)).deliver(deliver, gone());
    assert!(matches!(run.outcome, Outcome::Retry(_)), "{:?}", run.outcome);
}

#[test]
fn refusals_are_of_the_event_or_of_the_settings() {
    use SqlErrorKind::{Constraint, Data, Permission, Serialization, Statement, Unavailable};
    let outcome =
        |reply: testing::Reply| endpoint().expect(UPSERT, reply).deliver(deliver, person(3)).outcome;
    for (foreign_key, is_retried) in [("reject", false), ("retry", true)] {
        testing::settings(settings_of("postgres", json!({ "foreign-key": foreign_key })));
        let refused = sql_error(Constraint, "23503", "it refers to nobody").constraint("of_team");
        assert_eq!(matches!(outcome(refused.into()), Outcome::Retry(_)), is_retried);
    }
    testing::settings(settings_of("postgres", json!({})));
    let refused = sql_error(Constraint, "23505", "twice").constraint("people_name_key");
    assert_eq!(
        outcome(refused.into()),
        Outcome::rejected("the database refused it (23505), constraint `people_name_key`: twice")
    );
    assert_eq!(
        outcome(sql_error(Data, "22003", "large").into()),
        Outcome::rejected("the database refused it (22003): large")
    );
    let missing = outcome(sql_error(Statement, "42P01", "no such table").into());
    assert!(
        matches!(missing, Outcome::Denied(why) if why.starts_with("settings: the database does not know"))
    );
    let ungranted = outcome(Unanswered::NotAllowed("asks for `people`".into()).into());
    assert!(
        matches!(ungranted, Outcome::Denied(why) if why.starts_with("settings: the connector's `database`"))
    );
    assert!(matches!(outcome(sql_error(Permission, "42501", "no").into()), Outcome::Denied(_)));
    assert!(matches!(outcome(sql_error(Serialization, "40001", "no").into()), Outcome::Retry(_)));
    assert!(matches!(outcome(sql_error(Unavailable, "57P03", "no").into()), Outcome::Retry(_)));
}
