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
use super::series::{Labels, Names};
use super::{AlertMetrics, Fraction, IntakeMetrics, RegistryMetrics, ReloadMetrics, Timing, each};

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

/// A field for each row, registered under its name with its help.
macro_rules! families {
    ($($family:ident: $type:ident = $kind:ident($name:literal, $help:literal);)*) => {
        pub(super) struct Families {
            $(pub(super) $family: $type,)*
        }

        impl Families {
            pub(super) fn register(registry: &mut Registering) -> Families {
                Families { $($family: $kind(registry, $name, $help),)* }
            }
        }
    };
}

families! {
    received: Counters = counters("events_received", "Events read from Kafka");
    settled: Counters = counters("events_settled", "Events whose delivery ended, by how it ended");
    attempts: Counters = counters("attempts", "Delivery attempts, by what came of them");
    attempt_duration: Histograms = requests("attempt_duration", "Length of one delivery attempt");
    delivery_latency: Histograms = latencies(
        "delivery_latency",
        "From the record's timestamp to the settlement"
    );
    retries_waiting: Gauges = gauges("retries_waiting", "Deliveries that wait for their next attempt");
    in_flight: Gauges = gauges("attempts_in_flight", "Delivery attempts under way");
    unsettled: Gauges = gauges("events_unsettled", "Events read and not settled");
    unsettled_bytes: Gauges = bytes("unsettled", "Size of the events read and not settled");
    oldest_unsettled_age: Fractions = ages(
        "oldest_unsettled_age",
        "Age of the oldest event read and not settled, by its record's timestamp"
    );
    lanes: Gauges = gauges("lanes", "Keys with an event that is not settled");
    breaker_state: Gauges = gauges(
        "breaker_state",
        "Circuit breaker of a connector: 0 closed, 1 half-open, 2 open"
    );
    breaker_opened: Counters = counters("breaker_opened", "Times the circuit breaker opened");
    connector_unusable: Gauges = gauges(
        "connector_unusable",
        "1 while a connector's own check says that its external system is not usable, else 0"
    );
    concurrency_limit: Gauges = gauges(
        "concurrency_limit",
        "Deliveries of a connector that may be at work at the same time, as its system bears it now"
    );
    rate_limit_waits: Counters = counters(
        "rate_limit_waits",
        "Waits for the rate limit of a connector, of deliveries to start and of their further requests"
    );
    joint_requests: Counters = counters(
        "joint_requests",
        "Requests that did what several deliveries asked for, by what came of them"
    );
    joined_requests: Counters = counters(
        "joined_requests",
        "Requests of deliveries that were done by a joint one"
    );
    partitions_assigned: Gauges = gauges("partitions_assigned", "Kafka partitions that this host reads");
    partitions_paused: Gauges = gauges("partitions_paused", "Assigned Kafka partitions that are paused");
    consumer_lag: Gauges = gauges(
        "consumer_lag",
        "Records between the committed offsets and the ends of the partitions"
    );
    dead_letters: Counters = counters("dead_letters", "Events that were given up on, by why");
    conflicts: Counters = counters(
        "conflicts",
        "Conflicts with what an external system holds, by policy and by what was decided"
    );
    flood_guard_shut: Gauges = gauges(
        "flood_guard_shut",
        "1 while deliveries wait because most of them would be given up on, else 0"
    );
    deadlines_missed: Counters = counters("deadlines_missed", "Events that missed the deadline of their SLA");
    sla_events: Counters = counters(
        "sla_events",
        "Events with a deadline, by whether they met it; given up is missed"
    );
    sla_attainment: Fractions = fractions(
        "sla_attainment",
        "Share of the events that met their deadline within the objective's window, since the start"
    );
    burn_rate: Fractions = fractions(
        "sla_burn_rate",
        "How fast missed deadlines use up what the objective allows: 1 uses it up within its window"
    );
    events_at_risk: Gauges = gauges(
        "events_at_risk",
        "Events that will miss their deadline at the rate at which events settle now"
    );
    retention_used: Fractions = fractions(
        "retention_used",
        "Age of the oldest event read and not settled, as a share of its topic's retention"
    );
    retention_lost: Counters = counters(
        "retention_lost_offsets",
        "Offsets that Kafka deleted before they were read"
    );
    commits: Counters = counters("commits", "Offset commits, by result");
    parked: Counters = counters("events_parked", "Times an event was parked in a delay topic, by delay");
    parked_waiting: Gauges = gauges(
        "events_parked_now",
        "Events that wait in a delay topic, by delay; of the partitions that this host reads"
    );
    journal_resumed: Counters = counters("journal_resumed", "Attempts that went on from what was journalled");
    journal_written: Counters = counters("journal_written", "Entries written to the journal");
    journal_failed: Counters = counters("journal_failed", "Entries that could not be written");
    journal_bytes: Gauges = bytes("journal", "Memory that what is journalled takes");
    plugin_calls: Counters = counters("plugin_calls", "Calls of a plugin, by function");
    plugin_call_duration: Histograms = calls("plugin_call_duration", "Length of one call of a plugin");
    plugin_faults: Counters = counters("plugin_faults", "Calls that failed by the plugin's fault, by kind");
    plugin_instances: Gauges = gauges("plugin_instances", "Instances of a plugin that exist now");
    plugin_log_lines_dropped: Counters = counters(
        "plugin_log_lines_dropped",
        "Log lines of a plugin over a limit, by limit"
    );
    plugin_shadowed: Counters = counters(
        "plugin_shadowed",
        "What a version that shadows was handed, by whether it would have done the same"
    );
    plugin_swaps: Counters = counters("plugin_swaps", "New versions of a plugin, by what became of them");
    plugin_versions: Gauges = gauges(
        "plugin_version",
        "1 for each version of a plugin that is called, by the first digits of its sha256"
    );
    request_duration: Histograms = requests(
        "http_request_duration",
        "Length of one HTTP request of a connector, by status class"
    );
    intake_events: Counters = counters("intake_events", "Events taken over HTTP that Kafka has, by client");
}

/// A registry that is being filled, and the families in it.
#[derive(Default)]
pub(super) struct Registering {
    pub(super) registry: Registry,
    pub(super) families: Vec<Box<dyn Forgetting>>,
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

pub(super) fn register_schema_registry(registry: &mut Registering) -> RegistryMetrics {
    let help = "Schemas asked of the schema registry, by what came of it";
    let requests = counters(registry, "schema_registry_requests", help);
    RegistryMetrics { requests: each(&requests, &Names::new([])) }
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
    registered(registry, name, help, None, Counters::default())
}

fn gauges(registry: &mut Registering, name: &str, help: &str) -> Gauges {
    registered(registry, name, help, None, Gauges::default())
}

fn bytes(registry: &mut Registering, name: &str, help: &str) -> Gauges {
    registered(registry, name, help, Some(Unit::Bytes), Gauges::default())
}

fn fractions(registry: &mut Registering, name: &str, help: &str) -> Fractions {
    registered(registry, name, help, None, Fractions::default())
}

/// Of seconds, in fractions.
fn ages(registry: &mut Registering, name: &str, help: &str) -> Fractions {
    registered(registry, name, help, Some(Unit::Seconds), Fractions::default())
}

fn calls(registry: &mut Registering, name: &str, help: &str) -> Histograms {
    seconds(registry, name, help, || Histogram::new(CALL_BUCKETS))
}

fn requests(registry: &mut Registering, name: &str, help: &str) -> Histograms {
    seconds(registry, name, help, || Histogram::new(REQUEST_BUCKETS))
}

fn latencies(registry: &mut Registering, name: &str, help: &str) -> Histograms {
    seconds(registry, name, help, || Histogram::new(LATENCY_BUCKETS))
}

fn seconds(registry: &mut Registering, name: &str, help: &str, constructor: fn() -> Histogram) -> Histograms {
    registered(registry, name, help, Some(Unit::Seconds), Family::new_with_constructor(constructor))
}

fn registered<F>(registry: &mut Registering, name: &str, help: &str, unit: Option<Unit>, family: F) -> F
where
    F: Metric + Forgetting + Clone,
{
    registry.families.push(Box::new(family.clone()));
    match unit {
        Some(unit) => registry.registry.register_with_unit(name, help, unit, family.clone()),
        None => registry.registry.register(name, help, family.clone()),
    }
    family
}
