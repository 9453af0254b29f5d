//! A header and its lines, in one transaction or not at all.

use liaison::kafka::producer::Outgoing;
use liaison_tests::produce::cloudevent;
use liaison_tests::wait;
use serde_json::{Value, json};

use super::server::{Kind, Server};
use super::{NEWEST, Stage, at, deletion};
use crate::fixture::{LIMIT, TOPIC};

fn schema(kind: Kind) -> String {
    let (text, time) = (kind.text(), kind.timestamp());
    format!(
        "create table orders (id {text} primary key, customer {text}, updated_at {time}); \
         create table items (order_id {text} not null, nr integer not null, what {text} not null, note {text}, \
         primary key (order_id, nr), constraint of_order foreign key (order_id) references orders (id))"
    )
}

fn settings(kind: Kind) -> Value {
    json!({
        "dialect": kind.dialect(),
        "table": "orders",
        "key": ["id"],
        "version-column": "updated_at",
        "columns": {
            "id": "key",
            "customer": "/customer",
            "updated_at": { "from": "/updatedAt", "type": "timestamp" },
        },
        "lines": {
            "rows": "/lines",
            "table": "items",
            "header-key": ["order_id"],
            "key": ["nr"],
            "columns": { "nr": "/nr", "what": "/what" },
        },
    })
}

fn order(id: &str, key: &str, second: u32, lines: &Value) -> Outgoing {
    let data = json!({ "customer": format!("c{second}"), "updatedAt": at(second), "lines": lines });
    cloudevent(TOPIC, "order.changed", id, key, &data)
}

fn lines_follow_their_header(kind: Kind, test: &str) -> anyhow::Result<()> {
    let Some(server) = Server::start(kind, test, &schema(kind))? else { return Ok(()) };
    let stage = Stage::start(&server, &settings(kind), NEWEST, "breaker = { failures = 64 }")?;
    let first = json!([{ "nr": 1, "what": "a" }, { "nr": 2, "what": "b" }, { "nr": 3, "what": "c" }]);
    stage.produce([order("1", "o1", 1, &first), order("2", "gone", 1, &first)])?;
    stage.settled("delivered", 2.0)?;
    // What somebody else keeps in a line stays in it.
    server.ask("update items set note = 'kept' where order_id = 'o1'")?;
    let second = json!([{ "nr": 2, "what": "b2" }, { "nr": 4, "what": "d" }]);
    let many: Vec<_> = (0..700).map(|number| json!({ "nr": number, "what": "x" })).collect();
    let again = || order("4", "o1", 3, &second);
    stage.produce([
        again(),
        again(),
        order("5", "o1", 2, &json!([{ "nr": 9, "what": "older" }])),
        deletion("6", "gone", 2),
        // The last of its lines is refused, so nothing of it is there.
        order("7", "half", 1, &json!([{ "nr": 1, "what": "a" }, { "nr": 2, "what": null }])),
        order("8", "twice", 1, &json!([{ "nr": 1, "what": "a" }, { "nr": 1, "what": "b" }])),
        order("9", "many", 1, &json!(many)),
        order("10", "many", 2, &json!(many[..650])),
        order("11", "empty", 1, &json!([])),
    ])?;
    stage.settled("delivered", 8.0)?;
    stage.settled("superseded", 1.0)?;
    stage.settled("dead-lettered", 2.0)?;
    assert_eq!(server.ask("select id, customer from orders order by id")?, "empty|c1\nmany|c2\no1|c3");
    let items = "select nr, what, note from items where order_id = 'o1' order by nr";
    assert_eq!(server.ask(items)?, "2|b2|kept\n4|d|");
    assert_eq!(
        server.ask("select order_id, count(*) from items group by order_id order by 1")?,
        "many|650\no1|2"
    );
    let reasons = stage.reasons()?;
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert!(reasons[0].0 == "7" && reasons[0].1.contains("the database refused it"), "{reasons:?}");
    assert!(reasons[1].0 == "8" && reasons[1].1.contains("line 2: it has the same key"), "{reasons:?}");
    stage.host.stop()?;

    // The host may decide that the older one is written: with its lines.
    let stage = Stage::start(&server, &settings(kind), r#"{ policy = "source-wins" }"#, "")?;
    stage.produce([order("12", "o1", 1, &json!([{ "nr": 7, "what": "older" }]))])?;
    stage.settled("delivered", 1.0)?;
    assert_eq!(server.ask(items)?, "7|older|");
    assert_eq!(server.ask("select customer from orders where id = 'o1'")?, "c1");
    stage.host.stop()
}

/// The header is the source's, the lines are the agency's, who changed one of them since.
fn lines_are_merged(kind: Kind, test: &str) -> anyhow::Result<()> {
    let Some(server) = Server::start(kind, test, &schema(kind))? else { return Ok(()) };
    let policy = r#"{ policy = "merge", owners = { "/customer" = "source", "/updatedAt" = "source" } }"#;
    let stage = Stage::start(&server, &settings(kind), policy, "")?;
    stage.produce([order("1", "o1", 1, &json!([{ "nr": 1, "what": "a" }, { "nr": 2, "what": "b" }]))])?;
    stage.settled("delivered", 1.0)?;
    server.ask(
        "update items set what = 'theirs' where nr = 1; update orders set updated_at = '2026-01-01 00:00:09'",
    )?;
    stage.produce([order("2", "o1", 5, &json!([{ "nr": 1, "what": "ours" }]))])?;
    stage.settled("delivered", 2.0)?;
    assert_eq!(server.ask("select customer from orders")?, "c5");
    assert_eq!(server.ask("select nr, what from items order by nr")?, "1|theirs\n2|b");
    assert_eq!(stage.reasons()?, []);
    stage.host.stop()
}

/// A lock that one holds until it is ended, and that another waits for while it holds the header.
struct Lock {
    hold: &'static str,
    /// Is it held?
    is_held: &'static str,
    wait: &'static str,
    is_waited_for: &'static str,
    /// Does somebody wait for the header?
    is_header_wanted: &'static str,
    /// Who holds it.
    holder: &'static str,
}

fn lock(kind: Kind) -> Lock {
    match kind {
        Kind::Postgres => Lock {
            hold: "select pg_advisory_lock(7); select pg_sleep(60)",
            is_held: "select count(*) from pg_locks where locktype = 'advisory' and granted",
            wait: "select pg_advisory_xact_lock(7)",
            is_waited_for: "select count(*) from pg_locks where locktype = 'advisory' and not granted",
            is_header_wanted: "select count(*) from pg_locks where locktype = 'transactionid' and not granted",
            holder: "select pid from pg_locks where locktype = 'advisory' and granted",
        },
        Kind::MariaDb | Kind::Sqlite => Lock {
            hold: "do get_lock('seven', 60); do sleep(60)",
            is_held: "select is_used_lock('seven') is not null",
            wait: "do get_lock('seven', 60)",
            is_waited_for: "select count(*) from information_schema.processlist where state = 'User lock' \
                            and info like 'do get_lock%'",
            // InnoDB's own tables stay as they are for as long as they are read more often than every tenth of a second.
            is_header_wanted: "select count(*) from information_schema.processlist where command = 'Execute' \
                               and time_ms > 200 and info like '%orders%'",
            holder: "select is_used_lock('seven')",
        },
    }
}

/// What another writes into the header after it was read and before it is written.
struct Other {
    change: &'static str,
    /// The key, and what is there of it before.
    key: &'static str,
    is_there: bool,
    items: &'static str,
    /// How the event ends, and whose order is there then.
    ends: &'static str,
    customer: &'static str,
    /// Do lines refer to their header?
    refers: bool,
}

/// Nothing of the older event is left, not even a line.
const CHANGED: Other = Other {
    change: "update orders set customer = 'another', updated_at = '2026-01-01 00:00:09' where id = 'o1'",
    key: "o1",
    is_there: true,
    items: "1|a",
    ends: "superseded",
    customer: "another",
    refers: true,
};

/// Two insert the same new header: the event of the second is no mistake, and the policy decides.
const INSERTED: Other = Other {
    change: "insert into orders (id, customer, updated_at) values ('o2', 'another', '2026-01-01 00:00:09')",
    key: "o2",
    is_there: false,
    items: "",
    ends: "superseded",
    customer: "another",
    refers: true,
};

/// Another deletes the header with its lines, and takes what makes it impossible to write it anew: no line is left without
/// one, although none refers to it.
const DELETED: Other = Other {
    change: "delete from items where order_id = 'o1'; delete from orders where id = 'o1'; \
             insert into orders (id, customer) values ('o9', 'c5')",
    key: "o1",
    is_there: true,
    items: "",
    ends: "dead-lettered",
    customer: "c5",
    refers: false,
};

fn another_comes_between(kind: Kind, test: &str, other: &Other) -> anyhow::Result<()> {
    let reference = ", constraint of_order foreign key (order_id) references orders (id)";
    let mut schema = schema(kind);
    if !other.refers {
        schema = schema.replace(reference, "") + "; create unique index one_each on orders (customer)";
    }
    let Some(server) = Server::start(kind, test, &schema)? else { return Ok(()) };
    let stage = Stage::start(&server, &settings(kind), NEWEST, "breaker = { failures = 64 }")?;
    if other.is_there {
        stage.produce([order("1", other.key, 1, &json!([{ "nr": 1, "what": "a" }]))])?;
        stage.settled("delivered", 1.0)?;
    }
    let lock = lock(kind);
    let newer = format!("begin; {}; {}; commit", other.change, lock.wait);
    let until =
        |what: &str, sql: &str| wait::until(LIMIT, what, || server.ask(sql).is_ok_and(|count| count == "1"));
    std::thread::scope(|scope| -> anyhow::Result<()> {
        scope.spawn(|| server.ask(lock.hold));
        until("the lock", lock.is_held)?;
        let another = scope.spawn(|| server.ask(&newer));
        until("another writer", lock.is_waited_for)?;
        let lines = json!([{ "nr": 1, "what": "x" }, { "nr": 2, "what": "x" }]);
        stage.produce([order("2", other.key, 5, &lines)])?;
        until("the plugin to wait for the header", lock.is_header_wanted)?;
        let holder = server.ask(lock.holder)?;
        server.ask(&match kind {
            Kind::Postgres => format!("select pg_terminate_backend({holder})"),
            Kind::MariaDb | Kind::Sqlite => format!("kill {holder}"),
        })?;
        another.join().map_err(|_| anyhow::anyhow!("the other writer has panicked"))??;
        Ok(())
    })?;
    stage.settled(other.ends, 1.0)?;
    assert!(stage.attempts("retry") >= 1.0, "nothing was undone");
    assert_eq!(stage.reasons()?.len(), usize::from(other.ends == "dead-lettered"));
    assert_eq!(server.ask("select nr, what from items")?, other.items);
    assert_eq!(server.ask("select customer from orders")?, other.customer);
    stage.host.stop()
}

#[test]
fn a_new_header_of_postgres_that_another_inserts_first_is_looked_at_again() -> anyhow::Result<()> {
    another_comes_between(
        Kind::Postgres,
        "a_new_header_of_postgres_that_another_inserts_first_is_looked_at_again",
        &INSERTED,
    )
}

#[test]
fn a_new_header_of_mariadb_that_another_inserts_first_is_looked_at_again() -> anyhow::Result<()> {
    another_comes_between(
        Kind::MariaDb,
        "a_new_header_of_mariadb_that_another_inserts_first_is_looked_at_again",
        &INSERTED,
    )
}

#[test]
fn lines_of_postgres_are_undone_where_the_header_has_moved() -> anyhow::Result<()> {
    another_comes_between(Kind::Postgres, "lines_of_postgres_are_undone_where_the_header_has_moved", &CHANGED)
}

#[test]
fn lines_of_mariadb_are_undone_where_the_header_has_moved() -> anyhow::Result<()> {
    another_comes_between(Kind::MariaDb, "lines_of_mariadb_are_undone_where_the_header_has_moved", &CHANGED)
}

#[test]
fn no_line_of_postgres_is_left_where_the_header_was_deleted() -> anyhow::Result<()> {
    another_comes_between(
        Kind::Postgres,
        "no_line_of_postgres_is_left_where_the_header_was_deleted",
        &DELETED,
    )
}

#[test]
fn no_line_of_mariadb_is_left_where_the_header_was_deleted() -> anyhow::Result<()> {
    another_comes_between(Kind::MariaDb, "no_line_of_mariadb_is_left_where_the_header_was_deleted", &DELETED)
}

#[test]
fn lines_of_postgres_follow_their_header() -> anyhow::Result<()> {
    lines_follow_their_header(Kind::Postgres, "lines_of_postgres_follow_their_header")
}

#[test]
fn lines_of_mariadb_follow_their_header() -> anyhow::Result<()> {
    lines_follow_their_header(Kind::MariaDb, "lines_of_mariadb_follow_their_header")
}

#[test]
fn lines_of_sqlite_follow_their_header() -> anyhow::Result<()> {
    lines_follow_their_header(Kind::Sqlite, "lines_of_sqlite_follow_their_header")
}

#[test]
fn lines_of_postgres_are_merged_with_their_header() -> anyhow::Result<()> {
    lines_are_merged(Kind::Postgres, "lines_of_postgres_are_merged_with_their_header")
}

#[test]
fn lines_of_mariadb_are_merged_with_their_header() -> anyhow::Result<()> {
    lines_are_merged(Kind::MariaDb, "lines_of_mariadb_are_merged_with_their_header")
}

#[test]
fn lines_of_sqlite_are_merged_with_their_header() -> anyhow::Result<()> {
    lines_are_merged(Kind::Sqlite, "lines_of_sqlite_are_merged_with_their_header")
}
