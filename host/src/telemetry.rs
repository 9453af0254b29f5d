//! Every metric of the host: its name and help (`family`), its labels (`label`), and what the stages count on (`handles`).
//!
//! [`Telemetry`] holds all of them; a stage takes its handles once, at start, and counts on them without a look-up.
//! One prefix, base units, labels of few values: nothing that grows with events, keys or errors' texts.
//! What is counted, and when, is the stages' business.

mod class;
mod family;
mod forgetting;
mod handles;
mod label;
mod series;
mod versions;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex};

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::registry::Registry;

use crate::config::{ClientName, ConnectorName, PluginName, SubscriptionName};
pub use class::BreakerState;
use family::{Counters, Families, Registering};
use forgetting::Forgetting;
pub use handles::{
    AlertMetrics, ConflictMetrics, ConnectorMetrics, Fraction, IntakeMetrics, ParkedMetrics, PluginMetrics,
    RegistryMetrics, ReloadMetrics, SlaMetrics, SubscriptionMetrics, Timing,
};
pub use label::{
    AlertReceiver, AttemptOutcome, BurnWindow, CommitResult, ConflictDecision, DeadLetterReason, FaultKind,
    IntakeAnswer, JointResult, Label, LogLimit, PluginFunction, RegistryResult, ReloadResult, Settlement,
    ShadowResult, SlaResult, StatusClass, SwapResult, VersionState,
};
pub use series::ByLabel;
use series::{Labels, Names};
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
    registry_requests: RegistryMetrics,
    all: Vec<Box<dyn Forgetting>>,
    /// Of what comes and goes with the configuration.
    names: Mutex<BTreeSet<Names>>,
}

impl Telemetry {
    pub fn new() -> Telemetry {
        let registry = Registry::with_prefix("liaison");
        let mut registering = Registering { registry, ..Registering::default() };
        let families = Families::register(&mut registering);
        let alerts = family::register_alerts(&mut registering);
        let reloads = family::register_reloads(&mut registering);
        let intake = family::register_intake(&mut registering);
        let registry_requests = family::register_schema_registry(&mut registering);
        let Registering { registry, families: all } = registering;
        let names = Mutex::default();
        Telemetry {
            shared: Arc::new(Shared {
                registry,
                families,
                alerts,
                reloads,
                intake,
                registry_requests,
                all,
                names,
            }),
        }
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
            unusable: one(&families.connector_unusable, &names),
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

    pub fn schema_registry(&self) -> &RegistryMetrics {
        &self.shared.registry_requests
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
mod tests;
