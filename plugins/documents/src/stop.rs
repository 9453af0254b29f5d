//! What ends an attempt early: what `?` carries here.

use liaison_sdk::prelude::*;

/// An outcome that is known already, or a failure of the SDK.
#[derive(Debug)]
pub(crate) enum Stop {
    Outcome(Outcome),
    Failure(Failure),
}

impl Stop {
    /// This event will never be delivered.
    pub(crate) fn rejected(reason: impl Into<String>) -> Self {
        Stop::Outcome(Outcome::rejected(reason))
    }

    /// Another attempt may go better.
    pub(crate) fn retry(reason: impl Into<String>) -> Self {
        Stop::Outcome(Outcome::retry(reason))
    }

    /// An answer that is not what was asked for, by its status. A 409 or 412 that is not about a condition of ours, and a
    /// success of another kind than was expected, may be another one next time.
    pub(crate) fn unexpected(reply: &Response) -> Self {
        let kind = match OutcomeKind::of_status(reply.status()) {
            OutcomeKind::Delivered | OutcomeKind::Skipped | OutcomeKind::Conflict => OutcomeKind::Retry,
            // Locked (RFC 4918, 11.3): whoever edits it will be done one day.
            OutcomeKind::Rejected if reply.status() == 423 => OutcomeKind::Retry,
            kind @ (OutcomeKind::Retry
            | OutcomeKind::Throttled
            | OutcomeKind::Denied
            | OutcomeKind::Rejected) => kind,
        };
        Stop::Outcome(Outcome::of_kind(kind, reply))
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Stop::Failure(failure)
    }
}

impl From<Stop> for Outcome {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Outcome(outcome) => outcome,
            Stop::Failure(failure) => failure.into(),
        }
    }
}

impl From<Stop> for Check {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Failure(failure) => failure.into(),
            Stop::Outcome(outcome) => Check::unusable(format!("{outcome:?}")),
        }
    }
}
