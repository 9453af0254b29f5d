//! What a connector says of one attempt, and which HTTP answer means what.
//!
//! A plugin says what happened; what follows from it (wait, alert, dead letter) is the host's.

use std::time::Duration;

use serde::Deserialize;

pub use crate::raw::connector::exports::liaison::plugin::connector::{
    Conflict, Delivery, Merged, Outcome, Receipt, Resolution, Retry,
};

use crate::grpc::GrpcAnswer;
use crate::http::{Http, Response, Settling, milliseconds};
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
        Outcome::Retry(Retry { after: Some(milliseconds(after)), reason: reason.into() })
    }

    /// The external system asks everyone to slow down.
    pub fn throttled(after: Option<Duration>, reason: impl Into<String>) -> Self {
        Outcome::Throttled(Retry { after: after.map(milliseconds), reason: reason.into() })
    }

    /// The external system refuses our credentials.
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
    /// `Location` and `ETag` become the receipt, `Retry-After` the wait, the body of a conflict its current
    /// state; the first 200 characters of a body say why an event is rejected.
    pub fn of_kind(kind: OutcomeKind, response: &Response) -> Self {
        let version = || response.header("etag").map(str::to_owned);
        match kind {
            OutcomeKind::Delivered => {
                let external_id = response.header("location").map(str::to_owned);
                Outcome::Delivered(Receipt { external_id, version: version() })
            }
            OutcomeKind::Skipped => Outcome::Skipped(response.summary()),
            OutcomeKind::Retry => {
                let after = response.retry_after().map(milliseconds);
                Outcome::Retry(Retry { after, reason: response.summary() })
            }
            OutcomeKind::Throttled => Outcome::throttled(response.retry_after(), response.summary()),
            OutcomeKind::Denied => Outcome::Denied(response.summary()),
            OutcomeKind::Conflict => {
                let current = Some(response.body()).filter(|body| !body.is_empty());
                Outcome::conflict(version(), current.map(<[u8]>::to_vec), response.summary())
            }
            OutcomeKind::Rejected => Outcome::Rejected(response.summary_with_body()),
        }
    }
}

impl Outcome {
    /// What the answer to a gRPC call means by [`OutcomeKind::of_grpc_status`].
    pub fn from_grpc(answer: &GrpcAnswer) -> Self {
        let reason = answer.summary();
        match OutcomeKind::of_grpc_status(answer.status()) {
            OutcomeKind::Delivered => Outcome::delivered(),
            OutcomeKind::Skipped => Outcome::skipped(reason),
            OutcomeKind::Retry => Outcome::retry(reason),
            OutcomeKind::Throttled => Outcome::throttled(None, reason),
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
    /// What a status of gRPC usually means.
    ///
    /// | status | kind |
    /// |---|---|
    /// | OK | delivered |
    /// | CANCELLED, UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE | retry |
    /// | PERMISSION_DENIED, UNAUTHENTICATED | denied |
    /// | RESOURCE_EXHAUSTED | throttled |
    /// | ALREADY_EXISTS, FAILED_PRECONDITION, ABORTED | conflict |
    /// | all others | rejected |
    pub fn of_grpc_status(status: u32) -> Self {
        match status {
            0 => OutcomeKind::Delivered,
            1 | 2 | 4 | 13 | 14 => OutcomeKind::Retry,
            7 | 16 => OutcomeKind::Denied,
            8 => OutcomeKind::Throttled,
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
    /// | constraint, data, statement, too many rows | rejected |
    /// | serialization, unavailable, other | retry |
    /// | permission | denied |
    pub fn of_sql(kind: SqlErrorKind) -> Self {
        match kind {
            SqlErrorKind::Constraint
            | SqlErrorKind::Data
            | SqlErrorKind::Statement
            | SqlErrorKind::TooManyRows => OutcomeKind::Rejected,
            SqlErrorKind::Serialization | SqlErrorKind::Unavailable | SqlErrorKind::Other => {
                OutcomeKind::Retry
            }
            SqlErrorKind::Permission => OutcomeKind::Denied,
        }
    }
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
mod tests {
    use super::*;
    use crate::failure::Failure;
    use crate::testing;

    async fn deliver(_delivery: &Delivery, http: &Http) -> Result<Outcome, Failure> {
        Ok(Outcome::from_response(&http.put("https://user:secret@host/a?key=secret").send().await?))
    }

    fn outcome_of(reply: testing::Reply) -> Outcome {
        let endpoint = testing::endpoint().expect("PUT https://user:secret@host/a?key=secret", reply);
        endpoint.deliver(deliver, testing::event("policy.updated").now_ms(784_111_777_000)).outcome
    }

    #[test]
    fn each_status_has_its_kind() {
        use OutcomeKind::{Conflict, Delivered, Denied, Rejected, Retry, Skipped, Throttled};
        for (kind, statuses) in [
            (Delivered, &[200, 201, 202, 204, 226, 299][..]),
            (Skipped, &[304]),
            (Denied, &[401, 403, 407]),
            (Retry, &[408, 425, 500, 502, 503, 504, 507, 599]),
            (Throttled, &[429]),
            (Conflict, &[409, 412]),
            (Rejected, &[100, 300, 301, 302, 307, 308, 400, 404, 410, 413, 422, 428, 501, 505, 600]),
        ] {
            for status in statuses {
                assert_eq!(OutcomeKind::of_status(*status), kind, "{status}");
            }
        }
    }

    #[test]
    fn an_answer_becomes_an_outcome_with_all_that_it_tells() {
        let created = testing::reply(201).header("location", "/a/7").header("etag", "\"7\"");
        let receipt = Receipt { external_id: Some("/a/7".into()), version: Some("\"7\"".into()) };
        assert_eq!(outcome_of(created), Outcome::Delivered(receipt));
        assert_eq!(outcome_of(testing::reply(204)), Outcome::delivered());

        assert_eq!(
            outcome_of(testing::reply(412).header("etag", "\"8\"").text("theirs")),
            Outcome::conflict(
                Some("\"8\"".into()),
                Some(b"theirs".to_vec()),
                "PUT https://host/a answered 412 Precondition Failed"
            ),
        );
        assert_eq!(
            outcome_of(testing::reply(307).header("location", "https://elsewhere")),
            Outcome::rejected("PUT https://host/a answered 307: redirects are not followed"),
        );
        assert_eq!(
            outcome_of(testing::reply(422).text(&format!("no\n\u{7}title {}", "x".repeat(300)))),
            Outcome::rejected(format!(
                "PUT https://host/a answered 422 Unprocessable Content: no title {}…",
                "x".repeat(190)
            )),
        );
    }

    #[test]
    fn a_wait_is_read_in_both_forms() {
        let reason = "PUT https://host/a answered 503 Service Unavailable";
        for (value, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:49:40 GMT", Some(3)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0)),
            ("99999999999999999999", Some(u64::MAX / 1000)),
            ("soon", None),
            ("-1", None),
        ] {
            let after = seconds.map(|seconds| seconds * 1000);
            let outcome = outcome_of(testing::reply(503).header("retry-after", value));
            assert_eq!(outcome, Outcome::Retry(Retry { after, reason: reason.into() }), "{value}");
        }
        assert_eq!(
            outcome_of(testing::reply(429).header("retry-after", "2")),
            Outcome::throttled(
                Some(Duration::from_secs(2)),
                "PUT https://host/a answered 429 Too Many Requests"
            ),
        );
    }
}
