//! The same for effects: what a connector asks for.

use std::time::Duration;

use super::{sql, wit_effects as wit};
use crate::contract::{Body, Effect, GrpcRequest, HttpRequest};

pub(super) fn lift(effect: wit::Effect) -> Effect {
    match effect {
        wit::Effect::Http(request) => Effect::from(HttpRequest {
            method: request.method,
            url: request.url,
            headers: request.headers,
            body: match request.body {
                wit::Body::None => Body::None,
                wit::Body::Bytes(bytes) => Body::Bytes(bytes.into()),
                wit::Body::EventData => Body::EventData,
                wit::Body::OfReply((round, position)) => {
                    Body::OfReply { round: round as usize, position: position as usize }
                }
            },
            timeout: request.timeout.map(Duration::from_millis),
            keep_body: request.keep_body,
        }),
        wit::Effect::Grpc(request) => Effect::from(GrpcRequest {
            method: request.method,
            metadata: request.metadata,
            message: request.message.into(),
            timeout: request.timeout.map(Duration::from_millis),
        }),
        wit::Effect::Sql(request) => Effect::Sql(sql::lift_request(request)),
    }
}
