//! What a subscription tells the outside: metrics, alerts, log lines, and dead letters with their evidence.
//!
//! It decides nothing: the task says what happened.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::carried::{Carried, reason_of, unix_ms};
use super::lanes::Lanes;
use super::partitions::Partitions;
use super::stages::Stopped;
use super::stages::served::Line;
use crate::admin::Health;
use crate::alert::{Alert, AlertKind, AlertSender};
use crate::config::mask::Mask;
use crate::config::{self, ConnectorName, SubscriptionName};
use crate::contract::{Conflict, Fault, Outcome, Resolution};
use crate::dead_letter::conflict::sha256_text;
use crate::dead_letter::recording::{Recorded, Recording, TransformEnd, TransformRecording, strike_result};
use crate::dead_letter::{Attempts, Blamed, DeadLetter, Reason, Stage};
use crate::delivery::attempt::Attempt;
use crate::delivery::breaker::{self, Change};
use crate::delivery::conflict::Decision;
use crate::event::{Event, Record};
use crate::telemetry::{
    AttemptOutcome, CommitResult, ConflictDecision, ConflictMetrics, DeadLetterReason, Label as _,
    ParkedMetrics, Settlement, SubscriptionMetrics,
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

impl Witness {
    pub(crate) fn undecodable(&self, record: Record, error: &impl std::error::Error) -> DeadLetter {
        let letter = self.letter(record, Stage::Decode, Reason::Undecodable, error.to_string());
        self.dead_lettered(&letter, true);
        letter
    }

    pub(crate) fn filter_failed(&self, record: Record, event: &Event, why: String) -> DeadLetter {
        let mut letter = self.letter(record, Stage::Filter, Reason::FilterFailed, why);
        identify(&mut letter, event);
        self.received(event);
        self.given_up(event, 0, &letter.message);
        self.ended(event, 0, End::Settled(Settlement::DeadLettered.value()));
        self.dead_lettered(&letter, self.sla.of(&event.kind).alert);
        letter
    }

    /// A delivery that is given up, with all that happened to it. `recording` is its last attempt.
    pub(crate) fn dead_letter(
        &self,
        carried: &Carried,
        stage: Stage,
        reason: Reason,
        message: String,
        recording: Option<Bytes>,
    ) -> DeadLetter {
        let mut letter = self.letter(carried.record.clone(), stage, reason, message);
        identify(&mut letter, &carried.event);
        letter.idempotency_key = carried.idempotency_key.as_deref().map(str::to_owned);
        if let Some(blamed) = &carried.blamed {
            letter.plugin = Some((**blamed).clone());
        }
        letter.part = (carried.part_count > 1).then_some(carried.part);
        letter.attempts = carried.evidence.clone();
        letter.first_seen_at = carried.first_seen_at;
        letter.deadline = carried.deadline.map(|deadline| deadline.at());
        letter.recording = recording;
        letter.conflict = carried.conflict().cloned().filter(|_| reason == Reason::Conflict);
        self.given_up(&carried.event, carried.evidence.count(), &letter.message);
        self.dead_lettered(&letter, self.sla.of(&carried.event.kind).alert);
        letter
    }

    /// Strikes the connector's secrets out of what its plugin said: a reply may have echoed them.
    pub(crate) fn strike(&self, result: &mut Result<Outcome, Fault>) {
        strike_result(result, &self.mask);
    }

    /// What came last, as JSON. `original` is the event before the transformers.
    pub(crate) fn recorded(&self, last: Last<'_>, original: &Event) -> Bytes {
        let recorded: Recorded = match last {
            Last::Attempt(Attempt { delivery, asked, result, .. }) => {
                Recording::of(delivery, asked, result, original, &self.mask).into()
            }
            Last::Transform(Stopped { transformer, given, .. }, end) => {
                TransformRecording::of(transformer.as_str(), given, original, end.clone()).into()
            }
        };
        recorded.to_json()
    }

    pub(crate) fn letter(&self, record: Record, stage: Stage, reason: Reason, message: String) -> DeadLetter {
        let now = unix_ms();
        DeadLetter {
            record,
            subscription: self.subscription.clone(),
            group: self.group.clone(),
            connector: self.connector.clone(),
            plugin: self.plugin.as_ref().map(live),
            host_version: env!("CARGO_PKG_VERSION").to_owned(),
            stage,
            reason,
            message,
            event_id: None,
            event_type: None,
            idempotency_key: None,
            part: None,
            attempts: Attempts::default(),
            first_seen_at: now,
            dead_lettered_at: now,
            deadline: None,
            traceparent: None,
            redrives: 0,
            recording: None,
            conflict: None,
            is_pointer: false,
        }
    }

    fn dead_lettered(&self, letter: &DeadLetter, is_alert: bool) {
        self.metrics.dead_letters[label(letter.reason)].inc();
        let id = letter.event_id.as_deref().unwrap_or_default();
        let message = format!("event {id} ({}) is a dead letter: {}", letter.record.origin, letter.message);
        tracing::warn!(subscription = %self.subscription, "{message}");
        if is_alert {
            let about = Some(label(letter.reason).value().to_owned());
            self.raise_about(AlertKind::DeadLetter, about, message, letter.event_id.clone());
        }
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
            current_version = conflict.version.as_deref().unwrap_or("none"),
            why,
            "a conflict was decided"
        );
    }

    /// Told of the connector as a whole, by the one of its subscriptions that saw it.
    pub(crate) fn breaker_changed(&self, change: Change, why: &str) {
        let (kind, message) = match change {
            Change::Opened { reason, .. } => {
                let (kind, what) = match reason {
                    breaker::Reason::Unavailable => (AlertKind::BreakerOpened, "is down"),
                    breaker::Reason::Denied => {
                        (AlertKind::Denied, "refuses us; mend its `credential`, or what it says")
                    }
                };
                let waits = "its events wait in Kafka, no attempts are spent, and it is probed";
                (kind, format!("connector {} {what}: {waits} ({why})", self.connector))
            }
            Change::Closed => {
                for kind in [AlertKind::BreakerOpened, AlertKind::Denied] {
                    let message = format!("connector {} is up again", self.connector);
                    self.alerts.over(self.alert(kind, None, None, message, None));
                }
                return;
            }
        };
        self.alerts.raise(self.alert(kind, None, None, message, None));
    }

    /// The flood guard has shut: so many of so many deliveries would have been given up, the last with this message.
    pub(crate) fn flood_began(&self, (given_up, all): (u32, u32), message: &str) {
        self.metrics.flood_guard_shut.set(1);
        let text = format!(
            "{given_up} of the last {all} deliveries of {} would be dead letters, so it waits: none is given up, and one \
             event is tried now and then; mend what is wrong, or set `flood-guard.enabled = false` to let them go (the \
             last: {message})",
            self.subscription
        );
        self.health.set_not_ready(&self.flood_subject(), text.clone());
        self.raise(AlertKind::Flood, text, None);
    }

    pub(crate) fn flood_ended(&self) {
        self.metrics.flood_guard_shut.set(0);
        self.health.set_ready(&self.flood_subject());
        self.over(AlertKind::Flood, None, format!("deliveries of {} go on", self.subscription));
    }

    fn flood_subject(&self) -> String {
        format!("deliveries of {}", self.subscription)
    }

    pub(crate) fn settled(&self, carried: &Carried, settlement: Settlement) {
        let now = unix_ms();
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

    /// Once for each event.
    pub(crate) fn deadline_missed(&self, event: &Event, late: Duration) {
        self.metrics.deadlines_missed.inc();
        if self.sla.of(&event.kind).alert {
            let about = Some(self.sla.name_of(&event.kind).to_owned());
            let message =
                format!("event {} of type {} missed its deadline by {late:?}", event.id, event.kind);
            self.raise_about(AlertKind::DeadlineMissed, about, message, Some(event.id.clone()));
        }
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

    pub(crate) fn raise(&self, kind: AlertKind, message: String, event_id: Option<String>) {
        self.raise_about(kind, None, message, event_id);
    }

    /// `about` tells causes of one kind apart, each with its own beginning and end.
    pub(crate) fn raise_about(
        &self,
        kind: AlertKind,
        about: Option<String>,
        message: String,
        event_id: Option<String>,
    ) {
        self.alerts.raise(self.alert(kind, Some(self.subscription.clone()), about, message, event_id));
    }

    /// What was raised is over.
    pub(crate) fn over(&self, kind: AlertKind, about: Option<String>, message: String) {
        self.alerts.over(self.alert(kind, Some(self.subscription.clone()), about, message, None));
    }

    fn alert(
        &self,
        kind: AlertKind,
        subscription: Option<SubscriptionName>,
        about: Option<String>,
        message: String,
        event_id: Option<String>,
    ) -> Alert {
        Alert {
            kind,
            subscription,
            connector: Some(self.connector.clone()),
            about,
            message,
            event_id,
            at_ms: unix_ms(),
        }
    }
}

/// The version that has the last word now.
fn live(line: &Line) -> Blamed {
    let live = &line.borrow().live;
    Blamed { plugin: live.name.clone(), sha256: live.sha256 }
}

fn label(reason: Reason) -> DeadLetterReason {
    match reason {
        Reason::Undecodable => DeadLetterReason::Undecodable,
        Reason::FilterFailed => DeadLetterReason::FilterFailed,
        Reason::TransformRejected => DeadLetterReason::TransformRejected,
        Reason::Rejected => DeadLetterReason::Rejected,
        Reason::AttemptsSpent => DeadLetterReason::AttemptsSpent,
        Reason::GaveUp => DeadLetterReason::GaveUp,
        Reason::Conflict => DeadLetterReason::Conflict,
        Reason::Fault(_) => DeadLetterReason::PluginFault,
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

pub(crate) fn identify(letter: &mut DeadLetter, event: &Event) {
    letter.event_id = Some(event.id.clone());
    letter.event_type = Some(event.kind.clone());
    letter.traceparent = event.traceparent().map(str::to_owned);
}
