//! One subscription: events from Kafka, through plugins, into an external system.
//!
//! ```text
//! consumer ─▶ receive ─▶ next_job ─▶ carry: transform, step, perform ─▶ finish ─▶ settle ─▶ commit
//!             (lanes)    (oldest     (many at the same time)           (rules)    (offsets)
//!                         first)                  dead letter: acknowledged by Kafka first
//! ```
//!
//! Joins the stages; none of them knows another. It lives on one worker thread, as all subscriptions of its connector
//! do, so nothing in it is locked. `redrive` and `replay` do the same for dead letters, on a person's word.

mod carried;
mod checked;
mod chores;
pub mod filter;
mod journal;
mod lanes;
mod letters;
mod makers;
pub(crate) mod metadata;
mod offsets;
mod oversight;
pub(crate) mod parked;
mod partitions;
mod recordings;
pub(crate) mod redrive;
pub(crate) mod replay;
mod schemas;
mod share;
pub mod stages;
mod task;
mod weight;
mod witness;
mod work;

use std::collections::BTreeMap;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::TrySendError;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::mpsc::Receiver;
use tokio::sync::watch;
use tokio::time::Instant;

use self::chores::Chore;
use self::filter::{Filter, FilterError};
use self::stages::{Stages, StagesError, StagesPlan, Writer};
use self::task::Task;
use self::work::{Happened, Work};
use crate::admin::Health;
use crate::config;
use crate::kafka::client::KafkaError;
use crate::kafka::consumer::{self, Consumer, Control};
use crate::kafka::producer::Producer;
use crate::schema_registry::SchemaRegistry;

pub(crate) use self::carried::unix_ms;
pub(crate) use self::oversight::KnownRetentions;
pub(crate) use self::share::Share;
pub(crate) use self::witness::Witness;

/// How long leaving the group may take before it is left to itself.
const LEAVE_LIMIT: Duration = Duration::from_secs(20);

/// All that a worker needs to run one subscription.
#[derive(Debug)]
pub(crate) struct SubscriptionPlan {
    pub(crate) settings: config::Subscription,
    pub(crate) kafka: config::Kafka,
    pub(crate) bootstrap: String,
    /// Topics that hold parked events of this subscription.
    pub(crate) delays: BTreeMap<String, Duration>,
    pub(crate) stages: StagesPlan,
    pub(crate) witness: Witness,
    pub(crate) producer: Arc<Producer>,
    pub(crate) health: Health,
    pub(crate) retentions: watch::Receiver<KnownRetentions>,
    /// What decodes records in the wire format.
    pub(crate) registry: SchemaRegistry,
}

#[derive(Debug, thiserror::Error)]
pub enum SubscriptionError {
    #[error(transparent)]
    Stages(#[from] StagesError),
    #[error(transparent)]
    Filter(#[from] FilterError),
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    #[error("a fault of the host itself: {0}; please report it with the log")]
    Panicked(tokio::task::JoinError),
    #[error("the consumer of group {group} cannot go on: {reason}")]
    Consumer { group: String, reason: String },
}

/// Runs the subscription until `shutdown` is ready, then finishes what is in flight, commits and leaves.
pub(crate) async fn run(
    plan: SubscriptionPlan,
    share: Share,
    shutdown: impl Future<Output = ()>,
) -> Result<(), SubscriptionError> {
    let settings = &plan.settings;
    let mut stages = Stages::new(&plan.stages, share.clone())?;
    if let Some(topic) = &settings.journal {
        let (producer, witness, health) = (plan.producer.clone(), plan.witness.clone(), plan.health.clone());
        stages = stages.with_journal(Writer::new(producer, topic.clone(), witness, health));
    }
    let stages = Rc::new(stages);
    let filter = Filter::new(settings.types.set().clone(), settings.filter.as_deref())?;
    let (group, topics, grace) = (&settings.group, &settings.topics, settings.grace);
    let batch = task::part_of(settings.bounds.events);
    let mut consumer =
        consumer::start(&plan.kafka, &plan.bootstrap, group, topics, &plan.delays, grace, batch)?;
    let mut task = Task::new(&plan, filter, share.clone(), consumer.commands.clone());

    let watching = checked::watch(&stages, &share, &plan.witness);
    let result = tokio::select! {
        biased;
        result = deliver(&plan, &stages, &mut task, &mut consumer, shutdown) => result,
        never = watching => match never {},
    };
    if result.is_ok() {
        leave(&mut task, &mut consumer).await;
    }
    result
}

async fn deliver(
    plan: &SubscriptionPlan,
    stages: &Rc<Stages>,
    task: &mut Task,
    consumer: &mut Consumer,
    shutdown: impl Future<Output = ()>,
) -> Result<(), SubscriptionError> {
    let mut work = Work::default();
    let mut shutdown = pin!(shutdown);
    let mut stop_by: Option<Instant> = None;
    loop {
        let (now, now_ms) = (Instant::now(), unix_ms());
        stages.refresh();
        task.receive_kept();
        while let Some((lane, mut job)) = task.next_job(now, now_ms) {
            let stages = stages.clone();
            work.turns.push(async move { (lane, stages.carry(&mut job).await) });
        }
        stages.set_hurried(task.is_hurried());
        for letter in task.take_letters() {
            work.letters.push(letters::send(plan, letter));
        }
        work.chores.extend(chores::of(plan, task));
        if stop_by.is_some_and(|stop_by| task.is_idle() || now >= stop_by) {
            return Ok(());
        }
        work.wake_at(stop_by.map_or(task.next_tick(), |stop_by| stop_by.min(task.next_tick())));

        let happened = std::future::poll_fn(|context| {
            task.listen(context.waker());
            // First, because a backlog may never let the others be idle.
            if stop_by.is_none() && shutdown.as_mut().poll(context).is_ready() {
                return Poll::Ready(Happened::Shutdown);
            }
            work.poll(plan, stages, task, consumer, context)
        });
        let happened = happened.await;
        if matches!(happened, Happened::Shutdown) {
            stop_by = Some(Instant::now() + plan.settings.grace);
        }
        follow(plan, task, &mut consumer.controls, happened)?;
        let now = Instant::now();
        task.tick(now);
        stages.rest(now);
    }
}

/// Does what follows from it.
fn follow(
    plan: &SubscriptionPlan,
    task: &mut Task,
    controls: &mut Receiver<Control>,
    happened: Happened,
) -> Result<(), SubscriptionError> {
    match happened {
        Happened::Turns(ended) => {
            let now = Instant::now();
            ended.into_iter().for_each(|(lane, done)| task.finish(lane, done, now));
        }
        Happened::Acknowledged(settles) => task.acknowledged(settles),
        Happened::Chore(Chore::Parked(sent)) => task.parked(sent),
        Happened::Chore(Chore::JournalRead(read, found)) => task.journal_read(read, found),
        Happened::Chore(Chore::JournalTidied) | Happened::Tick => {}
        Happened::Control(control) => obey(plan, task, control)?,
        Happened::Records(batch, schemas) => {
            // Its partitions were assigned before it was sent, which must be heard first.
            while let Ok(control) = controls.try_recv() {
                obey(plan, task, control)?;
            }
            task.receive(batch, schemas);
        }
        Happened::Shutdown => task.stop(),
        Happened::ConsumerGone => {
            let reason = "its thread has ended".to_owned();
            return Err(SubscriptionError::Consumer { group: plan.settings.group.clone(), reason });
        }
    }
    Ok(())
}

fn obey(plan: &SubscriptionPlan, task: &mut Task, control: Control) -> Result<(), SubscriptionError> {
    if let Control::Failed { error } = control {
        return Err(SubscriptionError::Consumer { group: plan.settings.group.clone(), reason: error });
    }
    task.control(control, Instant::now());
    Ok(())
}

/// Commits the last positions and leaves the group.
async fn leave(task: &mut Task, consumer: &mut Consumer) {
    let limit = Instant::now() + LEAVE_LIMIT;
    let mut stop = task.last_command();
    // Batches that nobody takes would keep the thread from hearing of this.
    consumer.batches.close();
    while let Err(TrySendError::Full(command)) = consumer.commands.try_send(stop) {
        stop = command;
        // The thread has commands to obey, and says of each commit how it went.
        match tokio::time::timeout_at(limit, consumer.controls.recv()).await {
            Ok(Some(control)) => last_control(task, control),
            Ok(None) | Err(_) => break,
        }
    }
    loop {
        match tokio::time::timeout_at(limit, consumer.controls.recv()).await {
            Ok(Some(Control::Stopped | Control::Failed { .. }) | None) => return,
            Ok(Some(Control::Committed { error: Some(error), .. })) => {
                tracing::warn!(error, "the last commit failed: some events will come again");
            }
            Ok(Some(control)) => last_control(task, control),
            Err(_) => {
                return tracing::warn!("Kafka did not answer the last commit: some events will come again");
            }
        }
    }
}

/// Nothing is in flight any more that a revoke could wait for.
fn last_control(task: &mut Task, control: Control) {
    let now = Instant::now();
    task.control(control, now);
    task.end_revoke_now(now);
}
