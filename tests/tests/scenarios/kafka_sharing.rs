//! Subscriptions share a host, and hosts share a subscription.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use liaison_tests::host::HostProcess;
use liaison_tests::kafka::Kafka;
use liaison_tests::produce::{produce, produce_paced};
use liaison_tests::system::{Behaviour, System};
use liaison_tests::{is_quick, port, say_skipped, wait};

use crate::kafka_fixture::{
    Events, LIMIT, Setup, assert_committed_to_the_end, event_id, say, wait_for_events,
};

const PARTITIONS: usize = 6;

/// Events at the start that are not measured: producer and host make their connections.
const WARM_UP: usize = 500;

/// From when an event was sent until the system had it: the 50th and the 99th of a hundred.
fn latencies(system: &System, events: &Events, sent: &[Instant]) -> [Duration; 2] {
    let ids = events.ids();
    let sent: HashMap<_, _> = ids.iter().zip(sent).skip(WARM_UP).collect();
    let ledger = system.ledger();
    let took = ledger.iter().filter_map(|entry| {
        let sent = sent.get(&event_id(entry)?)?;
        Some(entry.received.saturating_duration_since(**sent))
    });
    let mut took: Vec<_> = took.collect();
    assert_eq!(took.len(), events.len() - WARM_UP);
    took.sort_unstable();
    [took[took.len() / 2], took[took.len() * 99 / 100]]
}

#[test]
fn a_slow_system_does_not_slow_another_subscription() -> anyhow::Result<()> {
    const INTERVAL: Duration = Duration::from_millis(4);
    if is_quick() {
        say_skipped("a_slow_system_does_not_slow_another_subscription", "needs real Kafka");
        return Ok(());
    }
    let kafka = Kafka::shared()?;
    let events = Events::new(2_000, 200, PARTITIONS);
    let fast_alone = System::start("fast", Behaviour::ok())?;
    let fast = System::start("fast", Behaviour::ok())?;
    let slow = System::start("slow", Behaviour::ok().with_latency(Duration::from_millis(500)))?;
    let alone = vec![("fast", fast_alone.url(), "")];
    let both = vec![("fast", fast.url(), ""), ("slow", slow.url(), "concurrency = 8")];
    let mut measured = Vec::new();
    for (topic, system, subscriptions) in [("fast-alone", &fast_alone, alone), ("fast-and-slow", &fast, both)]
    {
        kafka.create_topic(topic, PARTITIONS as u32)?;
        let (bootstrap, admin) = (kafka.bootstrap(), port::free()?);
        let setup = Setup { topic, bootstrap, admin, subscriptions, sla: "" };
        let mut host = HostProcess::start(&setup.text()?, setup.admin, &[])?;
        let has_all = |host: &HostProcess| {
            let assigned = [("subscription", "fast")];
            host.metrics().is_ok_and(|metrics| metrics.sum("liaison_partitions_assigned", &assigned) == 6.0)
        };
        wait::until(LIMIT, "partitions", || has_all(&host))?;
        let sent = produce_paced(&kafka.bootstrap(), events.records(topic), INTERVAL)?;
        wait_for_events(system, events.len())?;
        let behind = events.len() - slow.accepted();
        measured.push(latencies(system, &events, &sent));
        if topic == "fast-and-slow" {
            assert!(behind > events.len() / 2, "the slow system was not slow: {behind} events are left");
        }
        host.kill()?;
    }
    let [[median_alone, alone], [median, together]] = measured[..] else { unreachable!("two were measured") };
    say(&format!(
        "fast alone: p50 {median_alone:?} p99 {alone:?}; beside a slow one: p50 {median:?} p99 {together:?}, {:.2} of it",
        together.as_secs_f64() / alone.as_secs_f64()
    ));
    let ledger = fast.ledger();
    assert!(events.prove(&ledger, &[]).is_empty());
    Ok(())
}

#[test]
fn hosts_that_join_and_leave_in_order_lose_and_duplicate_nothing() -> anyhow::Result<()> {
    const TOPIC: &str = "join-and-leave";
    if is_quick() {
        say_skipped("hosts_that_join_and_leave_in_order_lose_and_duplicate_nothing", "needs real Kafka");
        return Ok(());
    }
    let kafka = Kafka::shared()?;
    kafka.create_topic(TOPIC, PARTITIONS as u32)?;
    let events = Events::new(12_000, 500, PARTITIONS);
    produce(&kafka.bootstrap(), events.records(TOPIC))?;
    let failing = Behaviour::ok().for_percent(1.0, 1, Behaviour::status(503));
    let system = System::start("calendar", failing.with_latency(Duration::from_millis(50)))?;
    let start = || {
        let (bootstrap, admin) = (kafka.bootstrap(), port::free()?);
        let subscriptions = vec![("calendar", system.url(), "concurrency = 25")];
        let sla = r#"initial-interval = "100ms""#;
        let setup = Setup { topic: TOPIC, bootstrap, admin, subscriptions, sla };
        HostProcess::start(&setup.text()?, setup.admin, &[])
    };
    let assigned = |host: &HostProcess| {
        let metrics = host.metrics().unwrap_or_default();
        metrics.sum("liaison_partitions_assigned", &[])
    };

    let mut one = start()?;
    system.wait_for_accepted(1_000, LIMIT)?;
    let mut other = start()?;
    wait::until(LIMIT, "half of the partitions", || assigned(&one) == 3.0 && assigned(&other) == 3.0)?;
    say(&format!("join and leave: shared after {} deliveries", system.accepted()));
    system.wait_for_accepted(system.accepted() + 1_500, LIMIT)?;
    assert!(one.terminate(LIMIT)?.success());
    wait::until(LIMIT, "all partitions", || assigned(&other) == 6.0)?;
    say(&format!("join and leave: alone after {} deliveries", system.accepted()));
    wait_for_events(&system, events.len())?;
    assert!(other.terminate(LIMIT)?.success());

    let ledger = system.ledger();
    let duplicates = events.prove(&ledger, &[]);
    let some: Vec<_> = duplicates.iter().take(10).collect();
    assert_eq!(duplicates.values().sum::<usize>(), 0, "{some:?}");
    assert_committed_to_the_end(kafka, "join-and-leave.calendar", PARTITIONS)
}
