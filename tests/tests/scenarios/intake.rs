//! Events over HTTP: every form of them is written and delivered, and what is wrong is refused as a whole.

use http::Method;
use liaison_tests::system::Behaviour;
use serde_json::json;

use crate::fixture::{Config, TOPIC, records, sorted};
use crate::intake_fixture::{CORE, Channel, PORTAL};

const STRUCTURED: (&str, &str) = ("content-type", "application/cloudevents+json");
const BATCH: (&str, &str) = ("content-type", "application/cloudevents-batch+json; charset=utf-8");
const JSON: (&str, &str) = ("content-type", "application/json");

fn structured(id: &str, kind: &str) -> String {
    json!({"specversion": "1.0", "id": id, "source": "/core", "type": kind, "data": {"title": id}})
        .to_string()
}

#[test]
fn each_form_is_written_to_kafka_and_delivered() -> anyhow::Result<()> {
    let settings =
        r#"settings = { path = "/events/{id}", headers = { X-Source = "{source}", X-Type = "{type}" } }"#;
    let config = Config { connector: settings, ..Config::default() };
    let channel = Channel::start("plain = { type = \"odd.one\" }", &config, Behaviour::ok())?;
    let binary = [
        ("ce-specversion", "1.0"),
        ("ce-id", "binary"),
        ("ce-source", "/core"),
        ("ce-type", "policy.updated"),
        ("ce-subject", "caf%C3%A9"),
        JSON,
    ];
    let batch =
        format!("[{},{}]", structured("batch-1", "schedule.moved"), structured("batch-2", "policy.new"));
    let sent = [
        channel.post(CORE, &binary, r#"{"title": "one",  "n": 1.50}"#)?,
        channel.post(CORE, &[STRUCTURED], &structured("structured", "policy.updated"))?,
        channel.post(CORE, &[BATCH], &batch)?,
        channel.post_to("/events?type=schedule.moved&id=plain&subject=s", PORTAL, &[JSON], "[1]")?,
        channel.post(CORE, &[JSON, ("idempotency-key", "\"keyed\"")], "{}")?,
        channel.post(CORE, &[JSON], "{}")?,
        channel.post(CORE, &[BATCH], "[]")?,
    ];
    let mut ids = Vec::new();
    for reply in sent {
        assert_eq!(reply.status, 202, "{reply:?}");
        for event in reply.json()?["events"].as_array().into_iter().flatten() {
            assert_eq!(event["topic"], TOPIC);
            assert!(event["offset"].is_i64() && event["partition"].is_i64(), "{event}");
            ids.push(event["id"].as_str().unwrap_or_default().to_owned());
        }
    }
    assert_eq!(ids.len(), 7);
    channel.fixture.settled("delivered", 7)?;
    assert_eq!(sorted(channel.fixture.delivered()), sorted(ids.clone()));
    assert!(ids[6].len() == 32 && ids[6] != ids[5], "an id is made where none is given: {ids:?}");
    let ledger = channel.fixture.system.ledger();
    let of = |id: &str| {
        ledger.iter().find(|entry| entry.path == format!("/events/{id}")).expect("it was delivered")
    };
    assert_eq!(&of("binary").body[..], br#"{"title": "one",  "n": 1.50}"#);
    assert_eq!(&of("plain").body[..], b"[1]");
    for (id, source, kind) in [
        ("structured", "/core", "policy.updated"),
        ("plain", "/intake/portal", "schedule.moved"),
        ("keyed", "/intake/core", "odd.one"),
    ] {
        let headers = &of(id).headers;
        assert_eq!((headers["x-source"].to_str()?, headers["x-type"].to_str()?), (source, kind));
    }
    let written = records(&channel.fixture.broker, TOPIC)?;
    let key = |id: &str| {
        let letter = written.iter().find(|letter| letter.header("ce_id").is_ok_and(|found| found == id));
        letter.expect("it was written").0.key.clone().map(|key| String::from_utf8_lossy(&key).into_owned())
    };
    assert_eq!(
        [key("binary"), key("structured"), key("plain"), key("keyed")],
        [Some("café".to_owned()), Some("structured".to_owned()), Some("s".to_owned()), None,]
    );
    channel.fixture.stop_without_dead_letters()
}

#[test]
fn an_event_without_data_deletes_as_a_tombstone_does() -> anyhow::Result<()> {
    let channel = Channel::start("", &Config::default(), Behaviour::ok())?;
    let head =
        [("ce-specversion", "1.0"), ("ce-id", "gone"), ("ce-source", "/s"), ("ce-type", "policy.removed")];
    assert_eq!(channel.post(CORE, &head, "")?.status, 202);
    channel.fixture.settled("delivered", 1)?;
    assert_eq!(channel.fixture.system.ledger()[0].method, Method::DELETE);
    channel.fixture.stop_without_dead_letters()
}

#[test]
fn what_is_wrong_is_refused_with_its_reason_and_nothing_is_written() -> anyhow::Result<()> {
    let channel = Channel::start("max-events = 2\nmax-body = \"2KiB\"", &Config::default(), Behaviour::ok())?;
    let good = structured("good", "policy.updated");
    let untitled = good.replace("title", "name");
    let batch_of = |events: &[&str]| format!("[{}]", events.join(","));
    let large = "x".repeat(3000);
    for (token, headers, body, status, detail) in [
        (CORE, &[STRUCTURED][..], "{".to_owned(), 400, "the event is not a JSON object"),
        (CORE, &[STRUCTURED], good.replace("\"id\"", "\"no\""), 400, "has no `id`"),
        (CORE, &[STRUCTURED], good.replace("1.0", "0.3"), 400, "has specversion `0.3`"),
        (CORE, &[JSON], "{}".to_owned(), 400, "the event has no type"),
        (CORE, &[("ce-id", "1"), JSON], "{}".to_owned(), 400, "has no `specversion`"),
        ("wrong", &[STRUCTURED], good.clone(), 401, "show the token"),
        ("", &[STRUCTURED], good.clone(), 401, "show the token"),
        (PORTAL, &[STRUCTURED], good.clone(), 403, "may not send events of type `policy.updated`"),
        (PORTAL, &[STRUCTURED], structured("1", "other.x"), 403, "may not write to topic other"),
        (CORE, &[STRUCTURED], large.clone(), 413, "more than 2048 bytes"),
        (CORE, &[BATCH], batch_of(&[&good, &good, &good]), 413, "holds 3 events, and 2 are taken"),
        (CORE, &[STRUCTURED, JSON], good.clone(), 400, "`content-type` comes twice"),
        (
            CORE,
            &[STRUCTURED, ("authorization", "Bearer x")],
            good.clone(),
            400,
            "`authorization` comes twice",
        ),
        (
            CORE,
            &[STRUCTURED, ("content-encoding", "identity"), ("content-encoding", "br")],
            "x".to_owned(),
            415,
            "without",
        ),
        (CORE, &[("content-type", "text/plain")], "x".to_owned(), 415, "application/cloudevents+json"),
        (CORE, &[("content-type", "application/cloudevents+avro")], "x".to_owned(), 415, "as UTF-8"),
        (CORE, &[STRUCTURED, ("content-encoding", "gzip")], "x".to_owned(), 415, "without Content-Encoding"),
        (CORE, &[STRUCTURED], untitled.clone(), 422, "not what events of type `policy.updated` must have"),
        (CORE, &[STRUCTURED], structured("1", "unknown"), 422, "events of type `unknown` have no topic"),
        (CORE, &[BATCH], batch_of(&[&good, &untitled]), 422, "must have"),
    ] {
        let reply = channel.post(token, headers, &body)?;
        assert_eq!(reply.status, status, "{reply:?}");
        assert!(reply.detail()?.contains(detail), "{reply:?}\nand not\n{detail}");
    }
    let reply = channel.post(CORE, &[BATCH], &batch_of(&[&good, &untitled]))?;
    let problem = reply.json()?;
    assert_eq!((&problem["event"], &problem["errors"][0]["pointer"]), (&json!(1), &json!("")));
    assert!(problem["errors"][0]["detail"].as_str().is_some_and(|text| text.contains("title")), "{problem}");
    let chunked =
        [("authorization", &*format!("Bearer {CORE}")), STRUCTURED, ("transfer-encoding", "chunked")];
    let body = format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
    assert_eq!(channel.ask("POST", "/events", &chunked, body.as_bytes())?.status, 413);
    for (method, path, status, header) in [
        ("GET", "/events", 405, "allow: post"),
        ("PUT", "/events/1", 405, "allow: get, head"),
        ("GET", "/", 404, ""),
        ("GET", "/events/a/b", 404, ""),
    ] {
        let reply = channel.ask(method, path, &[], b"")?;
        assert_eq!(reply.status, status, "{method} {path}");
        assert!(reply.head.contains(header), "{reply:?}");
    }
    assert_eq!(records(&channel.fixture.broker, TOPIC)?.len(), 0, "something was written");
    assert_eq!(channel.fixture.metric("liaison_intake_events_total", &[]), 0.0);
    assert!(channel.fixture.metric("liaison_intake_requests_total", &[("answer", "malformed")]) >= 5.0);
    channel.fixture.stop_without_dead_letters()
}

#[test]
fn a_client_is_known_by_the_token_that_its_file_holds_now() -> anyhow::Result<()> {
    let channel = Channel::start("", &Config::default(), Behaviour::ok())?;
    let body = structured("1", "schedule.moved");
    assert_eq!(channel.post(PORTAL, &[STRUCTURED], &body)?.status, 202);
    channel.folder.write("portal", "portal-another-token")?;
    let is_taken =
        || channel.post("portal-another-token", &[STRUCTURED], &body).is_ok_and(|reply| reply.status == 202);
    liaison_tests::wait::until(crate::fixture::LIMIT, "the new token", is_taken)?;
    assert_eq!(channel.post(PORTAL, &[STRUCTURED], &body)?.status, 401);
    Ok(())
}
