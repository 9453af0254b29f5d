//! A reload on real Kafka: the groups of subscriptions that did not change do not notice, however often it is asked for.

use std::thread;
use std::time::Duration;

use liaison_tests::host::HostProcess;
use liaison_tests::kafka::Kafka;
use liaison_tests::produce::produce_paced;
use liaison_tests::system::{Behaviour, System};
use liaison_tests::{is_quick, port, say_skipped, wait};

use crate::kafka_fixture::{
    Events, LIMIT, Setup, assert_committed_to_the_end, wait_for_events, wait_for_the_end,
};
use crate::reload_fixture::{metric, wait_for_reloads};

const PARTITIONS: usize = 4;
const NAMES: [&str; 3] = ["calendar", "documents", "roster"];

/// Three systems, and a configuration of those that are asked for.
struct Systems<'a> {
    kafka: &'a Kafka,
    topic: &'a str,
    systems: Vec<System>,
    admin: std::net::SocketAddr,
}

impl<'a> Systems<'a> {
    fn start(kafka: &'a Kafka, topic: &'a str) -> anyhow::Result<Self> {
        kafka.create_topic(topic, PARTITIONS as u32)?;
        let systems = NAMES.iter().map(|name| System::start(name, Behaviour::ok()));
        Ok(Self { kafka, topic, systems: systems.collect::<anyhow::Result<_>>()?, admin: port::free()? })
    }

    fn text(&self, names: &[&'static str], tables: &str) -> anyhow::Result<String> {
        let is_asked = |system: &&System| names.contains(&system.name());
        let systems = self.systems.iter().filter(is_asked);
        let setup = Setup {
            topic: self.topic,
            bootstrap: self.kafka.bootstrap(),
            admin: self.admin,
            subscriptions: systems.map(|system| (system.name(), system.url(), "")).collect(),
            sla: r#"initial-interval = "100ms""#,
        };
        Ok(setup.text()? + tables)
    }

    fn host(&self) -> anyhow::Result<HostProcess> {
        let host = HostProcess::start(&self.text(&NAMES, "")?, self.admin, &[])?;
        for name in NAMES {
            let labels = [("subscription", name)];
            let has_all = || {
                metric(&host, "liaison_partitions_assigned", &labels) == Some(f64::from(PARTITIONS as u32))
            };
            wait::until(LIMIT, &format!("partitions of {name}"), has_all)?;
        }
        Ok(host)
    }

    fn members(&self, name: &str) -> anyhow::Result<Vec<String>> {
        self.kafka.group_members(&format!("{}.{name}", self.topic))
    }

    fn prove(&self, events: &Events) -> anyhow::Result<()> {
        for system in &self.systems {
            wait_for_events(system, events.len())?;
            let group = format!("{}.{}", self.topic, system.name());
            wait_for_the_end(self.kafka, &group, PARTITIONS)?;
            assert_eq!(events.prove(&system.ledger(), &[]), [].into(), "{}", system.name());
        }
        Ok(())
    }
}

#[test]
fn a_reload_rebalances_the_group_of_what_changed_and_no_other() -> anyhow::Result<()> {
    if is_quick() {
        say_skipped("a_reload_rebalances_the_group_of_what_changed_and_no_other", "needs real Kafka");
        return Ok(());
    }
    let systems = Systems::start(Kafka::shared()?, "reload-groups")?;
    let mut host = systems.host()?;
    let events = Events::new(3_000, 300, PARTITIONS);
    let (mut before, mut after) = (Vec::new(), Vec::new());
    thread::scope(|scope| {
        let produced = scope.spawn(|| {
            let records = events.records(systems.topic);
            produce_paced(&systems.kafka.bootstrap(), records, Duration::from_millis(4))
        });
        for name in NAMES {
            before.push(systems.members(name)?);
        }
        let changed = "[subscriptions.calendar.sla]\nmax-attempts = 3\n";
        host.configure(&systems.text(&NAMES, changed)?)?;
        host.hang_up()?;
        wait_for_reloads(&host, "applied", 1.0)?;
        produced.join().expect("it does not panic")?;
        systems.prove(&events)?;
        for name in NAMES {
            after.push(systems.members(name)?);
        }
        anyhow::Ok(())
    })?;
    assert!(before.iter().chain(&after).all(|members| members.len() == 1), "{before:?} {after:?}");
    assert_ne!(before[0], after[0], "calendar has joined anew");
    assert_eq!(before[1..], after[1..], "nobody else has");
    // Each generation of a group that Kafka made: the first alone, but of the one that left and joined again.
    let log = systems.kafka.log();
    for (name, expected) in NAMES.into_iter().zip([true, false, false]) {
        let group = format!("Stabilized group {}.{name} generation", systems.topic);
        let generations: Vec<_> = log.iter().filter(|line| line.contains(&group)).collect();
        assert!(!generations.is_empty(), "Kafka says nothing of {name}");
        assert_eq!(generations.len() > 1, expected, "{name}: {generations:#?}");
    }
    assert!(host.terminate(LIMIT)?.success());
    assert_committed_to_the_end(systems.kafka, "reload-groups.calendar", PARTITIONS)
}

#[test]
fn fifty_reloads_under_load_lose_and_repeat_nothing() -> anyhow::Result<()> {
    const RELOADS: u32 = 50;
    if is_quick() {
        say_skipped("fifty_reloads_under_load_lose_and_repeat_nothing", "needs real Kafka");
        return Ok(());
    }
    let systems = Systems::start(Kafka::shared()?, "reload-fifty")?;
    let mut host = systems.host()?;
    let members = systems.members("documents")?;
    let events = Events::new(12_000, 600, PARTITIONS);
    thread::scope(|scope| {
        let produced = scope.spawn(|| {
            let records = events.records(systems.topic);
            produce_paced(&systems.kafka.bootstrap(), records, Duration::from_millis(4))
        });
        // In turn: one changes, another is gone, and all is as it was.
        for reload in 1..=RELOADS {
            let text = match reload % 4 {
                1 => systems.text(&NAMES, "[subscriptions.calendar.sla]\nmax-attempts = 3\n")?,
                2 => systems.text(&NAMES[..2], "")?,
                3 => systems.text(&NAMES, "")?,
                _ => systems.text(&NAMES[..2], "[connectors.calendar.breaker]\nfailures = 9\n")?,
            };
            host.configure(&text)?;
            host.hang_up()?;
            wait_for_reloads(&host, "applied", f64::from(reload))?;
        }
        host.configure(&systems.text(&NAMES, "")?)?;
        host.hang_up()?;
        produced.join().expect("it does not panic")?;
        systems.prove(&events)
    })?;
    assert_eq!(systems.members("documents")?, members, "it never changed");
    let refused = [("result", "refused")];
    assert_eq!(metric(&host, "liaison_config_reloads_total", &refused), Some(0.0));
    assert!(host.terminate(LIMIT)?.success());
    Ok(())
}
