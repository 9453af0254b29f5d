//! A schema registry, as the host uses it.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::RegistryCredential;

/// A registry that speaks Confluent's API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaRegistry {
    pub url: Url,
    pub credential: Option<RegistryCredential>,
    /// PEM certificates trusted beside the system's.
    pub ca_file: Option<PathBuf>,
    /// The most that one request may take.
    pub timeout: Duration,
    /// The most schemas that are kept in memory.
    pub cache: usize,
    /// Whose records are decoded; `None`: of every topic.
    pub topics: Option<Vec<String>>,
}
