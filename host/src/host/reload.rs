//! Another configuration for a host that runs: who asks for it, and what is answered.
//!
//! A [`Reloader`] hands a configuration, or the word to read it again, to the host and waits for what came of it.
//! Reloads are one at a time, in the order in which they were asked for. What follows from one is decided in `changes`
//! and done in `supervisor`.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use tokio::sync::{Mutex, mpsc, oneshot};

use super::HostError;
use super::changes::Changes;
use crate::config::{Checked, Config, ConfigErrors, Places, PluginName, SubscriptionName};
use crate::telemetry::{ReloadMetrics, ReloadResult};

/// What a reload did. Every subscription of the old configuration and of the new one is in one of its lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reloaded {
    pub added: BTreeSet<SubscriptionName>,
    pub removed: BTreeSet<SubscriptionName>,
    pub restarted: BTreeSet<SubscriptionName>,
    /// They noticed nothing.
    pub unchanged: BTreeSet<SubscriptionName>,
    /// Their settings are other ones: what they hold is tried under the subscriptions that use them, and live or rolled
    /// back later.
    pub plugins: BTreeSet<PluginName>,
}

/// Why a reload did nothing: the host goes on as it was.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// Mistakes, or keys that cannot change while the host runs.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// What the configuration names cannot be set up.
    #[error(transparent)]
    Prepare(#[from] Box<HostError>),
    #[error("a fault of the host itself; please report it with the log")]
    Fault,
    #[error("this host was given its configuration by a program, and has no file to read it from again")]
    NoSource,
    #[error("the host is shutting down, or has ended")]
    ShuttingDown,
}

impl ReloadError {
    /// Is it the configuration that is to be mended, rather than something outside?
    pub fn is_configuration(&self) -> bool {
        match self {
            ReloadError::Config(_) => true,
            ReloadError::Prepare(error) => error.is_configuration(),
            ReloadError::Fault | ReloadError::NoSource | ReloadError::ShuttingDown => false,
        }
    }
}

impl From<HostError> for ReloadError {
    fn from(error: HostError) -> Self {
        ReloadError::Prepare(Box::new(error))
    }
}

impl From<&Changes> for Reloaded {
    fn from(changes: &Changes) -> Self {
        Self {
            added: changes.added.clone(),
            removed: changes.removed.clone(),
            restarted: changes.restarted.keys().cloned().collect(),
            unchanged: changes.unchanged.clone(),
            plugins: changes.plugins.clone(),
        }
    }
}

impl From<tokio::task::JoinError> for ReloadError {
    /// A task ends without an answer by a panic, or with its runtime.
    fn from(error: tokio::task::JoinError) -> Self {
        if error.is_panic() { ReloadError::Fault } else { ReloadError::ShuttingDown }
    }
}

/// Reads the configuration anew.
pub(super) type Source = Arc<dyn Fn() -> Result<Checked, ConfigErrors> + Send + Sync>;

/// Gives a host another configuration while it runs. Cheap to clone.
#[derive(Clone)]
pub struct Reloader {
    requests: mpsc::Sender<Request>,
    source: Option<Source>,
    /// Held from reading to the end: what was read later is never overtaken by what was read before.
    turn: Arc<Mutex<()>>,
    metrics: ReloadMetrics,
}

/// What the host is asked for.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) config: Box<Config>,
    /// Of what was read; of what was made in code there are none.
    pub(super) places: Places,
    pub(super) answer: Answer,
}

pub(super) type Answer = oneshot::Sender<Result<Reloaded, ReloadError>>;

impl Reloader {
    pub(super) fn new(metrics: ReloadMetrics) -> (Self, mpsc::Receiver<Request>) {
        let (requests, asked) = mpsc::channel(1);
        (Self { requests, source: None, turn: Arc::default(), metrics }, asked)
    }

    pub(super) fn with_source(self, source: Source) -> Self {
        Self { source: Some(source), ..self }
    }

    /// Has the host go on by this configuration. Answers when all that had to stop has left and all that is new has
    /// started: at worst after the longest grace period. A host that has not started yet does it then.
    ///
    /// # Errors
    /// When nothing came of it. It is in the log, and counted, too.
    pub async fn reload(&self, config: Config) -> Result<Reloaded, ReloadError> {
        let _turn = self.turn.lock().await;
        self.ask(config, Places::default()).await
    }

    /// The same, by what the configuration's source holds now.
    ///
    /// # Errors
    /// As [`reload`](Self::reload), and when there is no source, or a mistake in it.
    pub async fn read_again(&self) -> Result<Reloaded, ReloadError> {
        let _turn = self.turn.lock().await;
        let source = self.source.clone().ok_or(ReloadError::NoSource)?;
        let read = tokio::task::spawn_blocking(move || source()).await;
        let checked = read?;
        let Checked { config, places, .. } = checked.inspect_err(|errors| refused(&self.metrics, errors))?;
        self.ask(config, places).await
    }

    async fn ask(&self, config: Config, places: Places) -> Result<Reloaded, ReloadError> {
        let (answer, answered) = oneshot::channel();
        let request = Request { config: Box::new(config), places, answer };
        self.requests.send(request).await.map_err(|_| ReloadError::ShuttingDown)?;
        answered.await.unwrap_or(Err(ReloadError::ShuttingDown))
    }
}

/// Tells the log that the host goes on as it was, and counts it.
pub(super) fn refused(metrics: &ReloadMetrics, why: &impl fmt::Display) {
    metrics.reloads[ReloadResult::Refused].inc();
    tracing::error!("the configuration is not reloaded, and the host goes on as it was");
    // One line each, as at the start.
    why.to_string().lines().for_each(|line| tracing::error!("{line}"));
}

impl fmt::Debug for Reloader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has_source = self.source.is_some();
        formatter.debug_struct("Reloader").field("has_source", &has_source).finish_non_exhaustive()
    }
}
