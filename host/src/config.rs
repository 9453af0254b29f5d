//! The configuration as the host uses it: every name resolved, every default filled in, every value checked.
//!
//! `settings` is the same as people write it; `document` reads it, `validate` makes one into the other and names every
//! mistake. `defaults` holds what stands in for what is not written, and makes configurations in code.
//! Nothing here reads Kafka, a plugin or the network.

mod alerts;
mod conflict;
mod connector;
mod credential;
pub(crate) mod database;
mod defaults;
mod document;
mod egress;
mod errors;
mod event_types;
mod explain;
mod intake;
pub(crate) mod json_schema;
pub mod mask;
mod names;
mod places;
mod plugin;
pub(crate) mod provenance;
mod read;
mod schema;
mod schema_registry;
pub mod secret;
mod security;
mod settings;
pub(crate) mod settings_file;
mod sla;
mod subscription;
mod topics;
mod validate;
pub(crate) mod webhook_key;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use alerts::{Alerts, Email, MailSecurity, Webhook};
pub use conflict::{ConflictPolicy, Owner, Owners};
pub use connector::{Batch, Breaker, Connector, RateLimit};
pub use credential::{
    AwsCredential, ClientAuthentication, ClientCertificate, Credential, OAuth2Client, PasswordType,
    SecretRef, UsernameToken,
};
pub use database::{Access, Database, Engine};
pub use document::Position;
pub use egress::{Egress, Grant};
pub use errors::{ConfigErrors, Mistake};
pub use event_types::EventTypes;
pub use intake::{Client, Intake, IntakeLimits, KeySource, Plain, Route};
pub use names::{ClientName, ConnectorName, KeyName, PluginName, SubscriptionName, TransformerName};
pub use places::Places;
pub use plugin::{Instances, Limits, Plugin, Rollout};
pub use provenance::{
    Digest, ImageError, Registry, RegistryCredential, RegistryImage, Signers, SigningKey, Source,
};
pub use read::Checked;
pub use schema::schema;
pub use schema_registry::SchemaRegistry;
pub use security::{KafkaSecurity, KafkaTls, Sasl, SaslMechanism, TlsIdentity};
pub use sla::{Burn, Objective, Sla, SlaTable};
pub use subscription::{Bounds, FloodGuard, Ordering, Parking, Subscription};

/// A checked configuration, from a file or made in code.
#[derive(Debug, Clone)]
pub struct Config {
    pub kafka: Kafka,
    pub plugins: BTreeMap<PluginName, Plugin>,
    pub transformers: BTreeMap<TransformerName, Transformer>,
    pub connectors: BTreeMap<ConnectorName, Connector>,
    pub subscriptions: BTreeMap<SubscriptionName, Subscription>,
    pub alerts: Alerts,
    pub admin: Admin,
    /// `None` takes no events over HTTP.
    pub intake: Option<Intake>,
    pub runtime: Runtime,
}

impl Config {
    /// What this subscription alone needs; nobody is alerted, and nothing is served.
    pub fn only(mut self, subscription: &SubscriptionName) -> Self {
        self.subscriptions.retain(|name, _| name == subscription);
        let kept: Vec<&Subscription> = self.subscriptions.values().collect();
        self.connectors.retain(|name, _| kept.iter().any(|subscription| subscription.connector == *name));
        self.transformers
            .retain(|name, _| kept.iter().any(|subscription| subscription.transformers.contains(name)));
        let in_connectors = self.connectors.values().map(|connector| &connector.plugin);
        let in_transformers = self.transformers.values().map(|transformer| &transformer.plugin);
        let in_use: std::collections::BTreeSet<_> = in_connectors.chain(in_transformers).collect();
        self.plugins.retain(|name, _| in_use.contains(name));
        self.alerts = Alerts::default();
        self.admin.address = None;
        self.intake = None;
        self
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kafka {
    pub brokers: Brokers,
    pub security: KafkaSecurity,
    /// Passed to librdkafka as they are, over the host's own settings.
    pub properties: BTreeMap<String, String>,
    /// How long to wait for the brokers at start.
    pub start_timeout: Duration,
    /// The record header that holds the type of an event that is no CloudEvent.
    pub type_header: String,
    /// How often offsets are committed.
    pub commit_interval: Duration,
    /// No answer of any broker for that long, and the host says that it is not ready.
    pub away_after: Duration,
    /// Whose schemas records in Confluent's wire format are decoded by; `None` decodes none.
    pub schema_registry: Option<SchemaRegistry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Brokers {
    /// An in-process broker that keeps nothing.
    Embedded,
    /// `host:port` each.
    At(Vec<String>),
}

/// What operators are served, and who of them may change something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// Where health and metrics are served; `None` serves nothing.
    pub address: Option<SocketAddr>,
    /// What has to be shown to change anything; without it nobody can.
    pub token: Option<SecretRef>,
}

/// A transformer plugin with its settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Transformer {
    pub plugin: PluginName,
    pub settings: serde_json::Map<String, serde_json::Value>,
}

impl Runtime {
    /// Each sets aside 8 GiB of the address space, of which there are 128 TiB.
    pub const MAX_INSTANCES: u32 = 4_000;
    /// Less does not start what compilers make of ordinary languages; of more, each instance sets it aside.
    pub const STACK_BYTES: std::ops::RangeInclusive<usize> = 64 << 10..=64 << 20;
}

#[derive(Debug, Clone)]
pub struct Runtime {
    /// Threads that run subscriptions, those of one connector on one.
    pub workers: usize,
    /// Where compiled plugins are kept.
    pub cache: PathBuf,
    /// Plugin instances that may exist at the same time, at least: more where the subscriptions need more.
    pub instances: u32,
    /// How much stack the functions of a plugin may use.
    pub stack_bytes: usize,
    /// Call every plugin twice and compare.
    pub call_twice: bool,
    /// Load no plugin without a certificate.
    pub require_certificate: bool,
}
