//! Whether what arrived at a system is exactly what should have. Pure: every difference is a line for a person.

use std::collections::HashMap;
use std::sync::Arc;

use super::expected::Expected;
use super::levels::Levels;
use super::systems::is_probe;
use crate::proof;
use crate::system::Entry;

/// What became of the events of one subscription.
#[derive(Debug)]
pub(super) struct Became<'a> {
    /// The system's ledger.
    pub(super) ledger: &'a [Arc<Entry>],
    /// The events of the dead letters in Kafka.
    pub(super) dead_letters: &'a [&'a str],
    /// What the host says itself.
    pub(super) levels: &'a Levels,
}

/// Every difference between what should have become of `count` events and what did; none is the proof.
pub(super) fn differences(
    count: usize,
    expected: &[Expected<'_>],
    expected_dead: &[&str],
    became: &Became<'_>,
) -> Vec<String> {
    let requests: Vec<Arc<Entry>> =
        became.ledger.iter().filter(|entry| !is_probe(entry)).map(Arc::clone).collect();
    let delivered =
        proof::delivered(&requests, |entry| Some(entry.event_id.as_deref().unwrap_or("without id")));
    let wanted: Vec<&str> = expected.iter().map(|expected| expected.id).collect();
    let keys: Vec<(&str, &str)> = expected.iter().map(|expected| (expected.key, expected.id)).collect();

    let mut found = Vec::new();
    let mut each = |text: &str, ids: Vec<&str>| {
        found.extend(ids.into_iter().map(|id| format!("{id} {text}")));
    };
    each("did not arrive", proof::lost(&wanted, &delivered, &[]));
    each("arrived and should not have", proof::unexpected(&wanted, &delivered, &[]));
    each("arrived more than once", proof::duplicates(&delivered).into_keys().collect());
    each("is no dead letter and should be", proof::lost(expected_dead, became.dead_letters, &[]));
    each("is a dead letter and should not be", proof::unexpected(expected_dead, became.dead_letters, &[]));
    each("is a dead letter more than once", proof::duplicates(became.dead_letters).into_keys().collect());
    for wrong in proof::out_of_order(&keys, &delivered) {
        found.push(format!("{} arrived after {}, a later event of {}", wrong.id, wrong.after, wrong.key));
    }
    found.extend(requests.iter().filter_map(|entry| difference(expected, entry)));
    let filtered = count - expected.len() - expected_dead.len();
    for (what, said, truth) in [
        ("delivered", became.levels.delivered, expected.len()),
        ("filtered", became.levels.filtered, filtered),
        ("dead-lettered", became.levels.dead_lettered, expected_dead.len()),
    ] {
        if said != truth {
            found.push(format!("the host counts {said} events as {what}, and {truth} should be"));
        }
    }
    found
}

/// When each event first arrived.
pub(super) fn arrivals(ledger: &[Arc<Entry>]) -> HashMap<&str, &Entry> {
    let mut first = HashMap::new();
    for entry in ledger.iter().filter(|entry| entry.is_accepted()) {
        if let Some(id) = entry.event_id.as_deref() {
            first.entry(id).or_insert(&**entry);
        }
    }
    first
}

/// How one accepted request differs from what should have been sent.
fn difference(expected: &[Expected<'_>], entry: &Entry) -> Option<String> {
    let id = entry.event_id.as_deref().filter(|_| entry.is_accepted())?;
    let expected = expected.iter().find(|expected| expected.id == id)?;
    let (sent, wanted) = (format!("{} {}", entry.method, entry.path), (expected.method, &expected.path));
    if sent != format!("{} {}", wanted.0, wanted.1) {
        return Some(format!("{id} was sent as `{sent}` in place of `{} {}`", wanted.0, wanted.1));
    }
    let body = String::from_utf8_lossy(&entry.body);
    (body != expected.body).then(|| format!("{id} carries `{body}` in place of `{}`", expected.body))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use bytes::Bytes;
    use http::{HeaderMap, Method};

    use super::*;

    fn expected(id: &'static str) -> Expected<'static> {
        Expected { key: "k", id, method: "PUT", path: format!("/events/{id}"), body: format!("\"{id}\"") }
    }

    fn entry(id: &str, status: u16) -> Entry {
        let body = Bytes::from(format!("\"{id}\""));
        Entry {
            received: Instant::now(),
            method: Method::PUT,
            path: format!("/events/{id}"),
            idempotency_key: None,
            event_id: Some(id.to_owned()),
            headers: HeaderMap::new(),
            body_bytes: body.len(),
            body,
            body_hash: 0,
            status: Some(status),
        }
    }

    /// Of four events a and b should arrive, c should be a dead letter, and the fourth is nobody's.
    fn found(ledger: Vec<Entry>, dead_letters: &[&str], levels: &Levels) -> Vec<String> {
        let ledger: Vec<Arc<Entry>> = ledger.into_iter().map(Arc::new).collect();
        let became = Became { ledger: &ledger, dead_letters, levels };
        differences(4, &[expected("a"), expected("b")], &["c"], &became)
    }

    fn right() -> Levels {
        Levels { delivered: 2, filtered: 1, dead_lettered: 1, ..Levels::default() }
    }

    #[test]
    fn what_is_as_it_should_be_has_no_difference() {
        let probe = Entry { method: Method::GET, event_id: None, ..entry("", 200) };
        let ledger = vec![probe, entry("a", 503), entry("a", 200), entry("c", 422), entry("b", 201)];
        assert_eq!(found(ledger, &["c"], &right()), [""; 0]);
    }

    #[test]
    fn each_difference_is_named() {
        let (a, b) = (|| entry("a", 200), || entry("b", 200));
        let elsewhere = Entry { path: "/events/other".to_owned(), ..b() };
        let altered = Entry { body: Bytes::from_static(b"{}"), ..b() };
        for (ledger, dead_letters, line) in [
            (vec![a()], &["c"][..], "b did not arrive"),
            (vec![a(), entry("b", 503)], &["c"], "b did not arrive"),
            (vec![a(), b(), entry("d", 200)], &["c"], "d arrived and should not have"),
            (vec![a(), b(), a()], &["c"], "a arrived more than once"),
            (vec![b(), a()], &["c"], "a arrived after b, a later event of k"),
            (vec![a(), b()], &[], "c is no dead letter and should be"),
            (vec![a(), b()], &["c", "b"], "b is a dead letter and should not be"),
            (vec![a(), b()], &["c", "c"], "c is a dead letter more than once"),
            (vec![a(), elsewhere], &["c"], "b was sent as `PUT /events/other` in place of `PUT /events/b`"),
            (vec![a(), altered], &["c"], "b carries `{}` in place of `\"b\"`"),
        ] {
            assert_eq!(found(ledger, dead_letters, &right()), [line]);
        }
    }

    #[test]
    fn a_host_that_counts_otherwise_is_contradicted() {
        let levels = Levels { filtered: 2, ..right() };
        let ledger = vec![entry("a", 200), entry("b", 200)];
        let line = "the host counts 2 events as filtered, and 1 should be";
        assert_eq!(found(ledger, &["c"], &levels), [line]);
    }
}
