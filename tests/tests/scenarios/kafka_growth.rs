//! A topic that gains partitions: they are read from their beginning, soon, and nothing in them is passed over.

use std::time::{Duration, Instant};

use liaison_tests::host::HostProcess;
use liaison_tests::kafka::Kafka;
use liaison_tests::produce::{cloudevent, produce};
use liaison_tests::proof;
use liaison_tests::system::{Behaviour, System};
use liaison_tests::{is_quick, port, say_skipped};
use serde_json::json;

use crate::kafka_fixture::{LIMIT, Setup, event_id, say, wait_for_events, wait_for_the_end};

/// How often the host asks for new partitions, and what a busy machine may add.
const SOON: Duration = Duration::from_secs(30 + 30);

#[test]
fn new_partitions_of_a_topic_are_read_from_their_beginning() -> anyhow::Result<()> {
    const TOPIC: &str = "growing";
    if is_quick() {
        say_skipped("new_partitions_of_a_topic_are_read_from_their_beginning", "needs real Kafka");
        return Ok(());
    }
    let kafka = Kafka::shared()?;
    kafka.create_topic(TOPIC, 2)?;
    let record = |partition: i32, number: usize| {
        let id = format!("event-{partition}-{number}");
        let event =
            cloudevent(TOPIC, "policy.updated", &id, &format!("key-{partition}"), &json!({ "title": id }));
        (id, liaison::kafka::producer::Outgoing { partition: Some(partition), ..event })
    };
    let write = |partitions: std::ops::Range<i32>| {
        let (ids, records): (Vec<_>, Vec<_>) = partitions
            .flat_map(|partition| (0..50).map(move |number| (partition, number)))
            .map(|(partition, number)| record(partition, number))
            .unzip();
        produce(&kafka.bootstrap(), records).map(|()| ids)
    };
    let mut ids = write(0..2)?;
    let system = System::start("calendar", Behaviour::ok())?;
    let (bootstrap, admin) = (kafka.bootstrap(), port::free()?);
    let subscriptions = vec![("calendar", system.url(), "")];
    let setup = Setup { topic: TOPIC, bootstrap, admin, subscriptions, sla: "" };
    let mut host = HostProcess::start(&setup.text()?, setup.admin, &[])?;
    wait_for_events(&system, ids.len())?;

    // The host does not know of them when the first events are there.
    kafka.grow_topic(TOPIC, 5)?;
    let grown = Instant::now();
    ids.extend(write(2..5)?);
    wait_for_events(&system, ids.len())?;
    say(&format!("growing: all events of new partitions after {:?}", grown.elapsed()));
    assert!(grown.elapsed() <= SOON, "only after {:?}", grown.elapsed());
    wait_for_the_end(kafka, "growing.calendar", 5)?;
    assert!(host.terminate(LIMIT)?.success());

    let ledger = system.ledger();
    let delivered = proof::delivered(&ledger, event_id);
    let expected: Vec<&str> = ids.iter().map(String::as_str).collect();
    assert_eq!(proof::lost(&expected, &delivered, &[]), [""; 0]);
    assert_eq!(proof::unexpected(&expected, &delivered, &[]), [""; 0]);
    // Partitions that stay are not given back when others come.
    assert_eq!(proof::duplicates(&delivered).len(), 0);
    Ok(())
}
