//! `[subscriptions.NAME]` and `[sla.TYPE]` as people write them.
//!
//! Form alone, as in `settings`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{ByteSize, Count, DurationText};

/// Which events go to which connector.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct SubscriptionSettings {
    /// The name of the connector.
    #[schemars(required)]
    pub(in crate::config) connector: Option<String>,
    /// The topics to read.
    #[schemars(required)]
    pub(in crate::config) topics: Option<Vec<String>>,
    /// The event types to deliver, `*` standing for any text; the others settle at once.
    pub(in crate::config) types: Option<Vec<String>>,
    /// A CEL expression over `event` that must be true, such as `event.subject.startsWith("unit/")`.
    pub(in crate::config) filter: Option<String>,
    /// The names of the transformers, in the order they are called.
    #[serde(default)]
    pub(in crate::config) transformers: Vec<String>,
    /// What an event waits for.
    pub(in crate::config) ordering: Option<OrderingSetting>,
    /// Who wins when the external system holds something newer or different.
    #[serde(default)]
    pub(in crate::config) conflict: ConflictSettings,
    /// The consumer group. Default: the group prefix, a dot and the subscription's name.
    pub(in crate::config) group: Option<String>,
    /// Where events go that were given up. Default: `liaison.dead-letters.` and the subscription's name.
    pub(in crate::config) dead_letter_topic: Option<String>,
    /// With `ordering = "none"`: when an event that fails leaves the memory, and for how long.
    #[serde(default)]
    pub(in crate::config) parking: ParkingSettings,
    /// Keep what deliveries were answered, so that one that is interrupted does nothing twice.
    pub(in crate::config) journal: Option<bool>,
    /// With `journal`: the compacted topic it is kept in. Default: the group and `.journal`.
    pub(in crate::config) journal_topic: Option<String>,
    /// What this subscription promises otherwise than `[sla]`, for every event type.
    #[serde(default)]
    pub(in crate::config) sla: SlaSettings,
    /// What may be held in memory: events that are read and not settled.
    #[serde(default)]
    pub(in crate::config) bounds: BoundsSettings,
    /// When it pauses and alerts instead of making more dead letters.
    #[serde(default)]
    pub(in crate::config) flood_guard: FloodGuardSettings,
    /// How long a revoked partition or a shutdown waits for what is in flight.
    pub(in crate::config) grace: Option<DurationText>,
}

/// What an event waits for.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum OrderingSetting {
    /// The events of its key that came before it.
    Key,
    /// No other event.
    None,
}

/// When an event that fails leaves the memory to wait in a topic, and for how long.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct ParkingSettings {
    /// It has been in memory, or would be, for longer than this.
    pub(in crate::config) after: Option<DurationText>,
    /// Each is a topic named after the group, such as `liaison.calendar.delay.10m`: shortest first. Empty parks nothing.
    pub(in crate::config) delays: Option<Vec<DurationText>>,
}

/// Who wins when the external system holds something newer or different.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct ConflictSettings {
    /// The rule.
    pub(in crate::config) policy: Option<PolicySetting>,
    /// With `newest-wins`: the JSON pointer of what is compared. With `merge`: that of a field of the source's; an event
    /// whose value is smaller than what the external system holds there changes nothing. Default with `merge`: none.
    pub(in crate::config) version: Option<String>,
    /// With `merge`: whose which field is, by JSON pointer through objects; of several the longest counts.
    pub(in crate::config) owners: Option<BTreeMap<String, OwnerSetting>>,
    /// With `merge`: whose all other fields are. Default: the target's.
    pub(in crate::config) default_owner: Option<OwnerSetting>,
}

/// How a conflict is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum PolicySetting {
    /// The larger version.
    NewestWins,
    /// The event.
    SourceWins,
    /// The external system.
    TargetWins,
    /// Each of them where a field is its own: the source's fields are written over what the external system holds, as a
    /// JSON merge patch (RFC 7396).
    Merge,
    /// A person decides: the event becomes a dead letter.
    Manual,
}

/// Whose a field is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum OwnerSetting {
    /// Whoever sends the events.
    Source,
    /// The external system.
    Target,
}

/// What is promised for one event.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct SlaSettings {
    /// Attempts before it becomes a dead letter.
    pub(in crate::config) max_attempts: Option<Count<1>>,
    /// The wait before the second attempt.
    pub(in crate::config) initial_interval: Option<DurationText>,
    /// Each further wait is this much longer: at least 1.
    #[schemars(range(min = 1.0))]
    pub(in crate::config) multiplier: Option<f64>,
    /// The longest wait between two attempts.
    pub(in crate::config) max_interval: Option<DurationText>,
    /// How long one attempt may take.
    pub(in crate::config) attempt_timeout: Option<DurationText>,
    /// From the record's timestamp until it is settled: an objective that is watched. Default: none.
    pub(in crate::config) deadline: Option<DurationText>,
    /// The share of events that should meet their deadline, between 0 and 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub(in crate::config) objective: Option<f64>,
    /// Over which that is promised. In memory: it begins anew with the host.
    pub(in crate::config) objective_window: Option<DurationText>,
    /// Alert when so many deadlines are missed at once that the objective would soon be missed.
    #[serde(default)]
    pub(in crate::config) fast_burn: BurnSettings,
    /// Alert when so many are missed over a longer time.
    #[serde(default)]
    pub(in crate::config) slow_burn: BurnSettings,
    /// From the first attempt until it becomes a dead letter.
    pub(in crate::config) give_up_after: Option<DurationText>,
    /// Alert on dead letters and on deadlines that are missed, or will be.
    pub(in crate::config) alert: Option<bool>,
}

/// When missed deadlines use up what the objective allows too fast: in both windows faster than `rate`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct BurnSettings {
    /// The window that says that it matters.
    pub(in crate::config) window: Option<DurationText>,
    /// The window that says that it still goes on.
    pub(in crate::config) short_window: Option<DurationText>,
    /// Times what would use up just what is allowed, within the objective's window.
    #[schemars(range(min = 1.0))]
    pub(in crate::config) rate: Option<f64>,
}

/// What one subscription may hold in memory: events that are read and not settled.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct BoundsSettings {
    /// Events.
    pub(in crate::config) events: Option<Count<1>>,
    /// Their keys, values and headers together.
    pub(in crate::config) bytes: Option<ByteSize>,
    /// A partition with more than this, that would need 5 s and more for half of it, is paused.
    pub(in crate::config) events_per_partition: Option<Count<1>>,
}

/// When a subscription pauses and alerts instead of making more dead letters: when most of its deliveries would be ones.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct FloodGuardSettings {
    /// Whether it is there at all.
    pub(in crate::config) enabled: Option<bool>,
    /// Deliveries that ended in so long count. It is also the wait before it is probed with one event.
    pub(in crate::config) window: Option<DurationText>,
    /// Dead letters in the window, at least.
    pub(in crate::config) minimum: Option<Count<1>>,
    /// Their share of all deliveries in the window, at least: more than 0, at most 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub(in crate::config) share: Option<f64>,
}
