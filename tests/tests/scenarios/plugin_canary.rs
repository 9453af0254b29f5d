//! A new version is given some keys first, and only those.

use std::collections::{BTreeMap, BTreeSet};

use liaison_tests::system::Behaviour;

use crate::fixture::{Config, Fixture, event, id_of};
use crate::kafka_fixture::say;
use crate::plugin_versions::{PluginFile, sha256, version, wait_for, wait_for_candidate, word};

const KEYS: usize = 400;

fn start(file: &PluginFile, rollout: &str) -> anyhow::Result<Fixture> {
    let (path, tables) = (file.text(), format!("[plugins.subject.rollout]\n{rollout}"));
    Fixture::start(&Config { plugin: &path, tables: &tables, ..Config::default() }, Behaviour::ok())
}

/// So many events of each key, in rounds.
fn produce(fixture: &Fixture, rounds: std::ops::Range<usize>) -> anyhow::Result<()> {
    let count = rounds.end * KEYS;
    fixture.produce(rounds.flat_map(|round| {
        (0..KEYS).map(move |key| event(&format!("{key}-{round}"), &format!("key-{key}")))
    }))?;
    fixture.settled("delivered", count)
}

/// The versions that delivered each key.
fn versions_by_key(fixture: &Fixture) -> BTreeMap<String, BTreeSet<String>> {
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for entry in &fixture.system.take_ledger() {
        let key = id_of(entry).split('-').next().unwrap_or_default().to_owned();
        versions.entry(key).or_default().insert(word(entry).to_owned());
    }
    versions
}

#[test]
fn a_canary_takes_its_share_of_keys_and_no_others() -> anyhow::Result<()> {
    let file = PluginFile::new("versioned", "v1")?;
    let fixture = start(&file, "canary = 0.2\ncanary-for = \"10m\"")?;
    produce(&fixture, 0..1)?;
    fixture.system.take_ledger();
    file.replace("v2")?;
    wait_for_candidate(&fixture, &sha256(&version("versioned", "v2")?))?;
    produce(&fixture, 1..4)?;
    let versions = versions_by_key(&fixture);
    assert_eq!(versions.len(), KEYS);
    assert!(versions.values().all(|versions| versions.len() == 1), "a key goes to one version: {versions:?}");
    let taken = versions.values().filter(|versions| versions.contains("v2")).count();
    say(&format!("{taken} of {KEYS} keys for a share of 0.2"));
    assert!((50..110).contains(&taken), "{taken} of {KEYS} keys");
    let shown = crate::plugin_versions::status(&fixture);
    assert_eq!(
        (&shown["candidate"]["phase"], &shown["candidate"]["events"]),
        (&"canary".into(), &(taken * 3).into())
    );
    fixture.stop_without_dead_letters()
}

#[test]
fn a_canary_that_goes_well_is_given_all_keys_and_one_that_fails_none() -> anyhow::Result<()> {
    let file = PluginFile::new("versioned", "v1")?;
    let fixture = start(&file, "canary = 0.2\ncanary-for = \"300ms\"\nwindow = \"300ms\"")?;
    file.replace("v2")?;
    let second = sha256(&version("versioned", "v2")?);
    wait_for(&fixture, "all keys", |status| status["candidate"]["phase"] == "watched")?;
    produce(&fixture, 0..1)?;
    assert!(versions_by_key(&fixture).values().all(|versions| versions.contains("v2")));
    wait_for(&fixture, "the second version", |status| status["live"] == second)?;

    file.replace("trap")?;
    wait_for(&fixture, "a canary", |status| status["candidate"]["phase"] == "canary")?;
    produce(&fixture, 1..2)?;
    wait_for(&fixture, "the rollback", |status| status["candidate"].is_null())?;
    assert!(versions_by_key(&fixture).values().all(|versions| versions.contains("v2")));
    fixture.stop_without_dead_letters()
}
