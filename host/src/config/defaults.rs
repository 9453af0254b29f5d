//! Every default, in one place: for the file, and for those who make a configuration in code.
//!
//! Constructors take what has no default. Nothing here checks anything.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Duration;

use url::Url;

use super::{
    Access, Admin, Alerts, Batch, Bounds, Breaker, Brokers, Burn, Config, ConflictPolicy, Connector,
    ConnectorName, Database, Egress, Engine, EventTypes, FloodGuard, Grant, Instances, Intake, IntakeLimits,
    Kafka, KafkaSecurity, KeySource, Limits, Objective, Ordering, Parking, Plain, Plugin, PluginName,
    Registry, Rollout, Route, Runtime, SchemaRegistry, Signers, Sla, SlaTable, Source, Subscription,
    SubscriptionName, Transformer, database,
};

/// The prefix of consumer groups.
pub(super) const GROUP_PREFIX: &str = "liaison";
/// The floor of the concurrency, where that is not less.
pub(super) const CONCURRENCY_FLOOR: usize = 4;

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

impl Intake {
    /// Served there, to nobody yet, and leading nowhere.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            limits: IntakeLimits::default(),
            clients: BTreeMap::new(),
            routes: Vec::new(),
            plain: Plain::default(),
            remember: 10_000,
        }
    }
}

impl Default for IntakeLimits {
    fn default() -> Self {
        Self {
            body_bytes: 1 << 20,
            events: 100,
            requests: 64,
            connections: 256,
            head_bytes: 16 << 10,
            read_timeout: Duration::from_secs(10),
            grace: Duration::from_secs(10),
        }
    }
}

impl Route {
    /// Events of every type to this topic, by the usual key.
    pub fn to(topic: &str) -> Self {
        Self {
            types: EventTypes::default(),
            topic: topic.to_owned(),
            key: vec![KeySource::PartitionKey, KeySource::Subject, KeySource::Id],
            schema: None,
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

impl Subscription {
    /// All events of these topics to this connector, in order by key. Group and dead-letter topic are named after the
    /// subscription.
    pub fn new(name: &SubscriptionName, connector: ConnectorName, topics: Vec<String>) -> Self {
        Self {
            connector,
            topics,
            types: EventTypes::default(),
            filter: None,
            transformers: Vec::new(),
            ordering: Ordering::Key,
            conflict: ConflictPolicy::NewestWins { version: "/updatedAt".to_owned() },
            group: format!("{GROUP_PREFIX}.{name}"),
            dead_letter_topic: format!("liaison.dead-letters.{name}"),
            journal: None,
            parking: Parking::default(),
            sla: SlaTable::default(),
            bounds: Bounds::default(),
            flood_guard: FloodGuard::default(),
            grace: Duration::from_secs(10),
        }
    }
}

impl Default for Parking {
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Self { after: minute, delays: vec![minute, 10 * minute, 60 * minute] }
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self { events: 5_000, bytes: 32 << 20, events_per_partition: 2_500 }
    }
}

impl Default for FloodGuard {
    fn default() -> Self {
        Self { is_on: true, window: Duration::from_secs(60), minimum: 100, share: 0.5 }
    }
}

impl Default for SlaTable {
    /// The default SLA for every type.
    fn default() -> Self {
        Self { by_type: BTreeMap::new(), default: Sla::default() }
    }
}

impl Default for Sla {
    fn default() -> Self {
        Self {
            max_attempts: 6,
            initial_interval: Duration::from_secs(2),
            multiplier: 2.0,
            max_interval: Duration::from_secs(60),
            attempt_timeout: Duration::from_secs(10),
            deadline: None,
            objective: Objective::default(),
            give_up_after: Duration::from_secs(24 * 60 * 60),
            alert: true,
        }
    }
}

impl Default for Objective {
    /// The windows and rates are those that the Site Reliability Workbook recommends (chapter 5, table 5-8).
    fn default() -> Self {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        Self {
            share: 0.99,
            window: minutes(30 * 24 * 60),
            fast: Burn { window: minutes(60), short_window: minutes(5), rate: 14.4 },
            slow: Burn { window: minutes(6 * 60), short_window: minutes(30), rate: 6.0 },
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
