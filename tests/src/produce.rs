//! Puts events into Kafka as a core platform would: many at a time, in order, and acknowledged before it returns.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use futures_util::stream::FuturesOrdered;
use futures_util::{FutureExt as _, StreamExt as _};
use liaison::config::{Brokers, Kafka};
use liaison::kafka::producer::{Outgoing, Producer};

/// Records on their way at the same time.
const IN_FLIGHT: usize = 1_000;
const FLUSH_LIMIT: Duration = Duration::from_secs(30);

/// A plain JSON event of this type (in the header `type`) and key.
pub fn event(topic: &str, kind: &str, key: &str, data: &serde_json::Value) -> Outgoing {
    Outgoing {
        topic: topic.to_owned(),
        partition: None,
        key: Some(Bytes::copy_from_slice(key.as_bytes())),
        value: Some(Bytes::from(data.to_string())),
        headers: vec![("type".into(), Some(Bytes::copy_from_slice(kind.as_bytes())))],
        timestamp: None,
    }
}

/// The same as a CloudEvent in binary mode, with an id of its own.
pub fn cloudevent(topic: &str, kind: &str, id: &str, key: &str, data: &serde_json::Value) -> Outgoing {
    let header =
        |name: &'static str, value: &str| (name.into(), Some(Bytes::copy_from_slice(value.as_bytes())));
    let headers = vec![
        header("ce_specversion", "1.0"),
        header("ce_id", id),
        header("ce_source", "/tests"),
        header("ce_type", kind),
        header("content-type", "application/json"),
    ];
    Outgoing { headers, ..event(topic, kind, key, data) }
}

/// Sends them in this order and waits until Kafka has them all.
pub fn produce(bootstrap: &str, records: Vec<Outgoing>) -> anyhow::Result<()> {
    let producer = producer(bootstrap)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut sent = FuturesOrdered::new();
        for record in records {
            if sent.len() == IN_FLIGHT
                && let Some(result) = sent.next().await
            {
                let _: (i32, i64) = result?;
            }
            sent.push_back(producer.send(record));
        }
        while let Some(result) = sent.next().await {
            result.context("Kafka did not take an event")?;
        }
        anyhow::Ok(())
    })?;
    ensure!(producer.flush(FLUSH_LIMIT), "Kafka did not take all events");
    Ok(())
}

/// Sends one after each `interval`, in this order, and waits until Kafka has them all. Gives when each was sent.
pub fn produce_paced(
    bootstrap: &str,
    records: Vec<Outgoing>,
    interval: Duration,
) -> anyhow::Result<Vec<Instant>> {
    produce_paced_by(&producer(bootstrap)?, records, interval)
}

/// The same by a producer that is there already. For whoever measures: where a new one does not find the broker at once,
/// it asks again after half a second, and all that it was given waits for as long.
pub fn produce_paced_by(
    producer: &Producer,
    records: Vec<Outgoing>,
    interval: Duration,
) -> anyhow::Result<Vec<Instant>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut ticks = tokio::time::interval(interval);
        let (mut sent, mut times) = (FuturesOrdered::new(), Vec::with_capacity(records.len()));
        for record in records {
            ticks.tick().await;
            times.push(Instant::now());
            sent.push_back(producer.send(record));
            // Looked at, it is on its way.
            while let Some(Some(result)) = sent.next().now_or_never() {
                let _: (i32, i64) = result?;
            }
        }
        while let Some(result) = sent.next().await {
            result.context("Kafka did not take an event")?;
        }
        Ok(times)
    })
}

/// A producer that has yet to find the broker.
pub fn producer(bootstrap: &str) -> anyhow::Result<Producer> {
    Ok(Producer::new(&Kafka::new(Brokers::At(vec![bootstrap.to_owned()])), bootstrap)?)
}
