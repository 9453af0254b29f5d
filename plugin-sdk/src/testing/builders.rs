//! Events, deliveries and replies for a test, with defaults for all that the test does not care about.

use serde::Serialize;
use serde_json::Value;

use crate::failure::Unanswered;
use crate::outcome::{Delivery, Resolution};
use crate::raw::connector::liaison::plugin::effects::{
    GrpcResponse, HttpResponse, KeptBody, Reply as RawReply, ResponseBody,
};
use crate::raw::connector::liaison::plugin::types::Origin;
use crate::transform::Event;

/// 2026-01-01T00:00:00Z: when attempts begin.
pub(super) const NOW_MS: u64 = 1_767_225_600_000;

/// An event of this type: id `1`, source `/test`, data `{}`.
pub fn event(kind: &str) -> EventBuilder {
    let origin = Origin { topic: "events".into(), partition: 0, offset: 0 };
    let event = Event {
        id: "1".into(),
        source: "/test".into(),
        type_: kind.into(),
        subject: None,
        time: None,
        key: None,
        content_type: Some("application/json".into()),
        data: Some(b"{}".to_vec()),
        attributes: Vec::new(),
        origin,
    };
    EventBuilder { event, attempt: 1, now_ms: NOW_MS, resolution: None }
}

/// An event, and its delivery.
#[derive(Debug, Clone)]
#[must_use]
pub struct EventBuilder {
    event: Event,
    attempt: u32,
    now_ms: u64,
    resolution: Option<Resolution>,
}

impl EventBuilder {
    pub fn id(mut self, id: &str) -> Self {
        self.event.id = id.into();
        self
    }

    pub fn source(mut self, source: &str) -> Self {
        self.event.source = source.into();
        self
    }

    pub fn subject(mut self, subject: &str) -> Self {
        self.event.subject = Some(subject.into());
        self
    }

    pub fn key(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.event.key = Some(key.into());
        self
    }

    /// When it happened, in milliseconds since 1970.
    pub fn time_ms(mut self, time_ms: u64) -> Self {
        self.event.time = Some(time_ms);
        self
    }

    /// Adds an extension attribute or a header.
    pub fn attribute(mut self, name: &str, value: &str) -> Self {
        self.event.attributes.push((name.into(), value.into()));
        self
    }

    /// With this JSON as data.
    pub fn data(mut self, data: Value) -> Self {
        self.event.data = Some(data.to_string().into_bytes());
        self
    }

    /// With these bytes as data, and their media type where there is one.
    pub fn bytes(mut self, data: impl Into<Vec<u8>>, content_type: Option<&str>) -> Self {
        self.event.data = Some(data.into());
        self.event.content_type = content_type.map(str::to_owned);
        self
    }

    /// Without data.
    pub fn tombstone(mut self) -> Self {
        self.event.data = None;
        self.event.content_type = None;
        self
    }

    /// On this attempt; 1 is the first.
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// At this time, in milliseconds since 1970.
    pub fn now_ms(mut self, now_ms: u64) -> Self {
        self.now_ms = now_ms;
        self
    }

    /// After the host decided a conflict in this way.
    pub fn resolution(mut self, resolution: Resolution) -> Self {
        self.resolution = Some(resolution);
        self
    }
}

impl From<EventBuilder> for Event {
    fn from(builder: EventBuilder) -> Self {
        builder.event
    }
}

impl From<EventBuilder> for Delivery {
    fn from(builder: EventBuilder) -> Self {
        Delivery {
            idempotency_key: format!("test-{}", builder.event.id),
            event: builder.event,
            attempt: builder.attempt,
            now: builder.now_ms,
            seed: 7,
            deadline: None,
            resolution: builder.resolution,
            rounds: Vec::new(),
        }
    }
}

/// A reply with this status and nothing else.
pub fn reply(status: u16) -> Reply {
    let body = ResponseBody::Bytes(Vec::new());
    Reply(RawReply::Http(HttpResponse { status, headers: Vec::new(), body }))
}

/// The answer to a gRPC call with this status and nothing else; 0 is OK.
pub fn grpc_reply(status: u32) -> GrpcReply {
    GrpcReply(GrpcResponse { status, status_message: String::new(), metadata: Vec::new(), message: None })
}

/// What the endpoint answers to a gRPC call.
#[derive(Debug, Clone)]
#[must_use]
pub struct GrpcReply(GrpcResponse);

impl GrpcReply {
    /// With these words beside the status.
    pub fn status_message(mut self, text: &str) -> Self {
        self.0.status_message = text.to_owned();
        self
    }

    /// Adds metadata.
    pub fn metadata(mut self, name: &str, value: &str) -> Self {
        self.0.metadata.push((name.to_ascii_lowercase(), value.to_owned()));
        self
    }

    /// With this encoded message.
    pub fn message(mut self, message: impl Into<Vec<u8>>) -> Self {
        self.0.message = Some(message.into());
        self
    }
}

impl From<GrpcReply> for Reply {
    fn from(reply: GrpcReply) -> Self {
        Reply(RawReply::Grpc(reply.0))
    }
}

/// What the endpoint answers.
#[derive(Debug, Clone)]
#[must_use]
pub struct Reply(RawReply);

impl Reply {
    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let RawReply::Http(response) = &mut self.0 {
            response.headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        self
    }

    /// With this value as JSON.
    ///
    /// # Panics
    ///
    /// Where the value has no form in JSON.
    pub fn json<T: Serialize + ?Sized>(self, body: &T) -> Self {
        let body = serde_json::to_vec(body).expect("a test's reply has a form in JSON");
        self.bytes(body).header("content-type", "application/json")
    }

    /// With this text.
    pub fn text(self, body: &str) -> Self {
        self.bytes(body)
    }

    /// With these bytes.
    pub fn bytes(mut self, body: impl Into<Vec<u8>>) -> Self {
        if let RawReply::Http(response) = &mut self.0 {
            response.body = ResponseBody::Bytes(body.into());
        }
        self
    }

    pub(super) fn of(raw: RawReply) -> Self {
        Self(raw)
    }

    pub(super) fn into_raw(self) -> RawReply {
        self.0
    }
}

impl From<Unanswered> for Reply {
    fn from(why: Unanswered) -> Self {
        Reply(RawReply::Failed(why))
    }
}

/// The reply with its body left with the host. The sha256 is all zeros: nothing here computes one.
pub(super) fn kept(reply: RawReply) -> RawReply {
    match reply {
        RawReply::Http(HttpResponse { status, headers, body: ResponseBody::Bytes(bytes) }) => {
            let kept = KeptBody { length: bytes.len() as u64, sha256: vec![0; 32] };
            RawReply::Http(HttpResponse { status, headers, body: ResponseBody::Kept(kept) })
        }
        other => other,
    }
}
