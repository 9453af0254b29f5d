//! The plugin `webhook` and the keys that sign for it: verified by the library of the standard, and by ring where that has no
//! words (Ed25519).

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Method};
use liaison::kafka::producer::Outgoing;
use liaison_tests::folder::Folder;
use liaison_tests::system::{Answer, Behaviour, Entry, Request, RetryAfter};
use liaison_tests::wait;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde_json::{Value, json};
use standardwebhooks::Webhook;

use crate::alerts::Receiver;
use crate::fixture::{Config, Fixture, LIMIT, QUICK, by_event, event};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW_SECRET: &str = "whsec_bmV3IHNlY3JldCBvZiB0aGUgc2NlbmFyaW9z";

/// The keys of one connector, in files.
struct Keys(Folder);

impl Keys {
    fn new() -> anyhow::Result<Self> {
        let folder = Folder::new("webhook-keys")?;
        folder.write("key", SECRET)?;
        Ok(Self(folder))
    }

    /// What the connector says of these, with more.
    fn connector(&self, names: &[&str], more: &str) -> String {
        let file = |name: &&str| format!("{{ file = '{}' }}", self.0.path().join(name).display());
        let all: Vec<_> = names.iter().map(file).collect();
        format!(
            "credential.standard-webhooks = {{ secret = {}, further-secrets = [{}] }}\n{more}",
            all[0],
            all[1..].join(", ")
        )
    }
}

/// A receiver that takes what one of these has signed, and nothing else.
fn receiver(secrets: &'static [&'static str]) -> Behaviour {
    Behaviour::from_fn(move |request| {
        let is_signed = |secret: &&str| is_verified(secret, request.body, request.headers);
        Answer::status(if secrets.iter().any(is_signed) { 204 } else { 401 })
    })
}

fn is_verified(secret: &str, body: &[u8], headers: &HeaderMap) -> bool {
    Webhook::new(secret).is_ok_and(|webhook| webhook.verify(body, headers).is_ok())
}

fn start(connector: &str, tables: &str, behaviour: Behaviour) -> anyhow::Result<Fixture> {
    let tables = &format!("{QUICK}\n{tables}");
    Fixture::start(&Config { plugin: "webhook", connector, tables, ..Config::default() }, behaviour)
}

fn header<'entry>(entry: &'entry Entry, name: &str) -> anyhow::Result<&'entry str> {
    Ok(entry.headers.get(name).with_context(|| format!("no {name}"))?.to_str()?)
}

/// What was posted: the connector's check asks by `HEAD`.
fn posts(fixture: &Fixture) -> Vec<Arc<Entry>> {
    let mut ledger = fixture.system.ledger();
    ledger.retain(|entry| entry.method == Method::POST);
    ledger
}

/// The identifiers of the events' data, in the order in which they were taken.
fn taken(fixture: &Fixture) -> anyhow::Result<Vec<String>> {
    let ledger = posts(fixture);
    let taken = ledger.iter().filter(|entry| entry.is_accepted());
    let id = |entry: &Arc<Entry>| -> anyhow::Result<String> {
        let body: Value = serde_json::from_slice(&entry.body)?;
        Ok(body["data"]["id"].as_str().unwrap_or("gone").to_owned())
    };
    taken.map(id).collect()
}

fn gone(id: &str, key: &str) -> Outgoing {
    Outgoing { value: None, ..event(id, key) }
}

#[test]
fn what_is_posted_is_verified_by_the_library_of_the_standard() -> anyhow::Result<()> {
    let keys = Keys::new()?;
    let fixture = start(&keys.connector(&["key"], ""), "", receiver(&[SECRET]))?;
    // Created, changed, the same again, an older one after a newer one, and deleted: each is a message of its own.
    fixture.produce([
        event("e-1", "k"),
        event("e-2", "k"),
        event("e-2", "k"),
        event("e-0", "k"),
        gone("e-3", "k"),
    ])?;
    fixture.settled("delivered", 5)?;
    assert_eq!(taken(&fixture)?, ["e-1", "e-2", "e-2", "e-0", "gone"]);
    let ledger = posts(&fixture);
    let ids: Vec<_> =
        ledger.iter().map(|entry| header(entry, "webhook-id")).collect::<anyhow::Result<_>>()?;
    assert_eq!(ids[1], ids[2], "the same event has the same id");
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 4);
    for entry in &ledger {
        assert_eq!(entry.idempotency_key, Some(format!("\"{}\"", header(entry, "webhook-id")?)));
        assert!(header(entry, "webhook-signature")?.starts_with("v1,"));
    }
    let body: Value = serde_json::from_slice(&ledger[0].body)?;
    assert_eq!((&body["type"], &body["data"]), (&json!("policy.updated"), &json!({ "id": "e-1" })));
    assert_eq!(serde_json::from_slice::<Value>(&ledger[4].body)?["data"], Value::Null);
    fixture.stop_without_dead_letters()
}

#[test]
fn an_attempt_has_its_own_time_and_a_message_one_id_also_after_a_restart() -> anyhow::Result<()> {
    let keys = Keys::new()?;
    let fixture = start(&keys.connector(&["key"], ""), "", Behaviour::status(500))?;
    fixture.produce([event("e-1", "k")])?;
    fixture.system.wait_for(2, LIMIT)?;
    let fixture = fixture.restarted()?;
    fixture.system.behave(receiver(&[SECRET]));
    fixture.settled("delivered", 1)?;
    let ledger = posts(&fixture);
    let of = |name: &str| -> anyhow::Result<BTreeSet<&str>> {
        ledger.iter().map(|entry| header(entry, name)).collect()
    };
    assert_eq!(of("webhook-id")?.len(), 1);
    // At least the last of them lies in another second than the first, unless all of it took less.
    let times: Vec<u64> = ledger
        .iter()
        .map(|entry| Ok(header(entry, "webhook-timestamp")?.parse()?))
        .collect::<anyhow::Result<_>>()?;
    assert!(times.is_sorted() && times.iter().all(|time| time.abs_diff(times[0]) < 120), "{times:?}");
    fixture.stop_without_dead_letters()
}

#[test]
fn a_key_is_replaced_without_a_restart_and_without_a_refusal() -> anyhow::Result<()> {
    let keys = Keys::new()?;
    keys.0.write("before", SECRET)?;
    let fixture = start(&keys.connector(&["key", "before"], ""), "", receiver(&[SECRET]))?;
    fixture.produce([event("e-1", "k")])?;
    fixture.settled("delivered", 1)?;
    // The new key beside the old one: receivers may change over when they like.
    fs::write(keys.0.path().join("next"), NEW_SECRET)?;
    fs::rename(keys.0.path().join("next"), keys.0.path().join("key"))?;
    let mut number = 1;
    wait::until(LIMIT, "a message that is signed with both keys", || {
        number += 1;
        let sent = fixture.produce([event(&format!("e-{number}"), "k")]);
        sent.and_then(|()| fixture.settled("delivered", number)).is_ok()
            && fixture.system.ledger().iter().any(|entry| {
                [SECRET, NEW_SECRET].iter().all(|secret| is_verified(secret, &entry.body, &entry.headers))
            })
    })?;
    fixture.system.behave(receiver(&[NEW_SECRET]));
    fixture.produce([event("last", "k")])?;
    fixture.settled("delivered", number + 1)?;
    assert_eq!(fixture.attempts("denied"), 0.0);
    fixture.stop_without_dead_letters()
}

#[test]
fn a_key_pair_signs_so_that_its_public_half_verifies() -> anyhow::Result<()> {
    let keys = Keys::new()?;
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).ok().context("a key")?;
    let public: [u8; 32] = pair.public_key().as_ref().try_into()?;
    keys.0.write("pair", &format!("whsk_{}", STANDARD.encode([7; 32])))?;
    let verified = move |request: &Request<'_>| -> Option<()> {
        let text = |name: &str| request.headers.get(name)?.to_str().ok();
        let signed = [text("webhook-id")?, ".", text("webhook-timestamp")?, "."].concat();
        let signature = text("webhook-signature")?.split(' ').find_map(|one| one.strip_prefix("v1a,"))?;
        let signature = STANDARD.decode(signature).ok()?;
        UnparsedPublicKey::new(&ED25519, public)
            .verify(&[signed.as_bytes(), request.body].concat(), &signature)
            .ok()
    };
    let behaviour = Behaviour::from_fn(move |request| {
        Answer::status(if verified(request).is_some() { 204 } else { 401 })
    });
    let fixture =
        start(&keys.connector(&["pair", "key"], "settings = { format = \"cloudevent\" }"), "", behaviour)?;
    fixture.produce([event("e-1", "k"), gone("e-2", "k")])?;
    fixture.settled("delivered", 2)?;
    let ledger = posts(&fixture);
    // The shared secret signs beside it.
    assert!(ledger.iter().all(|entry| is_verified(SECRET, &entry.body, &entry.headers)));
    let body: Value = serde_json::from_slice(&ledger[0].body)?;
    let expected =
        (&json!("1.0"), &json!("e-1"), &json!("/tests"), &json!("policy.updated"), &json!({ "id": "e-1" }));
    assert_eq!((&body["specversion"], &body["id"], &body["source"], &body["type"], &body["data"]), expected);
    assert_eq!(header(&ledger[0], "content-type")?, "application/cloudevents+json");
    fixture.stop_without_dead_letters()
}

/// A receiver that knows `HEAD` says by it that it takes no more; one that does not is asked by an event now and then.
#[test]
fn a_receiver_that_is_gone_is_told_of_once_and_loses_nothing() -> anyhow::Result<()> {
    for head in [410, 405] {
        let (keys, alerted) = (Keys::new()?, Receiver::start()?);
        let head_status = Arc::new(AtomicU16::new(head));
        let answers = head_status.clone();
        let posted = Behaviour::status(410);
        let gone = Behaviour::from_fn(move |_| Answer::status(answers.load(Ordering::Relaxed)))
            .when(|request| request.method == Method::POST, posted);
        let breaker = r#"breaker = { probe-interval = "50ms", max-probe-interval = "100ms", max-denied-interval = "1s" }"#;
        let fixture = start(&keys.connector(&["key"], breaker), &alerted.tables("")?, gone)?;
        fixture.produce((1..=5).map(|number| event(&format!("e-{number}"), "k")))?;
        alerted.wait_for_state("denied", "raised")?;
        let heads =
            |ledger: &[Arc<Entry>]| ledger.iter().filter(|entry| entry.method == Method::HEAD).count();
        fixture.system.wait_until("five probes", LIMIT, |ledger| heads(ledger) >= 5)?;
        let posts = fixture.system.ledger().len() - heads(&fixture.system.ledger());
        match head {
            410 => assert_eq!(posts, 1, "nothing is sent to whoever says that he is gone"),
            _ => assert!(posts >= 2 && posts <= heads(&fixture.system.ledger()) + 1, "{posts} posts"),
        }
        assert_eq!(alerted.states("denied")?, ["raised"], "one alert, however often it is probed");
        // It takes webhooks again.
        head_status.store(405, Ordering::Relaxed);
        let no_head = Behaviour::status(405);
        fixture.system.behave(receiver(&[SECRET]).when(|request| request.method == Method::HEAD, no_head));
        fixture.settled("delivered", 5)?;
        assert_eq!(taken(&fixture)?, ["e-1", "e-2", "e-3", "e-4", "e-5"]);
        alerted.wait_for_state("denied", "recovered")?;
        assert_eq!(alerted.states("denied")?, ["raised", "recovered"]);
        fixture.stop_without_dead_letters()?;
    }
    Ok(())
}

#[test]
fn a_receiver_that_is_busy_or_away_is_waited_for() -> anyhow::Result<()> {
    let keys = Keys::new()?;
    let busy = Behaviour::too_many(RetryAfter::Seconds(1));
    let behaviour = receiver(&[SECRET]).for_first(1, busy);
    let fixture = start(&keys.connector(&["key"], ""), "", behaviour)?;
    // Each of them is asked once to come later.
    fixture.produce((0..3).map(|number| event(&format!("e-{number}"), "k")))?;
    fixture.settled("delivered", 3)?;
    assert_eq!(fixture.attempts("throttled"), 3.0);
    fixture.system.refuse_connections()?;
    fixture.produce((3..23).map(|number| event(&format!("e-{number}"), &format!("k-{number}"))))?;
    fixture
        .host
        .wait_for_metric(LIMIT, "liaison_attempts_total", &[("outcome", "retry")], |found| found >= 2.0)?;
    fixture.system.accept_connections()?;
    fixture.settled("delivered", 23)?;
    let all: BTreeSet<_> = taken(&fixture)?.into_iter().collect();
    assert_eq!(all.len(), 23);
    fixture.stop_without_dead_letters()
}

#[test]
fn a_message_that_is_refused_for_itself_is_the_only_dead_letter_and_no_redirect_is_followed()
-> anyhow::Result<()> {
    let keys = Keys::new()?;
    let refused = Behaviour::from_fn(|_| Answer::status(422).with_body("no such room"));
    let redirect = Behaviour::status(308);
    let behaviour = receiver(&[SECRET])
        .when(|request| request.body.windows(5).any(|text| text == b"bad-1"), refused)
        .when(|request| request.body.windows(5).any(|text| text == b"moved"), redirect);
    let sla = "max-attempts = 2";
    let fixture = start(&keys.connector(&["key"], ""), sla, behaviour)?;
    fixture.produce([event("bad-1", "k"), event("good", "k"), event("moved", "m")])?;
    let retried = [("outcome", "retry")];
    fixture.host.wait_for_metric(LIMIT, "liaison_attempts_total", &retried, |found| found >= 1.0)?;
    // It is the message and not the receiver: others are taken.
    fixture.produce([event("other", "o")])?;
    let letters = fixture.dead_letters(2)?;
    fixture.settled("delivered", 2)?;
    let by_event = by_event(&letters)?;
    assert_eq!(by_event["bad-1"].message()?, "POST / answered 422 Unprocessable Content: no such room");
    let moved = by_event["moved"].message()?;
    assert!(moved.ends_with("attempts failed; the last: POST / answered 308"), "{moved}");
    assert!(!letters[0].header("liaison.recording")?.contains("whsec_"));
    fixture.host.stop()
}
