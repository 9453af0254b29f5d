//! All that is known of one subscription's events after a run: what Kafka holds, what arrived, what was committed. Pure.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use super::commits::Commit;
use super::subscription::{Nature, Subscription};

/// Where an event is in its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub partition: i32,
    pub offset: i64,
}

/// An event that Kafka holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub place: Place,
    pub key: String,
    pub identifier: Option<String>,
    pub nature: Nature,
    /// When it was sent; `None` where its timestamp says something else.
    pub written_ms: Option<u64>,
}

/// That the external system accepted an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    pub place: Place,
    /// The host that sent it.
    pub host: usize,
    pub at_ms: u64,
}

/// That an event became a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Letter {
    pub place: Place,
    pub at_ms: u64,
}

/// That a host said that it has got a partition, or that it has it no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding {
    pub host: usize,
    pub partition: i32,
    pub at_ms: u64,
    pub is_gained: bool,
}

/// The first time an event settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    pub at_ms: u64,
    /// `None`: as a dead letter.
    pub host: Option<usize>,
}

/// That an event settled once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeat {
    pub place: Place,
    pub at_ms: u64,
    /// `None`: as a dead letter.
    pub host: Option<usize>,
}

/// The trail of one subscription.
#[derive(Debug)]
pub struct Trail {
    pub subscription: Subscription,
    /// By place.
    pub events: Vec<Event>,
    /// In the order in which they were received.
    pub deliveries: Vec<Delivery>,
    pub letters: Vec<Letter>,
    pub holdings: Vec<Holding>,
    /// By partition, in Kafka's order.
    commits: BTreeMap<i32, Vec<Commit>>,
    settled: HashMap<Place, Settled>,
    repeats: Vec<Repeat>,
}

impl Trail {
    /// `deliveries` in the order received, `commits` in Kafka's order; the others in any.
    pub fn new(
        subscription: Subscription,
        mut events: Vec<Event>,
        deliveries: Vec<Delivery>,
        letters: Vec<Letter>,
        mut holdings: Vec<Holding>,
        commits: impl IntoIterator<Item = Commit>,
    ) -> Self {
        events.sort_by_key(|event| event.place);
        holdings.sort_by_key(|holding| holding.at_ms);
        let mut by_partition: BTreeMap<i32, Vec<Commit>> = BTreeMap::new();
        for commit in commits {
            by_partition.entry(commit.partition).or_default().push(commit);
        }
        let mut ends: Vec<Repeat> = deliveries
            .iter()
            .map(|Delivery { place, host, at_ms }| Repeat { place: *place, at_ms: *at_ms, host: Some(*host) })
            .chain(letters.iter().map(|Letter { place, at_ms }| Repeat {
                place: *place,
                at_ms: *at_ms,
                host: None,
            }))
            .collect();
        ends.sort_by_key(|end| end.at_ms);
        let (mut settled, mut repeats) = (HashMap::new(), Vec::new());
        for end in ends {
            match settled.entry(end.place) {
                Entry::Occupied(_) => repeats.push(end),
                Entry::Vacant(first) => {
                    first.insert(Settled { at_ms: end.at_ms, host: end.host });
                }
            }
        }
        Self { subscription, events, deliveries, letters, holdings, commits: by_partition, settled, repeats }
    }

    /// When and how an event settled first.
    pub fn settled(&self, place: Place) -> Option<Settled> {
        self.settled.get(&place).copied()
    }

    /// All that settled more than once, but for the first time, by time.
    pub fn repeats(&self) -> &[Repeat] {
        &self.repeats
    }

    /// All commits of a partition, in Kafka's order.
    pub fn commits(&self, partition: i32) -> &[Commit] {
        self.commits.get(&partition).map_or(&[], Vec::as_slice)
    }

    /// How many commits there were, of all partitions.
    pub fn commit_count(&self) -> usize {
        self.commits.values().map(Vec::len).sum()
    }

    /// Whether Kafka knew by then that this event was settled.
    pub fn is_committed(&self, place: Place, by_ms: u64) -> bool {
        let commits = self.commits(place.partition);
        let count = commits.partition_point(|commit| commit.at_ms <= by_ms);
        commits[..count].last().is_some_and(|commit| commit.covers(place.offset))
    }

    /// The events of a partition.
    pub fn events_in(&self, partition: i32) -> &[Event] {
        let place = |offset| Place { partition, offset };
        let begin = self.events.partition_point(|event| event.place < place(i64::MIN));
        let end = self.events.partition_point(|event| event.place <= place(i64::MAX));
        &self.events[begin..end]
    }

    /// When this host was given the partition that it held at that time.
    pub fn gained_at(&self, host: usize, partition: i32, by_ms: u64) -> Option<u64> {
        let count = self.holdings.partition_point(|holding| holding.at_ms <= by_ms);
        let mut of_it = self.holdings[..count].iter().rev();
        let is_gain =
            |holding: &&Holding| holding.is_gained && holding.host == host && holding.partition == partition;
        of_it.find(is_gain).map(|holding| holding.at_ms)
    }

    /// The partitions that this host held at that time, as far as it said so.
    pub fn held_by(&self, host: usize, at_ms: u64) -> Vec<i32> {
        let mut held = BTreeMap::new();
        for holding in self.holdings.iter().filter(|holding| holding.host == host && holding.at_ms <= at_ms) {
            held.insert(holding.partition, holding.is_gained);
        }
        held.into_iter().filter_map(|(partition, is_held)| is_held.then_some(partition)).collect()
    }
}
