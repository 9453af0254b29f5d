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

mod broker;
mod changes;
mod inspect;
mod intake;
mod next;
mod once;
mod operation;
mod plans;
mod prepare;
mod redrive;
mod reload;
mod replay;
mod retention;
mod setup;
mod supervisor;
mod versions;
mod workers;

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use self::intake::Intake;
use self::operation::operation;
use self::plans::Ground;
use self::reload::Request;
use self::retention::RetentionWatch;
use self::setup::Setup;
use self::supervisor::Supervisor;
use self::versions::LoadError;
use crate::admin::{AdminError, AdminServer, Health, Operations, PluginsPage};
use crate::alert::AlertError;
use crate::config::secret::SecretError;
use crate::config::{Checked, Config, ConfigErrors, ConnectorName, PluginName, SubscriptionName};
use crate::intake::IntakeError;
use crate::kafka::client::KafkaError;
use crate::kafka::producer;
use crate::native::NativeConnector;
use crate::rehearsal::certificate::CertificateError;
use crate::schema_registry::RegistryError;
use crate::subscription::stages::Loaded;
use crate::telemetry::Telemetry;

pub use self::inspect::inspect;
pub use self::redrive::{Candidate, DeadLetters, DiscardError};
pub use self::reload::{ReloadError, Reloaded, Reloader};
pub use self::replay::{ReplayError, replay};
pub use self::versions::{ChangeError, PluginVersions};
pub use crate::plugin::{Compiled, Import, Inspection, Needs, PluginError, Producer};
pub use crate::provenance::{Provenance, ProvenanceError, Signature};
pub use crate::subscription::SubscriptionError;
pub use crate::subscription::redrive::{
    RedriveError, Refused, Report as RedriveReport, Request as RedriveRequest, Take,
};
pub use crate::subscription::stages::{StagesError, SyncEnd};

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
    #[error(transparent)]
    Intake(#[from] IntakeError),
    #[error(transparent)]
    SchemaRegistry(#[from] RegistryError),
    #[error("admin.token: {0}")]
    Token(#[from] SecretError),
    #[error("subscription {subscription}: {source}")]
    Subscription { subscription: SubscriptionName, source: Box<SubscriptionError> },
    #[error("cannot start a worker thread: {0}")]
    Worker(#[source] std::io::Error),
    #[error("subscription {subscription}: {source}")]
    Redrive { subscription: SubscriptionName, source: Box<RedriveError> },
    #[error("subscription {subscription} needs {what}, which the configuration does not have")]
    Missing { subscription: SubscriptionName, what: String },
}

impl From<LoadError> for HostError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Plugin(error) => HostError::Plugin(error),
            LoadError::Certificate(error) => HostError::Certificate(error),
        }
    }
}

impl HostError {
    /// Is it the configuration that is to be mended, rather than something outside?
    pub fn is_configuration(&self) -> bool {
        match self {
            HostError::Plugin(error) => error.is_configuration(),
            HostError::Intake(error) => error.is_configuration(),
            HostError::Certificate(_)
            | HostError::Stages(_)
            | HostError::Alerts(_)
            | HostError::Token(_)
            | HostError::SchemaRegistry(_)
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
    setup: Arc<Setup>,
    reloader: Reloader,
    requests: mpsc::Receiver<Request>,
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
        let setup = Setup::first(config, native).map_err(|error| *error.source)?;
        let (reloader, requests) = Reloader::new(setup.telemetry.reloads().clone());
        Ok(Self { setup: Arc::new(setup), reloader, requests })
    }

    /// The same, and who asks its [reloader](Self::reloader), or the admin server, to read the configuration again has
    /// it read by this.
    pub fn reading_from(
        self,
        source: impl Fn() -> Result<Checked, ConfigErrors> + Send + Sync + 'static,
    ) -> Self {
        Self { reloader: self.reloader.with_source(Arc::new(source)), ..self }
    }

    /// What gives it another configuration while it runs.
    pub fn reloader(&self) -> Reloader {
        self.reloader.clone()
    }

    /// What it was made from.
    pub fn config(&self) -> &Config {
        &self.setup.config
    }

    /// Its plugins, each with what is known of the component that is live; `None` for those of this process.
    pub fn plugins(&self) -> impl Iterator<Item = (&PluginName, Option<Provenance>)> {
        self.setup.plugins.iter().map(|(name, loaded)| match loaded {
            Loaded::Component(line) => (name, Some(line.borrow().live.provenance.clone())),
            Loaded::Native(_) => (name, None),
        })
    }

    /// Changes its plugins while it runs, and says how they do.
    pub fn versions(&self) -> PluginVersions {
        self.setup.versions.clone()
    }

    pub fn telemetry(&self) -> &Telemetry {
        &self.setup.telemetry
    }

    pub fn health(&self) -> &Health {
        &self.setup.health
    }

    /// Runs all subscriptions until `shutdown` is ready; then finishes what is in flight, commits and leaves.
    ///
    /// Ends with an error when Kafka does not answer within `kafka.start-timeout`, when an address is taken, or
    /// when a subscription cannot go on; the others are shut down in order first. A configuration that is refused while
    /// it runs ends nothing.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> Result<(), HostError> {
        let config = &self.setup.config;
        let (_embedded, bootstrap) = broker::reach(config)?;
        self.setup.door.open_to(self.setup.token()?);
        let _admin = self.start_admin().await?;
        let listening = intake::bind(config).await?;
        let metrics = self.setup.telemetry.alerts().clone();
        let (alerts, post_alerts) = crate::alert::alerts(&config.alerts, metrics)?;
        let post_alerts = tokio::spawn(post_alerts);

        let mut shutdown = pin!(shutdown);
        let names = config.subscriptions.keys();
        let delays = tokio::select! {
            delays = async {
                self.setup.wait_for_kafka(&bootstrap).await?;
                self.setup.prepare_routes(&bootstrap).await?;
                self.setup.prepare_topics(names, &bootstrap).await
            } => delays?,
            () = &mut shutdown => return Ok(()),
        };
        let versions = AbortOnDrop(tokio::spawn(self.setup.versions.clone().run(alerts.clone())));
        let producer = Arc::new(producer::Producer::new(&config.kafka, &bootstrap)?);
        let retention = RetentionWatch::start(config, &bootstrap);
        let ground = Ground { bootstrap, producer: producer.clone(), alerts, retentions: retention.listen() };
        let plans = self.setup.plans(config.subscriptions.keys(), &ground, &delays)?;
        let intake = Intake::start(listening, &self.setup, &ground.bootstrap)?;
        let mut supervisor = Supervisor::new(self.setup.clone(), ground, retention);
        let ran = supervisor.run(plans, &mut self.requests, shutdown).await;
        let (failure, ()) = tokio::join!(supervisor.end(), intake.end());
        // It could raise an alert, and alerts end when nobody can.
        drop(versions);
        if !producer.flush(FLUSH_LIMIT) {
            tracing::warn!("some dead letters were not acknowledged: their events come again");
        }
        drop(tokio::time::timeout(ALERTS_LIMIT, post_alerts).await);
        ran?;
        match failure {
            Some((subscription, source)) => {
                Err(HostError::Subscription { subscription, source: Box::new(source) })
            }
            None => Ok(()),
        }
    }

    async fn start_admin(&self) -> Result<Option<AbortOnDrop>, HostError> {
        let admin = &self.setup.config.admin;
        let Some(address) = admin.address else { return Ok(None) };
        let versions = self.setup.versions.clone();
        let page = PluginsPage::new(move || versions.status());
        let server = AdminServer::bind(address).await?.with_plugins(page);
        let address = server.address();
        tracing::info!(%address, "health and metrics");
        let reload = operation(self.reloader.clone());
        let operations = Operations { door: self.setup.door.clone(), reload };
        let (telemetry, health) = (self.setup.telemetry.clone(), self.setup.health.clone());
        let served = server.serve(telemetry, health, operations, std::future::pending());
        Ok(Some(AbortOnDrop(tokio::spawn(async {
            if let Err(error) = served.await {
                tracing::error!(%error, "health and metrics are no longer served");
            }
        }))))
    }
}

/// A task that ends with the host.
#[derive(Debug)]
struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Now, in seconds since 1970.
fn unix_seconds() -> f64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}
