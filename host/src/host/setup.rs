//! A configuration with all that it names: plugins loaded, and settings, secrets and kinds of plugins found right.
//!
//! A configuration comes in, what a host can run comes out, or why it cannot. Blocks while it compiles plugins that were
//! not seen before. It reaches neither Kafka nor any external system.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::changes::Version;
use super::versions::Loader;
use super::{HostError, INSTANCES_A_USER};
use crate::admin::{Door, Health};
use crate::config::secret::Watched;
use crate::config::{self, Config, PluginName};
use crate::native::NativeConnector;
use crate::plugin::{PoolSize, Runtime};
use crate::subscription::stages::served::{Line, Served};
use crate::subscription::stages::{Loaded, Stages, StagesPlan};
use crate::telemetry::Telemetry;

#[derive(Debug)]
pub(super) struct Setup {
    pub(super) config: Config,
    pub(super) plugins: BTreeMap<PluginName, Loaded>,
    /// The sha256 of each component.
    digests: BTreeMap<PluginName, [u8; 32]>,
    /// `None` where there is no component.
    room: Option<Room>,
    pub(super) telemetry: Telemetry,
    pub(super) health: Health,
    /// Who may change something.
    pub(super) door: Door,
}

/// Where components run, and how many instances at a time. It cannot grow.
#[derive(Debug, Clone)]
struct Room {
    runtime: Arc<Runtime>,
    size: PoolSize,
}

impl Setup {
    pub(super) fn first(
        config: Config,
        native: BTreeMap<PluginName, Arc<dyn NativeConnector>>,
    ) -> Result<Self, HostError> {
        let natives = native.into_iter().map(|(name, connector)| (name, Loaded::Native(connector)));
        let empty = Self {
            config,
            plugins: natives.collect(),
            digests: BTreeMap::new(),
            room: None,
            telemetry: Telemetry::new(),
            health: Health::new(),
            door: Door::default(),
        };
        let size = pool_size(&empty.config);
        empty.load(&BTreeMap::new(), size)
    }

    /// The same host by another configuration. Plugins that hold the same are not loaded twice.
    pub(super) fn next(&self, config: Config) -> Result<Self, HostError> {
        let is_native = |loaded: &&Loaded| matches!(loaded, Loaded::Native(_));
        let natives = self.plugins.iter().filter(|(_, loaded)| is_native(loaded));
        let needed = pool_size(&config);
        let room = self.room.as_ref().filter(|room| room.size.holds(&needed)).cloned();
        // A room that was outgrown stays for as long as a subscription is in it. Half as much again, so that few are.
        let size = PoolSize { instances: needed.instances.saturating_add(needed.instances / 2), ..needed };
        let known = if room.is_some() { self.plugins.clone() } else { BTreeMap::new() };
        let empty = Self {
            config,
            plugins: natives.map(|(name, loaded)| (name.clone(), loaded.clone())).collect(),
            digests: BTreeMap::new(),
            room,
            telemetry: self.telemetry.clone(),
            health: self.health.clone(),
            door: self.door.clone(),
        };
        empty.load(&known, size)
    }

    /// What whoever wants to change something has to show.
    pub(super) fn token(&self) -> Result<Option<Watched>, HostError> {
        Ok(self.config.admin.token.as_ref().map(Watched::read).transpose()?)
    }

    /// What loads a plugin as they were loaded; `None` where there is no component.
    pub(super) fn loader(&self) -> Option<Loader> {
        let runtime = self.room.as_ref()?.runtime.clone();
        Some(Loader { runtime, settings: self.config.runtime.clone() })
    }

    /// The plugins that are no connectors of this process.
    pub(super) fn components(&self) -> impl Iterator<Item = (PluginName, config::Plugin, Line)> {
        self.config.plugins.iter().filter_map(|(name, settings)| match self.plugins.get(name)? {
            Loaded::Component(line) => Some((name.clone(), settings.clone(), line.clone())),
            Loaded::Native(_) => None,
        })
    }

    pub(super) fn version(&self) -> Version<'_> {
        Version { config: &self.config, digests: &self.digests }
    }

    /// Loads its plugins, into a room of this size if it has none, but for those that are known and hold the same.
    fn load(mut self, known: &BTreeMap<PluginName, Loaded>, size: PoolSize) -> Result<Self, HostError> {
        for (name, settings) in &self.config.plugins {
            let room = match &mut self.room {
                Some(room) => room,
                none => none.insert(Room::new(&self.config, size)?),
            };
            let loader = Loader { runtime: room.runtime.clone(), settings: self.config.runtime.clone() };
            let plugin = loader.load(name, settings)?;
            self.digests.insert(name.clone(), plugin.sha256);
            let same = match known.get(name) {
                Some(Loaded::Component(line)) if line.borrow().live.is_same_as(&plugin) => Some(line.clone()),
                Some(Loaded::Component(_) | Loaded::Native(_)) | None => None,
            };
            let line = same.unwrap_or_else(|| Line::new(Served::only(Arc::new(plugin))));
            self.plugins.insert(name.clone(), Loaded::Component(line));
        }
        // Nothing is counted for what may never run.
        let uncounted = Telemetry::new();
        for name in self.config.subscriptions.keys() {
            // Settings, secrets and kinds of plugins are found wrong here rather than on a worker.
            let plan = self.stages_plan(name)?;
            drop(Stages::alone(&StagesPlan { telemetry: uncounted.clone(), ..plan })?);
        }
        Ok(self)
    }
}

impl Room {
    fn new(config: &Config, size: PoolSize) -> Result<Self, HostError> {
        let runtime = Arc::new(Runtime::new(&config.runtime, size)?);
        Ok(Self {
            runtime,
            size: PoolSize { instances: size.instances.max(config.runtime.instances), ..size },
        })
    }
}

/// Room for all calls that the subscriptions may have under way.
fn pool_size(config: &Config) -> PoolSize {
    let users: usize =
        config.subscriptions.values().map(|subscription| 2 + subscription.transformers.len()).sum();
    let memory_bytes =
        config.plugins.values().map(|plugin| plugin.limits.memory_bytes).max().unwrap_or_default();
    PoolSize {
        instances: u32::try_from(users).unwrap_or(u32::MAX).saturating_mul(INSTANCES_A_USER),
        memory_bytes,
    }
}
