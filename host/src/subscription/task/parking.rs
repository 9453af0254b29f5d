//! What the task parks: events without an order that would wait in memory for long, or that are too many there.

use std::time::Duration;

use tokio::time::Instant;

use super::Task;
use crate::kafka::producer::Outgoing;
use crate::subscription::carried::unix_ms;
use crate::subscription::lanes::LaneId;
use crate::subscription::parked::{seal, topic_for};

/// A record on its way to a delay topic.
#[derive(Debug)]
pub(in crate::subscription) struct Parcel {
    pub(in crate::subscription) outgoing: Outgoing,
    pub(in crate::subscription) event_id: String,
    pub(in crate::subscription) lane: LaneId,
    /// When the next attempt is wanted.
    pub(in crate::subscription) at: Instant,
}

/// How sending a parcel ended.
#[derive(Debug)]
pub(in crate::subscription) enum Sent {
    /// Kafka has it, in this topic.
    Parked { lane: LaneId, topic: String },
    /// The topic does not take it: it is too large.
    Refused { lane: LaneId, at: Instant },
}

impl Task {
    /// The delivery waits until then: in memory, or in a delay topic.
    pub(super) fn wait_for_attempt(&mut self, lane: LaneId, at: Instant, now: Instant) {
        let is_crowded = self.lanes.waiting() >= self.settings.bounds.events / 2;
        let Some(carried) = self.lanes.head(lane) else { return };
        let wait = at.saturating_duration_since(now);
        let in_memory = now.saturating_duration_since(carried.read_at) + wait;
        let shortest = self.delay_topics.first().map_or(Duration::MAX, |(_, delay)| *delay);
        let is_long = wait >= shortest || in_memory > self.settings.parking.after || is_crowded;
        let topic = topic_for(&self.delay_topics, wait).filter(|_| is_long).map(str::to_owned);
        match topic {
            Some(topic) => self.park(lane, &topic, at, now),
            None => self.wait(lane, at),
        }
    }

    fn park(&mut self, lane: LaneId, topic: &str, at: Instant, now: Instant) {
        if !self.may_go_on(lane) {
            return;
        }
        let Some(carried) = self.lanes.start(lane) else { return };
        let wait_ms = u64::try_from(at.saturating_duration_since(now).as_millis()).unwrap_or(u64::MAX);
        let parked = carried.parked(unix_ms().saturating_add(wait_ms), now);
        let place = carried.place;
        let slot = self
            .journal
            .as_ref()
            .and_then(|journal| journal.slot(place.partition, place.offset, carried.part));
        let journalled = slot.and_then(|slot| slot.journalled);
        let recorded = journalled.as_ref().map(|journalled| &*journalled.recorded);
        let outgoing = seal(topic, &carried.record, &parked, &carried.evidence, recorded);
        self.unacknowledged += 1;
        self.parcels.push(Parcel { outgoing, event_id: carried.event.id.clone(), lane, at });
    }

    /// Records to be sent to delay topics; each comes back by [`parked`](Self::parked).
    pub(in crate::subscription) fn take_parcels(&mut self) -> Vec<Parcel> {
        std::mem::take(&mut self.parcels)
    }

    pub(in crate::subscription) fn parked(&mut self, sent: Sent) {
        self.unacknowledged -= 1;
        match sent {
            Sent::Parked { lane, topic } => {
                let Some(carried) = self.lanes.finish(lane) else { return };
                let place = carried.place;
                self.partitions.settle(place.partition, place.offset, place.bytes);
                self.flood.abandoned(carried.sequence, Instant::now());
                self.witness.parked(&carried, &topic);
            }
            Sent::Refused { lane, at } => self.wait(lane, at),
        }
    }
}
