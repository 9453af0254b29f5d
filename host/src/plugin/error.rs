//! Why a plugin is not taken.

use crate::config::PluginName;
use crate::provenance::ProvenanceError;

/// Why a plugin cannot be loaded, or not be used like this.
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
