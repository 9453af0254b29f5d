//! Tells people: every alert is logged, and posted to a webhook if one is configured.
//!
//! In come alerts from anywhere in the host, through a sender that never waits; out go log lines at once and signed
//! requests from a task behind a bounded queue. An alert that cannot be posted is lost but for its log line: nothing in
//! the host depends on one. What is worth an alert is decided elsewhere.

mod webhook;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

use crate::config::secret::SecretError;
use crate::config::{self, ConnectorName, SubscriptionName};
use crate::contract::TimestampMs;
use crate::telemetry::AlertMetrics;

/// Alerts that wait for the webhook at most.
const QUEUE: usize = 1000;

/// One thing that people should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    pub kind: AlertKind,
    pub subscription: Option<SubscriptionName>,
    pub connector: Option<ConnectorName>,
    /// What happened and what to do, for a person.
    pub message: String,
    pub event_id: Option<String>,
    pub at_ms: TimestampMs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AlertKind {
    /// An event was given up.
    DeadLetter,
    /// An event missed its deadline.
    DeadlineMissed,
    /// An external system refuses our credentials: the subscription is paused.
    Denied,
    /// A connector counts as down.
    BreakerOpened,
    /// It is up again.
    BreakerClosed,
    /// Kafka does not take a dead letter: offsets are held.
    ProduceFailing,
    /// Most deliveries of a subscription would be dead letters: it waits.
    FloodBegan,
    /// They go on.
    FloodEnded,
}

/// Why alerts cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum AlertError {
    #[error("the secret of the alert webhook: {0}")]
    Secret(#[from] SecretError),
    #[error("the secret of the alert webhook is not `whsec_` and base64, as Standard Webhooks wants it")]
    NotASecret,
    #[error("no certificate authority of this system could be read, so {url} cannot be trusted: {reason}")]
    NoAuthorities { url: url::Url, reason: String },
    #[error("TLS for the alert webhook cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    #[error("the client of the alert webhook cannot be set up: {0}")]
    Client(#[from] reqwest::Error),
}

/// Raises alerts. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AlertSender {
    /// `None` without a webhook.
    queue: Option<mpsc::Sender<Alert>>,
    lost: Arc<AtomicU64>,
    metrics: AlertMetrics,
    /// Held by every sender, so that the task knows when the last is gone.
    _open: mpsc::Sender<std::convert::Infallible>,
}

/// Sets up alerts: the sender, and the task that posts what it raises.
///
/// The task ends when all senders are gone and what they raised is posted or given up, at worst about a minute an
/// alert: who shuts down drops it when there is no more time.
pub fn alerts(
    settings: &config::Alerts,
    metrics: AlertMetrics,
) -> Result<(AlertSender, impl Future<Output = ()> + Send + use<>), AlertError> {
    let poster = settings.webhook.as_ref().map(webhook::Poster::new).transpose()?;
    let (queue, mut raised) = mpsc::channel(QUEUE);
    let (open, mut closed) = mpsc::channel(1);
    let queue = poster.is_some().then_some(queue);
    let sender = AlertSender { queue, lost: Arc::default(), metrics: metrics.clone(), _open: open };
    let task = async move {
        if let Some(poster) = poster {
            while let Some(alert) = raised.recv().await {
                if poster.post(&alert).await.is_err() {
                    metrics.failed.inc();
                }
            }
        }
        // Nothing ever comes: this waits for the last sender to go.
        closed.recv().await;
    };
    Ok((sender, task))
}

impl AlertSender {
    /// Logs the alert, and hands it to the webhook's task if there is room. Never waits.
    pub fn raise(&self, alert: Alert) {
        alert.log();
        self.metrics.raised.inc();
        let Some(queue) = &self.queue else { return };
        match queue.try_send(alert) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.metrics.failed.inc();
                if self.lost.fetch_add(1, Ordering::Relaxed) == 0 {
                    tracing::error!(queue = QUEUE, "the alert webhook is too slow: alerts are only logged");
                }
            }
            // The host is shutting down: the log has it.
            Err(mpsc::error::TrySendError::Closed(_)) => {}
        }
    }

    /// Alerts that did not fit the queue and were only logged.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl AlertKind {
    pub fn name(self) -> &'static str {
        match self {
            AlertKind::DeadLetter => "dead-letter",
            AlertKind::DeadlineMissed => "deadline-missed",
            AlertKind::Denied => "denied",
            AlertKind::BreakerOpened => "breaker-opened",
            AlertKind::BreakerClosed => "breaker-closed",
            AlertKind::ProduceFailing => "produce-failing",
            AlertKind::FloodBegan => "flood-began",
            AlertKind::FloodEnded => "flood-ended",
        }
    }

    /// Does nothing go on before a person acts?
    fn needs_a_person(self) -> bool {
        match self {
            AlertKind::Denied | AlertKind::ProduceFailing | AlertKind::FloodBegan => true,
            AlertKind::DeadLetter
            | AlertKind::DeadlineMissed
            | AlertKind::BreakerOpened
            | AlertKind::BreakerClosed
            | AlertKind::FloodEnded => false,
        }
    }
}

impl Alert {
    fn log(&self) {
        let alert = self.kind.name();
        let subscription = self.subscription.as_ref().map(SubscriptionName::as_str);
        let connector = self.connector.as_ref().map(ConnectorName::as_str);
        let event_id = self.event_id.as_deref();
        if self.kind.needs_a_person() {
            tracing::error!(alert, subscription, connector, event_id, "{}", self.message);
        } else {
            tracing::warn!(alert, subscription, connector, event_id, "{}", self.message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn alert(message: &str) -> Alert {
        Alert {
            kind: AlertKind::DeadLetter,
            subscription: Some(SubscriptionName::new("calendar")),
            connector: Some(ConnectorName::new("training-calendar")),
            message: message.to_owned(),
            event_id: Some("e-1".to_owned()),
            at_ms: 1_700_000_000_123,
        }
    }

    pub(super) fn webhook(
        address: std::net::SocketAddr,
        secret: &str,
    ) -> (config::Alerts, std::path::PathBuf) {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("liaison-alert-{}-{number}", std::process::id()));
        std::fs::write(&path, secret).unwrap();
        let url = format!("http://{address}/alerts").parse().unwrap();
        let secret = config::SecretRef::File(path.clone());
        (config::Alerts { webhook: Some(config::Webhook { url, secret }) }, path)
    }

    #[tokio::test]
    async fn without_a_webhook_the_task_ends_with_the_last_sender() {
        let (sender, task) = alerts(&config::Alerts::default(), AlertMetrics::default()).unwrap();
        let mut task = std::pin::pin!(task);
        for _ in 0..2 * QUEUE {
            sender.raise(alert("x"));
        }
        let other = sender.clone();
        drop(sender);
        let pending =
            std::future::poll_fn(|context| std::task::Poll::Ready(task.as_mut().poll(context))).await;
        assert!(pending.is_pending());
        assert_eq!(other.lost(), 0);
        drop(other);
        task.await;
    }

    #[tokio::test]
    async fn raising_never_waits_and_what_does_not_fit_is_counted() {
        let unused = std::net::SocketAddr::from(([127, 0, 0, 1], 9));
        let (settings, path) = webhook(unused, "whsec_c2VjcmV0");
        let metrics = AlertMetrics::default();
        let (sender, task) = alerts(&settings, metrics.clone()).unwrap();
        std::fs::remove_file(path).unwrap();
        for _ in 0..QUEUE + 3 {
            sender.raise(alert("x"));
        }
        assert_eq!(sender.lost(), 3);
        drop(task);
        sender.raise(alert("after the end"));
        assert_eq!(sender.lost(), 3);
        assert_eq!((metrics.raised.get(), metrics.failed.get()), (QUEUE as u64 + 4, 3));
    }

    #[test]
    fn a_secret_that_cannot_sign_is_refused_at_the_start() {
        let unused = std::net::SocketAddr::from(([127, 0, 0, 1], 9));
        for wrong in ["c2VjcmV0", "whsec_", "whsec_not base64"] {
            let (settings, path) = webhook(unused, wrong);
            let error = alerts(&settings, AlertMetrics::default()).map(|_| ()).unwrap_err();
            std::fs::remove_file(path).unwrap();
            assert!(matches!(error, AlertError::NotASecret), "{wrong}: {error}");
            assert!(!error.to_string().contains("c2VjcmV0"), "{error}");
        }
    }
}
