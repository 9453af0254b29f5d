//! What ends an attempt early: what `?` carries here.

use liaison_sdk::prelude::*;

/// Before what somebody else than the repository answered.
const NOT_THE_DOCUMENT: &str = "the document could not be fetched: ";

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

    /// A part of what was asked was refused with this status: `what` says which, and `refused with 507` follows it.
    pub(crate) fn refused(status: u16, what: String) -> Self {
        let reason = format!("{what} refused with {status}");
        Stop::Outcome(match Stop::kind_of(status) {
            OutcomeKind::Denied => Outcome::denied(reason),
            OutcomeKind::Rejected => Outcome::rejected(reason),
            OutcomeKind::Retry
            | OutcomeKind::Throttled
            | OutcomeKind::Conflict
            | OutcomeKind::Skipped
            | OutcomeKind::Delivered => Outcome::retry(reason),
        })
    }

    /// What whoever holds the document answered, where that is not the document. It is no word of the repository: what it
    /// refuses or slows down holds up this event, and nobody else's.
    pub(crate) fn of_source(reply: &Response) -> Self {
        let reason = format!("{NOT_THE_DOCUMENT}{}", reply.summary());
        let is_lost = match OutcomeKind::of_status(reply.status()) {
            // Documents are often put there a moment after their event.
            OutcomeKind::Rejected => reply.status() != 404,
            OutcomeKind::Delivered
            | OutcomeKind::Skipped
            | OutcomeKind::Retry
            | OutcomeKind::Throttled
            | OutcomeKind::Denied
            | OutcomeKind::Conflict => false,
        };
        Stop::Outcome(match reply.retry_after() {
            _ if is_lost => Outcome::rejected(reason),
            Some(after) => Outcome::retry_after(after, reason),
            None => Outcome::retry(reason),
        })
    }

    /// An answer that is not what was asked for, by its status. A 409 or 412 that is not about a condition of ours, and a
    /// success of another kind than was expected, may be another one next time.
    pub(crate) fn unexpected(reply: &Response) -> Self {
        Stop::Outcome(Outcome::of_kind(Stop::kind_of(reply.status()), reply))
    }

    fn kind_of(status: u16) -> OutcomeKind {
        match OutcomeKind::of_status(status) {
            OutcomeKind::Delivered | OutcomeKind::Skipped | OutcomeKind::Conflict => OutcomeKind::Retry,
            // Locked (RFC 4918, 11.3): whoever edits it will be done one day. And what fails with another part (424).
            OutcomeKind::Rejected if matches!(status, 423 | 424) => OutcomeKind::Retry,
            kind @ (OutcomeKind::Retry
            | OutcomeKind::Throttled
            | OutcomeKind::Denied
            | OutcomeKind::Rejected) => kind,
        }
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
