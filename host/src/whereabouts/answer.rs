//! What is answered of an event: everything that is known, and plainly what is not.

use serde::Serialize;

use super::{End, Entry, Fate, GIVEN_UP, Whereabouts};
use crate::config::SubscriptionName;
use crate::contract::TimestampMs;
use crate::event::Origin;

/// One event that is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Known {
    pub source: String,
    #[serde(rename = "type")]
    pub kind: String,
    /// Where Kafka put it, if this host wrote it.
    pub accepted: Option<Place>,
    #[serde(serialize_with = "as_map")]
    pub subscriptions: Vec<(SubscriptionName, Told)>,
}

/// A place in Kafka, and when it was written or read there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub at: String,
}

/// What is known of it in one subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    pub state: State,
    /// In a person's words, where there is more to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received: Option<Place>,
    #[serde(skip_serializing_if = "is_none")]
    pub attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
}

/// Where an event is in a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    Delivered,
    Filtered,
    Superseded,
    DeadLettered,
    /// Read, and no attempt has ended.
    Waiting,
    /// An attempt has failed, and another follows.
    Retrying,
    Parked,
    Left,
    Unknown,
}

impl Whereabouts {
    /// All events of this id that are remembered, one for each source and type.
    pub fn of(&self, id: &str) -> Vec<Known> {
        let Some(part) = self.part(id) else { return Vec::new() };
        part.by_id.get(id).into_iter().flatten().map(Known::of).collect()
    }
}

impl Known {
    fn of(entry: &Entry) -> Self {
        let fates = entry.subscriptions.iter();
        Self {
            source: entry.source.to_string(),
            kind: entry.kind.to_string(),
            accepted: entry.accepted.as_ref().map(|(origin, at)| Place::of(origin, *at)),
            subscriptions: fates.map(|(name, fate)| (name.clone(), Told::of(fate))).collect(),
        }
    }

    /// The topics that it was written to or read from, as far as that is known.
    pub fn topics(&self) -> Vec<&str> {
        let mut topics: Vec<_> = self.places().map(|place| place.topic.as_str()).collect();
        topics.sort_unstable();
        topics.dedup();
        topics
    }

    /// What of it is in these topics; `None` where nothing is.
    pub fn within(mut self, topics: &[String]) -> Option<Self> {
        let is_there = |place: &Place| topics.contains(&place.topic);
        self.accepted = self.accepted.filter(is_there);
        self.subscriptions.retain(|(_, told)| told.received.as_ref().is_some_and(is_there));
        self.places().next()?;
        Some(self)
    }

    fn places(&self) -> impl Iterator<Item = &Place> {
        let received = self.subscriptions.iter().filter_map(|(_, told)| told.received.as_ref());
        self.accepted.iter().chain(received)
    }
}

impl Place {
    fn of(origin: &Origin, at: TimestampMs) -> Self {
        let (partition, offset) = (origin.partition, origin.offset);
        Self { topic: origin.topic.to_string(), partition, offset, at: time_text(at) }
    }
}

impl Told {
    /// This host has read no such event for it.
    pub fn unknown() -> Self {
        let why = "this host has not read it for this subscription: it waits in Kafka, or another host of the \
                   consumer group has its partition";
        Self {
            state: State::Unknown,
            why: Some(why.to_owned()),
            received: None,
            attempts: 0,
            last_outcome: None,
            ended_at: None,
        }
    }

    fn of(fate: &Fate) -> Self {
        let last = fate.last.as_ref();
        let (state, why) = match &fate.end {
            Some((_, end)) => said(end, last.map(|(_, _, why)| &**why)),
            None if last.is_some() => (State::Retrying, last.map(|(_, _, why)| why.to_string())),
            None => (State::Waiting, None),
        };
        Self {
            state,
            why: why.filter(|why| !why.is_empty()),
            received: Some(Place::of(&fate.origin, fate.received)),
            attempts: fate.attempts,
            last_outcome: last.map(|(_, outcome, _)| *outcome).filter(|outcome| *outcome != GIVEN_UP),
            ended_at: fate.end.as_ref().map(|(at, _)| time_text(*at)),
        }
    }
}

/// `last` is what was said last, which for a dead letter is why.
fn said(end: &End, last: Option<&str>) -> (State, Option<String>) {
    match end {
        End::Settled("delivered") => (State::Delivered, None),
        End::Settled("filtered") => (State::Filtered, None),
        End::Settled("superseded") => (State::Superseded, last.map(str::to_owned)),
        End::Settled("dead-lettered") => (State::DeadLettered, last.map(str::to_owned)),
        End::Settled(_) => (State::Unknown, None),
        End::Parked(topic) => {
            (State::Parked, Some(format!("it waits in {topic}, and is tried again from there")))
        }
        End::Left => {
            let why = "its partition went to another host, or this one shuts down, before it was settled: what came \
                       of it since is not known here";
            (State::Left, Some(why.to_owned()))
        }
    }
}

fn is_none(attempts: &u32) -> bool {
    *attempts == 0
}

fn as_map<S: serde::Serializer>(all: &[(SubscriptionName, Told)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(all.iter().map(|(name, told)| (name.as_str(), told)))
}

/// RFC 3339; a number beyond the year 9999, which that cannot write.
pub(crate) fn time_text(at: TimestampMs) -> String {
    let time = i64::try_from(at).ok().and_then(chrono::DateTime::from_timestamp_millis);
    time.map_or_else(|| at.to_string(), |time| time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
}
