//! What must be there before the subscriptions start: brokers that answer, and the topics that are the host's own.

use std::collections::BTreeMap;
use std::time::Duration;

use super::HostError;
use super::broker::EMBEDDED_PARTITIONS;
use super::setup::Setup;
use crate::config::{Brokers, Subscription, SubscriptionName};
use crate::dead_letter;
use crate::journal;
use crate::kafka::client::KafkaError;
use crate::kafka::topics::Topics;

/// The subject of `/readyz` that is not ready until the brokers answered.
const KAFKA: &str = "kafka";
/// Partitions of a dead-letter topic and of a journal that the host makes.
const OWN_PARTITIONS: i32 = 1;
/// Partitions of a delay topic that the host makes: so many hosts share its events.
const DELAY_PARTITIONS: i32 = 4;
/// How long a parked event is kept after it was due: for as long all hosts may be down.
const PARKED_FOR: Duration = Duration::from_secs(14 * 24 * 3600);

/// The topics that hold parked events of each subscription, those of an earlier configuration too.
pub(super) type Delays = BTreeMap<SubscriptionName, BTreeMap<String, Duration>>;

impl Setup {
    /// Waits for the brokers, for as long as the configuration says.
    pub(super) async fn wait_for_kafka(&self, bootstrap: &str) -> Result<(), HostError> {
        let settings = &self.config.kafka;
        self.health.set_not_ready(KAFKA, format!("waiting for the brokers at {bootstrap}"));
        tracing::info!(bootstrap, "waiting for Kafka");
        Topics::new(settings, bootstrap)?.wait_for_brokers(settings.start_timeout).await?;
        self.health.set_ready(KAFKA);
        Ok(())
    }

    /// Makes the host's own topics of these subscriptions that are missing.
    pub(super) async fn prepare_topics(
        &self,
        names: impl Iterator<Item = &SubscriptionName>,
        bootstrap: &str,
    ) -> Result<Delays, HostError> {
        let subscriptions = names.filter_map(|name| self.config.subscriptions.get_key_value(name));
        let subscriptions: Vec<_> = subscriptions.collect();
        if subscriptions.is_empty() {
            return Ok(Delays::new());
        }
        let topics = Topics::new(&self.config.kafka, bootstrap)?;
        for (_, subscription) in &subscriptions {
            make_own(&topics, subscription).await?;
            if self.config.kafka.brokers == Brokers::Embedded {
                // Nobody else would make what it is to read.
                for topic in &subscription.topics {
                    topics.ensure(topic, EMBEDDED_PARTITIONS, &[]).await?;
                }
            }
        }
        let existing = topics.names().await?;
        let delays = subscriptions.into_iter().map(|(name, subscription)| {
            let found =
                existing.iter().filter_map(|topic| Some((topic.clone(), subscription.delay_of(topic)?)));
            (name.clone(), subscription.delay_topics().into_iter().chain(found).collect())
        });
        Ok(delays.collect())
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
