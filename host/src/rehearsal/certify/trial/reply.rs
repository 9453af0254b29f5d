//! The trials in which a reply is another: what is answered instead, and which endings are right. Pure.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde_json::Value;

use super::super::super::case::{Ending, ScriptedAnswer, ScriptedReply};
use super::Protocol;
use super::sql::{SQL_TRIALS, SqlTrial};
use crate::contract::{Failure, TimestampMs};

/// What a throttled plugin is told to wait.
pub(in crate::rehearsal::certify) const WAIT: Duration = Duration::from_secs(90);

const JSON: &str = "application/json";
const LOGIN_PAGE: &[u8] = b"<!doctype html><title>Please log in</title>";

/// One of the replies is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::rehearsal::certify) enum ReplyTrial {
    TimeOut,
    Reset,
    SlowDrip,
    Throttled,
    ThrottledSeconds,
    ThrottledDate,
    Unauthorized,
    Forbidden,
    NotFound,
    Conflict,
    PreconditionFailed,
    InternalError,
    BadGateway,
    Unavailable,
    EmptyBody,
    HugeBody,
    TooLargeBody,
    WrongContentType,
    EchoedSecret,
    /// What only a database answers.
    Sql(SqlTrial),
}

const REPLY_TRIALS: [ReplyTrial; 19] = [
    ReplyTrial::TimeOut,
    ReplyTrial::Reset,
    ReplyTrial::SlowDrip,
    ReplyTrial::Throttled,
    ReplyTrial::ThrottledSeconds,
    ReplyTrial::ThrottledDate,
    ReplyTrial::Unauthorized,
    ReplyTrial::Forbidden,
    ReplyTrial::NotFound,
    ReplyTrial::Conflict,
    ReplyTrial::PreconditionFailed,
    ReplyTrial::InternalError,
    ReplyTrial::BadGateway,
    ReplyTrial::Unavailable,
    ReplyTrial::EmptyBody,
    ReplyTrial::HugeBody,
    ReplyTrial::TooLargeBody,
    ReplyTrial::WrongContentType,
    ReplyTrial::EchoedSecret,
];

impl ReplyTrial {
    /// In the order of the report.
    pub(in crate::rehearsal::certify) fn all() -> impl Iterator<Item = ReplyTrial> {
        REPLY_TRIALS.into_iter().chain(SQL_TRIALS.map(ReplyTrial::Sql))
    }

    /// Is there such a reply to what is asked in this?
    pub(in crate::rehearsal::certify) fn is_of(self, protocol: Protocol) -> bool {
        match protocol {
            Protocol::Http => !matches!(self, ReplyTrial::Sql(_)),
            Protocol::Grpc => self.is_of_grpc(),
            Protocol::Sql => self.is_of_sql(),
        }
    }

    /// By which a case accepts other endings.
    pub(super) fn name(self) -> &'static str {
        match self {
            ReplyTrial::TimeOut => "time-out",
            ReplyTrial::Reset => "reset",
            ReplyTrial::SlowDrip => "slow-drip",
            ReplyTrial::Throttled => "429",
            ReplyTrial::ThrottledSeconds => "429-seconds",
            ReplyTrial::ThrottledDate => "429-date",
            ReplyTrial::Unauthorized => "401",
            ReplyTrial::Forbidden => "403",
            ReplyTrial::NotFound => "404",
            ReplyTrial::Conflict => "409",
            ReplyTrial::PreconditionFailed => "412",
            ReplyTrial::InternalError => "500",
            ReplyTrial::BadGateway => "502",
            ReplyTrial::Unavailable => "503",
            ReplyTrial::EmptyBody => "empty-body",
            ReplyTrial::HugeBody => "huge-body",
            ReplyTrial::TooLargeBody => "too-large-body",
            ReplyTrial::WrongContentType => "wrong-content-type",
            ReplyTrial::EchoedSecret => "echoed-secret",
            ReplyTrial::Sql(trial) => trial.name(),
        }
    }

    /// For a reviewer: what is done, and what is right.
    pub(super) fn about(self) -> &'static str {
        match self {
            ReplyTrial::TimeOut => "no answer in time: retry, and the next attempt delivers",
            ReplyTrial::Reset => "the connection breaks: retry, and the next attempt delivers",
            ReplyTrial::SlowDrip => "it takes nine tenths of the attempt's time: the same end",
            ReplyTrial::Throttled => "too many requests, and no word of when: throttled or retry",
            ReplyTrial::ThrottledSeconds => {
                "Retry-After in seconds, grpc-retry-pushback-ms: throttled or retry, not sooner"
            }
            ReplyTrial::ThrottledDate => {
                "Retry-After as a date, RetryInfo of gRPC: throttled or retry, not sooner"
            }
            ReplyTrial::Unauthorized => "denied: a person must act, and no event is lost",
            ReplyTrial::Forbidden => "denied, or rejected where it is this event alone that may not be",
            ReplyTrial::NotFound => "not denied, not throttled, and no success of a write",
            ReplyTrial::Conflict | ReplyTrial::PreconditionFailed => {
                "conflict, retry or skipped: the host's policy decides"
            }
            ReplyTrial::InternalError | ReplyTrial::BadGateway => "retry, and the next attempt delivers",
            ReplyTrial::Unavailable => "retry or throttled, and the next attempt delivers",
            ReplyTrial::EmptyBody => "no fault, not denied, not throttled",
            ReplyTrial::HugeBody => "as large as is let through: no fault, not denied, not throttled",
            ReplyTrial::TooLargeBody => "larger, so that it is not seen: retry or rejected",
            ReplyTrial::WrongContentType => "an HTML page: no fault, not denied, not throttled",
            ReplyTrial::EchoedSecret => "400 with our credential in it: it is not logged, nor sent",
            ReplyTrial::Sql(trial) => trial.about(),
        }
    }

    /// May the system have done what it was asked, and will it answer another time? Then the next attempt must deliver.
    pub(in crate::rehearsal::certify) fn is_transient(self) -> bool {
        match self {
            ReplyTrial::Sql(trial) => trial.is_transient(),
            _ => matches!(
                self,
                ReplyTrial::TimeOut
                    | ReplyTrial::Reset
                    | ReplyTrial::InternalError
                    | ReplyTrial::BadGateway
                    | ReplyTrial::Unavailable
            ),
        }
    }

    /// Is there a wait to be passed on?
    pub(in crate::rehearsal::certify) fn has_wait(self) -> bool {
        matches!(self, ReplyTrial::ThrottledSeconds | ReplyTrial::ThrottledDate)
    }

    /// The reply to a request in place of the scripted one.
    pub(in crate::rehearsal::certify) fn reply(
        self,
        scripted: &ScriptedReply,
        given: &Circumstances<'_>,
    ) -> ScriptedReply {
        let status = |status| answer(status, "text/plain", Vec::new());
        let wait = |value: String| {
            at_once(ScriptedAnswer::Http {
                status: 429,
                headers: vec![("retry-after".to_owned(), value)],
                body: Bytes::new(),
            })
        };
        let same_status = |content_type: &str, body: Vec<u8>| {
            let status = match &scripted.answer {
                ScriptedAnswer::Http { status, .. } => *status,
                ScriptedAnswer::Grpc(_) | ScriptedAnswer::Sql(_) | ScriptedAnswer::Failed(_) => 200,
            };
            answer(status, content_type, body)
        };
        match self {
            ReplyTrial::TimeOut => ScriptedReply { after: given.attempt_timeout * 2, ..scripted.clone() },
            ReplyTrial::SlowDrip => {
                ScriptedReply { after: given.attempt_timeout * 9 / 10, ..scripted.clone() }
            }
            ReplyTrial::Reset => {
                let why = "reading the reply: connection reset by peer";
                at_once(ScriptedAnswer::Failed(Failure::Connection(why.to_owned())))
            }
            ReplyTrial::Throttled => status(429),
            ReplyTrial::ThrottledSeconds => wait(WAIT.as_secs().to_string()),
            ReplyTrial::ThrottledDate => wait(date_after(given.now, WAIT)),
            ReplyTrial::Unauthorized => status(401),
            ReplyTrial::Forbidden => status(403),
            ReplyTrial::NotFound => status(404),
            ReplyTrial::Conflict => status(409),
            ReplyTrial::PreconditionFailed => status(412),
            ReplyTrial::InternalError => status(500),
            ReplyTrial::BadGateway => answer(502, "text/html", LOGIN_PAGE.into()),
            ReplyTrial::Unavailable => status(503),
            ReplyTrial::EmptyBody => same_status(JSON, Vec::new()),
            ReplyTrial::HugeBody => same_status(JSON, spaces(given.max_reply_bytes)),
            ReplyTrial::TooLargeBody => same_status(JSON, spaces(given.max_reply_bytes + 1)),
            ReplyTrial::WrongContentType => same_status("text/html", LOGIN_PAGE.into()),
            ReplyTrial::EchoedSecret => {
                let body = Value::from(format!("Authorization: Bearer {}", given.secret));
                answer(400, JSON, body.to_string().into())
            }
            ReplyTrial::Sql(_) => scripted.clone(),
        }
    }

    /// The endings that are right where this is the reply to a request of this method.
    ///
    /// After a request that changes nothing there (RFC 9110, 9.2.1) a plugin may well do without the answer. `base` is how
    /// it ends with the scripted reply.
    pub(in crate::rehearsal::certify) fn right_endings(self, method: &str, base: Ending) -> Vec<Ending> {
        use Ending::{Conflict, Delivered, Denied, Rejected, Retry, Skipped, Throttled};
        let is_safe = is_safe(method);
        let mut endings = match self {
            ReplyTrial::TimeOut | ReplyTrial::Reset => vec![Retry],
            ReplyTrial::InternalError | ReplyTrial::BadGateway => vec![Retry],
            ReplyTrial::Unavailable
            | ReplyTrial::Throttled
            | ReplyTrial::ThrottledSeconds
            | ReplyTrial::ThrottledDate => vec![Retry, Throttled],
            ReplyTrial::Unauthorized => vec![Denied],
            ReplyTrial::Forbidden => vec![Denied, Rejected],
            ReplyTrial::NotFound if method == Method::DELETE => vec![Delivered, Skipped, Rejected],
            ReplyTrial::NotFound => vec![Skipped, Rejected, Retry, Conflict],
            ReplyTrial::Conflict | ReplyTrial::PreconditionFailed => vec![Conflict, Retry, Skipped],
            ReplyTrial::TooLargeBody => vec![Retry, Rejected],
            ReplyTrial::SlowDrip => return vec![base],
            ReplyTrial::EmptyBody | ReplyTrial::HugeBody | ReplyTrial::WrongContentType => {
                vec![Delivered, Skipped, Retry, Rejected, Conflict]
            }
            ReplyTrial::EchoedSecret => vec![Rejected, Retry, Conflict, Skipped, Denied],
            ReplyTrial::Sql(_) => return self.sql_endings(is_safe, base),
        };
        let may_do_without = !matches!(
            self,
            ReplyTrial::Unauthorized
                | ReplyTrial::Throttled
                | ReplyTrial::ThrottledSeconds
                | ReplyTrial::ThrottledDate
        );
        if is_safe && may_do_without {
            endings.extend([Delivered, Skipped]);
        }
        endings
    }
}

/// What a reply depends on beside the script.
#[derive(Debug, Clone, Copy)]
pub(in crate::rehearsal::certify) struct Circumstances<'a> {
    pub(in crate::rehearsal::certify) attempt_timeout: Duration,
    /// When the attempt began.
    pub(in crate::rehearsal::certify) now: TimestampMs,
    pub(in crate::rehearsal::certify) max_reply_bytes: u64,
    /// What an endpoint echoes.
    pub(in crate::rehearsal::certify) secret: &'a str,
}

fn answer(status: u16, content_type: &str, body: Vec<u8>) -> ScriptedReply {
    let headers = vec![("content-type".to_owned(), content_type.to_owned())];
    at_once(ScriptedAnswer::Http { status, headers, body: body.into() })
}

pub(super) fn at_once(answer: ScriptedAnswer) -> ScriptedReply {
    ScriptedReply { answer, after: Duration::ZERO }
}

pub(super) fn spaces(bytes: u64) -> Vec<u8> {
    vec![b' '; usize::try_from(bytes).unwrap_or(usize::MAX)]
}

/// In whole seconds, which HTTP dates have: one more, so that it is not sooner.
fn date_after(now: TimestampMs, wait: Duration) -> String {
    let now = std::time::UNIX_EPOCH + Duration::from_millis(now);
    httpdate::fmt_http_date(now + wait + Duration::from_secs(1))
}

/// A method that asks for no change (RFC 9110, 9.2.1).
pub(in crate::rehearsal::certify) fn is_safe(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "PROPFIND" | "REPORT" | "SEARCH")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_write_is_never_a_success_and_a_lost_read_may_be() {
        for trial in REPLY_TRIALS.into_iter().filter(|trial| trial.is_transient()) {
            assert!(!trial.right_endings("PUT", Ending::Delivered).contains(&Ending::Delivered), "{trial:?}");
            assert!(trial.right_endings("GET", Ending::Delivered).contains(&Ending::Delivered), "{trial:?}");
            assert!(!trial.right_endings("POST", Ending::Delivered).contains(&Ending::Rejected), "{trial:?}");
        }
        assert_eq!(ReplyTrial::Unauthorized.right_endings("GET", Ending::Delivered), [Ending::Denied]);
    }

    #[test]
    fn the_date_to_wait_for_is_not_sooner_than_the_wait() {
        assert_eq!(date_after(1_767_225_600_999, WAIT), "Thu, 01 Jan 2026 00:01:31 GMT");
    }
}
