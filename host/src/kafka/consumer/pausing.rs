//! Which partitions librdkafka may fetch: not those that the subscription asked to pause, none while it is full for long,
//! and none whose next record is not due yet.

use rdkafka::consumer::Consumer as _;

use super::log_failure;
use super::poller::Poller;
use crate::kafka::partition::{Partition, list, partitions};

impl Poller {
    pub(super) fn pause(&mut self, partitions: Vec<Partition>) {
        log_failure("pause", self.consumer.pause(&list(&partitions)));
        self.paused.extend(partitions);
    }

    pub(super) fn resume(&mut self, partitions: Vec<Partition>) {
        for partition in &partitions {
            self.paused.remove(partition);
        }
        if !self.is_held_back {
            self.resume_due(partitions);
        }
    }

    /// Pauses everything, or resumes what nobody asked to pause.
    pub(super) fn hold_back(&mut self, hold: bool) {
        if hold == self.is_held_back {
            return;
        }
        self.is_held_back = hold;
        let Ok(assignment) = self.consumer.assignment() else { return };
        if hold {
            return log_failure("pause", self.consumer.pause(&assignment));
        }
        let free: Vec<Partition> = partitions(&assignment)
            .into_iter()
            .filter(|partition| !self.paused.contains(partition))
            .collect();
        self.resume_due(free);
    }

    /// Resumes those whose next record is due.
    fn resume_due(&self, mut partitions: Vec<Partition>) {
        partitions.retain(|partition| !self.delays.is_waiting(partition));
        log_failure("resume", self.consumer.resume(&list(&partitions)));
    }
}
