//! Alerts: who receives them can trust them, and is told of each cause once, while it lasts, and when it is over.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use liaison::kafka::embedded::{Failing, Request};
use liaison::kafka::producer::Outgoing;
pub(crate) use liaison_tests::receiver::Receiver;
use liaison_tests::system::Behaviour;
use serde_json::Value;

use crate::fixture::{Config, Fixture, LIMIT, PATIENT, event, sorted, unix_ms};

#[test]
fn a_dead_letter_is_told_by_a_signed_alert_that_names_it() -> anyhow::Result<()> {
    let receiver = Receiver::start()?;
    let tables = receiver.tables("")?;
    let behaviour = Behaviour::ok().when(|request| request.path.contains("bad"), Behaviour::status(400));
    let fixture = Fixture::start(&Config { tables: &tables, ..Config::default() }, behaviour)?;
    fixture.produce([event("bad-1", "k"), event("good", "k"), event("bad-2", "k")])?;
    fixture.settled("dead-lettered", 2)?;
    receiver.wait_for(1)?;
    assert_eq!(fixture.metric("liaison_alerts_raised_total", &[]), 2.0);
    fixture.host.stop()?;
    let alerts = receiver.alerts()?;
    let [alert] = &alerts[..] else { anyhow::bail!("the second has the same cause: {alerts:?}") };
    assert_eq!((&alert["type"], &alert["state"]), (&"liaison.dead-letter".into(), &"raised".into()));
    assert_eq!((&alert["event_id"], &alert["about"]), (&"bad-1".into(), &"rejected".into()));
    assert_eq!((&alert["subscription"], &alert["connector"]), (&"calendar".into(), &"calendar".into()));
    let message = alert["message"].as_str().context("a message")?;
    assert!(message.starts_with("event bad-1 (policy-events/"), "{message}");
    assert!(message.ends_with("is a dead letter: PUT /events/bad-1 answered 400 Bad Request"), "{message}");
    Ok(())
}

#[test]
fn a_cause_that_lasts_is_told_once_reminded_of_with_the_count_and_told_over() -> anyhow::Result<()> {
    let receiver = Receiver::start()?;
    let tables = receiver.tables_with("reminder = \"1s\"\nquiet = \"4s\"", "")?;
    let fixture = Fixture::start(&Config { tables: &tables, ..Config::default() }, Behaviour::status(400))?;
    fixture.produce([event("bad-1", "k")])?;
    receiver.wait_for(1)?;
    fixture.produce((2..8).map(|number| event(&format!("bad-{number}"), "k")))?;
    fixture.settled("dead-lettered", 7)?;
    receiver.wait_for_state("dead-letter", "recovered")?;
    fixture.host.stop()?;
    let alerts = receiver.alerts()?;
    let mut states = receiver.states("dead-letter")?;
    assert_eq!((&*states[0], states.last().map(String::as_str)), ("raised", Some("recovered")), "{states:?}");
    // One, unless the others took more than a second.
    states.dedup();
    assert_eq!(states, ["raised", "reminder", "recovered"]);
    let counts: Vec<_> = alerts.iter().filter_map(|alert| alert["count"].as_u64()).collect();
    assert_eq!((counts[0], counts.iter().sum::<u64>()), (1, 7), "{counts:?}");
    assert!(alerts.iter().all(|alert| alert["since"] == alerts[0]["since"]), "{alerts:?}");
    assert_eq!(alerts[alerts.len() - 1]["event_id"], "bad-7", "the latest is told");
    Ok(())
}

#[test]
fn events_that_will_be_late_are_told_before_they_are() -> anyhow::Result<()> {
    const SLA: &str = "[sla.\"policy.updated\"]\ndeadline = \"20s\"\n[sla.other]\ndeadline = \"20s\"";
    let receiver = Receiver::start()?;
    let tables = receiver.tables(SLA)?;
    let config = Config { tables: &tables, connector: "concurrency = 1", ..Config::default() };
    let slow = Behaviour::ok().with_latency(std::time::Duration::from_millis(400));
    let fixture = Fixture::start(&config, slow)?;
    fixture.produce((0..100).map(|number| event(&format!("e-{number}"), &format!("k-{number}"))))?;
    receiver.wait_for_state("at-risk", "raised")?;
    assert_eq!(fixture.metric("liaison_deadlines_missed_total", &[]), 0.0);
    let kind = [("type", "policy.updated")];
    assert!(fixture.metric("liaison_events_at_risk", &kind) > 20.0);
    receiver.wait_for_state("deadline-missed", "raised")?;
    receiver.wait_for_state("burning", "raised")?;
    fixture.system.behave(Behaviour::ok());
    fixture.settled("delivered", 100)?;
    receiver.wait_for_state("at-risk", "recovered")?;
    let result = |result| {
        fixture.metric("liaison_sla_events_total", &[("type", "policy.updated"), ("result", result)])
    };
    let (met, missed) = (result("met"), result("missed"));
    assert_eq!((met + missed, missed), (100.0, fixture.metric("liaison_deadlines_missed_total", &[])));
    assert_eq!(fixture.metric("liaison_sla_attainment", &kind), met / 100.0);
    assert!(
        fixture.metric("liaison_sla_burn_rate", &[("type", "policy.updated"), ("window", "fast-short")])
            > 14.4
    );
    fixture.host.stop()?;
    let alerts = receiver.alerts()?;
    let first = alerts.iter().find(|alert| alert["type"] == "liaison.at-risk").context("an alert")?;
    let message = first["message"].as_str().context("a message")?;
    assert!(message.contains("events of type policy.updated will miss their deadline of 20s"), "{message}");
    // However many types events have, only those that are configured are told apart.
    let types = abouts(&alerts);
    assert_eq!(types, ["policy.updated", "policy.updated, fast", "policy.updated, slow"]);
    Ok(())
}

fn abouts(alerts: &[Value]) -> Vec<&str> {
    let mut types = sorted(alerts.iter().filter_map(|alert| alert["about"].as_str()));
    types.dedup();
    types
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
    let connector = r#"breaker = { probe-interval = "50ms", max-probe-interval = "100ms", max-denied-interval = "100ms" }"#;
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
    assert_eq!(kinds, BTreeMap::from([("liaison.denied".to_owned(), 2)]));
    assert_eq!(receiver.states("denied")?, ["raised", "recovered"]);
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
    receiver.wait_for(3)?;
    fixture.host.stop()?;
    assert_eq!(receiver.states("dead-letter")?, ["raised"]);
    assert_eq!(receiver.states("produce-failing")?, ["raised", "recovered"]);
    Ok(())
}
