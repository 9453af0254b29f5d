//! What a connector says of one attempt, and which HTTP answer means what.
//!
//! A plugin says what happened; what follows from it (wait, alert, dead letter) is the host's.

use std::time::Duration;

use serde::Deserialize;

pub use crate::raw::connector::exports::liaison::plugin::connector::{Conflict, Outcome, Receipt, Retry};
pub use crate::raw::connector::liaison::plugin::deliveries::{Delivery, Merged, Resolution};

use crate::grpc::GrpcAnswer;
use crate::http::{Http, Response, Settling};
use crate::sql::{SqlErrorKind, SqlRefusal};

impl Outcome {
    /// The external system has it.
    pub fn delivered() -> Self {
        Outcome::Delivered(Receipt::default())
    }

    /// Nothing had to be done, and why.
    pub fn skipped(reason: impl Into<String>) -> Self {
        Outcome::Skipped(reason.into())
    }

    /// This event may succeed later. The host decides when.
    pub fn retry(reason: impl Into<String>) -> Self {
        Outcome::Retry(Retry { after: None, reason: reason.into() })
    }

    /// This event may succeed later, and not before this time has passed.
    pub fn retry_after(after: Duration, reason: impl Into<String>) -> Self {
        Outcome::Retry(Retry { after: Some(wait_ms(after)), reason: reason.into() })
    }

    /// The external system asks everyone to slow down.
    pub fn throttled(after: Option<Duration>, reason: impl Into<String>) -> Self {
        Outcome::Throttled(Retry { after: after.map(wait_ms), reason: reason.into() })
    }

    /// The external system refuses our credentials, or a person must mend what concerns every event.
    pub fn denied(reason: impl Into<String>) -> Self {
        Outcome::Denied(reason.into())
    }

    /// The external system holds something newer or different: its version, and what it holds.
    pub fn conflict(version: Option<String>, current: Option<Vec<u8>>, reason: impl Into<String>) -> Self {
        Outcome::Conflict(Conflict { version, current, reason: reason.into() })
    }

    /// This event will never succeed, and why.
    pub fn rejected(reason: impl Into<String>) -> Self {
        Outcome::Rejected(reason.into())
    }

    /// What an HTTP answer means by [`OutcomeKind::of_status`], with all that it tells: see
    /// [`Outcome::of_kind`].
    pub fn from_response(response: &Response) -> Self {
        Outcome::of_kind(OutcomeKind::of_status(response.status()), response)
    }

    /// An HTTP answer as this kind of outcome, for an external system that uses its statuses in its own way.
    ///
    /// `Location` and `ETag` become the receipt, `Retry-After` the wait; the first 200 characters of a body say why
    /// an event is rejected. The body of a conflict becomes what the external system holds where it can be that: see
    /// [`Response::current`], which a connector that knows where records have their version asks more precisely.
    pub fn of_kind(kind: OutcomeKind, response: &Response) -> Self {
        let version = || response.header("etag").map(str::to_owned);
        match kind {
            OutcomeKind::Delivered => {
                let external_id = response.header("location").map(str::to_owned);
                Outcome::Delivered(Receipt { external_id, version: version() })
            }
            OutcomeKind::Skipped => Outcome::Skipped(response.summary()),
            OutcomeKind::Retry => {
                let after = response.retry_after().map(wait_ms);
                Outcome::Retry(Retry { after, reason: response.summary() })
            }
            OutcomeKind::Throttled => Outcome::throttled(response.retry_after(), response.summary()),
            OutcomeKind::Denied => Outcome::Denied(response.summary()),
            OutcomeKind::Conflict => {
                let current = response.current(None).map(<[u8]>::to_vec);
                Outcome::conflict(version(), current, response.summary())
            }
            OutcomeKind::Rejected => Outcome::Rejected(response.summary_with_body()),
        }
    }
}

impl Outcome {
    /// What the answer to a gRPC call means by [`GrpcAnswer::kind`].
    pub fn from_grpc(answer: &GrpcAnswer) -> Self {
        Outcome::of_grpc_kind(answer.kind(), answer)
    }

    /// The answer to a gRPC call as this kind of outcome, for a server that uses its statuses in its own way. The wait that
    /// it [asks for](GrpcAnswer::pushback) is passed on.
    pub fn of_grpc_kind(kind: OutcomeKind, answer: &GrpcAnswer) -> Self {
        let (reason, after) = (answer.summary(), answer.pushback());
        match kind {
            OutcomeKind::Delivered => Outcome::delivered(),
            OutcomeKind::Skipped => Outcome::skipped(reason),
            OutcomeKind::Retry => Outcome::Retry(Retry { after: after.map(wait_ms), reason }),
            OutcomeKind::Throttled => Outcome::throttled(after, reason),
            OutcomeKind::Denied => Outcome::denied(reason),
            OutcomeKind::Conflict => Outcome::conflict(None, None, reason),
            OutcomeKind::Rejected => Outcome::rejected(reason),
        }
    }

    /// What a database's refusal means by [`OutcomeKind::of_sql`].
    pub fn from_sql(refusal: &SqlRefusal) -> Self {
        let reason = refusal.to_string();
        match OutcomeKind::of_sql(refusal.error.kind) {
            OutcomeKind::Delivered => Outcome::delivered(),
            OutcomeKind::Skipped => Outcome::skipped(reason),
            OutcomeKind::Retry => Outcome::retry(reason),
            OutcomeKind::Throttled => Outcome::throttled(None, reason),
            OutcomeKind::Denied => Outcome::denied(reason),
            OutcomeKind::Conflict => Outcome::conflict(None, None, reason),
            OutcomeKind::Rejected => Outcome::rejected(reason),
        }
    }

    /// Its kind alone.
    pub fn kind(&self) -> OutcomeKind {
        match self {
            Outcome::Delivered(_) => OutcomeKind::Delivered,
            Outcome::Skipped(_) => OutcomeKind::Skipped,
            Outcome::Retry(_) => OutcomeKind::Retry,
            Outcome::Throttled(_) => OutcomeKind::Throttled,
            Outcome::Denied(_) => OutcomeKind::Denied,
            Outcome::Conflict(_) => OutcomeKind::Conflict,
            Outcome::Rejected(_) => OutcomeKind::Rejected,
        }
    }
}

/// How a connector's function ends: with what it says of the attempt, or with the request whose answer says it.
///
/// A function returns whichever it needs, or a `Result` of it; this where it needs both.
#[derive(Debug)]
pub enum Ending {
    Outcome(Outcome),
    Settling(Settling),
}

impl From<Outcome> for Ending {
    fn from(outcome: Outcome) -> Self {
        Ending::Outcome(outcome)
    }
}

impl From<Settling> for Ending {
    fn from(settling: Settling) -> Self {
        Ending::Settling(settling)
    }
}

impl<T: Into<Ending>, E: Into<Outcome>> From<Result<T, E>> for Ending {
    fn from(result: Result<T, E>) -> Self {
        result.map_or_else(|error| Ending::Outcome(error.into()), Into::into)
    }
}

/// An [`Outcome`] without what it holds. In settings: its name in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutcomeKind {
    Delivered,
    Skipped,
    Retry,
    Throttled,
    Denied,
    Conflict,
    Rejected,
}

impl OutcomeKind {
    /// What a status means where the external system follows RFC 9110 and RFC 6585.
    ///
    /// | status | kind |
    /// |---|---|
    /// | 2xx | delivered |
    /// | 304 | skipped |
    /// | 401, 403, 407 | denied |
    /// | 408, 425, 5xx but 501 and 505 | retry |
    /// | 409, 412 | conflict |
    /// | 429 | throttled |
    /// | all others | rejected |
    ///
    /// A redirect is rejected because nobody follows it: the host asks only for what the plugin named.
    pub fn of_status(status: u16) -> Self {
        match status {
            200..=299 => OutcomeKind::Delivered,
            304 => OutcomeKind::Skipped,
            401 | 403 | 407 => OutcomeKind::Denied,
            409 | 412 => OutcomeKind::Conflict,
            429 => OutcomeKind::Throttled,
            501 | 505 => OutcomeKind::Rejected,
            408 | 425 | 500..=599 => OutcomeKind::Retry,
            _ => OutcomeKind::Rejected,
        }
    }
}

impl OutcomeKind {
    /// What a status of gRPC usually means by itself; [`GrpcAnswer::kind`] knows more.
    ///
    /// | status | kind |
    /// |---|---|
    /// | OK | delivered |
    /// | CANCELLED, UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE | retry |
    /// | RESOURCE_EXHAUSTED | retry, so that it ends: one message may be too large, or a quota gone |
    /// | PERMISSION_DENIED, UNAUTHENTICATED | denied |
    /// | ALREADY_EXISTS, FAILED_PRECONDITION, ABORTED | conflict |
    /// | all others | rejected |
    pub fn of_grpc_status(status: u32) -> Self {
        match status {
            0 => OutcomeKind::Delivered,
            1 | 2 | 4 | 8 | 13 | 14 => OutcomeKind::Retry,
            7 | 16 => OutcomeKind::Denied,
            6 | 9 | 10 => OutcomeKind::Conflict,
            _ => OutcomeKind::Rejected,
        }
    }
}

impl OutcomeKind {
    /// What a database's refusal usually means.
    ///
    /// | kind | outcome |
    /// |---|---|
    /// | constraint, data, too many rows | rejected |
    /// | serialization, unavailable, other | retry |
    /// | permission, statement | denied |
    ///
    /// A statement is written by the settings, or by the plugin: no event is to blame where the database does not know a
    /// table or a column, and none is lost while that is mended. So it is where a statement is not granted.
    pub fn of_sql(kind: SqlErrorKind) -> Self {
        match kind {
            SqlErrorKind::Constraint | SqlErrorKind::Data | SqlErrorKind::TooManyRows => {
                OutcomeKind::Rejected
            }
            SqlErrorKind::Serialization | SqlErrorKind::Unavailable | SqlErrorKind::Other => {
                OutcomeKind::Retry
            }
            SqlErrorKind::Permission | SqlErrorKind::Statement => OutcomeKind::Denied,
        }
    }
}

/// In whole milliseconds, and never sooner.
fn wait_ms(wait: Duration) -> u64 {
    u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// Whether the external system is usable, as `check` found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// It is, and how that was seen.
    Usable(String),
    /// It is not, and why.
    Unusable(String),
}

impl Check {
    /// It is, and how that was seen.
    pub fn usable(how: impl Into<String>) -> Self {
        Check::Usable(how.into())
    }

    /// It is not, and why.
    pub fn unusable(why: impl Into<String>) -> Self {
        Check::Unusable(why.into())
    }

    /// Usable is what answers, lets us in and is not broken: a status below 500, but for 401, 403 and 407.
    pub fn from_response(response: &Response) -> Self {
        match response.status() {
            401 | 403 | 407 | 500.. => Check::Unusable(response.summary()),
            _ => Check::Usable(response.summary()),
        }
    }
}

impl<E: Into<Check>> From<Result<Check, E>> for Check {
    fn from(result: Result<Check, E>) -> Self {
        result.unwrap_or_else(Into::into)
    }
}

/// The `check` of a connector that has none.
pub async fn no_check(_http: &Http) -> Check {
    Check::usable("this plugin has no check: it cannot tell")
}

#[expect(clippy::derivable_impls, reason = "the type is generated, and not all types with it have a default")]
impl Default for Receipt {
    fn default() -> Self {
        Receipt { external_id: None, version: None }
    }
}

#[cfg(test)]
mod tests;
