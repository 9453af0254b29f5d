//! What follows from another configuration: which subscriptions start, stop, do both, or go on. Pure.
//!
//! In come two configurations with the lines of their plugins, out go names. A subscription is made of its own settings,
//! its connector, its transformers and the lines of their plugins, and of what `[kafka]` says to every consumer: if any
//! of that is another, so is the subscription. Another version of a plugin in the same line is none of its business.
//! Nothing here starts or stops anything.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;

use crate::config::{
    Config, ConnectorName, IntakeLimits, Kafka, PluginName, Subscription, SubscriptionName, TransformerName,
};

/// The number of the line in which the versions of a plugin follow each other. Who uses the plugin hears of them there;
/// a plugin in another line is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LineNumber(pub(super) u64);

/// A configuration, and the line of each component.
#[derive(Debug, Clone, Copy)]
pub(super) struct Version<'a> {
    pub(super) config: &'a Config,
    pub(super) lines: &'a BTreeMap<PluginName, LineNumber>,
}

/// Every subscription of either configuration is in one of these.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Changes {
    pub(super) added: BTreeSet<SubscriptionName>,
    pub(super) removed: BTreeSet<SubscriptionName>,
    /// With all that is another.
    pub(super) restarted: BTreeMap<SubscriptionName, Vec<Part>>,
    pub(super) unchanged: BTreeSet<SubscriptionName>,
    /// What their files hold is tried by other settings, in the lines that they have.
    pub(super) plugins: BTreeSet<PluginName>,
    /// Connectors that are there before and after, and are not the same.
    connectors: BTreeSet<ConnectorName>,
}

/// A part of a subscription that is another than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// What `[kafka]` says to every consumer.
    Consumer,
    Settings,
    Connector(ConnectorName),
    Transformer(TransformerName),
    Plugin(PluginName),
}

impl Changes {
    pub(super) fn between(old: Version<'_>, new: Version<'_>) -> Self {
        let (before, after) = (&old.config.subscriptions, &new.config.subscriptions);
        let mut changes = Self::default();
        for name in before.keys().filter(|name| !after.contains_key(*name)) {
            changes.removed.insert(name.clone());
        }
        for name in after.keys() {
            let (Some(was), Some(is)) = (Made::of(old, name), Made::of(new, name)) else {
                changes.added.insert(name.clone());
                continue;
            };
            match is.parts_other_than(&was) {
                parts if parts.is_empty() => drop(changes.unchanged.insert(name.clone())),
                parts => drop(changes.restarted.insert(name.clone(), parts)),
            }
        }
        let plugins = new.config.plugins.iter();
        let tried = plugins.filter(|(name, plugin)| {
            let has_line = old.lines.get(*name) == new.lines.get(*name);
            has_line && old.config.plugins.get(*name).is_some_and(|before| before != *plugin)
        });
        changes.plugins = tried.map(|(name, _)| name.clone()).collect();
        let connectors = new.config.connectors.iter();
        let others = connectors.filter(|(name, connector)| {
            old.config.connectors.get(*name).is_some_and(|before| before != *connector)
        });
        changes.connectors = others.map(|(name, _)| name.clone()).collect();
        changes
    }

    /// Those that stop.
    pub(super) fn stopped(&self) -> impl Iterator<Item = &SubscriptionName> {
        self.removed.iter().chain(self.restarted.keys())
    }

    /// Those that start.
    pub(super) fn started(&self) -> impl Iterator<Item = &SubscriptionName> {
        self.added.iter().chain(self.restarted.keys())
    }

    /// Who must have ended before this one starts: itself as it was, and all that hold its connector as that was, for
    /// what a connector may do at a time holds for all its subscriptions together.
    pub(super) fn waits_for(&self, name: &SubscriptionName, old: &Config, new: &Config) -> Waits {
        let connector_of = |config: &Config, name: &SubscriptionName| {
            config.subscriptions.get(name).map(|subscription| subscription.connector.clone())
        };
        let connector = connector_of(new, name).filter(|connector| self.connectors.contains(connector));
        let holds_it = |stopped: &&SubscriptionName| {
            *stopped == name || (connector.is_some() && connector_of(old, stopped) == connector)
        };
        self.stopped().filter(holds_it).cloned().collect()
    }
}

/// Subscriptions that must have ended first.
pub(super) type Waits = BTreeSet<SubscriptionName>;

/// The keys, each with its table, that are another and cannot change while the host runs.
pub(super) fn fixed(old: &Config, new: &Config) -> Vec<[&'static str; 2]> {
    let (from, to) = (&old.kafka, &new.kafka);
    let (was, is) = (&old.runtime, &new.runtime);
    [
        (from.brokers != to.brokers, ["kafka", "brokers"]),
        (from.security != to.security, ["kafka", "security"]),
        (from.properties != to.properties, ["kafka", "properties"]),
        (old.admin.address != new.admin.address, ["admin", "address"]),
        (serving(old) != serving(new), ["intake", "address"]),
        (was.cache != is.cache, ["runtime", "cache"]),
        (was.instances != is.instances, ["runtime", "instances"]),
        (was.stack_bytes != is.stack_bytes, ["runtime", "stack"]),
        (was.call_twice != is.call_twice, ["runtime", "call-twice"]),
    ]
    .into_iter()
    .filter_map(|(is_other, key)| is_other.then_some(key))
    .collect()
}

/// Where and within which bounds events are taken by HTTP; who may send what is another thing.
fn serving(config: &Config) -> Option<(SocketAddr, IntakeLimits, usize)> {
    config.intake.as_ref().map(|intake| (intake.address, intake.limits, intake.remember))
}

/// All that one subscription is made of, but for what is the same for as long as the host runs.
struct Made<'a> {
    version: Version<'a>,
    subscription: &'a Subscription,
}

impl<'a> Made<'a> {
    fn of(version: Version<'a>, name: &SubscriptionName) -> Option<Self> {
        let subscription = version.config.subscriptions.get(name)?;
        Some(Self { version, subscription })
    }

    fn parts_other_than(&self, was: &Self) -> Vec<Part> {
        let (new, old) = (self.version.config, was.version.config);
        let mut parts = Vec::new();
        if of_consumers(&new.kafka) != of_consumers(&old.kafka) {
            parts.push(Part::Consumer);
        }
        if as_it_is(self.subscription) != as_it_is(was.subscription) {
            parts.push(Part::Settings);
        }
        let connector = &self.subscription.connector;
        if new.connectors.get(connector) != old.connectors.get(connector) {
            parts.push(Part::Connector(connector.clone()));
        }
        for name in &self.subscription.transformers {
            if new.transformers.get(name) != old.transformers.get(name) {
                parts.push(Part::Transformer(name.clone()));
            }
        }
        for name in self.plugins() {
            let (is, was) = (self.version.lines.get(name), was.version.lines.get(name));
            if is.zip(was).is_some_and(|(is, was)| is != was) {
                parts.push(Part::Plugin(name.clone()));
            }
        }
        parts
    }

    fn plugins(&self) -> BTreeSet<&'a PluginName> {
        let Config { connectors, transformers, .. } = self.version.config;
        let connector = connectors.get(&self.subscription.connector).map(|connector| &connector.plugin);
        let names = self.subscription.transformers.iter();
        let of_transformers = names.filter_map(|name| transformers.get(name)).map(|used| &used.plugin);
        connector.into_iter().chain(of_transformers).collect()
    }
}

/// Without what is promised for events that it never gets: no other subscription's SLA is its own.
fn as_it_is(subscription: &Subscription) -> Subscription {
    let mut settings = subscription.clone();
    settings.sla.by_type.retain(|kind, _| subscription.types.have(kind));
    settings
}

/// What every consumer is told beside how to reach Kafka.
fn of_consumers(kafka: &Kafka) -> impl PartialEq + '_ {
    (&kafka.type_header, kafka.commit_interval, kafka.away_after, &kafka.schema_registry)
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Consumer => formatter.write_str("[kafka]"),
            Part::Settings => formatter.write_str("its own settings"),
            Part::Connector(name) => write!(formatter, "connector {name}"),
            Part::Transformer(name) => write!(formatter, "transformer {name}"),
            Part::Plugin(name) => write!(formatter, "plugin {name}"),
        }
    }
}

#[cfg(test)]
mod tests;
