//! The intake within its bounds, with Kafka away, and at a shutdown: who was answered 202 has its events in Kafka.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::thread;

use liaison_tests::system::Behaviour;
use serde_json::json;

use crate::fixture::{Config, LIMIT, TOPIC, records};
use crate::intake_fixture::{CORE, Channel, reply};

const STRUCTURED: (&str, &str) = ("content-type", "application/cloudevents+json");

fn structured(id: &str) -> String {
    json!({"specversion": "1.0", "id": id, "source": "/core", "type": "schedule.moved", "data": {}})
        .to_string()
}

/// The head of a request whose body has so many bytes.
fn head(length: usize) -> Vec<(&'static str, String)> {
    vec![
        ("authorization", format!("Bearer {CORE}")),
        ("content-type", STRUCTURED.1.to_owned()),
        ("content-length", length.to_string()),
    ]
}

fn borrowed<'a>(head: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    head.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

#[test]
fn more_requests_than_may_be_at_work_are_told_to_come_again() -> anyhow::Result<()> {
    let channel = Channel::start("max-requests = 2", &Config::default(), Behaviour::ok())?;
    let body = structured("held");
    let head = head(body.len());
    let mut held =
        (0..2).map(|_| channel.begin("POST", "/events", &borrowed(&head))).collect::<Result<Vec<_>, _>>()?;
    let in_flight = |found: f64| found == 2.0;
    channel.fixture.host.wait_for_metric(LIMIT, "liaison_intake_requests_in_flight", &[], in_flight)?;
    let busy = channel.post(CORE, &[STRUCTURED], &structured("third"))?;
    assert_eq!(busy.status, 429);
    assert!(
        busy.head.contains("retry-after: 1") && busy.detail()?.contains("2 requests are at work"),
        "{busy:?}"
    );
    for stream in &mut held {
        stream.write_all(body.as_bytes())?;
    }
    for stream in held {
        assert_eq!(reply(stream)?.status, 202);
    }
    assert_eq!(channel.post(CORE, &[STRUCTURED], &structured("third"))?.status, 202);
    channel.fixture.settled("delivered", 3)?;
    channel.fixture.stop_without_dead_letters()
}

#[test]
fn what_comes_too_slowly_or_is_too_large_in_its_head_is_let_go() -> anyhow::Result<()> {
    let more = "read-timeout = \"300ms\"\nmax-head = \"8KiB\"";
    let channel = Channel::start(more, &Config::default(), Behaviour::ok())?;
    let slow = channel.begin("POST", "/events", &borrowed(&head(10)))?;
    let late = reply(slow)?;
    assert_eq!((late.status, late.detail()?.contains("did not come within 300ms")), (408, true), "{late:?}");
    // A head that never ends: the connection is closed, whatever is said before.
    let mut endless = TcpStream::connect(channel.address)?;
    endless.set_read_timeout(Some(LIMIT))?;
    endless.write_all(b"POST /events HTTP/1.1\r\nhost: x\r\n")?;
    endless.read_to_end(&mut Vec::new())?;
    let large = "x".repeat(10_000);
    match channel.ask("GET", "/events/1", &[("x-large", &large)], b"") {
        Ok(reply) => assert_eq!(reply.status, 431, "{reply:?}"),
        // The connection was closed before all of it was sent.
        Err(error) => {
            let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
            let is_closed = matches!(kind, Some(ErrorKind::BrokenPipe | ErrorKind::ConnectionReset));
            assert!(is_closed, "{error:?}");
        }
    }
    channel.fixture.stop_without_dead_letters()
}

#[test]
fn a_client_that_does_not_read_what_it_is_answered_is_let_go() -> anyhow::Result<()> {
    let channel = Channel::start("read-timeout = \"1s\"", &Config::default(), Behaviour::ok())?;
    let mut deaf = TcpStream::connect(channel.address)?;
    deaf.set_write_timeout(Some(LIMIT))?;
    let requests = "GET /events/1 HTTP/1.1\r\nhost: x\r\n\r\n".repeat(100);
    // The host reads no more while its answers are not taken: without an end to that this would wait for ever.
    let error = loop {
        if let Err(error) = deaf.write_all(requests.as_bytes()) {
            break error;
        }
    };
    let is_closed = matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset);
    assert!(is_closed, "{error:?}");
    channel.fixture.stop_without_dead_letters()
}

#[test]
fn who_is_refused_while_still_sending_can_read_why() -> anyhow::Result<()> {
    let channel = Channel::start("max-body = \"2KiB\"", &Config::default(), Behaviour::ok())?;
    let large = "x".repeat(2 << 20);
    for _ in 0..5 {
        let reply = channel.post(CORE, &[STRUCTURED], &large)?;
        assert_eq!(
            (reply.status, reply.detail()?.contains("more than 2048 bytes")),
            (413, true),
            "{reply:?}"
        );
        let reply = channel.post("wrong-token-of-nobody", &[STRUCTURED], &large)?;
        assert_eq!(reply.status, 401, "{reply:?}");
    }
    channel.fixture.stop_without_dead_letters()
}

#[test]
fn an_event_whose_sender_went_away_is_written_and_remembered_all_the_same() -> anyhow::Result<()> {
    let channel = Channel::start("", &Config::default(), Behaviour::ok())?;
    channel.fixture.broker.go_down();
    let body = structured("left");
    let mut stream = channel.begin("POST", "/events", &borrowed(&head(body.len())))?;
    stream.write_all(body.as_bytes())?;
    let at_work = |found: f64| found == 1.0;
    channel.fixture.host.wait_for_metric(LIMIT, "liaison_intake_requests_in_flight", &[], at_work)?;
    // Whoever is answered after it was heard after it.
    for _ in 0..10 {
        assert_eq!(channel.get("/events/left")?.status, 404);
    }
    drop(stream);
    assert_eq!(channel.get("/events/left")?.status, 404);
    channel.fixture.broker.come_up();
    let is_remembered = || {
        let told = channel.get("/events/left").ok().filter(|reply| reply.status == 200)?.json().ok()?;
        told["events"][0]["accepted"]["offset"].as_i64()
    };
    let offset = liaison_tests::wait::until_some(LIMIT, "the event to be remembered", is_remembered)?;
    assert_eq!(offset, 0);
    channel.fixture.settled("delivered", 1)?;
    channel.fixture.stop_without_dead_letters()
}

#[test]
fn who_has_sent_all_and_says_so_by_closing_its_half_is_answered() -> anyhow::Result<()> {
    let channel = Channel::start("", &Config::default(), Behaviour::ok())?;
    let body = structured("half");
    let mut stream = channel.begin("POST", "/events", &borrowed(&head(body.len())))?;
    stream.write_all(body.as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    assert_eq!(reply(stream)?.status, 202);
    channel.fixture.settled("delivered", 1)?;
    channel.fixture.stop_without_dead_letters()
}

#[test]
fn a_connection_on_which_nothing_came_delays_no_shutdown() -> anyhow::Result<()> {
    let more = "read-timeout = \"1h\"\ngrace = \"1h\"";
    let channel = Channel::start(more, &Config::default(), Behaviour::ok())?;
    let silent = TcpStream::connect(channel.address)?;
    // It was accepted before this one.
    assert_eq!(channel.get("/nothing")?.status, 404);
    let stopping = thread::spawn(move || channel.fixture.stop_without_dead_letters());
    liaison_tests::wait::until(LIMIT, "the host to stop", || stopping.is_finished())?;
    drop(silent);
    stopping.join().expect("it does not panic")
}

#[test]
fn while_kafka_is_away_nobody_is_answered_202_and_the_same_event_again_keeps_its_key() -> anyhow::Result<()> {
    let kafka = "properties = { \"message.timeout.ms\" = \"1000\" }";
    let channel = Channel::start("", &Config { kafka, ..Config::default() }, Behaviour::ok())?;
    assert_eq!(channel.post(CORE, &[STRUCTURED], &structured("e-1"))?.status, 202);
    channel.fixture.settled("delivered", 1)?;
    channel.fixture.broker.go_down();
    let away = channel.post(CORE, &[STRUCTURED], &structured("e-2"))?;
    assert_eq!(away.status, 503, "{away:?}");
    assert!(
        away.head.contains("retry-after: 5") && away.detail()?.contains("not every event is written"),
        "{away:?}"
    );
    assert_eq!(away.json()?["events"][0]["id"], "e-2");
    channel.fixture.broker.come_up();
    let is_taken =
        || channel.post(CORE, &[STRUCTURED], &structured("e-2")).is_ok_and(|reply| reply.status == 202);
    liaison_tests::wait::until(LIMIT, "Kafka to be back", is_taken)?;
    // The sender's own repetition of the first, whose answer it may have lost.
    assert_eq!(channel.post(CORE, &[STRUCTURED], &structured("e-1"))?.status, 202);
    let is_there = || channel.fixture.requested().iter().filter(|id| *id == "e-1").count() == 2;
    liaison_tests::wait::until(LIMIT, "both of e-1", is_there)?;
    let keys: Vec<_> = channel
        .fixture
        .system
        .ledger()
        .iter()
        .filter(|entry| entry.path == "/events/e-1")
        .map(|entry| entry.idempotency_key.clone())
        .collect();
    assert!(keys[0].is_some() && keys[0] == keys[1], "{keys:?}");
    channel.fixture.stop_without_dead_letters()
}

#[test]
fn what_is_at_work_at_a_shutdown_is_answered_and_in_kafka() -> anyhow::Result<()> {
    let channel = Channel::start("", &Config::default(), Behaviour::ok())?;
    let body = structured("last");
    let mut stream = channel.begin("POST", "/events", &borrowed(&head(body.len())))?;
    let at_work = |found: f64| found == 1.0;
    channel.fixture.host.wait_for_metric(LIMIT, "liaison_intake_requests_in_flight", &[], at_work)?;
    let Channel { fixture, address, folder: _folder } = channel;
    let crate::fixture::Fixture { host, system: _system, broker, .. } = fixture;
    let stopping = thread::spawn(move || host.stop());
    let is_closed = || TcpStream::connect(address).is_err();
    liaison_tests::wait::until(LIMIT, "the port to be closed", is_closed)?;
    stream.write_all(body.as_bytes())?;
    assert_eq!(reply(stream)?.status, 202);
    stopping.join().expect("it does not panic")?;
    let written = records(&broker, TOPIC)?;
    assert_eq!(written.len(), 1);
    assert_eq!(written[0].header("ce_id")?, "last");
    Ok(())
}
