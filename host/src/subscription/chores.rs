//! What a subscription does on the side, beside its deliveries: it parks what waits for long, reads its journal, and
//! removes from it what may go.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{LocalBoxFuture, join_all};
use tokio::time::Instant;

use super::journal::{Found, Read};
use super::task::{Sent, Task};
use super::{SubscriptionPlan, letters};
use crate::journal::entry::Key;
use crate::journal::store;

/// The longest wait between two tries to read.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// One that is done.
#[derive(Debug)]
pub(super) enum Chore {
    Parked(Sent),
    JournalRead(Read, Found),
    JournalTidied,
}

/// What the task wants done now.
pub(super) fn of<'a>(plan: &'a SubscriptionPlan, task: &mut Task) -> Vec<LocalBoxFuture<'a, Chore>> {
    let mut chores = Vec::new();
    for parcel in task.take_parcels() {
        chores.push(letters::park(plan, parcel).map(Chore::Parked).boxed_local());
    }
    let Some(topic) = &plan.settings.journal else { return chores };
    for part in task.take_journal_reads() {
        chores.push(read(plan, topic, part).boxed_local());
    }
    let removals = task.take_journal_removals();
    if !removals.is_empty() {
        chores.push(tidy(plan, topic, removals).boxed_local());
    }
    chores
}

/// Reads for ever if need be: without it, what was done before might be done again. The partitions wait.
async fn read(plan: &SubscriptionPlan, topic: &str, part: Read) -> Chore {
    let subject = format!("reading the journal of {}", plan.stages.subscription);
    let partitions: Vec<_> =
        part.partitions.iter().map(|(partition, _)| (partition.topic.clone(), partition.number)).collect();
    let mut wait = Duration::from_secs(1);
    loop {
        let error = match store::read(&plan.kafka, &plan.bootstrap, topic, partitions.clone()).await {
            Ok(found) => {
                plan.health.set_ready(&subject);
                return Chore::JournalRead(part, found);
            }
            Err(error) => error,
        };
        tracing::warn!(topic, %error, "the journal cannot be read; its deliveries wait, and it is tried again");
        plan.health.set_not_ready(&subject, error.to_string());
        tokio::time::sleep_until(Instant::now() + wait).await;
        wait = (wait * 2).min(MAX_WAIT);
    }
}

/// What cannot be removed now goes with the first commit of whoever has the partition next.
async fn tidy(plan: &SubscriptionPlan, topic: &str, keys: Vec<Key>) -> Chore {
    let sends = keys.iter().map(|key| plan.producer.send(store::outgoing(topic, key, None)));
    for error in join_all(sends).await.into_iter().filter_map(Result::err) {
        tracing::debug!(topic, %error, "an entry of the journal was not removed");
    }
    Chore::JournalTidied
}
