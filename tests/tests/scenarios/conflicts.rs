//! What follows when the external system holds something newer or different, policy by policy.

use std::sync::atomic::{AtomicU32, Ordering};

use http::HeaderValue;
use http::header::{ETAG, IF_MATCH};
use liaison_tests::produce::cloudevent;
use liaison_tests::system::{Answer, Behaviour};
use serde_json::json;

use crate::fixture::{Config, Fixture, TOPIC};

const HELD: &str = "2026-05-01T12:00:00Z";

/// A system that holds version `v7` of everything, and takes what names that version.
fn holder() -> Behaviour {
    let refusal = Behaviour::from_fn(|_| {
        Answer::status(412)
            .with_header(ETAG, HeaderValue::from_static("\"v7\""))
            .with_body(json!({ "updatedAt": HELD }).to_string())
    });
    refusal.when(
        |request| request.headers.get(IF_MATCH).is_some_and(|version| version == "\"v7\""),
        Behaviour::ok(),
    )
}

fn start(policy: &str) -> anyhow::Result<Fixture> {
    let subscription = format!("conflict = {policy}");
    let connector = r#"settings = { path = "/events/{id}", headers = { If-None-Match = "*" } }"#;
    Fixture::start(&Config { subscription: &subscription, connector, ..Config::default() }, holder())
}

fn updated(id: &str, at: &str) -> liaison::kafka::producer::Outgoing {
    cloudevent(TOPIC, "policy.updated", id, "k", &json!({ "updatedAt": at }))
}

/// Path, the condition on its version, and status of each request.
fn exchanges(fixture: &Fixture) -> Vec<(String, Option<String>, Option<u16>)> {
    let condition = |entry: &liaison_tests::system::Entry| {
        entry.headers.get(IF_MATCH).and_then(|version| version.to_str().ok()).map(str::to_owned)
    };
    let entries = fixture.system.ledger();
    entries.iter().map(|entry| (entry.path.clone(), condition(entry), entry.status)).collect()
}

fn first(id: &str) -> (String, Option<String>, Option<u16>) {
    (format!("/events/{id}"), None, Some(412))
}

fn over(id: &str) -> (String, Option<String>, Option<u16>) {
    (format!("/events/{id}"), Some("\"v7\"".to_owned()), Some(200))
}

#[test]
fn of_two_versions_the_newer_wins_by_time_and_not_by_text() -> anyhow::Result<()> {
    let fixture = start(r#"{ policy = "newest-wins" }"#)?;
    fixture.produce([
        updated("older", "2026-05-01T11:59:59Z"),
        updated("equal", "2026-05-01T14:00:00+02:00"),
        updated("newer", "2026-05-01T11:30:00-01:00"),
    ])?;
    fixture.settled("superseded", 2)?;
    fixture.settled("delivered", 1)?;
    assert_eq!(exchanges(&fixture), [first("older"), first("equal"), first("newer"), over("newer")]);
    let conflicts = fixture.attempts("conflict");
    assert_eq!((conflicts, fixture.attempts("delivered")), (3.0, 1.0));
    // What is sent again is the event, and so is the key by which it is known.
    let ledger = fixture.system.ledger();
    assert_eq!(ledger[2].body, ledger[3].body);
    assert_eq!(ledger[2].idempotency_key, ledger[3].idempotency_key);
    assert!(ledger[2].headers.contains_key("if-none-match"));
    assert!(!ledger[3].headers.contains_key("if-none-match"));
    fixture.stop_without_dead_letters()
}

#[test]
fn a_tombstone_removes_what_is_not_newer_than_its_time() -> anyhow::Result<()> {
    let fixture = start(r#"{ policy = "newest-wins" }"#)?;
    let gone = |id: &str, time: &str| {
        let mut event = updated(id, HELD);
        event.value = None;
        event.headers.push(("ce_time".into(), Some(time.to_owned().into())));
        event
    };
    fixture.produce([gone("late", "2026-05-01T11:59:59.999Z"), gone("newer", "2026-05-01T12:00:00Z")])?;
    fixture.settled("superseded", 1)?;
    fixture.settled("delivered", 1)?;
    assert_eq!(exchanges(&fixture), [first("late"), first("newer"), over("newer")]);
    assert_eq!(fixture.system.ledger()[2].method, http::Method::DELETE);
    fixture.stop_without_dead_letters()
}

#[test]
fn versions_that_cannot_be_compared_are_left_to_a_person() -> anyhow::Result<()> {
    let fixture = start(r#"{ policy = "newest-wins", version = "/revision" }"#)?;
    fixture.produce([updated("unclear", "2033-01-01T00:00:00Z")])?;
    let letters = fixture.dead_letters(1)?;
    assert_eq!((letters[0].event_id()?, letters[0].reason()?), ("unclear", "conflict"));
    assert_eq!(letters[0].message()?, "cannot tell which is newer: the event has nothing at `/revision`");
    assert_eq!(exchanges(&fixture), [first("unclear")]);
    fixture.host.stop()
}

#[test]
fn the_source_wins_by_policy_over_anything() -> anyhow::Result<()> {
    let fixture = start(r#"{ policy = "source-wins" }"#)?;
    fixture.produce([updated("older", "2001-01-01T00:00:00Z")])?;
    fixture.settled("delivered", 1)?;
    assert_eq!(exchanges(&fixture), [first("older"), over("older")]);
    fixture.stop_without_dead_letters()
}

#[test]
fn the_target_wins_by_policy_over_anything() -> anyhow::Result<()> {
    let fixture = start(r#"{ policy = "target-wins" }"#)?;
    fixture.produce([updated("newer", "2033-01-01T00:00:00Z")])?;
    fixture.settled("superseded", 1)?;
    assert_eq!(exchanges(&fixture), [first("newer")]);
    fixture.stop_without_dead_letters()
}

#[test]
fn a_person_decides_by_policy() -> anyhow::Result<()> {
    let fixture = start(r#"{ policy = "manual" }"#)?;
    fixture.produce([updated("newer", "2033-01-01T00:00:00Z")])?;
    let letters = fixture.dead_letters(1)?;
    assert_eq!((letters[0].event_id()?, letters[0].reason()?), ("newer", "conflict"));
    assert_eq!(
        letters[0].message()?,
        "a person decides by policy: PUT /events/newer answered 412 Precondition Failed"
    );
    assert_eq!(exchanges(&fixture), [first("newer")]);
    fixture.host.stop()
}

#[test]
fn a_system_that_changes_at_every_try_ends_as_a_dead_letter() -> anyhow::Result<()> {
    let fixture = start(r#"{ policy = "source-wins" }"#)?;
    let changes = AtomicU32::new(0);
    fixture.system.behave(Behaviour::from_fn(move |_| {
        let etag = format!("\"v{}\"", changes.fetch_add(1, Ordering::Relaxed));
        Answer::status(412).with_header(ETAG, HeaderValue::from_str(&etag).expect("it may be a header"))
    }));
    fixture.produce([updated("racing", HELD)])?;
    let letters = fixture.dead_letters(1)?;
    assert_eq!((letters[0].event_id()?, letters[0].reason()?), ("racing", "conflict"));
    // The first, and five with a resolution.
    assert_eq!(fixture.system.count(), 6);
    fixture.host.stop()
}
