//! `[trust]` and `[registries."HOST"]` as people write them.
//!
//! Form alone, as in `settings`; secrets are only ever named here.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::credentials::{BasicCredential, SecretSettings};
use super::values::DurationText;

/// Whose plugins may run.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct TrustSettings {
    /// The public keys whose signatures count, each under a name of its own.
    #[serde(default)]
    pub(in crate::config) keys: BTreeMap<String, KeySettings>,
    /// Load no plugin that none of these keys has signed. Default: false.
    pub(in crate::config) require_signature: Option<bool>,
}

/// A public key.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct KeySettings {
    /// Its file: PEM, Ed25519 or ECDSA on P-256; a relative one is looked for beside this file.
    #[schemars(required)]
    pub(in crate::config) file: Option<PathBuf>,
}

/// How a registry is reached.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct RegistrySettings {
    /// Shown to the registry, and to the token service that it names. Default: nothing is.
    pub(in crate::config) credential: Option<RegistryCredentialSettings>,
    /// PEM certificates trusted beside the system's.
    pub(in crate::config) ca_file: Option<PathBuf>,
    /// Without TLS. Default: false.
    pub(in crate::config) plain_http: Option<bool>,
    /// How long to wait for a connection.
    pub(in crate::config) connect_timeout: Option<DurationText>,
    /// The most that one image may take, from the first connection to the last byte.
    pub(in crate::config) timeout: Option<DurationText>,
}

/// What the registry knows us by: one of these.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum RegistryCredentialSettings {
    /// A token that the registry takes as it is.
    Bearer(SecretSettings),
    /// A user and a password, for the registry or for its token service.
    Basic(BasicCredential),
}
