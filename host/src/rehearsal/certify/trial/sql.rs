//! The trials in which the answer of a database is another: each kind of refusal that there is, and nothing found. Pure.
//!
//! What has no name of HTTP's is a trial of its own; a time-out, a broken connection, a slow answer, one that is too large
//! and one that echoes a secret keep the names that they have.

use super::super::super::case::{Ending, ScriptedAnswer, ScriptedReply};
use super::reply::{Circumstances, ReplyTrial, at_once};
use crate::contract::{Failure, SqlError, SqlErrorKind, SqlResponse};

/// A database answers so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::rehearsal::certify) enum SqlTrial {
    Constraint,
    Data,
    Serialization,
    Statement,
    Permission,
    TooManyRows,
    Unavailable,
    Other,
    Nothing,
}

pub(super) const SQL_TRIALS: [SqlTrial; 9] = [
    SqlTrial::Constraint,
    SqlTrial::Data,
    SqlTrial::Serialization,
    SqlTrial::Statement,
    SqlTrial::Permission,
    SqlTrial::TooManyRows,
    SqlTrial::Unavailable,
    SqlTrial::Other,
    SqlTrial::Nothing,
];

impl SqlTrial {
    pub(super) fn name(self) -> &'static str {
        match self {
            SqlTrial::Constraint => "sql-constraint",
            SqlTrial::Data => "sql-data",
            SqlTrial::Serialization => "sql-serialization",
            SqlTrial::Statement => "sql-statement",
            SqlTrial::Permission => "sql-permission",
            SqlTrial::TooManyRows => "sql-too-many-rows",
            SqlTrial::Unavailable => "sql-unavailable",
            SqlTrial::Other => "sql-other",
            SqlTrial::Nothing => "sql-nothing",
        }
    }

    pub(super) fn about(self) -> &'static str {
        match self {
            SqlTrial::Constraint => "a constraint refuses the row: rejected, conflict, retry or skipped",
            SqlTrial::Data => "a value does not fit its column: rejected or skipped",
            SqlTrial::Serialization => "a deadlock: retry, and the next attempt delivers",
            SqlTrial::Statement => "no such table or column: denied, and no event is lost",
            SqlTrial::Permission => "the user may not: denied, and no event is lost",
            SqlTrial::TooManyRows => "more rows than are let through: rejected or denied",
            SqlTrial::Unavailable => "it is shutting down: retry or throttled, and the next attempt delivers",
            SqlTrial::Other => "a refusal that nobody knows: retry, and the next attempt delivers",
            SqlTrial::Nothing => "no row is found, and none changed: no fault, not denied, not throttled",
        }
    }

    pub(super) fn is_transient(self) -> bool {
        matches!(self, SqlTrial::Serialization | SqlTrial::Unavailable | SqlTrial::Other)
    }

    /// As PostgreSQL says it.
    fn refusal(self) -> Option<SqlError> {
        let (kind, code, message) = match self {
            SqlTrial::Constraint => {
                (SqlErrorKind::Constraint, "23514", "new row violates check constraint \"rehearsed\"")
            }
            SqlTrial::Data => (SqlErrorKind::Data, "22003", "integer out of range"),
            SqlTrial::Serialization => (SqlErrorKind::Serialization, "40P01", "deadlock detected"),
            SqlTrial::Statement => (SqlErrorKind::Statement, "42703", "column \"rehearsed\" does not exist"),
            SqlTrial::Permission => {
                (SqlErrorKind::Permission, "42501", "permission denied for table rehearsed")
            }
            SqlTrial::TooManyRows => (SqlErrorKind::TooManyRows, "", "it gives more than 1000 rows"),
            SqlTrial::Unavailable => {
                (SqlErrorKind::Unavailable, "57P03", "the database system is shutting down")
            }
            SqlTrial::Other => (SqlErrorKind::Other, "XX000", "internal error"),
            SqlTrial::Nothing => return None,
        };
        let constraint = (self == SqlTrial::Constraint).then(|| "rehearsed".to_owned());
        Some(SqlError { constraint, ..refusal(kind, code, message) })
    }
}

impl ReplyTrial {
    /// Is there such an answer of a database?
    pub(super) fn is_of_sql(self) -> bool {
        matches!(
            self,
            ReplyTrial::TimeOut
                | ReplyTrial::Reset
                | ReplyTrial::SlowDrip
                | ReplyTrial::TooLargeBody
                | ReplyTrial::EchoedSecret
                | ReplyTrial::Sql(_)
        )
    }

    /// The answer to a transaction in place of the scripted one.
    pub(in crate::rehearsal::certify) fn sql_reply(
        self,
        scripted: &ScriptedReply,
        given: &Circumstances<'_>,
    ) -> ScriptedReply {
        let refused = |error: SqlError| at_once(ScriptedAnswer::Sql(SqlResponse::Error(error)));
        match self {
            ReplyTrial::TooLargeBody => {
                at_once(ScriptedAnswer::Failed(Failure::TooLarge(given.max_reply_bytes)))
            }
            ReplyTrial::EchoedSecret => {
                let message = format!("invalid input: \"{}\"", given.secret);
                refused(refusal(SqlErrorKind::Data, "22P02", &message))
            }
            ReplyTrial::Sql(trial) => match trial.refusal() {
                Some(error) => refused(error),
                // Each statement has a result: an empty one.
                None => at_once(ScriptedAnswer::Sql(SqlResponse::Done(Vec::new()))),
            },
            _ => self.reply(scripted, given),
        }
    }

    /// The endings that are right where this is the answer to a transaction. After one that only reads, a plugin may well
    /// do without the answer. `base` is how it ends with the scripted one.
    pub(in crate::rehearsal::certify) fn sql_endings(self, only_reads: bool, base: Ending) -> Vec<Ending> {
        use Ending::{Conflict, Delivered, Denied, Rejected, Retry, Skipped, Throttled};
        let mut endings = match self {
            ReplyTrial::Sql(trial) => match trial {
                SqlTrial::Constraint => vec![Rejected, Conflict, Retry, Skipped],
                SqlTrial::Data => vec![Rejected, Skipped],
                SqlTrial::Serialization | SqlTrial::Other => vec![Retry],
                SqlTrial::TooManyRows => vec![Denied, Rejected],
                // A statement is the connector's, and not the event's: a person mends it, and every event waits.
                SqlTrial::Statement | SqlTrial::Permission => vec![Denied],
                SqlTrial::Unavailable => vec![Retry, Throttled],
                SqlTrial::Nothing => return vec![Delivered, Skipped, Retry, Rejected, Conflict],
            },
            ReplyTrial::SlowDrip => return vec![base],
            ReplyTrial::TooLargeBody => vec![Retry, Rejected],
            ReplyTrial::EchoedSecret => vec![Rejected, Retry, Conflict, Skipped, Denied],
            // A time-out or a broken connection.
            _ => vec![Retry],
        };
        let may_do_without = !matches!(self, ReplyTrial::Sql(SqlTrial::Statement | SqlTrial::Permission));
        if only_reads && may_do_without {
            endings.extend([Delivered, Skipped]);
        }
        endings
    }
}

fn refusal(kind: SqlErrorKind, code: &str, message: &str) -> SqlError {
    SqlError {
        kind,
        statement: Some(0),
        code: code.to_owned(),
        message: message.to_owned(),
        constraint: None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Protocol;
    use super::*;

    #[test]
    fn each_kind_of_refusal_is_tried_and_a_lost_commit_is_never_a_success() {
        let given = Circumstances {
            attempt_timeout: Duration::from_secs(10),
            now: 0,
            max_reply_bytes: 10,
            secret: "hush",
        };
        let scripted = at_once(ScriptedAnswer::Sql(SqlResponse::Done(Vec::new())));
        let mut kinds = Vec::new();
        for trial in ReplyTrial::all().filter(|trial| trial.is_of(Protocol::Sql)) {
            if let ScriptedAnswer::Sql(SqlResponse::Error(error)) = trial.sql_reply(&scripted, &given).answer
                && !kinds.contains(&error.kind)
            {
                kinds.push(error.kind);
            }
            let endings = trial.sql_endings(false, Ending::Delivered);
            if trial.is_transient() {
                assert!(!endings.contains(&Ending::Delivered), "{trial:?}");
                assert!(endings.contains(&Ending::Retry), "{trial:?}");
            }
        }
        assert_eq!(kinds.len(), 8, "{kinds:?}");
        let permission = ReplyTrial::Sql(SqlTrial::Permission);
        for trial in [permission, ReplyTrial::Sql(SqlTrial::Statement)] {
            for only_reads in [false, true] {
                assert_eq!(trial.sql_endings(only_reads, Ending::Delivered), [Ending::Denied], "{trial:?}");
            }
        }
        assert!(!permission.is_of(Protocol::Http) && !permission.is_of(Protocol::Grpc));
        assert!(!ReplyTrial::Unauthorized.is_of(Protocol::Sql));
    }
}
