//! Defaults of `[subscriptions.NAME]` and `[sla.TYPE]`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::GROUP_PREFIX;
use crate::config::{
    Bounds, Burn, ConflictPolicy, ConnectorName, EventTypes, FloodGuard, Objective, Ordering, Parking, Sla,
    SlaTable, Subscription, SubscriptionName,
};

impl Subscription {
    /// All events of these topics to this connector, in order by key. Group and dead-letter topic are named after the
    /// subscription.
    pub fn new(name: &SubscriptionName, connector: ConnectorName, topics: Vec<String>) -> Self {
        Self {
            connector,
            topics,
            types: EventTypes::default(),
            filter: None,
            transformers: Vec::new(),
            ordering: Ordering::Key,
            conflict: ConflictPolicy::NewestWins { version: "/updatedAt".to_owned() },
            group: format!("{GROUP_PREFIX}.{name}"),
            dead_letter_topic: format!("liaison.dead-letters.{name}"),
            journal: None,
            parking: Parking::default(),
            sla: SlaTable::default(),
            bounds: Bounds::default(),
            flood_guard: FloodGuard::default(),
            grace: Duration::from_secs(10),
        }
    }
}

impl Default for Parking {
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Self { after: minute, delays: vec![minute, 10 * minute, 60 * minute] }
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self { events: 5_000, bytes: 32 << 20, events_per_partition: 2_500 }
    }
}

impl Default for FloodGuard {
    fn default() -> Self {
        Self { is_on: true, window: Duration::from_secs(60), minimum: 100, share: 0.5 }
    }
}

impl Default for SlaTable {
    /// The default SLA for every type.
    fn default() -> Self {
        Self { by_type: BTreeMap::new(), default: Sla::default() }
    }
}

impl Default for Sla {
    fn default() -> Self {
        Self {
            max_attempts: 6,
            initial_interval: Duration::from_secs(2),
            multiplier: 2.0,
            max_interval: Duration::from_secs(60),
            attempt_timeout: Duration::from_secs(10),
            deadline: None,
            objective: Objective::default(),
            give_up_after: Duration::from_secs(24 * 60 * 60),
            alert: true,
        }
    }
}

impl Default for Objective {
    /// The windows and rates are those that the Site Reliability Workbook recommends (chapter 5, table 5-8).
    fn default() -> Self {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        Self {
            share: 0.99,
            window: minutes(30 * 24 * 60),
            fast: Burn { window: minutes(60), short_window: minutes(5), rate: 14.4 },
            slow: Burn { window: minutes(6 * 60), short_window: minutes(30), rate: 6.0 },
        }
    }
}
