//! The trials in which the reply to a gRPC call is another: each in the status that gRPC has for it. Pure.
//!
//! A trial keeps the name that it has for HTTP, so that a report and a case's `accept` have one list of names.

use super::super::super::case::{ScriptedAnswer, ScriptedReply};
use super::reply::{Circumstances, ReplyTrial, at_once, spaces};
use crate::contract::GrpcResponse;

const INVALID_ARGUMENT: u32 = 3;
const NOT_FOUND: u32 = 5;
const ALREADY_EXISTS: u32 = 6;
const PERMISSION_DENIED: u32 = 7;
const RESOURCE_EXHAUSTED: u32 = 8;
const FAILED_PRECONDITION: u32 = 9;
const INTERNAL: u32 = 13;
const UNAVAILABLE: u32 = 14;
const UNAUTHENTICATED: u32 = 16;

impl ReplyTrial {
    /// Is there such a thing in gRPC? It has no `Retry-After`, hence no date, and no media types; a broken gateway is
    /// unavailable.
    pub(in crate::rehearsal::certify) fn is_of_grpc(self) -> bool {
        !matches!(
            self,
            ReplyTrial::ThrottledDate
                | ReplyTrial::WrongContentType
                | ReplyTrial::BadGateway
                | ReplyTrial::Sql(_)
        )
    }

    /// The reply to a call in place of the scripted one.
    pub(in crate::rehearsal::certify) fn grpc_reply(
        self,
        scripted: &ScriptedReply,
        given: &Circumstances<'_>,
    ) -> ScriptedReply {
        match self {
            ReplyTrial::Sql(_) => scripted.clone(),
            ReplyTrial::TimeOut | ReplyTrial::Reset | ReplyTrial::SlowDrip => self.reply(scripted, given),
            ReplyTrial::ThrottledSeconds | ReplyTrial::ThrottledDate => {
                status(RESOURCE_EXHAUSTED, "slow down")
            }
            ReplyTrial::Unauthorized => status(UNAUTHENTICATED, "who are you"),
            ReplyTrial::Forbidden => status(PERMISSION_DENIED, "not you"),
            ReplyTrial::NotFound => status(NOT_FOUND, "no such thing"),
            ReplyTrial::Conflict => status(ALREADY_EXISTS, "it is there"),
            ReplyTrial::PreconditionFailed => status(FAILED_PRECONDITION, "it is another"),
            ReplyTrial::InternalError => status(INTERNAL, "broken"),
            ReplyTrial::BadGateway | ReplyTrial::Unavailable => status(UNAVAILABLE, "not now"),
            ReplyTrial::EmptyBody | ReplyTrial::WrongContentType => with_message(scripted, Vec::new()),
            ReplyTrial::HugeBody => with_message(scripted, spaces(given.max_reply_bytes)),
            ReplyTrial::TooLargeBody => with_message(scripted, spaces(given.max_reply_bytes + 1)),
            ReplyTrial::EchoedSecret => status(INVALID_ARGUMENT, &format!("Bearer {}", given.secret)),
        }
    }
}

fn status(status: u32, status_message: &str) -> ScriptedReply {
    let status_message = status_message.to_owned();
    at_once(ScriptedAnswer::Grpc(GrpcResponse {
        status,
        status_message,
        metadata: Vec::new(),
        message: None,
    }))
}

/// The scripted reply with another message.
fn with_message(scripted: &ScriptedReply, message: Vec<u8>) -> ScriptedReply {
    match &scripted.answer {
        ScriptedAnswer::Grpc(response) => {
            at_once(ScriptedAnswer::Grpc(GrpcResponse { message: Some(message.into()), ..response.clone() }))
        }
        ScriptedAnswer::Http { .. } | ScriptedAnswer::Sql(_) | ScriptedAnswer::Failed(_) => scripted.clone(),
    }
}
