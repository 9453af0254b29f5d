//! What follows each outcome of a plugin.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use http::header::RETRY_AFTER;
use liaison_tests::folder::Folder;
use liaison_tests::produce::cloudevent;
use liaison_tests::system::{Answer, Behaviour, RetryAfter};
use serde_json::json;

use crate::fixture::{Config, Fixture, LIMIT, PATIENT, QUICK, TOPIC, event, sorted};

#[test]
fn what_is_delivered_arrives_once_with_its_body_and_key() -> anyhow::Result<()> {
    let fixture = Fixture::start(&Config::default(), Behaviour::ok())?;
    let data = json!({ "title": "Leave policy", "version": 3 });
    let event = |number: usize| {
        cloudevent(TOPIC, "policy.updated", &format!("e-{number}"), &format!("k-{}", number % 7), &data)
    };
    fixture.produce((0..50).map(event))?;
    fixture.settled("delivered", 50)?;
    let ledger = fixture.system.ledger();
    let mut paths: Vec<_> = ledger.iter().map(|entry| entry.path.as_str()).collect();
    paths.sort_unstable();
    let mut expected: Vec<_> = (0..50).map(|number| format!("/events/e-{number}")).collect();
    expected.sort_unstable();
    assert_eq!(paths, expected);
    for entry in &ledger {
        assert_eq!(entry.method, "PUT");
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&entry.body)?, data);
    }
    fixture.stop_without_dead_letters()
}

#[test]
fn what_is_skipped_settles_after_one_request() -> anyhow::Result<()> {
    let connector = r#"settings = { path = "/events/{id}", statuses = { "404" = "skipped" } }"#;
    let fixture = Fixture::start(&Config { connector, ..Config::default() }, Behaviour::status(404))?;
    fixture.produce([event("e-1", "k"), event("e-2", "k")])?;
    fixture.settled("delivered", 2)?;
    assert_eq!(fixture.requested(), ["e-1", "e-2"]);
    assert_eq!(fixture.attempts("skipped"), 2.0);
    fixture.stop_without_dead_letters()
}

#[test]
fn what_fails_is_tried_again_after_growing_waits_and_then_delivered() -> anyhow::Result<()> {
    let tables = r#"
        [sla.default]
        initial-interval = "200ms"
        multiplier = 2.0
        max-interval = "400ms"
    "#;
    let behaviour = Behaviour::ok().for_first(3, Behaviour::status(500));
    let fixture = Fixture::start(&Config { tables, ..Config::default() }, behaviour)?;
    fixture.produce([event("e-1", "k")])?;
    fixture.settled("delivered", 1)?;
    let ledger = fixture.system.ledger();
    let statuses: Vec<_> = ledger.iter().filter_map(|entry| entry.status).collect();
    assert_eq!(statuses, [500, 500, 500, 200]);
    // A wait is between half of its interval and all of it.
    for (pair, at_least_ms) in ledger.windows(2).zip([100, 200, 200]) {
        let waited = pair[1].received.duration_since(pair[0].received);
        assert!(waited >= Duration::from_millis(at_least_ms), "{waited:?} is less than {at_least_ms} ms");
    }
    assert_eq!((fixture.attempts("retry"), fixture.attempts("delivered")), (3.0, 1.0));
    fixture.stop_without_dead_letters()
}

#[test]
fn a_wait_that_a_failing_system_asks_for_is_kept_in_both_forms() -> anyhow::Result<()> {
    let asked = Arc::new(Mutex::new(BTreeMap::new()));
    let remembered = asked.clone();
    let failing = Behaviour::from_fn(move |request| {
        let second = Duration::from_secs(1);
        // A date has whole seconds, so it may be up to one second sooner than asked.
        let (wanted, at_least) = if request.path.ends_with("date") {
            (RetryAfter::At(SystemTime::now() + 2 * second), second)
        } else {
            (RetryAfter::Seconds(1), second)
        };
        let until = request.received + at_least;
        remembered.lock().unwrap().insert(request.path.to_owned(), until);
        Answer::status(503).with_header(RETRY_AFTER, wanted.into())
    });
    let behaviour = Behaviour::ok().for_first(1, failing);
    let config = Config { tables: QUICK, connector: PATIENT, ..Config::default() };
    let fixture = Fixture::start(&config, behaviour)?;
    fixture.produce([event("seconds", "k-1"), event("date", "k-2")])?;
    fixture.settled("delivered", 2)?;
    let ledger = fixture.system.ledger();
    assert_eq!(ledger.len(), 4);
    for entry in ledger.iter().filter(|entry| entry.is_accepted()) {
        // Half a second for what a clock's date and its monotonic time may differ by, and for the date's way here.
        let slack = Duration::from_millis(if entry.path.ends_with("date") { 10 } else { 0 });
        assert!(entry.received + slack >= asked.lock().unwrap()[&entry.path], "{} came too soon", entry.path);
    }
    fixture.stop_without_dead_letters()
}

#[test]
fn a_system_that_asks_to_slow_down_holds_the_whole_connector_and_costs_no_attempt() -> anyhow::Result<()> {
    for wanted in [RetryAfter::Seconds(2), RetryAfter::At(SystemTime::UNIX_EPOCH)] {
        let busy = Behaviour::from_fn(move |_| {
            let wanted = match wanted {
                RetryAfter::Seconds(seconds) => RetryAfter::Seconds(seconds),
                RetryAfter::At(_) => RetryAfter::At(SystemTime::now() + Duration::from_secs(3)),
            };
            Answer::status(429).with_header(RETRY_AFTER, wanted.into())
        });
        let busy = Behaviour::ok().when(|request| request.path == "/events/first", busy);
        let tables = "[sla.default]\nmax-attempts = 1";
        let fixture = Fixture::start(&Config { tables, ..Config::default() }, busy)?;
        fixture.produce([event("first", "k")])?;
        fixture.host.wait_for_metric(
            LIMIT,
            "liaison_attempts_total",
            &[("outcome", "throttled")],
            |count| count == 1.0,
        )?;
        let until = fixture.system.ledger()[0].received + Duration::from_secs(2);
        fixture.system.behave(Behaviour::ok());
        fixture.produce((0..8).map(|number| event(&format!("e-{number}"), &format!("k-{number}"))))?;
        fixture.settled("delivered", 9)?;
        let ledger = fixture.system.ledger();
        assert_eq!(ledger.len(), 10);
        for entry in &ledger[1..] {
            let slack = Duration::from_millis(10);
            assert!(entry.received + slack >= until, "{wanted:?}: {} came too soon", entry.path);
        }
        assert_eq!((fixture.attempts("throttled"), fixture.attempts("retry")), (1.0, 0.0));
        fixture.stop_without_dead_letters()?;
    }
    Ok(())
}

#[test]
fn refused_credentials_lose_nothing_and_it_goes_on_when_they_work() -> anyhow::Result<()> {
    let folder = Folder::new("credential")?;
    let file = folder.write("token", "old")?;
    let connector = format!(
        "credential = {{ bearer = {{ file = \"{}\" }} }}\n\
         breaker = {{ probe-interval = \"50ms\", max-probe-interval = \"100ms\" }}",
        file.display()
    );
    let tables = "[sla.default]\nmax-attempts = 1\ninitial-interval = \"50ms\"";
    let config = Config { connector: &connector, tables, ..Config::default() };
    let fixture = Fixture::start(&config, Behaviour::ok().with_bearer("new"))?;
    fixture.produce((0..5).map(|number| event(&format!("e-{number}"), "one key")))?;
    // Probed again and again: far more often than there are attempts.
    fixture
        .host
        .wait_for_metric(LIMIT, "liaison_attempts_total", &[("outcome", "denied")], |count| count >= 5.0)?;
    assert_ne!(fixture.metric("liaison_breaker_state", &[]), 0.0, "open, or half-open while it probes");
    assert_eq!(fixture.metric("liaison_events_settled_total", &[]), 0.0);
    fixture.system.behave(Behaviour::ok().with_bearer("old"));
    fixture.settled("delivered", 5)?;
    assert_eq!(fixture.delivered(), ["e-0", "e-1", "e-2", "e-3", "e-4"]);
    assert_eq!(fixture.metric("liaison_breaker_state", &[]), 0.0);
    assert_eq!(fixture.metric("liaison_breaker_opened_total", &[]), 1.0);
    fixture.stop_without_dead_letters()
}

#[test]
fn what_is_rejected_is_a_dead_letter_and_the_next_of_its_key_follows() -> anyhow::Result<()> {
    let refusal = Behaviour::from_fn(|_| Answer::status(422).with_body("no such room"));
    let behaviour = Behaviour::ok().when(|request| request.path == "/events/bad", refusal);
    let fixture = Fixture::start(&Config::default(), behaviour)?;
    fixture.produce([event("good-1", "k"), event("bad", "k"), event("good-2", "k")])?;
    fixture.settled("delivered", 2)?;
    let letters = fixture.dead_letters(1)?;
    assert_eq!(fixture.requested(), ["good-1", "bad", "good-2"]);
    assert_eq!((letters[0].event_id()?, letters[0].reason()?), ("bad", "rejected"));
    assert_eq!(letters[0].message()?, "PUT /events/bad answered 422 Unprocessable Content: no such room");
    let dead = fixture.metric("liaison_dead_letters_total", &[("reason", "rejected")]);
    assert_eq!((dead, fixture.metric("liaison_dead_letters_total", &[])), (1.0, 1.0));
    fixture.host.stop()
}

#[test]
fn what_is_not_answered_within_the_attempt_is_tried_again() -> anyhow::Result<()> {
    let tables = "[sla.default]\nattempt-timeout = \"300ms\"\ninitial-interval = \"20ms\"";
    let behaviour = Behaviour::ok().for_first(1, Behaviour::silence());
    let config = Config { tables, connector: PATIENT, ..Config::default() };
    let fixture = Fixture::start(&config, behaviour)?;
    fixture.produce([event("e-1", "k-1"), event("e-2", "k-2")])?;
    fixture.settled("delivered", 2)?;
    assert_eq!(sorted(fixture.requested()), ["e-1", "e-1", "e-2", "e-2"]);
    let received: Vec<Instant> = fixture.system.ledger().iter().map(|entry| entry.received).collect();
    assert!(received[2].duration_since(received[0]) >= Duration::from_millis(300));
    assert_eq!(fixture.attempts("retry"), 2.0);
    fixture.stop_without_dead_letters()
}
