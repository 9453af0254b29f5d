//! How far each subscription is, by the host's own metrics.

use anyhow::Context;
use liaison::telemetry::Telemetry;

use super::systems::Subscriber;
use crate::metrics::Metrics;

/// What one subscription has done so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Levels {
    pub(super) delivered: usize,
    pub(super) filtered: usize,
    pub(super) dead_lettered: usize,
    pub(super) attempts: usize,
    /// Partitions that it reads.
    pub(super) assigned: usize,
    pub(super) is_paused: bool,
    pub(super) is_down: bool,
}

impl Levels {
    /// Events whose delivery has ended.
    pub(super) fn settled(&self) -> usize {
        self.delivered + self.filtered + self.dead_lettered
    }
}

/// Of each subscription, in the order of [`Subscriber::ALL`].
pub(super) fn levels(telemetry: &Telemetry) -> anyhow::Result<[Levels; 3]> {
    let page = Metrics::parse(&telemetry.encode()).context("the host's metrics cannot be read")?;
    Ok(Subscriber::ALL.map(|subscriber| of(&page, subscriber.name(), subscriber.connector())))
}

/// Of one subscription and its connector.
pub(super) fn level_of(telemetry: &Telemetry, subscription: &str, connector: &str) -> anyhow::Result<Levels> {
    let page = Metrics::parse(&telemetry.encode()).context("the host's metrics cannot be read")?;
    Ok(of(&page, subscription, connector))
}

fn of(page: &Metrics, subscription: &str, connector: &str) -> Levels {
    let own = ("subscription", subscription);
    let count = |name: &str| page.sum(name, &[own]) as usize;
    let settled = |kind: &str| page.sum("liaison_events_settled_total", &[own, ("kind", kind)]) as usize;
    Levels {
        delivered: settled("delivered"),
        filtered: settled("filtered"),
        dead_lettered: settled("dead-lettered"),
        attempts: count("liaison_attempts_total"),
        assigned: count("liaison_partitions_assigned"),
        is_paused: count("liaison_partitions_paused") > 0,
        is_down: page.sum("liaison_breaker_state", &[("connector", connector)]) > 0.0,
    }
}
