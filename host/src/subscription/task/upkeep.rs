//! Commit, rebalance, pause and the passing of time: what keeps a subscription in step with Kafka and with its SLA.

use std::sync::mpsc::SyncSender;

use tokio::time::Instant;

use super::{COMMIT_LIMIT, OVERSIGHT, Revoking, Task};
use crate::kafka::consumer::{Command, Control, Partition, Position};
use crate::subscription::carried::{Carried, unix_ms};
use crate::subscription::lanes::PartitionIndex;

impl Task {
    pub(in crate::subscription) fn control(&mut self, control: Control, now: Instant) {
        match control {
            Control::Assigned { epoch, partitions } => {
                tracing::info!(
                    partitions = names(partitions.iter().map(|assigned| &assigned.partition)),
                    "partitions assigned"
                );
                self.epoch = epoch;
                let mut assigned = Vec::with_capacity(partitions.len());
                for new in partitions {
                    self.drop_partition(&new.partition);
                    let partition = new.partition.clone();
                    assigned.push((partition, self.partitions.assign(new, epoch)));
                }
                if let Some(journal) = &mut self.journal {
                    journal.assigned(assigned, unix_ms());
                }
            }
            Control::Revoked { epoch, partitions, positions } => {
                self.epoch = epoch;
                self.revoke(partitions, positions, now);
            }
            Control::Lost { epoch, partitions } => {
                self.epoch = epoch;
                tracing::warn!(
                    partitions = names(&partitions),
                    "partitions lost: what was in flight comes again, and elsewhere what is not committed"
                );
                for partition in &partitions {
                    self.partitions.lose(partition);
                    self.drop_partition(partition);
                }
            }
            Control::Committed { positions, error: None } => {
                self.commit_asked_at = None;
                let ours = self.partitions.committed(&positions);
                self.journal_committed(&ours);
                self.witness.committed(true);
            }
            Control::Committed { error: Some(error), .. } => {
                // During a rebalance every commit fails; the next tick tries again.
                self.commit_asked_at = None;
                tracing::debug!(error, "a commit failed");
                self.witness.committed(false);
            }
            Control::Statistics { lag, silence, complaint } => {
                self.oversight.statistics(&lag, silence, complaint, now);
            }
            Control::Overtaken { partition, lost } => self.oversight.overtaken(&partition, &lost),
            // The loop ends with these.
            Control::Failed { .. } | Control::Stopped => {}
        }
    }

    fn revoke(&mut self, partitions: Vec<Partition>, answer: SyncSender<Vec<Position>>, now: Instant) {
        self.end_revoke_now(now);
        tracing::info!(partitions = names(&partitions), "partitions revoked: finishing what is in flight");
        let numbers: Vec<_> =
            partitions.iter().filter_map(|partition| self.partitions.leave(partition)).collect();
        for number in &numbers {
            let dropped = self.lanes.drop_idle(*number);
            self.left(&dropped, now);
        }
        let until = now + self.settings.grace;
        self.revoking = Some(Revoking { partitions, numbers, answer, until });
        self.end_revoke(now);
    }

    /// Gives revoked partitions up without waiting for what is in flight.
    pub(in crate::subscription) fn end_revoke_now(&mut self, now: Instant) {
        if let Some(revoking) = &mut self.revoking {
            revoking.until = now;
            self.end_revoke(now);
        }
    }

    /// Gives revoked partitions up once nothing of them is in flight, or their time is over.
    fn end_revoke(&mut self, now: Instant) {
        let Some(revoking) = &self.revoking else { return };
        let is_at_work = |number: &PartitionIndex| {
            self.lanes.at_work(*number) > 0 || self.unacknowledged_records.contains_key(number)
        };
        let is_busy = revoking.numbers.iter().any(is_at_work);
        if is_busy && now < revoking.until {
            return;
        }
        let Some(revoking) = self.revoking.take() else { return };
        // One that was assigned anew in the meantime is not what was revoked.
        let mut partitions = revoking.partitions;
        partitions.retain(|partition| {
            self.partitions.number(partition).is_some_and(|number| revoking.numbers.contains(&number))
        });
        let positions = self.partitions.uncommitted(|partition| partitions.contains(partition));
        for partition in &partitions {
            self.drop_partition(partition);
        }
        // The thread may have given up waiting; then whoever comes next reads a little more again.
        drop(revoking.answer.try_send(positions));
    }

    fn drop_partition(&mut self, partition: &Partition) {
        let Some(number) = self.partitions.forget(partition) else { return };
        if let Some(journal) = &mut self.journal {
            journal.forget(number);
        }
        let dropped = self.lanes.drop_partition(number);
        self.left(&dropped, Instant::now());
    }

    /// These are left to whoever reads their partition next: what they were to show, others show.
    pub(super) fn left(&mut self, dropped: &[Box<Carried>], now: Instant) {
        for carried in dropped {
            self.witness.left(carried);
            let Carried { sequence, is_probe, .. } = &**carried;
            if *is_probe {
                self.share.tell(now, |breaker| breaker.probe_abandoned(*sequence, now));
            }
            self.flood.abandoned(*sequence, now);
        }
    }

    /// Does what time asks for.
    pub(in crate::subscription) fn tick(&mut self, now: Instant) {
        self.refund();
        self.lanes.wake(now);
        self.end_revoke(now);
        if now >= self.next_commit {
            self.next_commit = now + self.commit_interval;
            self.commit(now);
            self.pause(now);
            self.relieve(now);
            self.share.levels();
            self.witness.levels(&self.partitions, &self.lanes, self.share.at_work());
        }
        if now >= self.next_oversight {
            self.next_oversight = now + OVERSIGHT;
            self.oversight.look(&mut self.lanes, self.partitions.unsettled(), now);
        }
    }

    /// When [`tick`](Self::tick) wants to be called next.
    pub(in crate::subscription) fn next_tick(&self) -> Instant {
        let times =
            [self.lanes.next_wake(), self.held_until, self.revoking.as_ref().map(|revoking| revoking.until)];
        times.into_iter().flatten().fold(self.next_commit, Instant::min)
    }

    fn commit(&mut self, now: Instant) {
        let is_asked = self.commit_asked_at.is_some_and(|asked| now < asked + COMMIT_LIMIT);
        // While partitions are given up the thread waits for that alone, and then commits how far they got.
        if is_asked || self.revoking.is_some() {
            return;
        }
        let positions = self.partitions.uncommitted(|_| true);
        if positions.is_empty() {
            return;
        }
        let command = Command::Commit { epoch: self.epoch, positions: positions.clone() };
        if self.commands.try_send(command).is_ok() {
            self.partitions.asked(&positions);
            self.commit_asked_at = Some(now);
        }
    }

    /// Pauses what is stuck for long: all while the breaker is open, and a partition that takes the others' room.
    fn pause(&mut self, now: Instant) {
        let held_for = self.share.breaker().open_for(now).max(self.flood.shut_for(now));
        let is_down = held_for.is_some_and(|time| time >= self.pause_after);
        // With nothing left to probe with, records must come.
        let all = is_down && self.lanes.len() > 0;
        let (pause, resume) = self.partitions.pauses(all, self.settings.bounds.events_per_partition, now);
        for (partitions, is_paused) in [(pause, true), (resume, false)] {
            let command = if is_paused { Command::Pause } else { Command::Resume };
            // While the thread has no room for commands, the next tick asks again.
            if !partitions.is_empty() && self.commands.try_send(command(partitions.clone())).is_ok() {
                self.partitions.set_paused(&partitions, is_paused);
            }
        }
    }
}

fn names<'a>(partitions: impl IntoIterator<Item = &'a Partition>) -> String {
    partitions.into_iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
