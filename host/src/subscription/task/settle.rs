//! How a delivery settles: by its last outcome, or as a dead letter once Kafka has that.

use std::collections::btree_map::Entry;

use bytes::Bytes;
use tokio::time::Instant;

use super::{Letter, Settles, Task};
use crate::dead_letter::{DeadLetter, Reason, Stage};
use crate::delivery::flood::Verdict;
use crate::subscription::carried::{Place, unix_ms};
use crate::subscription::lanes::LaneId;
use crate::telemetry::Settlement;

impl Task {
    /// Makes a dead letter of it, unless most would be ones: then it waits with the others.
    pub(super) fn give_up(
        &mut self,
        lane: LaneId,
        stage: Stage,
        reason: Reason,
        message: String,
        recording: Option<Bytes>,
    ) {
        let Some(carried) = self.lanes.head(lane) else { return };
        match self.flood.would_give_up(carried.sequence, Instant::now()) {
            Verdict::GiveUp => {
                carried.is_given_up = matches!(reason, Reason::AttemptsSpent | Reason::GaveUp);
                let is_rejected = matches!(reason, Reason::Rejected | Reason::TransformRejected);
                carried.makers.ended_badly(is_rejected);
                let letter = self.witness.dead_letter(carried, stage, reason, message, recording);
                self.dead_letter(letter, Settles::Lane(lane));
            }
            Verdict::Hold { is_new } => {
                if is_new {
                    self.witness.flood_began(self.flood.counts(), &message);
                }
                self.go_on(lane);
            }
        }
    }

    pub(super) fn dead_letter(&mut self, letter: DeadLetter, settles: Settles) {
        self.unacknowledged += 1;
        if let Settles::Record(place) = settles {
            *self.unacknowledged_records.entry(place.partition).or_default() += 1;
        }
        self.letters.push(Letter { letter, settles });
    }

    /// Dead letters to be sent; each comes back by [`acknowledged`](Self::acknowledged).
    pub(in crate::subscription) fn take_letters(&mut self) -> Vec<Letter> {
        std::mem::take(&mut self.letters)
    }

    /// Kafka has a dead letter.
    pub(in crate::subscription) fn acknowledged(&mut self, settles: Settles) {
        self.unacknowledged -= 1;
        match settles {
            Settles::Lane(lane) => self.settle(lane, Settlement::DeadLettered),
            Settles::Record(place) => self.record_acknowledged(place),
        }
    }

    fn record_acknowledged(&mut self, place: Place) {
        if let Entry::Occupied(mut count) = self.unacknowledged_records.entry(place.partition) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        self.partitions.settle(place.partition, place.offset, place.bytes);
        self.witness.metrics.settled[Settlement::DeadLettered].inc();
    }

    pub(super) fn settle(&mut self, lane: LaneId, settlement: Settlement) {
        let Some(mut carried) = self.lanes.finish(lane) else { return };
        let place = carried.place;
        self.partitions.settle(place.partition, place.offset, place.bytes);
        let now = Instant::now();
        let is_delivered = matches!(settlement, Settlement::Delivered | Settlement::Superseded);
        if !is_delivered {
            self.flood.abandoned(carried.sequence, now);
        } else if self.flood.delivered(carried.sequence, now) {
            self.witness.flood_ended();
        }
        if settlement != Settlement::DeadLettered {
            carried.makers.ended_well();
        }
        let now_ms = unix_ms();
        self.witness.settled(&carried, settlement, now_ms);
        self.oversight.settled(&mut carried, settlement, (now_ms, now));
        if carried.is_given_up {
            self.follow_given_up(lane);
        }
    }
}
