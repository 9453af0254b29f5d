//! `[kafka.security]` as people write it.
//!
//! Form alone, as in `settings`; passwords are only ever named here.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::SecretSettings;

/// How connections to Kafka are protected, and as whom the host comes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct KafkaSecuritySettings {
    /// TLS to the brokers. Default: true where this table is there.
    pub(in crate::config) tls: Option<bool>,
    /// PEM certificates of the authorities that are trusted. Default: the system's.
    pub(in crate::config) ca_file: Option<PathBuf>,
    /// Mutual TLS: the host's own certificate as PEM, its chain behind it.
    pub(in crate::config) certificate_file: Option<PathBuf>,
    /// Mutual TLS: the private key of that certificate as PEM.
    pub(in crate::config) key_file: Option<PathBuf>,
    /// The password of a private key that is encrypted.
    pub(in crate::config) key_password: Option<SecretSettings>,
    /// The user that the host is to Kafka.
    pub(in crate::config) sasl: Option<SaslSettings>,
}

/// A user of Kafka.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct SaslSettings {
    /// How the password is proven.
    #[schemars(required)]
    pub(in crate::config) mechanism: Option<SaslMechanismSetting>,
    /// The user's name.
    #[schemars(required)]
    pub(in crate::config) username: Option<String>,
    /// The user's password.
    #[schemars(required)]
    pub(in crate::config) password: Option<SecretSettings>,
}

/// How a password is proven to Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum SaslMechanismSetting {
    /// It is sent as it is: with TLS alone.
    Plain,
    #[serde(rename = "scram-sha-256")]
    ScramSha256,
    #[serde(rename = "scram-sha-512")]
    ScramSha512,
}
