//! Series that go: subscriptions and connectors come and go with the configuration, and what is shown of them too.
//!
//! Names are noted when their handles are taken; when they are no more, every series with them leaves its family.

use std::collections::BTreeSet;
use std::sync::{MutexGuard, PoisonError};

use prometheus_client::metrics::family::{Family, MetricConstructor};

use super::Telemetry;
use super::series::{Labels, Names};
use crate::config::{ConnectorName, PluginName, SubscriptionName};

/// A family whose series can go.
pub(super) trait Forgetting: Send + Sync {
    /// Handles that are still held count on, and nobody reads it.
    fn forget(&self, series: &Labels);
}

impl<M, C> Forgetting for Family<Labels, M, C>
where
    M: Send + Sync,
    C: MetricConstructor<M> + Send + Sync,
{
    fn forget(&self, series: &Labels) {
        self.remove(series);
    }
}

impl Telemetry {
    /// The subscription is no more, or has another connector: its series are not shown any longer.
    pub fn forget_subscription(&self, subscription: &SubscriptionName, connector: &ConnectorName) {
        let (subscription, connector) = (Some(subscription.as_str()), Some(connector.as_str()));
        self.forget(|names| names.get("subscription") == subscription && names.get("connector") == connector);
    }

    /// No subscription has the connector any more: its own series are not shown any longer.
    pub fn forget_connector(&self, connector: &ConnectorName) {
        let connector = Some(connector.as_str());
        self.forget(|names| names.get("subscription").is_none() && names.get("connector") == connector);
    }

    /// The plugin is no more: its series are not shown any longer.
    pub fn forget_plugin(&self, plugin: &PluginName) {
        self.forget(|names| names.get("plugin") == Some(plugin.as_str()));
    }

    fn forget(&self, is_gone: impl Fn(&Names) -> bool) {
        let gone: Vec<_> = self.names().extract_if(.., |names| is_gone(names)).collect();
        for series in gone.iter().flat_map(Names::series) {
            self.shared.all.iter().for_each(|family| family.forget(&series));
        }
    }

    /// Remembers them, so that their series can go.
    pub(super) fn note(&self, names: &Names) {
        self.names().insert(names.clone());
    }

    fn names(&self) -> MutexGuard<'_, BTreeSet<Names>> {
        // Whole after any panic: each change is one call of the set.
        self.shared.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::telemetry::{BurnWindow, Settlement, StatusClass};

    #[test]
    fn what_is_no_more_is_not_shown() {
        let telemetry = Telemetry::new();
        let (name, connector) = (SubscriptionName::new("calendar"), ConnectorName::new("training"));
        let subscription = telemetry.subscription(&name, &connector);
        let other = ConnectorName::new("other");
        subscription.settled[Settlement::Delivered].inc();
        telemetry.subscription(&name, &other).settled[Settlement::Delivered].inc();
        telemetry.sla(&name, &connector, "a.b").burn_rate[BurnWindow::Fast].set(1.0);
        telemetry.parked(&name, &connector, "1m").parked.inc();
        telemetry.connector(&connector).request_duration[StatusClass::Failed].observe(Duration::from_secs(1));
        let lines = |text: &str| telemetry.encode().lines().filter(|line| line.contains(text)).count();
        assert!(lines("connector=\"training\"") > 50);
        telemetry.forget_subscription(&name, &connector);
        assert_eq!(lines("subscription=\"calendar\",connector=\"training\""), 0);
        assert!(lines("subscription=\"calendar\",connector=\"other\"") > 20);
        assert!(lines("connector=\"training\"") > 5, "the connector is there");
        telemetry.forget_connector(&connector);
        assert_eq!(lines("connector=\"training\""), 0);
        // Come back, it begins anew.
        let again = telemetry.subscription(&name, &connector);
        assert_eq!(again.settled[Settlement::Delivered].get(), 0);
        assert!(lines("connector=\"training\"") > 20);
    }
}
