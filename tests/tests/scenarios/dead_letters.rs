//! Dead letters: what they hold, and that an event is settled only when its letter is safe.

use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use liaison::dead_letter::header;
use liaison::kafka::embedded::{Failing, Request};
use liaison::kafka::producer::Outgoing;
use liaison_tests::host::plugin;
use liaison_tests::system::{Answer, Behaviour};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::fixture::{
    Config, DEAD_LETTERS, Fixture, LIMIT, Letter, OTHER_TOPIC, TOPIC, event, letters, records, unix_ms,
};

/// An event with all that a record can have, written a minute ago.
fn original() -> Outgoing {
    let mut record = event("e-1", "key");
    record.partition = Some(2);
    record.timestamp = Some(unix_ms() - 60_000);
    record.headers.push(("traceparent".into(), Some(Bytes::from(TRACE))));
    record.headers.push(("binary".into(), Some(Bytes::from_static(&[0xff, 0x00]))));
    record.headers.push(("null".into(), None));
    record.headers.push(("twice".into(), Some(Bytes::from("one"))));
    record.headers.push(("twice".into(), Some(Bytes::from("two"))));
    record
}

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const LATENCY: Duration = Duration::from_millis(300);

#[test]
fn spent_attempts_end_in_a_dead_letter_that_holds_the_evidence_and_the_original() -> anyhow::Result<()> {
    let tables = r#"
        [sla."policy.updated"]
        max-attempts = 2
        initial-interval = "2s"
        deadline = "15m"
    "#;
    let failing = Behaviour::from_fn(|_| Answer { delay: LATENCY, ..Answer::status(503) });
    let behaviour = Behaviour::ok().when(|request| request.path == "/events/e-1", failing);
    let fixture = Fixture::start(&Config { tables, ..Config::default() }, behaviour)?;
    let original = original();
    let begun = unix_ms();
    let before = Outgoing { partition: Some(2), ..event("before", "other") };
    fixture.produce([before, original.clone()])?;
    // Another succeeds after the first failure: so it is the event, and not the system.
    fixture
        .host
        .wait_for_metric(LIMIT, "liaison_attempts_total", &[("outcome", "retry")], |count| count == 1.0)?;
    fixture.produce([event("between", "other")])?;
    let letters = fixture.dead_letters(1)?;
    let ended = unix_ms();
    let letter = &letters[0];

    assert_eq!(letter.0.key, original.key);
    assert_eq!(letter.0.value, original.value);
    let (untouched, added) = letter.0.headers.split_at(original.headers.len());
    assert_eq!(untouched, &original.headers[..]);
    let names: Vec<&str> = added.iter().map(|(name, _)| name.as_ref()).collect();
    let absent = [header::PART, header::REDRIVES, header::CONFLICT, header::POINTER];
    let expected: Vec<&str> = header::ALL.iter().copied().filter(|name| !absent.contains(name)).collect();
    assert_eq!(names, expected);

    let message = "2 attempts failed; the last: PUT /events/e-1 answered 503 Service Unavailable";
    let written = original.timestamp.context("it was given")?;
    let ledger = fixture.system.ledger();
    let sent: Vec<_> = ledger.iter().filter(|entry| entry.path == "/events/e-1").collect();
    assert_eq!(sent.len(), 2);
    let key = sent[0].idempotency_key.as_deref().context("it was sent")?.trim_matches('"');
    let digest = header::hex_text(&Sha256::digest(std::fs::read(plugin("rest")?)?));
    for (name, value) in [
        (header::TOPIC, TOPIC),
        (header::PARTITION, "2"),
        (header::OFFSET, "1"),
        (header::CONNECTOR, "calendar"),
        (header::TASK, "0"),
        (header::CONNECT_STAGE, "TASK_PUT"),
        (header::CLASS, "subject"),
        (header::EXCEPTION_CLASS, "liaison.attempts-spent"),
        (header::EXCEPTION_MESSAGE, message),
        (header::GROUP, "liaison.calendar"),
        (header::DELIVERY_COUNT, "2"),
        (header::DLQ_MESSAGE, &format!("attempts-spent: {message}")),
        (header::VERSION, env!("CARGO_PKG_VERSION")),
        (header::SUBSCRIPTION, "calendar"),
        (header::STAGE, "deliver"),
        (header::REASON, "attempts-spent"),
        (header::PLUGIN, "subject"),
        (header::PLUGIN_SHA256, &digest),
        (header::EVENT_ID, "e-1"),
        (header::EVENT_TYPE, "policy.updated"),
        (header::IDEMPOTENCY_KEY, key),
        (header::TIMESTAMP, &header::time_text(written)),
        (header::DEADLINE, &header::time_text(written + 15 * 60_000)),
        (header::TRACEPARENT, TRACE),
    ] {
        assert_eq!(letter.header(name)?, value, "{name}");
    }
    let first_seen = time(letter, header::FIRST_SEEN_AT)?;
    let dead_lettered = time(letter, header::DEAD_LETTERED_AT)?;
    assert!(begun <= first_seen && first_seen < dead_lettered && dead_lettered <= ended);
    check_attempts(letter, first_seen, dead_lettered)?;
    fixture.host.stop()
}

/// Two of them, of the latency and more, one after the other.
fn check_attempts(letter: &Letter, first_seen: u64, dead_lettered: u64) -> anyhow::Result<()> {
    let mut attempts: Value = serde_json::from_str(letter.header(header::ATTEMPTS)?)?;
    let latency_ms = u64::try_from(LATENCY.as_millis())?;
    let mut times = vec![first_seen];
    for attempt in attempts["attempts"].as_array_mut().context("a list")? {
        let began = attempt["at_ms"].take().as_u64().context("a time")?;
        let took = attempt["duration_ms"].take().as_u64().context("a duration")?;
        assert!((latency_ms..latency_ms + 5_000).contains(&took), "{took} ms");
        times.extend([began, began + took]);
    }
    times.push(dead_lettered);
    // The clock that dates and the one that measures differ by the rounding to milliseconds.
    assert!(times.windows(2).all(|pair| pair[0] <= pair[1] + 2), "{times:?}");
    assert!(times[3] - times[2] >= 990, "no wait between: {times:?}");
    let reason = "PUT /events/e-1 answered 503 Service Unavailable";
    let attempt = |number: u32| json!({ "number": number, "at_ms": null, "duration_ms": null, "outcome": "retry", "reason": reason });
    assert_eq!(attempts, json!({ "count": 2, "omitted": 0, "attempts": [attempt(1), attempt(2)] }));
    Ok(())
}

#[test]
fn headers_of_an_earlier_dead_letter_give_way_to_the_new_ones() -> anyhow::Result<()> {
    let fixture = Fixture::start(&Config::default(), Behaviour::status(400))?;
    let mut redriven = event("e-1", "k");
    redriven.headers.push((header::REASON.into(), Some(Bytes::from("gave-up"))));
    redriven.headers.push((header::TOPIC.into(), Some(Bytes::from("elsewhere"))));
    fixture.produce([redriven])?;
    let letters = fixture.dead_letters(1)?;
    for (name, value) in [(header::REASON, "rejected"), (header::TOPIC, TOPIC)] {
        let found: Vec<_> = letters[0].0.headers.iter().filter(|(found, _)| found == name).collect();
        assert_eq!(found, [&(name.into(), Some(Bytes::copy_from_slice(value.as_bytes())))]);
    }
    fixture.host.stop()
}

#[test]
fn what_is_not_delivered_in_time_is_given_up() -> anyhow::Result<()> {
    let tables = r#"
        [sla.default]
        initial-interval = "200ms"
        max-interval = "200ms"
        give-up-after = "1s"
        max-attempts = 1000
    "#;
    let behaviour = Behaviour::ok().when(|request| request.path == "/events/bad", Behaviour::status(408));
    let fixture = Fixture::start(&Config { tables, ..Config::default() }, behaviour)?;
    fixture.produce([event("bad", "k"), event("next", "k")])?;
    let letters = fixture.dead_letters(1)?;
    fixture.settled("delivered", 1)?;
    assert_eq!((letters[0].event_id()?, letters[0].reason()?), ("bad", "gave-up"));
    let requests = fixture.system.ledger();
    let first = &requests[0];
    let tries: Vec<_> = requests.iter().filter(|entry| entry.path == first.path).collect();
    assert!((2..=10).contains(&tries.len()), "{} tries", tries.len());
    let last = tries[tries.len() - 1].received.duration_since(first.received);
    assert!(last < Duration::from_secs(2), "tried after {last:?}");
    fixture.host.stop()
}

#[test]
fn while_a_dead_letter_cannot_be_written_its_offset_is_held_and_then_it_goes_on() -> anyhow::Result<()> {
    let behaviour = Behaviour::ok().when(|request| request.path == "/events/bad", Behaviour::status(400));
    let fixture = Fixture::start(&Config::default(), behaviour)?;
    fixture.produce([event("bad", "k"), event("next", "k"), event("other", "another")])?;
    fixture.broker.fail(Request::Produce, &[Failing::NotAuthorized; 3]);
    fixture.settled("delivered", 1)?;
    liaison_tests::wait::until(LIMIT, "red readiness", || !fixture.host.is_ready())?;
    // The lane waits; others pass.
    assert_eq!(fixture.delivered(), ["other"]);
    assert_eq!(fixture.metric("liaison_events_settled_total", &[("kind", "dead-lettered")]), 0.0);
    let letters = fixture.dead_letters(1)?;
    fixture.settled("delivered", 2)?;
    assert_eq!(letters[0].event_id()?, "bad");
    liaison_tests::wait::until(LIMIT, "green readiness", || fixture.host.is_ready())?;
    assert_eq!(fixture.requested().iter().filter(|id| *id == "bad").count(), 1);
    fixture.host.stop()
}

#[test]
fn a_host_that_ends_before_its_dead_letter_is_written_does_not_lose_the_event() -> anyhow::Result<()> {
    let config = Config { subscription: "grace = \"1s\"", ..Config::default() };
    let behaviour = Behaviour::ok().when(|request| request.path == "/events/bad", Behaviour::status(400));
    let fixture = Fixture::start(&config, behaviour)?;
    fixture.produce([event("good", "k"), event("bad", "k")])?;
    fixture.broker.fail(Request::Produce, &[Failing::NotAuthorized; 4]);
    liaison_tests::wait::until(LIMIT, "red readiness", || !fixture.host.is_ready())?;
    let fixture = fixture.restarted()?;
    fixture.system.wait_until("the event comes again", LIMIT, |ledger| {
        ledger.iter().filter(|entry| entry.path == "/events/bad").count() == 2
    })?;
    assert_eq!(letters(&fixture.broker)?.len(), 0);
    let letters = fixture.dead_letters(1)?;
    assert_eq!(letters[0].event_id()?, "bad");
    // What had settled did not come again.
    assert_eq!(fixture.requested(), ["good", "bad", "bad"]);
    fixture.host.stop()
}

#[test]
fn a_dead_letter_goes_to_the_topic_that_the_subscription_names() -> anyhow::Result<()> {
    let subscription = &format!("dead-letter-topic = \"{OTHER_TOPIC}\"");
    let fixture = Fixture::start(&Config { subscription, ..Config::default() }, Behaviour::status(400))?;
    fixture.produce([event("e-1", "k")])?;
    fixture.settled("dead-lettered", 1)?;
    assert_eq!(records(&fixture.broker, DEAD_LETTERS)?.len(), 0);
    let given_up = records(&fixture.broker, OTHER_TOPIC)?;
    assert_eq!(given_up.iter().map(Letter::event_id).collect::<Result<Vec<_>, _>>()?, ["e-1"]);
    fixture.host.stop()
}

fn time(letter: &Letter, name: &str) -> anyhow::Result<u64> {
    header::time_of(letter.header(name)?).context("a time")
}
