//! A new version that is no good costs nobody an event: it is refused or rolled back by itself, and people are told.

use std::fs;
use std::time::{Duration, Instant};

use liaison_tests::host::plugin;
use liaison_tests::system::Behaviour;
use serde_json::Value;

use crate::alerts::Receiver;
use crate::fixture::{Config, Fixture, LIMIT, event, id_of, sorted};
use crate::kafka_fixture::say;
use crate::plugin_versions::{
    PluginFile, sha256, status, swaps, version, wait_for, wait_for_candidate, wait_for_live, word,
};

const EVENTS: usize = 100;

struct Stage {
    file: PluginFile,
    fixture: Fixture,
    receiver: Receiver,
    produced: usize,
}

impl Stage {
    fn new(plugin_settings: &str) -> anyhow::Result<Self> {
        Self::on(Behaviour::ok(), plugin_settings, "[plugins.subject.rollout]\nwindow = \"10s\"")
    }

    fn on(behaviour: Behaviour, plugin_settings: &str, tables: &str) -> anyhow::Result<Self> {
        let (file, receiver) = (PluginFile::new("versioned", "v1")?, Receiver::start()?);
        let (path, tables) = (file.text(), receiver.tables(tables)?);
        let config = Config { plugin: &path, plugin_settings, tables: &tables, ..Config::default() };
        let fixture = Fixture::start(&config, behaviour)?;
        let mut stage = Self { file, fixture, receiver, produced: 0 };
        stage.produce()?;
        stage.settle()?;
        Ok(stage)
    }

    fn produce(&mut self) -> anyhow::Result<()> {
        let events = (self.produced..self.produced + EVENTS)
            .map(|number| event(&format!("e-{number}"), &format!("k-{number}")));
        self.produced += EVENTS;
        self.fixture.produce(events)
    }

    fn settle(&self) -> anyhow::Result<()> {
        self.fixture.settled("delivered", self.produced)
    }

    fn alert(&self) -> anyhow::Result<String> {
        self.receiver.wait_for_state("plugin-version", "raised")?;
        let alerts = self.receiver.alerts()?;
        let alert =
            alerts.iter().find(|alert| alert["type"] == "liaison.plugin-version").expect("it was seen");
        assert_eq!(alert["about"], "subject");
        Ok(alert["message"].as_str().unwrap_or_default().to_owned())
    }

    /// All that was produced arrived, and nothing is a dead letter.
    fn end(self) -> anyhow::Result<()> {
        self.settle()?;
        let arrived = sorted(self.fixture.delivered());
        assert_eq!(arrived, sorted((0..self.produced).map(|number| format!("e-{number}"))));
        self.fixture.stop_without_dead_letters()
    }
}

/// A version that starts and then fails on its events.
fn failing(word: &str, says: &str) -> anyhow::Result<()> {
    let mut stage = Stage::new("")?;
    stage.file.replace(word)?;
    let bad = sha256(&version("versioned", word)?);
    wait_for_candidate(&stage.fixture, &bad)?;
    let begun = Instant::now();
    stage.produce()?;
    wait_for(&stage.fixture, "the rollback", |status| status["candidate"].is_null())?;
    say(&format!("{word}: rolled back {:?} after its first event was produced", begun.elapsed()));
    let message = stage.alert()?;
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(message.contains(&format!("version {} is rolled back", &bad[..12])), "{message}");
    assert!(message.contains(says), "{message}");
    let status = status(&stage.fixture);
    assert_eq!(status["live"], sha256(&version("versioned", "v1")?));
    assert_eq!(status["last_rollback"]["sha256"], bad);
    assert_eq!(swaps(&stage.fixture, "rolled-back"), 1.0);
    // Put there again it is the same, and not tried; another one is, and then the alert is over.
    stage.file.replace(word)?;
    stage.produce()?;
    stage.settle()?;
    assert!(stage.fixture.system.ledger().iter().all(|entry| word_is(entry, "v1")));
    let good = sha256(&version("versioned", "v1")?);
    stage.file.replace("v1")?;
    wait_for_live(&stage.fixture, &good)?;
    stage.receiver.wait_for_state("plugin-version", "recovered")?;
    stage.end()
}

fn word_is(entry: &liaison_tests::system::Entry, expected: &str) -> bool {
    word(entry) == expected
}

#[test]
fn a_version_that_traps_is_rolled_back_and_costs_no_event() -> anyhow::Result<()> {
    failing("trap", "the plugin said: ")
}

#[test]
fn a_version_that_rejects_what_the_one_before_delivers_is_rolled_back() -> anyhow::Result<()> {
    failing("reject", "rejected: rejected, as it is marked")
}

#[test]
fn a_version_that_computes_for_ever_is_rolled_back_before_it_holds_many_up() -> anyhow::Result<()> {
    failing("loop", "used up its 500ms of CPU time")
}

#[test]
fn a_version_that_runs_out_of_time_on_one_event_is_not_blamed_for_those_beside_it() -> anyhow::Result<()> {
    let mut stage = Stage::new("")?;
    stage.file.replace("snag")?;
    let snag = sha256(&version("versioned", "snag")?);
    wait_for_candidate(&stage.fixture, &snag)?;
    stage.fixture.produce([event("snag", "k-snag")])?;
    stage.produce()?;
    wait_for_live(&stage.fixture, &snag)?;
    assert_eq!(swaps(&stage.fixture, "rolled-back"), 0.0);
    // The version before delivered that one.
    let ledger = stage.fixture.system.ledger();
    let words: Vec<_> =
        ledger.iter().filter(|entry| id_of(entry) == "snag").map(|entry| word(entry)).collect();
    assert_eq!(words, ["v1"]);
    stage.fixture.settled("delivered", stage.produced + 1)?;
    stage.fixture.stop_without_dead_letters()
}

#[test]
fn a_version_that_fails_after_it_has_asked_is_rolled_back_and_what_it_asked_is_asked_again()
-> anyhow::Result<()> {
    let mut stage = Stage::new("")?;
    stage.file.replace("late")?;
    wait_for_candidate(&stage.fixture, &sha256(&version("versioned", "late")?))?;
    stage.produce()?;
    wait_for(&stage.fixture, "the rollback", |status| status["candidate"].is_null())?;
    stage.settle()?;
    let ledger = stage.fixture.system.ledger();
    for entry in ledger.iter().filter(|entry| word_is(entry, "late")) {
        let again = ledger.iter().filter(|other| id_of(other) == id_of(entry) && word_is(other, "v1"));
        let keys: Vec<_> = again.map(|other| other.idempotency_key.as_deref()).collect();
        assert_eq!(keys, [entry.idempotency_key.as_deref()], "{}", entry.path);
    }
    stage.fixture.stop_without_dead_letters()
}

/// What is not even tried, and goes on to be said until the file is right again.
fn refused(content: &[u8], says: &str, plugin_settings: &str) -> anyhow::Result<()> {
    let mut stage = Stage::new(plugin_settings)?;
    let begun = Instant::now();
    stage.file.replace_by(content)?;
    let message = stage.alert()?;
    say(&format!("{says}: told {:?} after the file was there", begun.elapsed()));
    assert!(message.contains(says), "{message}");
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    let shown = status(&stage.fixture);
    assert_eq!(
        (&shown["candidate"], &shown["live"]),
        (&Value::Null, &sha256(&version("versioned", "v1")?).into())
    );
    stage.produce()?;
    stage.settle()?;
    assert!(stage.fixture.system.ledger().iter().all(|entry| word_is(entry, "v1")));
    assert_eq!(swaps(&stage.fixture, "refused"), 1.0);
    stage.file.replace("v1")?;
    stage.receiver.wait_for_state("plugin-version", "recovered")?;
    stage.end()
}

#[test]
fn what_is_no_component_is_refused() -> anyhow::Result<()> {
    refused(b"not wasm at all", "is no component", "")
}

#[test]
fn a_component_that_does_not_start_is_refused() -> anyhow::Result<()> {
    refused(&fs::read(plugin("outdated")?)?, "does not start", "")
}

#[test]
fn a_transformer_in_the_place_of_a_connector_is_refused() -> anyhow::Result<()> {
    refused(&version("versioned-transformer", "v2")?, "the new version is a transformer", "")
}

#[test]
fn a_plugin_that_is_pinned_keeps_to_its_digest_and_says_what_to_do() -> anyhow::Result<()> {
    let pinned = format!("sha256 = \"{}\"", sha256(&version("versioned", "v1")?));
    let second = version("versioned", "v2")?;
    let mend =
        format!("write that into `sha256`; version {} goes on", &sha256(&version("versioned", "v1")?)[..12]);
    refused(&second, &mend, &pinned)
}

#[test]
fn an_event_that_no_version_takes_is_a_dead_letter_and_blames_none_of_them() -> anyhow::Result<()> {
    let refuses = Behaviour::ok().when(|request| request.path.contains("bad"), Behaviour::status(422));
    let stage = Stage::on(refuses, "", "[plugins.subject.rollout]\nwindow = \"10m\"\nmin-events = 1")?;
    stage.file.replace("v2")?;
    let second = sha256(&version("versioned", "v2")?);
    wait_for_candidate(&stage.fixture, &second)?;
    stage.fixture.produce((0..20).map(|number| event(&format!("bad-{number}"), "bad")))?;
    let letters = stage.fixture.dead_letters(20)?;
    for letter in &letters {
        assert_eq!(letter.reason()?, "rejected");
        // The last word was the live version's.
        assert_eq!(letter.header("liaison.plugin.sha256")?, sha256(&version("versioned", "v1")?));
    }
    let shown = status(&stage.fixture);
    assert_eq!((&shown["candidate"]["sha256"], &shown["candidate"]["failed"]), (&second.into(), &0.into()));
    stage.fixture.host.stop()
}

#[test]
fn a_system_that_is_down_rolls_nothing_back() -> anyhow::Result<()> {
    let stage =
        Stage::on(Behaviour::ok(), "", "[plugins.subject.rollout]\nwindow = \"10m\"\nmin-events = 1")?;
    stage.file.replace("v2")?;
    wait_for_candidate(&stage.fixture, &sha256(&version("versioned", "v2")?))?;
    stage.fixture.system.behave(Behaviour::status(503));
    let before = stage.fixture.attempts("retry");
    stage
        .fixture
        .produce((0..50).map(|number| event(&format!("e-{}", EVENTS + number), &format!("k-{number}"))))?;
    let is_there = |retries: f64| retries >= before + 5.0;
    let outcome = [("outcome", "retry")];
    stage.fixture.host.wait_for_metric(LIMIT, "liaison_attempts_total", &outcome, is_there)?;
    assert_eq!(status(&stage.fixture)["candidate"]["failed"], 0);
    stage.fixture.system.behave(Behaviour::ok());
    stage.fixture.settled("delivered", EVENTS + 50)?;
    assert_eq!(swaps(&stage.fixture, "rolled-back"), 0.0);
    stage.fixture.stop_without_dead_letters()
}

#[test]
fn a_transformer_that_emits_what_no_connector_can_deliver_is_rolled_back_and_costs_no_event()
-> anyhow::Result<()> {
    let file = PluginFile::new("versioned-transformer", "v1")?;
    let tables = format!(
        "[plugins.stamp]\npath = \"{}\"\n[transformers.stamp]\nplugin = \"stamp\"\n[plugins.stamp.rollout]\nwindow = \"10s\"\n",
        file.text()
    );
    // The transformer gives each event its word as type.
    let connector = r#"settings = { path = "/events/{id}", headers = { X-Version = "{type}" } }"#;
    let subscription = r#"transformers = ["stamp"]"#;
    let config = Config { subscription, connector, tables: &tables, ..Config::default() };
    let is_wrong = |request: &liaison_tests::system::Request<'_>| {
        request.headers.get("x-version").is_some_and(|word| word == "wrong")
    };
    let fixture = Fixture::start(&config, Behaviour::ok().when(is_wrong, Behaviour::status(422)))?;
    let produce = |from: usize| -> anyhow::Result<()> {
        let events =
            (from..from + 50).map(|number| event(&format!("e-{number}"), &format!("k-{}", number % 5)));
        fixture.produce(events)?;
        fixture.settled("delivered", from + 50)
    };
    produce(0)?;
    file.replace("wrong")?;
    let shown = |fixture: &Fixture| fixture.host.versions().status()["stamp"].clone();
    liaison_tests::wait::until(LIMIT, "a trial", || !shown(&fixture)["candidate"].is_null())?;
    produce(50)?;
    liaison_tests::wait::until(LIMIT, "the rollback", || shown(&fixture)["candidate"].is_null())?;
    let why = shown(&fixture)["last_rollback"]["why"].to_string();
    assert!(why.contains("the connector rejected what it emitted: PUT /events/e-"), "{why}");
    assert_eq!(swaps(&fixture, "rolled-back"), 1.0);
    let arrived = fixture.system.ledger();
    assert!(arrived.iter().filter(|entry| entry.is_accepted()).all(|entry| word_is(entry, "v1")));
    assert_eq!(sorted(fixture.delivered()), sorted((0..100).map(|number| format!("e-{number}"))));
    fixture.stop_without_dead_letters()
}
