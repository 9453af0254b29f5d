//! The last attempt of a dead letter as it is recorded: all that a replay needs beside the original record and the
//! configuration.
//!
//! In comes an attempt, out goes JSON of at most [`RECORDING_BYTES`], and back. It holds what the plugin asked, before
//! the host added any credential, and what it was given in return; values of the connector's secrets that a reply
//! echoes are struck out. The original record, which stands beside it, is not repeated.

mod struck;
mod transform;

use std::io;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use super::header::{hex_text, sha256_of};
use crate::config::mask::Mask;
use crate::contract::{
    Content, Delivery, Effect, Failure, Fault, GrpcResponse, HttpResponse, Kept, Outcome, Reply, Reshaped,
    Resolution, SqlResponse, TimestampMs, written,
};
use crate::event::Event;

use struck::Strike;
pub(crate) use struck::strike_exchange;
pub(crate) use struck::strike_reason;
pub use struck::strike_result;
pub use transform::{TransformEnd, TransformRecording};

/// The most bytes of the JSON. What does not fit is cut as a whole: half a recording cannot be replayed.
pub const RECORDING_BYTES: usize = 256 << 10;

/// What a letter holds of its last attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recorded {
    Whole(Box<Recording>),
    /// It ended in a transformer.
    Transform(Box<TransformRecording>),
    /// Nothing, and why.
    Cut(String),
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    /// 1 for the first.
    pub attempt: u32,
    pub now_ms: TimestampMs,
    pub seed: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<TimestampMs>,
    pub idempotency_key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<Resolution>,
    /// What the transformers made of the event; `None` where the connector was given it as it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reshaped: Option<Reshaped>,
    pub rounds: Vec<Round>,
    pub end: End,
    /// A reply echoed a secret, which is struck out here: a replay may differ for that.
    pub is_struck: bool,
}

/// What one step asked for, and what it was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    pub asked: Vec<Effect>,
    pub answered: Vec<Answer>,
}

/// A reply as the guest was given it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    Http { status: u16, headers: Vec<(String, String)>, body: AnswerBody },
    Grpc(GrpcResponse),
    Sql(SqlResponse),
    Failed(Failure),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnswerBody {
    Bytes(#[serde(with = "written::bytes")] Bytes),
    /// It stayed with the host; the guest was given this alone.
    Kept {
        length: u64,
        sha256: String,
    },
}

/// How the attempt ended: what the connector said, or how its plugin failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    Outcome(Outcome),
    Fault(String),
}

impl Recording {
    /// Of an attempt: the delivery after its last round, what was asked in each, and the result. `original` is the event
    /// before the transformers.
    pub fn of(
        delivery: &Delivery,
        asked: &[Vec<Effect>],
        result: &Result<Outcome, Fault>,
        original: &Event,
        mask: &Mask,
    ) -> Recording {
        let rounds = asked.iter().zip(&delivery.rounds).map(|(asked, replies)| Round {
            asked: asked.clone(),
            answered: replies.iter().map(Answer::of).collect(),
        });
        let mut recording = Recording {
            attempt: delivery.attempt,
            now_ms: delivery.now,
            seed: delivery.seed,
            deadline_ms: delivery.deadline,
            idempotency_key: delivery.idempotency_key.to_string(),
            resolution: delivery.resolution.clone(),
            reshaped: reshaped(&delivery.event, original),
            rounds: rounds.collect(),
            end: match result {
                Ok(outcome) => End::Outcome(outcome.clone()),
                Err(fault) => End::Fault(fault.to_string()),
            },
            is_struck: false,
        };
        recording.is_struck = recording.strike(mask);
        recording
    }

    /// The delivery as the attempt began it. `original` is the event before the transformers.
    pub fn delivery(&self, original: Event) -> Delivery {
        Delivery {
            event: with(self.reshaped.clone(), original).into(),
            attempt: self.attempt,
            now: self.now_ms,
            seed: self.seed,
            deadline: self.deadline_ms,
            idempotency_key: self.idempotency_key.as_str().into(),
            resolution: self.resolution.clone(),
            rounds: Vec::new(),
        }
    }
}

impl From<Recording> for Recorded {
    fn from(recording: Recording) -> Self {
        Recorded::Whole(Box::new(recording))
    }
}

impl From<TransformRecording> for Recorded {
    fn from(recording: TransformRecording) -> Self {
        Recorded::Transform(Box::new(recording))
    }
}

impl Recorded {
    /// JSON of at most [`RECORDING_BYTES`].
    pub fn to_json(&self) -> Bytes {
        let mut json = Bounded(Vec::new());
        match serde_json::to_writer(&mut json, self) {
            Ok(()) => json.0.into(),
            Err(_) => Recorded::cut(&format!("it takes more than {} KiB", RECORDING_BYTES >> 10)),
        }
    }

    /// JSON that says why there is nothing.
    pub fn cut(why: &str) -> Bytes {
        let cut = Recorded::Cut(why.to_owned());
        serde_json::to_vec(&cut).expect("a text can always be written as JSON").into()
    }

    /// Reads either.
    pub fn from_json(json: &[u8]) -> Result<Recorded, serde_json::Error> {
        serde_json::from_slice(json)
    }
}

impl Answer {
    pub(crate) fn of(reply: &Reply) -> Answer {
        let response = match reply {
            Reply::Http(response) => response,
            Reply::Grpc(response) => return Answer::Grpc((**response).clone()),
            Reply::Sql(response) => return Answer::Sql(response.clone()),
            Reply::Failed(failure) => return Answer::Failed(failure.clone()),
        };
        let text = |(name, value): (&HeaderName, &HeaderValue)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        };
        let body = match &response.kept {
            None => AnswerBody::Bytes(response.body.clone()),
            Some(kept) => AnswerBody::Kept { length: kept.length, sha256: hex_text(&kept.sha256) },
        };
        Answer::Http {
            status: response.status,
            headers: response.headers.iter().filter_map(text).collect(),
            body,
        }
    }

    /// The reply that the guest is given again; `None` if somebody has changed it into something else.
    pub fn reply(&self) -> Option<Reply> {
        let (status, headers, body) = match self {
            Answer::Http { status, headers, body } => (*status, headers, body),
            Answer::Grpc(response) => return Some(response.clone().into()),
            Answer::Sql(response) => return Some(Reply::Sql(response.clone())),
            Answer::Failed(failure) => return Some(Reply::Failed(failure.clone())),
        };
        let mut map = HeaderMap::with_capacity(headers.len());
        for (name, value) in headers {
            map.append(HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?);
        }
        let (body, kept) = match body {
            AnswerBody::Bytes(bytes) => (bytes.clone(), None),
            AnswerBody::Kept { length, sha256 } => {
                let sha256 = sha256_of(sha256)?;
                (Bytes::new(), Some(Kept { length: *length, sha256, content: Content::Lost }))
            }
        };
        Some(Reply::from(HttpResponse { status, headers: map, body, kept }))
    }
}

/// What transformers change; `None` if they changed nothing.
fn reshaped(event: &Event, original: &Event) -> Option<Reshaped> {
    let parts = |event: &Event| Reshaped {
        kind: event.kind.clone(),
        subject: event.subject.clone(),
        content_type: event.content_type.clone(),
        data: event.data.clone(),
        attributes: event.attributes.clone(),
    };
    let parts_now = parts(event);
    (parts_now != parts(original)).then_some(parts_now)
}

/// The event as transformers changed it.
fn with(reshaped: Option<Reshaped>, original: Event) -> Event {
    match reshaped {
        Some(Reshaped { kind, subject, content_type, data, attributes }) => {
            Event { kind, subject, content_type, data, attributes, ..original }
        }
        None => original,
    }
}

/// Refuses what does not fit, so that a recording never takes more memory than its bound.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > RECORDING_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests;
