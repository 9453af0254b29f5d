//! Where Kafka is: elsewhere, or inside this process.

use std::collections::BTreeSet;

use super::HostError;
use crate::config::{Brokers, Config};
use crate::kafka::embedded::Embedded;

/// Partitions of each topic of the embedded broker.
pub(super) const EMBEDDED_PARTITIONS: i32 = 4;

/// The brokers' addresses, separated by commas; with the embedded broker, if it is one, which is there for as long as
/// that is held.
pub(super) fn reach(config: &Config) -> Result<(Option<Embedded>, String), HostError> {
    let brokers = match &config.kafka.brokers {
        Brokers::At(brokers) => return Ok((None, brokers.join(","))),
        Brokers::Embedded => start_embedded(config)?,
    };
    let bootstrap = brokers.bootstrap().to_owned();
    Ok((Some(brokers), bootstrap))
}

fn start_embedded(config: &Config) -> Result<Embedded, HostError> {
    let subscriptions = config.subscriptions.values();
    let topics: BTreeSet<String> = subscriptions
        .flat_map(|subscription| subscription.topics.iter().cloned().chain(subscription.own_topics()))
        .collect();
    let topics: Vec<_> = topics.iter().map(|topic| (topic.as_str(), EMBEDDED_PARTITIONS)).collect();
    let embedded = Embedded::start(&topics)?;
    let bootstrap = embedded.bootstrap();
    tracing::warn!(
        bootstrap,
        "the embedded broker keeps nothing: all events are gone when this process ends"
    );
    Ok(embedded)
}
