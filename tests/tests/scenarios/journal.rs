//! What was answered is not done again: a delivery of several calls goes on where it was interrupted.

use std::sync::Arc;
use std::time::Duration;

use liaison::config::{
    Brokers, Config as InCode, Connector, ConnectorName, PluginName, Subscription, SubscriptionName,
};
use liaison::contract::{Body, Delivery, Effect, HttpRequest, Outcome, Receipt, Reply, Retry, Step};
use liaison::kafka::embedded::Embedded;
use liaison::native::NativeConnector;
use liaison_tests::local::{LocalHost, Natives};
use liaison_tests::produce::produce;
use liaison_tests::system::{Behaviour, System};
use liaison_tests::wait;

use crate::filing::{BOOK, OPEN, UPLOAD, by_event, cases, is_upload, live, prove_keys};
use crate::fixture::{
    Config, DEAD_LETTERS, Fixture, LIMIT, PATIENT, QUICK, TOPIC, by_event as letters_by_event, event,
    letters, records,
};

const JOURNAL: &str = "liaison.calendar.journal";
const JOURNALLED: &str = "journal = true\ngrace = \"500ms\"";

fn start(behaviour: Behaviour) -> anyhow::Result<Fixture> {
    let config = Config {
        plugin: "filing",
        connector: PATIENT,
        subscription: JOURNALLED,
        tables: QUICK,
        ..Config::default()
    };
    Fixture::start_with(&[JOURNAL], &config, behaviour)
}

fn entries_left(broker: &Embedded) -> anyhow::Result<usize> {
    let records: Vec<_> = records(broker, JOURNAL)?.into_iter().map(|letter| letter.0).collect();
    Ok(live(&records).len())
}

/// Waits until the journal holds nothing any more.
fn wait_for_an_empty_journal(broker: &Embedded) -> anyhow::Result<()> {
    wait::until(LIMIT, "an empty journal", || entries_left(broker).is_ok_and(|left| left == 0))
}

#[test]
fn a_call_that_fails_repeats_none_of_those_before_it() -> anyhow::Result<()> {
    let uploads = Behaviour::status(204).for_first(2, Behaviour::status(503));
    let fixture = start(cases().when(is_upload, uploads))?;
    fixture.produce((0..3).map(|number| event(&format!("e-{number}"), &format!("k-{number}"))))?;
    fixture.settled("delivered", 3)?;
    let ledger = fixture.system.ledger();
    let events = by_event(&ledger);
    assert_eq!(prove_keys(&events).len(), 3);
    for (event, calls) in &events {
        assert_eq!([OPEN, UPLOAD, BOOK].map(|call| calls[call].len()), [1, 3, 1], "{event}");
        // The attempt that opened the case goes on.
        assert!(String::from_utf8_lossy(&calls[BOOK][0].body).contains("\"attempt\":1"), "{event}");
    }
    assert_eq!(fixture.attempts("retry"), 6.0);
    assert_eq!(fixture.metric("liaison_journal_resumed_total", &[]), 6.0);
    // Before the first upload, and before the booking.
    assert_eq!(fixture.metric("liaison_journal_written_total", &[]), 6.0);
    wait_for_an_empty_journal(&fixture.broker)?;
    fixture.stop_without_dead_letters()
}

#[test]
fn after_a_restart_a_delivery_goes_on_from_what_it_was_answered() -> anyhow::Result<()> {
    let fixture = start(cases().when(is_upload, Behaviour::silence()))?;
    fixture.produce((0..5).map(|number| event(&format!("e-{number}"), &format!("k-{number}"))))?;
    fixture.system.wait_until("all uploads begun", LIMIT, |ledger| ledger.len() == 10)?;
    let fixture = fixture.restarted()?;
    fixture.system.behave(cases());
    fixture.settled("delivered", 5)?;
    let ledger = fixture.system.ledger();
    let events = by_event(&ledger);
    assert_eq!(prove_keys(&events).len(), 5);
    for (event, calls) in &events {
        assert_eq!([OPEN, UPLOAD, BOOK].map(|call| calls[call].len()), [1, 2, 1], "{event}");
    }
    wait_for_an_empty_journal(&fixture.broker)?;
    fixture.stop_without_dead_letters()
}

#[test]
fn without_a_journal_a_call_that_fails_repeats_those_before_it() -> anyhow::Result<()> {
    let uploads = Behaviour::status(204).for_first(1, Behaviour::status(503));
    let config = Config { plugin: "filing", connector: PATIENT, tables: QUICK, ..Config::default() };
    let fixture = Fixture::start(&config, cases().when(is_upload, uploads))?;
    fixture.produce([event("e-1", "k")])?;
    fixture.settled("delivered", 1)?;
    let ledger = fixture.system.ledger();
    assert_eq!(by_event(&ledger)["e-1"].each_ref().map(Vec::len), [2, 2, 1]);
    fixture.stop_without_dead_letters()
}

/// Asks for one thing there, then uploads.
#[derive(Debug)]
struct Opens(&'static str);

impl NativeConnector for Opens {
    fn deliver(&self, delivery: &Delivery) -> Step {
        let ask = |method: &str, url: &str| {
            Step::Perform(vec![Effect::from(HttpRequest {
                method: method.to_owned(),
                url: url.to_owned(),
                headers: Vec::new(),
                body: Body::EventData,
                timeout: None,
                keep_body: false,
            })])
        };
        match (delivery.rounds.len(), delivery.rounds.last().and_then(|round| round.first())) {
            (0, _) => ask("POST", self.0),
            (1, _) => ask("PUT", "/file"),
            (_, Some(Reply::Http(response))) if response.status == 200 => {
                Step::Settle(Outcome::Delivered(Receipt::default()))
            }
            (_, _) => Step::Settle(Outcome::Retry(Retry { after: None, reason: "not uploaded".to_owned() })),
        }
    }
}

fn host_with(connector: Opens, broker: &Embedded, system: &System) -> anyhow::Result<LocalHost> {
    let mut config = InCode::new(Brokers::At(vec![broker.bootstrap().to_owned()]));
    config.admin.address = None;
    let (plugin, name) = (PluginName::new("opens"), ConnectorName::new("calendar"));
    let mut settings = Connector::new(plugin.clone(), system.url().parse()?);
    settings.egress.allow_networks = vec!["127.0.0.0/8".parse()?];
    config.connectors.insert(name.clone(), settings);
    let subscription_name = SubscriptionName::new("calendar");
    let mut subscription = Subscription::new(&subscription_name, name, vec![TOPIC.to_owned()]);
    subscription.journal = Some(JOURNAL.to_owned());
    subscription.grace = Duration::from_millis(500);
    subscription.sla.default.initial_interval = Duration::from_millis(20);
    config.subscriptions.insert(subscription_name, subscription);
    let natives: Natives = [(plugin, Arc::new(connector) as _)].into();
    LocalHost::start_with(config, natives)
}

#[test]
fn a_connector_that_asks_for_something_else_neither_starts_over_nor_goes_on() -> anyhow::Result<()> {
    let broker = Embedded::start(&[(TOPIC, 1), (DEAD_LETTERS, 1), (JOURNAL, 1)])?;
    let system = System::start("calendar", Behaviour::ok().when(is_upload, Behaviour::silence()))?;
    let host = host_with(Opens("/cases"), &broker, &system)?;
    produce(broker.bootstrap(), vec![event("e-1", "k")])?;
    system.wait_for(2, LIMIT)?;
    host.stop()?;

    system.behave(Behaviour::ok());
    let host = host_with(Opens("/dossiers"), &broker, &system)?;
    produce(broker.bootstrap(), vec![event("e-2", "k")])?;
    let settled = "liaison_events_settled_total";
    host.wait_for_metric(LIMIT, settled, &[("kind", "delivered")], |count| count == 1.0)?;
    host.stop()?;
    let letters = letters(&broker)?;
    let letters = letters_by_event(&letters)?;
    assert_eq!(letters.keys().collect::<Vec<_>>(), [&"e-1"]);
    assert_eq!(letters["e-1"].reason()?, "fault-answer");
    let message = letters["e-1"].message()?;
    assert!(
        message.contains("the plugin has changed while the event was half delivered: round 1"),
        "{message}"
    );
    let asked: Vec<_> = system.ledger().iter().map(|entry| entry.path.clone()).collect();
    assert_eq!(asked, ["/cases", "/file", "/dossiers", "/file"]);
    Ok(())
}
