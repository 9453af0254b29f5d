//! What librdkafka calls back on the consumer thread, inside of a poll: rebalances, commits, statistics, log lines.
//!
//! A revoke waits here, within its limit, until the subscription has finished what is in flight.

use std::collections::HashSet;
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError as LibraryError, KafkaResult};
use rdkafka::statistics::{Statistics, Topic};
use rdkafka::topic_partition_list::{TopicPartitionList, TopicPartitionListElem};
use rdkafka::{ClientContext, Offset};
use tokio::sync::mpsc;

use super::heard::silence;
use super::last::{Last, commit_last, only_wait};
use super::{Assigned, COMMITTED, Control, log_failure};
use crate::kafka::commit::metadata_of;
use crate::kafka::complaints::{Complaints, log_error};
use crate::kafka::overtaken::Overtaken;
use crate::kafka::partition::{Partition, partitions, positions};

/// How long the last commit of what is revoked is tried. The whole group waits for it.
const REVOKE_COMMIT: Duration = Duration::from_secs(5);

/// What librdkafka calls back, on the consumer thread and inside of a poll.
pub(super) struct Context {
    pub(super) controls: mpsc::Sender<Control>,
    pub(super) grace: Duration,
    pub(super) state: Mutex<State>,
    pub(super) complaints: Complaints,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) epoch: u64,
    /// Partitions that the latest rebalance touched.
    pub(super) changed: HashSet<Partition>,
    pub(super) overtaken: Overtaken,
    /// The group is being left: nobody waits for what is in flight any more.
    pub(super) is_leaving: bool,
}

impl Context {
    pub(super) fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for room: the subscription always reads these. It fails only when the subscription is gone.
    pub(super) fn tell(&self, control: Control) {
        drop(self.controls.blocking_send(control));
    }

    fn begin_epoch(&self, partitions: &[Partition]) -> u64 {
        let mut state = self.state();
        state.epoch += 1;
        state.changed = partitions.iter().cloned().collect();
        state.epoch
    }

    /// Finds partitions of which nothing is left to read, so that no record will tell.
    fn watch_for_loss(&self, topic: &Topic) {
        for found in topic.partitions.values().filter(|found| found.fetchq_cnt == 0) {
            let partition = Partition { topic: topic.topic.as_str().into(), number: found.partition };
            let lost = self.state().overtaken.nothing_below(&partition, found.next_offset, found.lo_offset);
            if let Some(lost) = lost {
                self.tell(Control::Overtaken { partition, lost });
            }
        }
    }

    /// Lets the subscription finish what is in flight, then commits how far it got.
    fn give_up(&self, consumer: &BaseConsumer<Self>, epoch: u64, partitions: Vec<Partition>) {
        let (sender, answer) = sync_channel(1);
        self.tell(Control::Revoked { epoch, partitions, positions: sender });
        let Ok(last) = answer.recv_timeout(self.grace + Duration::from_secs(1)) else { return };
        let Last { positions, error } = commit_last(consumer, last, REVOKE_COMMIT, only_wait);
        self.tell(Control::Committed { positions, error });
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.complaints.line(level, facility, message);
    }

    fn error(&self, error: LibraryError, reason: &str) {
        log_error(&error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        let lag =
            |topic: &Topic| topic.partitions.values().map(|partition| partition.consumer_lag.max(0)).sum();
        let lag = statistics.topics.iter().map(|(name, topic)| (name.clone(), lag(topic))).collect();
        let (silence, complaint) = (silence(&statistics), self.complaints.last());
        drop(self.controls.try_send(Control::Statistics { lag, silence, complaint }));
        for topic in statistics.topics.values() {
            self.watch_for_loss(topic);
        }
    }
}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(list) => {
                let partitions = partitions(list);
                let epoch = self.begin_epoch(&partitions);
                let committed =
                    committed(consumer, list).into_iter().chain(std::iter::repeat_with(Default::default));
                let mut assigned = Vec::with_capacity(partitions.len());
                for (partition, (committed, metadata)) in partitions.into_iter().zip(committed) {
                    self.state().overtaken.assigned(partition.clone(), committed);
                    assigned.push(Assigned { partition, committed, metadata });
                }
                self.tell(Control::Assigned { epoch, partitions: assigned });
            }
            Rebalance::Revoke(list) => {
                let partitions = partitions(list);
                let epoch = self.begin_epoch(&partitions);
                partitions.iter().for_each(|partition| self.state().overtaken.gone(partition));
                if consumer.assignment_lost() {
                    self.tell(Control::Lost { epoch, partitions });
                } else if !self.state().is_leaving {
                    self.give_up(consumer, epoch, partitions);
                }
            }
            Rebalance::Error(error) => tracing::warn!(%error, "a rebalance failed"),
        }
    }

    /// A pause survives a re-assignment within librdkafka, and the subscription starts a partition unpaused.
    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(list) = rebalance
            && list.count() > 0
        {
            log_failure("resume", consumer.resume(list));
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        let error = result.err().map(|error| error.to_string());
        self.tell(Control::Committed { positions: positions(offsets), error });
    }
}

/// Offset and metadata of the last commit of each of these partitions, in their order. Nothing if Kafka does not say.
fn committed(consumer: &BaseConsumer<Context>, list: &TopicPartitionList) -> Vec<(Option<i64>, String)> {
    if list.count() == 0 {
        return Vec::new();
    }
    match consumer.committed_offsets(list.clone(), COMMITTED) {
        Ok(committed) => {
            let offset = |element: TopicPartitionListElem<'_>| match element.offset() {
                Offset::Offset(offset) => Some(offset),
                // There was no commit yet.
                Offset::Beginning
                | Offset::End
                | Offset::Stored
                | Offset::Invalid
                | Offset::OffsetTail(_) => None,
            };
            committed.elements().into_iter().map(offset).zip(metadata_of(&committed)).collect()
        }
        Err(error) => {
            tracing::warn!(%error, "Kafka does not say what was settled before: some events may come again");
            Vec::new()
        }
    }
}
