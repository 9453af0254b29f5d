//! Versions of a plugin whose requests are joined: where a connector has a `batch`, one that cannot join takes the place
//! of none.

use std::fs;

use liaison_tests::host::plugin;
use liaison_tests::produce::cloudevent;
use liaison_tests::system::Behaviour;
use serde_json::{Value, json};

use crate::alerts::Receiver;
use crate::fixture::{CALLED_ONCE, Config, Fixture, TOPIC, event};
use crate::plugin_versions::{PluginFile, sha256, status, swaps, version, wait_for, wait_for_candidate};
use crate::reload_connector::reload_with;

const FILES: &str = r#"settings = { files = "policies" }"#;
const BATCH: &str = r#"batch = { events = 50, wait = "50ms" }"#;
const UNORDERED: &str = "ordering = \"none\"\nparking.delays = []";

fn component(name: &str) -> anyhow::Result<Vec<u8>> {
    Ok(fs::read(plugin(name)?)?)
}

fn produce(fixture: &Fixture, from: usize) -> anyhow::Result<()> {
    fixture
        .produce((from..from + 100).map(|number| event(&format!("e-{number}"), &format!("k-{number}"))))?;
    fixture.settled("delivered", from + 100)
}

fn joined(fixture: &Fixture) -> f64 {
    fixture.metric("liaison_joined_requests_total", &[])
}

#[test]
fn a_version_that_joins_nothing_is_refused_where_a_connector_has_a_batch() -> anyhow::Result<()> {
    let (file, receiver) = (PluginFile::of(&component("warehouse")?)?, Receiver::start()?);
    let (path, tables, connector) = (file.text(), receiver.tables("")?, format!("{FILES}\n{BATCH}"));
    let config = Config { plugin: &path, connector: &connector, tables: &tables, ..Config::default() };
    let config = Config { subscription: UNORDERED, ..config };
    let fixture = Fixture::start(&config, Behaviour::ok())?;
    produce(&fixture, 0)?;
    assert!(joined(&fixture) > 0.0);
    file.replace_by(&component("rest")?)?;
    receiver.wait_for_state("plugin-version", "raised")?;
    let alerts = receiver.alerts()?;
    let message = alerts.iter().filter_map(|alert| alert["message"].as_str()).collect::<String>();
    let says = "the new version does not export liaison:plugin/joiner@0.1.0";
    assert!(message.contains(says), "{message}");
    let shown = status(&fixture);
    let before = sha256(&component("warehouse")?);
    assert_eq!((&shown["candidate"], &shown["live"]), (&Value::Null, &before.into()));
    assert_eq!(swaps(&fixture, "refused"), 1.0);
    let joined_before = joined(&fixture);
    produce(&fixture, 100)?;
    assert!(joined(&fixture) > joined_before, "the version before goes on, and joins");
    fixture.stop_without_dead_letters()
}

#[test]
fn a_version_that_joins_nothing_is_tried_where_nothing_is_joined() -> anyhow::Result<()> {
    let file = PluginFile::of(&component("warehouse")?)?;
    let path = file.text();
    let fixture =
        Fixture::start(&Config { plugin: &path, connector: FILES, ..Config::default() }, Behaviour::ok())?;
    produce(&fixture, 0)?;
    let next = component("rest")?;
    file.replace_by(&next)?;
    wait_for_candidate(&fixture, &sha256(&next))?;
    fixture.stop_without_dead_letters()
}

#[test]
fn a_batch_that_comes_with_a_version_that_joins_does_not_wait_for_its_trial() -> anyhow::Result<()> {
    let file = PluginFile::of(&component("rest")?)?;
    let path = file.text();
    let before = r#"settings = { path = "/events/{id}" }"#;
    let config = Config { plugin: &path, connector: before, ..Config::default() };
    let fixture = Fixture::start(&config, Behaviour::ok())?;
    produce(&fixture, 0)?;
    file.replace_by(&component("warehouse")?)?;
    let connector = format!("{FILES}\n{BATCH}");
    let config = Config { connector: &connector, subscription: UNORDERED, ..config };
    let reloaded = reload_with(&fixture, &config)?;
    assert_eq!(reloaded.restarted.len(), 1);
    produce(&fixture, 100)?;
    assert!(joined(&fixture) > 0.0);
    fixture.stop_without_dead_letters()
}

#[test]
fn a_version_that_fails_when_it_joins_is_rolled_back_and_the_one_before_joins_in_its_place()
-> anyhow::Result<()> {
    let file = PluginFile::new("versioned", "v1")?;
    let path = file.text();
    let config = Config { plugin: &path, connector: BATCH, subscription: UNORDERED, ..Config::default() };
    let fixture = Fixture::start(&config, Behaviour::ok())?;
    let produce = |from: usize| -> anyhow::Result<()> {
        let many =
            |number| cloudevent(TOPIC, "many", &format!("e-{number}"), &format!("k-{number}"), &json!({}));
        fixture.produce((from..from + 100).map(many))?;
        fixture.settled("delivered", from + 100)
    };
    produce(0)?;
    assert!(joined(&fixture) > 0.0);
    file.replace("tangle")?;
    wait_for_candidate(&fixture, &sha256(&version("versioned", "tangle")?))?;
    let (joined_before, requests_before) = (joined(&fixture), fixture.system.count());
    produce(100)?;
    assert!(joined(&fixture) > joined_before, "joined by the version before");
    assert!(fixture.system.count() - requests_before < 100);
    wait_for(&fixture, "the rollback", |status| status["candidate"].is_null())?;
    let why = status(&fixture)["last_rollback"]["why"].to_string();
    assert!(why.contains("it cannot join what it was given: "), "{why}");
    fixture.stop_without_dead_letters()
}

#[test]
fn one_event_that_cannot_be_joined_goes_with_few_others_by_itself() -> anyhow::Result<()> {
    let file = PluginFile::new("versioned", "snare")?;
    let path = file.text();
    let config = Config {
        plugin: &path,
        connector: r#"batch = { events = 50, wait = "2s" }"#,
        subscription: UNORDERED,
        tables: CALLED_ONCE,
        ..Config::default()
    };
    let fixture = Fixture::start(&config, Behaviour::ok())?;
    let many = |id: &str| cloudevent(TOPIC, "many", id, id, &json!({}));
    fixture.produce((0..149).map(|number| many(&format!("e-{number}"))).chain([many("snare")]))?;
    fixture.settled("delivered", 150)?;
    assert!(fixture.metric("liaison_plugin_faults_total", &[("kind", "trap")]) >= 1.0);
    let (joined, requests) = (joined(&fixture), fixture.system.count());
    assert!(joined >= 100.0 && requests <= 50, "{joined} joined, {requests} requests");
    let lines: Vec<String> = fixture
        .system
        .ledger()
        .iter()
        .flat_map(|entry| String::from_utf8_lossy(&entry.body).lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let once: std::collections::BTreeSet<_> = lines.iter().collect();
    assert_eq!((lines.len(), once.len()), (150, 150));
    fixture.stop_without_dead_letters()
}
