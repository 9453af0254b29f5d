//! Writes the events of one request to Kafka, in their order, and says what became of each.

use std::pin::Pin;
use std::task::Poll;

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

/// Sends all of them and waits for every acknowledgement. They are given to the producer one after another, so that those
/// of a key keep their order.
pub(super) async fn send(producer: &Producer, placed: Vec<Placed>) -> Vec<Sent> {
    let mut sends: Vec<Sending<'_>> =
        placed.into_iter().map(|placed| Sending::of(producer, placed)).collect();
    for send in &mut sends {
        send.begin().await;
    }
    join_all(sends.into_iter().map(Sending::end)).await
}

struct Sending<'a> {
    placed: Placed,
    state: State<'a>,
}

type Written = Result<(i32, i64), ProduceError>;

enum State<'a> {
    Underway(Pin<Box<dyn Future<Output = Written> + Send + 'a>>),
    Written(Written),
}

impl<'a> Sending<'a> {
    fn of(producer: &'a Producer, placed: Placed) -> Self {
        let outgoing = Outgoing {
            topic: placed.topic.clone(),
            key: placed.key.clone(),
            value: placed.incoming.value.clone(),
            headers: placed.incoming.headers.clone(),
            ..Outgoing::default()
        };
        Self { placed, state: State::Underway(Box::pin(producer.send(outgoing))) }
    }

    /// The first poll puts it into the producer's queue.
    async fn begin(&mut self) {
        if let State::Underway(sending) = &mut self.state
            && let Poll::Ready(written) = futures_util::poll!(sending)
        {
            self.state = State::Written(written);
        }
    }

    async fn end(self) -> Sent {
        let written = match self.state {
            State::Underway(sending) => sending.await,
            State::Written(written) => written,
        };
        let topic = self.placed.topic.as_str().into();
        (self.placed, written.map(|(partition, offset)| Origin { topic, partition, offset }))
    }
}

/// What the sender is told.
pub(super) fn answer(sent: &[Sent]) -> Answer {
    let events: Vec<Value> = sent.iter().map(told).collect();
    let Some(error) = sent.iter().find_map(|(_, written)| written.as_ref().err()) else {
        return json_answer(StatusCode::ACCEPTED, &json!({ "events": events }), "application/json");
    };
    let (status, what) = match error {
        ProduceError::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "send less in one event"),
        ProduceError::UnknownTopic { .. }
        | ProduceError::NotAuthorized { .. }
        | ProduceError::TimedOut { .. }
        | ProduceError::Unavailable { .. }
        | ProduceError::Fatal { .. }
        | ProduceError::Stopped { .. }
        | ProduceError::Refused { .. } => {
            (StatusCode::SERVICE_UNAVAILABLE, "send all of it again later, under the same ids")
        }
    };
    tracing::warn!(%error, "events that came over HTTP are not written");
    let mut problem = Problem::new(status, format!("not every event is written: {error}; {what}"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        problem = problem.header(header::RETRY_AFTER, "5");
    }
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
