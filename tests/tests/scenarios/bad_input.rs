//! Whatever is in Kafka: it is delivered, filtered or a dead letter that says why; nothing is lost and the host lives.

use std::borrow::Cow;

use bytes::Bytes;
use http::Method;
use liaison::event::RecordHeader;
use liaison::kafka::producer::Outgoing;
use liaison_tests::produce::{cloudevent, event as plain};
use liaison_tests::system::Behaviour;
use serde_json::json;

use crate::fixture::{Config, Fixture, OTHER_TOPIC, TOPIC, by_event, event, sorted};

fn header(name: impl Into<Cow<'static, str>>, value: &'static [u8]) -> RecordHeader {
    (name.into(), Some(Bytes::from_static(value)))
}

/// A structured CloudEvent with this text.
fn structured(text: &'static str) -> Outgoing {
    let headers = vec![header("content-type", b"application/cloudevents+json")];
    Outgoing { value: Some(Bytes::from_static(text.as_bytes())), headers, ..event("", "k") }
}

#[test]
fn what_is_no_event_is_a_dead_letter_as_it_was_and_the_next_is_delivered() -> anyhow::Result<()> {
    let fixture = Fixture::start(&Config::default(), Behaviour::ok())?;
    let bad_id = Outgoing {
        headers: vec![header("ce_specversion", b"1.0"), header("ce_id", &[0xff]), header("ce_type", b"t")],
        ..event("", "k")
    };
    let bad = [
        (structured("{ not json"), "the CloudEvent is not a JSON object"),
        (structured(r#"{"specversion":"1.0","id":"1","source":"/s"}"#), "the CloudEvent has no `type`"),
        (structured(r#"{"specversion":"9","id":"1","source":"/s","type":"t"}"#), "has specversion `9`"),
        (structured(r#"{"specversion":"1.0","id":7,"source":"/s","type":"t"}"#), "`id` is not a string"),
        (structured("null"), "the CloudEvent is not a JSON object"),
        (bad_id, "the header `ce_id` is not UTF-8"),
    ];
    let records = bad.iter().map(|(record, _)| record.clone());
    fixture.produce(records.chain([event("good", "k")]))?;
    fixture.settled("delivered", 1)?;
    assert_eq!(fixture.requested(), ["good"]);
    let letters = fixture.dead_letters(bad.len())?;
    // One partition and one dead-letter partition: they are in order.
    for (letter, (record, message)) in letters.iter().zip(&bad) {
        assert_eq!((letter.reason()?, letter.header("liaison.stage")?), ("undecodable", "decode"));
        assert_eq!(letter.header("__connect.errors.stage")?, "VALUE_CONVERTER");
        assert!(letter.message()?.contains(message), "{}", letter.message()?);
        assert_eq!((&letter.0.key, &letter.0.value), (&record.key, &record.value));
        assert_eq!(letter.0.headers[..record.headers.len()], record.headers[..]);
        assert!(!letter.has("liaison.event.id") && !letter.has("liaison.idempotency-key"));
    }
    fixture.host.stop()
}

#[test]
fn structured_and_plain_events_are_delivered_under_their_own_names() -> anyhow::Result<()> {
    let fixture = Fixture::start(&Config::default(), Behaviour::ok())?;
    let text = r#"{"specversion":"1.0","id":"s-1","source":"/s","type":"policy.updated","data":{"a":1.50}}"#;
    let data = json!({ "type": "policy.updated" });
    let unnamed = Outgoing { partition: Some(3), ..plain(TOPIC, "policy.updated", "k", &data) };
    let text_only =
        Outgoing { value: Some(Bytes::from_static(b"plain text")), headers: vec![], ..unnamed.clone() };
    fixture.produce([structured(text), unnamed, text_only])?;
    fixture.settled("delivered", 3)?;
    let ledger = fixture.system.ledger();
    let body = |path: &str| ledger.iter().find(|entry| entry.path == path).map(|entry| entry.body.clone());
    assert_eq!(body("/events/s-1"), Some(Bytes::from_static(br#"{"a":1.50}"#)));
    assert_eq!(body("/events/policy-events%2F3%2F0"), Some(Bytes::from(data.to_string())));
    assert_eq!(body("/events/policy-events%2F3%2F1"), Some(Bytes::from_static(b"plain text")));
    fixture.stop_without_dead_letters()
}

#[test]
fn a_tombstone_becomes_a_delete_in_the_order_of_its_key() -> anyhow::Result<()> {
    let settings = r#"settings = { path = "/things/{key}" }"#;
    let fixture = Fixture::start(&Config { connector: settings, ..Config::default() }, Behaviour::ok())?;
    fixture.produce([
        event("1", "thing"),
        Outgoing { value: None, ..event("2", "thing") },
        event("3", "thing"),
    ])?;
    fixture.settled("delivered", 3)?;
    let ledger = fixture.system.ledger();
    let methods: Vec<_> = ledger.iter().map(|entry| (&entry.method, entry.path.as_str())).collect();
    let path = "/things/thing";
    assert_eq!(methods, [(&Method::PUT, path), (&Method::DELETE, path), (&Method::PUT, path)]);
    assert_eq!(ledger[1].body_bytes, 0);
    fixture.stop_without_dead_letters()
}

#[test]
fn keys_headers_and_sizes_of_all_kinds_are_delivered() -> anyhow::Result<()> {
    let fixture = Fixture::start(&Config::default(), Behaviour::ok())?;
    let no_key = (0..20).map(|number| Outgoing { key: None, ..event(&format!("null-key-{number}"), "") });
    let empty_key = event("empty-key", "");
    let binary_key = Outgoing { key: Some(Bytes::from_static(&[0, 0xff, 0xfe])), ..event("binary-key", "") };
    let large = cloudevent(TOPIC, "policy.updated", "large", "k", &json!({ "text": "x".repeat(990_000) }));
    let mut headers = event("headers", "k");
    headers.headers.extend((0..300).map(|number| header(format!("h-{number}"), b"value")));
    headers.headers.push(header("not-text", &[0xc3, 0x28]));
    headers.headers.push(("null".into(), None));
    headers.headers.push(("".into(), Some(Bytes::from_static(b"no name"))));
    let strange = event("a/b?c#d%2e é\u{1f600}", "k");
    let empty = Outgoing { value: Some(Bytes::new()), ..event("empty", "k") };
    let records: Vec<_> =
        no_key.chain([empty_key, binary_key, large.clone(), headers, strange, empty]).collect();
    fixture.produce(records)?;
    fixture.settled("delivered", 26)?;
    let mut expected: Vec<_> = (0..20).map(|number| format!("null-key-{number}")).collect();
    let others = ["empty-key", "binary-key", "large", "headers", "empty"];
    expected.extend(others.map(str::to_owned));
    expected.push("a%2Fb%3Fc%23d%252e%20%C3%A9%F0%9F%98%80".to_owned());
    assert_eq!(sorted(fixture.delivered()), sorted(expected));
    let ledger = fixture.system.ledger();
    let large_body =
        ledger.iter().find(|entry| entry.path == "/events/large").map(|entry| entry.body.clone());
    assert_eq!(large_body, large.value);
    fixture.stop_without_dead_letters()
}

#[test]
fn an_event_that_its_settings_do_not_fit_is_a_dead_letter() -> anyhow::Result<()> {
    let settings = r#"settings = { path = "/rooms/{/room/id}" }"#;
    let fixture = Fixture::start(&Config { connector: settings, ..Config::default() }, Behaviour::ok())?;
    let with = |id: &str, data| cloudevent(TOPIC, "policy.updated", id, "k", &data);
    fixture.produce([
        with("none", json!({ "room": {} })),
        with("dots", json!({ "room": { "id": ".." } })),
        with("hidden-dots", json!({ "room": { "id": "a/../b" } })),
        with("good", json!({ "room": { "id": 12 } })),
    ])?;
    fixture.settled("delivered", 1)?;
    let letters = fixture.dead_letters(3)?;
    let found = by_event(&letters)?;
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), ["dots", "hidden-dots", "none"]);
    assert!(letters.iter().all(|letter| letter.reason().is_ok_and(|reason| reason == "rejected")));
    assert!(found["none"].message()?.contains("/room/id"), "{}", found["none"].message()?);
    assert_eq!(fixture.requested(), ["/rooms/12"]);
    fixture.host.stop()
}

#[test]
fn only_the_types_and_topics_that_are_subscribed_to_are_delivered() -> anyhow::Result<()> {
    let config = Config { types: r#"["policy.*", "schedule.updated"]"#, ..Config::default() };
    let fixture = Fixture::start(&config, Behaviour::ok())?;
    let of = |kind: &str| cloudevent(TOPIC, kind, kind, "k", &json!({}));
    let kinds = ["policy.updated", "policy", "schedule.updated", "schedule.deleted", "Policy.updated"];
    let elsewhere = Outgoing { topic: OTHER_TOPIC.to_owned(), ..of("policy.elsewhere") };
    fixture.produce(kinds.map(of).into_iter().chain([elsewhere]))?;
    fixture.settled("delivered", 2)?;
    fixture.settled("filtered", 3)?;
    assert_eq!(fixture.requested(), ["policy.updated", "schedule.updated"]);
    fixture.stop_without_dead_letters()
}

#[test]
fn what_the_filter_refuses_is_filtered_and_what_it_cannot_judge_is_a_dead_letter() -> anyhow::Result<()> {
    let subscription = r#"filter = "event.data.level > 3""#;
    let fixture = Fixture::start(&Config { subscription, ..Config::default() }, Behaviour::ok())?;
    let with = |id: &str, data| cloudevent(TOPIC, "policy.updated", id, "k", &data);
    fixture.produce([
        with("high", json!({ "level": 4 })),
        with("low", json!({ "level": 3 })),
        with("none", json!({})),
        with("text", json!({ "level": "high" })),
        with("higher", json!({ "level": 5 })),
    ])?;
    fixture.settled("delivered", 2)?;
    fixture.settled("filtered", 1)?;
    let letters = fixture.dead_letters(2)?;
    assert_eq!(fixture.requested(), ["high", "higher"]);
    assert_eq!(by_event(&letters)?.into_keys().collect::<Vec<_>>(), ["none", "text"]);
    for letter in &letters {
        assert_eq!((letter.reason()?, letter.header("liaison.stage")?), ("filter-failed", "filter"));
        assert_eq!(letter.header("__connect.errors.stage")?, "TRANSFORMATION");
        assert_eq!(letter.header("liaison.event.type")?, "policy.updated");
    }
    fixture.host.stop()
}
