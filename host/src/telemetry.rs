//! Every metric of the host: its name and help (`family`), its labels (`label`), and what the stages count on.
//!
//! [`Telemetry`] holds all of them; a stage takes its handles once, at start, and counts on them without a look-up.
//! One prefix, base units, labels of few values: nothing that grows with events, keys or errors' texts.
//! What is counted, and when, is the stages' business.

mod family;
mod forgetting;
mod label;
mod versions;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::config::{ClientName, ConnectorName, PluginName, SubscriptionName};
use family::{Counters, Families, Registering};
use forgetting::Forgetting;
pub use label::{
    AlertReceiver, AttemptOutcome, BreakerState, BurnWindow, ByLabel, CommitResult, ConflictDecision,
    DeadLetterReason, FaultKind, IntakeAnswer, JointResult, Label, LogLimit, PluginFunction, ReloadResult,
    Settlement, ShadowResult, SlaResult, StatusClass, SwapResult, VersionState,
};
use label::{Labels, Names};
pub use versions::VersionMetrics;

/// What text [`Telemetry::encode`] gives.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The metrics of one host. Clones share them.
#[derive(Clone)]
pub struct Telemetry {
    shared: Arc<Shared>,
}

struct Shared {
    registry: Registry,
    families: Families,
    alerts: AlertMetrics,
    reloads: ReloadMetrics,
    intake: IntakeMetrics,
    all: Vec<Box<dyn Forgetting>>,
    /// Of what comes and goes with the configuration.
    names: Mutex<BTreeSet<Names>>,
}

/// A gauge of a fraction.
pub type Fraction = Gauge<f64, AtomicU64>;

/// A histogram of durations.
#[derive(Debug, Clone)]
pub struct Timing(Histogram);

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
    breaker_state: Gauge,
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

impl Telemetry {
    pub fn new() -> Telemetry {
        let registry = Registry::with_prefix("liaison");
        let mut registering = Registering { registry, ..Registering::default() };
        let families = Families::register(&mut registering);
        let alerts = family::register_alerts(&mut registering);
        let reloads = family::register_reloads(&mut registering);
        let intake = family::register_intake(&mut registering);
        let Registering { registry, families: all } = registering;
        let names = Mutex::default();
        Telemetry { shared: Arc::new(Shared { registry, families, alerts, reloads, intake, all, names }) }
    }

    /// The handles of one subscription. Its series are there, at zero, from now on.
    pub fn subscription(
        &self,
        subscription: &SubscriptionName,
        connector: &ConnectorName,
    ) -> SubscriptionMetrics {
        let families = &self.shared.families;
        let names = Names::new([("subscription", subscription.as_str()), ("connector", connector.as_str())]);
        self.note(&names);
        SubscriptionMetrics {
            received: one(&families.received, &names),
            settled: each(&families.settled, &names),
            attempts: each(&families.attempts, &names),
            attempt_duration: Timing(one(&families.attempt_duration, &names)),
            delivery_latency: Timing(one(&families.delivery_latency, &names)),
            retries_waiting: one(&families.retries_waiting, &names),
            in_flight: one(&families.in_flight, &names),
            unsettled: one(&families.unsettled, &names),
            unsettled_bytes: one(&families.unsettled_bytes, &names),
            oldest_unsettled_age: one(&families.oldest_unsettled_age, &names),
            lanes: one(&families.lanes, &names),
            partitions_assigned: one(&families.partitions_assigned, &names),
            partitions_paused: one(&families.partitions_paused, &names),
            consumer_lag: one(&families.consumer_lag, &names),
            dead_letters: each(&families.dead_letters, &names),
            flood_guard_shut: one(&families.flood_guard_shut, &names),
            deadlines_missed: one(&families.deadlines_missed, &names),
            retention_used: one(&families.retention_used, &names),
            retention_lost: one(&families.retention_lost, &names),
            commits: each(&families.commits, &names),
            journal_resumed: one(&families.journal_resumed, &names),
            journal_written: one(&families.journal_written, &names),
            journal_failed: one(&families.journal_failed, &names),
            journal_bytes: one(&families.journal_bytes, &names),
        }
    }

    /// The handles of one subscription's conflicts. `policy` is a name of the configuration.
    pub fn conflicts(
        &self,
        subscription: &SubscriptionName,
        connector: &ConnectorName,
        policy: &str,
    ) -> ConflictMetrics {
        let (subscription, connector) = (subscription.as_str(), connector.as_str());
        let names =
            Names::new([("subscription", subscription), ("connector", connector), ("policy", policy)]);
        self.note(&names);
        ConflictMetrics { decisions: each(&self.shared.families.conflicts, &names) }
    }

    /// The handles of one delay topic of a subscription, named by its delay.
    pub fn parked(
        &self,
        subscription: &SubscriptionName,
        connector: &ConnectorName,
        delay: &str,
    ) -> ParkedMetrics {
        let names = Names::new([
            ("subscription", subscription.as_str()),
            ("connector", connector.as_str()),
            ("delay", delay),
        ]);
        self.note(&names);
        let families = &self.shared.families;
        ParkedMetrics {
            parked: one(&families.parked, &names),
            waiting: one(&families.parked_waiting, &names),
        }
    }

    /// The handles of one event type of one subscription. `kind` is a name of `[sla]`, never what an event says.
    pub fn sla(&self, subscription: &SubscriptionName, connector: &ConnectorName, kind: &str) -> SlaMetrics {
        let families = &self.shared.families;
        let (subscription, connector) = (subscription.as_str(), connector.as_str());
        let names = Names::new([("subscription", subscription), ("connector", connector), ("type", kind)]);
        self.note(&names);
        SlaMetrics {
            events: each(&families.sla_events, &names),
            attainment: one(&families.sla_attainment, &names),
            burn_rate: ByLabel::new(|window| families.burn_rate.get_or_create_owned(&names.with(window))),
            at_risk: one(&families.events_at_risk, &names),
        }
    }

    pub fn plugin(&self, plugin: &PluginName) -> PluginMetrics {
        let families = &self.shared.families;
        let names = Names::new([("plugin", plugin.as_str())]);
        self.note(&names);
        PluginMetrics {
            calls: each(&families.plugin_calls, &names),
            call_duration: Timing(one(&families.plugin_call_duration, &names)),
            faults: each(&families.plugin_faults, &names),
            instances: one(&families.plugin_instances, &names),
            log_lines_dropped: each(&families.plugin_log_lines_dropped, &names),
        }
    }

    pub fn versions(&self, plugin: &PluginName) -> VersionMetrics {
        self.note(&Names::new([("plugin", plugin.as_str())]));
        VersionMetrics::new(&self.shared.families, plugin)
    }

    pub fn connector(&self, connector: &ConnectorName) -> ConnectorMetrics {
        let names = Names::new([("connector", connector.as_str())]);
        self.note(&names);
        let families = &self.shared.families;
        ConnectorMetrics {
            request_duration: ByLabel::new(|status| {
                Timing(families.request_duration.get_or_create_owned(&names.with(status)))
            }),
            breaker_opened: one(&families.breaker_opened, &names),
            concurrency_limit: one(&families.concurrency_limit, &names),
            rate_limit_waits: one(&families.rate_limit_waits, &names),
            joint_requests: each(&families.joint_requests, &names),
            joined_requests: one(&families.joined_requests, &names),
            breaker_state: one(&families.breaker_state, &names),
        }
    }

    pub fn alerts(&self) -> &AlertMetrics {
        &self.shared.alerts
    }

    pub fn reloads(&self) -> &ReloadMetrics {
        &self.shared.reloads
    }

    pub fn intake(&self) -> &IntakeMetrics {
        &self.shared.intake
    }

    /// Events of this client that Kafka has.
    pub fn intake_events(&self, client: &ClientName) -> Counter {
        one(&self.shared.families.intake_events, &Names::new([("client", client.as_str())]))
    }

    /// All metrics as OpenMetrics text, which Prometheus reads too.
    pub fn encode(&self) -> String {
        let mut encoded = String::new();
        text::encode(&mut encoded, &self.shared.registry).expect("writing to a string cannot fail");
        encoded
    }
}

impl Default for Telemetry {
    fn default() -> Telemetry {
        Telemetry::new()
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Telemetry").finish_non_exhaustive()
    }
}

fn one<M: Clone, C: MetricConstructor<M>>(family: &Family<Labels, M, C>, names: &Names) -> M {
    family.get_or_create_owned(&names.alone())
}

fn each<L: Label>(family: &Counters, names: &Names) -> ByLabel<L, Counter> {
    ByLabel::new(|label| family.get_or_create_owned(&names.with(label)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn telemetry() -> (Telemetry, SubscriptionMetrics) {
        let telemetry = Telemetry::new();
        let subscription =
            telemetry.subscription(&SubscriptionName::new("calendar"), &ConnectorName::new("training"));
        (telemetry, subscription)
    }

    #[test]
    fn what_is_counted_is_what_is_read() {
        let (telemetry, subscription) = telemetry();
        subscription.received.inc_by(3);
        subscription.settled[Settlement::DeadLettered].inc();
        subscription.attempts[AttemptOutcome::Throttled].inc();
        subscription.attempt_duration.observe(Duration::from_millis(3));
        subscription.unsettled_bytes.set(1024);
        subscription.oldest_unsettled_age.set(1.5);
        telemetry.plugin(&PluginName::new("rest")).faults[FaultKind::CpuTime].inc();
        let connector = telemetry.connector(&ConnectorName::new("training"));
        connector.request_duration[StatusClass::of(503)].observe(Duration::from_secs(2));
        connector.set_breaker_state(BreakerState::Open);
        telemetry.alerts().raised.inc();
        telemetry.alerts().failed[AlertReceiver::Email].inc();
        telemetry.reloads().reloads[ReloadResult::Refused].inc();
        telemetry.reloads().loaded_at.set(1.5);
        let sla = telemetry.sla(&SubscriptionName::new("calendar"), &ConnectorName::new("training"), "a.b");
        sla.events[SlaResult::Missed].inc();
        sla.burn_rate[BurnWindow::FastShort].set(14.5);
        let calendar = SubscriptionName::new("calendar");
        let conflicts = telemetry.conflicts(&calendar, &ConnectorName::new("training"), "merge");
        conflicts.decisions[ConflictDecision::AlreadyThere].inc();
        let encoded = telemetry.encode();
        let of = r#"subscription="calendar",connector="training""#;
        for line in [
            format!("liaison_events_received_total{{{of}}} 3"),
            format!("liaison_events_settled_total{{{of},kind=\"dead-lettered\"}} 1"),
            format!("liaison_events_settled_total{{{of},kind=\"delivered\"}} 0"),
            format!("liaison_attempts_total{{{of},outcome=\"throttled\"}} 1"),
            format!("liaison_attempt_duration_seconds_bucket{{le=\"0.0025\",{of}}} 0"),
            format!("liaison_attempt_duration_seconds_bucket{{le=\"0.005\",{of}}} 1"),
            format!("liaison_attempt_duration_seconds_sum{{{of}}} 0.003"),
            format!("liaison_unsettled_bytes{{{of}}} 1024"),
            format!("liaison_oldest_unsettled_age_seconds{{{of}}} 1.5"),
            format!("liaison_conflicts_total{{{of},policy=\"merge\",decision=\"already-there\"}} 1"),
            "liaison_breaker_state{connector=\"training\"} 2".to_owned(),
            "liaison_plugin_faults_total{plugin=\"rest\",kind=\"cpu-time\"} 1".to_owned(),
            "liaison_http_request_duration_seconds_sum{connector=\"training\",status=\"5xx\"} 2.0".to_owned(),
            "liaison_alerts_raised_total 1".to_owned(),
            "liaison_alerts_failed_total{receiver=\"email\"} 1".to_owned(),
            "liaison_config_reloads_total{result=\"refused\"} 1".to_owned(),
            "liaison_config_loaded_timestamp_seconds 1.5".to_owned(),
            format!("liaison_sla_events_total{{{of},type=\"a.b\",result=\"missed\"}} 1"),
            format!("liaison_sla_burn_rate{{{of},type=\"a.b\",window=\"fast-short\"}} 14.5"),
        ] {
            assert!(encoded.lines().any(|found| found == line), "{line}\n{encoded}");
        }
    }

    #[test]
    fn handles_of_one_subscription_share_their_series() {
        let (telemetry, first) = telemetry();
        let second =
            telemetry.subscription(&SubscriptionName::new("calendar"), &ConnectorName::new("training"));
        first.received.inc();
        second.received.inc();
        assert_eq!(first.received.get(), 2);
    }

    #[test]
    fn every_metric_has_the_prefix_a_help_and_the_ending_of_its_kind() {
        let (telemetry, _subscription) = telemetry();
        telemetry.sla(&SubscriptionName::new("calendar"), &ConnectorName::new("training"), "default");
        telemetry.plugin(&PluginName::new("rest"));
        telemetry.versions(&PluginName::new("rest")).show("abc", None);
        let connector = ConnectorName::new("training");
        telemetry.connector(&connector);
        telemetry.parked(&SubscriptionName::new("calendar"), &connector, "1m");
        telemetry.conflicts(&SubscriptionName::new("calendar"), &connector, "merge");
        telemetry.intake_events(&ClientName::new("portal"));
        let encoded = telemetry.encode();
        let described = |word: &str| -> BTreeMap<&str, &str> {
            encoded.lines().filter_map(|line| line.strip_prefix(word)?.split_once(' ')).collect()
        };
        let (helps, types) = (described("# HELP "), described("# TYPE "));
        assert_eq!(types.len(), 55);
        for (name, kind) in &types {
            assert!(name.starts_with("liaison_"), "{name}");
            assert!(helps[name].len() > 10, "{name} has no help");
            let sample = encoded.lines().find(|line| line.starts_with(name)).unwrap();
            match *kind {
                "counter" => assert!(sample.starts_with(&format!("{name}_total")), "{sample}"),
                "histogram" => assert!(name.ends_with("_seconds"), "{name}"),
                "gauge" => assert!(!name.ends_with("_total"), "{name}"),
                other => panic!("{name} is a {other}"),
            }
            for unit in ["bytes", "seconds"] {
                let says_unit = encoded.contains(&format!("# UNIT {name} {unit}\n"));
                assert_eq!(name.ends_with(&format!("_{unit}")), says_unit, "{name}");
            }
        }
        assert!(encoded.ends_with("# EOF\n"));
    }
}
