//! Parked events on real Kafka: none is lost when the host is killed while they wait, and what they leave is committed.

use std::collections::BTreeMap;
use std::time::Duration;

use liaison_tests::host::HostProcess;
use liaison_tests::kafka::Kafka;
use liaison_tests::produce::produce;
use liaison_tests::system::{Behaviour, System};
use liaison_tests::{is_quick, port, say_skipped, wait};

use crate::kafka_fixture::{Events, LIMIT, Setup, dead_letters, event_id, wait_for_events};

const TOPIC: &str = "parked";
const GROUP: &str = "parked.calendar";
/// Long enough that a busy machine has asked Kafka for the offsets before it is over.
const DELAY: &str = "parked.calendar.delay.1m";
const PARTITIONS: usize = 4;
/// Every tenth event fails, once: a second time they would be alone, and look like a system that is down.
const FAILING: usize = 200;

/// Has the group nothing left of this topic?
fn is_committed(kafka: &Kafka, topic: &str) -> bool {
    kafka.group_offsets(GROUP).is_ok_and(|offsets| {
        let mut found = offsets.iter().filter(|offset| offset.topic == topic).peekable();
        found.peek().is_some() && found.all(|offset| offset.committed.unwrap_or_default() == offset.end)
    })
}

#[test]
fn parked_events_are_not_lost_when_the_host_is_killed() -> anyhow::Result<()> {
    if is_quick() {
        say_skipped("parked_events_are_not_lost_when_the_host_is_killed", "needs real Kafka");
        return Ok(());
    }
    let kafka = Kafka::shared()?;
    kafka.create_topic(TOPIC, PARTITIONS as u32)?;
    let events = Events::new(2_000, 2_000, PARTITIONS);
    produce(&kafka.bootstrap(), events.records(TOPIC))?;
    let failing = Behaviour::ok().for_first(1, Behaviour::status(503));
    let behaviour = Behaviour::ok().when(|request| request.path.ends_with('7'), failing);
    let system = System::start("calendar", behaviour.with_latency(Duration::from_millis(5)))?;
    let subscriptions = vec![("calendar", system.url(), "breaker = { failures = 64 }")];
    let (bootstrap, admin) = (kafka.bootstrap(), port::free()?);
    let sla = "initial-interval = \"1s\"";
    let setup = Setup { topic: TOPIC, bootstrap, admin, subscriptions, sla };
    let parking = "ordering = \"none\"\nparking = { after = \"100ms\", delays = [\"1m\"] }";
    let mut host = HostProcess::start(&format!("{}\n{parking}", setup.text()?), admin, &[])?;

    // Those that do not fail are done, and Kafka alone has the others.
    system.wait_for_accepted(events.len() - FAILING, LIMIT)?;
    wait::until(LIMIT, "the commit of what is parked", || is_committed(kafka, TOPIC))?;
    assert_eq!(system.count(), events.len());
    host.kill()?;
    host.start_again()?;
    wait_for_events(&system, events.len())?;
    wait::until(LIMIT, "the last commit", || is_committed(kafka, DELAY))?;
    assert!(host.terminate(LIMIT)?.success());
    let dead = dead_letters(&kafka.bootstrap(), TOPIC, "calendar")?;
    assert_eq!(dead, [""; 0]);

    let ledger = system.ledger();
    let delivered = liaison_tests::proof::delivered(&ledger, event_id);
    assert_eq!(liaison_tests::proof::lost(&events.ids(), &delivered, &[]), [""; 0]);
    // The kill interrupts nothing: it costs no attempt, and repeats none.
    assert_eq!(liaison_tests::proof::duplicates(&delivered), BTreeMap::new());
    assert_eq!(ledger.len(), events.len() + FAILING);
    let described = kafka.describe_topic(DELAY)?;
    assert!(
        described.contains("PartitionCount: 4") && described.contains("retention.ms=12096"),
        "{described}"
    );
    Ok(())
}
