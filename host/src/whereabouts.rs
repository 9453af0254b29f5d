//! What became of the latest events, as far as this host knows: for whoever asks by an event's id.
//!
//! The intake says what it wrote, each subscription what it read and how that ended; [`Whereabouts::of`] answers. It is
//! a bounded record in memory, the oldest event going first, and no store: it begins anew with the host. An event is known
//! by its id, source and type: who may ask is said by type, so that two types under one id are never told as one. On the way of an
//! event it costs two short locks, each on one of many parts, and nothing at all where it is off.

mod answer;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::SubscriptionName;
use crate::contract::TimestampMs;
use crate::event::{Event, Origin};
use crate::fnv::fnv_1a;

pub(crate) use answer::time_text;
pub use answer::{Known, Place, State, Told};

/// Parts, each with a lock of its own, so that subscriptions hardly ever wait for each other.
const PARTS: usize = 16;
/// An event whose id, source and type are longer together is not remembered.
const NAMES_BYTES: usize = 1024;
/// In the place of an outcome: it is given up, and why is said.
pub const GIVEN_UP: &str = "given-up";
/// The most of what an attempt said.
const REASON_BYTES: usize = 256;

/// The record. Clones share it; the default remembers nothing.
#[derive(Debug, Clone, Default)]
pub struct Whereabouts(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    parts: Box<[Mutex<Part>]>,
    /// Of one part.
    most: usize,
    since: TimestampMs,
}

#[derive(Debug, Default)]
struct Part {
    by_id: HashMap<Arc<str>, Vec<Entry>>,
    /// The oldest first.
    order: VecDeque<(Arc<str>, u64)>,
    next: u64,
}

/// One event.
#[derive(Debug)]
struct Entry {
    number: u64,
    source: Box<str>,
    kind: Box<str>,
    accepted: Option<(Origin, TimestampMs)>,
    subscriptions: Vec<(SubscriptionName, Fate)>,
}

/// What became of it in one subscription.
#[derive(Debug)]
struct Fate {
    origin: Origin,
    received: TimestampMs,
    /// Attempts that ended, and what the last one that failed said.
    attempts: u32,
    last: Option<(TimestampMs, &'static str, Box<str>)>,
    end: Option<(TimestampMs, End)>,
}

/// How the way of an event through a subscription of this host ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It is settled, in the word of the metrics.
    Settled(&'static str),
    /// It waits in this topic, and comes back from there.
    Parked(Box<str>),
    /// Its partition went elsewhere before it was settled.
    Left,
}

impl Whereabouts {
    /// Remembers so many events, from now on; 0 remembers none.
    pub fn new(most: usize, now: TimestampMs) -> Self {
        if most == 0 {
            return Self::default();
        }
        let most = most.div_ceil(PARTS);
        let parts = (0..PARTS).map(|_| Mutex::default()).collect();
        Self(Some(Arc::new(Shared { parts, most, since: now })))
    }

    /// Is anything remembered at all?
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// How many at most, and since when.
    pub fn extent(&self) -> Option<(usize, TimestampMs)> {
        self.0.as_ref().map(|shared| (shared.most * PARTS, shared.since))
    }

    /// Kafka has it there.
    pub fn accepted(&self, event: &Event, origin: Origin, now: TimestampMs) {
        self.change(event, |entry| entry.accepted = Some((origin, now)));
    }

    /// A subscription has read it. One that comes back, from a delay topic or with its partition, goes on.
    pub fn received(&self, subscription: &SubscriptionName, event: &Event, now: TimestampMs) {
        self.change(event, |entry| {
            let origin = || event.origin.clone();
            match entry.fate(subscription) {
                Some(fate) if fate.origin == event.origin => fate.end = None,
                Some(fate) => *fate = Fate::new(origin(), now),
                None => entry.subscriptions.push((subscription.clone(), Fate::new(origin(), now))),
            }
        });
    }

    /// An attempt ended, and the event is not settled by it.
    pub fn attempted(
        &self,
        subscription: &SubscriptionName,
        event: &Event,
        attempts: u32,
        (outcome, why): (&'static str, &str),
        now: TimestampMs,
    ) {
        self.change_fate(subscription, event, |fate| {
            fate.attempts = attempts;
            fate.last = Some((now, outcome, cut(why)));
        });
    }

    /// Its way through this subscription, on this host, is over.
    pub fn ended(
        &self,
        subscription: &SubscriptionName,
        event: &Event,
        attempts: u32,
        end: End,
        now: TimestampMs,
    ) {
        self.change_fate(subscription, event, |fate| {
            fate.attempts = attempts;
            fate.end = Some((now, end));
        });
    }

    fn change_fate(&self, subscription: &SubscriptionName, event: &Event, change: impl FnOnce(&mut Fate)) {
        let Some(mut part) = self.part(&event.id) else { return };
        let fate = part.entry(event).and_then(|entry| entry.fate(subscription));
        // Of another record of the same event nothing is said here.
        if let Some(fate) = fate.filter(|fate| fate.origin == event.origin) {
            change(fate);
        }
    }

    fn change(&self, event: &Event, change: impl FnOnce(&mut Entry)) {
        let Some(shared) = &self.0 else { return };
        if event.id.len() + event.source.len() + event.kind.len() > NAMES_BYTES {
            return;
        }
        let Some(mut part) = self.part(&event.id) else { return };
        if let Some(entry) = part.entry(event) {
            return change(entry);
        }
        part.forget_beyond(shared.most - 1);
        change(part.add(event));
    }

    fn part(&self, id: &str) -> Option<MutexGuard<'_, Part>> {
        let shared = self.0.as_ref()?;
        // Who makes ids that fall into one part loses their own.
        let index = usize::try_from(fnv_1a(id.bytes()) >> 60).unwrap_or_default();
        // Whole after any panic: entries are changed one field at a time, and each is true by itself.
        Some(shared.parts[index].lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Part {
    fn entry(&mut self, event: &Event) -> Option<&mut Entry> {
        let entries = self.by_id.get_mut(event.id.as_str())?;
        entries.iter_mut().find(|entry| *entry.source == *event.source && *entry.kind == *event.kind)
    }

    fn add(&mut self, event: &Event) -> &mut Entry {
        let number = self.next;
        self.next += 1;
        let id: Arc<str> = match self.by_id.get_key_value(event.id.as_str()) {
            Some((id, _)) => id.clone(),
            None => event.id.as_str().into(),
        };
        self.order.push_back((id.clone(), number));
        let entries = self.by_id.entry(id).or_default();
        let (source, kind) = (event.source.as_str().into(), event.kind.as_str().into());
        entries.push(Entry { number, source, kind, accepted: None, subscriptions: Vec::new() });
        entries.last_mut().expect("one was just put there")
    }

    fn forget_beyond(&mut self, most: usize) {
        while self.order.len() > most {
            let Some((id, number)) = self.order.pop_front() else { return };
            let Some(entries) = self.by_id.get_mut(&id) else { continue };
            entries.retain(|entry| entry.number != number);
            if entries.is_empty() {
                self.by_id.remove(&id);
            }
        }
    }
}

impl Entry {
    fn fate(&mut self, subscription: &SubscriptionName) -> Option<&mut Fate> {
        let mut fates = self.subscriptions.iter_mut();
        fates.find(|(name, _)| name == subscription).map(|(_, fate)| fate)
    }
}

impl Fate {
    fn new(origin: Origin, received: TimestampMs) -> Self {
        Self { origin, received, attempts: 0, last: None, end: None }
    }
}

/// The beginning of a text, by whole characters.
fn cut(text: &str) -> Box<str> {
    text[..text.floor_char_boundary(REASON_BYTES)].into()
}

#[cfg(test)]
mod tests;
