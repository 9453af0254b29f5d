//! The schemas of records that have just come: known, or waited for. Order stays, for nothing that came later passes.
//!
//! In come batches, out they go with the schemas that they need. While the registry does not answer the batch waits here,
//! no further one is taken, and it is told: the host is not ready, and an alert is raised. Nothing is given up for it. While
//! it answers that it has no such schema the batch waits too, for as long as that may be a replica's lag.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::{SubscriptionPlan, parked};
use crate::alert::AlertKind;
use crate::event::Record;
use crate::kafka::consumer::Batch;
use crate::schema_registry::{Away, NotYet, SchemaRegistry, Schemas};

/// The first wait before the registry is asked again, and the longest.
const WAIT: Duration = Duration::from_millis(500);
const MAX_WAIT: Duration = Duration::from_secs(10);

/// A batch whose schemas are being read, if any.
#[derive(Default)]
pub(super) struct Reading<'a>(Option<Read<'a>>);

type Read<'a> = Pin<Box<dyn Future<Output = (Batch, Schemas)> + 'a>>;

impl<'a> Reading<'a> {
    /// The next batch with its schemas; `next` gives one that has just come.
    pub(super) fn poll(
        &mut self,
        plan: &'a SubscriptionPlan,
        context: &mut Context<'_>,
        next: impl FnOnce(&mut Context<'_>) -> Poll<Option<Batch>>,
    ) -> Poll<(Batch, Schemas)> {
        if self.0.is_none() {
            let Poll::Ready(Some(batch)) = next(context) else { return Poll::Pending };
            if let Some(schemas) = plan.registry.look_up(of_interest(plan, &batch)) {
                return Poll::Ready((batch, schemas));
            }
            self.0 = Some(Box::pin(read(plan, batch)));
        }
        let Some(reading) = &mut self.0 else { return Poll::Pending };
        let read = reading.as_mut().poll(context);
        if read.is_ready() {
            self.0 = None;
        }
        read
    }
}

/// Those that are decoded if they are in the wire format.
fn of_interest<'a>(plan: &'a SubscriptionPlan, batch: &'a Batch) -> impl Iterator<Item = &'a Record> {
    batch.records.iter().filter(|record| is_decoded(&plan.registry, &plan.delays, record))
}

/// Is this a record to decode? What is parked has the topic that it came from.
pub(super) fn is_decoded(
    registry: &SchemaRegistry,
    delays: &BTreeMap<String, Duration>,
    record: &Record,
) -> bool {
    let topic = &*record.origin.topic;
    match delays.contains_key(topic) {
        false => registry.is_for(topic),
        // To look into its headers costs something.
        true => {
            SchemaRegistry::may_be_for(record)
                && parked::topic_of(record).is_some_and(|topic| registry.is_for(&topic))
        }
    }
}

/// Asks until the registry has answered.
async fn read(plan: &SubscriptionPlan, batch: Batch) -> (Batch, Schemas) {
    let since = Instant::now();
    let mut absence = Absence { plan, is_told: false };
    let mut wait = WAIT;
    let schemas = loop {
        match plan.registry.read(of_interest(plan, &batch), since).await {
            Ok(schemas) => break schemas,
            Err(NotYet::Unknown(ids)) => {
                tracing::debug!(?ids, "events wait for schemas that the registry does not know, or not yet");
                absence.end();
                wait = WAIT;
            }
            Err(NotYet::Away(away)) => absence.begin(&away),
        }
        tokio::time::sleep_until(Instant::now() + wait).await;
        if absence.is_told {
            wait = (wait * 2).min(MAX_WAIT);
        }
    };
    absence.end();
    (batch, schemas)
}

/// The registry does not answer: told once when that begins, and when it is over.
struct Absence<'a> {
    plan: &'a SubscriptionPlan,
    is_told: bool,
}

impl Absence<'_> {
    fn begin(&mut self, away: &Away) {
        let plan = self.plan;
        let message = format!("{away}; the events of {} wait until it does", plan.stages.subscription);
        plan.health.set_not_ready(&self.subject(), message.clone());
        if !std::mem::replace(&mut self.is_told, true) {
            plan.witness.raise(AlertKind::SchemaRegistryAway, message, None);
        }
    }

    fn end(&mut self) {
        if std::mem::take(&mut self.is_told) {
            let subject = self.subject();
            self.plan.health.set_ready(&subject);
            self.plan.witness.over(AlertKind::SchemaRegistryAway, None, format!("{subject} are read again"));
        }
    }

    fn subject(&self) -> String {
        format!("schemas of {}", self.plan.stages.subscription)
    }
}
