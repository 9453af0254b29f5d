//! The events: binary CloudEvents of 1 KB, numbered, written to Kafka in order with many on their way.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use liaison::config;
use liaison::kafka::producer::{Outgoing, ProduceError, Producer};
use tokio::time::MissedTickBehavior;

/// The JSON of one event, in bytes.
const VALUE_BYTES: usize = 1_000;

/// Sends on their way at the same time. Fewer than the producer's queue takes: a send that waits for room could be
/// overtaken.
const IN_FLIGHT: usize = 5_000;

/// Writes numbered events of given keys to one topic.
#[derive(Debug)]
pub struct Events<'a> {
    producer: Producer,
    topic: &'a str,
    keys: &'a [u32],
}

type Sent<'a> = Pin<Box<dyn Future<Output = Result<(i32, i64), ProduceError>> + 'a>>;

impl<'a> Events<'a> {
    /// `keys` has the key of each event. The producer does not linger.
    pub fn new(bootstrap: &str, topic: &'a str, keys: &'a [u32]) -> anyhow::Result<Self> {
        let settings = config::Kafka::new(config::Brokers::At(vec![bootstrap.to_owned()]));
        Ok(Self { producer: Producer::new(&settings, bootstrap)?, topic, keys })
    }

    /// Writes the events with these numbers as fast as Kafka takes them. All of them are acknowledged when it ends.
    pub async fn produce(&self, numbers: std::ops::Range<usize>) -> anyhow::Result<()> {
        let mut sent = VecDeque::with_capacity(IN_FLIGHT);
        for number in numbers {
            if sent.len() == IN_FLIGHT
                && let Some(oldest) = sent.pop_front()
            {
                acknowledged(oldest).await?;
            }
            sent.push_back(self.send(number).await);
        }
        all(sent).await
    }

    /// Writes the events with these numbers one by one, `pace` apart. Gives the time of each, before it was sent.
    pub async fn produce_paced(
        &self,
        numbers: std::ops::Range<usize>,
        pace: Duration,
    ) -> anyhow::Result<Vec<Instant>> {
        let mut ticks = tokio::time::interval(pace);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let (mut sent, mut times) = (VecDeque::new(), Vec::with_capacity(numbers.len()));
        for number in numbers {
            ticks.tick().await;
            times.push(Instant::now());
            sent.push_back(self.send(number).await);
        }
        all(sent).await?;
        Ok(times)
    }

    /// Puts an event into the producer's queue before anything else happens: its first poll does that.
    async fn send(&self, number: usize) -> Outcome<'_> {
        let mut sent: Sent<'_> = Box::pin(self.producer.send(record(self.topic, number, self.keys[number])));
        match poll_fn(|context| Poll::Ready(sent.as_mut().poll(context))).await {
            Poll::Ready(result) => Outcome::Known(result),
            Poll::Pending => Outcome::Awaited(sent),
        }
    }
}

/// What became of one send.
enum Outcome<'a> {
    Known(Result<(i32, i64), ProduceError>),
    Awaited(Sent<'a>),
}

async fn all(sent: VecDeque<Outcome<'_>>) -> anyhow::Result<()> {
    for outcome in sent {
        acknowledged(outcome).await?;
    }
    Ok(())
}

async fn acknowledged(outcome: Outcome<'_>) -> anyhow::Result<()> {
    match outcome {
        Outcome::Known(result) => result?,
        Outcome::Awaited(sent) => sent.await?,
    };
    Ok(())
}

fn record(topic: &str, number: usize, key: u32) -> Outgoing {
    let header =
        |name: &'static str, value: &'static str| (name.into(), Some(Bytes::from_static(value.as_bytes())));
    Outgoing {
        topic: topic.to_owned(),
        partition: None,
        key: Some(format!("key-{key}").into()),
        value: Some(value(number)),
        headers: vec![
            header("ce_specversion", "1.0"),
            ("ce_id".into(), Some(number.to_string().into())),
            header("ce_source", "/bench"),
            header("ce_type", "policy.updated"),
            header("content-type", "application/json"),
        ],
        timestamp: None,
    }
}

fn value(number: usize) -> Bytes {
    let mut json =
        format!(r#"{{"id":{number},"updatedAt":"2026-01-01T00:00:00Z","title":"Policy {number}","text":""#);
    let end = "\"}";
    let text = VALUE_BYTES.saturating_sub(json.len() + end.len());
    json.extend("The quick brown fox. ".chars().cycle().take(text));
    json.push_str(end);
    json.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_kilobyte_of_json() {
        for number in [0, 199_999] {
            let value = value(number);
            assert_eq!(value.len(), VALUE_BYTES);
            assert_eq!(serde_json::from_slice::<serde_json::Value>(&value).unwrap()["id"], number);
        }
    }
}
