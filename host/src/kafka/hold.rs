//! Holds all partitions of a topic alone: what must never be done twice at once is done by the one who does.
//!
//! Kafka's own group protocol is the lock: a consumer group gives each partition to one member. In comes a group and a
//! topic, out goes a `Hold` that says when it is lost. It reads no record and commits nothing.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, Rebalance};
use rdkafka::error::KafkaError as Failure;
use tokio::sync::watch;
use tokio::time::Instant;

use super::client::{ClientKind, KafkaError, LibraryError, client_config};
use super::complaints::{Complaints, log_error};
use super::partition::partitions;
use crate::config;

/// A member that is killed is one for as long as its session lasts: as short as brokers allow.
const SESSION_MS: &str = "6000";
/// How long others are waited for: a killed one is no member after that.
const OTHERS_GO: Duration = Duration::from_secs(9);
/// How long the group may take to give us all partitions: a new one waits for members first, three seconds by default.
const JOINED: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(500);
const POLL: Duration = Duration::from_millis(100);
const LOOKUP: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    #[error("{} at work on topic {topic} (group {group}): wait until that has ended", others_text(others))]
    Taken { group: String, topic: String, others: Vec<String> },
}

/// All partitions of the topic are ours while this is alive.
#[derive(Debug)]
pub(crate) struct Hold {
    held: watch::Receiver<BTreeSet<i32>>,
    partitions: usize,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Takes the topic, which has so many partitions, unless somebody else has it.
pub(crate) async fn hold(
    settings: &config::Kafka,
    bootstrap: &str,
    group: &str,
    topic: &str,
    partitions: usize,
) -> Result<Hold, HoldError> {
    let taken = |others| HoldError::Taken { group: group.to_owned(), topic: topic.to_owned(), others };
    let (sender, held) = watch::channel(BTreeSet::new());
    let consumer = Arc::new(join(settings, bootstrap, group, sender)?);
    let others = others(&consumer, group).await;
    if !others.is_empty() {
        return Err(taken(others));
    }
    consumer.subscribe(&[topic]).map_err(|error| KafkaError::Settings(LibraryError::from(error)))?;
    let stop = Arc::new(AtomicBool::new(false));
    let poller = (consumer.clone(), stop.clone());
    let thread = thread::Builder::new()
        .name("kafka hold".to_owned())
        .spawn(move || poll(&poller.0, &poller.1))
        .map_err(KafkaError::Thread)?;
    let mut hold = Hold { held, partitions, stop, thread: Some(thread) };
    let is_ours = hold.held.wait_for(|held| held.len() == partitions);
    if tokio::time::timeout(JOINED, is_ours).await.is_err() {
        let others = members(consumer, group).await;
        hold.release().await;
        return Err(taken(others));
    }
    Ok(hold)
}

impl Hold {
    /// Ready when it is ours no more: somebody else has joined, or Kafka has lost sight of us.
    pub(crate) async fn lost(&mut self) {
        let partitions = self.partitions;
        // An error is the end of the thread, and that of the hold.
        drop(self.held.wait_for(|held| held.len() < partitions).await);
    }

    /// Leaves the group, so that the next one need not wait.
    pub(crate) async fn release(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let left = tokio::task::spawn_blocking(move || drop(thread.join()));
            drop(tokio::time::timeout(LOOKUP, left).await);
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn join(
    settings: &config::Kafka,
    bootstrap: &str,
    group: &str,
    held: watch::Sender<BTreeSet<i32>>,
) -> Result<BaseConsumer<Context>, KafkaError> {
    let mut config: ClientConfig = client_config(settings, bootstrap, ClientKind::Consumer)?;
    config
        .set("client.id", format!("liaison-redrive, process {}", std::process::id()))
        .set("group.id", group)
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("session.timeout.ms", SESSION_MS)
        .set("heartbeat.interval.ms", "1500")
        .set("auto.offset.reset", "latest")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // With it, a second one would take the place of the first.
        .remove("group.instance.id");
    let context = Context { held: Mutex::new(held), complaints: Complaints::new(&config) };
    config.create_with_context(context).map_err(|error| KafkaError::Settings(LibraryError::from(error)))
}

fn poll(consumer: &BaseConsumer<Context>, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        match consumer.poll(POLL) {
            None | Some(Ok(_)) => {}
            Some(Err(error)) => tracing::debug!(%error, "holding a topic"),
        }
    }
    consumer.unsubscribe();
}

/// Who else is in the group, once those that may be dead had time to go.
async fn others(consumer: &Arc<BaseConsumer<Context>>, group: &str) -> Vec<String> {
    let until = Instant::now() + OTHERS_GO;
    loop {
        let others = members(consumer.clone(), group).await;
        if others.is_empty() || Instant::now() >= until {
            return others;
        }
        tracing::info!(others = others.join(", "), "waiting for another to end");
        tokio::time::sleep_until(Instant::now() + LOOK_AGAIN).await;
    }
}

/// The members of a group; none if Kafka does not say, as the embedded broker does not: then the assignment decides.
async fn members(consumer: Arc<BaseConsumer<Context>>, group: &str) -> Vec<String> {
    let group = group.to_owned();
    let looked = tokio::task::spawn_blocking(move || {
        let found = consumer.fetch_group_list(Some(&group), LOOKUP)?;
        let members = found.groups().iter().flat_map(|group| group.members());
        let text = |client: &str, host: &str| format!("{client} on {}", host.trim_start_matches('/'));
        Ok(members.map(|member| text(member.client_id(), member.client_host())).collect())
    });
    match looked.await {
        Ok(Ok(members)) => members,
        Ok(Err::<_, Failure>(error)) => {
            tracing::debug!(%error, "Kafka does not say who is in the group");
            Vec::new()
        }
        Err(_) => Vec::new(),
    }
}

fn others_text(others: &[String]) -> String {
    match others {
        [] => "somebody else is".to_owned(),
        [one] => format!("{one} is"),
        several => format!("{} are", several.join(" and ")),
    }
}

/// What librdkafka calls back inside of a poll.
struct Context {
    held: Mutex<watch::Sender<BTreeSet<i32>>>,
    complaints: Complaints,
}

impl Context {
    fn change(&self, change: impl FnOnce(&mut BTreeSet<i32>)) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).send_modify(change);
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.complaints.line(level, facility, message);
    }

    fn error(&self, error: Failure, reason: &str) {
        log_error(&error, reason);
    }
}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(list) = rebalance {
            let gone = partitions(list);
            self.change(|held| held.retain(|held| !gone.iter().any(|partition| partition.number == *held)));
        }
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let Rebalance::Assign(list) = rebalance else { return };
        let new = partitions(list);
        if !new.is_empty()
            && let Err(error) = consumer.pause(list)
        {
            tracing::debug!(%error, "a partition that is only held could not be paused");
        }
        self.change(|held| held.extend(new.iter().map(|partition| partition.number)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::client::test_settings;
    use crate::kafka::embedded::Embedded;

    #[tokio::test]
    async fn a_topic_is_held_by_one_and_then_by_the_next() {
        let broker = Embedded::start(&[("letters", 1)]).unwrap();
        let settings = test_settings(&[("group.instance.id", "same")]);
        let take = || hold(&settings, broker.bootstrap(), "group.redrive", "letters", 1);
        let first = take().await.unwrap();
        let refused = take().await.unwrap_err();
        assert!(matches!(refused, HoldError::Taken { .. }), "{refused}");
        first.release().await;
        let mut next = take().await.unwrap();
        let lost = tokio::time::timeout(Duration::from_millis(10), next.lost()).await;
        assert!(lost.is_err(), "nobody has come");
        next.release().await;
    }

    #[test]
    fn who_is_at_work_is_named() {
        for (others, expected) in [
            (&[][..], "somebody else is at work on topic t (group g): wait until that has ended"),
            (&["a"], "a is at work on topic t (group g): wait until that has ended"),
            (&["a", "b"], "a and b are at work on topic t (group g): wait until that has ended"),
        ] {
            let others = others.iter().map(|other| (*other).to_owned()).collect();
            let error = HoldError::Taken { group: "g".to_owned(), topic: "t".to_owned(), others };
            assert_eq!(error.to_string(), expected);
        }
    }
}
