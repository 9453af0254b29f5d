//! What the stages count on: handles that are taken once.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use super::class::BreakerState;
use super::label::{
    AlertReceiver, AttemptOutcome, BurnWindow, CommitResult, ConflictDecision, DeadLetterReason, FaultKind,
    IntakeAnswer, JointResult, LogLimit, PluginFunction, RegistryResult, ReloadResult, Settlement, SlaResult,
    StatusClass,
};
use super::series::ByLabel;

/// A gauge of a fraction.
pub type Fraction = Gauge<f64, AtomicU64>;

/// A histogram of durations.
#[derive(Debug, Clone)]
pub struct Timing(pub(super) Histogram);

impl Timing {
    pub fn observe(&self, duration: Duration) {
        self.0.observe(duration.as_secs_f64());
    }
}

/// What one subscription counts on.
#[derive(Debug, Clone)]
pub struct SubscriptionMetrics {
    pub received: Counter,
    pub settled: ByLabel<Settlement, Counter>,
    pub attempts: ByLabel<AttemptOutcome, Counter>,
    pub attempt_duration: Timing,
    /// From the record's timestamp to the settlement.
    pub delivery_latency: Timing,
    pub retries_waiting: Gauge,
    pub in_flight: Gauge,
    pub unsettled: Gauge,
    pub unsettled_bytes: Gauge,
    /// In seconds.
    pub oldest_unsettled_age: Fraction,
    pub lanes: Gauge,
    pub partitions_assigned: Gauge,
    pub partitions_paused: Gauge,
    pub consumer_lag: Gauge,
    pub dead_letters: ByLabel<DeadLetterReason, Counter>,
    /// 1 while the flood guard holds the deliveries back, else 0.
    pub flood_guard_shut: Gauge,
    pub deadlines_missed: Counter,
    /// Age of the oldest undelivered event as a share of what its topic keeps.
    pub retention_used: Fraction,
    pub retention_lost: Counter,
    pub commits: ByLabel<CommitResult, Counter>,
    /// Attempts that went on from what was journalled.
    pub journal_resumed: Counter,
    pub journal_written: Counter,
    pub journal_failed: Counter,
    pub journal_bytes: Gauge,
}

/// What the conflicts of one subscription count on.
#[derive(Debug, Clone)]
pub struct ConflictMetrics {
    pub decisions: ByLabel<ConflictDecision, Counter>,
}

/// What one delay topic of a subscription counts on.
#[derive(Debug, Clone)]
pub struct ParkedMetrics {
    /// Events that were parked there.
    pub parked: Counter,
    /// Events that wait there now, in the partitions that this host reads.
    pub waiting: Gauge,
}

/// What the calls of one plugin count on.
#[derive(Debug, Clone)]
pub struct PluginMetrics {
    pub calls: ByLabel<PluginFunction, Counter>,
    pub call_duration: Timing,
    pub faults: ByLabel<FaultKind, Counter>,
    /// Instances that exist now.
    pub instances: Gauge,
    pub log_lines_dropped: ByLabel<LogLimit, Counter>,
}

/// What one connector counts on.
#[derive(Debug, Clone)]
pub struct ConnectorMetrics {
    pub request_duration: ByLabel<StatusClass, Timing>,
    pub breaker_opened: Counter,
    pub concurrency_limit: Gauge,
    pub rate_limit_waits: Counter,
    pub joint_requests: ByLabel<JointResult, Counter>,
    pub joined_requests: Counter,
    pub(super) breaker_state: Gauge,
    pub unusable: Gauge,
}

impl ConnectorMetrics {
    pub fn set_breaker_state(&self, state: BreakerState) {
        self.breaker_state.set(state.code());
    }
}

#[derive(Debug, Clone)]
pub struct AlertMetrics {
    pub raised: Counter,
    pub told: ByLabel<AlertReceiver, Counter>,
    /// Given up or dropped, so that the log alone has them.
    pub failed: ByLabel<AlertReceiver, Counter>,
}

/// What becomes of configurations while the host runs.
#[derive(Debug, Clone)]
pub struct ReloadMetrics {
    pub reloads: ByLabel<ReloadResult, Counter>,
    /// In seconds since 1970.
    pub loaded_at: Fraction,
}

/// What the schema registry is asked, by what came of it.
#[derive(Debug, Clone)]
pub struct RegistryMetrics {
    pub requests: ByLabel<RegistryResult, Counter>,
}

/// What the intake counts on.
#[derive(Debug, Clone)]
pub struct IntakeMetrics {
    pub requests: ByLabel<IntakeAnswer, Counter>,
    pub duration: Timing,
    /// At work now.
    pub in_flight: Gauge,
}

/// What the SLA of one event type is watched by in one subscription.
#[derive(Debug, Clone)]
pub struct SlaMetrics {
    pub events: ByLabel<SlaResult, Counter>,
    /// A share of 1; NaN before the first event.
    pub attainment: Fraction,
    pub burn_rate: ByLabel<BurnWindow, Fraction>,
    pub at_risk: Gauge,
}
