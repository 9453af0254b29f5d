//! A database that is killed, locked, refuses and changes its mind, under a connector that keeps on.

use std::collections::BTreeMap;
use std::fs;

use liaison_tests::folder::Folder;
use liaison_tests::postgres::{self, Postgres};
use liaison_tests::{is_quick, say_skipped, wait};
use serde_json::json;

use crate::command::Program;
use crate::fixture::{Config, LIMIT, QUICK, TOPIC, letters};
use crate::sql::{Database, connector, credential, record, schema, statements};
use liaison::kafka::producer::Outgoing;
use liaison_tests::produce::cloudevent;

/// A server with tables and the owner's password in a file.
struct Stage {
    server: Postgres,
    folder: Folder,
}

impl Stage {
    fn new(test: &str) -> anyhow::Result<Option<Self>> {
        if is_quick() {
            say_skipped(test, "needs PostgreSQL");
            return Ok(None);
        }
        let server = Postgres::start(None)?;
        server.psql(&schema("text"))?;
        let folder = Folder::new("sql-outages")?;
        folder.write("password", postgres::PASSWORD)?;
        Ok(Some(Self { server, folder }))
    }

    fn connector(&self, user: &str, more: &str) -> String {
        connector("postgres", &credential(user, &self.folder.path().join("password")), more)
    }
}

/// An event of this key that appends its number.
fn numbered(key: usize, number: usize) -> Outgoing {
    let (key, id) = (format!("k{key}"), format!("{key}-{number}"));
    let text =
        json!([{ "sql": "insert into numbers (key, number) values ($1, $2)", "parameters": [key, number] }]);
    let mut event = cloudevent(TOPIC, "record.changed", &id, &key, &json!({}));
    event.headers.push(("ce_statements".into(), Some(text.to_string().into())));
    event
}

#[test]
fn a_database_that_is_killed_and_comes_back_loses_nothing_and_keeps_the_order() -> anyhow::Result<()> {
    const KEYS: usize = 10;
    const EACH: usize = 40;
    let Some(mut stage) =
        Stage::new("a_database_that_is_killed_and_comes_back_loses_nothing_and_keeps_the_order")?
    else {
        return Ok(());
    };
    stage.server.psql("create table numbers (seq bigserial primary key, key text, number integer)")?;
    let database = Database::start(&stage.server.url(), &stage.connector(postgres::USER, ""))?;
    let events = (0..EACH).flat_map(|number| (0..KEYS).map(move |key| numbered(key, number)));
    let (first, rest): (Vec<_>, Vec<_>) = events.enumerate().partition(|(index, _)| index % 400 < 200);
    let only = |events: Vec<(usize, Outgoing)>| events.into_iter().map(|(_, event)| event).collect();
    database.produce(only(first))?;
    database.settled("delivered", 50.0)?;
    stage.server.kill()?;
    database.produce(only(rest))?;
    let opened = [("outcome", "retry")];
    database.host.wait_for_metric(LIMIT, "liaison_attempts_total", &opened, |count| count >= 1.0)?;
    stage.server.start_again()?;
    database.settled("delivered", 400.0)?;
    database.host.stop()?;
    let rows = stage.server.psql("select key, number from numbers order by seq")?;
    let mut seen: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for row in rows.lines() {
        let (key, number) = row.split_once('|').expect("two columns");
        let (numbers, number) = (seen.entry(key).or_default(), number.parse()?);
        // What was in flight when it was killed may be there twice.
        if !numbers.contains(&number) {
            numbers.push(number);
        }
    }
    assert_eq!(seen.len(), KEYS);
    for (key, numbers) in seen {
        assert_eq!(numbers, (0..EACH).collect::<Vec<_>>(), "{key}");
    }
    assert!(rows.lines().count() < 400 + 64, "{} rows", rows.lines().count());
    assert_eq!(letters(&database.broker)?.len(), 0);
    Ok(())
}

#[test]
fn a_password_changes_without_a_restart_and_leaves_no_trace() -> anyhow::Result<()> {
    let Some(stage) = Stage::new("a_password_changes_without_a_restart_and_leaves_no_trace")? else {
        return Ok(());
    };
    let database = Database::start(&stage.server.url(), &stage.connector(postgres::USER, ""))?;
    database.produce(vec![record("a", "Ada", 1)])?;
    database.settled("delivered", 1.0)?;
    // Of another user, so that the owner's own client stays in.
    stage.server.psql("create role next superuser login password 'next-77ab'")?;
    database.host.stop()?;

    fs::write(stage.folder.path().join("password"), "next-77ab")?;
    let database = Database::start(&stage.server.url(), &stage.connector("next", ""))?;
    database.produce(vec![record("a", "Ada", 2)])?;
    database.settled("delivered", 1.0)?;
    stage.server.psql("alter role next password 'later-91ce'")?;
    stage.server.psql("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'next'")?;
    fs::write(stage.folder.path().join("password"), "later-91ce")?;
    database.produce(vec![record("a", "Ada", 3), record("a", "next-77ab later-91ce", 4)])?;
    database.settled("delivered", 3.0)?;
    assert_eq!(database.host.metrics().sum("liaison_attempts_total", &[]), 3.0, "nothing was refused");
    database.produce(vec![statements(
        "bad",
        &json!([{ "sql": "select name::int from records where id = $1", "parameters": ["a"] }]),
    )])?;
    database.settled("dead-lettered", 1.0)?;
    let found = letters(&database.broker)?;
    let written: Vec<_> = found[0].0.headers.iter().filter_map(|(_, value)| value.as_deref()).collect();
    let written = String::from_utf8_lossy(&written.concat()).into_owned();
    assert!(
        written.contains("[secret] [secret]") && !written.contains("77ab") && !written.contains("91ce"),
        "{written}"
    );
    database.host.stop()
}

#[test]
fn what_takes_too_long_is_not_done_by_half_and_blocks_nobody() -> anyhow::Result<()> {
    let Some(stage) = Stage::new("what_takes_too_long_is_not_done_by_half_and_blocks_nobody")? else {
        return Ok(());
    };
    let tables = "[sla.default]\nattempt-timeout = \"1s\"\nmax-attempts = 2\ninitial-interval = \"20ms\"\n";
    let more = "database = { connections = 1 }\nbreaker = { failures = 64 }";
    let connector = stage.connector(postgres::USER, more);
    let database = Database::start_with(&stage.server.url(), &connector, tables)?;
    let slow = json!(["insert into log values ('slow')", "select pg_sleep(60)::text"]);
    database.produce(vec![statements("slow", &slow), record("a", "Ada", 1)])?;
    database.settled("dead-lettered", 1.0)?;
    database.settled("delivered", 1.0)?;
    let reasons = database.reasons()?;
    assert!(reasons[0].1.contains("timed out"), "{reasons:?}");
    let asleep =
        "select count(*) from pg_stat_activity where application_name = 'liaison' and state <> 'idle'";
    wait::until(LIMIT, "the database to give up", || {
        stage.server.psql(asleep).is_ok_and(|count| count == "0")
    })?;
    assert_eq!(stage.server.psql("select count(*) from log where id = 'slow'")?, "0");
    database.host.stop()
}

#[test]
fn refusals_are_told_apart_and_do_what_they_should() -> anyhow::Result<()> {
    let Some(stage) = Stage::new("refusals_are_told_apart_and_do_what_they_should")? else { return Ok(()) };
    stage.server.psql(
        "create sequence tries; create function clash() returns trigger language plpgsql as $$ begin \
         if nextval('tries') < 3 then raise exception 'clash' using errcode = '40001'; end if; return new; end $$; \
         create trigger clash before insert on log for each row when (new.id = 'clash') execute function clash(); \
         create role guest login password 'guest-5c1d'; grant select on records to guest",
    )?;
    let database = Database::start(&stage.server.url(), &stage.connector(postgres::USER, ""))?;
    let insert = |id: &str| json!([{ "sql": "insert into log values ($1)", "parameters": [id] }]);
    database.produce(vec![statements("clash", &insert("clash"))])?;
    database.settled("delivered", 1.0)?;
    let attempts = |outcome| database.host.metrics().sum("liaison_attempts_total", &[("outcome", outcome)]);
    assert_eq!(
        (attempts("retry"), attempts("delivered")),
        (2.0, 1.0),
        "a serialization failure is tried again"
    );
    database.host.stop()?;

    // Who may only read is denied, is not given up, and goes on once that is mended.
    fs::write(stage.folder.path().join("password"), "guest-5c1d")?;
    let database = Database::start(&stage.server.url(), &stage.connector("guest", ""))?;
    database.produce(vec![record("b", "Bob", 1)])?;
    let denied = [("outcome", "denied")];
    database.host.wait_for_metric(LIMIT, "liaison_attempts_total", &denied, |count| count >= 1.0)?;
    stage.server.psql("grant insert, update on records, log to guest")?;
    database.settled("delivered", 1.0)?;
    assert_eq!(letters(&database.broker)?.len(), 0);
    database.host.stop()?;

    // And a grant to read is one, whatever the database would let.
    let read = stage.connector("guest", "database = { access = \"read\" }");
    let database = Database::start(&stage.server.url(), &read)?;
    let update = json!([{ "sql": "update records set name = 'Eve' where id = 'b'", "parameters": [] }]);
    database.produce(vec![statements("b", &update)])?;
    database.settled("dead-lettered", 1.0)?;
    let reasons = database.reasons()?;
    assert!(reasons[0].1.contains("changes rows; granted access: read"), "{reasons:?}");
    assert_eq!(stage.server.psql("select name from records where id = 'b'")?, "Bob");
    database.host.stop()
}

#[test]
fn a_recorded_transaction_is_replayed_without_the_database() -> anyhow::Result<()> {
    let Some(stage) = Stage::new("a_recorded_transaction_is_replayed_without_the_database")? else {
        return Ok(());
    };
    let connector = stage.connector(postgres::USER, "");
    let database = Database::start(&stage.server.url(), &connector)?;
    database.produce(vec![record("a", "Ada", 1), record("a", "", 2)])?;
    database.settled("dead-lettered", 1.0)?;
    let config = Config { plugin: "records", connector: &connector, tables: QUICK, ..Config::default() };
    let program = Program::new(&config.text(database.broker.bootstrap(), &stage.server.url())?)?;
    let shown = program.run("dead-letters show calendar/0/0 --json")?;
    assert_eq!(shown.code, Some(0), "{shown:?}");
    database.host.stop()?;
    let Stage { server, folder } = stage;
    drop(server);
    program.folder().write("letter.json", &shown.out)?;
    let replayed = program.ask("dead-letters replay --file letter.json", 0)?;
    assert_eq!(
        (&replayed["is_same"], &replayed["is_same_plugin"]),
        (&json!(true), &json!(true)),
        "{replayed:#}"
    );
    let rounds = &replayed["rounds"];
    assert_eq!(
        rounds[0]["answered"][0]["sql"]["done"][0]["rows"],
        json!([[{ "text": "Ada" }, { "integer": 1 }]])
    );
    assert_eq!(rounds[1]["asked"][0]["sql"]["statements"].as_array().map(Vec::len), Some(2));
    let error = &rounds[1]["answered"][0]["sql"]["error"];
    assert_eq!((&error["kind"], &error["code"]), (&json!("constraint"), &json!("23514")), "{error}");
    assert_eq!((&error["constraint"], &error["statement"]), (&json!("named"), &json!(0)));
    drop(folder);
    Ok(())
}
