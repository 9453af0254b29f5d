//! Deliveries are gathered and done by few requests: by number and by time, and at once where somebody waits.
//! On a real PostgreSQL, by the plugin `warehouse`; and over HTTP, by connectors in Python and TypeScript.

use std::collections::BTreeSet;

use anyhow::ensure;
use liaison_tests::host::HostProcess;
use liaison_tests::languages::Language;
use liaison_tests::local::LocalHost;
use liaison_tests::system::Behaviour;
use liaison_tests::{is_quick, port, say_skipped};
use serde_json::Value;

use crate::command::Program;
use crate::fixture::{CALLED_ONCE, Config, Fixture, LIMIT, QUICK, event, letters};
use crate::warehouse_table::{BATCH, Stage, UNORDERED, policy, settled};

/// It is their number that ends a gathering, however slow the machine is; only the last one waits.
const BY_NUMBER: &str = r#"batch = { events = 100, wait = "2s" }"#;

#[test]
fn many_events_are_few_requests() -> anyhow::Result<()> {
    let Some(stage) = Stage::new("many_events_are_few_requests")? else { return Ok(()) };
    // Ten versions of each key: several of one go together where nothing waits for its order.
    let events = (0..2_000).map(|number| {
        let (key, day) = (number % 200, number / 200 + 1);
        policy(&format!("{key}-{day}"), &format!("k{key}"), &format!("title {day}"), day)
    });
    stage.produce(events)?;
    // Two requests at the same moment that write the same rows get in each other's way, and what then is looked at once more
    // comes in ones and twos, as there is always somebody who waits: one goes after another here.
    let config = stage.config(BY_NUMBER, UNORDERED)?;
    let host = LocalHost::start(&config.replace("\"history\"] }", "\"history\"], connections = 1 }"))?;
    host.wait_for_metric(LIMIT, "liaison_events_settled_total", &[], |found| found >= 2_000.0)?;
    let metrics = host.metrics();
    let requests = metrics.sum("liaison_http_request_duration_seconds_count", &[]);
    let joined = metrics.sum("liaison_joined_requests_total", &[]);
    assert!(requests <= 200.0 && joined >= 1_800.0, "{requests} requests, {joined} joined");
    host.stop()?;
    let newest = "select count(*) from policies where title = 'title 10' and not deleted";
    assert_eq!(stage.server.psql(newest)?, "200");
    assert_eq!(stage.server.psql("select count(*) from history")?, "2000");
    assert!(letters(&stage.broker)?.is_empty());
    Ok(())
}

#[test]
fn a_key_with_many_events_waits_for_nobody() -> anyhow::Result<()> {
    let Some(stage) = Stage::new("a_key_with_many_events_waits_for_nobody")? else { return Ok(()) };
    stage.produce((1..=28).map(|day| policy(&day.to_string(), "hot", &format!("title {day}"), day)))?;
    let host = stage.host(r#"batch = { events = 100, wait = "1h" }"#, "")?;
    // The last one has nobody behind it, and may wait for others.
    settled(&host, "delivered", 27.0)?;
    let titles = "select string_agg(data ->> 'title', ',' order by \"offset\") from history";
    let expected: Vec<_> = (1..=27).map(|day| format!("title {day}")).collect();
    assert_eq!(stage.server.psql(titles)?, expected.join(","));
    host.stop()?;
    assert_eq!(
        stage.policies()?,
        "hot|title 28|3|2026-01-28 00:00:00|f",
        "what was gathered goes at the end"
    );
    Ok(())
}

#[test]
fn what_is_gathered_when_the_host_ends_is_delivered_and_committed() -> anyhow::Result<()> {
    let Some(stage) = Stage::new("what_is_gathered_when_the_host_ends_is_delivered_and_committed")? else {
        return Ok(());
    };
    let patient = r#"batch = { events = 100, wait = "1h" }"#;
    let host = stage.host(patient, UNORDERED)?;
    stage.produce((0..7).map(|number| policy(&number.to_string(), &number.to_string(), "t", 1)))?;
    host.wait_for_metric(LIMIT, "liaison_attempts_in_flight", &[], |found| found >= 7.0)?;
    assert_eq!(stage.policies()?, "", "they wait for others");
    host.stop()?;
    assert_eq!(stage.server.psql("select count(*) from policies")?, "7");
    let host = stage.host(patient, UNORDERED)?;
    stage.produce((7..9).map(|number| policy(&number.to_string(), &number.to_string(), "t", 1)))?;
    host.wait_for_metric(LIMIT, "liaison_attempts_in_flight", &[], |found| found >= 2.0)?;
    assert_eq!(host.metrics().sum("liaison_events_received_total", &[]), 2.0, "the others were committed");
    host.stop()
}

#[test]
fn a_host_that_is_killed_between_batches_does_nothing_twice() -> anyhow::Result<()> {
    let Some(stage) = Stage::new("a_host_that_is_killed_between_batches_does_nothing_twice")? else {
        return Ok(());
    };
    const EVENTS: usize = 3_000;
    stage.produce((0..EVENTS).map(|number| {
        let key = number % 100;
        policy(
            &number.to_string(),
            &format!("k{key}"),
            &format!("title {number}"),
            1 + u32::try_from(number / 100).unwrap_or_default() % 28,
        )
    }))?;
    let admin = port::free()?;
    let config =
        stage.config(BATCH, UNORDERED)?.replace("address = false", &format!("address = \"{admin}\""));
    let mut host = HostProcess::start(&config, admin, &[])?;
    for part in [1, 2] {
        host.wait_ready(LIMIT)?;
        let there = |stage: &Stage| -> usize {
            let count = stage.server.psql("select count(*) from history").ok();
            count.and_then(|count| count.parse().ok()).unwrap_or_default()
        };
        liaison_tests::wait::until(LIMIT, "a third of the events", || there(&stage) >= EVENTS / 3 * part)?;
        host.start_again()?;
    }
    host.wait_ready(LIMIT)?;
    let all = format!("{EVENTS}|{EVENTS}|{EVENTS}");
    let count = "select count(*), count(distinct id), count(distinct delivery) from history";
    liaison_tests::wait::until(LIMIT, "all events", || {
        stage.server.psql(count).is_ok_and(|found| found == all)
    })?;
    ensure!(host.terminate(LIMIT)?.success(), "{:?}", host.log());
    assert_eq!(stage.server.psql(count)?, all);
    assert_eq!(
        stage.server.psql("select count(*) from policies where updated_at = '2026-01-28T00:00:00Z'")?,
        "100"
    );
    assert!(letters(&stage.broker)?.is_empty());
    Ok(())
}

#[test]
fn a_connector_in_python_shares_requests_and_one_bad_event_fails_by_itself() -> anyhow::Result<()> {
    if is_quick() {
        say_skipped("a_connector_in_python_shares_requests_and_one_bad_event_fails_by_itself", "needs pip");
        return Ok(());
    }
    shares_requests("lines-python", Language::Python)
}

#[test]
fn a_connector_in_typescript_shares_requests_and_one_bad_event_fails_by_itself() -> anyhow::Result<()> {
    if is_quick() {
        say_skipped(
            "a_connector_in_typescript_shares_requests_and_one_bad_event_fails_by_itself",
            "needs npm",
        );
        return Ok(());
    }
    shares_requests("lines-js", Language::JavaScript)
}

/// One line an event, of which one is refused with all that it is together with.
fn shares_requests(plugin: &str, language: Language) -> anyhow::Result<()> {
    let tables = format!("{QUICK}\n{CALLED_ONCE}");
    let config = Config {
        plugin,
        plugin_settings: language.plugin_settings(),
        connector: BY_NUMBER,
        subscription: UNORDERED,
        tables: &tables,
        ..Config::default()
    };
    let lines = |body: &[u8]| -> BTreeSet<String> {
        String::from_utf8_lossy(body).lines().map(str::to_owned).collect()
    };
    let refusing =
        Behaviour::ok().when(move |request| lines(request.body).contains("bad"), Behaviour::status(400));
    let fixture = Fixture::start(&config, refusing)?;
    let ids: BTreeSet<_> = (0..400).map(|number| number.to_string()).collect();
    let sent = ids.iter().map(String::as_str).chain(["bad"]);
    fixture.produce(sent.map(|id| event(id, id)))?;
    fixture.settled("delivered", ids.len())?;
    let refused = fixture.dead_letters(1)?;
    assert_eq!((refused[0].event_id()?, refused[0].reason()?), ("bad", "rejected"));
    assert_eq!(refused[0].message()?, "POST /lines answered 400 Bad Request");
    let ledger = fixture.system.ledger();
    let accepted = ledger.iter().filter(|entry| entry.is_accepted());
    let taken: Vec<_> = accepted.flat_map(|entry| lines(&entry.body)).collect();
    assert_eq!((taken.len(), taken.into_iter().collect::<BTreeSet<_>>()), (ids.len(), ids));
    assert!(ledger.len() <= 100, "{} requests", ledger.len());
    fixture.host.stop()
}

#[test]
fn a_batch_for_a_plugin_that_joins_nothing_is_a_mistake_of_the_configuration() -> anyhow::Result<()> {
    let program = Program::new("")?;
    let rest = liaison_tests::host::plugin("rest")?;
    let config = format!(
        "[kafka]\nbrokers = 'embedded'\n[plugins.rest]\npath = '{}'\n[connectors.c]\nplugin = 'rest'\nendpoint = \
         'http://h.example'\nsettings = {{ path = '/{{id}}' }}\nbatch = {{}}\n[subscriptions.s]\nconnector = 'c'\ntopics = ['t']\n",
        rest.display()
    );
    program.folder().write("liaison.toml", &config)?;
    let ended = program.run("check")?;
    let expected = "plugin rest does not export liaison:plugin/joiner@0.1.0, so nothing can be joined for c; leave its `batch` out";
    ensure!(ended.code == Some(64) && ended.log.contains(expected), "{ended:#?}");
    let seen: Value =
        program.ask(&format!("plugin inspect {}", liaison_tests::host::plugin("warehouse")?.display()), 0)?;
    assert_eq!(seen["world"], "joining-connector-plugin");
    Ok(())
}
