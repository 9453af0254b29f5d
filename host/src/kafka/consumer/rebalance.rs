//! What librdkafka calls back on the consumer thread, inside of a poll: rebalances, commits, statistics, log lines.
//!
//! A revoke waits here, within its limit, until the subscription has finished what is in flight.

use std::collections::HashSet;
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError as LibraryError, KafkaResult};
use rdkafka::statistics::{Statistics, Topic};
use rdkafka::topic_partition_list::TopicPartitionList;
use tokio::sync::mpsc;

use super::{COMMITTED, Control, log_failure};
use crate::kafka::client;
use crate::kafka::commit::metadata_of;
use crate::kafka::partition::{Partition, Position, offsets, partitions, positions};

/// What librdkafka calls back, on the consumer thread and inside of a poll.
pub(super) struct Context {
    pub(super) controls: mpsc::Sender<Control>,
    pub(super) grace: Duration,
    pub(super) state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) epoch: u64,
    /// Partitions that the latest rebalance touched.
    pub(super) changed: HashSet<Partition>,
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

    /// Lets the subscription finish what is in flight, then commits how far it got.
    fn give_up(&self, consumer: &BaseConsumer<Self>, epoch: u64, partitions: Vec<Partition>) {
        let (sender, answer) = sync_channel(1);
        self.tell(Control::Revoked { epoch, partitions, positions: sender });
        let Ok(last) = answer.recv_timeout(self.grace + Duration::from_secs(1)) else { return };
        let error = commit_now(consumer, &last).err().map(|error| error.to_string());
        self.tell(Control::Committed { positions: last, error });
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log_line(level, facility, message);
    }

    fn error(&self, error: LibraryError, reason: &str) {
        client::log_error(&error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        let lag =
            |topic: &Topic| topic.partitions.values().map(|partition| partition.consumer_lag.max(0)).sum();
        let topics = statistics.topics.iter().map(|(name, topic)| (name.clone(), lag(topic))).collect();
        drop(self.controls.try_send(Control::Lag { topics }));
    }
}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(list) => {
                let partitions = partitions(list);
                let epoch = self.begin_epoch(&partitions);
                let beside = committed_metadata(consumer, list);
                let beside = beside.into_iter().chain(std::iter::repeat(String::new()));
                let partitions = partitions.into_iter().zip(beside).collect();
                self.tell(Control::Assigned { epoch, partitions });
            }
            Rebalance::Revoke(list) => {
                let partitions = partitions(list);
                let epoch = self.begin_epoch(&partitions);
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

pub(super) fn commit_now(consumer: &BaseConsumer<Context>, last: &[Position]) -> KafkaResult<()> {
    if last.is_empty() {
        return Ok(());
    }
    consumer.commit(&offsets(last), CommitMode::Sync)
}

/// The metadata of the last commit of each of these partitions, in their order. Nothing if Kafka does not say.
fn committed_metadata(consumer: &BaseConsumer<Context>, list: &TopicPartitionList) -> Vec<String> {
    if list.count() == 0 {
        return Vec::new();
    }
    match consumer.committed_offsets(list.clone(), COMMITTED) {
        Ok(committed) => metadata_of(&committed),
        Err(error) => {
            tracing::warn!(%error, "Kafka does not say what was settled before: some events may come again");
            Vec::new()
        }
    }
}
