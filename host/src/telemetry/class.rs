//! Which value of a label something is counted under.

use super::label::{AttemptOutcome, FaultKind, StatusClass};
use crate::contract::{Fault, Outcome, SqlErrorKind, SqlResponse};

impl FaultKind {
    /// `None` for what is not the plugin's doing.
    pub fn of(fault: &Fault) -> Option<FaultKind> {
        match fault {
            Fault::Trap(_) => Some(FaultKind::Trap),
            Fault::CpuTime(_) => Some(FaultKind::CpuTime),
            Fault::WallTime(_) => Some(FaultKind::WallTime),
            Fault::Stack(_) => Some(FaultKind::Stack),
            Fault::Memory(_) => Some(FaultKind::Memory),
            Fault::TableElements(_) => Some(FaultKind::TableElements),
            Fault::Handles(_) => Some(FaultKind::Handles),
            Fault::HostCalls(_) => Some(FaultKind::HostCalls),
            Fault::ResultSize(_) => Some(FaultKind::ResultSize),
            Fault::Steps(_) => Some(FaultKind::Steps),
            Fault::Effects { .. } => Some(FaultKind::Effects),
            Fault::RequestHead { .. } => Some(FaultKind::RequestHead),
            Fault::RequestBody { .. } => Some(FaultKind::RequestBody),
            Fault::WrongLength { .. } => Some(FaultKind::WrongLength),
            Fault::Inconsistent(_) => Some(FaultKind::Inconsistent),
            Fault::Nonsense(_) => Some(FaultKind::Nonsense),
            Fault::Changed(_) => Some(FaultKind::Changed),
            Fault::NoRoom | Fault::Unwritten(_) => None,
        }
    }
}

impl AttemptOutcome {
    /// As [`Outcome::name`] names it.
    pub fn of(outcome: &Outcome) -> AttemptOutcome {
        match outcome {
            Outcome::Delivered(_) => AttemptOutcome::Delivered,
            Outcome::Skipped(_) => AttemptOutcome::Skipped,
            Outcome::Retry(_) => AttemptOutcome::Retry,
            Outcome::Throttled(_) => AttemptOutcome::Throttled,
            Outcome::Denied(_) => AttemptOutcome::Denied,
            Outcome::Conflict(_) => AttemptOutcome::Conflict,
            Outcome::Rejected(_) => AttemptOutcome::Rejected,
        }
    }
}

impl StatusClass {
    /// By the first digit; a status that HTTP does not know counts as failed.
    pub fn of(status: u16) -> StatusClass {
        match status / 100 {
            1 => StatusClass::Informational,
            2 => StatusClass::Successful,
            3 => StatusClass::Redirection,
            4 => StatusClass::ClientError,
            5 => StatusClass::ServerError,
            _ => StatusClass::Failed,
        }
    }

    /// OK is a success; UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE and DATA_LOSS are the server's
    /// fault, all others the caller's.
    pub fn of_grpc(status: u32) -> StatusClass {
        match status {
            0 => StatusClass::Successful,
            2 | 4 | 12..=15 => StatusClass::ServerError,
            _ => StatusClass::ClientError,
        }
    }

    /// What a database cannot do now is its own fault, as is what nobody knows the kind of; all else is the caller's.
    pub fn of_sql(response: &SqlResponse) -> StatusClass {
        match response {
            SqlResponse::Done(_) => StatusClass::Successful,
            SqlResponse::Error(error) => match error.kind {
                SqlErrorKind::Unavailable | SqlErrorKind::Other => StatusClass::ServerError,
                SqlErrorKind::Constraint
                | SqlErrorKind::Data
                | SqlErrorKind::Serialization
                | SqlErrorKind::Statement
                | SqlErrorKind::Permission
                | SqlErrorKind::TooManyRows => StatusClass::ClientError,
            },
        }
    }
}

/// The state of a circuit breaker, as the value of a gauge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    Closed,
    HalfOpen,
    Open,
}

impl BreakerState {
    pub(super) fn code(self) -> i64 {
        match self {
            BreakerState::Closed => 0,
            BreakerState::HalfOpen => 1,
            BreakerState::Open => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Conflict, Receipt, Retry};
    use crate::telemetry::Label as _;

    #[test]
    fn an_outcome_is_counted_under_its_name() {
        let retry = Retry { after: None, reason: String::new() };
        let conflict = Conflict { version: None, current: None, reason: String::new() };
        for outcome in [
            Outcome::Delivered(Receipt::default()),
            Outcome::Skipped(String::new()),
            Outcome::Retry(retry.clone()),
            Outcome::Throttled(retry),
            Outcome::Denied(String::new()),
            Outcome::Conflict(conflict),
            Outcome::Rejected(String::new()),
        ] {
            assert_eq!(AttemptOutcome::of(&outcome).value(), outcome.name());
        }
    }

    #[test]
    fn a_status_is_classed_by_its_first_digit() {
        for (status, expected) in [
            (100, "1xx"),
            (204, "2xx"),
            (304, "3xx"),
            (429, "4xx"),
            (599, "5xx"),
            (0, "failed"),
            (600, "failed"),
        ] {
            assert_eq!(StatusClass::of(status).value(), expected);
        }
        for (status, expected) in [(0, "2xx"), (5, "4xx"), (14, "5xx"), (16, "4xx"), (99, "4xx")] {
            assert_eq!(StatusClass::of_grpc(status).value(), expected);
        }
    }
}
