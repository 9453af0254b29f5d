//! Keeps knowing how long the subscribed topics keep their events.
//!
//! Asked at the start and then now and again, for settings of topics change; nobody waits for the answer.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::watch;

use super::AbortOnDrop;
use crate::config::{Config, Kafka};
use crate::kafka::retention::{Retention, Retentions, of_topics};
use crate::subscription::KnownRetentions;

const EVERY: Duration = Duration::from_secs(5 * 60);

/// What is known, for as long as this is held.
#[derive(Debug)]
pub(super) struct RetentionWatch {
    bootstrap: String,
    known: watch::Sender<KnownRetentions>,
    asking: AbortOnDrop,
}

impl RetentionWatch {
    /// For who does not want to know.
    pub(super) fn of_nothing(config: &Config) -> watch::Receiver<KnownRetentions> {
        nothing(config).1
    }

    /// Of the topics of this configuration.
    pub(super) fn start(config: &Config, bootstrap: &str) -> Self {
        let (known, _) = nothing(config);
        let asking = ask(config, bootstrap, &known);
        Self { bootstrap: bootstrap.to_owned(), known, asking }
    }

    /// The same of another configuration: who listens goes on listening.
    pub(super) fn follow(&mut self, config: &Config) {
        self.known.send_modify(|known| known.warn_at_share = config.alerts.retention_share);
        self.asking = ask(config, &self.bootstrap, &self.known);
    }

    pub(super) fn listen(&self) -> watch::Receiver<KnownRetentions> {
        self.known.subscribe()
    }
}

fn nothing(config: &Config) -> (watch::Sender<KnownRetentions>, watch::Receiver<KnownRetentions>) {
    let warn_at_share = config.alerts.retention_share;
    watch::channel(KnownRetentions { of_topics: Retentions::new(), warn_at_share })
}

fn ask(config: &Config, bootstrap: &str, known: &watch::Sender<KnownRetentions>) -> AbortOnDrop {
    let subscriptions = config.subscriptions.values();
    let topics = subscriptions.flat_map(|subscription| subscription.topics.iter().cloned()).collect();
    let (settings, bootstrap, known) = (config.kafka.clone(), bootstrap.to_owned(), known.clone());
    AbortOnDrop(tokio::spawn(keep_asking(topics, settings, bootstrap, known)))
}

async fn keep_asking(
    topics: BTreeSet<String>,
    settings: Kafka,
    bootstrap: String,
    known: watch::Sender<KnownRetentions>,
) {
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    let mut looks = tokio::time::interval(EVERY);
    loop {
        looks.tick().await;
        let found = of_topics(&settings, &bootstrap, &topics).await;
        say_unknown(&known.borrow().of_topics, &found);
        known.send_modify(|known| known.of_topics = found);
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
