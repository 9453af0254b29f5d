//! Looks at a component file without a configuration: what `liaison plugin inspect` shows.

use std::path::Path;

use super::workers;
use crate::config::{self, PluginName};
use crate::plugin::{Inspection, PluginError, PoolSize, Runtime};
use crate::telemetry::Telemetry;

/// Instances of the one plugin that is started.
const INSTANCES: u32 = 1;

/// What a component imports, exports and needs, and whether a host would load it within the default limits.
///
/// # Errors
///
/// When the file cannot be read, or is larger than any component may be.
pub async fn inspect(path: &Path) -> Result<Inspection, PluginError> {
    let name = PluginName::new(&path.file_stem().unwrap_or_default().to_string_lossy());
    let settings = config::Plugin::new(path);
    let size = PoolSize { instances: INSTANCES, memory_bytes: settings.limits.memory_bytes };
    let runtime = Runtime::new(&config::Runtime::default(), size)?;
    let (mut inspection, plugin) = runtime.inspect(&name, &settings)?;
    if let Some(plugin) = plugin {
        let start = |plugin: crate::plugin::Plugin| async move {
            plugin.start(Telemetry::new().plugin(&plugin.name)).await
        };
        match workers::on_a_worker(start, plugin).await {
            Ok(bytes) => inspection.started_bytes = Some(bytes),
            Err(fault) => inspection.refusal = Some(format!("it is loaded, but it does not start: {fault}")),
        }
    }
    Ok(inspection)
}
