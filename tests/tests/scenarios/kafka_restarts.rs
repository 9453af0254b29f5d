//! The host ends, in order or not, and starts again: nothing is lost, and little comes twice.

use std::collections::HashSet;
use std::time::Duration;

use liaison_tests::host::HostProcess;
use liaison_tests::kafka::Kafka;
use liaison_tests::produce::produce;
use liaison_tests::system::{Behaviour, System};
use liaison_tests::{is_quick, port, say_skipped, wait};

use crate::kafka_fixture::{
    Events, LIMIT, Setup, assert_committed_to_the_end, dead_letters, say, wait_for_events, wait_for_the_end,
};

const PARTITIONS: usize = 6;
const CONCURRENCY: usize = 100;
/// With [`CONCURRENCY`] this caps the rate: 2,000 events a second, whatever the machine can do.
const LATENCY: Duration = Duration::from_millis(50);
const SLA: &str = r#"
    max-attempts = 10
    initial-interval = "100ms"
    max-interval = "400ms"
"#;

/// A system with a latency that fails 3 % of all requests, and rejects some events.
fn trying() -> Behaviour {
    Behaviour::ok()
        .for_percent(3.0, 3, Behaviour::status(503))
        .when(|request| is_rejected(request.path), Behaviour::status(400))
        .with_latency(LATENCY)
}

/// The events 1000, 2000 and so on.
fn is_rejected(id: &str) -> bool {
    id.ends_with("000")
}

/// Waits until every event is delivered or, if it is rejected, a dead letter.
fn wait_for_all(kafka: &Kafka, topic: &str, system: &System, events: &Events) -> anyhow::Result<()> {
    let rejected = events.ids().iter().filter(|id| is_rejected(id)).count();
    wait_for_events(system, events.len() - rejected)?;
    wait::until(LIMIT, "the dead letters", || {
        dead_letters(&kafka.bootstrap(), topic, "calendar")
            .is_ok_and(|dead| dead.iter().collect::<HashSet<_>>().len() >= rejected)
    })
}

fn setup<'a>(topic: &'a str, kafka: &Kafka, system: &System) -> anyhow::Result<Setup<'a>> {
    let subscriptions = vec![("calendar", system.url(), "concurrency = 100")];
    let (bootstrap, admin) = (kafka.bootstrap(), port::free()?);
    Ok(Setup { topic, bootstrap, admin, subscriptions, sla: SLA })
}

/// How many duplicates a kill may cause, by the settings alone. Kafka does not know of
/// - what is in flight: [`CONCURRENCY`];
/// - what was delivered since the last commit was asked for: the commit interval, 100 ms, and 400 ms for its way, which
///   is far more than it takes where there is something else to do than tests.
///
/// What was delivered past an event that waits for its next attempt is in the metadata of the commit.
const BOUND_OF_A_KILL: usize = CONCURRENCY + delivered_in(500);

/// What can be delivered in so many milliseconds.
const fn delivered_in(ms: usize) -> usize {
    CONCURRENCY * ms / LATENCY.as_millis() as usize
}

#[test]
fn nothing_is_lost_when_the_host_is_killed_three_times() -> anyhow::Result<()> {
    const TOPIC: &str = "killed-three-times";
    const GROUP: &str = "killed-three-times.calendar";
    if is_quick() {
        say_skipped("nothing_is_lost_when_the_host_is_killed_three_times", "needs real Kafka");
        return Ok(());
    }
    let kafka = Kafka::shared()?;
    kafka.create_topic(TOPIC, PARTITIONS as u32)?;
    let events = Events::new(20_000, 500, PARTITIONS);
    produce(&kafka.bootstrap(), events.records(TOPIC))?;
    let system = System::start("calendar", trying())?;
    let setup = setup(TOPIC, kafka, &system)?;
    let mut host = HostProcess::start(&setup.text()?, setup.admin, &[])?;

    let mut may_come_again = 0;
    for moment in [4_000, 9_000, 14_000] {
        system.wait_for_accepted(moment, LIMIT)?;
        host.kill()?;
        let offsets = kafka.group_offsets(GROUP)?;
        let dead = dead_letters(&kafka.bootstrap(), TOPIC, "calendar")?;
        let uncommitted = events.prove_commits(&offsets, &system.ledger(), &dead);
        say(&format!("killed at {moment}: {uncommitted} deliveries are not committed"));
        may_come_again += uncommitted;
        host.start_again()?;
    }
    wait_for_all(kafka, TOPIC, &system, &events)?;
    wait_for_the_end(kafka, GROUP, PARTITIONS)?;
    assert!(host.terminate(LIMIT)?.success());
    let dead = dead_letters(&kafka.bootstrap(), TOPIC, "calendar")?;

    let ledger = system.ledger();
    let duplicates: usize = events.prove(&ledger, &dead).values().sum();
    let bound = 3 * BOUND_OF_A_KILL;
    say(&format!(
        "3 kills: {duplicates} duplicates; {may_come_again} were possible, and the bound is {bound}"
    ));
    assert!(duplicates <= may_come_again, "{duplicates} duplicates, but only {may_come_again} not committed");
    assert!(duplicates <= bound, "{duplicates} duplicates are more than {bound}");
    assert_committed_to_the_end(kafka, GROUP, PARTITIONS)
}

#[test]
fn sigterm_duplicates_nothing() -> anyhow::Result<()> {
    const TOPIC: &str = "terminated";
    const GROUP: &str = "terminated.calendar";
    if is_quick() {
        say_skipped("sigterm_duplicates_nothing", "needs real Kafka");
        return Ok(());
    }
    let kafka = Kafka::shared()?;
    kafka.create_topic(TOPIC, PARTITIONS as u32)?;
    let events = Events::new(10_000, 500, PARTITIONS);
    produce(&kafka.bootstrap(), events.records(TOPIC))?;
    let system = System::start("calendar", trying())?;
    let setup = setup(TOPIC, kafka, &system)?;
    let mut host = HostProcess::start(&setup.text()?, setup.admin, &[])?;
    for moment in [2_000, 6_000] {
        system.wait_for_accepted(moment, LIMIT)?;
        assert!(host.terminate(LIMIT)?.success());
        host.start_again()?;
    }
    wait_for_all(kafka, TOPIC, &system, &events)?;
    wait_for_the_end(kafka, GROUP, PARTITIONS)?;
    assert!(host.terminate(LIMIT)?.success());
    let dead = dead_letters(&kafka.bootstrap(), TOPIC, "calendar")?;

    let ledger = system.ledger();
    let duplicates = events.prove(&ledger, &dead);
    let some: Vec<_> = duplicates.iter().take(10).collect();
    assert_eq!(duplicates.values().sum::<usize>(), 0, "{some:?}");
    assert_committed_to_the_end(kafka, GROUP, PARTITIONS)
}
