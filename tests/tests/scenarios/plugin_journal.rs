//! A delivery that is half done when its plugin changes goes on with the version that began it.

use std::time::Duration;

use liaison_tests::system::{Behaviour, Request};

use crate::fixture::{Config, Fixture, LIMIT, PATIENT, QUICK, event};
use crate::plugin_versions::{PluginFile, sha256, version, wait_for_candidate, word};

const JOURNAL: &str = "liaison.calendar.journal";
const EVENTS: usize = 5;

fn is_second(request: &Request<'_>) -> bool {
    request.path.starts_with("/events/")
}

#[test]
fn what_is_journalled_is_taken_up_by_the_version_that_asked_for_it() -> anyhow::Result<()> {
    let file = PluginFile::new("versioned", "steps1")?;
    let path = file.text();
    let tables = format!("{QUICK}\n[plugins.subject.rollout]\nwindow = \"10m\"");
    let config = Config {
        plugin: &path,
        connector: PATIENT,
        subscription: "journal = true",
        tables: &tables,
        ..Config::default()
    };
    let late = Behaviour::status(503).with_latency(Duration::from_secs(3));
    let second = Behaviour::status(204).for_first(1, late);
    let fixture = Fixture::start_with(&[JOURNAL], &config, Behaviour::ok().when(is_second, second))?;
    fixture.produce((0..EVENTS).map(|number| event(&format!("old-{number}"), &format!("k-{number}"))))?;
    fixture.system.wait_for(2 * EVENTS, LIMIT)?;
    // It asks at once for what the other asks second.
    file.replace("v2")?;
    wait_for_candidate(&fixture, &sha256(&version("versioned", "v2")?))?;
    fixture.settled("delivered", EVENTS)?;
    fixture.produce([event("new", "k-0")])?;
    fixture.settled("delivered", EVENTS + 1)?;
    let ledger = fixture.system.ledger();
    for number in 0..EVENTS {
        let of_event = ledger.iter().filter(|entry| entry.path.ends_with(&format!("/old-{number}")));
        let asked: Vec<_> =
            of_event.map(|entry| (entry.path.split('/').nth(1).unwrap_or_default(), word(entry))).collect();
        assert_eq!(asked, [("open", "steps1"), ("events", "steps1"), ("events", "steps1")], "event {number}");
    }
    // A new one begins with the version on trial, and what has failed once is the live one's again.
    let of_new: Vec<_> = ledger.iter().filter(|entry| entry.path.ends_with("/new")).collect();
    assert_eq!(of_new.first().map(|entry| word(entry)), Some("v2"));
    assert!(of_new[1..].iter().all(|entry| word(entry) == "steps1"));
    // Each old one, and the new one in its third attempt, by the live version.
    assert_eq!(fixture.metric("liaison_journal_resumed_total", &[]), (EVENTS + 1) as f64);
    assert_eq!(fixture.metric("liaison_plugin_faults_total", &[]), 0.0);
    fixture.stop_without_dead_letters()
}
