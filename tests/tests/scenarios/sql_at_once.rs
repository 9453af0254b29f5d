//! Transactions of statements that are known already are sent to PostgreSQL in one go: all of each or nothing, all the same.

use liaison_tests::folder::Folder;
use liaison_tests::postgres::{self, Postgres};
use liaison_tests::{is_quick, say_skipped};
use serde_json::{Value, json};

use crate::sql::{Database, connector, credential, statements};

const INSERT: &str = "insert into pairs (id, other) values ($1, $2)";

/// An event of the same two statements, with these values.
fn pair(id: &str, first: &Value, second: &Value) -> liaison::kafka::producer::Outgoing {
    let insert = |values: &Value| json!({ "sql": INSERT, "parameters": values });
    statements(id, &json!([insert(first), insert(second)]))
}

#[test]
fn what_is_sent_in_one_go_is_done_as_a_whole_or_not_at_all() -> anyhow::Result<()> {
    if is_quick() {
        say_skipped("what_is_sent_in_one_go_is_done_as_a_whole_or_not_at_all", "needs PostgreSQL");
        return Ok(());
    }
    let server = Postgres::start(None)?;
    server.psql(
        "create table records (id text); \
         create table pairs (id integer primary key, other integer, constraint apart unique (other) deferrable initially deferred)",
    )?;
    let folder = Folder::new("sql-at-once")?;
    let credential = credential(postgres::USER, &folder.write("password", postgres::PASSWORD)?);
    let more = "database = { connections = 1 }\nbreaker = { failures = 64 }";
    let database = Database::start(&server.url(), &connector("postgres", &credential, more))?;
    // The first prepares the statement; from then on it is known.
    database.produce(vec![pair("first", &json!([1, 1]), &json!([2, 2]))])?;
    database.settled("delivered", 1.0)?;
    database.produce(vec![
        pair("known", &json!([3, 3]), &json!([4, 4])),
        pair("second is refused", &json!([5, 5]), &json!([1, 6])),
        pair("first is refused", &json!([1, 7]), &json!([7, 7])),
        pair("commit is refused", &json!([8, 8]), &json!([9, 1])),
        pair("no number", &json!([10, 10]), &json!(["x", 11])),
        pair("after", &json!([12, 12]), &json!([13, 13])),
    ])?;
    database.settled("delivered", 3.0)?;
    database.settled("dead-lettered", 4.0)?;
    assert_eq!(server.psql("select string_agg(id::text, ',' order by id) from pairs")?, "1,2,3,4,12,13");
    let reasons = database.reasons()?;
    for ((id, reason), (expected, part)) in reasons.iter().zip([
        ("commit is refused", "(23505): duplicate key value violates unique constraint \"apart\""),
        ("first is refused", "(23505): duplicate key value violates unique constraint \"pairs_pkey\""),
        ("no number", "(22P02)"),
        ("second is refused", "(23505): duplicate key value violates unique constraint \"pairs_pkey\""),
    ]) {
        assert!(id == expected && reason.contains(part), "{id}: {reason}");
    }
    // One connection did all of it: none was given up for a refusal.
    let sessions =
        "select count(*), bool_and(state = 'idle') from pg_stat_activity where application_name = 'liaison'";
    assert_eq!(server.psql(sessions)?, "1|t");
    database.host.stop()
}
