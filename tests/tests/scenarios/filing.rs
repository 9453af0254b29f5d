//! The system that the guest `filing` files cases with, and what its ledger says of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use liaison::event::Record;
use liaison_tests::system::{Answer, Behaviour, Entry, Request};
use serde_json::{Value, json};

/// The calls of one delivery, in order: the number of its round.
pub(crate) const OPEN: usize = 0;
pub(crate) const UPLOAD: usize = 1;
pub(crate) const BOOK: usize = 2;

/// Opens a new case at each request, whoever asks: one that is opened twice is seen.
pub(crate) fn cases() -> Behaviour {
    let opened = AtomicUsize::new(0);
    let open = move |request: &Request<'_>| {
        let event = request.headers.get("ce-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
        let number = opened.fetch_add(1, Ordering::Relaxed);
        Answer::status(201).with_body(json!({ "id": format!("{event}.{number}") }).to_string())
    };
    Behaviour::ok().when(|request| request.path == "/cases", Behaviour::from_fn(open))
}

pub(crate) fn is_upload(request: &Request<'_>) -> bool {
    request.path.ends_with("/file")
}

/// The requests of each event, by call, in the order received.
pub(crate) fn by_event(ledger: &[Arc<Entry>]) -> BTreeMap<&str, [Vec<&Arc<Entry>>; 3]> {
    let mut events: BTreeMap<&str, [Vec<&Arc<Entry>>; 3]> = BTreeMap::new();
    for entry in ledger {
        let event = entry.event_id.as_deref().expect("each call says which event it is about");
        let call = match entry.path.strip_prefix("/cases").map(|rest| rest.rsplit('/').next()) {
            Some(Some("")) => OPEN,
            Some(Some("file")) => UPLOAD,
            Some(Some("dates")) => BOOK,
            Some(_) | None => panic!("nobody asks for {}", entry.path),
        };
        let is_own = call == OPEN || entry.path.starts_with(&format!("/cases/{event}."));
        assert!(is_own, "{event} goes to another one's case: {}", entry.path);
        events.entry(event).or_default()[call].push(entry);
    }
    events
}

/// Proves that each call has one idempotency key and no two have the same. Gives the event of each first call's key.
pub(crate) fn prove_keys<'a>(
    events: &BTreeMap<&'a str, [Vec<&'a Arc<Entry>>; 3]>,
) -> BTreeMap<&'a str, &'a str> {
    let mut owners = BTreeMap::new();
    for (event, calls) in events {
        for (call, entries) in calls.iter().enumerate() {
            for entry in entries {
                let key = entry.idempotency_key.as_deref().expect("every call has a key");
                let owner = *owners.entry(key.trim_matches('"')).or_insert((*event, call));
                assert_eq!(owner, (*event, call), "{key} is sent with two calls");
            }
            let mut keys: Vec<_> = entries.iter().map(|entry| &entry.idempotency_key).collect();
            keys.dedup();
            assert!(keys.len() <= 1, "{event}: call {call} was sent with {keys:?}");
        }
    }
    owners.into_iter().filter(|(_, (_, call))| *call == OPEN).map(|(key, (event, _))| (key, event)).collect()
}

/// The entries of a journal that are not removed.
pub(crate) fn live(records: &[Record]) -> Vec<&Record> {
    let latest: BTreeMap<_, _> = records.iter().map(|record| (&record.key, record)).collect();
    latest.into_values().filter(|record| record.value.is_some()).collect()
}

/// An entry's idempotency key, and which of its rounds are answered.
pub(crate) fn answered(record: &Record) -> Option<(String, Vec<usize>)> {
    let entry: Value = serde_json::from_slice(record.value.as_ref()?).expect("an entry is JSON");
    let rounds = entry["rounds"].as_array().expect("an entry has rounds").iter().enumerate();
    let answered = rounds.filter(|(_, round)| !round[0]["reply"].is_null()).map(|(number, _)| number);
    Some((entry["idempotency-key"].as_str().expect("an entry has a key").to_owned(), answered.collect()))
}
