//! Sends dead letters and parked events to Kafka, for ever if need be: an offset is let go only when its event is safe.

use std::time::Duration;

use tokio::time::Instant;

use super::SubscriptionPlan;
use super::task::{Letter, Parcel, Sent, Settles};
use crate::alert::AlertKind;
use crate::kafka::producer::{Outgoing, ProduceError};

/// The longest wait between two tries.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// Resolves when Kafka has acknowledged it. Until then the host is not ready, and the offset is held.
pub(super) async fn send(plan: &SubscriptionPlan, letter: Letter) -> Settles {
    let record = &letter.letter.record;
    let outgoing = || Outgoing {
        topic: plan.settings.dead_letter_topic.clone(),
        partition: None,
        key: record.key.clone(),
        value: record.value.clone(),
        headers: letter.letter.all_headers(),
        timestamp: None,
    };
    let subject = format!("dead letters of {}", plan.stages.subscription);
    let event_id = letter.letter.event_id.as_ref();
    write_for_ever(plan, &subject, event_id, outgoing, |_| false).await;
    letter.settles
}

/// Parks an event in its delay topic: the same, but that one too large for it waits in memory.
pub(super) async fn park(plan: &SubscriptionPlan, parcel: Parcel) -> Sent {
    let Parcel { outgoing, event_id, lane, at } = parcel;
    let subject = format!("parked events of {}", plan.stages.subscription);
    let is_final = |error: &ProduceError| matches!(error, ProduceError::TooLarge { .. });
    let written = write_for_ever(plan, &subject, Some(&event_id), || outgoing.clone(), is_final).await;
    if written { Sent::Parked { lane, topic: outgoing.topic } } else { Sent::Refused { lane, at } }
}

/// Writes the record however long it takes, unless an error says that it never will.
async fn write_for_ever(
    plan: &SubscriptionPlan,
    subject: &str,
    event_id: Option<&String>,
    outgoing: impl Fn() -> Outgoing,
    is_final: impl Fn(&ProduceError) -> bool,
) -> bool {
    let mut wait = Duration::from_secs(1);
    let mut failed = false;
    let is_written = loop {
        let Err(error) = plan.producer.send(outgoing()).await else { break true };
        if is_final(&error) {
            tracing::warn!(%error, "{subject}: one waits in memory");
            break false;
        }
        let message =
            format!("{subject} cannot be written: {error}; its offsets are held and it is tried again");
        plan.health.set_not_ready(subject, message.clone());
        if !failed {
            plan.witness.raise(AlertKind::ProduceFailing, message, event_id.cloned());
        }
        failed = true;
        tokio::time::sleep_until(Instant::now() + wait).await;
        wait = (wait * 2).min(MAX_WAIT);
    };
    if failed {
        plan.health.set_ready(subject);
    }
    is_written
}
