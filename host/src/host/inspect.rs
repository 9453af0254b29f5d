//! Looks at a component file without a configuration: what `liaison plugin inspect` shows.

use std::path::Path;

use crate::config::{self, PluginName};
use crate::plugin::{Inspection, PluginError, PoolSize, Runtime};

/// Instances of the one plugin that is started.
const INSTANCES: u32 = 1;

/// What a component imports, exports and needs, and whether a host would load it within the default limits.
///
/// # Errors
///
/// When the file cannot be read, or is larger than any component may be.
pub fn inspect(path: &Path) -> Result<Inspection, PluginError> {
    let name = PluginName::new(&path.file_stem().unwrap_or_default().to_string_lossy());
    let settings = config::Plugin::new(path);
    let size = PoolSize { instances: INSTANCES, memory_bytes: settings.limits.memory_bytes };
    Runtime::new(&config::Runtime::default(), size)?.inspect(&name, &settings)
}
