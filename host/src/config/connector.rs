//! A connector: one external system, and how much is asked of it.

use std::num::NonZeroU32;
use std::time::Duration;

use super::{Egress, PluginName};

/// A connector plugin with one external system.
#[derive(Debug, Clone, PartialEq)]
pub struct Connector {
    pub plugin: PluginName,
    pub settings: serde_json::Map<String, serde_json::Value>,
    pub egress: Egress,
    /// The most deliveries at work at the same time, of all its subscriptions together.
    pub concurrency: usize,
    /// The fewest, while the external system fails or slows down. The same as `concurrency`: it never adapts.
    pub concurrency_floor: usize,
    pub rate_limit: Option<RateLimit>,
    pub breaker: Breaker,
    /// Several deliveries are done by one effect where the plugin joins them.
    pub batch: Option<Batch>,
}

/// When what was gathered to be joined goes on its way: when one of these is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// So many deliveries.
    pub events: usize,
    /// So much data of their events, with what they were answered before.
    pub bytes: usize,
    /// So long after the first of them.
    pub wait: Duration,
}

/// How often a connector may ask its external system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// One request each, on average.
    pub interval: Duration,
    /// Requests that may come at once after a pause.
    pub burst: NonZeroU32,
}

/// When a connector counts as down, and how it is probed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Breaker {
    /// Failures in a row, of at least two events, that open it.
    pub failures: u32,
    /// The first wait before a probe; doubles up to `max_probe_interval`.
    pub probe_interval: Duration,
    pub max_probe_interval: Duration,
    /// As `max_probe_interval`, while the system refuses us: that lasts until a person has acted.
    pub max_denied_interval: Duration,
    /// Open for longer than this, it pauses the partitions.
    pub pause_after: Duration,
}
