//! The configuration file as people write it: what may stand where, and what each key means.
//!
//! Serde reads it and schemars describes it from the same types; the comments here are what an editor shows. Every
//! key is optional here, so that reading never stops at one that is missing: `validate` names what is, and `defaults`
//! holds what stands in. Nothing here checks a value beyond its form.

mod alerts;
mod connectors;
mod credentials;
mod intake;
mod provenance;
mod schema_registry;
mod security;
mod subscriptions;
mod values;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::settings_file::SettingsFile;

pub(super) use alerts::{
    AlertsSettings, EmailSettings, MailCredentialSettings, SecuritySetting, WebhookSettings,
};
pub(super) use connectors::{
    AccessSetting, BatchSettings, BreakerSettings, ConnectorSettings, DatabaseSettings, DatabaseTlsSetting,
    GrantSettings, RateLimitSettings,
};
pub(super) use credentials::{
    AwsSettings, ClientAuthenticationSetting, ClientCertificateSettings, CredentialSettings, FolderSecret,
    OAuth2Credential, PasswordTypeSetting, SecretSettings, StandardWebhooksSettings, WsSecurityCredential,
};
pub(super) use intake::{ClientSettings, IntakeSettings, KeySetting, RouteSettings};
pub(super) use provenance::{KeySettings, RegistryCredentialSettings, RegistrySettings, TrustSettings};
pub(super) use schema_registry::SchemaRegistrySettings;
pub(super) use security::{KafkaSecuritySettings, SaslMechanismSetting, SaslSettings};
pub(super) use subscriptions::{
    BoundsSettings, BurnSettings, ConflictSettings, FloodGuardSettings, OrderingSetting, OwnerSetting,
    ParkingSettings, PolicySetting, SlaSettings, SubscriptionSettings,
};
pub(super) use values::{BrokersSetting, ByteSize, Count, DurationText, PropertyText, TextOrFalse};

/// The configuration of a liaison host.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
#[schemars(title = "liaison configuration")]
pub(super) struct Settings {
    /// Where the events come from.
    #[schemars(required)]
    pub(super) kafka: Option<KafkaSettings>,
    /// The plugins, each under a name of its own.
    #[serde(default)]
    pub(super) plugins: BTreeMap<String, PluginSettings>,
    /// Whose plugins may run.
    #[serde(default)]
    pub(super) trust: TrustSettings,
    /// The registries that plugins come from, each under its host, where more is to be said of it.
    #[serde(default)]
    pub(super) registries: BTreeMap<String, RegistrySettings>,
    /// Transformer plugins with their settings, each under a name of its own.
    #[serde(default)]
    pub(super) transformers: BTreeMap<String, TransformerSettings>,
    /// Connector plugins with the external system of each, each under a name of its own.
    #[serde(default)]
    pub(super) connectors: BTreeMap<String, ConnectorSettings>,
    /// Which events go to which connector, each under a name of its own.
    #[serde(default)]
    pub(super) subscriptions: BTreeMap<String, SubscriptionSettings>,
    /// What is promised for each event type. `default` holds for every type; a type's own table changes what it names.
    #[serde(default)]
    pub(super) sla: BTreeMap<String, SlaSettings>,
    /// Who is told when something needs a person.
    #[serde(default)]
    pub(super) alerts: AlertsSettings,
    /// An event channel over HTTP. Default: none.
    pub(super) intake: Option<IntakeSettings>,
    /// Health and metrics.
    #[serde(default)]
    pub(super) admin: AdminSettings,
    /// The host's own process.
    #[serde(default)]
    pub(super) runtime: RuntimeSettings,
}

/// Where the events come from.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(super) struct KafkaSettings {
    /// The brokers to start from, `host:port` each, or `"embedded"` for one inside the process that keeps nothing.
    #[schemars(required)]
    pub(super) brokers: Option<BrokersSetting>,
    /// How connections are protected, and as whom the host comes. Default: in the clear, as nobody.
    pub(super) security: Option<KafkaSecuritySettings>,
    /// Further properties of librdkafka, such as `client.rack`.
    #[serde(default)]
    pub(super) properties: BTreeMap<String, PropertyText>,
    /// How long to wait for the brokers at start.
    pub(super) start_timeout: Option<DurationText>,
    /// The record header that holds the type of an event that is no CloudEvent.
    pub(super) type_header: Option<String>,
    /// How often offsets are committed.
    pub(super) commit_interval: Option<DurationText>,
    /// No answer of any broker for that long, and `/readyz` says so.
    pub(super) away_after: Option<DurationText>,
    /// The consumer group of a subscription is this, a dot and the subscription's name.
    pub(super) group_prefix: Option<String>,
    /// What decodes records in Confluent's wire format. Default: they are delivered as they are.
    pub(super) schema_registry: Option<SchemaRegistrySettings>,
}

/// A WebAssembly component.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(super) struct PluginSettings {
    /// The component's file; a relative one is looked for beside this file. It, or `image`.
    pub(super) path: Option<String>,
    /// An image that holds the component: `oci://HOST/REPOSITORY@sha256:…` in a registry, or `oci-layout:FOLDER@sha256:…`
    /// in a folder.
    pub(super) image: Option<String>,
    /// The only component that will be loaded: 64 hexadecimal digits.
    pub(super) sha256: Option<String>,
    /// What `liaison plugin certify` wrote of it; a relative path is looked for beside this file.
    pub(super) certificate: Option<String>,
    /// Names of [trust.keys], one of which must have signed it. Default: any of them may, and need not.
    pub(super) signers: Option<Vec<String>>,
    /// How long an instance lives.
    pub(super) instances: Option<InstancesSetting>,
    /// The most events in one call.
    pub(super) batch: Option<Count<1>>,
    /// What one call may use.
    #[serde(default)]
    pub(super) limits: LimitsSettings,
    /// How a new version takes the place of the one that runs, when the file changes.
    #[serde(default)]
    pub(super) rollout: RolloutSettings,
}

/// How long an instance of a plugin lives.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum InstancesSetting {
    /// One call: nothing passes from one batch to the next.
    Fresh,
    /// This many calls, for guests that are slow to start.
    Warm(Count<1>),
}

/// What one call of a plugin may use.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(super) struct LimitsSettings {
    /// Time on the CPU.
    pub(super) cpu_time: Option<DurationText>,
    /// Time on the clock.
    pub(super) wall_time: Option<DurationText>,
    /// Memory of one instance.
    pub(super) memory: Option<ByteSize>,
    /// Elements of all tables of one instance together, at most 10,000,000.
    pub(super) table_elements: Option<Count<1>>,
    /// Resources that one instance may hold at a time.
    pub(super) handles: Option<Count<1>>,
    /// Times that the host may be called: for a log line, a setting, the time, a random number.
    pub(super) host_calls: Option<Count<1>>,
    /// All text and lists of one answer together.
    pub(super) result: Option<ByteSize>,
    /// Lines written to the log; further ones are dropped.
    pub(super) log_lines: Option<Count<0>>,
    /// Bytes written to the log; further lines are dropped.
    pub(super) log_bytes: Option<ByteSize>,
    /// Lines a second written to the log by all calls of one user of the plugin together; further ones are dropped.
    pub(super) log_rate: Option<Count<1>>,
    /// Steps that one attempt may take.
    pub(super) steps: Option<Count<1>>,
    /// Effects that one step may ask for.
    pub(super) effects: Option<Count<1>>,
    /// Method, address and headers of one request together.
    pub(super) request_head: Option<ByteSize>,
    /// The body that the plugin writes for one request. The event's own data, and what the host has kept of a reply, is
    /// not counted.
    pub(super) request_body: Option<ByteSize>,
}

/// How a new version of a plugin takes the place of the one that runs.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(super) struct RolloutSettings {
    /// How long its first events are watched, and over how long its failures are counted.
    pub(super) window: Option<DurationText>,
    /// The share of them that may fail; with more it is rolled back.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub(super) max_failures: Option<f64>,
    /// So many events must have ended before anything is decided by them.
    pub(super) min_events: Option<Count<1>>,
    /// The share of keys whose events it is given first. Default: all at once.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub(super) canary: Option<f64>,
    /// How long those alone.
    pub(super) canary_for: Option<DurationText>,
    /// How long before that it only repeats what was done already, and performs nothing. Default: not at all.
    pub(super) shadow: Option<DurationText>,
}

/// A transformer plugin with its settings.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(super) struct TransformerSettings {
    /// The name of the plugin.
    #[schemars(required)]
    pub(super) plugin: Option<String>,
    /// The plugin's own settings.
    #[serde(default)]
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub(super) settings: toml::Table,
    /// Files whose content the plugin is given among its settings, each under a name there that `settings` does not have.
    #[serde(default)]
    pub(super) settings_files: BTreeMap<String, SettingsFile>,
}

/// Health and metrics.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(super) struct AdminSettings {
    /// The address and port they are served at, or `false` for nowhere.
    pub(super) address: Option<TextOrFalse>,
    /// What has to be shown, as a bearer token, to have the configuration read again. Without it nobody can by HTTP.
    pub(super) token: Option<SecretSettings>,
}

/// The host's own process.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(super) struct RuntimeSettings {
    /// Threads that run subscriptions. Default: one a core, at most one a connector.
    pub(super) workers: Option<Count<1>>,
    /// Where compiled plugins are kept. Default: `liaison` in the user's cache folder.
    pub(super) cache: Option<String>,
    /// Plugin instances that may exist at the same time, at least: more where the subscriptions need more.
    pub(super) instances: Option<Count<1>>,
    /// How much stack the functions of a plugin may use: from 64 KiB to 64 MiB.
    pub(super) stack: Option<ByteSize>,
    /// Call every plugin twice and compare the answers. Default: true in a debug build.
    pub(super) call_twice: Option<bool>,
    /// Load no plugin without a certificate. Default: false.
    pub(super) require_certificate: Option<bool>,
}
