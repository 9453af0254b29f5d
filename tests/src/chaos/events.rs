//! The events of a run: produced all the while, at a pace that lasts until the faults are over.
//!
//! A core platform with its own, healthy way to Kafka. What Kafka says it has is remembered, for whoever waits for it to
//! be delivered; what is true in the end is read from Kafka itself.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use liaison::config::{Brokers, Kafka};
use liaison::kafka::producer::{Outgoing, ProduceError, Producer};
use serde_json::json;

use super::clock;
use super::subscription::{Fate, Nature, SUBSCRIPTIONS, Subscription};
use crate::produce::cloudevent;

/// How often some are sent.
const TICK: Duration = Duration::from_millis(20);

/// Sent and not acknowledged; beyond them nothing is sent.
const ON_THE_WAY: usize = 4_000;

/// The fastest pace and the slowest, events a second.
const FASTEST: f64 = 1_500.0;
const SLOWEST: f64 = 5.0;

/// What is due is spread over so long at least, so that a fault that takes longer than planned is not left without
/// load; at the end nobody waits for that.
const HORIZON: Duration = Duration::from_secs(20);
const LAST_HORIZON: Duration = Duration::from_secs(1);

/// Keys of each partition.
const KEYS: usize = 80;

/// How far timestamps jump ahead. Kafka refuses more than an hour.
const AHEAD_MS: u64 = 50 * 60 * 1_000;

/// And back.
const BACK_MS: u64 = 30 * 24 * 60 * 60 * 1_000;

/// What kind of events are sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    Plain,
    /// One in ten is rejected by the external systems, one in fifty cannot be read.
    Poison,
    /// One in a hundred makes the hostile connector trap, three in a thousand let it loop.
    Hostile,
    /// Every timestamp is far from now.
    Clock,
}

/// The producer at work. Dropped, it stops.
#[derive(Debug)]
pub(super) struct Producing {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<anyhow::Result<()>>>,
}

/// Events of which Kafka did not say that it has them; it may have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refused {
    pub count: usize,
    /// What was said of the first.
    pub why: String,
}

/// How many events may be sent by when, counted from the first.
#[derive(Debug, Clone, Copy)]
struct Allowance {
    events: usize,
    by: Instant,
    horizon: Duration,
}

#[derive(Debug)]
struct Shared {
    mood: Mutex<Mood>,
    partitions: AtomicU32,
    allowance: Mutex<Allowance>,
    /// Identifiers that Kafka has and that are to be delivered, by subscription.
    deliverable: Mutex<[Vec<String>; 2]>,
    acknowledged: AtomicUsize,
    refused: Mutex<Refused>,
    is_stopped: AtomicBool,
}

impl Producing {
    /// Is ready to send so many events, half to each topic, as soon as it is allowed to.
    pub(super) fn start(bootstrap: &str, seed: u64, events: usize, partitions: u32) -> anyhow::Result<Self> {
        let allowance = Allowance { events: 0, by: Instant::now(), horizon: HORIZON };
        let shared = Arc::new(Shared {
            mood: Mutex::new(Mood::Plain),
            partitions: AtomicU32::new(partitions),
            allowance: Mutex::new(allowance),
            deliverable: Mutex::default(),
            acknowledged: AtomicUsize::default(),
            refused: Mutex::default(),
            is_stopped: AtomicBool::default(),
        });
        let mut settings = Kafka::new(Brokers::At(vec![bootstrap.to_owned()]));
        // New partitions are known soon.
        settings.properties.insert("topic.metadata.refresh.interval.ms".to_owned(), "1000".to_owned());
        let producer = Producer::new(&settings, bootstrap)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = thread::Builder::new().name("producer".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || {
                runtime.block_on(produce(&producer, &shared, seed, events));
                Ok(())
            }
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    pub(super) fn set_mood(&self, mood: Mood) {
        *self.shared.mood.lock().expect("no holder panics") = mood;
    }

    /// Uses so many partitions of each topic from now on.
    pub(super) fn set_partitions(&self, partitions: u32) {
        self.shared.partitions.store(partitions, Ordering::Relaxed);
    }

    /// Sends up to so many events of all by then, and a few of them later if it is later.
    pub(super) fn allow(&self, events: usize, by: Instant) {
        *self.shared.allowance() = Allowance { events, by, horizon: HORIZON };
    }

    /// Events that Kafka has acknowledged.
    pub(super) fn acknowledged(&self) -> usize {
        self.shared.acknowledged.load(Ordering::Relaxed)
    }

    pub(super) fn refused(&self) -> Refused {
        self.shared.refused.lock().expect("no holder panics").clone()
    }

    /// How many events Kafka has that are to be delivered by this subscription.
    pub(super) fn deliverable(&self, subscription: Subscription) -> usize {
        self.shared.lists()[subscription as usize].len()
    }

    /// The identifiers of the first so many of them.
    pub(super) fn first_deliverable(&self, subscription: Subscription, count: usize) -> Vec<String> {
        self.shared.lists()[subscription as usize].iter().take(count).cloned().collect()
    }

    /// Sends all that is left, and waits until it is sent.
    pub(super) fn finish(&mut self) -> anyhow::Result<()> {
        *self.shared.allowance() =
            Allowance { events: usize::MAX, by: Instant::now(), horizon: LAST_HORIZON };
        match self.thread.take() {
            Some(thread) => thread.join().map_err(|_| anyhow!("the producer panicked"))?,
            None => Ok(()),
        }
    }
}

impl Drop for Producing {
    fn drop(&mut self) {
        self.shared.is_stopped.store(true, Ordering::Relaxed);
        // Its panic, if any, was printed when it happened.
        let _ = self.finish();
    }
}

impl Shared {
    fn lists(&self) -> std::sync::MutexGuard<'_, [Vec<String>; 2]> {
        self.deliverable.lock().expect("no holder panics")
    }

    fn allowance(&self) -> std::sync::MutexGuard<'_, Allowance> {
        self.allowance.lock().expect("no holder panics")
    }

    fn settled(&self, sent: Sent) {
        let (subscription, identifier, result) = sent;
        // Whether Kafka has an event that it did not acknowledge is seen in the end.
        if let Err(error) = result {
            let mut refused = self.refused.lock().expect("no holder panics");
            if refused.count == 0 {
                refused.why = error.to_string();
            }
            refused.count += 1;
            return;
        }
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
        let nature = Nature::of(identifier.as_deref());
        let is_deliverable = nature.is_some_and(|nature| subscription.fate(nature) == Fate::Delivered);
        if let Some(identifier) = identifier.filter(|_| is_deliverable) {
            self.lists()[subscription as usize].push(identifier);
        }
    }
}

type Sent = (Subscription, Option<String>, Result<(i32, i64), ProduceError>);

async fn produce(producer: &Producer, shared: &Shared, seed: u64, events: usize) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut sent = FuturesUnordered::new();
    let (mut number, mut due) = (0, 0.0);
    while number < events && !shared.is_stopped.load(Ordering::Relaxed) {
        tokio::select! {
            _ = ticks.tick() => {}
            Some(done) = sent.next() => {
                shared.settled(done);
                continue;
            }
        }
        let allowance = *shared.allowance();
        let allowed = allowance.events.min(events);
        due += share(allowed.saturating_sub(number), allowance, Instant::now());
        while due >= 1.0 && number < allowed && sent.len() < ON_THE_WAY {
            let (subscription, identifier, record) = event(shared, &mut random, number);
            sent.push(async move { (subscription, identifier, producer.send(record).await) });
            (number, due) = (number + 1, due - 1.0);
        }
    }
    while let Some(done) = sent.next().await {
        shared.settled(done);
    }
}

/// Events to send in one tick, so that what is left is sent by the end of the allowance, or later.
fn share(left: usize, allowance: Allowance, now: Instant) -> f64 {
    if left == 0 {
        return 0.0;
    }
    let time = allowance.by.saturating_duration_since(now).max(allowance.horizon);
    (left as f64 / time.as_secs_f64()).clamp(SLOWEST, FASTEST) * TICK.as_secs_f64()
}

/// The next event: to the topics by turns, in any partition, with one of its keys.
fn event(
    shared: &Shared,
    random: &mut fastrand::Rng,
    number: usize,
) -> (Subscription, Option<String>, Outgoing) {
    let subscription = SUBSCRIPTIONS[number % SUBSCRIPTIONS.len()];
    let mood = *shared.mood.lock().expect("no holder panics");
    let nature = match (mood, random.usize(..1_000)) {
        (Mood::Poison, 0..100) => Nature::Rejected,
        (Mood::Poison, 100..120) => Nature::Garbled,
        (Mood::Hostile, 0..10) => Nature::Trap,
        (Mood::Hostile, 10..13) => Nature::Loop,
        (Mood::Clock, _) => Nature::Jumped,
        (Mood::Plain | Mood::Poison | Mood::Hostile, _) => Nature::Plain,
    };
    let partition = random.i32(0..i32::try_from(shared.partitions.load(Ordering::Relaxed)).unwrap_or(1));
    let key = format!("key-{partition}-{}", random.usize(..KEYS));
    let identifier = nature.identifier(number);
    let id = identifier.as_deref().unwrap_or_default();
    let data = json!({ "title": id, "for": key, "text": "x".repeat(200) });
    let mut record = cloudevent(subscription.topic(), "policy.updated", id, &key, &data);
    record.partition = Some(partition);
    let header =
        |name: &'static str, value: &'static str| (name.into(), Some(Bytes::from_static(value.as_bytes())));
    match nature {
        Nature::Plain | Nature::Rejected => {}
        Nature::Jumped => record.timestamp = Some(jumped(clock::now_ms(), number)),
        Nature::Trap => record.headers.push(header("hostile", "trap")),
        Nature::Loop => record.headers.push(header("hostile", "loop")),
        Nature::Garbled => {
            record.headers = vec![header("content-type", "application/cloudevents+json")];
            record.value = Some(Bytes::from_static(b"{\"id\": "));
        }
    }
    (subscription, identifier, record)
}

/// Ahead and back by turns.
fn jumped(now_ms: u64, number: usize) -> u64 {
    if (number / SUBSCRIPTIONS.len()).is_multiple_of(2) {
        now_ms + AHEAD_MS
    } else {
        now_ms.saturating_sub(BACK_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_spread_over_the_time_that_is_left() {
        let now = Instant::now();
        let seconds = Duration::from_secs;
        let of = |by, horizon| Allowance { events: 0, by, horizon };
        for (left, allowance, a_second) in [
            (6_000, of(now + seconds(60), HORIZON), 100.0),
            (6_000, of(now + seconds(5), HORIZON), 300.0),
            (6_000, of(now, LAST_HORIZON), FASTEST),
            (10, of(now, HORIZON), SLOWEST),
            (0, of(now, HORIZON), 0.0),
        ] {
            let share = share(left, allowance, now) / TICK.as_secs_f64();
            assert!((share - a_second).abs() < 0.01, "{left}: {share} and not {a_second} a second");
        }
    }
}
