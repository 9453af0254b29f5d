//! Dead letters on real Kafka, and partitions with offsets that hold no record.

use std::process::Command;

use anyhow::ensure;
use liaison_tests::host::{HostProcess, liaison_binary};
use liaison_tests::kafka::Kafka;
use liaison_tests::produce::produce;
use liaison_tests::system::{Behaviour, System};
use liaison_tests::{is_quick, port, say_skipped, wait};
use serde_json::Value;

use crate::kafka_fixture::{
    Events, LIMIT, Setup, assert_committed_to_the_end, dead_letter_topic, dead_letters, wait_for_events,
};

/// What a command of the program answers in JSON, with the configuration of this host.
fn ask(host: &HostProcess, arguments: &[&str]) -> anyhow::Result<Value> {
    let mut command = Command::new(liaison_binary()?);
    command.args(arguments).arg("--json").arg("--config").arg(host.folder().join("liaison.toml"));
    let output = command.output()?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

#[test]
fn a_dead_letter_is_kept_for_ever_and_can_be_read() -> anyhow::Result<()> {
    const TOPIC: &str = "rejected";
    if is_quick() {
        say_skipped("a_dead_letter_is_kept_for_ever_and_can_be_read", "needs real Kafka");
        return Ok(());
    }
    let kafka = Kafka::shared()?;
    kafka.create_topic(TOPIC, 1)?;
    let events = Events::new(20, 5, 1);
    produce(&kafka.bootstrap(), events.records(TOPIC))?;
    let rejecting = Behaviour::ok().when(|request| request.path == "/events/event-7", Behaviour::status(422));
    let system = System::start("calendar", rejecting)?;
    let (bootstrap, admin) = (kafka.bootstrap(), port::free()?);
    let subscriptions = vec![("calendar", system.url(), "")];
    let setup = Setup { topic: TOPIC, bootstrap, admin, subscriptions, sla: "" };
    let mut host = HostProcess::start(&setup.text()?, setup.admin, &[])?;
    wait_for_events(&system, events.len() - 1)?;
    wait::until(LIMIT, "the dead letter", || {
        dead_letters(&kafka.bootstrap(), TOPIC, "calendar").is_ok_and(|dead| !dead.is_empty())
    })?;

    let topic = kafka.describe_topic(&dead_letter_topic(TOPIC, "calendar"))?;
    assert!(topic.contains("retention.ms=-1") && topic.contains("cleanup.policy=delete"), "{topic}");
    let listed = ask(&host, &["dead-letters", "list"])?;
    let letters = listed["dead_letters"].as_array().map(Vec::as_slice).unwrap_or_default();
    assert_eq!(letters.len(), 1, "{listed}");
    assert_eq!(letters[0]["id"], "calendar/0/0");
    assert_eq!(letters[0]["event_id"], "event-7");
    assert_eq!(letters[0]["reason"], "rejected");
    assert_eq!(letters[0]["origin"], "rejected/0/7");
    let shown = ask(&host, &["dead-letters", "show", "calendar/0/0"])?;
    assert_eq!(shown["event_id"], "event-7");
    assert_eq!(shown["record"]["offset"], 7);
    assert_eq!(shown["attempts"]["count"], 1);

    assert!(host.terminate(LIMIT)?.success());
    let ledger = system.ledger();
    assert!(events.prove(&ledger, &["event-7".to_owned()]).is_empty());
    assert_committed_to_the_end(kafka, "rejected.calendar", 1)
}

#[test]
fn offsets_that_hold_no_record_hold_up_nothing() -> anyhow::Result<()> {
    const TOPIC: &str = "with-holes";
    const IN_TRANSACTIONS: u32 = 60;
    if is_quick() {
        say_skipped("offsets_that_hold_no_record_hold_up_nothing", "needs real Kafka");
        return Ok(());
    }
    let kafka = Kafka::shared()?;
    kafka.create_topic(TOPIC, 1)?;
    kafka.produce_in_transactions(TOPIC, IN_TRANSACTIONS)?;
    let events = Events::new(100, 10, 1);
    produce(&kafka.bootstrap(), events.records(TOPIC))?;
    let system = System::start("calendar", Behaviour::ok())?;
    let (bootstrap, admin) = (kafka.bootstrap(), port::free()?);
    let subscriptions = vec![("calendar", system.url(), "")];
    let setup = Setup { topic: TOPIC, bootstrap, admin, subscriptions, sla: "" };
    let mut host = HostProcess::start(&setup.text()?, setup.admin, &[])?;
    let count = events.len() + IN_TRANSACTIONS as usize;
    wait_for_events(&system, count)?;
    assert!(host.terminate(LIMIT)?.success());

    assert_eq!(system.count(), count);
    let offsets = kafka.group_offsets("with-holes.calendar")?;
    assert!(offsets[0].end > count as i64, "there are no holes: {offsets:?}");
    assert_committed_to_the_end(kafka, "with-holes.calendar", 1)
}
