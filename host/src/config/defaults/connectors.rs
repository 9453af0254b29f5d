//! Defaults of `[connectors.NAME]`.

use std::time::Duration;

use url::Url;

use super::CONCURRENCY_FLOOR;
use crate::config::{
    Access, Batch, Breaker, Connector, Database, Egress, Engine, Grant, PluginName, database,
};

impl Connector {
    /// This plugin for the external system at this address, without settings and credential.
    pub fn new(plugin: PluginName, endpoint: Url) -> Self {
        Self {
            plugin,
            settings: serde_json::Map::new(),
            egress: Egress::new(endpoint),
            concurrency: 64,
            concurrency_floor: CONCURRENCY_FLOOR,
            rate_limit: None,
            breaker: Breaker::default(),
            batch: None,
        }
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self { events: 500, bytes: 1 << 20, wait: Duration::from_millis(200) }
    }
}

impl Egress {
    /// The endpoint's own origin, and no other; without a credential.
    pub fn new(endpoint: Url) -> Self {
        Self {
            database: Database::of(&endpoint),
            endpoint,
            credential: None,
            client_certificate: None,
            allow: Vec::new(),
            allow_networks: Vec::new(),
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(30),
            max_reply_bytes: 1 << 20,
            max_kept_reply_bytes: 128 << 20,
            idempotency_header: Some(http::HeaderName::from_static("idempotency-key")),
            idempotency_quoted: true,
            ca_file: None,
        }
    }
}

impl Database {
    /// What this endpoint is, if it is a database; encrypted unless it is on this machine.
    pub fn of(endpoint: &Url) -> Option<Self> {
        let is_here = database::host(endpoint).is_some_and(|host| database::is_loopback(&host));
        Some(Self {
            engine: Engine::of(endpoint)?,
            access: Access::Write,
            tables: Vec::new(),
            max_rows: 1_000,
            connections: 8,
            tls: !is_here,
        })
    }
}

impl Grant {
    /// Every path and method of this origin.
    pub fn all(origin: url::Origin) -> Self {
        Self { origin, paths: Vec::new(), methods: Vec::new() }
    }
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            failures: 5,
            probe_interval: Duration::from_secs(1),
            max_probe_interval: Duration::from_secs(2),
            max_denied_interval: Duration::from_secs(60),
            pause_after: Duration::from_secs(2),
        }
    }
}
