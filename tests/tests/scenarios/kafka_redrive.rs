//! Dead letters sent again on real Kafka: killed in the middle, by one at a time, and larger than their topic takes.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use liaison::config::Brokers;
use liaison::dead_letter::header;
use liaison::dead_letter::mark::Resolution;
use liaison::event::Record;
use liaison::kafka::reader::{Start, read_topic};
use liaison_tests::host::HostProcess;
use liaison_tests::kafka::Kafka;
use liaison_tests::process::Process;
use liaison_tests::produce::{cloudevent, produce};
use liaison_tests::system::{Answer, Behaviour, System};
use liaison_tests::{is_quick, port, proof, say_skipped, wait};
use serde_json::json;

use crate::command::Program;
use crate::kafka_fixture::{Events, LIMIT, Setup, dead_letter_listing, dead_letter_topic, event_id, say};

const PARTITIONS: usize = 4;
const EVENTS: usize = 10_000;
const KEYS: usize = 500;
/// The connector's `concurrency`: what a redrive may have in flight.
const IN_FLIGHT: usize = 64;

/// A configuration of one subscription that lets every event become a dead letter.
fn config(topic: &str, kafka: &Kafka, system: &System) -> anyhow::Result<(String, std::net::SocketAddr)> {
    let (bootstrap, admin) = (kafka.bootstrap(), port::free()?);
    let subscriptions = vec![("calendar", system.url(), "")];
    let setup = Setup { topic, bootstrap, admin, subscriptions, sla: "" };
    // The table of the subscription is the last.
    Ok((setup.text()? + "\nflood-guard = { enabled = false }\n", admin))
}

/// Runs a host until it has made so many dead letters.
fn give_up(
    config: &(String, std::net::SocketAddr),
    kafka: &Kafka,
    topic: &str,
    count: usize,
) -> anyhow::Result<()> {
    let mut host = HostProcess::start(&config.0, config.1, &[])?;
    wait::until(LIMIT, "the dead letters", || {
        dead_letter_listing(&kafka.bootstrap(), topic, "calendar")
            .is_ok_and(|listing| listing.letters.len() >= count)
    })?;
    ensure!(host.terminate(LIMIT)?.success(), "{:?}", host.log());
    Ok(())
}

#[test]
fn a_redrive_that_is_killed_is_taken_up_and_none_is_lost_or_out_of_order() -> anyhow::Result<()> {
    const TOPIC: &str = "redriven";
    if is_quick() {
        say_skipped(
            "a_redrive_that_is_killed_is_taken_up_and_none_is_lost_or_out_of_order",
            "needs real Kafka",
        );
        return Ok(());
    }
    let kafka = Kafka::shared()?;
    kafka.create_topic(TOPIC, PARTITIONS as u32)?;
    let events = Events::new(EVENTS, KEYS, PARTITIONS);
    produce(&kafka.bootstrap(), events.records(TOPIC))?;
    let system = System::start("calendar", Behaviour::status(400))?;
    let config = config(TOPIC, kafka, &system)?;
    give_up(&config, kafka, TOPIC, EVENTS)?;

    // Later events of some keys are delivered: the letters of these keys are overtaken.
    system.behave(Behaviour::ok());
    let overtaken: HashSet<String> = (0..5).map(|number| format!("key-{number}")).collect();
    let later = overtaken.iter().map(|key| events.later(TOPIC, key));
    produce(&kafka.bootstrap(), later.collect())?;
    let mut host = HostProcess::start(&config.0, config.1, &[])?;
    system.wait_for_accepted(overtaken.len(), LIMIT)?;
    ensure!(host.terminate(LIMIT)?.success(), "{:?}", host.log());
    drop(system.take_ledger());

    let program = Program::new(&config.0)?;
    let command = program.command("dead-letters redrive --all --rate 400")?;
    let mut first = Process::start("redrive", &command, program.path())?;
    system.wait_for_accepted(500, LIMIT)?;
    let second = program.run("dead-letters redrive --all")?;
    assert_eq!(second.code, Some(1), "{second:?}");
    assert!(second.log.contains("liaison-redrive, process "), "{second:?}");
    assert!(second.log.contains("is at work on topic redriven.dead-letters.calendar"), "{second:?}");
    assert!(first.status().is_none(), "{}", first.last_lines());
    let before = system.accepted();
    system.wait_for_accepted(before + 500, LIMIT)?;
    first.kill()?;
    let killed_at = system.accepted();
    assert!(killed_at < EVENTS - 500, "it was nearly done at {killed_at}");

    let report = program.ask("dead-letters redrive --all --rate 5000", 0)?;
    let ledger = system.ledger();
    let delivered = proof::delivered(&ledger, event_id);
    let duplicates: BTreeMap<_, _> = proof::duplicates(&delivered);
    say(&format!("killed at {killed_at}: {} came twice; then {report}", duplicates.len()));
    assert!(duplicates.values().sum::<usize>() <= IN_FLIGHT, "{duplicates:?}");
    let of_others: Vec<(&str, &str)> = events.pairs().filter(|(key, _)| !overtaken.contains(*key)).collect();
    let ids: Vec<&str> = of_others.iter().map(|(_, id)| *id).collect();
    assert_eq!(proof::lost(&ids, &delivered, &[]), [""; 0], "lost");
    assert_eq!(proof::unexpected(&ids, &delivered, &[]), [""; 0], "an overtaken one was sent");
    assert_eq!(proof::out_of_order(&of_others, &delivered), [], "out of order");

    let listing = dead_letter_listing(&kafka.bootstrap(), TOPIC, "calendar")?;
    let in_state = |state: Option<Resolution>| {
        listing.letters.iter().filter(|letter| letter.resolution() == state).count()
    };
    assert_eq!(in_state(Some(Resolution::Redriven)), ids.len());
    assert_eq!(in_state(Some(Resolution::Superseded)), EVENTS - ids.len());
    assert_eq!(in_state(None), 0);
    Ok(())
}

/// The pointers of a topic, each with where it points.
fn pointers(bootstrap: &str, topic: &str) -> anyhow::Result<Vec<(String, Record)>> {
    let settings = liaison::config::Kafka::new(Brokers::At(vec![bootstrap.to_owned()]));
    let mut pointers = Vec::new();
    read_topic(&settings, bootstrap, topic, Start::Beginning, LIMIT, |record| {
        let to = record.headers.iter().find(|(name, _)| name == header::POINTER);
        if let Some((_, Some(to))) = to {
            pointers.push((String::from_utf8_lossy(to).into_owned(), record));
        }
        ControlFlow::Continue(())
    })?;
    Ok(pointers)
}

#[test]
fn a_dead_letter_too_large_for_its_topic_is_a_pointer_that_is_followed() -> anyhow::Result<()> {
    const TOPIC: &str = "too-large";
    const LARGE: usize = 100_000;
    if is_quick() {
        say_skipped(
            "a_dead_letter_too_large_for_its_topic_is_a_pointer_that_is_followed",
            "needs real Kafka",
        );
        return Ok(());
    }
    let kafka = Kafka::shared()?;
    kafka.create_topic(TOPIC, 1)?;
    kafka.create_topic_with(&dead_letter_topic(TOPIC, "calendar"), 1, &["max.message.bytes=20000"])?;
    // Its own size is no trouble, but what it was answered is.
    let talkative = Answer::status(400).with_body("x".repeat(30_000));
    let refusing = Behaviour::status(400)
        .when(|request| request.path == "/events/small", Behaviour::from_fn(move |_| talkative.clone()));
    let system = System::start("calendar", refusing)?;
    let event = |id: &str, size: usize| {
        cloudevent(TOPIC, "t", id, id, &json!({ "id": id, "data": "y".repeat(size) }))
    };
    let large = event("large", LARGE);
    produce(&kafka.bootstrap(), vec![large.clone(), event("small", 10)])?;
    let config = config(TOPIC, kafka, &system)?;
    give_up(&config, kafka, TOPIC, 2)?;

    let program = Program::new(&config.0)?;
    let listing = dead_letter_listing(&kafka.bootstrap(), TOPIC, "calendar")?;
    let id = |event: &str| {
        let found = listing.letters.iter().find(|letter| letter.event_id.as_deref() == Some(event));
        found.map(|letter| letter.id.to_string()).context("it is a dead letter")
    };
    let pointer = program.ask(&format!("dead-letters show {}", id("large")?), 0)?;
    let value = large.value.as_deref().context("it has one")?;
    let content: serde_json::Value = serde_json::from_slice(value)?;
    assert_eq!(pointer["record"]["value"]["content"], content, "it is read where it came from");
    assert_eq!((&pointer["record"]["topic"], &pointer["record"]["offset"]), (&json!(TOPIC), &json!(0)));
    let cut = json!({ "cut": "the dead letter was too large for its topic" });
    assert_eq!(pointer["recording"], cut);
    let small = program.ask(&format!("dead-letters show {}", id("small")?), 0)?;
    assert_eq!((&small["recording"], &small["is_pointer"]), (&cut, &json!(false)));
    let replay = program.run(&format!("dead-letters replay {}", id("large")?))?;
    assert_eq!(replay.code, Some(1));
    assert!(
        replay.log.contains("was not recorded: the dead letter was too large for its topic"),
        "{replay:?}"
    );
    let pointers = pointers(&kafka.bootstrap(), &dead_letter_topic(TOPIC, "calendar"))?;
    let [(to, record)] = &pointers[..] else { panic!("not one pointer: {pointers:?}") };
    assert_eq!((to, &record.key, &record.value), (&format!("{TOPIC}/0/0"), &large.key, &None));

    system.behave(Behaviour::ok().with_latency(Duration::from_millis(1)));
    let report = program.ask("dead-letters redrive --all", 0)?;
    assert_eq!(report["calendar"]["delivered"], 2, "{report:#}");
    let ledger = system.ledger();
    let sent = ledger.iter().find(|entry| entry.is_accepted() && entry.path == "/events/large");
    assert_eq!(sent.context("it was sent")?.body, value);
    Ok(())
}
