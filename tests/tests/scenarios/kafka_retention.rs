//! What Kafka deletes before it is delivered: told with its exact range, and warned of before.

use anyhow::bail;
use liaison_tests::host::HostProcess;
use liaison_tests::kafka::{GroupOffset, Kafka};
use liaison_tests::produce::produce;
use liaison_tests::system::{Behaviour, System};
use liaison_tests::{is_quick, port, say_skipped, wait};
use serde_json::Value;

use crate::alerts::Receiver;
use crate::fixture::{sorted, unix_ms};
use crate::kafka_fixture::{Events, LIMIT, Setup, event_id, wait_for_events, wait_for_the_end};

/// About and message of what was told of a kind.
fn told(receiver: &Receiver, kind: &str) -> anyhow::Result<Vec<(String, String)>> {
    let kind = format!("liaison.{kind}");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of_kind = receiver.alerts()?.into_iter().filter(|alert| alert["type"] == *kind);
    Ok(of_kind.map(|alert| (text(&alert["about"]), text(&alert["message"]))).collect())
}

fn lost(host: &HostProcess) -> f64 {
    host.metrics().map(|metrics| metrics.sum("liaison_retention_lost_offsets_total", &[])).unwrap_or_default()
}

#[test]
fn what_was_deleted_before_it_was_read_is_told_with_its_exact_range() -> anyhow::Result<()> {
    const TOPIC: &str = "retention-lost";
    if is_quick() {
        say_skipped("what_was_deleted_before_it_was_read_is_told_with_its_exact_range", "needs real Kafka");
        return Ok(());
    }
    let kafka = Kafka::shared()?;
    kafka.create_topic(TOPIC, 2)?;
    let events = Events::new(200, 40, 2);
    let records = events.records(TOPIC);
    let (early, late) = records.split_at(60);
    let read = i64::try_from(early.iter().filter(|record| record.partition == Some(0)).count())?;

    let system = System::start("calendar", Behaviour::ok())?;
    let receiver = Receiver::start()?;
    let (bootstrap, admin) = (kafka.bootstrap(), port::free()?);
    let subscriptions = vec![("calendar", system.url(), "")];
    let setup = Setup { topic: TOPIC, bootstrap, admin, subscriptions, sla: "" };
    let config = format!("{}\n{}", setup.text()?, receiver.tables("")?);
    produce(&setup.bootstrap, early.to_vec())?;
    let mut host = HostProcess::start(&config, setup.admin, &[])?;
    wait_for_events(&system, early.len())?;
    wait_for_the_end(kafka, "retention-lost.calendar", 2)?;
    assert!(host.terminate(LIMIT)?.success());

    // Everything in partition 0 between what was read and `low` goes, unread.
    let low = read + 17;
    produce(&setup.bootstrap, late.to_vec())?;
    kafka.delete_records(TOPIC, 0, low)?;
    host.start_again()?;
    wait_for_events(&system, events.len() - 17)?;
    wait::until(LIMIT, "the loss in the metrics", || lost(&host) == 17.0)?;
    let first =
        (format!("{TOPIC}/0"), format!("Kafka deleted offsets {read} to {} of partition {TOPIC}/0", low - 1));
    receiver.wait_for_state("retention-lost", "raised")?;
    let found = told(&receiver, "retention-lost")?;
    assert!(found.len() == 1 && found[0].0 == first.0 && found[0].1.starts_with(&first.1), "{found:?}");
    let ledger = system.ledger();
    let delivered: Vec<&str> = sorted(ledger.iter().filter_map(|entry| event_id(entry)));
    let gone = &events.ids_in(0)[usize::try_from(read)?..usize::try_from(low)?];
    let expected = sorted(events.ids().into_iter().filter(|id| !gone.contains(id)));
    assert_eq!(delivered, expected);

    // Markers of transactions leave gaps too, and are no loss.
    kafka.produce_in_transactions(TOPIC, 60)?;
    system.wait_for_accepted(ledger.len() + 60, LIMIT)?;
    assert_eq!(lost(&host), 17.0);
    assert!(host.terminate(LIMIT)?.success());

    // All that is left of partition 1 goes: no record will ever tell.
    let offsets = kafka.group_offsets("retention-lost.calendar")?;
    let (read, end) = match offsets.iter().find(|offset| offset.partition == 1) {
        Some(GroupOffset { committed: Some(committed), end, .. }) => (*committed, end + 9),
        Some(_) | None => bail!("partition 1 was not committed: {offsets:?}"),
    };
    let count = f64::from(i32::try_from(end - read)?);
    let more: Vec<_> = records.iter().filter(|record| record.partition == Some(1)).take(9).cloned().collect();
    produce(&setup.bootstrap, more)?;
    kafka.delete_records(TOPIC, 1, -1)?;
    host.start_again()?;
    wait::until(LIMIT, "the loss in the metrics", || lost(&host) > 0.0)?;
    wait::until(LIMIT, "the second alert", || {
        told(&receiver, "retention-lost").is_ok_and(|told| told.len() == 2)
    })?;
    let found = told(&receiver, "retention-lost")?;
    let expected = format!("Kafka deleted offsets {read} to {} of partition {TOPIC}/1", end - 1);
    assert!(found[1].1.starts_with(&expected), "{found:?}, not {expected}");
    assert_eq!(lost(&host), count);
    assert!(host.terminate(LIMIT)?.success());
    Ok(())
}

#[test]
fn an_undelivered_event_that_nears_its_deletion_is_warned_of() -> anyhow::Result<()> {
    const TOPIC: &str = "retention-near";
    if is_quick() {
        say_skipped("an_undelivered_event_that_nears_its_deletion_is_warned_of", "needs real Kafka");
        return Ok(());
    }
    let kafka = Kafka::shared()?;
    kafka.create_topic_with(TOPIC, 1, &["retention.ms=3600000"])?;
    let system = System::start("calendar", Behaviour::status(503))?;
    let receiver = Receiver::start()?;
    let (bootstrap, admin) = (kafka.bootstrap(), port::free()?);
    let subscriptions = vec![("calendar", system.url(), "")];
    let setup = Setup { topic: TOPIC, bootstrap, admin, subscriptions, sla: "" };
    let config = format!("{}\n{}", setup.text()?, receiver.tables("")?);
    let mut records = Events::new(2, 2, 1).records(TOPIC);
    records[0].timestamp = Some(unix_ms() - 50 * 60 * 1000);
    produce(&setup.bootstrap, records)?;
    let mut host = HostProcess::start(&config, setup.admin, &[])?;
    receiver.wait_for_state("retention-near", "raised")?;
    let found = told(&receiver, "retention-near")?;
    assert_eq!(found[0].0, TOPIC);
    assert!(found[0].1.contains("is 50m old, and Kafka may delete it at 1h"), "{found:?}");
    let used = host.metrics()?.sum("liaison_retention_used", &[]);
    assert!((0.83..0.95).contains(&used), "{used}");
    system.behave(Behaviour::ok());
    receiver.wait_for_state("retention-near", "recovered")?;
    assert!(host.terminate(LIMIT)?.success());
    Ok(())
}
