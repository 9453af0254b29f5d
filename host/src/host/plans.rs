//! From the configuration to what a worker needs for each subscription: names resolved, plugins and handles in place.

use std::sync::Arc;

use super::{Host, HostError, INSTANCES_A_USER};
use crate::alert::AlertSender;
use crate::config::{Config, PluginName, SubscriptionName};
use crate::dead_letter::Blamed;
use crate::kafka::producer::Producer;
use crate::plugin::{Plugin, PoolSize};
use crate::subscription::stages::{Loaded, StagesPlan};
use crate::subscription::{SubscriptionPlan, Witness};

impl Host {
    pub(super) fn plans(
        &self,
        bootstrap: &str,
        producer: &Arc<Producer>,
        alerts: &AlertSender,
    ) -> Result<Vec<(SubscriptionName, SubscriptionPlan)>, HostError> {
        let mut plans = Vec::new();
        for (name, settings) in &self.config.subscriptions {
            let stages = self.stages_plan(name)?;
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
                alerts: alerts.clone(),
                health: self.health.clone(),
                mask: stages.mask()?,
            };
            let plan = SubscriptionPlan {
                settings: settings.clone(),
                kafka: self.config.kafka.clone(),
                bootstrap: bootstrap.to_owned(),
                stages,
                witness,
                producer: producer.clone(),
                health: self.health.clone(),
            };
            plans.push((name.clone(), plan));
        }
        Ok(plans)
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
