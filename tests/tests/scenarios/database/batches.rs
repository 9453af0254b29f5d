//! Rows of many events in few transactions: as if each had been written by itself.

use serde_json::json;

use super::rows::{GRANT, on, on_each_database};
use super::server::{Kind, Server};
use super::{NEWEST, Stage, person, settings};

const ROWS: u32 = 300;

on_each_database! {
    rows_of_postgres_share_transactions, rows_of_mariadb_share_transactions, rows_of_sqlite_share_transactions => share;
}

fn share(server: &Server) -> anyhow::Result<()> {
    let batch = format!("{GRANT}\nbatch = {{ events = 64, wait = \"2s\" }}");
    let stage = Stage::start(server, &settings(server.kind), NEWEST, &batch)?;
    let good = || (0..ROWS).map(|number| person(&format!("e{number}"), &format!("k{number}"), 5, &json!({})));
    let unnamed = person("unnamed", "unnamed", 5, &json!({ "name": "" }));
    stage.produce(good().take(150).chain([unnamed]).chain(good().skip(150)))?;
    stage.settled("delivered", f64::from(ROWS))?;
    stage.settled("dead-lettered", 1.0)?;
    let joined = stage.host.metrics().sum("liaison_joined_requests_total", &[]);
    assert!(joined >= f64::from(ROWS) / 3.0, "only {joined} went with others");
    let reasons = stage.reasons()?;
    assert!(reasons.len() == 1 && reasons[0].1.contains("constraint `named`"), "{reasons:?}");
    let count = format!("{ROWS}|{ROWS}");
    assert_eq!(server.ask("select count(*), count(distinct id) from people where name = 'Ada'")?, count);
    // All of it again, and then older ones: each is told of its own row.
    let older = (0..ROWS)
        .map(|number| person(&format!("o{number}"), &format!("k{number}"), 2, &json!({ "name": "older" })));
    stage.produce(good().chain(older))?;
    stage.settled("delivered", f64::from(2 * ROWS))?;
    stage.settled("superseded", f64::from(ROWS))?;
    assert_eq!(server.ask("select count(*), count(distinct id) from people where name = 'Ada'")?, count);
    stage.host.stop()
}
