//! Looks at a component without loading it: what `liaison plugin inspect` shows.

use crate::config::{self, PluginName};
use crate::plugin::{Inspection, PluginError, PoolSize, Runtime};

/// Instances of the one plugin that is started.
const INSTANCES: u32 = 1;

/// Who signed a component, what it imports, exports and needs, and whether a host would load it within these limits.
///
/// # Errors
///
/// When it cannot be read, or is not the one that is asked for.
pub fn inspect(
    name: &PluginName,
    settings: &config::Plugin,
    runtime: &config::Runtime,
) -> Result<Inspection, PluginError> {
    let size = PoolSize::new(INSTANCES, [&settings.limits]);
    Runtime::new(runtime, size)?.inspect(name, settings)
}
