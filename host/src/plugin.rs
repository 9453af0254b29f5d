//! Plugins: WebAssembly components as the rest of the host sees them. All that touches wasmtime is in here.
//!
//! `Runtime` loads component files, checks them against `wit/` and hands out callers for a connector or a transformer.
//! A plugin can compute and answer; it can neither wait nor reach anything. What goes wrong in one is a
//! [`Fault`](crate::contract::Fault) of the one event that caused it.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value};
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use crate::config::{self, PluginName};
use crate::provenance::{self, Provenance, ProvenanceError};
use crate::telemetry::PluginMetrics;

mod account;
mod aside;
mod bindings;
mod bounds;
mod cache;
mod caller;
mod calls;
mod engine;
mod inspect;
mod joins;
mod kept;
mod limits;
mod log_rate;
pub mod measure;
mod observer;
mod output;
mod pool;
mod producers;
mod sandbox;
mod settings;
mod start;
mod words;
mod worlds;

pub(crate) use calls::Calls;
pub(crate) use engine::PoolSize;
pub use inspect::{Compiled, Import, Inspection, Needs};
pub(crate) use joins::{JoinInput, JoinOutput, Joins};
pub(crate) use observer::Observer;
pub use observer::{LogLine, Observed};
pub use producers::Producer;
pub(crate) use worlds::{CheckInput, Checks, Connectors, Transformers};

/// What a component of either world exports.
const CONNECTOR: &str = "liaison:plugin/connector@0.1.0";
const TRANSFORMER: &str = "liaison:plugin/transformer@0.1.0";
/// What a connector may export beside.
pub(crate) const JOINER: &str = "liaison:plugin/joiner@0.1.0";

/// Whose words a log line or a fault is about.
#[derive(Debug)]
pub(crate) struct Label {
    pub(crate) plugin: String,
    /// The connector or transformer that uses the plugin.
    pub(crate) user: String,
    /// Who watches, if anybody does.
    pub(crate) observer: Option<Observer>,
}

#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    #[error("cannot start the plugin runtime: {0}")]
    Engine(String),
    #[error("plugin {plugin}: {error}")]
    Provenance { plugin: PluginName, error: Box<ProvenanceError> },
    #[error("plugin {plugin}: {from} is no component: {reason}; build it for the target wasm32-wasip2")]
    NoComponent { plugin: PluginName, from: String, reason: String },
    #[error("plugin {plugin} imports {import}, which no plugin may: plugins do no I/O")]
    Import { plugin: PluginName, import: String },
    #[error(
        "plugin {plugin} exports neither liaison:plugin/connector@0.1.0 nor liaison:plugin/transformer@0.1.0, but {found}"
    )]
    World { plugin: PluginName, found: String },
    #[error("plugin {plugin} does not fit the contract liaison:plugin@0.1.0: {reason}")]
    Contract { plugin: PluginName, reason: String },
    #[error(
        "plugin {plugin} does not start: {reason}; build it anew for the contract of this host, liaison:plugin@0.1.0"
    )]
    Start { plugin: PluginName, reason: String },
    #[error("plugin {plugin} is a {found}, and {user} needs a {wanted}")]
    Kind { plugin: PluginName, user: String, found: &'static str, wanted: &'static str },
    #[error(
        "plugin {plugin} does not export liaison:plugin/joiner@0.1.0, so nothing can be joined for {user}; leave its `batch` out"
    )]
    Joiner { plugin: PluginName, user: String },
}

impl PluginError {
    /// Is it something to be mended first, rather than something that may succeed another time?
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Provenance { error, .. } => error.is_configuration(),
            Self::Engine(_)
            | Self::NoComponent { .. }
            | Self::Import { .. }
            | Self::World { .. }
            | Self::Contract { .. }
            | Self::Start { .. }
            | Self::Kind { .. }
            | Self::Joiner { .. } => true,
        }
    }
}

/// Loads plugins. One a process: it owns the memory of all instances.
pub(crate) struct Runtime {
    engine: Engine,
    linker: Linker<sandbox::Guest>,
    cache: cache::Cache,
    /// Where images are kept that were fetched.
    images: PathBuf,
    stack_bytes: usize,
    call_twice: bool,
}

/// A component that was checked against the contract and can be instantiated.
pub(crate) struct Plugin {
    pub(crate) name: PluginName,
    /// Of the component.
    pub(crate) sha256: [u8; 32],
    pub(crate) provenance: Provenance,
    settings: config::Plugin,
    kind: Kind,
    stack_bytes: usize,
    call_twice: bool,
    observer: Option<Observer>,
}

#[derive(Clone)]
enum Kind {
    Connector(worlds::ConnectorPre, Option<joins::JoinerPre>),
    Transformer(worlds::TransformerPre),
}

impl Runtime {
    pub(crate) fn new(settings: &config::Runtime, size: PoolSize) -> Result<Self, PluginError> {
        let stack_bytes = settings.stack_bytes;
        let engine = engine::engine(size.at_least(settings.instances), stack_bytes);
        let engine = engine.map_err(|error| PluginError::Engine(format!("{error:#}")))?;
        let linker = sandbox::linker(&engine).map_err(|error| PluginError::Engine(format!("{error:#}")))?;
        let cache = cache::Cache::new(&settings.cache);
        let images = settings.images_folder();
        Ok(Self { engine, linker, cache, images, stack_bytes, call_twice: settings.call_twice })
    }

    /// Takes a component from its source, checks it and, the first time, compiles it. Blocks for seconds with a large one,
    /// and for as long as a registry's `timeout` where it has to be fetched.
    pub(crate) fn load(&self, name: &PluginName, settings: &config::Plugin) -> Result<Plugin, PluginError> {
        self.compile(name, settings, self.fetch(name, settings)?)
    }

    /// The first half of [`load`](Self::load): its digest and its signature are right, and nothing has looked into it.
    pub(crate) fn fetch(
        &self,
        name: &PluginName,
        settings: &config::Plugin,
    ) -> Result<provenance::Component, PluginError> {
        provenance::fetch(settings, &self.images)
            .map_err(|error| PluginError::Provenance { plugin: name.clone(), error: Box::new(error) })
    }

    /// The second half of [`load`](Self::load).
    pub(crate) fn compile(
        &self,
        name: &PluginName,
        settings: &config::Plugin,
        component: provenance::Component,
    ) -> Result<Plugin, PluginError> {
        let provenance::Component { bytes, provenance } = component;
        let component = self.cache.component(&self.engine, &bytes, &hex(&provenance.sha256));
        let component = component.map_err(|error| no_component(name, settings, &error))?;
        let kind = self.admit(name, &component)?;
        let plugin = Plugin {
            name: name.clone(),
            sha256: provenance.sha256,
            provenance,
            settings: settings.clone(),
            kind,
            stack_bytes: self.stack_bytes,
            call_twice: self.call_twice,
            observer: None,
        };
        plugin.start()?;
        Ok(plugin)
    }

    /// What it is, if it fits the contract and imports nothing beyond it: the one judgement of what may run here.
    fn admit(&self, name: &PluginName, component: &Component) -> Result<Kind, PluginError> {
        check_imports(name, &self.engine, component)?;
        self.kind(name, component)
    }

    fn kind(&self, name: &PluginName, component: &Component) -> Result<Kind, PluginError> {
        let contract = |error: wasmtime::Error| PluginError::Contract {
            plugin: name.clone(),
            reason: format!("{error:#}"),
        };
        let component_type = component.component_type();
        let exports: Vec<String> =
            component_type.exports(&self.engine).map(|(name, _)| name.to_owned()).collect();
        let has = |interface: &str| exports.iter().any(|export| export == interface);
        let pre = || self.linker.instantiate_pre(component).map_err(contract);
        if has(CONNECTOR) {
            let joiner = || joins::JoinerPre::new(pre()?).map_err(contract);
            let joiner = has(JOINER).then(joiner).transpose()?;
            Ok(Kind::Connector(worlds::ConnectorPre::new(pre()?).map_err(contract)?, joiner))
        } else if has(TRANSFORMER) {
            Ok(Kind::Transformer(worlds::TransformerPre::new(pre()?).map_err(contract)?))
        } else {
            let found = if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") };
            Err(PluginError::World { plugin: name.clone(), found })
        }
    }
}

fn check_imports(name: &PluginName, engine: &Engine, component: &Component) -> Result<(), PluginError> {
    match component.component_type().imports(engine).find(|(import, _)| sandbox::link(import).is_none()) {
        None => Ok(()),
        Some((import, _)) => Err(PluginError::Import { plugin: name.clone(), import: import.to_owned() }),
    }
}

fn no_component(name: &PluginName, settings: &config::Plugin, error: &wasmtime::Error) -> PluginError {
    let reason = format!("{error:#}").lines().next().unwrap_or_default().to_owned();
    PluginError::NoComponent { plugin: name.clone(), from: settings.source.to_string(), reason }
}

impl Plugin {
    /// The same, with somebody who sees what each call takes and logs.
    pub(crate) fn observed(self, observer: Observer) -> Self {
        Self { observer: Some(observer), ..self }
    }

    /// The same, with an instance that is kept for so many calls.
    pub(crate) fn warm(&self, calls: u32) -> Self {
        let kind = self.kind.clone();
        let instances = config::Instances::Warm { calls };
        let settings = config::Plugin { instances, ..self.settings.clone() };
        Self {
            name: self.name.clone(),
            sha256: self.sha256,
            provenance: self.provenance.clone(),
            settings,
            kind,
            stack_bytes: self.stack_bytes,
            call_twice: self.call_twice,
            observer: self.observer.clone(),
        }
    }

    /// Does it hold the same, to be run alike?
    pub(crate) fn is_same_as(&self, other: &Plugin) -> bool {
        self.sha256 == other.sha256 && self.settings == other.settings
    }

    pub(crate) fn is_connector(&self) -> bool {
        matches!(self.kind, Kind::Connector(..))
    }

    /// Can it make one request of several?
    pub(crate) fn is_joining(&self) -> bool {
        matches!(self.kind, Kind::Connector(_, Some(_)))
    }

    /// A caller for one connector in one subscription.
    pub(crate) fn connector(
        &self,
        user: &str,
        settings: &Map<String, Value>,
        metrics: PluginMetrics,
    ) -> Result<Calls<Connectors>, PluginError> {
        match &self.kind {
            Kind::Connector(pre, _) => Ok(self.calls(pre.clone(), user, settings, metrics)),
            Kind::Transformer(_) => Err(self.wrong_kind(user, "transformer", "connector")),
        }
    }

    /// A caller of the same connector's `check`.
    pub(crate) fn checks(
        &self,
        user: &str,
        settings: &Map<String, Value>,
        metrics: PluginMetrics,
    ) -> Result<Calls<Checks>, PluginError> {
        match &self.kind {
            Kind::Connector(pre, _) => Ok(self.calls(pre.clone(), user, settings, metrics)),
            Kind::Transformer(_) => Err(self.wrong_kind(user, "transformer", "connector")),
        }
    }

    /// A caller of the same connector's `join` and `split`.
    pub(crate) fn joins(
        &self,
        user: &str,
        settings: &Map<String, Value>,
        metrics: PluginMetrics,
    ) -> Result<Calls<Joins>, PluginError> {
        match &self.kind {
            Kind::Connector(_, Some(pre)) => Ok(self.calls(pre.clone(), user, settings, metrics)),
            Kind::Connector(_, None) => {
                Err(PluginError::Joiner { plugin: self.name.clone(), user: user.to_owned() })
            }
            Kind::Transformer(_) => Err(self.wrong_kind(user, "transformer", "connector")),
        }
    }

    /// A caller for one transformer in one subscription.
    pub(crate) fn transformer(
        &self,
        user: &str,
        settings: &Map<String, Value>,
        metrics: PluginMetrics,
    ) -> Result<Calls<Transformers>, PluginError> {
        match &self.kind {
            Kind::Transformer(pre) => Ok(self.calls(pre.clone(), user, settings, metrics)),
            Kind::Connector(..) => Err(self.wrong_kind(user, "connector", "transformer")),
        }
    }

    /// The limits that hold for an attempt rather than for a call.
    pub(crate) fn limits(&self) -> &config::Limits {
        &self.settings.limits
    }

    /// Its calls are made twice and compared.
    pub(crate) fn is_called_twice(&self) -> bool {
        self.call_twice
    }

    fn calls<W: pool::World>(
        &self,
        pre: W::Pre,
        user: &str,
        settings: &Map<String, Value>,
        metrics: PluginMetrics,
    ) -> Calls<W> {
        Calls::new(self.plan(pre, user, settings, metrics), self.settings.batch)
    }

    fn plan<W: pool::World>(
        &self,
        pre: W::Pre,
        user: &str,
        settings: &Map<String, Value>,
        metrics: PluginMetrics,
    ) -> pool::Plan<W> {
        let plugin = self.name.as_str().to_owned();
        let label = Label { plugin, user: user.to_owned(), observer: self.observer.clone() };
        pool::Plan {
            pre,
            settings: Arc::new(settings::Settings::new(settings)),
            label: Arc::new(label),
            limits: self.settings.limits,
            instances: self.settings.instances,
            stack_bytes: self.stack_bytes,
            call_twice: self.call_twice,
            metrics,
            is_on_trial: Arc::default(),
        }
    }

    fn wrong_kind(&self, user: &str, found: &'static str, wanted: &'static str) -> PluginError {
        PluginError::Kind { plugin: self.name.clone(), user: user.to_owned(), found, wanted }
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Plugin")
            .field("name", &self.name)
            .field("sha256", &hex(&self.sha256))
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Runtime").field("cache", &self.cache).finish_non_exhaustive()
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}
