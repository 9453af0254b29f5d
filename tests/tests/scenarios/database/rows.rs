//! One event, one row: created, updated, deleted, redelivered, out of order, in conflict and refused.

use liaison::kafka::producer::Outgoing;
use liaison_tests::wait;
use serde_json::{Value, json};

use super::server::{Kind, Server};
use super::{NEWEST, Stage, deletion, people, person, settings};
use crate::fixture::LIMIT;

const EVIL: &str = "'; drop table people";
pub(super) const GRANT: &str = "database = { tables = [\"people\", \"teams\"] }\nbreaker = { failures = 64 }";

/// Each pair is run on its own server.
macro_rules! on_each_database {
    ($($postgres:ident, $mariadb:ident, $sqlite:ident => $scenario:ident;)*) => {$(
        #[test]
        fn $postgres() -> anyhow::Result<()> {
            on(Kind::Postgres, stringify!($postgres), $scenario)
        }

        #[test]
        fn $mariadb() -> anyhow::Result<()> {
            on(Kind::MariaDb, stringify!($mariadb), $scenario)
        }

        #[test]
        fn $sqlite() -> anyhow::Result<()> {
            on(Kind::Sqlite, stringify!($sqlite), $scenario)
        }
    )*};
}

pub(super) use on_each_database;

on_each_database! {
    rows_of_postgres_follow_their_events, rows_of_mariadb_follow_their_events, rows_of_sqlite_follow_their_events => follow;
    postgres_obeys_each_conflict_policy, mariadb_obeys_each_conflict_policy, sqlite_obeys_each_conflict_policy => policies;
    what_is_deleted_in_postgres_is_not_brought_back, what_is_deleted_in_mariadb_is_not_brought_back,
        what_is_deleted_in_sqlite_is_not_brought_back => marks;
    a_foreign_key_of_postgres_may_come_later, a_foreign_key_of_mariadb_may_come_later,
        a_foreign_key_of_sqlite_may_come_later => foreign_keys;
    a_missing_table_of_postgres_holds_the_connector, a_missing_table_of_mariadb_holds_the_connector,
        a_missing_table_of_sqlite_holds_the_connector => mistakes;
}

pub(super) fn on(kind: Kind, test: &str, scenario: fn(&Server) -> anyhow::Result<()>) -> anyhow::Result<()> {
    match Server::start(kind, test, &people(kind))? {
        Some(server) => scenario(&server),
        None => Ok(()),
    }
}

fn follow(server: &Server) -> anyhow::Result<()> {
    let stage = Stage::start(server, &settings(server.kind), NEWEST, GRANT)?;
    let again = || person("again", "again", 1, &json!({ "name": "once" }));
    let good = [
        person("1", "ada", 1, &json!({ "badge": "b1", "pay": 1234567890123456.125 })),
        person("2", "ada", 3, &json!({ "name": "Ada Lovelace", "badge": "b1" })),
        again(),
        again(),
        again(),
        again(),
        again(),
        person("3", "gone", 1, &json!({})),
        deletion("4", "gone", 2),
        person("5", "kept", 9, &json!({})),
        person("7", "evil", 1, &json!({ "name": EVIL })),
        deletion("8", "never there", 1),
    ];
    // SQLite keeps any text in any column, so that one of the bad ones is good there.
    let good_count = f64::from(u32::try_from(good.len())?);
    let (delivered, refused) = match server.kind {
        Kind::Postgres | Kind::MariaDb => (good_count, 5.0),
        Kind::Sqlite => (good_count + 1.0, 4.0),
    };
    let bad = [
        person("older", "ada", 2, &json!({ "name": "older" })),
        deletion("late", "kept", 8),
        person("unnamed", "unnamed", 1, &json!({ "name": "" })),
        person("same badge", "other", 1, &json!({ "badge": "b1" })),
        person("untimely", "ada", 0, &json!({ "updatedAt": "soon" })),
        person("timeless", "ada", 0, &json!({ "updatedAt": null })),
        person("unpaid", "unpaid", 1, &json!({ "pay": "much" })),
    ];
    stage.produce(good)?;
    // Keys pass each other: the badge has to be taken before another wants it.
    stage.settled("delivered", good_count)?;
    stage.produce(bad)?;
    stage.settled("delivered", delivered)?;
    stage.settled("superseded", 2.0)?;
    stage.settled("dead-lettered", refused)?;
    let reasons = stage.reasons()?;
    let badge = match server.kind {
        Kind::Postgres => "constraint `people_badge_key`",
        Kind::MariaDb => "constraint `badge`",
        Kind::Sqlite => "constraint `people.badge`",
    };
    let mut expected = vec![
        ("same badge", badge),
        ("timeless", "the event has nothing at `/updatedAt`"),
        ("unnamed", "constraint `named`"),
        ("untimely", "the column `updated_at` is to hold a time"),
    ];
    if server.kind != Kind::Sqlite {
        expected.insert(2, ("unpaid", "the database refused it"));
        expected.sort_unstable();
    }
    assert_eq!(reasons.len(), expected.len(), "{reasons:?}");
    for ((id, reason), (expected_id, part)) in reasons.iter().zip(expected) {
        assert!(id == expected_id && reason.contains(part), "{id}: {reason}");
    }
    let unpaid = if server.kind == Kind::Sqlite { "\nunpaid|Ada" } else { "" };
    assert_eq!(
        server.ask("select id, name from people order by id")?,
        format!("ada|Ada Lovelace\nagain|once\nevil|{EVIL}\nkept|Ada{unpaid}")
    );
    assert_eq!(server.ask("select count(*) from people where badge = 'b1' and name = 'Ada Lovelace'")?, "1");
    decimals(server, &stage, delivered)?;
    stage.host.stop()
}

/// A decimal column keeps the digits that the event has, more than a floating-point number would.
fn decimals(server: &Server, stage: &Stage, delivered: f64) -> anyhow::Result<()> {
    let paid = person("pay", "paid", 1, &json!({}));
    let data = r#"{"name": "Ada", "updatedAt": "2026-01-01T00:00:01Z", "pay": 12345678901234567.125}"#;
    stage.produce([Outgoing { value: Some(data.into()), ..paid }])?;
    stage.settled("delivered", delivered + 1.0)?;
    if server.kind != Kind::Sqlite {
        assert_eq!(server.ask("select pay from people where id = 'paid'")?, "12345678901234567.125");
    }
    Ok(())
}

fn policies(server: &Server) -> anyhow::Result<()> {
    let name = |key: &str| server.ask(&format!("select name from people where id = '{key}'"));
    let both = |key: &str| {
        [
            person("newer", key, 9, &json!({ "name": "newer" })),
            person("older", key, 2, &json!({ "name": "older" })),
        ]
    };
    let stage = Stage::start(server, &settings(server.kind), r#"{ policy = "source-wins" }"#, GRANT)?;
    stage.produce(both("source"))?;
    stage.settled("delivered", 2.0)?;
    assert_eq!((name("source")?.as_str(), stage.attempts("conflict")), ("older", 1.0));
    let mut settings = settings(server.kind);
    stage.host.stop()?;

    let stage = Stage::start(server, &settings, r#"{ policy = "target-wins" }"#, GRANT)?;
    stage.produce(both("target").into_iter().chain([deletion("late", "target", 1)]))?;
    stage.settled("superseded", 2.0)?;
    assert_eq!(name("target")?, "newer");
    stage.host.stop()?;

    // An older deletion is decided by the policy as well.
    let stage = Stage::start(server, &settings, r#"{ policy = "source-wins" }"#, GRANT)?;
    stage.produce([deletion("gone", "target", 1)])?;
    stage.settled("delivered", 1.0)?;
    assert_eq!(server.ask("select count(*) from people where id = 'target'")?, "0");
    stage.host.stop()?;

    // Only what is new is written, and what is there is not looked into.
    settings["mode"] = json!("insert-only");
    let stage = Stage::start(server, &settings, NEWEST, GRANT)?;
    let once = || person("once", "once", 1, &json!({ "name": "first", "badge": "b7" }));
    stage.produce([once(), once()])?;
    stage.settled("delivered", 2.0)?;
    stage.produce([person("twice", "twice", 1, &json!({ "badge": "b7" }))])?;
    stage.settled("dead-lettered", 1.0)?;
    assert_eq!(server.ask("select id, name from people where badge = 'b7'")?, "once|first");
    stage.host.stop()
}

fn marks(server: &Server) -> anyhow::Result<()> {
    let mut settings = settings(server.kind);
    settings["deleted-column"] = json!("gone");
    let stage = Stage::start(server, &settings, NEWEST, GRANT)?;
    stage.produce([
        person("1", "once", 1, &json!({})),
        deletion("2", "once", 5),
        person("3", "once", 3, &json!({ "name": "late" })),
        deletion("4", "early", 5),
        person("5", "early", 3, &json!({ "name": "late" })),
        person("6", "alive", 1, &json!({})),
        deletion("7", "alive", 5),
        person("8", "alive", 7, &json!({ "name": "again" })),
        deletion("9", "newer", 2),
        person("10", "newer", 6, &json!({})),
        deletion("11", "newer", 4),
    ])?;
    stage.settled("superseded", 3.0)?;
    stage.settled("delivered", 8.0)?;
    let living = "select id, name from people where not gone order by id";
    assert_eq!(server.ask(living)?, "alive|again\nnewer|Ada");
    assert_eq!(server.ask("select id from people where gone order by id")?, "early\nonce");
    assert_eq!(stage.reasons()?, []);
    stage.host.stop()?;

    // A row that is deleted leaves no version: what comes later makes it anew. So the README says.
    let stage = Stage::start(server, &super::settings(server.kind), NEWEST, GRANT)?;
    stage.produce([
        person("1", "plain", 1, &json!({})),
        deletion("2", "plain", 5),
        person("3", "plain", 3, &json!({ "name": "late" })),
    ])?;
    stage.settled("delivered", 3.0)?;
    assert_eq!(server.ask("select name from people where id = 'plain'")?, "late");
    stage.host.stop()
}

fn foreign_keys(server: &Server) -> anyhow::Result<()> {
    let mut settings = settings(server.kind);
    let stage = Stage::start(server, &settings, NEWEST, "breaker = { failures = 64 }")?;
    stage.produce([person("1", "child", 1, &json!({ "team": "t1" }))])?;
    stage.settled("dead-lettered", 1.0)?;
    let reasons = stage.reasons()?;
    assert!(reasons[0].1.to_lowercase().contains("foreign key"), "{reasons:?}");
    stage.host.stop()?;

    settings["foreign-key"] = json!("retry");
    let patient =
        "[sla.default]\ninitial-interval = \"20ms\"\nmax-interval = \"50ms\"\nmax-attempts = 1000\n";
    let stage = Stage::start_with(server, &settings, NEWEST, "breaker = { failures = 64 }", patient)?;
    stage.produce([person("1", "child", 1, &json!({ "team": "t1" }))])?;
    wait::until(LIMIT, "attempts without the parent", || stage.attempts("retry") >= 2.0)?;
    server.ask("insert into teams values ('t1')")?;
    stage.settled("delivered", 1.0)?;
    assert_eq!(server.ask("select team from people where id = 'child'")?, "t1");
    stage.host.stop()
}

/// A table that is not there, and one that was not granted, lose no event and are mended without a restart.
fn mistakes(server: &Server) -> anyhow::Result<()> {
    let settings: Value = json!({
        "dialect": server.kind.dialect(), "table": "later", "key": ["id"], "columns": { "id": "key", "name": "/name" },
    });
    let probing = "breaker = { failures = 64, probe-interval = \"50ms\" }";
    let stage = Stage::start(server, &settings, NEWEST, probing)?;
    stage
        .produce((0..20).map(|number| person(&format!("e{number}"), &format!("k{number}"), 1, &json!({}))))?;
    wait::until(LIMIT, "a denial", || stage.attempts("denied") >= 1.0)?;
    assert_eq!(stage.reasons()?, []);
    server.ask(&format!(
        "create table later (id {text} primary key, name {text})",
        text = server.kind.text()
    ))?;
    stage.settled("delivered", 20.0)?;
    assert_eq!(server.ask("select count(*) from later")?, "20");
    assert_eq!(stage.reasons()?, []);
    stage.host.stop()?;

    let granted = "database = { tables = [\"people\"] }\nbreaker = { failures = 64 }";
    let stage = Stage::start(server, &settings, NEWEST, granted)?;
    stage.produce([person("e", "not granted", 1, &json!({}))])?;
    wait::until(LIMIT, "a denial", || stage.attempts("denied") >= 1.0)?;
    assert_eq!((stage.reasons()?, stage.attempts("rejected")), (vec![], 0.0));
    stage.host.stop()
}
