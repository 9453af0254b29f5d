//! `[connectors.NAME]` as people write it.
//!
//! Form alone, as in `settings`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};

use crate::config::settings_file::SettingsFile;

use super::{ByteSize, ClientCertificateSettings, Count, CredentialSettings, DurationText, TextOrFalse};

/// A connector plugin with one external system.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct ConnectorSettings {
    /// The name of the plugin.
    #[schemars(required)]
    pub(in crate::config) plugin: Option<String>,
    /// The external system's address: http or https, with a path if need be; or a database, as
    /// `postgresql://host:5432/name`, `mysql://host/name` (MariaDB too) or `sqlite:///absolute/path`.
    #[schemars(required)]
    pub(in crate::config) endpoint: Option<String>,
    /// What the connector may do in the database that its endpoint is.
    pub(in crate::config) database: Option<DatabaseSettings>,
    /// Sent with each request to the endpoint's own origin, and to no other. A database is logged in to with `basic`.
    pub(in crate::config) credential: Option<CredentialSettings>,
    /// Shown in TLS with the endpoint's own origin, and with no other: mutual TLS.
    pub(in crate::config) client_certificate: Option<ClientCertificateSettings>,
    /// What may be asked beside the endpoint's own origin. Where that is named here too, nothing else may be asked of
    /// it.
    #[serde(default)]
    pub(in crate::config) allow: Vec<GrantSettings>,
    /// Networks that may be reached although they are not public, such as `10.1.0.0/16`.
    #[serde(default)]
    pub(in crate::config) allow_networks: Vec<String>,
    /// The plugin's own settings.
    #[serde(default)]
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub(in crate::config) settings: toml::Table,
    /// Files whose content the plugin is given among its settings, each under a name there that `settings` does not have.
    #[serde(default)]
    pub(in crate::config) settings_files: BTreeMap<String, SettingsFile>,
    /// The most deliveries at work at the same time, of all subscriptions together; half of it is kept in equal parts
    /// for each of them. Default: 64, or four batches where those are more.
    pub(in crate::config) concurrency: Option<Count<1>>,
    /// How far that falls while the external system fails or slows down. The same as `concurrency`: it never does.
    pub(in crate::config) concurrency_floor: Option<Count<1>>,
    /// How often the external system may be asked. Default: as often as it answers.
    pub(in crate::config) rate_limit: Option<RateLimitSettings>,
    /// How long to wait for a connection.
    pub(in crate::config) connect_timeout: Option<DurationText>,
    /// Idle connections are closed after this.
    pub(in crate::config) idle_timeout: Option<DurationText>,
    /// The largest body of a reply.
    pub(in crate::config) max_reply: Option<ByteSize>,
    /// The largest body that the host keeps for a later request (`keep-body`). Beyond 256 KiB it waits on disk.
    pub(in crate::config) max_kept_reply: Option<ByteSize>,
    /// The header that carries the idempotency key, or `false` to send none.
    pub(in crate::config) idempotency_header: Option<TextOrFalse>,
    /// The key in quotes, as draft-ietf-httpapi-idempotency-key-header-07 wants it, or bare.
    pub(in crate::config) idempotency_quoted: Option<bool>,
    /// PEM certificates trusted beside the system's.
    pub(in crate::config) ca_file: Option<PathBuf>,
    /// When the external system counts as down, and how it is probed.
    #[serde(default)]
    pub(in crate::config) breaker: BreakerSettings,
    /// Gathers deliveries, and has the plugin make fewer requests of them. Default: each delivery's own request is sent by
    /// itself.
    pub(in crate::config) batch: Option<BatchSettings>,
}

/// When what was gathered goes on its way: when one of these is reached, or nothing more can come.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct BatchSettings {
    /// The most events.
    pub(in crate::config) events: Option<Count<1>>,
    /// The most data of their events, with what they were answered before. The request that is made of them may be larger.
    pub(in crate::config) bytes: Option<ByteSize>,
    /// The longest that the first of them waits for others. It does not count as time of its attempt.
    pub(in crate::config) wait: Option<DurationText>,
}

/// An origin such as `https://login.example.gov`, or a table that says which requests to it.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub(in crate::config) enum GrantSettings {
    Origin(String),
    Table(GrantTable),
}

impl<'de> Deserialize<'de> for GrantSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;

        impl<'de> Visitor<'de> for Form {
            type Value = GrantSettings;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter
                    .write_str("an origin such as \"https://login.example.gov\", or a table with `origin`")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<GrantSettings, E> {
                Ok(GrantSettings::Origin(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<GrantSettings, A::Error> {
                GrantTable::deserialize(MapAccessDeserializer::new(map)).map(GrantSettings::Table)
            }
        }

        deserializer.deserialize_any(Form)
    }
}

/// Which requests to one origin are allowed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct GrantTable {
    /// Such as `https://login.example.gov`.
    #[schemars(required)]
    pub(in crate::config) origin: Option<String>,
    /// The beginnings of paths, by whole segments: `/api` allows `/api` and `/api/x`, not `/apis`. Default: every path.
    pub(in crate::config) paths: Option<Vec<String>>,
    /// Such as `GET`. Default: every method.
    pub(in crate::config) methods: Option<Vec<String>>,
}

/// What a connector may do in the database that its endpoint is.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct DatabaseSettings {
    /// Whether rows may be changed.
    pub(in crate::config) access: Option<AccessSetting>,
    /// The tables that statements may name, as they write them: `records`, `hr.records`. Default: what the database
    /// lets its user do.
    pub(in crate::config) tables: Option<Vec<String>>,
    /// The most rows that one statement may give.
    pub(in crate::config) max_rows: Option<Count<1>>,
    /// The most connections of each subscription.
    pub(in crate::config) connections: Option<Count<1>>,
    /// Whether it must be TLS. Default: where the database is on another machine.
    pub(in crate::config) tls: Option<DatabaseTlsSetting>,
}

/// Whether rows may be changed.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum AccessSetting {
    /// They may be read alone.
    Read,
    /// They may be read and changed.
    Write,
}

/// Whether a database is spoken to by TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum DatabaseTlsSetting {
    /// It must be, and the server's certificate is verified.
    Require,
    /// It is not.
    Off,
}

/// How often the external system may be asked. An attempt that waits for its turn does not use up its time-out.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct RateLimitSettings {
    /// Requests a second, on average; 0.5 is one every two seconds.
    #[schemars(required, range(min = 0.001, max = 1_000_000.0))]
    pub(in crate::config) requests_per_second: Option<f64>,
    /// Requests that may come at once after a pause. Default: what a tenth of a second allows, at least 1.
    pub(in crate::config) burst: Option<Count<1>>,
}

/// When the external system counts as down, and how it is probed.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct BreakerSettings {
    /// Failures in a row, of at least two events, after which it counts as down.
    pub(in crate::config) failures: Option<Count<1>>,
    /// The wait before the first probe. It doubles with each further one.
    pub(in crate::config) probe_interval: Option<DurationText>,
    /// The longest wait between two probes.
    pub(in crate::config) max_probe_interval: Option<DurationText>,
    /// The longest wait between two probes while the system refuses us. Default: 1 minute, or `max-probe-interval` where that
    /// is longer.
    pub(in crate::config) max_denied_interval: Option<DurationText>,
    /// Down for longer than this, the partitions of its subscriptions pause.
    pub(in crate::config) pause_after: Option<DurationText>,
}
