//! The configuration as the host uses it: every name resolved, every default filled in, every value checked.
//!
//! `settings` is the same as people write it; `document` reads it, `validate` makes one into the other and names every
//! mistake. `defaults` holds what stands in for what is not written, and makes configurations in code.
//! Nothing here reads Kafka, a plugin or the network.

mod alerts;
mod conflict;
pub(crate) mod database;
mod defaults;
mod document;
mod errors;
mod event_types;
mod explain;
mod intake;
pub(crate) mod json_schema;
pub mod mask;
mod places;
pub(crate) mod provenance;
mod read;
mod schema;
pub mod secret;
mod security;
mod settings;
pub(crate) mod settings_file;
mod sla;
mod topics;
mod validate;
pub(crate) mod webhook_key;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use url::Url;

pub use alerts::{Alerts, Email, MailSecurity, Webhook};
pub use conflict::{ConflictPolicy, Owner, Owners};
pub use database::{Access, Database, Engine};
pub use document::Position;
pub use errors::{ConfigErrors, Mistake};
pub use event_types::EventTypes;
pub use intake::{Client, Intake, IntakeLimits, KeySource, Plain, Route};
pub use places::Places;
pub use provenance::{
    Digest, ImageError, Registry, RegistryCredential, RegistryImage, Signers, SigningKey, Source,
};
pub use read::Checked;
pub use schema::schema;
pub use security::{KafkaSecurity, KafkaTls, Sasl, SaslMechanism, TlsIdentity};
pub use sla::{Burn, Objective, Sla, SlaTable};

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
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Brokers {
    /// An in-process broker that keeps nothing.
    Embedded,
    /// `host:port` each.
    At(Vec<String>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Plugin {
    pub source: Source,
    /// Of the only component that will be loaded, if given.
    pub sha256: Option<[u8; 32]>,
    pub signers: Signers,
    /// What `liaison plugin certify` wrote of it; a plugin whose certificate does not stand for it is not loaded.
    pub certificate: Option<PathBuf>,
    pub instances: Instances,
    /// The most events in one call.
    pub batch: usize,
    pub limits: Limits,
    pub rollout: Rollout,
}

/// How a new version of a plugin takes the place of the one that runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rollout {
    /// How long its first events are watched, and over how long its failures are counted.
    pub window: Duration,
    /// The share of them that may fail, from 0 to 1: more, and it is rolled back.
    pub max_failures: f64,
    /// So many must have been judged before anything is decided by them.
    pub min_events: u32,
    /// The share of keys that it is given first, from 0 to 1; `None`: all at once.
    pub canary: Option<f64>,
    pub canary_for: Duration,
    /// How long before that it only repeats what the version that runs has done, and performs nothing; zero: not at all.
    pub shadow: Duration,
}

/// What operators are served, and who of them may change something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// Where health and metrics are served; `None` serves nothing.
    pub address: Option<SocketAddr>,
    /// What has to be shown to change anything; without it nobody can.
    pub token: Option<SecretRef>,
}

/// How long an instance lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instances {
    /// One call: nothing passes from one batch to the next.
    Fresh,
    /// That many calls.
    Warm { calls: u32 },
}

/// What one call of a plugin may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub cpu_time: Duration,
    pub wall_time: Duration,
    pub memory_bytes: usize,
    /// Of all tables of an instance together.
    pub table_elements: usize,
    /// Resources that an instance may hold.
    pub handles: usize,
    /// Times that one call may call the host.
    pub host_calls: u32,
    /// All strings and lists of one answer together.
    pub result_bytes: usize,
    /// Lines that one call may log.
    pub log_lines: u32,
    /// Bytes that one call may log.
    pub log_bytes: usize,
    /// Lines a second that all calls for one connector or transformer of one subscription may log together.
    pub log_rate: u32,
    /// Steps one attempt may take.
    pub steps: u32,
    /// Effects one step may ask for.
    pub effects: usize,
    /// Method, address and headers of one request.
    pub request_head_bytes: usize,
    /// The body of one request, where the plugin writes it itself.
    pub request_body_bytes: usize,
}

/// A transformer plugin with its settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Transformer {
    pub plugin: PluginName,
    pub settings: serde_json::Map<String, serde_json::Value>,
}

/// A connector plugin with one external system.
#[derive(Debug, Clone, PartialEq)]
pub struct Connector {
    pub plugin: PluginName,
    pub settings: serde_json::Map<String, serde_json::Value>,
    pub egress: Egress,
    /// The most deliveries at work at the same time, of all its subscriptions together.
    pub concurrency: usize,
    /// The fewest, while the external system fails or slows down. The same as `concurrency`: it never adapts.
    pub concurrency_floor: usize,
    pub rate_limit: Option<RateLimit>,
    pub breaker: Breaker,
    /// Effects of several deliveries are performed as one where the plugin joins them.
    pub batch: Option<Batch>,
}

/// When what was gathered to be joined goes on its way: when one of these is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// Effects of so many deliveries.
    pub events: usize,
    /// So much in their bodies, or bound.
    pub bytes: usize,
    /// So long after the first of them.
    pub wait: Duration,
}

/// How often a connector may ask its external system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// One request each, on average.
    pub interval: Duration,
    /// Requests that may come at once after a pause.
    pub burst: NonZeroU32,
}

/// What a connector may reach, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Egress {
    pub endpoint: Url,
    /// Set where the endpoint is a database.
    pub database: Option<Database>,
    pub credential: Option<Credential>,
    /// Shown to the endpoint's own origin, and to no other.
    pub client_certificate: Option<ClientCertificate>,
    /// What may be asked beside the endpoint's own origin; where that is among them, all that may be asked of it.
    pub allow: Vec<Grant>,
    /// Addresses that are reachable although they are not public.
    pub allow_networks: Vec<IpNet>,
    pub connect_timeout: Duration,
    /// Idle connections are closed after this.
    pub idle_timeout: Duration,
    pub max_reply_bytes: u64,
    /// Of a reply whose body stays with the host.
    pub max_kept_reply_bytes: u64,
    /// The header that carries the idempotency key; `None` sends none.
    pub idempotency_header: Option<http::HeaderName>,
    /// As a structured string (draft-ietf-httpapi-idempotency-key-header-07), else bare.
    pub idempotency_quoted: bool,
    /// PEM certificates trusted beside the system's.
    pub ca_file: Option<PathBuf>,
}

/// What may be asked of one origin. Several of one origin add up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub origin: url::Origin,
    /// Beginnings of paths, by whole segments, percent-encoded as they are asked; empty: every path.
    pub paths: Vec<String>,
    /// Empty: every method.
    pub methods: Vec<http::Method>,
}

/// Sent with each request to the endpoint's own origin, and to no other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    Bearer(SecretRef),
    Basic {
        username: String,
        password: SecretRef,
    },
    Header {
        name: http::HeaderName,
        value: SecretRef,
    },
    /// An access token, fetched with these.
    OAuth2(OAuth2Client),
    /// A signature of each request.
    Aws(AwsCredential),
    /// In the header of each SOAP envelope.
    WsSecurity(UsernameToken),
    /// Signatures of each request by Standard Webhooks 1.0.0, one a key; at least one.
    StandardWebhooks(Vec<SecretRef>),
}

/// A UsernameToken of WS-Security (OASIS WSS 1.1), which the host puts into the header of a SOAP envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsernameToken {
    pub username: String,
    pub password: SecretRef,
    pub password_type: PasswordType,
    /// A server that does not know WS-Security then refuses the message.
    pub must_understand: bool,
}

/// How a UsernameToken proves that it has the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordType {
    /// It holds it.
    Text,
    /// It holds a digest of it, with a nonce and the time.
    Digest,
}

/// Keys that sign requests in the way of AWS (Signature Version 4), and are never sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsCredential {
    pub access_key_id: SecretRef,
    pub secret_access_key: SecretRef,
    /// Of keys that are good for some hours.
    pub session_token: Option<SecretRef>,
    pub region: String,
    /// As the signature names it, such as `s3`.
    pub service: String,
}

/// A client of OAuth 2.0 that gets its tokens by the client credentials grant (RFC 6749, 4.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuth2Client {
    pub token_url: Url,
    pub id: String,
    pub secret: SecretRef,
    pub scope: Option<String>,
    /// Not in RFC 6749, and asked for by some.
    pub audience: Option<String>,
    pub authentication: ClientAuthentication,
}

/// How a client proves to the token endpoint who it is (RFC 6749, 2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// By a header.
    Basic,
    /// In the form, for token endpoints that know no better.
    Body,
}

/// What the endpoint's TLS is shown: mutual TLS. Both are PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// With what is between it and the CA, itself first.
    pub certificate: SecretRef,
    pub key: SecretRef,
}

/// Where a secret is found. The configuration never holds one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretRef {
    Env(String),
    File(PathBuf),
}

/// When a connector counts as down, and how it is probed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Breaker {
    /// Failures in a row, of at least two events, that open it.
    pub failures: u32,
    /// The first wait before a probe; doubles up to `max_probe_interval`.
    pub probe_interval: Duration,
    pub max_probe_interval: Duration,
    /// As `max_probe_interval`, while the system refuses us: that lasts until a person has acted.
    pub max_denied_interval: Duration,
    /// Open for longer than this, it pauses the partitions.
    pub pause_after: Duration,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Subscription {
    pub connector: ConnectorName,
    pub topics: Vec<String>,
    pub types: EventTypes,
    /// A CEL expression over `event` that must be true.
    pub filter: Option<String>,
    pub transformers: Vec<TransformerName>,
    pub ordering: Ordering,
    pub conflict: ConflictPolicy,
    /// The consumer group.
    pub group: String,
    pub dead_letter_topic: String,
    /// The topic that keeps what deliveries were answered, so that nothing is done twice; `None` keeps nothing.
    pub journal: Option<String>,
    /// Where events wait for long, if they have no order.
    pub parking: Parking,
    pub sla: SlaTable,
    pub bounds: Bounds,
    pub flood_guard: FloodGuard,
    /// How long a revoked partition or a shutdown waits for what is in flight.
    pub grace: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ordering {
    /// Events of one key one after another.
    Key,
    /// No order at all.
    None,
}

/// When and for how long an event that failed leaves the memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parking {
    /// It has been in memory, or would be, for longer than this.
    pub after: Duration,
    /// Each is a topic; shortest first. Without any nothing is parked.
    pub delays: Vec<Duration>,
}

/// What one subscription may hold in memory: events read and not settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    pub events: usize,
    pub bytes: usize,
    /// A partition with more than this, that would need 5 s and more for half of it, is paused.
    pub events_per_partition: usize,
}

/// When a subscription stops giving events up: when it would give up most of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FloodGuard {
    pub is_on: bool,
    /// What has ended in so long counts.
    pub window: Duration,
    /// Dead letters in the window before it shuts.
    pub minimum: u32,
    /// Their share of all deliveries of the window, from 0 to 1.
    pub share: f64,
}

impl Limits {
    /// Memory of an instance is addressed by 32 bits.
    pub const MAX_MEMORY_BYTES: usize = 4 << 30;
    /// Room in the address space is set aside for that many, for every instance that may exist.
    pub const MAX_TABLE_ELEMENTS: usize = 10_000_000;
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

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// Takes the name as it is; names from a file are checked by `validate`.
            pub fn new(name: &str) -> Self {
                Self(name.into())
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    )*};
}

names! {
    /// The key of a `[plugins.…]` table.
    PluginName;
    /// The key of an entry of `[trust.keys]`.
    KeyName;
    /// The key of a `[transformers.…]` table.
    TransformerName;
    /// The key of a `[connectors.…]` table.
    ConnectorName;
    /// The key of a `[subscriptions.…]` table.
    SubscriptionName;
    /// The key of an `[intake.clients.…]` table.
    ClientName;
}
