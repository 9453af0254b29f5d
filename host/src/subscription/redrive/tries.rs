//! What the turns of one dead letter have behind them. Pure.

use std::time::Duration;

use tokio::time::Instant;

use crate::contract::{Fault, Outcome, Resolution, TimestampMs};
use crate::dead_letter::Attempts;
use crate::dead_letter::recording::TransformEnd;
use crate::delivery::attempt::Attempt;
use crate::delivery::next::History;
use crate::subscription::carried::reason_of;
use crate::subscription::stages::Stopped;
use crate::subscription::witness::Last;

/// What a turn has behind it.
pub(super) struct Tries {
    pub(super) history: History,
    pub(super) evidence: Attempts,
    pub(super) resolution: Option<Resolution>,
    /// When the last one met an external system that is not well.
    pub(super) failed_at: Option<Instant>,
}

/// One try that the rules of delivery decide on.
pub(super) struct Tried {
    pub(super) result: Result<Outcome, Fault>,
    pub(super) last: TriedLast,
}

/// What was tried.
pub(super) enum TriedLast {
    Attempt(Attempt),
    /// The transformer that failed.
    Transform(Stopped, TransformEnd),
}

impl TriedLast {
    pub(super) fn borrow(&self) -> Last<'_> {
        match self {
            TriedLast::Attempt(attempt) => Last::Attempt(attempt),
            TriedLast::Transform(stopped, end) => Last::Transform(stopped, end),
        }
    }
}

impl Tries {
    /// With what a person decided, where one has.
    pub(super) fn new(resolution: Option<Resolution>) -> Self {
        let first_attempt_at = Instant::now();
        let history = History { attempts: 0, faults: 0, resolutions: 0, denials: 0, first_attempt_at };
        Self { history, evidence: Attempts::default(), resolution, failed_at: None }
    }

    /// Counts what is to be counted, as the subscription's own deliveries do.
    pub(super) fn note(&mut self, result: &Result<Outcome, Fault>, began_ms: TimestampMs, took: Duration) {
        let (name, said) = said(result);
        self.evidence.push(began_ms, took, name, &said);
        match result {
            Ok(Outcome::Retry(_)) => self.history.attempts += 1,
            Ok(Outcome::Conflict(_)) => self.history.resolutions += 1,
            Err(Fault::NoRoom) => {}
            Err(_) => {
                self.history.attempts += 1;
                self.history.faults += 1;
            }
            Ok(
                Outcome::Delivered(_)
                | Outcome::Skipped(_)
                | Outcome::Throttled(_)
                | Outcome::Denied(_)
                | Outcome::Rejected(_),
            ) => {}
        }
    }

    /// A conflict that is decided on is not behind it yet.
    pub(super) fn history_for(&self, result: &Result<Outcome, Fault>) -> History {
        let is_conflict = matches!(result, Ok(Outcome::Conflict(_)));
        History { resolutions: self.history.resolutions - u32::from(is_conflict), ..self.history }
    }
}

/// The name of what came of an attempt, and what was said.
fn said(result: &Result<Outcome, Fault>) -> (&'static str, String) {
    match result {
        Ok(outcome) => (outcome.name(), reason_of(outcome).unwrap_or_default()),
        Err(fault) => ("fault", fault.to_string()),
    }
}
