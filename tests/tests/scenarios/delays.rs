//! Events without an order that wait for long leave the memory: they wait in delay topics, and come back as they were.

use std::time::Duration;

use liaison_tests::system::Behaviour;

use crate::filing::{BOOK, OPEN, UPLOAD, by_event, cases, is_upload, prove_keys};
use crate::fixture::{Config, Fixture, LIMIT, PATIENT, TOPIC, event, id_of, sorted};

const JOURNAL: &str = "liaison.calendar.journal";
const DELAYS: [&str; 2] = ["liaison.calendar.delay.1s", "liaison.calendar.delay.2s"];
const PARKED: &str = "liaison_events_parked_total";

#[test]
fn what_waits_for_long_is_parked_while_others_pass_and_its_attempts_stay_spent() -> anyhow::Result<()> {
    let subscription = r#"
        ordering = "none"
        parking = { after = "100ms", delays = ["1s", "2s"] }
    "#;
    let tables = "[sla.default]\nmax-attempts = 3\ninitial-interval = \"1s\"\nmax-interval = \"1s\"";
    let config = Config { subscription, tables, ..Config::default() };
    let behaviour = Behaviour::ok().when(|request| request.path == "/events/bad", Behaviour::status(503));
    let fixture = Fixture::start_with(&DELAYS, &config, behaviour)?;
    let on_two = |id: &str| liaison::kafka::producer::Outgoing { partition: Some(2), ..event(id, "key") };
    fixture.produce([on_two("before"), on_two("bad"), on_two("after")])?;
    fixture.settled("delivered", 2)?;
    fixture.host.wait_for_metric(LIMIT, PARKED, &[], |count| count >= 1.0)?;
    // In memory nothing of it is left, and another passes.
    fixture.host.wait_for_metric(LIMIT, "liaison_events_unsettled", &[], |count| count == 0.0)?;
    fixture.produce([on_two("later")])?;
    fixture.settled("delivered", 3)?;

    let letters = fixture.dead_letters(1)?;
    let letter = &letters[0];
    assert_eq!((letter.event_id()?, letter.reason()?), ("bad", "attempts-spent"));
    assert_eq!(letter.header("__dlq.errors.delivery.count")?, "3");
    assert_eq!(letter.header("__connect.errors.topic")?, TOPIC);
    assert_eq!(letter.header("__connect.errors.partition")?, "2");
    assert_eq!(letter.header("__connect.errors.offset")?, "1");
    assert!(!letter.has("liaison.parked"));
    assert_eq!(fixture.metric(PARKED, &[]), 2.0);

    let ledger = fixture.system.ledger();
    let bad: Vec<_> = ledger.iter().filter(|entry| id_of(entry) == "bad").collect();
    assert_eq!(bad.len(), 3);
    assert!(bad.iter().all(|entry| entry.idempotency_key == bad[0].idempotency_key));
    for pair in bad.windows(2) {
        let waited = pair[1].received - pair[0].received;
        assert!(waited >= Duration::from_millis(900), "{waited:?}");
    }
    assert_eq!(sorted(fixture.delivered()), ["after", "before", "later"]);
    fixture.host.stop()
}

#[test]
fn a_parked_event_outlives_the_host_with_what_it_was_answered() -> anyhow::Result<()> {
    let subscription = r#"
        ordering = "none"
        journal = true
        parking = { after = "100ms", delays = ["2s"] }
    "#;
    let tables = "[sla.default]\ninitial-interval = \"1s\"";
    let config = Config { plugin: "filing", connector: PATIENT, subscription, tables, ..Config::default() };
    let uploads = Behaviour::status(204).for_first(1, Behaviour::status(503));
    let topics = [JOURNAL, DELAYS[1]];
    let fixture = Fixture::start_with(&topics, &config, cases().when(is_upload, uploads))?;
    fixture.produce((0..5).map(|number| event(&format!("e-{number}"), "k")))?;
    fixture.host.wait_for_metric(LIMIT, PARKED, &[("delay", "2s")], |count| count == 5.0)?;
    let fixture = fixture.restarted()?;
    fixture.settled("delivered", 5)?;
    let ledger = fixture.system.ledger();
    let events = by_event(&ledger);
    assert_eq!(prove_keys(&events).len(), 5);
    for (event, calls) in &events {
        assert_eq!([OPEN, UPLOAD, BOOK].map(|call| calls[call].len()), [1, 2, 1], "{event}");
        let waited = calls[UPLOAD][1].received - calls[UPLOAD][0].received;
        assert!(waited >= Duration::from_secs(2), "{event} came back after {waited:?}");
    }
    assert_eq!(fixture.metric("liaison_events_received_total", &[]), 5.0);
    fixture.stop_without_dead_letters()
}

#[test]
fn what_an_earlier_configuration_has_parked_is_delivered_all_the_same() -> anyhow::Result<()> {
    let subscription = "ordering = \"none\"\nparking = { after = \"100ms\", delays = [\"1s\"] }";
    let tables = "[sla.default]\ninitial-interval = \"1s\"";
    let config = Config { subscription, tables, ..Config::default() };
    let behaviour = Behaviour::ok().for_first(1, Behaviour::status(503));
    let fixture = Fixture::start_with(&DELAYS[..1], &config, behaviour)?;
    fixture.produce([event("e-1", "k")])?;
    fixture.host.wait_for_metric(LIMIT, PARKED, &[("delay", "1s")], |count| count == 1.0)?;
    let fixture = fixture.restarted_with(&Config { subscription: "ordering = \"key\"", ..config })?;
    fixture.settled("delivered", 1)?;
    assert_eq!(fixture.requested(), ["e-1", "e-1"]);
    fixture.stop_without_dead_letters()
}
