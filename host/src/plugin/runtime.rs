//! Takes plugins in: each is fetched, checked against `wit/`, compiled once, and started once.

use std::path::PathBuf;

use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use super::interface::Exporter;
use super::{
    CONNECTOR, JOINER, Kind, Plugin, PluginError, PoolSize, TRANSFORMER, cache, engine, hex, sandbox,
};
use crate::config::{self, PluginName};
use crate::provenance::{self, Provenance};

/// Loads plugins. One a process: it owns the memory of all instances.
pub(crate) struct Runtime {
    pub(super) engine: Engine,
    linker: Linker<sandbox::Guest>,
    pub(super) cache: cache::Cache,
    /// Where images are kept that were fetched.
    images: PathBuf,
    stack_bytes: usize,
    call_twice: bool,
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
        let plugin = self.plugin(name, settings, provenance, kind);
        plugin.start()?;
        Ok(plugin)
    }

    pub(super) fn plugin(
        &self,
        name: &PluginName,
        settings: &config::Plugin,
        provenance: Provenance,
        kind: Kind,
    ) -> Plugin {
        Plugin {
            name: name.clone(),
            sha256: provenance.sha256,
            provenance,
            settings: settings.clone(),
            kind,
            stack_bytes: self.stack_bytes,
            call_twice: self.call_twice,
            observer: None,
        }
    }

    /// What it is, if it fits the contract and imports nothing beyond it: the one judgement of what may run here.
    pub(super) fn admit(&self, name: &PluginName, component: &Component) -> Result<Kind, PluginError> {
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
            let pre = pre()?;
            let joiner = has(JOINER).then(|| Exporter::new(&pre)).transpose().map_err(contract)?;
            Ok(Kind::Connector(Exporter::new(&pre).map_err(contract)?, joiner))
        } else if has(TRANSFORMER) {
            Ok(Kind::Transformer(Exporter::new(&pre()?).map_err(contract)?))
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

pub(super) fn no_component(
    name: &PluginName,
    settings: &config::Plugin,
    error: &wasmtime::Error,
) -> PluginError {
    let reason = format!("{error:#}").lines().next().unwrap_or_default().to_owned();
    PluginError::NoComponent { plugin: name.clone(), from: settings.source.to_string(), reason }
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Runtime").field("cache", &self.cache).finish_non_exhaustive()
    }
}
