//! What must hold, at every moment and at the end.

use super::acts::{Act, How};
use super::{BOUND, DRAIN, Model, PARTITIONS, Written};
use crate::dead_letter::{DeadLetter, Stage};

impl Model {
    pub(super) fn check_letter(&self, id: &str, letter: &DeadLetter) {
        assert!(
            letter.stage == Stage::Transform || letter.recording.is_some(),
            "{id} lacks its last attempt"
        );
        if letter.message.starts_with("its key fails") {
            let failed_at = self.failed_at.get(id).copied();
            assert!(failed_at < self.last_success, "{id} was given up while nothing succeeded");
        }
    }

    /// What holds at every moment.
    pub(super) fn check(&mut self) {
        let task = &mut self.world.task;
        assert_eq!(task.share.at_work(), self.turns.len(), "slots");
        assert_eq!(task.unacknowledged, self.letters.len() + self.parcels.len(), "on their way to Kafka");
        assert!(task.partitions.unsettled() <= BOUND + 4, "{} are held", task.partitions.unsettled());
        assert!(task.lanes.waiting() <= task.lanes.len(), "waiting");
        if let Some(probe) = task.flood.probe() {
            let is_here = task.lanes.iter_mut().any(|carried| carried.sequence == probe);
            assert!(is_here, "the flood guard waits for a probe that is gone");
        }
    }

    /// Nothing fails any more: everything ends, and nothing is left of it.
    pub(super) async fn drain(&mut self) {
        self.kafka.is_failing = false;
        for _ in 0..DRAIN {
            for number in 0..=PARTITIONS {
                self.act(Act::Assign { partition: number }).await;
                self.act(Act::Receive { partition: number, count: 4, due: u8::MAX }).await;
            }
            while !self.turns.is_empty() || self.has_started() {
                self.act(Act::End { turn: 0, how: How::Delivered }).await;
            }
            while !self.letters.is_empty() {
                self.act(Act::Acknowledge { letter: 0 }).await;
            }
            while !self.parcels.is_empty() {
                self.act(Act::Park { parcel: 0, is_refused: false }).await;
            }
            while self.revoking.is_none() && !self.kafka.answers.is_empty() {
                self.act(Act::Answer { commit: 0 }).await;
            }
            self.act(Act::Pass { ms: 1_000 }).await;
            if self.kafka.is_all_committed() && self.kafka.answers.is_empty() {
                return self.check_rest();
            }
        }
        panic!("it is stuck: {:?}", self.kafka.logs);
    }

    pub(super) fn has_started(&mut self) -> bool {
        self.start();
        !self.turns.is_empty()
    }

    pub(super) fn check_rest(&mut self) {
        for Written { id, .. } in &self.events {
            assert!(self.ended.contains(id), "{id} is lost");
        }
        let task = &self.world.task;
        assert_eq!((task.partitions.unsettled(), task.partitions.unsettled_bytes()), (0, 0), "unsettled");
        assert_eq!((task.lanes.len(), task.lanes.waiting(), task.recordings.bytes()), (0, 0, 0), "lanes");
    }
}
