//! The same for effects: what a connector asks for, and what it is given again to be joined.

use std::time::Duration;

use bumpalo::Bump;

use super::{pairs, sql, wit_effects as wit};
use crate::contract::{Body, Effect, GrpcRequest, HttpRequest};

pub(super) fn lift(effect: wit::EffectResult) -> Effect {
    match effect {
        wit::EffectResult::Http(request) => Effect::Http(HttpRequest {
            method: request.method,
            url: request.url,
            headers: request.headers,
            body: match request.body {
                wit::BodyResult::None => Body::None,
                wit::BodyResult::Bytes(bytes) => Body::Bytes(bytes.into()),
                wit::BodyResult::EventData => Body::EventData,
                wit::BodyResult::OfReply((round, position)) => {
                    Body::OfReply { round: round as usize, position: position as usize }
                }
            },
            timeout: request.timeout.map(Duration::from_millis),
            keep_body: request.keep_body,
        }),
        wit::EffectResult::Grpc(request) => Effect::Grpc(GrpcRequest {
            method: request.method,
            metadata: request.metadata,
            message: request.message.into(),
            timeout: request.timeout.map(Duration::from_millis),
        }),
        wit::EffectResult::Sql(request) => Effect::Sql(sql::lift_request(request)),
    }
}

pub(in crate::plugin) fn lower<'a>(effect: &'a Effect, arena: &'a Bump) -> wit::EffectParam<'a> {
    match effect {
        Effect::Http(request) => wit::EffectParam::Http(wit::HttpRequestParam {
            method: &request.method,
            url: &request.url,
            headers: pairs(&request.headers, arena),
            body: match &request.body {
                Body::None => wit::BodyParam::None,
                Body::Bytes(bytes) => wit::BodyParam::Bytes(bytes),
                Body::EventData => wit::BodyParam::EventData,
                Body::OfReply { round, position } => {
                    wit::BodyParam::OfReply((index(*round), index(*position)))
                }
            },
            timeout: request.timeout.map(milliseconds),
            keep_body: request.keep_body,
        }),
        Effect::Grpc(request) => wit::EffectParam::Grpc(wit::GrpcRequestParam {
            method: &request.method,
            metadata: pairs(&request.metadata, arena),
            message: &request.message,
            timeout: request.timeout.map(milliseconds),
        }),
        Effect::Sql(request) => wit::EffectParam::Sql(sql::lower_request(request, arena)),
    }
}

pub(super) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn index(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}
