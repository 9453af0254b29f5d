//! The name and the help of every metric.
//!
//! The registry puts the prefix before a name, `_total` behind a counter's, and the unit behind that of a metric with
//! a unit.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry, Unit};

use super::forgetting::Forgetting;
use super::label::{Labels, Names};
use super::{AlertMetrics, Fraction, IntakeMetrics, ReloadMetrics, Timing, each};

/// Calls of a plugin: 10 µs to 10 s.
const CALL_BUCKETS: [f64; 13] =
    [1e-5, 2.5e-5, 1e-4, 2.5e-4, 1e-3, 2.5e-3, 1e-2, 2.5e-2, 0.1, 0.25, 1.0, 2.5, 10.0];
/// Attempts and requests: 1 ms to 1 min.
const REQUEST_BUCKETS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 60.0];
/// From the record to its settlement: 1 ms to 1 h.
const LATENCY_BUCKETS: [f64; 15] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0];

pub(super) type Counters = Family<Labels, Counter>;
pub(super) type Gauges = Family<Labels, Gauge>;
pub(super) type Fractions = Family<Labels, Fraction>;
pub(super) type Histograms = Family<Labels, Histogram, fn() -> Histogram>;

/// A registry that is being filled, and the families in it.
#[derive(Default)]
pub(super) struct Registering {
    pub(super) registry: Registry,
    pub(super) families: Vec<Box<dyn Forgetting>>,
}

pub(super) struct Families {
    pub(super) received: Counters,
    pub(super) settled: Counters,
    pub(super) attempts: Counters,
    pub(super) attempt_duration: Histograms,
    pub(super) delivery_latency: Histograms,
    pub(super) retries_waiting: Gauges,
    pub(super) in_flight: Gauges,
    pub(super) unsettled: Gauges,
    pub(super) unsettled_bytes: Gauges,
    pub(super) oldest_unsettled_age: Fractions,
    pub(super) lanes: Gauges,
    pub(super) breaker_state: Gauges,
    pub(super) breaker_opened: Counters,
    pub(super) concurrency_limit: Gauges,
    pub(super) rate_limit_waits: Counters,
    pub(super) joint_requests: Counters,
    pub(super) joined_requests: Counters,
    pub(super) partitions_assigned: Gauges,
    pub(super) partitions_paused: Gauges,
    pub(super) consumer_lag: Gauges,
    pub(super) dead_letters: Counters,
    pub(super) conflicts: Counters,
    pub(super) flood_guard_shut: Gauges,
    pub(super) deadlines_missed: Counters,
    pub(super) sla_events: Counters,
    pub(super) sla_attainment: Fractions,
    pub(super) burn_rate: Fractions,
    pub(super) events_at_risk: Gauges,
    pub(super) retention_used: Fractions,
    pub(super) retention_lost: Counters,
    pub(super) commits: Counters,
    pub(super) parked: Counters,
    pub(super) parked_waiting: Gauges,
    pub(super) journal_resumed: Counters,
    pub(super) journal_written: Counters,
    pub(super) journal_failed: Counters,
    pub(super) journal_bytes: Gauges,
    pub(super) plugin_calls: Counters,
    pub(super) plugin_call_duration: Histograms,
    pub(super) plugin_faults: Counters,
    pub(super) plugin_instances: Gauges,
    pub(super) plugin_log_lines_dropped: Counters,
    pub(super) plugin_shadowed: Counters,
    pub(super) plugin_swaps: Counters,
    pub(super) plugin_versions: Gauges,
    pub(super) request_duration: Histograms,
    pub(super) intake_events: Counters,
}

impl Families {
    pub(super) fn register(registry: &mut Registering) -> Families {
        Families {
            received: counters(registry, "events_received", "Events read from Kafka"),
            settled: counters(registry, "events_settled", "Events whose delivery ended, by how it ended"),
            attempts: counters(registry, "attempts", "Delivery attempts, by what came of them"),
            attempt_duration: seconds(registry, "attempt_duration", "Length of one delivery attempt", || {
                Histogram::new(REQUEST_BUCKETS)
            }),
            delivery_latency: seconds(
                registry,
                "delivery_latency",
                "From the record's timestamp to the settlement",
                || Histogram::new(LATENCY_BUCKETS),
            ),
            retries_waiting: gauges(
                registry,
                "retries_waiting",
                "Deliveries that wait for their next attempt",
            ),
            in_flight: gauges(registry, "attempts_in_flight", "Delivery attempts under way"),
            unsettled: gauges(registry, "events_unsettled", "Events read and not settled"),
            unsettled_bytes: with_unit(
                registry,
                "unsettled",
                "Size of the events read and not settled",
                Unit::Bytes,
            ),
            oldest_unsettled_age: with_unit(
                registry,
                "oldest_unsettled_age",
                "Age of the oldest event read and not settled, by its record's timestamp",
                Unit::Seconds,
            ),
            lanes: gauges(registry, "lanes", "Keys with an event that is not settled"),
            breaker_state: gauges(
                registry,
                "breaker_state",
                "Circuit breaker of a connector: 0 closed, 1 half-open, 2 open",
            ),
            breaker_opened: counters(registry, "breaker_opened", "Times the circuit breaker opened"),
            concurrency_limit: gauges(
                registry,
                "concurrency_limit",
                "Deliveries of a connector that may be at work at the same time, as its system bears it now",
            ),
            rate_limit_waits: counters(
                registry,
                "rate_limit_waits",
                "Waits for the rate limit of a connector, of deliveries to start and of their further requests",
            ),
            joint_requests: counters(
                registry,
                "joint_requests",
                "Requests that did what several deliveries asked for, by what came of them",
            ),
            joined_requests: counters(
                registry,
                "joined_requests",
                "Requests of deliveries that were done by a joint one",
            ),
            partitions_assigned: gauges(
                registry,
                "partitions_assigned",
                "Kafka partitions that this host reads",
            ),
            partitions_paused: gauges(
                registry,
                "partitions_paused",
                "Assigned Kafka partitions that are paused",
            ),
            consumer_lag: gauges(
                registry,
                "consumer_lag",
                "Records between the committed offsets and the ends of the partitions",
            ),
            dead_letters: counters(registry, "dead_letters", "Events that were given up on, by why"),
            conflicts: counters(
                registry,
                "conflicts",
                "Conflicts with what an external system holds, by policy and by what was decided",
            ),
            flood_guard_shut: gauges(
                registry,
                "flood_guard_shut",
                "1 while deliveries wait because most of them would be given up on, else 0",
            ),
            deadlines_missed: counters(
                registry,
                "deadlines_missed",
                "Events that missed the deadline of their SLA",
            ),
            sla_events: counters(
                registry,
                "sla_events",
                "Events with a deadline, by whether they met it; given up is missed",
            ),
            sla_attainment: registered(
                registry,
                "sla_attainment",
                "Share of the events that met their deadline within the objective's window, since the start",
            ),
            burn_rate: registered(
                registry,
                "sla_burn_rate",
                "How fast missed deadlines use up what the objective allows: 1 uses it up within its window",
            ),
            events_at_risk: gauges(
                registry,
                "events_at_risk",
                "Events that will miss their deadline at the rate at which events settle now",
            ),
            retention_used: registered(
                registry,
                "retention_used",
                "Age of the oldest event read and not settled, as a share of its topic's retention",
            ),
            retention_lost: counters(
                registry,
                "retention_lost_offsets",
                "Offsets that Kafka deleted before they were read",
            ),
            commits: counters(registry, "commits", "Offset commits, by result"),
            parked: counters(
                registry,
                "events_parked",
                "Times an event was parked in a delay topic, by delay",
            ),
            parked_waiting: gauges(
                registry,
                "events_parked_now",
                "Events that wait in a delay topic, by delay; of the partitions that this host reads",
            ),
            journal_resumed: counters(
                registry,
                "journal_resumed",
                "Attempts that went on from what was journalled",
            ),
            journal_written: counters(registry, "journal_written", "Entries written to the journal"),
            journal_failed: counters(registry, "journal_failed", "Entries that could not be written"),
            journal_bytes: with_unit(
                registry,
                "journal",
                "Memory that what is journalled takes",
                Unit::Bytes,
            ),
            plugin_calls: counters(registry, "plugin_calls", "Calls of a plugin, by function"),
            plugin_call_duration: seconds(
                registry,
                "plugin_call_duration",
                "Length of one call of a plugin",
                || Histogram::new(CALL_BUCKETS),
            ),
            plugin_faults: counters(
                registry,
                "plugin_faults",
                "Calls that failed by the plugin's fault, by kind",
            ),
            plugin_instances: gauges(registry, "plugin_instances", "Instances of a plugin that exist now"),
            plugin_log_lines_dropped: counters(
                registry,
                "plugin_log_lines_dropped",
                "Log lines of a plugin over a limit, by limit",
            ),
            plugin_shadowed: counters(
                registry,
                "plugin_shadowed",
                "What a version that shadows was handed, by whether it would have done the same",
            ),
            plugin_swaps: counters(
                registry,
                "plugin_swaps",
                "New versions of a plugin, by what became of them",
            ),
            plugin_versions: gauges(
                registry,
                "plugin_version",
                "1 for each version of a plugin that is called, by the first digits of its sha256",
            ),
            request_duration: seconds(
                registry,
                "http_request_duration",
                "Length of one HTTP request of a connector, by status class",
                || Histogram::new(REQUEST_BUCKETS),
            ),
            intake_events: counters(
                registry,
                "intake_events",
                "Events taken over HTTP that Kafka has, by client",
            ),
        }
    }
}

pub(super) fn register_alerts(registry: &mut Registering) -> AlertMetrics {
    let told = counters(registry, "alerts_told", "Notices of alerts that a receiver took");
    let failed = counters(registry, "alerts_failed", "Notices of alerts that were given up or dropped");
    let (nobody, raised) = (Names::new([]), Counter::default());
    registry.registry.register("alerts_raised", "Alerts that were raised, told or not", raised.clone());
    AlertMetrics { raised, told: each(&told, &nobody), failed: each(&failed, &nobody) }
}

pub(super) fn register_reloads(registry: &mut Registering) -> ReloadMetrics {
    let reloads = counters(registry, "config_reloads", "Reloads of the configuration, by what came of them");
    let (help, loaded_at) = ("When the configuration that runs was loaded, since 1970", Fraction::default());
    registry.registry.register_with_unit("config_loaded_timestamp", help, Unit::Seconds, loaded_at.clone());
    ReloadMetrics { reloads: each(&reloads, &Names::new([])), loaded_at }
}

pub(super) fn register_intake(registry: &mut Registering) -> IntakeMetrics {
    let requests = counters(registry, "intake_requests", "Requests to the intake, by what was answered");
    let (duration, in_flight) = (Histogram::new(REQUEST_BUCKETS), Gauge::default());
    let help = "Length of one request to the intake";
    registry.registry.register_with_unit("intake_request_duration", help, Unit::Seconds, duration.clone());
    let help = "Requests to the intake that are at work";
    registry.registry.register("intake_requests_in_flight", help, in_flight.clone());
    IntakeMetrics { requests: each(&requests, &Names::new([])), duration: Timing(duration), in_flight }
}

fn counters(registry: &mut Registering, name: &str, help: &str) -> Counters {
    registered(registry, name, help)
}

fn gauges(registry: &mut Registering, name: &str, help: &str) -> Gauges {
    registered(registry, name, help)
}

fn registered<F>(registry: &mut Registering, name: &str, help: &str) -> F
where
    F: Metric + Forgetting + Clone + Default,
{
    let family = F::default();
    registry.families.push(Box::new(family.clone()));
    registry.registry.register(name, help, family.clone());
    family
}

fn with_unit<F>(registry: &mut Registering, name: &str, help: &str, unit: Unit) -> F
where
    F: Metric + Forgetting + Clone + Default,
{
    let family = F::default();
    registry.families.push(Box::new(family.clone()));
    registry.registry.register_with_unit(name, help, unit, family.clone());
    family
}

fn seconds(registry: &mut Registering, name: &str, help: &str, constructor: fn() -> Histogram) -> Histograms {
    let family = Family::new_with_constructor(constructor);
    registry.families.push(Box::new(family.clone()));
    registry.registry.register_with_unit(name, help, Unit::Seconds, family.clone());
    family
}
