//! Keeps knowing how long the subscribed topics keep their events.
//!
//! Asked at the start and then now and again, for settings of topics change; nobody waits for the answer.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::watch;

use super::{AbortOnDrop, Host};
use crate::kafka::retention::{Retention, Retentions, of_topics};

const EVERY: Duration = Duration::from_secs(5 * 60);

impl Host {
    /// What is known, now and later, for as long as the task is held.
    pub(super) fn watch_retention(&self, bootstrap: &str) -> (AbortOnDrop, watch::Receiver<Retentions>) {
        let subscriptions = self.config.subscriptions.values();
        let topics: BTreeSet<String> =
            subscriptions.flat_map(|subscription| subscription.topics.iter().cloned()).collect();
        let (sender, retentions) = watch::channel(Retentions::new());
        let (settings, bootstrap) = (self.config.kafka.clone(), bootstrap.to_owned());
        let task = async move {
            let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
            let mut looks = tokio::time::interval(EVERY);
            loop {
                looks.tick().await;
                let found = of_topics(&settings, &bootstrap, &topics).await;
                say_unknown(&sender.borrow(), &found);
                sender.send_replace(found);
            }
        };
        (AbortOnDrop(tokio::spawn(task)), retentions)
    }
}

/// Says of each topic once that nobody can be warned before Kafka deletes its events.
fn say_unknown(before: &Retentions, found: &Retentions) {
    for (topic, retention) in found {
        let was_unknown = matches!(before.get(topic), Some(Retention::Unknown(_)));
        if let (Retention::Unknown(reason), false) = (retention, was_unknown) {
            tracing::info!(
                topic,
                reason,
                "retention is unknown: no warning before Kafka deletes undelivered events"
            );
        }
    }
}
