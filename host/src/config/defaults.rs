//! Every default, in one place: for the file, and for those who make a configuration in code.
//!
//! What stands in several tables has a file of its own, named as in `settings`; the others are here. Constructors take
//! what has no default. Nothing here checks anything.

mod connectors;
mod intake;
mod plugins;
mod subscriptions;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Duration;

use url::Url;

use super::{Admin, Alerts, Brokers, Config, Kafka, KafkaSecurity, Runtime, SchemaRegistry};

/// The prefix of consumer groups.
pub(super) const GROUP_PREFIX: &str = "liaison";
/// The floor of the concurrency, where that is not less.
pub(super) const CONCURRENCY_FLOOR: usize = 4;
/// Of a connector with a `batch` at least so many: one is gathered, one is joined and one is on its way, while what a fourth
/// was answered is settled. With two of them a third of the throughput is lost to waiting.
pub(super) const BATCHES_AT_WORK: usize = 4;

impl Config {
    /// Reads from these brokers; nothing is subscribed yet.
    pub fn new(brokers: Brokers) -> Self {
        Self {
            kafka: Kafka::new(brokers),
            plugins: BTreeMap::new(),
            transformers: BTreeMap::new(),
            connectors: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            alerts: Alerts::default(),
            admin: Admin::default(),
            intake: None,
            runtime: Runtime::default(),
        }
    }
}

impl Default for Admin {
    /// To this machine alone, and nobody changes anything.
    fn default() -> Self {
        Self { address: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 9464))), token: None }
    }
}

impl SchemaRegistry {
    /// This one, as nobody, for every topic.
    pub fn new(url: Url) -> Self {
        Self {
            url,
            credential: None,
            ca_file: None,
            timeout: Duration::from_secs(10),
            cache: 1_000,
            topics: None,
        }
    }
}

impl Kafka {
    /// Plain connections to these brokers.
    pub fn new(brokers: Brokers) -> Self {
        Self {
            brokers,
            security: KafkaSecurity::default(),
            properties: BTreeMap::new(),
            start_timeout: Duration::from_secs(30),
            type_header: "type".to_owned(),
            commit_interval: Duration::from_millis(100),
            away_after: Duration::from_secs(30),
            schema_registry: None,
        }
    }
}

impl Default for Alerts {
    /// Tells nobody but the log.
    fn default() -> Self {
        Self {
            webhook: None,
            email: None,
            reminder: Duration::from_secs(60 * 60),
            quiet: Duration::from_secs(10 * 60),
            retention_share: 0.8,
        }
    }
}

impl Runtime {
    /// Where images of registries are kept that were fetched.
    pub fn images_folder(&self) -> PathBuf {
        self.cache.join("images")
    }

    /// Where large bodies that are kept for a later request go, in files without a name.
    pub fn spool_folder(&self) -> PathBuf {
        self.cache.join("bodies")
    }
}

impl Default for Runtime {
    fn default() -> Self {
        Self {
            workers: cores(),
            cache: cache_folder(),
            instances: 64,
            stack_bytes: 512 << 10,
            call_twice: cfg!(debug_assertions),
            require_certificate: false,
        }
    }
}

/// Processors this process may use; 1 where that is unknown.
pub(super) fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// `liaison` in the user's cache folder (XDG Base Directory Specification 0.8), else in `.cache` of the working folder.
fn cache_folder() -> PathBuf {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
    caches.unwrap_or_else(|| PathBuf::from(".cache")).join("liaison")
}
