//! What a subscription tells the outside: metrics, alerts, log lines, and dead letters with their evidence.
//!
//! It decides nothing: the task says what happened.

use std::time::Duration;

use super::carried::{Carried, unix_ms};
use super::lanes::Lanes;
use super::partitions::Partitions;
use crate::alert::{Alert, AlertKind, AlertSender};
use crate::config::{self, ConnectorName, SubscriptionName};
use crate::dead_letter::{Attempts, Blamed, DeadLetter, Reason, Stage};
use crate::delivery::attempt::Attempt;
use crate::delivery::breaker::{self, Change, State};
use crate::event::{DecodeError, Event, Record};
use crate::telemetry::{
    AttemptOutcome, BreakerState, CommitResult, DeadLetterReason, Label as _, Settlement, SubscriptionMetrics,
};

#[derive(Debug, Clone)]
pub(crate) struct Witness {
    pub(crate) subscription: SubscriptionName,
    pub(crate) connector: ConnectorName,
    pub(crate) group: String,
    /// The connector's plugin, unless it is native.
    pub(crate) plugin: Option<Blamed>,
    /// The plugins of the transformers, in order.
    pub(crate) transformers: Vec<Blamed>,
    pub(crate) sla: config::SlaTable,
    pub(crate) metrics: SubscriptionMetrics,
    pub(crate) alerts: AlertSender,
}

impl Witness {
    pub(crate) fn undecodable(&self, record: Record, error: &DecodeError) -> DeadLetter {
        let letter = self.letter(record, Stage::Decode, Reason::Undecodable, error.to_string());
        self.dead_lettered(&letter, true);
        letter
    }

    pub(crate) fn filter_failed(&self, record: Record, event: &Event, why: String) -> DeadLetter {
        let mut letter = self.letter(record, Stage::Filter, Reason::FilterFailed, why);
        identify(&mut letter, event);
        self.dead_lettered(&letter, self.sla.of(&event.kind).alert);
        letter
    }

    /// A delivery that is given up, with all that happened to it.
    pub(crate) fn dead_letter(
        &self,
        carried: &Carried,
        stage: Stage,
        reason: Reason,
        message: String,
    ) -> DeadLetter {
        let mut letter = self.letter(carried.record.clone(), stage, reason, message);
        identify(&mut letter, &carried.event);
        letter.idempotency_key = carried.idempotency_key.as_deref().map(str::to_owned);
        if stage == Stage::Transform {
            letter.plugin = carried.stopped_by.and_then(|by| self.transformers.get(by)).cloned();
        }
        letter.part = (carried.part_count > 1).then_some(carried.part);
        letter.attempts = carried.evidence.clone();
        letter.first_seen_at = carried.first_seen_at;
        letter.deadline = carried.deadline.map(|deadline| deadline.at());
        self.dead_lettered(&letter, self.sla.of(&carried.event.kind).alert);
        letter
    }

    fn letter(&self, record: Record, stage: Stage, reason: Reason, message: String) -> DeadLetter {
        let now = unix_ms();
        DeadLetter {
            record,
            subscription: self.subscription.clone(),
            group: self.group.clone(),
            connector: self.connector.clone(),
            plugin: self.plugin.clone(),
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

    pub(crate) fn attempted(&self, attempt: &Attempt, took: Duration) {
        let outcome = attempt.result.as_ref().map_or(AttemptOutcome::Fault, AttemptOutcome::of);
        self.metrics.attempts[outcome].inc();
        self.metrics.attempt_duration.observe(took);
        if let Err(fault) = &attempt.result {
            let event = &attempt.delivery.event.id;
            tracing::warn!(subscription = %self.subscription, event, %fault, "a plugin failed on an event");
        }
    }

    fn breaker_state(&self, breaker: State) {
        self.metrics.set_breaker_state(match breaker {
            State::Closed => BreakerState::Closed,
            State::HalfOpen => BreakerState::HalfOpen,
            State::Open => BreakerState::Open,
        });
    }

    pub(crate) fn breaker_changed(&self, change: Change, breaker: State, why: &str) {
        self.breaker_state(breaker);
        match change {
            Change::Opened { reason, .. } => {
                self.metrics.breaker_opened.inc();
                let (kind, what) = match reason {
                    breaker::Reason::Unavailable => (AlertKind::BreakerOpened, "is down"),
                    breaker::Reason::Denied => {
                        (AlertKind::Denied, "refuses our credentials; mend its `credential`")
                    }
                };
                let waits = "its events wait in Kafka, no attempts are spent, and it is probed";
                self.raise(kind, format!("connector {} {what}: {waits} ({why})", self.connector), None);
            }
            Change::Closed => {
                for kind in [AlertKind::BreakerOpened, AlertKind::Denied] {
                    self.over(kind, None, format!("connector {} is up again", self.connector));
                }
            }
        }
    }

    pub(crate) fn settled(&self, carried: &Carried, settlement: Settlement) {
        let now = unix_ms();
        self.metrics.settled[settlement].inc();
        if let Some(written) = carried.record.timestamp {
            self.metrics.delivery_latency.observe(Duration::from_millis(now.saturating_sub(written)));
        }
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
    pub(crate) fn levels<T>(
        &self,
        partitions: &Partitions,
        lanes: &Lanes<T>,
        breaker: State,
        in_flight: usize,
    ) {
        self.breaker_state(breaker);
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
        self.alerts.raise(self.alert(kind, about, message, event_id));
    }

    /// What was raised is over.
    pub(crate) fn over(&self, kind: AlertKind, about: Option<String>, message: String) {
        self.alerts.over(self.alert(kind, about, message, None));
    }

    fn alert(
        &self,
        kind: AlertKind,
        about: Option<String>,
        message: String,
        event_id: Option<String>,
    ) -> Alert {
        Alert {
            kind,
            subscription: Some(self.subscription.clone()),
            connector: Some(self.connector.clone()),
            about,
            message,
            event_id,
            at_ms: unix_ms(),
        }
    }
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

fn identify(letter: &mut DeadLetter, event: &Event) {
    letter.event_id = Some(event.id.clone());
    letter.event_type = Some(event.kind.clone());
    letter.traceparent = event.traceparent().map(str::to_owned);
}
