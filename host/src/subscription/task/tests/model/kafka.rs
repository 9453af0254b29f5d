//! Kafka as the model has it: logs, what is committed, who has which partition, and answers on their way.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::Record;
use crate::kafka::consumer::{Assigned, Partition, Position};
use crate::subscription::metadata;

/// One partition.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) records: Vec<Record>,
    pub(super) committed: Option<(i64, String)>,
    /// What is read next; `None` while nobody has the partition.
    pub(super) fetched: Option<usize>,
    pub(super) is_paused: bool,
    /// Offsets that Kafka knew to be settled when the partition was assigned.
    pub(super) known: BTreeSet<i64>,
    /// Offsets whose events have ended, or are in another topic by now.
    pub(super) done: BTreeSet<i64>,
    /// Those of them that the task settled since it got the partition, or before it lost it.
    pub(super) settled: BTreeSet<i64>,
}

/// The answer to a commit, on its way.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) positions: Vec<Position>,
    pub(super) error: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct Kafka {
    pub(super) logs: BTreeMap<Partition, Log>,
    pub(super) epoch: u64,
    pub(super) answers: Vec<Answer>,
    /// Commits fail.
    pub(super) is_failing: bool,
}

impl Kafka {
    pub(super) fn log(&mut self, partition: &Partition) -> &mut Log {
        self.logs.get_mut(partition).expect("a partition of the model")
    }

    /// Gives the partition to the task: its epoch, and its last commit.
    pub(super) fn assign(&mut self, partition: &Partition) -> (u64, Assigned) {
        self.epoch += 1;
        let epoch = self.epoch;
        let log = self.log(partition);
        let committed = log.committed.as_ref().map(|(offset, _)| *offset);
        let (offset, metadata) = log.committed.clone().unwrap_or_default();
        log.fetched = usize::try_from(offset).ok();
        log.is_paused = false;
        log.known = (0..offset).chain(metadata::decode(&metadata, offset).into_iter().flatten()).collect();
        // What the task settled before it lost the partition it keeps in mind.
        log.known.extend(&log.settled);
        (epoch, Assigned { partition: partition.clone(), committed, metadata })
    }

    /// Takes the partition from the task. What is lost it keeps in mind.
    pub(super) fn unassign(&mut self, partition: &Partition, is_lost: bool) {
        let log = self.log(partition);
        log.fetched = None;
        if !is_lost {
            log.settled.clear();
        }
    }

    /// The task's commit: taken or not, its answer is on its way.
    pub(super) fn commit(&mut self, epoch: u64, positions: Vec<Position>) {
        let error = (self.is_failing || epoch != self.epoch).then(|| "refused".to_owned());
        if error.is_none() {
            self.take(&positions);
        }
        self.answers.push(Answer { positions, error });
    }

    /// Takes a commit. Nothing below it, and nothing that it says is settled, may be unsettled.
    pub(super) fn take(&mut self, positions: &[Position]) {
        for Position { partition, offset, metadata } in positions {
            let log = self.log(partition);
            let above = metadata::decode(metadata, *offset).into_iter().flatten();
            let end = i64::try_from(log.records.len()).expect("a short log");
            for settled in (0..*offset).chain(above).filter(|settled| *settled < end) {
                assert!(log.done.contains(&settled), "{partition}: {settled} is committed and not settled");
            }
            log.committed = Some((*offset, metadata.clone()));
        }
    }

    /// Everything is committed.
    pub(super) fn is_all_committed(&self) -> bool {
        let is_committed = |log: &Log| {
            let end = i64::try_from(log.records.len()).expect("a short log");
            log.committed.as_ref().map_or(0, |(offset, _)| *offset) == end
        };
        self.logs.values().all(is_committed)
    }
}
