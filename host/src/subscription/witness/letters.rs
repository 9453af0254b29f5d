//! Dead letters, each with its evidence: the event, what was tried of it and by whom, and what a person needs to decide.

use bytes::Bytes;

use super::{Last, Witness};
use crate::alert::AlertKind;
use crate::dead_letter::recording::{Recorded, Recording, TransformRecording};
use crate::dead_letter::{Attempts, Blamed, DeadLetter, Reason, Stage};
use crate::delivery::attempt::Attempt;
use crate::event::{Event, Record};
use crate::subscription::carried::{Carried, unix_ms};
use crate::subscription::stages::Stopped;
use crate::subscription::stages::served::Line;
use crate::telemetry::{DeadLetterReason, Label as _, Settlement};
use crate::whereabouts::End;

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

pub(crate) fn identify(letter: &mut DeadLetter, event: &Event) {
    letter.event_id = Some(event.id.clone());
    letter.event_type = Some(event.kind.clone());
    letter.traceparent = event.traceparent().map(str::to_owned);
}
