//! What is decided by versions: an equal one with other values, a merge of two, and columns that hold no versions.

use liaison::kafka::embedded::Embedded;
use liaison_tests::receiver::Receiver;
use serde_json::json;

use super::rows::{GRANT, on, on_each_database};
use super::server::{Kind, Server};
use super::{NEWEST, Stage, at, config, person, settings};
use crate::command::Program;
use crate::fixture::{DEAD_LETTERS, QUICK, TOPIC};

const MERGE: &str = r#"{ policy = "merge", owners = { "/name" = "source", "/updatedAt" = "source" } }"#;

on_each_database! {
    fields_of_two_are_merged_in_postgres, fields_of_two_are_merged_in_mariadb, fields_of_two_are_merged_in_sqlite => merges;
    an_equal_version_in_postgres_is_the_policys, an_equal_version_in_mariadb_is_the_policys,
        an_equal_version_in_sqlite_is_the_policys => equals;
    a_column_of_postgres_without_versions_is_found, a_column_of_mariadb_without_versions_is_found,
        a_column_of_sqlite_without_versions_is_found => unlike;
    a_column_of_postgres_that_rounds_is_told_while_it_runs, a_column_of_mariadb_that_rounds_is_told_while_it_runs,
        a_column_of_sqlite_in_another_form_is_told_while_it_runs => told;
}

/// The officer's name is the source's, the badge is the agency's, who gave another since.
fn merges(server: &Server) -> anyhow::Result<()> {
    let stage = Stage::start(server, &settings(server.kind), MERGE, GRANT)?;
    stage.produce([person("1", "ada", 1, &json!({ "name": "Ada", "badge": "b1" }))])?;
    stage.settled("delivered", 1.0)?;
    server.ask(
        "update people set badge = 'theirs', pay = 7, updated_at = '2026-01-01 00:00:09' where id = 'ada'",
    )?;
    let moved = || person("2", "ada", 5, &json!({ "name": "Ada Lovelace", "badge": "b1" }));
    stage.produce([moved()])?;
    stage.settled("delivered", 2.0)?;
    let held = || server.ask("select name, badge, pay is null from people where id = 'ada'");
    let is_paid = if server.kind == Kind::Postgres { "f" } else { "0" };
    assert_eq!(held()?, format!("Ada Lovelace|theirs|{is_paid}"));
    let second = server.ask("select count(*) from people where updated_at = '2026-01-01 00:00:05'")?;
    assert_eq!(second, "1", "the version is the source's");
    // The same again: its badge is not what is held, and merged it is.
    stage.produce([moved(), moved()])?;
    stage.settled("superseded", 2.0)?;
    assert_eq!(held()?, format!("Ada Lovelace|theirs|{is_paid}"));
    assert_eq!(stage.reasons()?, []);
    stage.host.stop()
}

/// The same version with other values: nobody's is written over unless the policy says so.
fn equals(server: &Server) -> anyhow::Result<()> {
    let name = || server.ask("select name from people where id = 'ada'");
    let event = |id: &str, name: &str| person(id, "ada", 5, &json!({ "name": name }));
    for (policy, kind, expected) in [
        (NEWEST, "superseded", "theirs"),
        (r#"{ policy = "target-wins" }"#, "superseded", "theirs"),
        (r#"{ policy = "manual" }"#, "dead-lettered", "theirs"),
        (r#"{ policy = "source-wins" }"#, "delivered", "ours"),
    ] {
        let stage = Stage::start(server, &settings(server.kind), policy, GRANT)?;
        server.ask("delete from people")?;
        stage.produce([event("1", "first")])?;
        stage.settled("delivered", 1.0)?;
        server.ask("update people set name = 'theirs'")?;
        stage.produce([event("2", "ours")])?;
        stage.settled(kind, if kind == "delivered" { 2.0 } else { 1.0 })?;
        assert_eq!((name()?.as_str(), stage.attempts("conflict")), (expected, 1.0), "{policy}");
        stage.host.stop()?;
    }
    Ok(())
}

/// A check tells where versions could not be compared, and is content where they can.
fn unlike(server: &Server) -> anyhow::Result<()> {
    let broker = Embedded::start(&[(TOPIC, 1), (DEAD_LETTERS, 1)])?;
    let good = settings(server.kind);
    let mut other = good.clone();
    other["version-column"] = json!("badge");
    other["columns"]["badge"] = json!("/updatedAt");
    let mut integer = good.clone();
    integer["columns"]["updated_at"] = json!({ "from": "/revision", "type": "integer" });
    server.ask(
        "insert into people (id, name, badge, updated_at) values ('x', 'X', 'b9', '2026-01-01 00:00:01')",
    )?;
    for (settings, part) in [
        (&good, None),
        (&other, Some("`badge` of people holds the version as `timestamp`, and")),
        (&integer, Some("`updated_at` of people holds the version as `integer`, and")),
    ] {
        let text = config(server, settings, NEWEST, GRANT, QUICK, broker.bootstrap())?;
        let checked = Program::new(&text)?.run("check --live")?;
        assert_eq!(checked.code, Some(i32::from(part.is_some())), "{checked:?}");
        assert!(checked.out.contains(part.unwrap_or("are there")), "{part:?}: {checked:?}");
    }
    // A column that rounds makes two versions one.
    let rounded = match server.kind {
        Kind::Postgres => "alter table people alter column updated_at type timestamptz(0)",
        Kind::MariaDb => "alter table people modify updated_at datetime",
        Kind::Sqlite => "select 1",
    };
    server.ask(rounded)?;
    if server.kind != Kind::Sqlite {
        let text = config(server, &good, NEWEST, GRANT, QUICK, broker.bootstrap())?;
        let checked = Program::new(&text)?.run("check --live")?;
        assert!(checked.code == Some(1) && checked.out.contains("rounds its fractions"), "{checked:?}");
    }
    // In SQLite a time may be written in any way: such a row is told.
    if server.kind == Kind::Sqlite {
        server.ask(&format!("update people set updated_at = '{}'", at(1)))?;
        let text = config(server, &good, NEWEST, GRANT, QUICK, broker.bootstrap())?;
        let checked = Program::new(&text)?.run("check --live")?;
        assert!(checked.code == Some(1) && checked.out.contains("in another form"), "{checked:?}");
    }
    Ok(())
}

/// What is wrong with a column is told when the host starts: no delivery fails of it, and none is held back. When the column
/// is mended, that is told too.
fn told(server: &Server) -> anyhow::Result<()> {
    let (break_it, mend_it, why) = match server.kind {
        Kind::Postgres => (
            "alter table people alter column updated_at type timestamptz(0)",
            "alter table people alter column updated_at type timestamptz",
            "rounds its fractions",
        ),
        Kind::MariaDb => (
            "alter table people modify updated_at datetime",
            "alter table people modify updated_at datetime(6)",
            "rounds its fractions",
        ),
        Kind::Sqlite => (
            "insert into people (id, updated_at) values ('old', '2026-01-01T00:00:01Z')",
            "delete from people where id = 'old'",
            "in another form",
        ),
    };
    server.ask(break_it)?;
    let receiver = Receiver::start()?;
    let tables = receiver.tables(QUICK)?;
    let stage = Stage::start_with(server, &settings(server.kind), NEWEST, GRANT, &tables)?;
    receiver.wait_for_state("unusable", "raised")?;
    let alerts = receiver.alerts()?;
    let message = alerts[0]["message"].as_str().unwrap_or_default();
    assert!(message.contains("`updated_at` of people") && message.contains(why), "{message}");
    assert_eq!(stage.host.metrics().sum("liaison_connector_unusable", &[]), 1.0);
    assert!(stage.host.is_ready(), "it holds nothing back");
    stage.produce([person("1", "ada", 1, &json!({}))])?;
    stage.settled("delivered", 1.0)?;
    server.ask(mend_it)?;
    receiver.wait_for_state("unusable", "recovered")?;
    assert_eq!(stage.host.metrics().sum("liaison_connector_unusable", &[]), 0.0);
    assert_eq!(receiver.states("unusable")?, ["raised", "recovered"]);
    stage.host.stop()
}
