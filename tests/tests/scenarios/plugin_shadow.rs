//! A new version shadows the one that runs: it performs nothing, and what it would do differently is shown.

use std::collections::BTreeSet;

use liaison_tests::system::Behaviour;
use liaison_tests::wait;
use serde_json::{Value, json};

use crate::fixture::{Config, Fixture, LIMIT, event};
use crate::plugin_versions::{PluginFile, sha256, status, swaps, version, wait_for, word};

const EVENTS: usize = 40;

fn start(file: &PluginFile, rollout: &str) -> anyhow::Result<Fixture> {
    let (path, tables) = (file.text(), format!("[plugins.subject.rollout]\n{rollout}"));
    Fixture::start(&Config { plugin: &path, tables: &tables, ..Config::default() }, Behaviour::status(201))
}

/// A few events, whose attempts fit into what may wait to be compared.
fn deliver(fixture: &Fixture, so_far: usize) -> anyhow::Result<()> {
    fixture.produce(
        (so_far..so_far + EVENTS).map(|number| event(&format!("e-{number}"), &format!("k-{number}"))),
    )?;
    fixture.settled("delivered", so_far + EVENTS)
}

fn compared(status: &Value) -> u64 {
    let events = &status["candidate"]["shadow"]["events"];
    ["same", "different", "dropped"].iter().filter_map(|result| events[result].as_u64()).sum()
}

#[test]
fn what_a_shadow_would_do_differently_is_shown_and_not_performed() -> anyhow::Result<()> {
    let file = PluginFile::new("versioned", "v1")?;
    let fixture = start(&file, "shadow = \"10m\"")?;
    deliver(&fixture, 0)?;
    for (word, result) in [("detour", "different"), ("v1-again", "different"), ("v1", "same")] {
        let mut component = version("versioned", word)?;
        if word == "v1" {
            // A custom section without content: the same plugin, and another file.
            component.extend_from_slice(&[0, 5, 4, b'n', b'o', b't', b'e']);
        }
        file.replace_by(&component)?;
        wait_for(&fixture, "a shadow", |status| {
            status["candidate"]["sha256"] == sha256(&component) && status["candidate"]["phase"] == "shadow"
        })?;
        let so_far = fixture.system.count();
        deliver(&fixture, so_far)?;
        wait_for(&fixture, "the comparison", |status| compared(status) == EVENTS as u64)?;
        let shown = status(&fixture);
        let shadow = &shown["candidate"]["shadow"];
        let of_result = shadow["events"][result].as_u64().unwrap_or_default();
        let dropped = shadow["events"]["dropped"].as_u64().unwrap_or_default();
        assert_eq!(of_result + dropped, EVENTS as u64, "{word}: {shadow}");
        assert!(of_result > 0, "{word}: {shadow}");
        let differences: Vec<_> = shadow["differences"].as_array().into_iter().flatten().collect();
        let first = differences.first().and_then(|text| text.as_str()).unwrap_or_default();
        match word {
            "detour" => assert!(first.contains("step 1 asks PUT /detour/e-"), "{first}"),
            "v1-again" => assert!(first.contains("with other headers or another body"), "{first}"),
            _ => assert_eq!(differences, Vec::<&Value>::new()),
        }
        assert!(differences.len() <= 5);
        assert_eq!((&shown["candidate"]["failed"], &shown["last_rollback"]), (&json!(0), &Value::Null));
    }
    let words: BTreeSet<_> = fixture.system.ledger().iter().map(|entry| word(entry).to_owned()).collect();
    assert_eq!(words, BTreeSet::from(["v1".to_owned()]), "the external system saw one version");
    assert!(fixture.system.ledger().iter().all(|entry| entry.path.starts_with("/events/")));
    let counted = || fixture.metric("liaison_plugin_shadowed_total", &[]);
    wait::until(LIMIT, "the metrics", || counted() == (3 * EVENTS) as f64)?;
    fixture.stop_without_dead_letters()
}

#[test]
fn a_shadow_that_traps_is_rolled_back_before_it_is_given_an_event() -> anyhow::Result<()> {
    let file = PluginFile::new("versioned", "v1")?;
    let fixture = start(&file, "shadow = \"10m\"")?;
    deliver(&fixture, 0)?;
    file.replace("trap")?;
    let bad = sha256(&version("versioned", "trap")?);
    wait_for(&fixture, "a shadow", |status| status["candidate"]["sha256"] == bad)?;
    deliver(&fixture, EVENTS)?;
    wait_for(&fixture, "the rollback", |status| status["last_rollback"]["sha256"] == bad)?;
    assert_eq!(swaps(&fixture, "rolled-back"), 1.0);
    // The version that runs has failed on nothing.
    assert_eq!(fixture.metric("liaison_plugin_faults_total", &[]), 0.0);
    fixture.stop_without_dead_letters()
}
