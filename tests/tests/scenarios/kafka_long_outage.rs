//! An external system that is away for long while tens of thousands of events wait: memory stays flat, nothing is given
//! up and no attempt is spent; when it is back it is soon asked at the full rate, and never overrun.

use std::time::{Duration, Instant};

use liaison_tests::bench::usage::memory_now;
use liaison_tests::host::HostProcess;
use liaison_tests::kafka::Kafka;
use liaison_tests::produce::produce;
use liaison_tests::system::{Behaviour, Request, System};
use liaison_tests::{is_quick, port, say_skipped, wait};

use crate::kafka_fixture::{
    Events, LIMIT, Setup, assert_committed_to_the_end, dead_letters, event_id, say, wait_for_events,
    wait_for_the_end,
};
use crate::rate::Since;

/// What is there before the system goes away.
const FIRST: usize = 2_000;
/// What comes while it is away.
const WAITING: usize = 50_000;
const PARTITIONS: usize = 6;
/// 40 at a time of 20 ms each are 2,000 a second: what limits the rate is the system, not the machine.
const CONNECTOR: &str = "concurrency = 40";
const LATENCY: Duration = Duration::from_millis(20);
/// Two attempts in all: an event that spends one in the outage is a dead letter at the next.
const SLA: &str = "max-attempts = 2\ninitial-interval = \"100ms\"\nmax-interval = \"1s\"";
/// What memory may grow by while nothing can be delivered.
const GROWTH_BYTES: u64 = 8 << 20;
const MIB: f64 = 1024.0 * 1024.0;

#[test]
fn an_outage_of_half_a_minute_with_50000_events_waiting() -> anyhow::Result<()> {
    if is_quick() {
        say_skipped("an_outage_of_half_a_minute_with_50000_events_waiting", "needs real Kafka");
        return Ok(());
    }
    outage("half-a-minute", Duration::from_secs(30))
}

#[test]
#[ignore = "it takes ten minutes: for a person"]
fn an_outage_of_ten_minutes_with_50000_events_waiting() -> anyhow::Result<()> {
    outage("ten-minutes", Duration::from_secs(600))
}

fn outage(topic: &str, length: Duration) -> anyhow::Result<()> {
    let kafka = Kafka::shared()?;
    kafka.create_topic(topic, PARTITIONS as u32)?;
    let system = System::start("calendar", Behaviour::ok().with_latency(LATENCY))?;
    let (bootstrap, admin) = (kafka.bootstrap(), port::free()?);
    let subscriptions = vec![("calendar", system.url(), CONNECTOR)];
    let setup = Setup { topic, bootstrap, admin, subscriptions, sla: SLA };
    let mut host = HostProcess::start(&setup.text()?, setup.admin, &[])?;
    host.wait_ready(LIMIT)?;
    let metric = |host: &HostProcess, name: &str, labels: &[(&str, &str)]| {
        host.metrics().map(|metrics| metrics.sum(name, labels)).unwrap_or(f64::NAN)
    };

    // It is delivering when the system goes away.
    let events = Events::new(FIRST + WAITING, 1_000, PARTITIONS);
    let mut records = events.records(topic);
    let later = records.split_off(FIRST);
    produce(&kafka.bootstrap(), records)?;
    system.wait_for_accepted(FIRST / 2, LIMIT)?;
    system.behave(Behaviour::status(503));
    let down = Instant::now();
    produce(&kafka.bootstrap(), later)?;
    wait::until(LIMIT, "paused partitions", || metric(&host, "liaison_partitions_paused", &[]) == 6.0)?;
    let asked = system.count();
    let (before, mut peak) = (memory_now(host.id())?, 0);
    wait::until(length * 2, "the end of the outage", || {
        peak = memory_now(host.id()).map_or(peak, |now| now.max(peak));
        down.elapsed() >= length
    })?;
    let probes = system.count() - asked;
    say(&format!(
        "{topic}: {:.0} MiB when all was paused, at most {:.0} MiB until its end; {probes} probes",
        before as f64 / MIB,
        peak as f64 / MIB
    ));
    assert!(peak <= before + GROWTH_BYTES, "memory grew from {before} to {peak} bytes");
    // The breaker asks every two seconds at most, whoever waits.
    assert!(probes as u64 <= length.as_secs(), "{probes} probes in {length:?}");

    let waiting = events.len() - system.accepted();
    // What has failed in the outage fails once more: with two attempts in all, one that was spent would be the end.
    let again = failed_last(&system);
    let fails_again = {
        let again = again.clone();
        move |request: &Request<'_>| again.iter().any(|path| path == request.path)
    };
    let once_more = Behaviour::ok().for_first(1, Behaviour::status(503));
    let up = Instant::now();
    system.behave(Behaviour::ok().when(fails_again, once_more).with_latency(LATENCY));
    wait_for_events(&system, events.len())?;
    let took = up.elapsed();
    let ledger = system.ledger();
    let since = Since { ledger: &ledger, up };
    let (steady, peak_rate) =
        (since.rate(Duration::from_secs(5), Duration::from_secs(5)), since.peak_of_the_first_second());
    let full = since.full_after(steady);
    say(&format!(
        "{topic}: {waiting} that waited took {took:?}, at {steady:.0} a second; full rate after {full:?}; peak of the first \
         second {peak_rate:.0}"
    ));
    assert!(full.is_some(), "no full rate within 5 s of {up:?}");
    assert!(peak_rate <= 1.5 * steady, "{peak_rate} a second at first, and {steady} later");
    wait_for_the_end(kafka, &format!("{topic}.calendar"), PARTITIONS)?;
    assert!(host.terminate(LIMIT)?.success());

    let dead = dead_letters(&kafka.bootstrap(), topic, "calendar")?;
    assert_eq!(dead, [""; 0], "dead letters");
    let duplicates = events.prove(&ledger, &dead);
    assert_eq!(duplicates.len(), 0, "{:?}", duplicates.first_key_value());
    for path in again {
        // In a long outage the same events probe again and again.
        let failed = ledger.iter().filter(|entry| entry.path == path && !entry.is_accepted());
        let (in_the_outage, after): (Vec<_>, Vec<_>) = failed.partition(|entry| entry.received < up);
        assert!(!in_the_outage.is_empty() && !after.is_empty(), "{path} failed in the outage and after it");
    }
    assert_committed_to_the_end(kafka, &format!("{topic}.calendar"), PARTITIONS)
}

/// Two of the events that have failed: the latest, for the oldest are asked for first.
fn failed_last(system: &System) -> Vec<String> {
    let ledger = system.ledger();
    let failed = ledger.iter().filter(|entry| !entry.is_accepted() && event_id(entry).is_some());
    let mut paths: Vec<String> = failed.map(|entry| entry.path.clone()).collect();
    let number = |path: &String| path.rsplit_once('-').and_then(|(_, number)| number.parse::<usize>().ok());
    paths.sort_by_key(number);
    paths.dedup();
    paths.split_off(paths.len().saturating_sub(2))
}
