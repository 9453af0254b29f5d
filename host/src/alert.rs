//! Tells people: every cause once while it lasts, in the log, to a webhook and by e-mail.
//!
//! In come alerts from anywhere in the host, through a sender that never waits. One task finds out what is news
//! (`causes`) and logs it; each receiver has a task and a bounded outbox of its own, so that one that fails delays
//! nobody else. What a receiver does not take in the end is lost but for the log: nothing in the host depends on an
//! alert. What is worth one is decided elsewhere.
//!
//! ```text
//! raise, over ─▶ causes ─▶ log
//!                       ├▶ outbox ─▶ webhook
//!                       └▶ outbox ─▶ e-mail, one for each address
//! ```

mod causes;
mod email;
mod outbox;
mod receiver;
mod webhook;
mod words;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio::time::Instant;

use self::causes::{Causes, News, Notice, Now, State};
use self::receiver::Receiver;
use crate::config::secret::SecretError;
use crate::config::webhook_key::NotAKey;
use crate::config::{self, ConnectorName, SubscriptionName};
use crate::contract::TimestampMs;
use crate::telemetry::{AlertMetrics, AlertReceiver};

pub use self::words::AlertKind;

/// Signals on their way to the task, and notices on their way to one receiver.
const QUEUE: usize = 1000;

/// One thing that people should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    pub kind: AlertKind,
    pub subscription: Option<SubscriptionName>,
    pub connector: Option<ConnectorName>,
    /// Which of several causes of this kind that the subscription can have at the same time, such as an event type of
    /// the SLA. Few values: never what comes from an event.
    pub about: Option<String>,
    /// What happened, for a person.
    pub message: String,
    pub event_id: Option<String>,
    pub at_ms: TimestampMs,
}

/// Why alerts cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum AlertError {
    #[error("a secret of [alerts]: {0}")]
    Secret(#[from] SecretError),
    #[error("the secret of the alert webhook {0}")]
    NotASecret(NotAKey),
    #[error("no certificate authority of this system could be read, so {url} cannot be trusted: {reason}")]
    NoAuthorities { url: url::Url, reason: String },
    #[error("TLS for the alert webhook cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    #[error("the client of the alert webhook cannot be set up: {0}")]
    Client(#[from] reqwest::Error),
    #[error("`{address}` in [alerts.email] is no e-mail address: {source}")]
    Address { address: String, source: lettre::address::AddressError },
    #[error("`ca-file` in [alerts.email]: {path} cannot be read: {source}", path = path.display())]
    CaFile { path: std::path::PathBuf, source: std::io::Error },
    #[error("TLS for the mail server of [alerts.email] cannot be set up: {0}")]
    MailTls(#[source] lettre::transport::smtp::Error),
}

/// Raises alerts. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AlertSender {
    signals: mpsc::Sender<Signal>,
    metrics: AlertMetrics,
}

enum Signal {
    Raised(Alert),
    Over(Alert),
    /// A subscription is no more; its connector neither, if nobody else uses it.
    Ended(SubscriptionName, Option<ConnectorName>),
    Replaced(Receivers),
}

/// Who is told, and how often: what the configuration names, set up.
pub struct Receivers {
    all: Vec<Receiver>,
    reminder: Duration,
    quiet: Duration,
}

/// Sets up alerts: the sender, and the task that tells what it raises.
///
/// The task ends when all senders are gone and what they raised is told or given up, at worst after an hour: who shuts
/// down drops it when there is no more time.
pub fn alerts(
    settings: &config::Alerts,
    metrics: AlertMetrics,
) -> Result<(AlertSender, impl Future<Output = ()> + Send + use<>), AlertError> {
    let receivers = Receivers::new(settings)?;
    let (signals, raised) = mpsc::channel(QUEUE);
    let causes = Causes::new(receivers.reminder, receivers.quiet);
    let tasks = FuturesUnordered::new();
    let mut teller = Teller { causes, outlets: Vec::new(), tasks, metrics: metrics.clone() };
    teller.replace(receivers);
    Ok((AlertSender { signals, metrics }, teller.run(raised)))
}

impl Receivers {
    /// Reads secrets and certificates; reaches nobody yet.
    pub fn new(settings: &config::Alerts) -> Result<Self, AlertError> {
        Ok(Self { all: Receiver::all(settings)?, reminder: settings.reminder, quiet: settings.quiet })
    }
}

impl std::fmt::Debug for Receivers {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Receivers").field("count", &self.all.len()).finish_non_exhaustive()
    }
}

impl AlertSender {
    /// Something happened, or holds. Told at once if it is news, else with the next reminder. Never waits.
    pub fn raise(&self, alert: Alert) {
        self.metrics.raised.inc();
        self.send(Signal::Raised(alert));
    }

    /// What was raised with this kind, subscription and `about` is over; nothing happens if it was not, or is already.
    /// Never waits.
    pub fn over(&self, alert: Alert) {
        self.send(Signal::Over(alert));
    }

    /// A subscription is no more, and with `connector` that neither: what was raised for them is over.
    pub async fn ended(&self, subscription: SubscriptionName, connector: Option<ConnectorName>) {
        // There is no task only when the host is gone.
        drop(self.signals.send(Signal::Ended(subscription, connector)).await);
    }

    /// Tells these from now on. What the earlier ones have not taken yet they are still told; what lasts is not told
    /// anew.
    pub async fn replace(&self, receivers: Receivers) {
        // As above.
        drop(self.signals.send(Signal::Replaced(receivers)).await);
    }

    fn send(&self, signal: Signal) {
        let Err(error) = self.signals.try_send(signal) else { return };
        let is_full = matches!(error, mpsc::error::TrySendError::Full(_));
        let (Signal::Raised(alert) | Signal::Over(alert)) = error.into_inner() else { return };
        if is_full {
            self.metrics.failed[AlertReceiver::Log].inc();
            tracing::error!(queue = QUEUE, "alerts come too fast, one was dropped: {}", alert.message);
        } else {
            tracing::warn!("an alert while the host shuts down: {}", alert.message);
        }
    }
}

/// Finds out what is news, and hands it to everyone who is told.
struct Teller {
    causes: Causes,
    outlets: Vec<(AlertReceiver, mpsc::Sender<Arc<Notice>>)>,
    /// One for each receiver, those too that have notices left and get no more.
    tasks: FuturesUnordered<BoxFuture<'static, ()>>,
    metrics: AlertMetrics,
}

impl Teller {
    async fn run(mut self, mut signals: mpsc::Receiver<Signal>) {
        loop {
            let due = self.causes.next_due();
            let is_due = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                signal = signals.recv() => match signal {
                    Some(signal) => self.hear(signal),
                    None => break,
                },
                Some(()) = self.tasks.next() => {}
                () = is_due => {
                    let due = self.causes.due(now());
                    due.into_iter().for_each(|notice| self.tell(notice));
                }
            }
        }
        self.outlets.clear();
        while let Some(()) = self.tasks.next().await {}
    }

    fn hear(&mut self, signal: Signal) {
        match signal {
            Signal::Raised(alert) => {
                let news = self.causes.raised(alert, now());
                self.pass_on(news);
            }
            Signal::Over(alert) => {
                let news = self.causes.over(alert, now());
                self.pass_on(news);
            }
            Signal::Ended(subscription, connector) => {
                let over = self.causes.ended(&subscription, connector.as_ref(), now());
                over.into_iter().for_each(|notice| self.tell(notice));
            }
            Signal::Replaced(receivers) => self.replace(receivers),
        }
    }

    fn replace(&mut self, receivers: Receivers) {
        self.causes.change(receivers.reminder, receivers.quiet);
        self.outlets.clear();
        for receiver in receivers.all {
            let (outlet, notices) = mpsc::channel(QUEUE);
            self.outlets.push((receiver.kind(), outlet));
            self.tasks.push(Box::pin(receiver::run(receiver, notices, self.metrics.clone())));
        }
    }

    fn pass_on(&mut self, news: News) {
        match news {
            News::Tell(notice) => self.tell(*notice),
            News::Known => {}
            News::NoRoom(alert) => {
                self.metrics.failed[AlertReceiver::Log].inc();
                tracing::error!("too many causes of alerts at once, one is only logged: {}", alert.message);
            }
        }
    }

    fn tell(&self, notice: Notice) {
        notice.log();
        let notice = Arc::new(notice);
        for (kind, outlet) in &self.outlets {
            // Its task takes what comes at once, so this is full only when the process is starved.
            if outlet.try_send(notice.clone()).is_err() {
                receiver::dropped(*kind, &notice, &self.metrics);
            }
        }
    }
}

fn now() -> Now {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Now { at: Instant::now(), ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX) }
}

impl Notice {
    fn log(&self) {
        let Notice { state, alert, count, .. } = self;
        let (state, kind) = (state.name(), alert.kind.name());
        let subscription = alert.subscription.as_ref().map(SubscriptionName::as_str);
        let connector = alert.connector.as_ref().map(ConnectorName::as_str);
        let event_id = alert.event_id.as_deref();
        let message = &alert.message;
        match self.state {
            State::Raised | State::Reminder if alert.kind.needs_a_person() => {
                tracing::error!(alert = kind, state, count, subscription, connector, event_id, "{message}");
            }
            State::Raised | State::Reminder | State::Recovered => {
                tracing::warn!(alert = kind, state, count, subscription, connector, event_id, "{message}");
            }
        }
    }
}

#[cfg(test)]
mod tests;
