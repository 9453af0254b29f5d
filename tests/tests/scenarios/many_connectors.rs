//! Two hundred connectors on one host: it starts at once, each costs little while it is idle, and all deliver.

use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use liaison::kafka::embedded::Embedded;
use liaison::kafka::producer::Outgoing;
use liaison_tests::bench::usage;
use liaison_tests::folder::Folder;
use liaison_tests::host::{HostProcess, plugin};
use liaison_tests::produce::produce;
use liaison_tests::system::{Behaviour, System};
use liaison_tests::{port, wait};

use crate::fixture::{DEAD_LETTERS, LIMIT, TOPIC, event, id_of, sorted};

const CONNECTORS: usize = 200;
/// The promise is 5 s. Beside other tests on two cores everything takes many times as long.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Of one more connector with its subscription, in bytes: what its consumer and its own threads take.
const MOST_MEMORY: u64 = 3 << 20;
/// Of one more connector: its consumer's own, and those of the client library.
const MOST_THREADS: usize = 6;

struct Started {
    host: HostProcess,
    /// Until it was ready.
    took: Duration,
    /// Until every subscription had its partition.
    joined: Duration,
    /// What it had used of the processors by then.
    cpu_time: Duration,
    memory: u64,
    threads: usize,
}

#[test]
#[expect(clippy::print_stderr, reason = "figures, for whoever runs it with --nocapture")]
fn two_hundred_connectors_start_at_once_and_hold_nothing_while_they_are_idle() -> anyhow::Result<()> {
    let cache = Folder::new("cache")?;
    let (broker, system) =
        (Embedded::start(&[(TOPIC, 1), (DEAD_LETTERS, 1)])?, System::start("all", Behaviour::ok())?);
    // The first fills the cache; a host with one connector is what the others are measured against.
    let mut one = start(1, &cache, &broker, &system)?;
    one.host.terminate(LIMIT)?;
    let mut one = start(1, &cache, &broker, &system)?;
    one.host.terminate(LIMIT)?;
    let mut many = start(CONNECTORS, &cache, &broker, &system)?;
    let others = CONNECTORS - 1;
    let memory = many.memory.saturating_sub(one.memory) / u64::try_from(others)?;
    let threads = many.threads.saturating_sub(one.threads);
    eprintln!(
        "{CONNECTORS} connectors: ready after {:.1?} ({:.1?} with one), all partitions after {:.1?} with {:.1?} of processor time; {} MiB, {} KiB a connector; {} threads",
        many.took,
        one.took,
        many.joined,
        many.cpu_time,
        many.memory >> 20,
        memory >> 10,
        many.threads
    );
    ensure!(memory <= MOST_MEMORY, "{memory} bytes a connector");
    ensure!(threads <= others * MOST_THREADS, "{threads} threads more");
    ensure!(instances(&many.host)? == 0.0, "an idle connector holds an instance");

    system.take_ledger();
    produce(broker.bootstrap(), vec![Outgoing { topic: TOPIC.to_owned(), ..event("e-1", "k") }])?;
    system.wait_for_accepted(CONNECTORS, LIMIT)?;
    let by_connector = sorted(system.ledger().iter().map(|entry| id_of(entry).to_owned()));
    let expected = sorted((0..CONNECTORS).map(|number| format!("/of/{number}/e-1")));
    ensure!(by_connector == expected, "{by_connector:?}");
    wait::until(LIMIT, "every instance to be let go", || {
        instances(&many.host).is_ok_and(|count| count == 0.0)
    })?;
    let status = many.host.terminate(LIMIT)?;
    ensure!(status.success(), "the host ended with {status}");
    Ok(())
}

/// A host with so many connectors, each with a subscription of its own, once it is ready.
fn start(count: usize, cache: &Folder, broker: &Embedded, system: &System) -> anyhow::Result<Started> {
    let admin = port::free()?;
    let mut config = format!(
        "[kafka]\nbrokers = [\"{}\"]\n[admin]\naddress = \"{admin}\"\n[runtime]\ncache = \"{}\"\n\
         [plugins.rest]\npath = \"{}\"\n",
        broker.bootstrap(),
        cache.path().join("aot").display(),
        plugin("rest")?.display(),
    );
    for number in 0..count {
        write!(
            config,
            "[connectors.c-{number}]\nplugin = \"rest\"\nendpoint = \"{}\"\nallow-networks = [\"127.0.0.0/8\"]\n\
             settings = {{ path = \"/of/{number}/{{id}}\" }}\n\
             [subscriptions.c-{number}]\nconnector = \"c-{number}\"\ntopics = [\"{TOPIC}\"]\n\
             dead-letter-topic = \"{DEAD_LETTERS}\"\n",
            system.url()
        )?;
    }
    let begun = Instant::now();
    let mut host = HostProcess::start(&config, admin, &[])?;
    host.wait_ready(START_LIMIT)?;
    let took = begun.elapsed();
    // From then on the host is as it will stay.
    wait::until(START_LIMIT, "every subscription to have its partitions", || {
        let assigned =
            host.metrics().map(|metrics| metrics.sum("liaison_partitions_assigned", &[])).unwrap_or_default();
        u32::try_from(count).is_ok_and(|count| assigned >= f64::from(count))
    })?;
    let joined = begun.elapsed();
    let cpu_time = usage::cpu_time(host.id())?;
    let threads = fs::read_dir(format!("/proc/{}/task", host.id())).context("a process has threads")?.count();
    let memory = usage::memory_now(host.id())?;
    Ok(Started { host, took, joined, cpu_time, memory, threads })
}

fn instances(host: &HostProcess) -> anyhow::Result<f64> {
    Ok(host.metrics()?.sum("liaison_plugin_instances", &[]))
}
