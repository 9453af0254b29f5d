//! Writes the events of one request to Kafka, in their order, and says what became of each.

use std::collections::HashSet;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{StatusCode, header};
use serde_json::{Value, json};

use super::answer::{Answer, Problem, json_answer};
use crate::event::{Incoming, Origin};
use crate::kafka::producer::{Outgoing, ProduceError, Producer};

/// An event that is allowed, with its place.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) incoming: Incoming,
    pub(super) topic: String,
    pub(super) key: Option<Bytes>,
}

/// One that was sent: where Kafka has it, or why it has not.
pub(super) type Sent = (Placed, Result<Origin, ProduceError>);

/// Sends all of them and waits for every acknowledgement. Each is in the producer's queue before the next one is given to
/// it, so that those of a key keep their order.
pub(super) async fn send(producer: &Producer, placed: Vec<Placed>) -> Vec<Sent> {
    let mut queued = Vec::with_capacity(placed.len());
    for one in &placed {
        queued.push(producer.queue(outgoing(one)).await);
    }
    let acknowledged = queued.into_iter().map(async |queued| queued?.acknowledged().await);
    let written = join_all(acknowledged).await;
    let sent = placed.into_iter().zip(written);
    let mut sent: Vec<Sent> = sent
        .map(|(one, written)| {
            let written = written.map(|place| origin(&one, place));
            (one, written)
        })
        .collect();
    send_again(producer, &mut sent).await;
    sent
}

/// Kafka refuses a batch of records as a whole: what it called too large may only have been beside something that is, and
/// is sent again by itself. What follows it under its key goes again too, or it would be the older that comes last.
async fn send_again(producer: &Producer, sent: &mut [Sent]) {
    let mut late = HashSet::new();
    for (placed, written) in sent {
        let lane = placed.key.clone().map(|key| (placed.topic.clone(), key));
        let is_again = match written {
            Ok(_) => lane.as_ref().is_some_and(|lane| late.contains(lane)),
            Err(error) => is_too_large(error),
        };
        if !is_again {
            continue;
        }
        let again = producer.send_alone(outgoing(placed)).await;
        *written = again.map(|place| origin(placed, place));
        match written {
            Ok(_) => late.extend(lane),
            Err(error) if is_too_large(error) => {}
            // All of it is to be sent again anyway: nobody waits for the rest to fail too.
            Err(_) => return,
        }
    }
}

fn outgoing(placed: &Placed) -> Outgoing {
    Outgoing {
        topic: placed.topic.clone(),
        key: placed.key.clone(),
        value: placed.incoming.value.clone(),
        headers: placed.incoming.headers.clone(),
        ..Outgoing::default()
    }
}

fn origin(placed: &Placed, (partition, offset): (i32, i64)) -> Origin {
    Origin { topic: placed.topic.as_str().into(), partition, offset }
}

/// Sent again it is refused again; all else may be taken later.
fn is_too_large(error: &ProduceError) -> bool {
    match error {
        ProduceError::TooLarge { .. } => true,
        ProduceError::UnknownTopic { .. }
        | ProduceError::NotAuthorized { .. }
        | ProduceError::TimedOut { .. }
        | ProduceError::Unavailable { .. }
        | ProduceError::Fatal { .. }
        | ProduceError::Stopped { .. }
        | ProduceError::Refused { .. } => false,
    }
}

/// What the sender is told: where anything may be taken later, to send all of it again, even if something else is too large.
pub(super) fn answer(sent: &[Sent]) -> Answer {
    let events: Vec<Value> = sent.iter().map(told).collect();
    let failed = || sent.iter().filter_map(|(_, written)| written.as_ref().err());
    let passing = failed().find(|error| !is_too_large(error));
    let Some(error) = passing.or_else(|| failed().next()) else {
        return json_answer(StatusCode::ACCEPTED, &json!({ "events": events }), "application/json");
    };
    tracing::warn!(%error, "events that came over HTTP are not written");
    let detail = |what: &str| format!("not every event is written: {error}; {what}");
    let problem = if is_too_large(error) {
        let what = "send less in one event; the others are written where `events` says an offset";
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail(what))
    } else {
        let what = "send all of it again later, under the same ids";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail(what)).header(header::RETRY_AFTER, "5")
    };
    problem.with("events", json!(events)).into_answer()
}

fn told((placed, written): &Sent) -> Value {
    let event = &placed.incoming.event;
    let mut told =
        json!({ "id": event.id, "source": event.source, "type": event.kind, "topic": placed.topic });
    match written {
        Ok(origin) => {
            told["partition"] = json!(origin.partition);
            told["offset"] = json!(origin.offset);
        }
        Err(error) => told["error"] = json!(error.to_string()),
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::client::test_settings;
    use crate::kafka::embedded::{Embedded, Failing, Request};

    /// So many events of one key, to the only partition of a topic.
    fn placed(count: usize) -> Vec<Placed> {
        let one = |number: usize| {
            let text = format!(
                r#"{{"specversion":"1.0","id":"{number}","source":"/s","type":"t","data":{{"n":{number}}}}}"#
            );
            let incoming = Incoming::from_structured(&Bytes::from(text)).unwrap();
            Placed { incoming, topic: "events".to_owned(), key: Some(Bytes::from_static(b"k")) }
        };
        (0..count).map(one).collect()
    }

    fn start(properties: &[(&str, &str)]) -> (Embedded, Producer) {
        let broker = Embedded::start(&[("events", 1)]).unwrap();
        let producer = Producer::new(&test_settings(properties), broker.bootstrap()).unwrap();
        (broker, producer)
    }

    fn offsets(sent: &[Sent]) -> Vec<i64> {
        sent.iter().map(|(_, written)| written.as_ref().unwrap().offset).collect()
    }

    #[tokio::test]
    async fn the_events_of_a_request_keep_their_order_when_the_queue_is_full() {
        let (_broker, producer) = start(&[("queue.buffering.max.messages", "3")]);
        let sent = send(&producer, placed(500)).await;
        assert_eq!(offsets(&sent), (0..500).collect::<Vec<i64>>());
    }

    #[tokio::test]
    async fn what_was_only_beside_something_too_large_is_written() {
        let (broker, producer) = start(&[("linger.ms", "50")]);
        broker.fail(Request::Produce, &[Failing::MessageTooLarge]);
        let sent = send(&producer, placed(5)).await;
        assert_eq!(answer(&sent).status(), StatusCode::ACCEPTED);
        let offsets = offsets(&sent);
        assert!(offsets.is_sorted(), "the older must not come last: {offsets:?}");
    }

    #[tokio::test]
    async fn one_that_is_too_large_by_itself_is_named_and_its_neighbours_are_written() {
        let (_broker, producer) = start(&[("message.max.bytes", "2000")]);
        let mut events = placed(3);
        events[1].incoming.value = Some(Bytes::from(vec![b'x'; 3000]));
        let sent = send(&producer, events).await;
        assert_eq!(answer(&sent).status(), StatusCode::PAYLOAD_TOO_LARGE);
        let is_written: Vec<_> = sent.iter().map(|(_, written)| written.is_ok()).collect();
        assert_eq!(is_written, [true, false, true]);
    }

    #[tokio::test]
    async fn what_may_be_taken_later_goes_before_what_is_too_large() {
        let (_broker, producer) = start(&[("message.max.bytes", "2000")]);
        let mut events = placed(2);
        events[0].incoming.value = Some(Bytes::from(vec![b'x'; 3000]));
        let mut sent = send(&producer, events).await;
        sent[1].1 = Err(ProduceError::Stopped { topic: "events".to_owned() });
        let answer = answer(&sent);
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(answer.headers().contains_key(header::RETRY_AFTER));
    }
}
