//! What the versions of a plugin are counted and shown by. A version's series goes with it, so that they stay few.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::metrics::counter::Counter;

use super::each;
use super::family::{Families, Gauges};
use super::label::{ShadowResult, SwapResult, VersionState};
use super::series::{ByLabel, Labels, Names};
use crate::config::PluginName;

/// What the versions of one plugin count on.
#[derive(Clone)]
pub struct VersionMetrics {
    pub swaps: ByLabel<SwapResult, Counter>,
    pub shadowed: ByLabel<ShadowResult, Counter>,
    versions: Gauges,
    plugin: PluginName,
    shown: Arc<Mutex<Vec<Labels>>>,
}

impl VersionMetrics {
    pub(super) fn new(families: &Families, plugin: &PluginName) -> Self {
        let names = Names::new([("plugin", plugin.as_str())]);
        Self {
            swaps: each(&families.plugin_swaps, &names),
            shadowed: each(&families.plugin_shadowed, &names),
            versions: families.plugin_versions.clone(),
            plugin: plugin.clone(),
            shown: Arc::default(),
        }
    }

    /// These are called now, by the first digits of their sha256, and no others.
    pub fn show(&self, live: &str, trial: Option<&str>) {
        let labels = |sha256: &str, state: VersionState| {
            Names::new([("plugin", self.plugin.as_str()), ("sha256", sha256)]).with(state)
        };
        self.hide();
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.push(labels(live, VersionState::Live));
        shown.extend(trial.map(|trial| labels(trial, VersionState::Trial)));
        for labels in shown.iter() {
            self.versions.get_or_create(labels).set(1);
        }
    }

    /// None is called any more.
    pub fn hide(&self) {
        for labels in self.shown.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            self.versions.remove(&labels);
        }
    }
}

impl fmt::Debug for VersionMetrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("VersionMetrics").field("plugin", &self.plugin).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use crate::config::PluginName;
    use crate::telemetry::Telemetry;

    #[test]
    fn a_version_that_is_called_no_more_is_shown_no_more() {
        let telemetry = Telemetry::new();
        let versions = telemetry.versions(&PluginName::new("rest"));
        let shown = || -> Vec<String> {
            let encoded = telemetry.encode();
            encoded
                .lines()
                .filter(|line| line.starts_with("liaison_plugin_version{"))
                .map(str::to_owned)
                .collect()
        };
        versions.show("abc", Some("def"));
        assert_eq!(shown().len(), 2);
        versions.show("def", None);
        assert_eq!(shown(), [r#"liaison_plugin_version{plugin="rest",sha256="def",state="live"} 1"#]);
    }
}
