//! What the consumer thread and its subscription tell each other: batches and controls one way, commands the other.

use std::ops::Range;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use crate::event::Record;
use crate::kafka::complaints::Complaint;
use crate::kafka::partition::{Partition, Position};

/// Records in the order of their partitions. `epoch` rises with every rebalance: a partition's records from before its
/// latest assignment are stale.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) epoch: u64,
    pub(crate) records: Vec<Record>,
}

/// A partition that is ours now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Assigned {
    pub(crate) partition: Partition,
    /// The offset of its last commit; `None` if there was none, or Kafka does not say.
    pub(crate) committed: Option<i64>,
    /// What was committed beside it.
    pub(crate) metadata: String,
}

/// What happens to the assignment and to commits.
#[derive(Debug)]
pub(crate) enum Control {
    /// These partitions are ours from this epoch on.
    Assigned { epoch: u64, partitions: Vec<Assigned> },
    /// These partitions go to somebody else once `positions` was answered, or after a limit.
    Revoked { epoch: u64, partitions: Vec<Partition>, positions: SyncSender<Vec<Position>> },
    /// These partitions are gone already: nothing of them may be committed.
    Lost { epoch: u64, partitions: Vec<Partition> },
    /// A commit came back.
    Committed { positions: Vec<Position>, error: Option<String> },
    /// How far the group is behind in the partitions of each topic, in records; for how long no broker has answered,
    /// `None` if no connection is up; and the last that the client complained of. Every few seconds, whatever happens.
    Statistics { lag: Vec<(String, i64)>, silence: Option<Duration>, complaint: Option<Complaint> },
    /// Retention deleted these offsets of the partition before they were read.
    Overtaken { partition: Partition, lost: Range<i64> },
    /// The consumer cannot go on. The thread has ended.
    Failed { error: String },
    /// The consumer has left its group. The thread has ended.
    Stopped,
}

/// What the subscription tells the thread.
#[derive(Debug)]
pub(crate) enum Command {
    /// Refused if there was a rebalance since this epoch: a partition that has gone on elsewhere would go back.
    Commit {
        epoch: u64,
        positions: Vec<Position>,
    },
    Pause(Vec<Partition>),
    Resume(Vec<Partition>),
    /// Commit these, but for partitions that changed hands since this epoch; leave the group and end.
    Stop {
        epoch: u64,
        positions: Vec<Position>,
    },
}
