//! A subscription: which events go to which connector, and under which rules.

use std::time::Duration;

use super::{ConflictPolicy, ConnectorName, EventTypes, SlaTable, TransformerName};

/// Which events go to which connector, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Subscription {
    pub connector: ConnectorName,
    pub topics: Vec<String>,
    pub types: EventTypes,
    /// A CEL expression over `event` that must be true.
    pub filter: Option<String>,
    pub transformers: Vec<TransformerName>,
    pub ordering: Ordering,
    pub conflict: ConflictPolicy,
    /// The consumer group.
    pub group: String,
    pub dead_letter_topic: String,
    /// The topic that keeps what deliveries were answered, so that nothing is done twice; `None` keeps nothing.
    pub journal: Option<String>,
    /// Where events wait for long, if they have no order.
    pub parking: Parking,
    pub sla: SlaTable,
    pub bounds: Bounds,
    pub flood_guard: FloodGuard,
    /// How long a revoked partition or a shutdown waits for what is in flight.
    pub grace: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ordering {
    /// Events of one key one after another.
    Key,
    /// No order at all.
    None,
}

/// When and for how long an event that failed leaves the memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parking {
    /// It has been in memory, or would be, for longer than this.
    pub after: Duration,
    /// Each is a topic; shortest first. Without any nothing is parked.
    pub delays: Vec<Duration>,
}

/// What one subscription may hold in memory: events read and not settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    pub events: usize,
    pub bytes: usize,
    /// A partition with more than this, that would need 5 s and more for half of it, is paused.
    pub events_per_partition: usize,
}

/// When a subscription stops giving events up: when it would give up most of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FloodGuard {
    pub is_on: bool,
    /// What has ended in so long counts.
    pub window: Duration,
    /// Dead letters in the window before it shuts.
    pub minimum: u32,
    /// Their share of all deliveries of the window, from 0 to 1.
    pub share: f64,
}
