//! What must be there before the subscriptions start: brokers that answer, and the topics that are the host's own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Host, HostError};
use crate::config::{Subscription, SubscriptionName};
use crate::dead_letter;
use crate::journal;
use crate::kafka::client::KafkaError;
use crate::kafka::producer::Producer;
use crate::kafka::topics::Topics;

/// The subject of `/readyz` that is not ready until the brokers answered.
const KAFKA: &str = "kafka";
/// Partitions of a dead-letter topic and of a journal that the host makes.
const OWN_PARTITIONS: i32 = 1;
/// Partitions of a delay topic that the host makes: so many hosts share its events.
const DELAY_PARTITIONS: i32 = 4;
/// How long a parked event is kept after it was due: for as long all hosts may be down.
const PARKED_FOR: Duration = Duration::from_secs(14 * 24 * 3600);

/// What is there.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) producer: Arc<Producer>,
    /// The topics that hold parked events of each subscription, those of an earlier configuration too.
    pub(super) delays: BTreeMap<SubscriptionName, BTreeMap<String, Duration>>,
}

impl Host {
    /// Waits for the brokers, and makes the host's own topics that are missing.
    pub(super) async fn prepare_kafka(&self, bootstrap: &str) -> Result<Prepared, HostError> {
        let settings = &self.config.kafka;
        let topics = Topics::new(settings, bootstrap)?;
        self.health.set_not_ready(KAFKA, format!("waiting for the brokers at {bootstrap}"));
        tracing::info!(bootstrap, "waiting for Kafka");
        topics.wait_for_brokers(settings.start_timeout).await?;
        for subscription in self.config.subscriptions.values() {
            make_own(&topics, subscription).await?;
        }
        let names = topics.names().await?;
        let delays = self.config.subscriptions.iter().map(|(name, subscription)| {
            let found = names.iter().filter_map(|topic| Some((topic.clone(), subscription.delay_of(topic)?)));
            (name.clone(), subscription.delay_topics().into_iter().chain(found).collect())
        });
        let delays = delays.collect();
        let producer = Arc::new(Producer::new(settings, bootstrap)?);
        self.health.set_ready(KAFKA);
        Ok(Prepared { producer, delays })
    }
}

async fn make_own(topics: &Topics, subscription: &Subscription) -> Result<(), KafkaError> {
    let letters = &subscription.dead_letter_topic;
    topics.ensure(letters, OWN_PARTITIONS, &dead_letter::store::TOPIC_CONFIG).await?;
    if let Some(journal) = &subscription.journal {
        topics.ensure(journal, OWN_PARTITIONS, &journal::store::TOPIC_CONFIG).await?;
    }
    for (topic, delay) in subscription.delay_topics() {
        let retention_ms = (PARKED_FOR + delay).as_millis().to_string();
        let config = [
            ("cleanup.policy", "delete"),
            ("retention.ms", retention_ms.as_str()),
            ("max.message.bytes", "8388608"),
        ];
        topics.ensure(&topic, DELAY_PARTITIONS, &config).await?;
    }
    Ok(())
}
