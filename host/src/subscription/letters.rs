//! Sends dead letters and parked events to Kafka, for ever if need be: an offset is let go only when its event is safe.

use std::time::Duration;

use tokio::time::Instant;

use super::SubscriptionPlan;
use super::task::{Letter, Parcel, Sent, Settles};
use crate::alert::AlertKind;
use crate::dead_letter::DeadLetter;
use crate::dead_letter::record::Shape;
use crate::dead_letter::store::outgoing;
use crate::kafka::producer::{ProduceError, Producer};

/// The longest wait between two tries.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// Resolves when Kafka has acknowledged it. Until then the host is not ready, and the offset is held.
pub(super) async fn send(plan: &SubscriptionPlan, letter: Letter) -> Settles {
    let subject = format!("dead letters of {}", plan.stages.subscription);
    let Letter { letter, settles } = letter;
    let write = async || send_once(&plan.producer, &letter, &plan.settings.dead_letter_topic).await.map(drop);
    write_for_ever(plan, &subject, letter.event_id.as_ref(), write, |_| false).await;
    settles
}

/// Parks an event in its delay topic: the same, but that one too large for it waits in memory.
pub(super) async fn park(plan: &SubscriptionPlan, parcel: Parcel) -> Sent {
    let Parcel { outgoing, event_id, lane, at } = parcel;
    let subject = format!("parked events of {}", plan.stages.subscription);
    let is_final = |error: &ProduceError| matches!(error, ProduceError::TooLarge { .. });
    let write = async || plan.producer.send(outgoing.clone()).await.map(drop);
    let written = write_for_ever(plan, &subject, Some(&event_id), write, is_final).await;
    if written { Sent::Parked { lane, topic: outgoing.topic } } else { Sent::Refused { lane, at } }
}

/// Writes the record however long it takes, unless an error says that it never will.
async fn write_for_ever(
    plan: &SubscriptionPlan,
    subject: &str,
    event_id: Option<&String>,
    write: impl AsyncFn() -> Result<(), ProduceError>,
    is_final: impl Fn(&ProduceError) -> bool,
) -> bool {
    let mut wait = Duration::from_secs(1);
    let mut failed = false;
    let is_written = loop {
        let Err(error) = write().await else { break true };
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
        plan.witness.over(AlertKind::ProduceFailing, None, format!("{subject} are written again"));
    }
    is_written
}

/// Writes a dead letter in the fullest shape that its topic takes; gives its partition and offset there.
pub(super) async fn send_once(
    producer: &Producer,
    letter: &DeadLetter,
    topic: &str,
) -> Result<(i32, i64), ProduceError> {
    let mut sent = producer.send(outgoing(letter, topic, Shape::Full)).await;
    let mut next = Some(Shape::Full);
    while let (Err(ProduceError::TooLarge { .. }), Some(shape)) = (&sent, next) {
        // The first time it may have been another that was too large.
        sent = producer.send_alone(outgoing(letter, topic, shape)).await;
        if let (Ok(_), Shape::WithoutRecording | Shape::Pointer) = (&sent, shape) {
            let origin = &letter.record.origin;
            tracing::warn!(%origin, topic, ?shape, "a dead letter was too large for its topic: less of it is written");
        }
        next = shape.smaller();
    }
    sent
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;
    use crate::dead_letter::record::tests::letter;
    use crate::kafka::client::test_settings;
    use crate::kafka::embedded::{Embedded, Failing, Request};
    use crate::kafka::reader::{Start, read_topic};

    #[tokio::test]
    async fn less_is_written_each_time_it_is_too_large_by_itself() {
        let broker = Embedded::start(&[("letters", 1)]).unwrap();
        let settings = test_settings(&[]);
        let producer = Producer::new(&settings, broker.bootstrap()).unwrap();
        let mut expected = Vec::new();
        // The first refusal may be another's fault.
        for (refusals, shape) in
            [(0, Shape::Full), (1, Shape::Full), (2, Shape::WithoutRecording), (3, Shape::Pointer)]
        {
            broker.fail(Request::Produce, &vec![Failing::MessageTooLarge; refusals]);
            send_once(&producer, &letter(), "letters").await.unwrap();
            expected.push(letter().shaped(shape).all_headers());
        }
        broker.fail(Request::Produce, &[Failing::MessageTooLarge; 4]);
        let refused = send_once(&producer, &letter(), "letters").await;
        assert!(matches!(refused, Err(ProduceError::TooLarge { .. })), "{refused:?}");
        let mut written = Vec::new();
        let limit = Duration::from_secs(20);
        read_topic(&settings, broker.bootstrap(), "letters", Start::Beginning, limit, |record| {
            written.push(record.headers);
            ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!(written, expected);
    }
}
