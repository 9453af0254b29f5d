//! A system that is down: nothing is spent, nothing is given up, order stays, and it goes on by itself.

use std::collections::BTreeMap;

use liaison_tests::proof::{duplicates, out_of_order};
use liaison_tests::system::{Answer, Behaviour, System};

use crate::alerts::Receiver;
use crate::fixture::{Config, Fixture, LIMIT, event, with_header};

const KEYS: usize = 4;

/// Opens soon and is probed often.
const EAGER: &str = r#"
    breaker = { failures = 3, probe-interval = "100ms", max-probe-interval = "200ms", pause-after = "300ms" }
"#;

fn id(number: usize) -> String {
    format!("k-{}-{}", number % KEYS, number / KEYS)
}

fn key(number: usize) -> String {
    format!("k-{}", number % KEYS)
}

/// A host before a system that answers as `down` does, with half of the events read and partitions paused, and the
/// other half written since.
fn bring_down(
    receiver: &Receiver,
    down: impl FnOnce(&Fixture) -> anyhow::Result<()>,
) -> anyhow::Result<Fixture> {
    let tables = receiver.tables("[sla.default]\nmax-attempts = 2\ninitial-interval = \"20ms\"")?;
    let config = Config { connector: EAGER, tables: &tables, ..Config::default() };
    let fixture = Fixture::start(&config, Behaviour::ok())?;
    down(&fixture)?;
    fixture.produce((0..20).map(|number| event(&id(number), &key(number))))?;
    fixture.host.wait_for_metric(LIMIT, "liaison_partitions_paused", &[], |count| count >= 1.0)?;
    assert_eq!(fixture.metric("liaison_breaker_state", &[]), 2.0);
    fixture.produce((20..40).map(|number| event(&id(number), &key(number))))?;
    Ok(fixture)
}

/// Everything arrives once and in order, and the outage was told once.
fn check_recovery(fixture: Fixture, receiver: &Receiver) -> anyhow::Result<()> {
    fixture.settled("delivered", 40)?;
    fixture.host.wait_for_metric(LIMIT, "liaison_partitions_paused", &[], |count| count == 0.0)?;
    let (ids, keys): (Vec<_>, Vec<_>) = (0..40).map(|number| (id(number), key(number))).unzip();
    let produced: Vec<_> = keys.iter().zip(&ids).map(|(key, id)| (key.as_str(), id.as_str())).collect();
    let delivered = fixture.delivered();
    let delivered: Vec<&str> = delivered.iter().map(String::as_str).collect();
    assert_eq!(delivered.len(), 40);
    assert_eq!(duplicates(&delivered), BTreeMap::new());
    assert_eq!(out_of_order(&produced, &delivered), []);
    assert_eq!(fixture.metric("liaison_breaker_opened_total", &[]), 1.0);
    assert_eq!(fixture.metric("liaison_breaker_state", &[]), 0.0);
    fixture.stop_without_dead_letters()?;
    assert_eq!(receiver.states("breaker-opened")?, ["raised", "recovered"]);
    assert_eq!(receiver.alerts()?.len(), 2);
    Ok(())
}

#[test]
fn a_system_that_answers_503_costs_no_attempts_and_pauses_its_partitions() -> anyhow::Result<()> {
    let receiver = Receiver::start()?;
    let fixture = bring_down(&receiver, |fixture| {
        fixture.system.behave(Behaviour::status(503));
        Ok(())
    })?;
    // Far more probes than anything has attempts.
    let asked = fixture.system.count();
    fixture.system.wait_for(asked + 12, LIMIT)?;
    let latest = &fixture.system.ledger()[asked..];
    for pair in latest.windows(2) {
        let between = pair[1].received.duration_since(pair[0].received);
        assert!(between.as_millis() >= 80, "two requests within {between:?} while it was down");
    }
    fixture.system.behave(Behaviour::ok());
    check_recovery(fixture, &receiver)
}

#[test]
fn a_system_that_refuses_connections_costs_no_attempts_and_pauses_its_partitions() -> anyhow::Result<()> {
    let receiver = Receiver::start()?;
    let fixture = bring_down(&receiver, |fixture| fixture.system.refuse_connections())?;
    fixture
        .host
        .wait_for_metric(LIMIT, "liaison_attempts_total", &[("outcome", "retry")], |count| count >= 10.0)?;
    assert_eq!(fixture.system.count(), 0);
    fixture.system.accept_connections()?;
    check_recovery(fixture, &receiver)
}

#[test]
fn what_waits_for_a_system_that_is_down_is_delivered_by_the_next_host() -> anyhow::Result<()> {
    let receiver = Receiver::start()?;
    let fixture = bring_down(&receiver, |fixture| fixture.system.refuse_connections())?;
    fixture.system.accept_connections()?;
    fixture.system.behave(Behaviour::status(503));
    let fixture = fixture.restarted()?;
    fixture.system.behave(Behaviour::ok());
    fixture.settled("delivered", 1)?;
    liaison_tests::wait::until(LIMIT, "all events", || fixture.system.accepted() >= 40)?;
    let delivered = fixture.delivered();
    let delivered: Vec<&str> = delivered.iter().map(String::as_str).collect();
    assert_eq!((delivered.len(), duplicates(&delivered)), (40, BTreeMap::new()));
    fixture.stop_without_dead_letters()
}

#[test]
fn the_check_of_a_connector_is_asked_before_an_event_is_tried_again() -> anyhow::Result<()> {
    let connector = format!("{EAGER}\nsettings = {{ path = \"/events/{{id}}\", check-path = \"/health\" }}");
    let config = Config { connector: &connector, ..Config::default() };
    let fixture = Fixture::start(&config, Behaviour::status(401))?;
    fixture.produce([event("e-1", "k")])?;
    fixture.system.wait_for(7, LIMIT)?;
    let asked: Vec<_> =
        fixture.system.ledger()[..7].iter().map(|entry| (entry.method.clone(), entry.path.clone())).collect();
    // One check when the connector starts, beside the event, and one before each time that it would be tried again.
    let is_check = |asked: &&(http::Method, String)| **asked == (http::Method::GET, "/health".to_owned());
    let events: Vec<_> = asked.iter().filter(|asked| !is_check(asked)).collect();
    assert_eq!(events, [&(http::Method::PUT, "/events/e-1".to_owned())], "{asked:?}");
    fixture.system.behave(Behaviour::ok());
    fixture.settled("delivered", 1)?;
    fixture.stop_without_dead_letters()
}

/// Each event fetches a document of a third system and hands it to the connector's own.
#[test]
fn only_the_connectors_own_system_opens_its_breaker() -> anyhow::Result<()> {
    let source = System::start("source", Behaviour::status(503))?;
    let connector = format!(
        "{EAGER}\nallow = [\"{source}\"]\nsettings = {{ from = \"{source}/document\", to = \"/copy\" }}",
        source = source.url()
    );
    let tables = "[sla.default]\nmax-attempts = 10000\ninitial-interval = \"20ms\"\nmax-interval = \"50ms\"";
    let config = Config { plugin: "errand", connector: &connector, tables, ..Config::default() };
    let fixture = Fixture::start(&config, Behaviour::ok())?;
    let copy = |number: usize| with_header(event(&id(number), &key(number)), "ce_errand", "copy");
    fixture.produce((0..20).map(copy))?;
    // Ten times what opens it, of several events.
    source.wait_for(30, LIMIT)?;
    assert_eq!(fixture.metric("liaison_breaker_opened_total", &[]), 0.0);
    // What asks for anything else is the connector's check.
    let copies = || fixture.system.ledger().into_iter().filter(|entry| entry.path == "/copy").count();
    assert_eq!((fixture.metric("liaison_breaker_state", &[]), copies()), (0.0, 0));
    fixture.system.behave(Behaviour::status(503));
    source.behave(Behaviour::from_fn(|_| Answer::status(200).with_body("a document")));
    fixture.host.wait_for_metric(LIMIT, "liaison_breaker_opened_total", &[], |count| count >= 1.0)?;
    let refused = copies();
    fixture.system.behave(Behaviour::ok());
    fixture.settled("delivered", 20)?;
    assert!(copies() >= refused + 20, "{refused} and then {}", copies());
    fixture.stop_without_dead_letters()
}
