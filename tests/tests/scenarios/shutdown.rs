//! The end of a host: what is in flight is finished, and the next host delivers the rest, each event once.

use std::collections::BTreeMap;
use std::time::Duration;

use liaison_tests::proof::{duplicates, lost, out_of_order};
use liaison_tests::system::Behaviour;
use liaison_tests::wait;

use crate::fixture::{Config, Fixture, LIMIT, QUICK, event, sorted};

#[test]
fn a_stop_amid_slow_deliveries_loses_none_and_repeats_none() -> anyhow::Result<()> {
    let slow = Behaviour::ok().with_latency(Duration::from_millis(300));
    let fixture = Fixture::start(&Config { connector: "concurrency = 8", ..Config::default() }, slow)?;
    let events: Vec<_> =
        (0..100).map(|number| (format!("k-{}", number % 25), format!("e-{number}"))).collect();
    fixture.produce(events.iter().map(|(key, id)| event(id, key)))?;
    fixture.system.wait_for(20, LIMIT)?;
    let fixture = fixture.restarted()?;
    let before = fixture.system.count();
    assert!(before < 100, "all were under way before the stop");
    fixture.system.behave(Behaviour::ok());
    wait::until(LIMIT, "all events", || fixture.system.accepted() >= 100)?;
    fixture.settled("delivered", 100 - before)?;
    let delivered = fixture.delivered();
    let delivered: Vec<&str> = delivered.iter().map(String::as_str).collect();
    let produced: Vec<_> = events.iter().map(|(key, id)| (key.as_str(), id.as_str())).collect();
    let ids: Vec<&str> = produced.iter().map(|(_, id)| *id).collect();
    assert_eq!(lost(&ids, &delivered, &[]), [""; 0]);
    assert_eq!(duplicates(&delivered), BTreeMap::new());
    assert_eq!(out_of_order(&produced, &delivered), []);
    fixture.stop_without_dead_letters()
}

#[test]
fn a_gap_below_what_is_settled_is_all_that_comes_again_after_a_stop() -> anyhow::Result<()> {
    // One partition, and its first event never answered: everything behind it settles.
    let stuck = Behaviour::ok().when(|request| request.path == "/events/stuck", Behaviour::status(503));
    let fixture = Fixture::start(&Config { tables: QUICK, ..Config::default() }, stuck)?;
    let on_one =
        |id: &str, key: &str| liaison::kafka::producer::Outgoing { partition: Some(1), ..event(id, key) };
    let others: Vec<_> = (0..60).map(|number| format!("e-{number}")).collect();
    let records = others.iter().enumerate().map(|(number, id)| on_one(id, &format!("k-{}", number % 7)));
    fixture.produce([on_one("stuck", "stuck")].into_iter().chain(records.collect::<Vec<_>>()))?;
    fixture.settled("delivered", 60)?;
    let fixture = fixture.restarted()?;
    fixture.system.take_ledger();
    fixture.system.behave(Behaviour::ok());
    fixture.settled("delivered", 1)?;
    fixture.produce([on_one("last", "k-0")])?;
    fixture.settled("delivered", 2)?;
    assert_eq!(sorted(fixture.requested()), ["last", "stuck"]);
    fixture.stop_without_dead_letters()
}

#[test]
fn what_is_never_answered_ends_with_the_grace_period_and_comes_again() -> anyhow::Result<()> {
    let config = Config { subscription: "grace = \"500ms\"", ..Config::default() };
    let fixture = Fixture::start(&config, Behaviour::silence())?;
    fixture.produce([event("e-1", "k")])?;
    fixture.system.wait_for(1, LIMIT)?;
    let begun = std::time::Instant::now();
    let fixture = fixture.restarted()?;
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    fixture.system.behave(Behaviour::ok());
    fixture.settled("delivered", 1)?;
    assert_eq!(fixture.requested(), ["e-1", "e-1"]);
    fixture.stop_without_dead_letters()
}
