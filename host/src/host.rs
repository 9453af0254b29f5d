//! The host: everything a configuration names, running. What the binary, the tests and those who embed it use.
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::sync::Arc;
//!
//! use liaison::config::{Brokers, Config, Connector, ConnectorName, PluginName, Subscription, SubscriptionName};
//! use liaison::contract::{Delivery, Outcome, Receipt, Step};
//! use liaison::event::Event;
//! use liaison::host::{Host, SyncEnd};
//! use liaison::native::NativeConnector;
//!
//! /// A connector of this process; `config.plugins` names components instead.
//! #[derive(Debug)]
//! struct Archive;
//!
//! impl NativeConnector for Archive {
//!     fn deliver(&self, _: &Delivery) -> Step {
//!         Step::Settle(Outcome::Delivered(Receipt::default()))
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut config = Config::new(Brokers::Embedded);
//! let (plugin, archive) = (PluginName::new("archive"), ConnectorName::new("archive"));
//! let connector = Connector::new(plugin.clone(), "http://archive.example.gov/".parse()?);
//! config.connectors.insert(archive.clone(), connector);
//! let name = SubscriptionName::new("archive");
//! let subscription = Subscription::new(&name, archive.clone(), vec!["policy-events".into()]);
//! config.subscriptions.insert(name, subscription);
//!
//! let native: Arc<dyn NativeConnector> = Arc::new(Archive);
//! let host = Host::with_native(config, BTreeMap::from([(plugin, native)]))?;
//! let event = Event::from_text(r#"{"specversion":"1.0","id":"1","source":"/core","type":"policy.updated"}"#)?;
//! let runtime = tokio::runtime::Runtime::new()?;
//! let summary = runtime.block_on(host.sync_event(&event))?;
//! assert_eq!(summary[&archive], SyncEnd::Delivered);
//! # Ok(())
//! # }
//!
//! /// Delivers until ctrl-c.
//! async fn serve(host: Host) -> Result<(), liaison::host::HostError> {
//!     host.run(async { drop(tokio::signal::ctrl_c().await) }).await
//! }
//! ```

mod inspect;
mod once;
mod plans;
mod prepare;
mod redrive;
mod replay;
mod retention;
mod workers;

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use self::plans::pool_size;
use self::workers::Workers;
use crate::admin::{AdminError, AdminServer, Health};
use crate::alert::AlertError;
use crate::config::{Brokers, Config, ConnectorName, PluginName, SubscriptionName};
use crate::kafka::client::KafkaError;
use crate::kafka::embedded::Embedded;
use crate::native::NativeConnector;
use crate::plugin::Runtime;
use crate::rehearsal::certificate::{self, CertificateError};
use crate::subscription::stages::{Loaded, Stages};
use crate::telemetry::Telemetry;

pub use self::inspect::inspect;
pub use self::redrive::{Candidate, DeadLetters, DiscardError};
pub use self::replay::{ReplayError, replay};
pub use crate::plugin::{Compiled, Import, Inspection, Needs, PluginError, Producer};
pub use crate::subscription::SubscriptionError;
pub use crate::subscription::redrive::{RedriveError, Report as RedriveReport, Request as RedriveRequest};
pub use crate::subscription::stages::{StagesError, SyncEnd};

/// Partitions of each topic of the embedded broker.
const EMBEDDED_PARTITIONS: i32 = 4;
/// How long the producer may take to send what is left at the end.
const FLUSH_LIMIT: Duration = Duration::from_secs(5);
/// How long alerts may take to be posted at the end.
const ALERTS_LIMIT: Duration = Duration::from_secs(5);
/// Calls of one user of a plugin that may be under way, and instances that may be kept warm for it.
const INSTANCES_A_USER: u32 = 8;

#[derive(Debug, thiserror::Error)]
pub enum HostError {
    #[error(transparent)]
    Plugin(#[from] PluginError),
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    #[error(transparent)]
    Stages(#[from] StagesError),
    #[error(transparent)]
    Alerts(#[from] AlertError),
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error("subscription {subscription}: {source}")]
    Subscription { subscription: SubscriptionName, source: Box<SubscriptionError> },
    #[error("cannot start a worker thread: {0}")]
    Worker(#[source] std::io::Error),
    #[error("subscription {subscription}: {source}")]
    Redrive { subscription: SubscriptionName, source: Box<RedriveError> },
    #[error("subscription {subscription} needs {what}, which the configuration does not have")]
    Missing { subscription: SubscriptionName, what: String },
}

impl HostError {
    /// Is it the configuration that is to be mended, rather than something outside?
    pub fn is_configuration(&self) -> bool {
        match self {
            HostError::Plugin(_)
            | HostError::Certificate(_)
            | HostError::Stages(_)
            | HostError::Alerts(_)
            | HostError::Kafka(
                KafkaError::Settings(_) | KafkaError::Secret { .. } | KafkaError::NoAuthorities { .. },
            )
            | HostError::Missing { .. } => true,
            HostError::Subscription { source, .. } => {
                matches!(**source, SubscriptionError::Stages(_) | SubscriptionError::Filter(_))
            }
            HostError::Kafka(_) | HostError::Admin(_) | HostError::Worker(_) | HostError::Redrive { .. } => {
                false
            }
        }
    }
}

/// How an event ended in each system it was delivered to at once.
pub type Summary = BTreeMap<ConnectorName, SyncEnd>;

/// A host that is ready to run.
#[derive(Debug)]
pub struct Host {
    config: Config,
    plugins: BTreeMap<PluginName, Loaded>,
    telemetry: Telemetry,
    health: Health,
}

impl Host {
    /// Loads and checks all plugins. Blocks while it compiles those it has not seen before: seconds for a large one.
    pub fn from_config(config: Config) -> Result<Self, HostError> {
        Self::with_native(config, BTreeMap::new())
    }

    /// As [`from_config`](Self::from_config), with connectors of this process under the names of plugins.
    pub fn with_native(
        config: Config,
        native: BTreeMap<PluginName, Arc<dyn NativeConnector>>,
    ) -> Result<Self, HostError> {
        let mut plugins: BTreeMap<_, _> =
            native.into_iter().map(|(name, connector)| (name, Loaded::Native(connector))).collect();
        if !config.plugins.is_empty() {
            let runtime = Runtime::new(&config.runtime, pool_size(&config))?;
            for (name, settings) in &config.plugins {
                let plugin = runtime.load(name, settings)?;
                certificate::required(name, settings, &config.runtime, &plugin.sha256)?;
                plugins.insert(name.clone(), Loaded::Component(Arc::new(plugin)));
            }
        }
        let host = Self { config, plugins, telemetry: Telemetry::new(), health: Health::new() };
        for name in host.config.subscriptions.keys() {
            // Settings, secrets and kinds of plugins are found wrong here rather than on a worker.
            drop(Stages::alone(&host.stages_plan(name)?)?);
        }
        Ok(host)
    }

    /// What it was made from.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Its plugins, each with the sha256 of the component that was loaded; `None` for those of this process.
    pub fn plugins(&self) -> impl Iterator<Item = (&PluginName, Option<[u8; 32]>)> {
        self.plugins.iter().map(|(name, loaded)| match loaded {
            Loaded::Component(plugin) => (name, Some(plugin.sha256)),
            Loaded::Native(_) => (name, None),
        })
    }

    pub fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Runs all subscriptions until `shutdown` is ready; then finishes what is in flight, commits and leaves.
    ///
    /// Ends with an error when Kafka does not answer within `kafka.start-timeout`, when the admin address is taken, or
    /// when a subscription cannot go on; the others are shut down in order first.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), HostError> {
        let embedded = self.start_embedded()?;
        let bootstrap = bootstrap(embedded.as_ref(), &self.config.kafka.brokers);
        let (stop, stopped) = watch::channel(false);
        let _admin = self.start_admin().await?;
        let (alerts, post_alerts) =
            crate::alert::alerts(&self.config.alerts, self.telemetry.alerts().clone())?;
        let post_alerts = tokio::spawn(post_alerts);

        let mut shutdown = pin!(shutdown);
        let prepared = tokio::select! {
            prepared = self.prepare_kafka(&bootstrap) => prepared?,
            () = &mut shutdown => return Ok(()),
        };
        let (_watch, retentions) = self.watch_retention(&bootstrap);
        let plans = self.plans(&bootstrap, &prepared, &alerts, &retentions)?;
        drop(alerts);
        let mut workers =
            Workers::start(plans, self.config.runtime.workers, &stopped).map_err(HostError::Worker)?;
        let first = tokio::select! {
            ended = workers.next() => ended,
            () = shutdown => None,
        };
        if first.is_none() {
            tracing::info!("shutting down: finishing what is in flight");
        }
        stop.send_replace(true);
        let failure = workers.all(first).await;
        if !prepared.producer.flush(FLUSH_LIMIT) {
            tracing::warn!("some dead letters were not acknowledged: their events come again");
        }
        drop(tokio::time::timeout(ALERTS_LIMIT, post_alerts).await);
        match failure {
            Some((subscription, source)) => {
                Err(HostError::Subscription { subscription, source: Box::new(source) })
            }
            None => Ok(()),
        }
    }

    fn start_embedded(&self) -> Result<Option<Embedded>, HostError> {
        if self.config.kafka.brokers != Brokers::Embedded {
            return Ok(None);
        }
        let subscriptions = self.config.subscriptions.values();
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
        Ok(Some(embedded))
    }

    async fn start_admin(&self) -> Result<Option<AbortOnDrop>, HostError> {
        let Some(address) = self.config.admin else { return Ok(None) };
        let server = AdminServer::bind(address).await?;
        let address = server.address();
        tracing::info!(%address, "health and metrics");
        let served = server.serve(self.telemetry.clone(), self.health.clone(), std::future::pending());
        Ok(Some(AbortOnDrop(tokio::spawn(async {
            if let Err(error) = served.await {
                tracing::error!(%error, "health and metrics are no longer served");
            }
        }))))
    }
}

/// A task that ends with the host.
struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn bootstrap(embedded: Option<&Embedded>, brokers: &Brokers) -> String {
    match (embedded, brokers) {
        (Some(embedded), _) => embedded.bootstrap().to_owned(),
        (None, Brokers::At(brokers)) => brokers.join(","),
        (None, Brokers::Embedded) => String::new(),
    }
}
