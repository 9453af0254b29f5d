//! What went wrong on the way to an outcome: what `?` carries in a plugin.
//!
//! Each kind becomes the outcome that does the least harm, so a plugin need not decide unless it knows
//! better.

use std::fmt;

use crate::outcome::{Check, Outcome};
pub use crate::raw::connector::liaison::plugin::effects::Failure as Unanswered;
use crate::sql::SqlRefusal;
use crate::transform::Transformed;

/// Why a plugin could not go on.
#[derive(Debug, Clone, PartialEq)]
pub enum Failure {
    /// A request has no answer: which one, as `PUT /events/1`, and why.
    ///
    /// Becomes `retry` where another attempt may go better, else `rejected`.
    Unanswered { request: String, why: Unanswered },
    /// The database refused a transaction, and nothing of it was done.
    ///
    /// Becomes what [`OutcomeKind::of_sql`](crate::outcome::OutcomeKind::of_sql) says of its kind.
    Refused(SqlRefusal),
    /// The settings are not what the plugin wants. Becomes `denied`: nothing is lost while they are mended.
    Settings(String),
    /// The event is not what the plugin can deliver. Becomes `rejected`.
    Event(String),
    /// The external system's answer is not what the plugin understands. Becomes `retry`.
    Reply(String),
}

impl Failure {
    /// The event's data are not the JSON that they are to be, and why.
    pub fn not_json(why: impl fmt::Display) -> Self {
        Failure::Event(format!("the event's data is not JSON: {why}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Unanswered { request, why } => match why {
                Unanswered::NotAllowed(why) => write!(formatter, "{request} is not allowed: {why}"),
                Unanswered::Invalid(why) => write!(formatter, "{request} is not valid: {why}"),
                Unanswered::Connection(why) => write!(formatter, "{request} got no answer: {why}"),
                Unanswered::TimedOut => write!(formatter, "{request} timed out"),
                Unanswered::TooLarge(limit) => {
                    write!(formatter, "{request} was answered with more than {limit} bytes")
                }
                Unanswered::Unsupported(why) => {
                    write!(formatter, "{request} is not supported by this host: {why}")
                }
                Unanswered::Other(why) => write!(formatter, "{request} failed: {why}"),
            },
            Failure::Refused(refusal) => refusal.fmt(formatter),
            Failure::Settings(why) => write!(formatter, "settings: {why}"),
            Failure::Event(why) | Failure::Reply(why) => formatter.write_str(why),
        }
    }
}

impl std::error::Error for Failure {}

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        let reason = failure.to_string();
        match failure {
            Failure::Unanswered { why, .. } => match why {
                Unanswered::Connection(_) | Unanswered::TimedOut | Unanswered::Other(_) => {
                    Outcome::retry(reason)
                }
                Unanswered::NotAllowed(_)
                | Unanswered::Invalid(_)
                | Unanswered::TooLarge(_)
                | Unanswered::Unsupported(_) => Outcome::rejected(reason),
            },
            Failure::Refused(refusal) => Outcome::from_sql(&refusal),
            Failure::Settings(_) => Outcome::denied(reason),
            Failure::Event(_) => Outcome::rejected(reason),
            Failure::Reply(_) => Outcome::retry(reason),
        }
    }
}

impl From<Failure> for Check {
    fn from(failure: Failure) -> Self {
        Check::Unusable(failure.to_string())
    }
}

impl From<Failure> for Transformed {
    fn from(failure: Failure) -> Self {
        Transformed::Reject(failure.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_becomes_the_outcome_that_does_the_least_harm() {
        for (failure, outcome) in [
            (Failure::Settings("path: no".into()), Outcome::denied("settings: path: no")),
            (Failure::Event("no id".into()), Outcome::rejected("no id")),
            (Failure::Reply("no JSON".into()), Outcome::retry("no JSON")),
        ] {
            assert_eq!(Outcome::from(failure), outcome);
        }
    }
}
