//! The consumer thread of one subscription: polls and rebalances become values on channels, commands come back.
//!
//! An OS thread owns a `BaseConsumer`, because a rebalance callback that runs on an async worker can deadlock there
//! (rust-rdkafka #840, #665). Records go out in batches through a bounded channel; when it is full the thread does not
//! poll, but for a moment each second to stay in the group and to hear of rebalances. It decides nothing: what to commit
//! and when to pause is told it.

mod delays;
mod heard;
mod last;
mod pausing;
mod rebalance;
mod trouble;
mod words;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError as LibraryError, KafkaResult};
use rdkafka::message::Message as _;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use self::delays::{Delays, Read};
use self::last::{Last, PAUSE, commit_last};
use self::rebalance::Context;
use self::trouble::Trouble;
pub(crate) use self::words::{Assigned, Batch, Command, Control};
use super::client::{self, ClientKind, KafkaError};
use super::commit::commit_async;
pub(crate) use super::complaints::Complaint;
use super::complaints::Complaints;
pub(crate) use super::partition::{Partition, Position};
use super::partition::{list, offsets, partitions};
use super::record::record_from;
use super::watermark::known_low;
use crate::config;
use crate::contract::TimestampMs;
use crate::event::Record;

/// How long a poll waits for a record, and so how late a command may be heard.
const POLL: Duration = Duration::from_millis(50);
/// How often a full channel is tried again.
const FULL: Duration = Duration::from_millis(2);
/// How often a thread whose channel is full polls all the same.
const STAY: Duration = Duration::from_secs(1);
/// How often librdkafka tells its statistics: how late it may be noticed that Kafka is away.
const STATISTICS_MS: &str = "5000";
/// The most records in a batch, where the subscription may hold so many.
const BATCH: usize = 256;
/// Batches on their way to the subscription.
const BATCHES: usize = 4;
/// Records held while the channel is full; with more than this the partitions are paused.
const HELD: usize = 64;
/// Control messages on their way; each is rare.
const CONTROLS: usize = 256;
/// Commands on their way to the thread.
const COMMANDS: usize = 256;
/// How long the last commit is tried. A rebalance lasts until every member has finished what it had in flight.
const LAST_COMMIT: Duration = Duration::from_secs(15);
/// How long Kafka may take to say what is committed. Polls, and so all else on the thread, wait for it.
const COMMITTED: Duration = Duration::from_secs(5);
/// Our own defaults; `[kafka] properties` wins over them. Each has been measured or has lost someone's data.
const DEFAULTS: [(&str, &str); 11] = [
    ("auto.offset.reset", "earliest"),
    ("partition.assignment.strategy", "cooperative-sticky"),
    ("session.timeout.ms", "15000"),
    ("heartbeat.interval.ms", "3000"),
    ("max.poll.interval.ms", "300000"),
    ("isolation.level", "read_committed"),
    ("check.crcs", "true"),
    ("queued.min.messages", "1000"),
    ("queued.max.messages.kbytes", "16384"),
    ("fetch.queue.backoff.ms", "20"),
    ("topic.metadata.refresh.interval.ms", "30000"),
];

/// The subscription's side of a consumer thread.
#[derive(Debug)]
pub(crate) struct Consumer {
    pub(crate) batches: mpsc::Receiver<Batch>,
    pub(crate) controls: mpsc::Receiver<Control>,
    pub(crate) commands: SyncSender<Command>,
}

/// Joins the group and starts to poll. A record of one of `delays` is given out so long after it was written. `grace`
/// bounds how long a revoked partition is waited for, `batch` the records of one batch.
pub(crate) fn start(
    settings: &config::Kafka,
    bootstrap: &str,
    group: &str,
    topics: &[String],
    delays: &BTreeMap<String, Duration>,
    grace: Duration,
    batch: usize,
) -> Result<Consumer, KafkaError> {
    let (batch_sender, batches) = mpsc::channel(BATCHES);
    let (control_sender, controls) = mpsc::channel(CONTROLS);
    let (commands, command_receiver) = sync_channel(COMMANDS);
    let mut client = client::client_config(settings, bootstrap, ClientKind::Consumer)?;
    client::set_defaults(&mut client, &DEFAULTS);
    client.set("group.id", group).set("enable.auto.commit", "false").set("enable.auto.offset.store", "false");
    client.set("statistics.interval.ms", STATISTICS_MS);
    let complaints = Complaints::new(&client);
    let context = Context { controls: control_sender, grace, state: Mutex::default(), complaints };
    let consumer: BaseConsumer<Context> =
        client.create_with_context(context).map_err(|error| KafkaError::Settings(error.into()))?;
    let names: Vec<&str> = topics.iter().chain(delays.keys()).map(String::as_str).collect();
    consumer.subscribe(&names).map_err(|error| KafkaError::Settings(error.into()))?;
    let poller = Poller {
        consumer,
        batches: batch_sender,
        commands: command_receiver,
        batch: batch.clamp(1, BATCH),
        topics: HashMap::new(),
        held: Vec::new(),
        is_held_back: false,
        paused: HashSet::new(),
        delays: Delays::new(delays.clone().into_iter().collect()),
        trouble: Trouble::default(),
    };
    thread::Builder::new()
        .name(format!("kafka {group}").chars().take(15).collect())
        .spawn(move || poller.run())
        .map_err(KafkaError::Thread)?;
    Ok(Consumer { batches, controls, commands })
}

/// The thread.
struct Poller {
    consumer: BaseConsumer<Context>,
    batches: mpsc::Sender<Batch>,
    commands: Receiver<Command>,
    /// The most records in a batch.
    batch: usize,
    /// One name for all records of a topic.
    topics: HashMap<String, Arc<str>>,
    /// Polled and not sent yet.
    held: Vec<Record>,
    /// All partitions are paused, because the subscription has been full for long.
    is_held_back: bool,
    /// What the subscription asked to pause.
    paused: HashSet<Partition>,
    /// What is not due yet.
    delays: Delays,
    trouble: Trouble,
}

impl Poller {
    fn run(mut self) {
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
        while self.held.len() < limit {
            let epoch = self.consumer.context().state().epoch;
            let polled = self.consumer.poll(wait);
            if epoch != self.consumer.context().state().epoch {
                // What was polled before a rebalance belongs to the epoch before; whoever lost the partition reads it.
                let state = self.consumer.context().state();
                drop_stale(&mut self.held, &state.changed);
                self.delays.forget(&state.changed);
                self.paused.retain(|partition| !state.changed.contains(partition));
            }
            match polled {
                None => return Ok(()),
                Some(Ok(message)) => {
                    let topic = match self.topics.get(message.topic()) {
                        Some(topic) => topic.clone(),
                        None => {
                            let topic: Arc<str> = message.topic().into();
                            self.topics.insert(message.topic().to_owned(), topic.clone());
                            topic
                        }
                    };
                    let record = record_from(&message, topic);
                    self.watch_for_loss(&record);
                    match self.delays.read(record, unix_ms()) {
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

fn log_failure(what: &str, result: KafkaResult<()>) {
    if let Err(error) = result {
        tracing::warn!(%error, "could not {what} partitions");
    }
}
