//! `[kafka.schema-registry]` as people write it.
//!
//! Form alone, as in `settings`; secrets are only ever named here.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Count, DurationText, RegistryCredentialSettings};

/// A registry whose schemas decode records in Confluent's wire format (Avro, JSON Schema, Protobuf) to JSON.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct SchemaRegistrySettings {
    /// Its address: http or https, with a path if need be.
    #[schemars(required)]
    pub(in crate::config) url: Option<String>,
    /// Shown to the registry. Default: nothing is.
    pub(in crate::config) credential: Option<RegistryCredentialSettings>,
    /// PEM certificates trusted beside the system's.
    pub(in crate::config) ca_file: Option<PathBuf>,
    /// The most that one request may take.
    pub(in crate::config) timeout: Option<DurationText>,
    /// The most schemas that are kept in memory.
    pub(in crate::config) cache: Option<Count<1>>,
    /// The topics whose records are decoded. Default: every topic.
    pub(in crate::config) topics: Option<Vec<String>>,
}
