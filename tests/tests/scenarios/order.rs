//! Order: events of one key one after another, whatever happens to them, and no key waits for another.

use std::collections::BTreeMap;
use std::time::Duration;

use liaison_tests::proof::{duplicates, lost, out_of_order};
use liaison_tests::system::Behaviour;

use crate::fixture::{Config, Fixture, LIMIT, PATIENT, QUICK, event, id_of, sorted};

/// `KEYS` keys with `EVENTS` events each, mixed: key and id.
fn many() -> Vec<(String, String)> {
    const KEYS: usize = 20;
    const EVENTS: usize = 15;
    let of =
        |number: usize| (format!("k-{}", number % KEYS), format!("k-{}-{}", number % KEYS, number / KEYS));
    (0..KEYS * EVENTS).map(of).collect()
}

fn named(events: &[(String, String)]) -> Vec<(&str, &str)> {
    events.iter().map(|(key, id)| (key.as_str(), id.as_str())).collect()
}

#[test]
fn events_of_a_key_stay_in_order_through_failures_and_none_overtakes_in_any_attempt() -> anyhow::Result<()> {
    let events = many();
    let behaviour = Behaviour::ok()
        .with_latency_by(|request| Duration::from_millis(request.path.len() as u64 * 7 % 5))
        .for_percent(20.0, 1, Behaviour::status(500))
        .for_percent(5.0, 2, Behaviour::status(408));
    let tables = "[sla.default]\ninitial-interval = \"20ms\"\nmax-interval = \"50ms\"\nmax-attempts = 1000";
    let config = Config { tables, connector: PATIENT, ..Config::default() };
    let fixture = Fixture::start(&config, behaviour)?;
    fixture.produce(events.iter().map(|(key, id)| event(id, key)))?;
    fixture.settled("delivered", events.len())?;

    let produced = named(&events);
    let ids: Vec<&str> = produced.iter().map(|(_, id)| *id).collect();
    let delivered = fixture.delivered();
    let delivered: Vec<&str> = delivered.iter().map(String::as_str).collect();
    assert_eq!(lost(&ids, &delivered, &[]), [""; 0]);
    assert_eq!(duplicates(&delivered), BTreeMap::new());
    assert_eq!(out_of_order(&produced, &delivered), []);
    // Of each key, no event was asked for before the one before it was taken.
    let asked = fixture.requested();
    assert!(asked.len() > events.len() + 30, "only {} requests: nothing failed", asked.len());
    let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
    assert_eq!(out_of_order(&produced, &asked), []);
    let ledger = fixture.system.ledger();
    for (index, entry) in ledger.iter().enumerate() {
        let key = id_of(entry).rsplit_once('-').map(|(key, _)| format!("/events/{key}-"));
        let Some(key) = key else { continue };
        let before = ledger[..index].iter().rev().find(|before| before.path.starts_with(&key));
        if let Some(before) = before.filter(|before| before.path != entry.path) {
            assert!(before.is_accepted(), "{} was asked for while {} waited", entry.path, before.path);
        }
    }
    fixture.stop_without_dead_letters()
}

#[test]
fn a_key_that_always_fails_holds_up_no_other() -> anyhow::Result<()> {
    let hot = |number: usize| format!("hot-{number}");
    let behaviour = Behaviour::ok().when(|request| request.path.contains("hot"), Behaviour::status(503));
    let tables = "[sla.default]\ninitial-interval = \"20ms\"\nmax-interval = \"50ms\"\nmax-attempts = 100000";
    let fixture = Fixture::start(&Config { tables, ..Config::default() }, behaviour)?;
    let healthy: Vec<_> = (0..200).map(|number| format!("e-{number}")).collect();
    let events = healthy.iter().enumerate().flat_map(|(number, id)| {
        let hot = (number < 30).then(|| event(&hot(number), "hot"));
        hot.into_iter().chain([event(id, &format!("k-{}", number % 10))])
    });
    fixture.produce(events.collect::<Vec<_>>())?;
    fixture.settled("delivered", 200)?;
    assert_eq!(sorted(fixture.delivered()), sorted(healthy));
    fixture.system.wait_until("a second try", LIMIT, |ledger| {
        ledger.iter().filter(|entry| id_of(entry).starts_with("hot")).count() > 1
    })?;
    let failed: Vec<_> = fixture.requested().into_iter().filter(|id| id.starts_with("hot")).collect();
    assert!(failed.len() > 1);
    assert!(failed.iter().all(|id| *id == hot(0)), "the first of its key must wait: {failed:?}");

    fixture.system.take_ledger();
    fixture.system.behave(Behaviour::ok());
    fixture.settled("delivered", 230)?;
    assert_eq!(fixture.delivered(), (0..30).map(hot).collect::<Vec<_>>());
    fixture.stop_without_dead_letters()
}

#[test]
fn without_order_others_of_the_key_pass_one_that_waits() -> anyhow::Result<()> {
    let behaviour = Behaviour::ok().when(|request| request.path == "/events/first", Behaviour::status(503));
    let subscription = "ordering = \"none\"\nparking.delays = []";
    let config = Config { subscription, tables: QUICK, ..Config::default() };
    let config = Config { connector: PATIENT, ..config };
    let fixture = Fixture::start(&config, behaviour)?;
    let others: Vec<_> = (0..20).map(|number| format!("e-{number}")).collect();
    fixture.produce([event("first", "k")])?;
    fixture.system.wait_for(1, LIMIT)?;
    fixture.produce(others.iter().map(|id| event(id, "k")))?;
    fixture.settled("delivered", 20)?;
    assert_eq!(sorted(fixture.delivered()), sorted(others));
    fixture.host.stop()
}

#[test]
fn a_failing_event_keeps_its_idempotency_key_over_attempts_and_a_restart() -> anyhow::Result<()> {
    let config = Config { tables: QUICK, connector: PATIENT, ..Config::default() };
    let fixture = Fixture::start(&config, Behaviour::status(408))?;
    fixture.produce([event("e-1", "k-1"), event("e-2", "k-2"), event("e-3", "k-3")])?;
    // What has spent its attempts opens the breaker, and then one alone is tried.
    fixture.system.wait_until("an attempt of each, and a second of one", LIMIT, |ledger| {
        let attempts = |id: &str| ledger.iter().filter(|entry| entry.path.ends_with(id)).count();
        ["1", "2", "3"].iter().all(|id| attempts(id) >= 1) && ledger.len() > 3
    })?;
    let fixture = fixture.restarted()?;
    let before = fixture.system.count();
    fixture.system.behave(Behaviour::ok());
    fixture.settled("delivered", 3)?;
    let mut keys = BTreeMap::new();
    let ledger = fixture.system.ledger();
    assert!(ledger.len() >= before + 3);
    for entry in &ledger {
        let key = entry.idempotency_key.as_deref().unwrap_or_default();
        let digits = key.strip_prefix('"').and_then(|key| key.strip_suffix('"')).unwrap_or_default();
        let is_written = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        assert!(is_written, "{key} is no quoted string of 32 hexadecimal digits");
        assert_eq!(*keys.entry(entry.path.clone()).or_insert(key), key, "{}", entry.path);
    }
    assert_eq!(sorted(keys.values()).windows(2).filter(|pair| pair[0] == pair[1]).count(), 0);
    assert_eq!(keys.len(), 3);
    fixture.stop_without_dead_letters()
}

#[test]
fn the_idempotency_key_goes_bare_and_under_another_name_where_configured() -> anyhow::Result<()> {
    let connector = "idempotency-header = \"X-Request-Key\"\nidempotency-quoted = false";
    let fixture = Fixture::start(&Config { connector, ..Config::default() }, Behaviour::ok())?;
    fixture.produce([event("e-1", "k")])?;
    fixture.settled("delivered", 1)?;
    let ledger = fixture.system.ledger();
    let key = ledger[0].headers.get("x-request-key").and_then(|key| key.to_str().ok()).unwrap_or_default();
    assert_eq!(key.len(), 32, "{key}");
    assert_eq!(ledger[0].idempotency_key, None);
    fixture.stop_without_dead_letters()
}
