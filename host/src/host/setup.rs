//! A configuration with all that it names: plugins loaded, and settings, secrets and kinds of plugins found right.
//!
//! A configuration comes in, what a host can run comes out, or why it cannot. Blocks while it compiles plugins that were
//! not seen before. It reaches neither Kafka nor any external system.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::changes::{LineNumber, Version};
use super::versions::{Followed, LoadError, Loader, PluginVersions};
use super::{HostError, INSTANCES_A_USER};
use crate::admin::{Door, Health};
use crate::alert::Alert;
use crate::config::secret::Watched;
use crate::config::{Config, PluginName, Subscription};
use crate::intake::{Rulebook, Rules};
use crate::native::NativeConnector;
use crate::plugin::{Plugin, PoolSize, Runtime};
use crate::schema_registry::SchemaRegistry;
use crate::subscription::stages::served::{Line, Served};
use crate::subscription::stages::{Loaded, Stages, StagesPlan};
use crate::subscription::unix_ms;
use crate::telemetry::Telemetry;
use crate::whereabouts::Whereabouts;

#[derive(Debug)]
pub(super) struct Setup {
    pub(super) config: Config,
    pub(super) plugins: BTreeMap<PluginName, Loaded>,
    /// The line of each component.
    lines: BTreeMap<PluginName, LineNumber>,
    next_line: LineNumber,
    /// Loaded into a room that is new, to take the place of what is live and the same.
    moving: BTreeMap<PluginName, Arc<Plugin>>,
    pub(super) versions: PluginVersions,
    /// `None` where there is no component.
    room: Option<Room>,
    pub(super) telemetry: Telemetry,
    pub(super) health: Health,
    /// Who may change something.
    pub(super) door: Door,
    /// Who may send what by HTTP.
    pub(super) rulebook: Rulebook,
    pub(super) whereabouts: Whereabouts,
    /// What decodes records in the wire format.
    pub(super) registry: SchemaRegistry,
}

/// Why a configuration cannot be set up.
#[derive(Debug)]
pub(super) struct SetupError {
    /// The table, by its section and name, that is to blame: `None` where none is.
    pub(super) table: Option<[String; 2]>,
    pub(super) source: Box<HostError>,
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
    ) -> Result<Self, SetupError> {
        let natives = native.into_iter().map(|(name, connector)| (name, Loaded::Native(connector)));
        let telemetry = Telemetry::new();
        let registry = registry(&config, &telemetry)?;
        let remembered = config.intake.as_ref().map_or(0, |intake| intake.remember);
        let empty = Self {
            config,
            plugins: natives.collect(),
            lines: BTreeMap::new(),
            next_line: LineNumber(0),
            moving: BTreeMap::new(),
            versions: PluginVersions::new(&telemetry),
            room: None,
            telemetry,
            health: Health::new(),
            door: Door::default(),
            rulebook: Rulebook::default(),
            whereabouts: Whereabouts::new(remembered, unix_ms()),
            registry,
        };
        let size = pool_size(&empty.config);
        let setup = empty.load(&BTreeMap::new(), size)?;
        drop(setup.rules()?);
        // Nothing is told yet, and so nothing is over.
        drop(setup.follow());
        Ok(setup)
    }

    /// The same host by another configuration. Plugins stay in their lines, where their versions follow each other, unless
    /// they are of another kind, or what is live cannot join and is to.
    pub(super) fn next(&self, config: Config) -> Result<Self, SetupError> {
        let is_native = |loaded: &&Loaded| matches!(loaded, Loaded::Native(_));
        let natives = self.plugins.iter().filter(|(_, loaded)| is_native(loaded));
        let needed = pool_size(&config);
        let fits = |room: &&Room| config.plugins.is_empty() || room.size.holds(&needed);
        let room = self.room.as_ref().filter(fits).cloned();
        // A room that was outgrown stays for as long as a call is in it. Half as much again, so that few are.
        let size = needed.and_a_half();
        let is_same = config.kafka.schema_registry == self.config.kafka.schema_registry;
        // What is known already stays known.
        let registry = if is_same { self.registry.clone() } else { registry(&config, &self.telemetry)? };
        let empty = Self {
            config,
            plugins: natives.map(|(name, loaded)| (name.clone(), loaded.clone())).collect(),
            lines: BTreeMap::new(),
            next_line: self.next_line,
            moving: BTreeMap::new(),
            versions: self.versions.clone(),
            room,
            telemetry: self.telemetry.clone(),
            health: self.health.clone(),
            door: self.door.clone(),
            rulebook: self.rulebook.clone(),
            whereabouts: self.whereabouts.clone(),
            registry,
        };
        empty.load(&self.lines(), size)
    }

    /// What whoever wants to change something has to show.
    pub(super) fn token(&self) -> Result<Option<Watched>, HostError> {
        Ok(self.config.admin.token.as_ref().map(Watched::token).transpose()?)
    }

    /// Who may send what by HTTP, by its configuration.
    pub(super) fn rules(&self) -> Result<Rules, HostError> {
        let rules = self.config.intake.as_ref().map(|intake| Rules::new(intake, &self.config.subscriptions));
        Ok(rules.transpose()?.unwrap_or_default())
    }

    /// From now on its plugins are watched, and no others: what is new in their files or settings is tried. Returns the
    /// alerts that are over by that.
    pub(super) fn follow(&self) -> Vec<Alert> {
        let Some(room) = &self.room else { return Vec::new() };
        let plugins = self.lines().into_iter().filter_map(|(name, (_, line))| {
            let settings = self.config.plugins.get(&name)?.clone();
            let moving = self.moving.get(&name).cloned();
            let is_to_join = is_to_join(&self.config, &name);
            Some(Followed { name, settings, line, is_to_join, moving })
        });
        self.versions.follow(room.loader(&self.config), plugins)
    }

    fn lines(&self) -> BTreeMap<PluginName, (LineNumber, Line)> {
        let line = |(name, number): (&PluginName, &LineNumber)| match self.plugins.get(name)? {
            Loaded::Component(line) => Some((name.clone(), (*number, line.clone()))),
            Loaded::Native(_) => None,
        };
        self.lines.iter().filter_map(line).collect()
    }

    pub(super) fn version(&self) -> Version<'_> {
        Version { config: &self.config, lines: &self.lines }
    }

    /// Loads its plugins, into a room of this size if it has none, and puts them into the lines that are known.
    fn load(
        mut self,
        known: &BTreeMap<PluginName, (LineNumber, Line)>,
        size: PoolSize,
    ) -> Result<Self, SetupError> {
        let is_moving = self.room.is_none();
        for (name, settings) in &self.config.plugins {
            let room = match &mut self.room {
                Some(room) => room,
                none => none.insert(Room::new(&self.config, size)?),
            };
            let blamed = |source: LoadError| SetupError::in_table("plugins", name.as_str(), source.into());
            let plugin = room.loader(&self.config).load(name, settings).map_err(blamed)?;
            self.plugins.insert(name.clone(), Loaded::Component(Line::new(Served::only(Arc::new(plugin)))));
            self.lines.insert(name.clone(), self.next_line);
            self.next_line.0 += 1;
        }
        self.try_stages()?;
        for (name, (number, line)) in known {
            let Some(Loaded::Component(new)) = self.plugins.get_mut(name) else { continue };
            let plugin = new.borrow().live.clone();
            let is_to_join = is_to_join(&self.config, name);
            if is_in_place_of(&plugin, &line.borrow().live, is_to_join) {
                *new = line.clone();
                self.lines.insert(name.clone(), *number);
                self.moving.extend(is_moving.then(|| (name.clone(), plugin)));
            }
        }
        Ok(self)
    }

    /// Settings, secrets and kinds of plugins are found wrong here rather than on a worker.
    fn try_stages(&self) -> Result<(), SetupError> {
        // Nothing is counted for what may never run.
        let uncounted = Telemetry::new();
        for name in self.config.subscriptions.keys() {
            let blamed = |source| SetupError::in_table("subscriptions", name.as_str(), source);
            let plan = self.stages_plan(name).map_err(blamed)?;
            let stages = Stages::alone(&StagesPlan { telemetry: uncounted.clone(), ..plan });
            drop(stages.map_err(|error| blamed(error.into()))?);
        }
        Ok(())
    }
}

impl SetupError {
    fn in_table(section: &str, name: &str, source: HostError) -> Self {
        Self { table: Some([section.to_owned(), name.to_owned()]), source: Box::new(source) }
    }
}

impl From<HostError> for SetupError {
    fn from(source: HostError) -> Self {
        Self { table: None, source: Box::new(source) }
    }
}

impl Room {
    fn loader(&self, config: &Config) -> Loader {
        Loader { runtime: self.runtime.clone(), settings: config.runtime.clone() }
    }

    fn new(config: &Config, size: PoolSize) -> Result<Self, HostError> {
        let runtime = Arc::new(Runtime::new(&config.runtime, size)?);
        Ok(Self { runtime, size: size.at_least(config.runtime.instances) })
    }
}

/// Has a connector that uses this plugin a `batch`?
fn is_to_join(config: &Config, plugin: &PluginName) -> bool {
    config.connectors.values().any(|connector| connector.plugin == *plugin && connector.batch.is_some())
}

/// Can what is live go on until this takes its place? What cannot join is of no use to a connector that has a `batch` by now.
fn is_in_place_of(plugin: &Plugin, live: &Plugin, is_to_join: bool) -> bool {
    plugin.is_connector() == live.is_connector() && (live.is_joining() || !is_to_join)
}

fn registry(config: &Config, telemetry: &Telemetry) -> Result<SchemaRegistry, HostError> {
    Ok(SchemaRegistry::new(config.kafka.schema_registry.as_ref(), telemetry.schema_registry())?)
}

/// Room for all calls that the subscriptions may have under way.
fn pool_size(config: &Config) -> PoolSize {
    let joins = |subscription: &Subscription| {
        config.connectors.get(&subscription.connector).is_some_and(|connector| connector.batch.is_some())
    };
    let users = config.subscriptions.values();
    let users: usize = users
        .map(|subscription| 2 + usize::from(joins(subscription)) + subscription.transformers.len())
        .sum();
    let instances = u32::try_from(users).unwrap_or(u32::MAX).saturating_mul(INSTANCES_A_USER);
    PoolSize::new(instances, config.plugins.values().map(|plugin| &plugin.limits))
}
