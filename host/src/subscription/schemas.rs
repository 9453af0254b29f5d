//! The schemas of records that have just come: known, or waited for. Order stays, for nothing that came later passes.
//!
//! In come batches, out they go with the schemas that they need. While the registry does not answer the batch waits here,
//! no further one is taken, and it is told: the host is not ready, and an alert is raised. Nothing is given up for it.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::SubscriptionPlan;
use crate::alert::AlertKind;
use crate::event::Record;
use crate::kafka::consumer::Batch;
use crate::schema_registry::Schemas;

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

/// Those that may be in the wire format. Whose topic a parked record has is only known once it is opened.
fn of_interest<'a>(plan: &'a SubscriptionPlan, batch: &'a Batch) -> impl Iterator<Item = &'a Record> {
    batch.records.iter().filter(|record| {
        let topic = &*record.origin.topic;
        plan.registry.is_for(topic) || plan.delays.contains_key(topic)
    })
}

/// Asks until the registry has answered.
async fn read(plan: &SubscriptionPlan, batch: Batch) -> (Batch, Schemas) {
    let subject = format!("schemas of {}", plan.stages.subscription);
    let (mut wait, mut has_failed) = (WAIT, false);
    let schemas = loop {
        let away = match plan.registry.read(of_interest(plan, &batch)).await {
            Ok(schemas) => break schemas,
            Err(away) => away,
        };
        let message = format!("{away}; the events of {} wait until it does", plan.stages.subscription);
        plan.health.set_not_ready(&subject, message.clone());
        if !std::mem::replace(&mut has_failed, true) {
            plan.witness.raise(AlertKind::SchemaRegistryAway, message, None);
        }
        tokio::time::sleep_until(Instant::now() + wait).await;
        wait = (wait * 2).min(MAX_WAIT);
    };
    if has_failed {
        plan.health.set_ready(&subject);
        plan.witness.over(AlertKind::SchemaRegistryAway, None, format!("{subject} are read again"));
    }
    (batch, schemas)
}
