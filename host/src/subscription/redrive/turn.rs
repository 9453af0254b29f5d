//! One turn of a dead letter on its way again: its transformation, or one part of its event; and the new letter of one
//! that failed again.

use std::cell::RefCell;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::SemaphorePermit;
use tokio::time::Instant;

use super::tries::Tries;
use super::{End, Run};
use crate::config;
use crate::contract::Resolution;
use crate::dead_letter::listing::Summary;
use crate::dead_letter::{Attempts, DeadLetter, Reason, Stage};
use crate::event::Event;
use crate::subscription::stages::Job;
use crate::subscription::unix_ms;
use crate::subscription::witness::{Last, identify};

/// A place among those at work, kept from an attempt until the letter is marked: what is in flight is bounded by it.
pub(super) type Place<'a> = RefCell<Option<SemaphorePermit<'a>>>;

/// What is to be done with a letter's event: its transformation, or one part.
pub(super) struct Turn<'a, 'run> {
    pub(super) summary: &'a Summary,
    pub(super) letter: &'a DeadLetter,
    pub(super) event: &'a Arc<Event>,
    pub(super) place: &'a Place<'run>,
    /// What the connector is given; `None` for the transformers' turn.
    pub(super) next: Option<Arc<Event>>,
    pub(super) part: Option<u32>,
    /// What a person decided of it.
    pub(super) decided: Option<Resolution>,
}

/// Why a letter fails again.
pub(super) struct Trouble {
    pub(super) stage: Stage,
    pub(super) reason: Reason,
    pub(super) message: String,
    /// Both sides, where it is one.
    pub(super) conflict: Option<Bytes>,
}

impl Turn<'_, '_> {
    /// What the connector is given.
    pub(super) fn delivered(&self) -> &Event {
        self.next.as_ref().unwrap_or(self.event)
    }

    /// A new letter in the place of the old one.
    pub(super) fn failed(
        &self,
        run: &Run<'_>,
        trouble: Trouble,
        evidence: Attempts,
        last: Option<Last<'_>>,
    ) -> End {
        let Trouble { stage, reason, message, conflict } = trouble;
        let witness = &run.plan.witness;
        let mut new = witness.letter(self.letter.record.clone(), stage, reason, message);
        identify(&mut new, self.event);
        if let Some(Last::Transform(stopped, _)) = last {
            new.plugin = Some((*stopped.blamed).clone());
        }
        new.part = self.part;
        new.attempts = evidence;
        if let Some(Last::Attempt(attempt)) = last {
            new.idempotency_key = Some(attempt.delivery.idempotency_key.to_string());
        }
        new.conflict = conflict;
        new.recording = last.map(|last| witness.recorded(last, self.event));
        End::Failed(Box::new(again(self.letter, new)))
    }
}

/// What the new letter has of the old one.
pub(super) fn again(old: &DeadLetter, new: DeadLetter) -> DeadLetter {
    DeadLetter {
        redrives: old.redrives.saturating_add(1),
        first_seen_at: old.first_seen_at,
        deadline: old.deadline,
        part: new.part.or(old.part),
        ..new
    }
}

pub(super) fn job(turn: &Turn<'_, '_>, tries: &Tries, sla: &config::Sla) -> Job {
    Job {
        event: turn.event.clone(),
        next: turn.next.clone(),
        part: turn.part,
        attempt: tries.history.attempts + 1,
        now: unix_ms() / 100 * 100,
        deadline: turn.letter.deadline,
        resolution: tries.resolution.clone(),
        is_suspect: tries.history.faults > 0,
        by_live: false,
        check_first: false,
        attempt_timeout: sla.attempt_timeout,
        began: Instant::now(),
        has_more_parts: false,
        has_turn: false,
        journal: None,
        has_company: false,
    }
}
