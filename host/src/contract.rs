//! What a connector may ask, what it is answered and what it says: the words of `wit/` as the host uses them.
//!
//! Shared by the stages, so that none of them imports another: `plugin` translates them to and from a guest, `egress`
//! performs effects, `delivery` decides on outcomes. Values only; nothing here acts. What an attempt asked for and came
//! to can be written as JSON and read back (`written`), which is how it is recorded.

mod effect;
mod fault;
mod outcome;
mod sql;
pub(crate) mod written;

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use self::effect::{
    Body, Content, Effect, Failure, GrpcRequest, GrpcResponse, HttpRequest, HttpResponse, Kept, Reply,
};
pub use self::fault::Fault;
pub(crate) use self::outcome::cut_reason;
pub use self::outcome::{Conflict, Outcome, Receipt, Resolution, Retry};
pub(crate) use self::sql::one_line;
pub use self::sql::{
    Real, SqlError, SqlErrorKind, SqlRequest, SqlResponse, SqlResult, SqlStatement, SqlValue,
};
use crate::event::Event;

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type TimestampMs = u64;

/// One event on its way to the external system, with all that this attempt has done so far: what a connector is given.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub event: Arc<Event>,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// When the attempt began, to a tenth of a second: the same for every call of it.
    pub now: TimestampMs,
    /// A seed for random numbers, the same for every call of one attempt.
    pub seed: u64,
    /// When the event's SLA is missed.
    pub deadline: Option<TimestampMs>,
    /// The same on every attempt, after restarts and redrives.
    pub idempotency_key: Arc<str>,
    /// What the host decided after an earlier conflict.
    pub resolution: Option<Resolution>,
    /// The replies to what this attempt has asked for, a list a round, in the order asked.
    pub rounds: Vec<Vec<Reply>>,
}

/// What a connector answers: ask these and call again, or the attempt is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Perform(Vec<Effect>),
    Settle(Outcome),
    /// Ask this. A 2xx is [`Outcome::delivered_by`]; with any other reply, call again.
    SettleBy(Effect),
}

/// One effect that does what the own effects of several deliveries do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joint {
    pub effect: Effect,
    /// Which of the deliveries that were given, from 0.
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
