//! The thread of a consumer: gathers records into batches, gives out what is due, and does what it is told until it leaves.
//!
//! In come what librdkafka polls and the commands of the subscription; batches and control messages go out.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant, SystemTime};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError as LibraryError;
use rdkafka::message::Message as _;
use rustc_hash::FxHashMap;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::delays::{Delays, Read};
use super::last::{Last, PAUSE, commit_last};
use super::rebalance::Context;
use super::trouble::Trouble;
use super::{Batch, Command, Control, Partition, Position, log_failure};
use crate::contract::TimestampMs;
use crate::event::Record;
use crate::kafka::commit::commit_async;
use crate::kafka::partition::{list, offsets, partitions};
use crate::kafka::record::record_from;
use crate::kafka::watermark::known_low;

/// How long a poll waits for a record, and so how late a command may be heard.
const POLL: Duration = Duration::from_millis(50);
/// How often a full channel is tried again.
const FULL: Duration = Duration::from_millis(2);
/// How often a thread whose channel is full polls all the same.
const STAY: Duration = Duration::from_secs(1);
/// Records held while the channel is full; with more than this the partitions are paused.
const HELD: usize = 64;
/// How long the last commit is tried. A rebalance lasts until every member has finished what it had in flight.
const LAST_COMMIT: Duration = Duration::from_secs(15);

/// The thread.
pub(super) struct Poller {
    pub(super) consumer: BaseConsumer<Context>,
    pub(super) batches: mpsc::Sender<Batch>,
    pub(super) commands: Receiver<Command>,
    /// The most records in a batch.
    pub(super) batch: usize,
    /// One name for all records of a topic: looked up for each, by a hash that is quick.
    pub(super) topics: FxHashMap<String, Arc<str>>,
    /// Polled and not sent yet.
    pub(super) held: Vec<Record>,
    /// All partitions are paused, because the subscription has been full for long.
    pub(super) is_held_back: bool,
    /// What the subscription asked to pause.
    pub(super) paused: HashSet<Partition>,
    /// What is not due yet.
    pub(super) delays: Delays,
    pub(super) trouble: Trouble,
}

impl Poller {
    pub(super) fn run(mut self) {
        let mut full_since: Option<Instant> = None;
        loop {
            let wait = if full_since.is_some() { FULL } else { Duration::ZERO };
            if let Some(last) = self.obey(wait) {
                return self.stop(last);
            }
            self.end_trouble();
            if self.send() {
                full_since = None;
                self.hold_back(false);
                self.give_out_due();
                if let Err(error) = self.gather(POLL, self.batch) {
                    return self.fail(&error);
                }
                continue;
            }
            let since = *full_since.get_or_insert_with(Instant::now);
            if since.elapsed() >= STAY {
                full_since = Some(Instant::now());
                self.hold_back(self.held.len() >= HELD);
                if let Err(error) = self.gather(Duration::ZERO, self.held.len() + 1) {
                    return self.fail(&error);
                }
            }
        }
    }

    /// Does what it is told; `Some` is the last thing to commit.
    fn obey(&mut self, wait: Duration) -> Option<Vec<Position>> {
        let mut wait = wait;
        loop {
            let command = if wait.is_zero() {
                match self.commands.try_recv() {
                    Ok(command) => command,
                    Err(TryRecvError::Empty) => return None,
                    Err(TryRecvError::Disconnected) => return Some(Vec::new()),
                }
            } else {
                match self.commands.recv_timeout(wait) {
                    Ok(command) => command,
                    Err(RecvTimeoutError::Timeout) => return None,
                    Err(RecvTimeoutError::Disconnected) => return Some(Vec::new()),
                }
            };
            wait = Duration::ZERO;
            match command {
                Command::Commit { epoch, positions } => self.commit(epoch, positions),
                Command::Pause(partitions) => self.pause(partitions),
                Command::Resume(partitions) => self.resume(partitions),
                Command::Stop { epoch, positions } => return Some(self.still_ours(epoch, positions)),
            }
        }
    }

    /// Sends what is held; `false` when the channel is full.
    fn send(&mut self) -> bool {
        if self.held.is_empty() {
            return self.batches.capacity() > 0;
        }
        let epoch = self.consumer.context().state().epoch;
        match self.batches.try_send(Batch { epoch, records: std::mem::take(&mut self.held) }) {
            Ok(()) => true,
            Err(TrySendError::Full(batch)) => {
                self.held = batch.records;
                false
            }
            // Nobody listens any more: the commands will say so too.
            Err(TrySendError::Closed(_)) => false,
        }
    }

    /// Polls until nothing more is there or `limit` records are held. A rebalance in between sends what is held first,
    /// under the epoch it was polled in.
    fn gather(&mut self, wait: Duration, limit: usize) -> Result<(), LibraryError> {
        let mut wait = wait;
        // It changes within a poll, and nowhere else.
        let mut epoch = self.consumer.context().state().epoch;
        while self.held.len() < limit {
            let polled = self.consumer.poll(wait);
            let state = self.consumer.context().state();
            if epoch != state.epoch {
                // What was polled before a rebalance belongs to the epoch before; whoever lost the partition reads it.
                epoch = state.epoch;
                drop_stale(&mut self.held, &state.changed);
                self.delays.forget(&state.changed);
                self.paused.retain(|partition| !state.changed.contains(partition));
            }
            drop(state);
            match polled {
                None => return Ok(()),
                Some(Ok(message)) => {
                    let name = message.topic();
                    let topic = match self.topics.get(name) {
                        Some(topic) => topic.clone(),
                        None => {
                            let topic: Arc<str> = name.into();
                            self.topics.insert(name.to_owned(), topic.clone());
                            topic
                        }
                    };
                    let record = record_from(&message, topic);
                    self.watch_for_loss(&record);
                    match self.delays.read(record, unix_ms) {
                        Read::HandOut(record) => self.held.push(record),
                        Read::Pause(partition) => {
                            log_failure("pause", self.consumer.pause(&list(&[partition])));
                        }
                    }
                }
                Some(Err(error)) if is_fatal(&error) => return Err(error),
                Some(Err(error)) => self.begin_trouble(&error),
            }
            wait = Duration::ZERO;
        }
        Ok(())
    }

    /// Puts what is due now to what was polled, and lets its partitions go on.
    fn give_out_due(&mut self) {
        for (partition, record) in self.delays.take_due(unix_ms()) {
            self.held.push(record);
            if !self.paused.contains(&partition) {
                log_failure("resume", self.consumer.resume(&list(&[partition])));
            }
        }
    }

    /// librdkafka goes on by itself; a person may have to do something, when a topic does not exist.
    fn begin_trouble(&mut self, error: &LibraryError) {
        if self.trouble.reported(Instant::now()) {
            tracing::warn!(%error, "Kafka does not give all records now");
        } else {
            tracing::debug!(%error, "Kafka still does not give all records");
        }
    }

    fn end_trouble(&mut self) {
        if let Some(over) = self.trouble.over(Instant::now()) {
            tracing::info!(errors = over.errors, lasted = ?over.lasted, "Kafka reports no more trouble in reading");
        }
    }

    /// Tells of what retention deleted between the record before and this one.
    fn watch_for_loss(&self, record: &Record) {
        let origin = &record.origin;
        let partition = Partition { topic: origin.topic.clone(), number: origin.partition };
        let context = self.consumer.context();
        let low = || known_low(&self.consumer, &partition.topic, partition.number);
        let lost = context.state().overtaken.received(&partition, origin.offset, low);
        if let Some(lost) = lost {
            context.tell(Control::Overtaken { partition, lost });
        }
    }

    fn commit(&self, epoch: u64, positions: Vec<Position>) {
        let context = self.consumer.context();
        let error = if epoch == context.state().epoch {
            commit_async(&self.consumer, &offsets(&positions)).err().map(|error| error.to_string())
        } else {
            Some("there was a rebalance".to_owned())
        };
        if error.is_some() {
            context.tell(Control::Committed { positions, error });
        }
    }

    /// Without what is assigned to somebody else by now, or anew to us.
    fn still_ours(&self, epoch: u64, mut positions: Vec<Position>) -> Vec<Position> {
        let state = self.consumer.context().state();
        if epoch != state.epoch {
            let assigned = self.consumer.assignment().map(|list| partitions(&list)).unwrap_or_default();
            positions.retain(|Position { partition, .. }| {
                assigned.contains(partition) && !state.changed.contains(partition)
            });
        }
        positions
    }

    fn fail(self, error: &LibraryError) {
        self.consumer.context().tell(Control::Failed { error: error.to_string() });
    }

    /// Commits and leaves. What is committed here is all that will be: so it waits for the answer.
    fn stop(self, last: Vec<Position>) {
        let Last { positions, error } =
            commit_last(&self.consumer, last, LAST_COMMIT, |last| self.carry_on(last));
        let context = self.consumer.context().clone();
        context.tell(Control::Committed { positions, error });
        context.state().is_leaving = true;
        drop(self.consumer);
        context.tell(Control::Stopped);
    }

    /// Lets a rebalance go on, which polls do, and leaves out what it takes from us. Records that come are left to
    /// whoever has the partition next.
    fn carry_on(&self, last: Vec<Position>) -> Vec<Position> {
        let epoch = self.consumer.context().state().epoch;
        let until = Instant::now() + PAUSE;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            drop(self.consumer.poll(left));
        }
        self.still_ours(epoch, last)
    }
}

/// Forgets held records of partitions that are no longer ours, or were assigned anew: they are fetched again.
fn drop_stale(held: &mut Vec<Record>, changed: &HashSet<Partition>) {
    held.retain(|record| {
        let partition = Partition { topic: record.origin.topic.clone(), number: record.origin.partition };
        !changed.contains(&partition)
    });
}

/// The clock that Kafka's timestamps are of.
fn unix_ms() -> TimestampMs {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn is_fatal(error: &LibraryError) -> bool {
    matches!(error, LibraryError::MessageConsumptionFatal(_))
}
