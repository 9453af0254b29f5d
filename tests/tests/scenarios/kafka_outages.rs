//! Kafka or an external system is away for long: the host waits, goes on by itself, and loses nothing.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use liaison_tests::host::HostProcess;
use liaison_tests::kafka::Kafka;
use liaison_tests::produce::produce;
use liaison_tests::system::{Behaviour, System};
use liaison_tests::{is_quick, port, say_skipped, wait};

use crate::kafka_fixture::{
    Events, LIMIT, Setup, assert_committed_to_the_end, dead_letters, say, wait_for_events, wait_for_the_end,
};

const PARTITIONS: usize = 6;

/// Lets so much time pass.
fn pass(time: Duration) -> anyhow::Result<()> {
    let begun = Instant::now();
    wait::until(time * 2, "the time", || begun.elapsed() >= time)
}

#[test]
fn a_broker_that_is_away_for_20_s_is_waited_for() -> anyhow::Result<()> {
    const TOPIC: &str = "broker-away";
    const CONCURRENCY: usize = 20;
    if is_quick() {
        say_skipped("a_broker_that_is_away_for_20_s_is_waited_for", "needs real Kafka");
        return Ok(());
    }
    let mut kafka = Kafka::start()?;
    kafka.create_topic(TOPIC, PARTITIONS as u32)?;
    let events = Events::new(12_000, 500, PARTITIONS);
    produce(&kafka.bootstrap(), events.records(TOPIC))?;
    let system = System::start("calendar", Behaviour::ok().with_latency(Duration::from_millis(50)))?;
    let (bootstrap, admin) = (kafka.bootstrap(), port::free()?);
    let concurrency = format!("concurrency = {CONCURRENCY}");
    let subscriptions = vec![("calendar", system.url(), &*concurrency)];
    let setup = Setup { topic: TOPIC, bootstrap, admin, subscriptions, sla: "" };
    let mut host = HostProcess::start(&setup.text()?, setup.admin, &[])?;

    system.wait_for_accepted(1_000, LIMIT)?;
    kafka.kill()?;
    pass(Duration::from_secs(20))?;
    wait::until(LIMIT, "readiness to turn", || !host.is_ready())?;
    let (before, readiness) = (system.accepted(), host.page("/readyz")?);
    assert!(readiness.1.contains("no Kafka broker has answered for"), "{readiness:?}");
    kafka.start_again()?;
    let began = Instant::now();
    wait_for_events(&system, events.len())?;
    say(&format!(
        "broker away: {before} delivered, readiness {readiness:?}; done {:?} after",
        began.elapsed()
    ));
    assert_eq!(host.status(), None, "the host did not end: {:?}", host.log().last());
    wait::until(LIMIT, "readiness to come back", || host.is_ready())?;
    let noise = host.log().iter().filter(|line| line.contains("Kafka does not give all records now")).count();
    assert!(noise <= 2, "{noise} lines for one trouble");
    let warnings: Vec<_> = host.log().into_iter().filter(|line| line.contains("CONFWARN")).collect();
    assert_eq!(warnings, [""; 0], "each client gets the properties that it knows");
    wait_for_the_end(&kafka, "broker-away.calendar", PARTITIONS)?;
    assert!(host.terminate(LIMIT)?.success());

    let ledger = system.ledger();
    let duplicates: usize = events.prove(&ledger, &[]).values().sum();
    say(&format!("broker away: {duplicates} duplicates"));
    // What was in flight when the partitions were lost may come again; what was delivered while no commit was possible is
    // kept in mind.
    assert!(duplicates <= 2 * CONCURRENCY, "{duplicates} duplicates of {before} deliveries");
    assert_committed_to_the_end(&kafka, "broker-away.calendar", PARTITIONS)
}

#[test]
fn endpoint_down_for_60_s_spends_no_attempts() -> anyhow::Result<()> {
    const TOPIC: &str = "endpoint-down";
    const SLA: &str = r#"
        max-attempts = 3
        initial-interval = "100ms"
        max-interval = "400ms"
    "#;
    if is_quick() {
        say_skipped("endpoint_down_for_60_s_spends_no_attempts", "needs real Kafka");
        return Ok(());
    }
    let kafka = Kafka::shared()?;
    kafka.create_topic(TOPIC, PARTITIONS as u32)?;
    let events = Events::new(4_000, 200, PARTITIONS);
    produce(&kafka.bootstrap(), events.records(TOPIC))?;
    let system = System::start("calendar", Behaviour::ok().with_latency(Duration::from_millis(20)))?;
    let (bootstrap, admin) = (kafka.bootstrap(), port::free()?);
    let subscriptions = vec![("calendar", system.url(), "concurrency = 20")];
    let setup = Setup { topic: TOPIC, bootstrap, admin, subscriptions, sla: SLA };
    let mut host = HostProcess::start(&setup.text()?, setup.admin, &[])?;
    let metric = |host: &HostProcess, name: &str, labels: &[(&str, &str)]| {
        host.metrics().map(|metrics| metrics.sum(name, labels)).unwrap_or_default()
    };

    // Half of the time it says that it cannot, half of the time it is not there.
    system.wait_for_accepted(500, LIMIT)?;
    system.behave(Behaviour::status(503));
    let down = Instant::now();
    wait::until(LIMIT, "paused partitions", || metric(&host, "liaison_partitions_paused", &[]) == 6.0)?;
    say(&format!("endpoint down: paused after {:?}", down.elapsed()));
    pass(Duration::from_secs(30).saturating_sub(down.elapsed()))?;
    system.refuse_connections()?;
    pass(Duration::from_secs(60).saturating_sub(down.elapsed()))?;
    assert_eq!(metric(&host, "liaison_partitions_paused", &[]), 6.0);
    let retries = metric(&host, "liaison_attempts_total", &[("outcome", "retry")]);
    let requests = system.count();
    system.behave(Behaviour::ok());
    system.accept_connections()?;
    let up = Instant::now();
    system.wait_for(requests + 1, LIMIT)?;
    say(&format!(
        "endpoint down: first delivery {:?} after it is up; {retries} attempts failed",
        up.elapsed()
    ));
    wait_for_events(&system, events.len())?;
    say(&format!("endpoint down: all delivered {:?} after it is up", up.elapsed()));
    let spent = metric(&host, "liaison_dead_letters_total", &[]);
    assert!(host.terminate(LIMIT)?.success());

    assert_eq!(spent, 0.0);
    let dead = dead_letters(&kafka.bootstrap(), TOPIC, "calendar")?;
    assert_eq!(dead, [""; 0], "dead letters");
    let ledger = system.ledger();
    let duplicates = events.prove(&ledger, &dead);
    assert_eq!(duplicates.len(), 0, "{:?}", duplicates.first_key_value());
    // All in flight, twice, and a probe at most each 0.8 s: the system was left alone.
    assert!(retries <= 2.0 * 20.0 + 60.0 / 0.8, "{retries} attempts failed");
    let mut failures = HashMap::new();
    for entry in ledger.iter().filter(|entry| !entry.is_accepted()) {
        *failures.entry(&entry.path).or_insert(0_u32) += 1;
    }
    say(&format!("endpoint down: an event had up to {:?} failures answered", failures.values().max()));
    assert_committed_to_the_end(kafka, "endpoint-down.calendar", PARTITIONS)
}
