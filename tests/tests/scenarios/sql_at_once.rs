//! Transactions of statements that are known already are sent to PostgreSQL in one go, and one that is a statement alone needs
//! nothing around it there and in MariaDB: all of each or nothing, all the same.

use liaison::kafka::producer::Outgoing;
use liaison_tests::folder::Folder;
use liaison_tests::mariadb::{self, MariaDb};
use liaison_tests::postgres::{self, Postgres};
use liaison_tests::{is_quick, say_skipped, wait};
use serde_json::{Value, json};

use crate::fixture::{LIMIT, QUICK};
use crate::sql::{Database, connector, credential, statements};

const INSERT: &str = "insert into pairs (id, other) values ($1, $2)";

/// One of its constraints is looked at when a transaction ends.
const SCHEMA: &str = "create table records (id text); create table pairs \
                      (id integer primary key, other integer, constraint apart unique (other) deferrable initially deferred)";
/// One session, so that what it knows is known; and refusals that open nothing.
const MORE: &str = "database = { connections = 1, max-rows = 5 }\nbreaker = { failures = 64 }";

/// PostgreSQL, and a host that delivers to it.
struct Stage {
    server: Postgres,
    database: Database,
    /// Holds the password, which each session reads.
    _folder: Folder,
}

impl Stage {
    /// `None` where there is no PostgreSQL.
    fn start(test: &str, tables: &str) -> anyhow::Result<Option<Self>> {
        if is_quick() {
            say_skipped(test, "needs PostgreSQL");
            return Ok(None);
        }
        let server = Postgres::start(None)?;
        server.psql(SCHEMA)?;
        let folder = Folder::new("sql-at-once")?;
        let credential = credential(postgres::USER, &folder.write("password", postgres::PASSWORD)?);
        let connector = connector("postgres", &credential, MORE);
        let database = Database::start_with(&server.url(), &connector, tables)?;
        Ok(Some(Self { server, database, _folder: folder }))
    }
}

/// An event of the same two statements, with these values.
fn pair(id: &str, first: &Value, second: &Value) -> Outgoing {
    let insert = |values: &Value| json!({ "sql": INSERT, "parameters": values });
    statements(id, &json!([insert(first), insert(second)]))
}

#[test]
fn what_is_sent_in_one_go_is_done_as_a_whole_or_not_at_all() -> anyhow::Result<()> {
    let Some(Stage { server, database, _folder }) =
        Stage::start("what_is_sent_in_one_go_is_done_as_a_whole_or_not_at_all", QUICK)?
    else {
        return Ok(());
    };
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

#[test]
fn rows_that_are_too_many_undo_what_they_come_of() -> anyhow::Result<()> {
    let test = "rows_that_are_too_many_undo_what_they_come_of";
    let Some(Stage { server, database, _folder }) = Stage::start(test, QUICK)? else { return Ok(()) };
    const SERIES: &str =
        "insert into pairs (id, other) select n, n from generate_series($1::integer, $2) as n returning id";
    let look = json!({ "sql": "select id from pairs where id < $1", "parameters": [3] });
    let with_look =
        |id: &str, values: Value| statements(id, &json!([{ "sql": INSERT, "parameters": values }, look]));
    database.produce(vec![
        single("first", SERIES, &json!([1, 1])),
        with_look("first with a look", json!([2, 2])),
    ])?;
    database.settled("delivered", 2.0)?;
    database.produce(vec![
        single("known", SERIES, &json!([11, 15])),
        single("too many", SERIES, &json!([21, 26])),
        single("refused", SERIES, &json!([15, 16])),
        with_look("known with a look", json!([31, 31])),
        with_look("refused with a look", json!([31, 32])),
        single("after", SERIES, &json!([41, 41])),
    ])?;
    database.settled("delivered", 5.0)?;
    database.settled("dead-lettered", 3.0)?;
    let there = "select string_agg(id::text, ',' order by id) from pairs";
    assert_eq!(server.psql(there)?, "1,2,11,12,13,14,15,31,41");
    let reasons = database.reasons()?;
    for ((id, reason), (expected, part)) in reasons.iter().zip([
        ("refused", "(23505)"),
        ("refused with a look", "(23505)"),
        ("too many", "it gives more than 5 rows (database.max-rows)"),
    ]) {
        assert!(id == expected && reason.contains(part), "{id}: {reason}");
    }
    database.host.stop()
}

/// Of one statement alone.
fn single(id: &str, sql: &str, values: &Value) -> Outgoing {
    statements(id, &json!([{ "sql": sql, "parameters": values }]))
}

/// The first makes the statement known; the last comes after refusals by its key, by its values and by what else it takes.
fn singles(insert: &str) -> [Outgoing; 5] {
    let pair = |id: &str, values: Value| single(id, insert, &values);
    [
        pair("known", json!([2, 2])),
        pair("refused", json!([2, 3])),
        pair("no number", json!(["x", 4])),
        pair("one too few", json!([5])),
        pair("after", json!([6, 6])),
    ]
}

#[test]
fn a_statement_alone_is_a_transaction_by_itself() -> anyhow::Result<()> {
    let Some(Stage { server, database, _folder }) =
        Stage::start("a_statement_alone_is_a_transaction_by_itself", QUICK)?
    else {
        return Ok(());
    };
    database.produce(vec![single("first", INSERT, &json!([1, 1]))])?;
    database.settled("delivered", 1.0)?;
    // Refused where it is committed: it is its own end.
    let late = single("commit is refused", INSERT, &json!([9, 1]));
    database.produce(singles(INSERT).into_iter().chain([late]).collect())?;
    database.settled("delivered", 3.0)?;
    database.settled("dead-lettered", 4.0)?;
    let reasons = database.reasons()?;
    for ((id, reason), (expected, part)) in reasons.iter().zip([
        ("commit is refused", "(23505): duplicate key value violates unique constraint \"apart\""),
        ("no number", "(22P02)"),
        ("one too few", "parameters"),
        ("refused", "(23505): duplicate key value violates unique constraint \"pairs_pkey\""),
    ]) {
        assert!(id == expected && reason.contains(part), "{id}: {reason}");
    }
    let last = "select min(query) from pg_stat_activity where application_name = 'liaison'";
    database.produce(vec![single("last", INSERT, &json!([7, 7]))])?;
    database.settled("delivered", 4.0)?;
    assert_eq!(server.psql(last)?, INSERT, "nothing comes after it");
    assert_eq!(server.psql("select string_agg(id::text, ',' order by id) from pairs")?, "1,2,6,7");
    database.host.stop()
}

#[test]
fn a_statement_alone_is_given_up_by_the_server_too_when_its_time_is_over() -> anyhow::Result<()> {
    let tables = "[sla.default]\nattempt-timeout = \"3s\"\nmax-attempts = 2\ninitial-interval = \"20ms\"\n";
    let test = "a_statement_alone_is_given_up_by_the_server_too_when_its_time_is_over";
    let Some(Stage { server, database, _folder }) = Stage::start(test, tables)? else { return Ok(()) };
    for id in [1, 2] {
        database.produce(vec![single("known", INSERT, &json!([id, id]))])?;
        database.settled("delivered", f64::from(id))?;
    }
    let lock = server.busy_with("begin; lock table pairs; select pg_sleep(60)")?;
    let locked = "select count(*) from pg_locks where mode = 'AccessExclusiveLock' and granted and relation = 'pairs'::regclass";
    wait::until(LIMIT, "the lock", || server.psql(locked).is_ok_and(|count| count == "1"))?;
    // What the database does meanwhile for others shows that it is not the one to blame.
    let other = single("other", "insert into records (id) values ($1)", &json!(["a"]));
    database.produce(vec![single("slow", INSERT, &json!([8, 8])), other])?;
    database.settled("dead-lettered", 1.0)?;
    database.settled("delivered", 3.0)?;
    server.psql("select pg_terminate_backend(pid) from pg_stat_activity where query like 'begin; lock%'")?;
    drop(lock);
    let asleep =
        "select count(*) from pg_stat_activity where application_name = 'liaison' and state <> 'idle'";
    wait::until(LIMIT, "the database to give up", || server.psql(asleep).is_ok_and(|count| count == "0"))?;
    assert_eq!(server.psql("select string_agg(id::text, ',' order by id) from pairs")?, "1,2");
    database.host.stop()
}

#[test]
fn a_statement_alone_is_a_transaction_by_itself_in_mariadb() -> anyhow::Result<()> {
    if is_quick() {
        say_skipped("a_statement_alone_is_a_transaction_by_itself_in_mariadb", "needs MariaDB");
        return Ok(());
    }
    let insert = INSERT.replace("$1", "?").replace("$2", "?");
    let server = MariaDb::start(None)?;
    // Whatever the server would do by itself.
    server.query(
        "set global autocommit = 0; create table records (id varchar(9)); \
         create table pairs (id integer primary key, other integer)",
    )?;
    let folder = Folder::new("sql-alone-mariadb")?;
    let credential = credential(mariadb::USER, &folder.write("password", mariadb::PASSWORD)?);
    let database = Database::start(&server.url(), &connector("mysql", &credential, MORE))?;
    database.produce(vec![single("first", &insert, &json!([1, 1]))])?;
    database.settled("delivered", 1.0)?;
    let begun = || server.query("show global status like 'Com_begin'");
    database.produce(singles(&insert).into())?;
    database.settled("delivered", 3.0)?;
    database.settled("dead-lettered", 3.0)?;
    let before = begun()?;
    let many = (10..60).map(|number| single(&format!("{number}"), &insert, &json!([number, number])));
    database.produce(many.collect())?;
    database.settled("delivered", 53.0)?;
    let [before, after] =
        [before, begun()?].map(|line| line.rsplit('\t').next().and_then(|count| count.parse::<u32>().ok()));
    let transactions = after.zip(before).map(|(after, before)| after - before);
    // Whoever comes after a second of silence begins one, to see whether the session is still there.
    assert!(
        transactions.is_some_and(|count| count <= 25),
        "{transactions:?} transactions begun for 50 events"
    );
    assert_eq!(server.query("select count(*), min(id), max(id) from pairs")?, "53\t1\t59");
    database.host.stop()
}
