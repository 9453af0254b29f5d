//! What became of the events: pure checks over what was produced and what arrived.
//!
//! In go identifiers in the order in which they were produced or delivered, out come those that break a promise: an
//! empty answer is the proof. Whether an event arrived is judged by the external system's ledger alone.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::system::Entry;

/// An event that was first delivered after a later one of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfOrder<'a> {
    pub key: &'a str,
    pub id: &'a str,
    /// Produced after `id`, delivered before it.
    pub after: &'a str,
}

/// The events that the external system says it has, in the order in which they were received, repetitions included.
///
/// # Panics
/// If `id` finds none in an accepted request: such a request proves nothing, and must not pass unseen.
pub fn delivered<'a>(ledger: &'a [Arc<Entry>], id: impl Fn(&'a Entry) -> Option<&'a str>) -> Vec<&'a str> {
    let accepted = ledger.iter().filter(|entry| entry.is_accepted());
    let named = |entry: &'a Arc<Entry>| match id(entry) {
        Some(id) => id,
        None => panic!("an accepted request names no event: {entry:?}"),
    };
    accepted.map(named).collect()
}

/// Events that were produced and are neither delivered nor dead letters, in the order produced.
pub fn lost<'a>(produced: &[&'a str], delivered: &[&str], dead_letters: &[&str]) -> Vec<&'a str> {
    let known: HashSet<&str> = delivered.iter().chain(dead_letters).copied().collect();
    produced.iter().copied().filter(|id| !known.contains(id)).collect()
}

/// Events that were delivered or became dead letters and were never produced, each as often as it was seen.
pub fn unexpected<'a>(produced: &[&str], delivered: &[&'a str], dead_letters: &[&'a str]) -> Vec<&'a str> {
    let known: HashSet<&str> = produced.iter().copied().collect();
    delivered.iter().chain(dead_letters).copied().filter(|id| !known.contains(id)).collect()
}

/// Events that were delivered more than once, with how often beyond the first time.
pub fn duplicates<'a>(delivered: &[&'a str]) -> BTreeMap<&'a str, usize> {
    let mut times = BTreeMap::new();
    for id in delivered {
        *times.entry(*id).or_insert(0_usize) += 1;
    }
    times.retain(|_, times| {
        *times -= 1;
        *times > 0
    });
    times
}

/// Events that were first delivered after a later one of the same key. `produced` is keys and identifiers, each key's
/// in the order in which Kafka holds them. Repetitions and events that did not arrive are other checks' part.
pub fn out_of_order<'a>(produced: &[(&'a str, &'a str)], delivered: &[&str]) -> Vec<OutOfOrder<'a>> {
    let positions: HashMap<&str, usize> =
        produced.iter().enumerate().map(|(position, (_, id))| (*id, position)).collect();
    let mut seen = HashSet::new();
    // The latest position delivered so far, by key.
    let mut latest: HashMap<&str, usize> = HashMap::new();
    let mut broken = Vec::new();
    for id in delivered {
        let Some(&position) = positions.get(id) else {
            continue;
        };
        if !seen.insert(position) {
            continue;
        }
        let (key, id) = produced[position];
        let last = latest.entry(key).or_insert(position);
        if position < *last {
            broken.push(OutOfOrder { key, id, after: produced[*last].1 });
        }
        *last = position.max(*last);
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_is_nowhere_is_lost() {
        let produced = ["1", "2", "3", "4"];
        for (delivered, dead_letters, expected) in [
            (&["1", "2", "3", "4"][..], &[][..], &[][..]),
            (&["4", "2", "2", "1"], &["3"], &[]),
            (&["1"], &["3"], &["2", "4"]),
            (&["9"], &[], &["1", "2", "3", "4"]),
        ] {
            assert_eq!(lost(&produced, delivered, dead_letters), expected, "{delivered:?}");
        }
    }

    #[test]
    fn an_event_that_nobody_produced_is_unexpected() {
        let produced = ["1", "2"];
        assert_eq!(unexpected(&produced, &["2", "1", "2"], &["1"]), [""; 0]);
        assert_eq!(unexpected(&produced, &["1", "7"], &["8"]), ["7", "8"]);
    }

    #[test]
    fn repetitions_are_counted_beyond_the_first() {
        assert_eq!(duplicates(&["1", "2", "3"]), BTreeMap::new());
        assert_eq!(duplicates(&["1", "2", "1", "3", "1", "2"]), BTreeMap::from([("1", 2), ("2", 1)]));
    }

    #[test]
    fn first_deliveries_keep_the_order_of_their_key() {
        let produced = [("a", "1"), ("b", "2"), ("a", "3"), ("b", "4"), ("a", "5")];
        let wrong = |key, id, after| OutOfOrder { key, id, after };
        for (name, delivered, expected) in [
            ("as produced", &["1", "2", "3", "4", "5"][..], vec![]),
            ("keys are free of each other", &["2", "4", "1", "3", "5"], vec![]),
            ("a repetition is no disorder", &["1", "3", "1", "3", "5"], vec![]),
            ("a gap is no disorder", &["1", "5"], vec![]),
            ("strangers are passed over", &["1", "x", "3"], vec![]),
            ("two swapped", &["3", "1", "5"], vec![wrong("a", "1", "3")]),
            ("all behind the last", &["5", "1", "3"], vec![wrong("a", "1", "5"), wrong("a", "3", "5")]),
            ("a repetition in time does not mend it", &["3", "1", "3"], vec![wrong("a", "1", "3")]),
            ("one in each key", &["4", "3", "2", "1"], vec![wrong("b", "2", "4"), wrong("a", "1", "3")]),
        ] {
            assert_eq!(out_of_order(&produced, delivered), expected, "{name}");
        }
    }
}
