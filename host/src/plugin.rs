//! Plugins: WebAssembly components as the rest of the host sees them. All that touches wasmtime is in here.
//!
//! `Runtime` loads component files, checks them against `wit/` and hands out callers for a connector or a transformer.
//! A plugin can compute and answer; it can neither wait nor reach anything. What goes wrong in one is a
//! [`Fault`](crate::contract::Fault) of the one event that caused it.

use std::sync::Arc;

use serde_json::{Map, Value};

use self::interface::Exporter;
use self::pool::World;
use crate::config::{self, PluginName};
use crate::provenance::Provenance;
use crate::telemetry::PluginMetrics;

mod account;
mod aside;
mod bindings;
mod bounds;
mod cache;
mod caller;
mod calls;
mod engine;
mod error;
mod inspect;
mod interface;
mod joins;
mod kept;
mod limits;
mod log_rate;
pub mod measure;
mod observer;
mod output;
mod pool;
mod producers;
mod runtime;
mod sandbox;
mod settings;
mod start;
mod words;
mod worlds;

pub(crate) use calls::Calls;
pub(crate) use engine::PoolSize;
pub use error::PluginError;
pub use inspect::{Compiled, Import, Inspection, Needs};
pub(crate) use joins::Joins;
pub(crate) use observer::Observer;
pub use observer::{LogLine, Observed};
pub use producers::Producer;
pub(crate) use runtime::Runtime;
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

/// A component that was checked against the contract and can be instantiated.
#[derive(Clone)]
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
    Connector(Exporter<<Connectors as World>::Exports>, Option<Exporter<<Joins as World>::Exports>>),
    Transformer(Exporter<<Transformers as World>::Exports>),
}

impl Plugin {
    /// The same, with somebody who sees what each call takes and logs.
    pub(crate) fn observed(self, observer: Observer) -> Self {
        Self { observer: Some(observer), ..self }
    }

    /// The same, with an instance that is kept for so many calls.
    pub(crate) fn warm(&self, calls: u32) -> Self {
        let instances = config::Instances::Warm { calls };
        let settings = config::Plugin { instances, ..self.settings.clone() };
        Self { settings, ..self.clone() }
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
            Kind::Connector(exporter, _) => Ok(self.calls(exporter.clone(), user, settings, metrics)),
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
            Kind::Connector(exporter, _) => Ok(self.calls(exporter.clone(), user, settings, metrics)),
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
            Kind::Connector(_, Some(exporter)) => Ok(self.calls(exporter.clone(), user, settings, metrics)),
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
            Kind::Transformer(exporter) => Ok(self.calls(exporter.clone(), user, settings, metrics)),
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

    fn calls<W: World>(
        &self,
        exporter: Exporter<W::Exports>,
        user: &str,
        settings: &Map<String, Value>,
        metrics: PluginMetrics,
    ) -> Calls<W> {
        Calls::new(self.plan(exporter, user, settings, metrics), self.settings.batch)
    }

    fn plan<W: World>(
        &self,
        exporter: Exporter<W::Exports>,
        user: &str,
        settings: &Map<String, Value>,
        metrics: PluginMetrics,
    ) -> pool::Plan<W> {
        let plugin = self.name.as_str().to_owned();
        let label = Label { plugin, user: user.to_owned(), observer: self.observer.clone() };
        pool::Plan {
            exporter,
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

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}
