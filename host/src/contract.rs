//! What a connector may ask, what it is answered and what it says: the words of `wit/` as the host uses them.
//!
//! Shared by the stages, so that none of them imports another: `plugin` translates them to and from a guest, `egress`
//! performs effects, `delivery` decides on outcomes. Values only; nothing here acts. What an attempt asked for and came
//! to can be written as JSON and read back (`written`), which is how it is recorded.

mod sql;
pub(crate) mod written;

use std::fs::File;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{ETAG, LOCATION};
use serde::{Deserialize, Serialize};

pub(crate) use self::sql::one_line;
pub use self::sql::{
    Real, SqlError, SqlErrorKind, SqlRequest, SqlResponse, SqlResult, SqlStatement, SqlValue,
};
use crate::event::Event;

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type TimestampMs = u64;

/// One event on its way to the external system, with all that this attempt has done so far: what a connector is given.
#[derive(Debug)]
pub struct Delivery {
    pub event: Rc<Event>,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// When the attempt began, to a tenth of a second: the same for every call of it.
    pub now: TimestampMs,
    /// A seed for random numbers, the same for every call of one attempt.
    pub seed: u64,
    /// When the event's SLA is missed.
    pub deadline: Option<TimestampMs>,
    /// The same on every attempt, after restarts and redrives.
    pub idempotency_key: Rc<str>,
    /// What the host decided after an earlier conflict.
    pub resolution: Option<Resolution>,
    /// The replies to what this attempt has asked for, a list a round, in the order asked.
    pub rounds: Vec<Vec<Reply>>,
}

/// What went wrong inside a plugin. The host tries again in a fresh instance; the third fault of an event ends it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("the plugin trapped: {0}")]
    Trap(String),
    #[error("the plugin used up its {0:?} of CPU time (limits.cpu-time)")]
    CpuTime(Duration),
    #[error("the plugin's call took longer than {0:?} (limits.wall-time)")]
    WallTime(Duration),
    #[error("the plugin's functions call each other too deeply for a stack of {0} bytes (runtime.stack)")]
    Stack(usize),
    #[error("the plugin wanted more than its {0} bytes of memory (limits.memory)")]
    Memory(usize),
    #[error("the plugin wanted more than {0} elements in its tables (limits.table-elements)")]
    TableElements(usize),
    #[error("the plugin wanted to hold more than {0} resources at once (limits.handles)")]
    Handles(usize),
    #[error("the plugin called the host more than {0} times in one call (limits.host-calls)")]
    HostCalls(u32),
    #[error("the plugin's answer is larger than {0} bytes (limits.result)")]
    ResultSize(usize),
    #[error("the plugin came to no outcome after {0} steps (limits.steps)")]
    Steps(u32),
    #[error("the plugin wanted a step that performs {count} effects, more than {limit} (limits.effects)")]
    Effects { count: usize, limit: usize },
    #[error(
        "the plugin wanted a request with {bytes} bytes of address and headers, more than {limit} (limits.request-head)"
    )]
    RequestHead { bytes: usize, limit: usize },
    #[error(
        "the plugin wanted a request with a body of {bytes} bytes, more than {limit} (limits.request-body)"
    )]
    RequestBody { bytes: usize, limit: usize },
    #[error("the plugin answered {got} results for {expected} events")]
    WrongLength { expected: usize, got: usize },
    #[error("the plugin gave two answers to the same arguments: {0}")]
    Inconsistent(String),
    #[error("the plugin's answer makes no sense: {0}")]
    Nonsense(String),
    #[error("the plugin has changed while the event was half delivered: {0}")]
    Changed(String),
    /// Not the plugin's doing: all instances of the pool are taken.
    #[error("no plugin instance is free (runtime.instances)")]
    NoRoom,
    /// Not the plugin's doing either: what it was answered cannot be kept, so nothing more may be done.
    #[error("the journal cannot be written: {0}")]
    Unwritten(String),
}

impl Fault {
    /// It ended a call, and was seen there: not in what the call answered.
    pub(crate) fn is_of_a_call(&self) -> bool {
        match self {
            Fault::Trap(_)
            | Fault::CpuTime(_)
            | Fault::WallTime(_)
            | Fault::Stack(_)
            | Fault::Memory(_)
            | Fault::TableElements(_)
            | Fault::Handles(_)
            | Fault::HostCalls(_)
            | Fault::ResultSize(_)
            | Fault::WrongLength { .. }
            | Fault::Inconsistent(_)
            | Fault::NoRoom => true,
            Fault::Steps(_)
            | Fault::Effects { .. }
            | Fault::RequestHead { .. }
            | Fault::RequestBody { .. }
            | Fault::Nonsense(_)
            | Fault::Changed(_)
            | Fault::Unwritten(_) => false,
        }
    }
}

/// What a connector answers: ask these and call again, or the attempt is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Perform(Vec<Effect>),
    Settle(Outcome),
    /// Ask this. A 2xx is [`Outcome::delivered_by`]; with any other reply, call again.
    SettleBy(Effect),
}

/// One effect that does what several do, each of another delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joint {
    pub effect: Effect,
    /// Which of those that were given, from 0.
    pub members: Vec<u32>,
    /// For the plugin, when it is asked to split the reply.
    pub memo: Bytes,
}

/// What a connector's `check` answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckStep {
    Perform(Vec<Effect>),
    Usable(String),
    Unusable(String),
}

/// One request to the external system, as data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    Http(HttpRequest),
    Grpc(GrpcRequest),
    Sql(SqlRequest),
}

/// An HTTP request as a connector wrote it: unchecked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpRequest {
    pub method: String,
    /// Absolute, or a path that is appended to the connector's endpoint.
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Body,
    /// At most what is left of the attempt.
    #[serde(with = "written::milliseconds", default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// The guest is given only length and sha256 of the reply's body.
    pub keep_body: bool,
}

/// A unary gRPC call as a connector wrote it: unchecked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrpcRequest {
    /// `/package.Service/Method`
    pub method: String,
    pub metadata: Vec<(String, String)>,
    /// Encoded, without gRPC's own framing.
    #[serde(with = "written::bytes")]
    pub message: Bytes,
    /// At most what is left of the attempt.
    #[serde(with = "written::milliseconds", default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Body {
    None,
    Bytes(#[serde(with = "written::bytes")] Bytes),
    /// The data of the event that is being delivered.
    EventData,
    /// The body of an earlier HTTP reply of the same attempt.
    OfReply {
        round: usize,
        position: usize,
    },
}

/// What came of one effect.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    Http(HttpResponse),
    Grpc(GrpcResponse),
    Sql(SqlResponse),
    Failed(Failure),
}

/// The answer to a unary gRPC call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrpcResponse {
    /// 0 is OK.
    pub status: u32,
    pub status_message: String,
    /// Headers, then trailers.
    pub metadata: Vec<(String, String)>,
    #[serde(with = "written::optional_bytes", default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Bytes>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct HttpResponse {
    pub status: u16,
    pub headers: HeaderMap,
    /// Empty where it is kept.
    pub body: Bytes,
    /// Set where the request said `keep_body`.
    pub kept: Option<Kept>,
}

/// A body that stayed with the host; the guest is given length and sha256.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    pub length: u64,
    pub sha256: [u8; 32],
    pub content: Content,
}

/// Where the bytes of a kept body are.
#[derive(Debug, Clone)]
pub enum Content {
    Memory(Bytes),
    /// Without a name, so that it is gone with its last holder.
    File(Arc<File>),
    /// Not here: of an attempt that was recorded or journalled without it.
    Lost,
}

/// A file is itself alone.
impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Memory(one), Self::Memory(other)) => one == other,
            (Self::File(one), Self::File(other)) => Arc::ptr_eq(one, other),
            (Self::Lost, Self::Lost) => true,
            (Self::Memory(_) | Self::File(_) | Self::Lost, _) => false,
        }
    }
}

/// Why an effect has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    #[error("not allowed: {0}")]
    NotAllowed(String),
    #[error("invalid request: {0}")]
    Invalid(String),
    #[error("connection failed: {0}")]
    Connection(String),
    #[error("timed out")]
    TimedOut,
    #[error("the reply is larger than {0} bytes")]
    TooLarge(u64),
    #[error("{0} is not supported by this host")]
    Unsupported(String),
    #[error("{0}")]
    Other(String),
}

/// What a connector says of one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Delivered(Receipt),
    Skipped(String),
    Retry(Retry),
    Throttled(Retry),
    Denied(String),
    Conflict(Conflict),
    Rejected(String),
}

impl Outcome {
    /// What the reply to [`Step::SettleBy`] says without another call: that of a 2xx, `delivered` with the first
    /// `location` and the first `etag` that are text; that of a transaction in which each statement changed a row and gave
    /// none, `delivered`. It is what the connector says of such a reply, or it is at fault.
    pub fn delivered_by(reply: &Reply) -> Option<Self> {
        let response = match reply {
            Reply::Http(response) => response,
            Reply::Sql(SqlResponse::Done(results)) => {
                let changed = |result: &SqlResult| result.affected > 0 && result.rows.is_empty();
                let all = !results.is_empty() && results.iter().all(changed);
                return all.then(|| Outcome::Delivered(Receipt::default()));
            }
            Reply::Grpc(_) | Reply::Sql(SqlResponse::Error(_)) | Reply::Failed(_) => return None,
        };
        let first = |name| {
            let mut values = response.headers.get_all(name).iter();
            values.find_map(|value| value.to_str().ok()).map(str::to_owned)
        };
        let receipt = || Receipt { external_id: first(LOCATION), version: first(ETAG) };
        (200..300).contains(&response.status).then(|| Outcome::Delivered(receipt()))
    }

    /// The name used in metrics, logs and dead letters.
    pub fn name(&self) -> &'static str {
        match self {
            Outcome::Delivered(_) => "delivered",
            Outcome::Skipped(_) => "skipped",
            Outcome::Retry(_) => "retry",
            Outcome::Throttled(_) => "throttled",
            Outcome::Denied(_) => "denied",
            Outcome::Conflict(_) => "conflict",
            Outcome::Rejected(_) => "rejected",
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    pub external_id: Option<String>,
    pub version: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// How long to wait at least.
    #[serde(with = "written::milliseconds", default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Duration>,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    pub version: Option<String>,
    #[serde(with = "written::optional_bytes", default, skip_serializing_if = "Option::is_none")]
    pub current: Option<Bytes>,
    pub reason: String,
}

/// How the conflict policy decided; the connector is called again with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resolution {
    /// Write the event over this version.
    Overwrite(Option<String>),
    /// Write this instead of the event's data, over this version.
    Merged {
        #[serde(with = "written::bytes")]
        data: Bytes,
        version: Option<String>,
    },
}

/// What a transformer makes of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transformed {
    Emit(Vec<Reshaped>),
    Drop(String),
    Reject(String),
}

/// What an event becomes; everything else of it stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reshaped {
    pub kind: String,
    pub subject: Option<String>,
    pub content_type: Option<String>,
    #[serde(with = "written::optional_bytes", default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Bytes>,
    pub attributes: Vec<(String, String)>,
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// As `a_function_may_end_with_its_last_request` of the SDK, which says it of the guest.
    #[test]
    fn a_success_delivers_with_the_first_text_of_each_header() {
        let reply = |status, values: &[(&'static str, &'static [u8])]| {
            let mut headers = HeaderMap::new();
            for (name, value) in values {
                headers.append(*name, HeaderValue::from_bytes(value).unwrap());
            }
            Reply::Http(HttpResponse { status, headers, body: Bytes::new(), kept: None })
        };
        let named: &[(&str, &[u8])] =
            &[("etag", b"\xff"), ("etag", b"\"7\""), ("location", b""), ("location", b"/a"), ("etag", b"8")];
        let receipt = Receipt { external_id: Some(String::new()), version: Some("\"7\"".to_owned()) };
        for (reply, outcome) in [
            (reply(200, named), Some(Outcome::Delivered(receipt.clone()))),
            (reply(299, named), Some(Outcome::Delivered(receipt))),
            (reply(204, &[("etag", b"\xff")]), Some(Outcome::Delivered(Receipt::default()))),
            (reply(199, named), None),
            (reply(300, named), None),
            (Reply::Failed(Failure::TimedOut), None),
        ] {
            assert_eq!(Outcome::delivered_by(&reply), outcome, "{reply:?}");
        }
    }
}
