//! Sends dead letters to Kafka, for ever if need be: an event is settled only when its dead letter is safe.

use std::time::Duration;

use tokio::time::Instant;

use super::SubscriptionPlan;
use super::task::{Letter, Settles};
use crate::alert::AlertKind;
use crate::kafka::producer::Outgoing;

/// The longest wait between two tries.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// Resolves when Kafka has acknowledged it. Until then the host is not ready, and the offset is held.
pub(super) async fn send(plan: &SubscriptionPlan, letter: Letter) -> Settles {
    let subject = format!("dead letters of {}", plan.stages.subscription);
    let mut wait = Duration::from_secs(1);
    let mut failed = false;
    loop {
        let record = &letter.letter.record;
        let outgoing = Outgoing {
            topic: plan.settings.dead_letter_topic.clone(),
            partition: None,
            key: record.key.clone(),
            value: record.value.clone(),
            headers: letter.letter.all_headers(),
            timestamp: None,
        };
        let Err(error) = plan.producer.send(outgoing).await else { break };
        let message =
            format!("{subject} cannot be written: {error}; its offsets are held and it is tried again");
        plan.health.set_not_ready(&subject, message.clone());
        if !failed {
            plan.witness.raise(AlertKind::ProduceFailing, message, letter.letter.event_id.clone());
        }
        failed = true;
        tokio::time::sleep_until(Instant::now() + wait).await;
        wait = (wait * 2).min(MAX_WAIT);
    }
    if failed {
        plan.health.set_ready(&subject);
        plan.witness.over(AlertKind::ProduceFailing, None, format!("{subject} are written again"));
    }
    letter.settles
}
