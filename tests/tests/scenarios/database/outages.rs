//! A database that is gone for a while: nothing is lost, and nothing given up.

use serde_json::json;

use super::server::{Kind, Server};
use super::{NEWEST, Stage, people, person, settings};

const KEYS: u32 = 10;
const VERSIONS: u32 = 20;
/// The attempts are over soon where the database only keeps silent.
const SLA: &str = "[sla.default]\nattempt-timeout = \"500ms\"\ninitial-interval = \"20ms\"\nmax-interval = \"50ms\"\n\
                   max-attempts = 6\n";

fn nothing_is_lost(kind: Kind, test: &str) -> anyhow::Result<()> {
    let Some(mut server) = Server::start(kind, test, &people(kind))? else { return Ok(()) };
    let more = "breaker = { failures = 5, probe-interval = \"50ms\" }";
    let stage = Stage::start_with(&server, &settings(kind), NEWEST, more, SLA)?;
    let event = |key: u32, version: u32| {
        person(
            &format!("{key}-{version}"),
            &format!("k{key}"),
            version,
            &json!({ "name": format!("v{version}") }),
        )
    };
    let events = |versions: std::ops::Range<u32>| {
        versions.flat_map(move |version| (0..KEYS).map(move |key| (key, version)))
    };
    stage.produce(events(0..VERSIONS / 2).map(|(key, version)| event(key, version)))?;
    stage.settled("delivered", f64::from(KEYS))?;
    server.stop()?;
    stage.produce(events(VERSIONS / 2..VERSIONS).map(|(key, version)| event(key, version)))?;
    let is_open = |found: f64| found >= 1.0;
    stage.host.wait_for_metric(
        crate::fixture::LIMIT,
        "liaison_attempts_total",
        &[("outcome", "retry")],
        is_open,
    )?;
    server.start_again()?;
    stage.settled("delivered", f64::from(KEYS * VERSIONS))?;
    assert_eq!(stage.reasons()?, []);
    let last = server.ask("select count(*), min(name), max(name) from people")?;
    assert_eq!(last, format!("{KEYS}|v{last}|v{last}", last = VERSIONS - 1));
    stage.host.stop()
}

#[test]
fn an_outage_of_postgres_loses_no_row() -> anyhow::Result<()> {
    nothing_is_lost(Kind::Postgres, "an_outage_of_postgres_loses_no_row")
}

#[test]
fn an_outage_of_mariadb_loses_no_row() -> anyhow::Result<()> {
    nothing_is_lost(Kind::MariaDb, "an_outage_of_mariadb_loses_no_row")
}

#[test]
fn a_sqlite_file_that_another_holds_loses_no_row() -> anyhow::Result<()> {
    nothing_is_lost(Kind::Sqlite, "a_sqlite_file_that_another_holds_loses_no_row")
}
