//! What a subscription tells the outside: metrics, alerts, log lines, and dead letters with their evidence.
//!
//! It decides nothing: the task says what happened.

mod alerts;
mod letters;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

pub(crate) use self::letters::identify;
use super::carried::{Carried, reason_of, unix_ms};
use super::lanes::Lanes;
use super::partitions::Partitions;
use super::stages::Stopped;
use super::stages::served::Line;
use crate::admin::Health;
use crate::alert::AlertSender;
use crate::config::mask::Mask;
use crate::config::{self, ConnectorName, SubscriptionName};
use crate::contract::{Conflict, Fault, Outcome, Resolution, TimestampMs};
use crate::dead_letter::Stage;
use crate::dead_letter::conflict::{VERSION_BYTES, sha256_text};
use crate::dead_letter::recording::{TransformEnd, strike_reason, strike_result};
use crate::delivery::attempt::Attempt;
use crate::delivery::conflict::Decision;
use crate::event::Event;
use crate::telemetry::{
    AttemptOutcome, CommitResult, ConflictDecision, ConflictMetrics, Label as _, ParkedMetrics, Settlement,
    SubscriptionMetrics,
};
use crate::whereabouts::{End, GIVEN_UP, Whereabouts};

#[derive(Debug, Clone)]
pub(crate) struct Witness {
    pub(crate) subscription: SubscriptionName,
    pub(crate) connector: ConnectorName,
    pub(crate) group: String,
    /// The connector's plugin, unless it is native.
    pub(crate) plugin: Option<Line>,
    pub(crate) sla: config::SlaTable,
    pub(crate) metrics: SubscriptionMetrics,
    pub(crate) conflicts: ConflictMetrics,
    /// By delay topic.
    pub(crate) parked: BTreeMap<String, ParkedMetrics>,
    pub(crate) alerts: AlertSender,
    pub(crate) health: Health,
    /// The connector's secrets, which nothing that is written down may hold.
    pub(crate) mask: Mask,
    /// What became of the latest events, for whoever asks.
    pub(crate) whereabouts: Whereabouts,
}

/// What came last of a delivery.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Last<'a> {
    Attempt(&'a Attempt),
    /// The call of a transformer that ended like this.
    Transform(&'a Stopped, &'a TransformEnd),
}

impl Last<'_> {
    /// Where it happened.
    pub(crate) fn stage(&self) -> Stage {
        match self {
            Last::Attempt(_) => Stage::Deliver,
            Last::Transform(..) => Stage::Transform,
        }
    }
}

impl Witness {
    /// Strikes the connector's secrets out of what its plugin said: a reply may have echoed them.
    pub(crate) fn strike(&self, result: &mut Result<Outcome, Fault>) {
        strike_result(result, &self.mask);
    }

    /// The same of what its plugin said for a person beside an attempt.
    pub(crate) fn said(&self, reason: &mut String) {
        strike_reason(reason, &self.mask);
    }

    /// An event was read, and is one for this subscription.
    pub(crate) fn received(&self, event: &Event) {
        if self.whereabouts.is_on() {
            self.whereabouts.received(&self.subscription, event, unix_ms());
        }
    }

    /// An event was read that is none for this subscription.
    pub(crate) fn filtered(&self, event: &Event) {
        self.metrics.settled[Settlement::Filtered].inc();
        if self.whereabouts.is_on() {
            self.received(event);
            self.ended(event, 0, End::Settled(Settlement::Filtered.value()));
        }
    }

    /// An attempt ended, and the event goes on.
    pub(crate) fn goes_on(&self, carried: &Carried, result: &Result<Outcome, Fault>) {
        let outcome = match result {
            Ok(Outcome::Delivered(_) | Outcome::Skipped(_)) => return,
            _ if !self.whereabouts.is_on() => return,
            Ok(outcome) => (outcome.name(), reason_of(outcome).unwrap_or_default()),
            Err(fault) => ("fault", fault.to_string()),
        };
        let said = (outcome.0, outcome.1.as_str());
        self.whereabouts.attempted(
            &self.subscription,
            &carried.event,
            carried.evidence.count(),
            said,
            unix_ms(),
        );
    }

    /// Its partition is no longer ours, or the host shuts down.
    pub(crate) fn left(&self, carried: &Carried) {
        self.ended(&carried.event, carried.evidence.count(), End::Left);
    }

    fn given_up(&self, event: &Event, attempts: u32, why: &str) {
        if self.whereabouts.is_on() {
            self.whereabouts.attempted(&self.subscription, event, attempts, (GIVEN_UP, why), unix_ms());
        }
    }

    fn ended(&self, event: &Event, attempts: u32, end: End) {
        if self.whereabouts.is_on() {
            self.whereabouts.ended(&self.subscription, event, attempts, end, unix_ms());
        }
    }

    pub(crate) fn attempted(&self, attempt: &Attempt, took: Duration) {
        let outcome = attempt.result.as_ref().map_or(AttemptOutcome::Fault, AttemptOutcome::of);
        self.metrics.attempts[outcome].inc();
        self.metrics.attempt_duration.observe(took);
        if let Err(fault) = &attempt.result {
            let event = &attempt.delivery.event.id;
            tracing::warn!(subscription = %self.subscription, event, %fault, "a plugin failed on an event");
        }
    }

    /// What was decided of a conflict with an event. All of them are in the log, so that each can be shown later to have been right.
    pub(crate) fn decided(&self, event: &Event, policy: &str, conflict: &Conflict, decision: &Decision) {
        let label = conflict_label(decision);
        self.conflicts.decisions[label].inc();
        let version = conflict.version.as_deref().unwrap_or("none");
        let sha256 = |data: Option<&Bytes>| data.map_or_else(|| "none".to_owned(), |data| sha256_text(data));
        let why = match decision {
            Decision::Superseded(why) | Decision::Manual(why) | Decision::Endless(why) => why.as_str(),
            Decision::AlreadyThere | Decision::Again(_) => conflict.reason.as_str(),
        };
        tracing::info!(
            subscription = %self.subscription,
            event = event.id,
            policy,
            decision = label.value(),
            event_sha256 = sha256(event.data.as_ref()),
            current_sha256 = sha256(conflict.current.as_ref()),
            current_version = &version[..version.floor_char_boundary(VERSION_BYTES)],
            why,
            "a conflict was decided"
        );
    }

    pub(crate) fn settled(&self, carried: &Carried, settlement: Settlement, now: TimestampMs) {
        self.metrics.settled[settlement].inc();
        self.ended(&carried.event, carried.evidence.count(), End::Settled(settlement.value()));
        if let Some(written) = carried.record.timestamp {
            self.metrics.delivery_latency.observe(Duration::from_millis(now.saturating_sub(written)));
        }
    }

    /// An event is in this delay topic now.
    pub(crate) fn parked(&self, carried: &Carried, topic: &str) {
        self.ended(&carried.event, carried.evidence.count(), End::Parked(topic.into()));
        if let Some(metrics) = self.parked.get(topic) {
            metrics.parked.inc();
        }
    }

    /// How far the group is behind, in records: parked events are not among what comes anew.
    pub(crate) fn lag(&self, topics: &[(String, i64)]) -> i64 {
        let mut records = 0;
        for (topic, lag) in topics {
            match self.parked.get(topic) {
                Some(metrics) => {
                    metrics.waiting.set(*lag);
                }
                None => records += lag,
            }
        }
        self.metrics.consumer_lag.set(records);
        records
    }

    pub(crate) fn committed(&self, is_done: bool) {
        let result = if is_done { CommitResult::Succeeded } else { CommitResult::Failed };
        self.metrics.commits[result].inc();
    }

    /// How much there is of everything now.
    pub(crate) fn levels<T>(&self, partitions: &Partitions, lanes: &Lanes<T>, in_flight: usize) {
        let level = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.metrics.unsettled.set(level(partitions.unsettled()));
        self.metrics.unsettled_bytes.set(level(partitions.unsettled_bytes()));
        self.metrics.partitions_assigned.set(level(partitions.count()));
        self.metrics.partitions_paused.set(level(partitions.paused()));
        self.metrics.lanes.set(level(lanes.len()));
        self.metrics.retries_waiting.set(level(lanes.waiting()));
        self.metrics.in_flight.set(level(in_flight));
    }

    pub(crate) fn oldest(&self, age: Duration) {
        self.metrics.oldest_unsettled_age.set(age.as_secs_f64());
    }
}

fn conflict_label(decision: &Decision) -> ConflictDecision {
    match decision {
        Decision::Superseded(_) => ConflictDecision::Superseded,
        Decision::AlreadyThere => ConflictDecision::AlreadyThere,
        Decision::Again(Resolution::Overwrite(_)) => ConflictDecision::Overwrite,
        Decision::Again(Resolution::Merged { .. }) => ConflictDecision::Merged,
        Decision::Manual(_) => ConflictDecision::Manual,
        Decision::Endless(_) => ConflictDecision::Endless,
    }
}
