//! Alerts: who receives them can trust them, and is told once.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use liaison::kafka::embedded::{Failing, Request};
use liaison::kafka::producer::Outgoing;
use liaison_tests::folder::Folder;
use liaison_tests::system::{Behaviour, Entry, System};
use serde_json::Value;
use standardwebhooks::Webhook;

use crate::fixture::{Config, Fixture, LIMIT, PATIENT, event, sorted, unix_ms};

const SECRET: &str = "whsec_bGlhaXNvbiBzY2VuYXJpb3Mgc2VjcmV0";

/// Who receives the alerts of a host.
pub(crate) struct Receiver {
    system: System,
    folder: Folder,
}

impl Receiver {
    pub(crate) fn start() -> anyhow::Result<Self> {
        Ok(Self { system: System::start("alerts", Behaviour::status(204))?, folder: Folder::new("alerts")? })
    }

    /// The tables that send alerts here.
    pub(crate) fn tables(&self, more: &str) -> anyhow::Result<String> {
        let secret = self.folder.write("secret", SECRET)?;
        let (url, secret) = (self.system.url(), secret.display());
        Ok(format!(
            "[alerts]\nwebhook = {{ url = \"{url}/alerts\", secret = {{ file = \"{secret}\" }} }}\n{more}"
        ))
    }

    pub(crate) fn wait_for(&self, count: usize) -> anyhow::Result<()> {
        self.system.wait_for(count, LIMIT)
    }

    /// All alerts so far, in the order in which they came: `data` with the alert's kind as `type`.
    pub(crate) fn alerts(&self) -> anyhow::Result<Vec<Value>> {
        self.system.ledger().iter().map(alert).collect()
    }

    /// How many of each kind.
    pub(crate) fn kinds(&self) -> anyhow::Result<BTreeMap<String, usize>> {
        let mut kinds = BTreeMap::new();
        for alert in self.alerts()? {
            *kinds.entry(alert["type"].as_str().context("a type")?.to_owned()).or_default() += 1;
        }
        Ok(kinds)
    }
}

/// One alert, its signature checked by another implementation than ours.
fn alert(entry: &Arc<Entry>) -> anyhow::Result<Value> {
    Webhook::new(SECRET)?.verify(&entry.body, &entry.headers)?;
    let mut body: Value = serde_json::from_slice(&entry.body)?;
    let mut data = body["data"].take();
    data["type"] = body["type"].take();
    Ok(data)
}

#[test]
fn a_dead_letter_is_told_by_a_signed_alert_that_names_it() -> anyhow::Result<()> {
    let receiver = Receiver::start()?;
    let tables = receiver.tables("")?;
    let behaviour = Behaviour::ok().when(|request| request.path.contains("bad"), Behaviour::status(400));
    let fixture = Fixture::start(&Config { tables: &tables, ..Config::default() }, behaviour)?;
    fixture.produce([event("bad-1", "k"), event("good", "k"), event("bad-2", "k")])?;
    fixture.settled("dead-lettered", 2)?;
    receiver.wait_for(2)?;
    let alerts = receiver.alerts()?;
    for (alert, id) in alerts.iter().zip(["bad-1", "bad-2"]) {
        assert_eq!(alert["type"], "liaison.dead-letter");
        assert_eq!(alert["event_id"], id);
        assert_eq!((&alert["subscription"], &alert["connector"]), (&"calendar".into(), &"calendar".into()));
        let message = alert["message"].as_str().context("a message")?;
        assert!(message.starts_with(&format!("event {id} (policy-events/")), "{message}");
        assert!(message.ends_with(&format!("is a dead letter: PUT /events/{id} answered 400 Bad Request")));
    }
    assert_eq!(fixture.metric("liaison_alerts_raised_total", &[]), 2.0);
    fixture.host.stop()?;
    assert_eq!(alerts.len(), receiver.alerts()?.len());
    Ok(())
}

#[test]
fn an_alert_that_fails_is_sent_again_under_the_same_name() -> anyhow::Result<()> {
    let receiver = Receiver::start()?;
    let tables = receiver.tables("")?;
    let first = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let is_first =
        move |_: &liaison_tests::system::Request<'_>| first.swap(false, std::sync::atomic::Ordering::Relaxed);
    receiver.system.behave(Behaviour::status(204).when(is_first, Behaviour::status(503)));
    let fixture = Fixture::start(&Config { tables: &tables, ..Config::default() }, Behaviour::status(400))?;
    fixture.produce([event("bad", "k")])?;
    receiver.wait_for(2)?;
    let ledger = receiver.system.ledger();
    assert_eq!(ledger[0].headers["webhook-id"], ledger[1].headers["webhook-id"]);
    assert_eq!(ledger[0].body, ledger[1].body);
    fixture.host.stop()
}

#[test]
fn a_type_without_alerts_is_told_to_nobody() -> anyhow::Result<()> {
    let receiver = Receiver::start()?;
    let tables = receiver.tables("[sla.\"policy.updated\"]\nalert = false\ndeadline = \"1m\"")?;
    let fixture = Fixture::start(&Config { tables: &tables, ..Config::default() }, Behaviour::status(400))?;
    fixture.produce([Outgoing { timestamp: Some(unix_ms() - 120_000), ..event("bad", "k") }])?;
    fixture.dead_letters(1)?;
    assert_eq!(fixture.metric("liaison_deadlines_missed_total", &[]), 1.0);
    // Stopping posts what is left.
    fixture.host.stop()?;
    assert_eq!(receiver.kinds()?, BTreeMap::new());
    Ok(())
}

#[test]
fn a_missed_deadline_is_told_once_while_the_event_still_waits() -> anyhow::Result<()> {
    let receiver = Receiver::start()?;
    let more = "[sla.default]\ndeadline = \"100ms\"\nattempt-timeout = \"100ms\"\ninitial-interval = \"20ms\"\nmax-interval = \"50ms\"\n\
                max-attempts = 100000";
    let tables = receiver.tables(more)?;
    let config = Config { tables: &tables, connector: PATIENT, ..Config::default() };
    let fixture = Fixture::start(&config, Behaviour::status(408))?;
    fixture.produce([event("late", "k")])?;
    receiver.wait_for(1)?;
    assert_eq!(fixture.delivered(), [""; 0]);
    let asked = fixture.system.count();
    // Looked over every second: it has been again when these have come.
    fixture.system.wait_for(asked + 60, LIMIT)?;
    fixture.system.behave(Behaviour::ok());
    fixture.settled("delivered", 1)?;
    assert_eq!(fixture.metric("liaison_deadlines_missed_total", &[]), 1.0);
    fixture.host.stop()?;
    let alerts = receiver.alerts()?;
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert_eq!(
        (&alerts[0]["type"], &alerts[0]["event_id"]),
        (&"liaison.deadline-missed".into(), &"late".into())
    );
    Ok(())
}

#[test]
fn refused_credentials_are_told_once_however_often_it_is_probed() -> anyhow::Result<()> {
    let receiver = Receiver::start()?;
    let tables = receiver.tables("[sla.default]\ninitial-interval = \"20ms\"")?;
    let connector = "breaker = { probe-interval = \"50ms\", max-probe-interval = \"100ms\" }";
    let config = Config { tables: &tables, connector, ..Config::default() };
    let fixture = Fixture::start(&config, Behaviour::status(401))?;
    fixture.produce((0..8).map(|number| event(&format!("e-{number}"), &format!("k-{number}"))))?;
    fixture.system.wait_for(16, LIMIT)?;
    fixture.system.behave(Behaviour::ok());
    fixture.settled("delivered", 8)?;
    fixture.host.stop()?;
    let kinds = receiver.kinds()?;
    let message = receiver.alerts()?[0]["message"].to_string();
    assert!(message.contains("answered 401 Unauthorized"), "{message}");
    let expected = ["liaison.breaker-closed", "liaison.denied"].map(|kind| (kind.to_owned(), 1));
    assert_eq!(kinds, BTreeMap::from(expected));
    Ok(())
}

#[test]
fn dead_letters_that_cannot_be_written_are_told() -> anyhow::Result<()> {
    let receiver = Receiver::start()?;
    let tables = receiver.tables("")?;
    let fixture = Fixture::start(&Config { tables: &tables, ..Config::default() }, Behaviour::status(400))?;
    fixture.produce([event("bad", "k")])?;
    fixture.broker.fail(Request::Produce, &[Failing::NotAuthorized; 2]);
    fixture.dead_letters(1)?;
    receiver.wait_for(2)?;
    fixture.host.stop()?;
    let alerts = receiver.alerts()?;
    let kinds = sorted(alerts.iter().filter_map(|alert| alert["type"].as_str()));
    assert_eq!(kinds, ["liaison.dead-letter", "liaison.produce-failing"]);
    Ok(())
}
