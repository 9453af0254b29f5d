//! Which dead letters a later event of their key has overtaken: what was delivered since must not be undone.
//!
//! A thread a source topic reads it from the oldest letter's event on and goes on for as long as letters are sent, so
//! that an event which comes meanwhile counts too. Only the keys of the letters are remembered.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::RedriveError;
use crate::config::{self, Ordering as EventOrdering};
use crate::dead_letter::listing::{Summary, Waiting};
use crate::event::{DecodeRules, Origin, Record};
use crate::kafka::client::KafkaError;
use crate::kafka::reader::{Followed, follow_topic};
use crate::schema_registry::SchemaRegistry;
use crate::subscription::filter::{Filter, FilterError, Verdict};

/// A key in a partition of a topic: the unit of order.
type Key = (Arc<str>, i32, Bytes);

/// Knows the latest event of each key that some letter has.
#[derive(Debug)]
pub(crate) struct Overtaken {
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct Seen {
    /// The latest offset of an event that the subscription wants and that is no dead letter; negative while there is none.
    latest: HashMap<Key, i64>,
    failure: Option<String>,
}

/// What one thread follows, and by which rules.
struct Follower {
    kafka: config::Kafka,
    registry: SchemaRegistry,
    bootstrap: String,
    topic: Arc<str>,
    starts: BTreeMap<i32, i64>,
    subscription: config::Subscription,
    undelivered: Arc<HashSet<Origin>>,
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
}

impl Overtaken {
    /// Reads what is there now, then goes on. Without order by key nothing overtakes anything.
    pub(crate) async fn follow(
        kafka: &config::Kafka,
        registry: &SchemaRegistry,
        bootstrap: &str,
        subscription: &config::Subscription,
        waiting: &Waiting,
    ) -> Result<Self, RedriveError> {
        let (seen, stop) = (Arc::new(Mutex::new(Seen::default())), Arc::new(AtomicBool::new(false)));
        let overtaken = Self { seen: seen.clone(), stop: stop.clone() };
        if subscription.ordering == EventOrdering::None {
            return Ok(overtaken);
        }
        let undelivered = Arc::new(waiting.undelivered.clone());
        let mut caught_up = Vec::new();
        for (topic, starts) in overtaken.starts(&waiting.letters) {
            let follower = Follower {
                kafka: kafka.clone(),
                registry: registry.clone(),
                bootstrap: bootstrap.to_owned(),
                topic,
                starts,
                subscription: subscription.clone(),
                undelivered: undelivered.clone(),
                seen: seen.clone(),
                stop: stop.clone(),
            };
            let (sender, receiver) = oneshot::channel();
            let started =
                thread::Builder::new().name("follow".to_owned()).spawn(move || follower.run(sender));
            started.map_err(KafkaError::Thread)?;
            caught_up.push(receiver);
        }
        for receiver in caught_up {
            // A thread that cannot answer has said why it failed, or panicked.
            if receiver.await.is_err() {
                let reason = overtaken.lock().failure.clone();
                return Err(RedriveError::Follow(
                    reason.unwrap_or_else(|| "its thread has ended".to_owned()),
                ));
            }
        }
        Ok(overtaken)
    }

    /// Remembers the keys; gives where to begin.
    fn starts(&self, letters: &[Summary]) -> BTreeMap<Arc<str>, BTreeMap<i32, i64>> {
        let mut starts: BTreeMap<Arc<str>, BTreeMap<i32, i64>> = BTreeMap::new();
        for letter in letters {
            let Some(key) = key_of(letter) else { continue };
            let Origin { topic, partition, offset } = letter.origin.clone();
            let start = starts.entry(topic).or_default().entry(partition).or_insert(offset + 1);
            *start = (*start).min(offset + 1);
            self.lock().latest.insert(key, -1);
        }
        starts
    }

    /// The later event that has overtaken this letter, if one has; the error is that nobody can know any more.
    pub(crate) fn by(&self, letter: &Summary) -> Result<Option<Origin>, RedriveError> {
        let seen = self.lock();
        if let Some(reason) = &seen.failure {
            return Err(RedriveError::Follow(reason.clone()));
        }
        let latest = key_of(letter).and_then(|key| seen.latest.get(&key).copied());
        let later = latest.filter(|latest| *latest > letter.origin.offset);
        Ok(later.map(|offset| Origin { offset, ..letter.origin.clone() }))
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Overtaken {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn key_of(letter: &Summary) -> Option<Key> {
    Some((letter.origin.topic.clone(), letter.origin.partition, letter.key.clone()?))
}

impl Follower {
    fn run(self, caught_up: oneshot::Sender<()>) {
        if let Err(failure) = self.follow(caught_up) {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.failure = Some(failure);
        }
    }

    fn follow(&self, caught_up: oneshot::Sender<()>) -> Result<(), String> {
        let subscription = &self.subscription;
        let filter = Filter::new(subscription.types.set().clone(), subscription.filter.as_deref())
            .map_err(|error: FilterError| error.to_string())?;
        let rules = DecodeRules { type_header: self.kafka.type_header.clone() };
        let mut caught_up = Some(caught_up);
        let followed = follow_topic(&self.kafka, &self.bootstrap, &self.topic, &self.starts, |followed| {
            match followed {
                Followed::Record(record) => self.see(record, &filter, &rules),
                // Who waited for it may be gone.
                Followed::CaughtUp => drop(caught_up.take().map(|caught_up| caught_up.send(()))),
                Followed::Idle => {}
            }
            if self.stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        followed.map_err(|error| error.to_string())
    }

    fn see(&self, record: Record, filter: &Filter, rules: &DecodeRules) {
        let Origin { topic, partition, offset } = record.origin.clone();
        let Some(key) = record.key.clone() else { return };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(latest) = seen.latest.get_mut(&(topic, partition, key)) else { return };
        // A dead letter was not delivered: it waits like the one before it.
        if self.undelivered.contains(&record.origin) {
            return;
        }
        let event = self.registry.event_if_known(&record, rules);
        // Of one whose schema is not known nobody can say that it is not wanted: the letter before it is left then.
        let is_wanted =
            event.is_none_or(|event| event.is_ok_and(|event| filter.verdict(&event) == Verdict::Wanted));
        if is_wanted {
            *latest = offset.max(*latest);
        }
    }
}
