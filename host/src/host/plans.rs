//! From the configuration to what a worker needs for each subscription: names resolved, plugins and handles in place.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;

use super::prepare::Prepared;
use super::{Host, HostError, INSTANCES_A_USER};
use crate::alert::AlertSender;
use crate::config::mask::Mask;
use crate::config::{Config, PluginName, Subscription, SubscriptionName};
use crate::dead_letter::Blamed;
use crate::kafka::retention::Retentions;
use crate::plugin::{Plugin, PoolSize};
use crate::subscription::stages::{Loaded, StagesPlan};
use crate::subscription::{SubscriptionPlan, Witness};
use crate::telemetry::ParkedMetrics;

impl Host {
    pub(super) fn plans(
        &self,
        bootstrap: &str,
        prepared: &Prepared,
        alerts: &AlertSender,
        retentions: &watch::Receiver<Retentions>,
    ) -> Result<Vec<(SubscriptionName, SubscriptionPlan)>, HostError> {
        let mut plans = Vec::new();
        for (name, settings) in &self.config.subscriptions {
            let stages = self.stages_plan(name)?;
            let delays = prepared.delays.get(name).cloned().unwrap_or_default();
            let blamed = |plugin: &Plugin| Blamed { plugin: plugin.name.clone(), sha256: plugin.sha256 };
            let plugin = match &stages.plugin {
                Loaded::Component(plugin) => Some(blamed(plugin)),
                Loaded::Native(_) => None,
            };
            let transformers = stages.transformers.iter().map(|(_, _, plugin)| blamed(plugin)).collect();
            let witness = Witness {
                subscription: name.clone(),
                connector: settings.connector.clone(),
                group: settings.group.clone(),
                plugin,
                transformers,
                sla: settings.sla.clone(),
                metrics: self.telemetry.subscription(name, &settings.connector),
                parked: self.parked_metrics(name, settings, &delays),
                alerts: alerts.clone(),
                health: self.health.clone(),
                mask: stages.mask.clone(),
            };
            let plan = SubscriptionPlan {
                settings: settings.clone(),
                kafka: self.config.kafka.clone(),
                bootstrap: bootstrap.to_owned(),
                delays,
                stages,
                witness,
                producer: prepared.producer.clone(),
                health: self.health.clone(),
                retentions: retentions.clone(),
                retention_share: self.config.alerts.retention_share,
            };
            plans.push((name.clone(), plan));
        }
        Ok(plans)
    }

    fn parked_metrics(
        &self,
        name: &SubscriptionName,
        settings: &Subscription,
        delays: &BTreeMap<String, Duration>,
    ) -> BTreeMap<String, ParkedMetrics> {
        let metrics = |delay: Duration| {
            self.telemetry.parked(name, &settings.connector, &humantime::format_duration(delay).to_string())
        };
        delays.iter().map(|(topic, delay)| (topic.clone(), metrics(*delay))).collect()
    }

    pub(super) fn stages_plan(&self, name: &SubscriptionName) -> Result<StagesPlan, HostError> {
        let missing = |what: String| HostError::Missing { subscription: name.clone(), what };
        let subscription = self.config.subscriptions.get(name).ok_or_else(|| missing("itself".into()))?;
        let connector_name = &subscription.connector;
        let connector = self
            .config
            .connectors
            .get(connector_name)
            .ok_or_else(|| missing(format!("connector {connector_name}")))?;
        let plugin =
            |plugin: &PluginName| self.plugins.get(plugin).ok_or_else(|| missing(format!("plugin {plugin}")));
        let mut transformers = Vec::new();
        for transformer_name in &subscription.transformers {
            let transformer = self
                .config
                .transformers
                .get(transformer_name)
                .ok_or_else(|| missing(format!("transformer {transformer_name}")))?;
            match plugin(&transformer.plugin)? {
                Loaded::Component(component) => {
                    transformers.push((transformer_name.clone(), transformer.clone(), component.clone()));
                }
                Loaded::Native(_) => {
                    return Err(missing(format!("a component for transformer {transformer_name}")));
                }
            }
        }
        Ok(StagesPlan {
            subscription: name.clone(),
            connector_name: connector_name.clone(),
            connector: connector.clone(),
            plugin: plugin(&connector.plugin)?.clone(),
            transformers,
            telemetry: self.telemetry.clone(),
            mask: Mask::default(),
            spool_folder: self.config.runtime.spool_folder(),
        })
    }
}

/// Room for all calls that the subscriptions may have under way.
pub(super) fn pool_size(config: &Config) -> PoolSize {
    let users: usize =
        config.subscriptions.values().map(|subscription| 2 + subscription.transformers.len()).sum();
    let memory_bytes =
        config.plugins.values().map(|plugin| plugin.limits.memory_bytes).max().unwrap_or_default();
    PoolSize {
        instances: u32::try_from(users).unwrap_or(u32::MAX).saturating_mul(INSTANCES_A_USER),
        memory_bytes,
    }
}
