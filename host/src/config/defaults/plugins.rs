//! Defaults of `[plugins.NAME]`, `[transformers.NAME]` and `[registries."HOST"]`.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::{Instances, Limits, Plugin, PluginName, Registry, Rollout, Signers, Source, Transformer};

impl Plugin {
    /// The component in this file, whatever its content and whoever signed it.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self::from_source(Source::File(path.into()))
    }

    /// The component of this source, whatever its content and whoever signed it.
    pub fn from_source(source: Source) -> Self {
        Self {
            source,
            sha256: None,
            signers: Signers::default(),
            certificate: None,
            instances: Instances::Fresh,
            batch: 64,
            limits: Limits::default(),
            rollout: Rollout::default(),
        }
    }
}

impl Default for Rollout {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(30),
            max_failures: 0.1,
            min_events: 10,
            canary: None,
            canary_for: Duration::from_secs(5 * 60),
            shadow: Duration::ZERO,
        }
    }
}

impl Registry {
    /// This one by HTTPS, as nobody.
    pub fn new(host: &str) -> Self {
        Self {
            host: host.to_owned(),
            credential: None,
            ca_file: None,
            is_plain_http: false,
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(120),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            cpu_time: Duration::from_millis(500),
            wall_time: Duration::from_secs(10),
            memory_bytes: 64 << 20,
            table_elements: 20_000,
            handles: 1_000,
            host_calls: 100_000,
            result_bytes: 8 << 20,
            log_lines: 100,
            log_bytes: 64 << 10,
            log_rate: 1_000,
            steps: 16,
            effects: 64,
            request_head_bytes: 64 << 10,
            request_body_bytes: 8 << 20,
        }
    }
}

impl Transformer {
    /// This plugin, without settings.
    pub fn new(plugin: PluginName) -> Self {
        Self { plugin, settings: serde_json::Map::new() }
    }
}
