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
mod poller;
mod rebalance;
mod trouble;
mod words;

use std::collections::{BTreeMap, HashSet};
use std::sync::Mutex;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaResult;
use rustc_hash::FxHashMap;
use tokio::sync::mpsc;

use self::delays::Delays;
use self::poller::Poller;
use self::rebalance::Context;
use self::trouble::Trouble;
pub(crate) use self::words::{Assigned, Batch, Command, Control};
use super::client::{self, ClientKind, KafkaError};
pub(crate) use super::complaints::Complaint;
use super::complaints::Complaints;
pub(crate) use super::partition::{Partition, Position};
use crate::config;

/// How often librdkafka tells its statistics: how late it may be noticed that Kafka is away.
const STATISTICS_MS: &str = "5000";
/// The most records in a batch, where the subscription may hold so many.
const BATCH: usize = 256;
/// Batches on their way to the subscription.
const BATCHES: usize = 4;
/// Control messages on their way; each is rare.
const CONTROLS: usize = 256;
/// Commands on their way to the thread.
const COMMANDS: usize = 256;
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
        topics: FxHashMap::default(),
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

fn log_failure(what: &str, result: KafkaResult<()>) {
    if let Err(error) = result {
        tracing::warn!(%error, "could not {what} partitions");
    }
}
