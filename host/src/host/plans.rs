//! From the configuration to what a worker needs for each subscription: names resolved, plugins and handles in place.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::HostError;
use super::prepare::Delays;
use super::setup::Setup;
use super::workers::Planned;
use crate::alert::AlertSender;
use crate::config::mask::Mask;
use crate::config::{PluginName, Subscription, SubscriptionName};
use crate::kafka::producer::Producer;
use crate::subscription::stages::{Loaded, StagesPlan};
use crate::subscription::{KnownRetentions, SubscriptionPlan, Witness};
use crate::telemetry::ParkedMetrics;

/// What all subscriptions stand on, whatever the configuration becomes.
#[derive(Debug, Clone)]
pub(super) struct Ground {
    /// `host:port`, separated by commas.
    pub(super) bootstrap: String,
    pub(super) producer: Arc<Producer>,
    pub(super) alerts: AlertSender,
    pub(super) retentions: watch::Receiver<KnownRetentions>,
}

impl Setup {
    /// The plans of these subscriptions.
    pub(super) fn plans<'a>(
        &self,
        names: impl Iterator<Item = &'a SubscriptionName>,
        ground: &Ground,
        delays: &Delays,
    ) -> Result<Vec<Planned>, HostError> {
        names.map(|name| Ok((name.clone(), self.plan(name, ground, delays)?))).collect()
    }

    fn plan(
        &self,
        name: &SubscriptionName,
        ground: &Ground,
        delays: &Delays,
    ) -> Result<SubscriptionPlan, HostError> {
        let (stages, settings) = (self.stages_plan(name)?, self.subscription(name)?);
        let delays = delays.get(name).cloned().unwrap_or_default();
        let plugin = match &stages.plugin {
            Loaded::Component(line) => Some(line.clone()),
            Loaded::Native(_) => None,
        };
        let health = self.health.of(name.as_str());
        let witness = Witness {
            subscription: name.clone(),
            connector: settings.connector.clone(),
            group: settings.group.clone(),
            plugin,
            sla: settings.sla.clone(),
            metrics: self.telemetry.subscription(name, &settings.connector),
            conflicts: self.telemetry.conflicts(name, &settings.connector, settings.conflict.name()),
            parked: self.parked_metrics(name, settings, &delays),
            alerts: ground.alerts.clone(),
            health: health.clone(),
            mask: stages.mask.clone(),
            whereabouts: self.whereabouts.clone(),
        };
        Ok(SubscriptionPlan {
            settings: settings.clone(),
            kafka: self.config.kafka.clone(),
            bootstrap: ground.bootstrap.clone(),
            delays,
            stages,
            witness,
            producer: ground.producer.clone(),
            health,
            retentions: ground.retentions.clone(),
            registry: self.registry.clone(),
        })
    }

    fn subscription(&self, name: &SubscriptionName) -> Result<&Subscription, HostError> {
        let missing = || HostError::Missing { subscription: name.clone(), what: "itself".to_owned() };
        self.config.subscriptions.get(name).ok_or_else(missing)
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
        let subscription = self.subscription(name)?;
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
