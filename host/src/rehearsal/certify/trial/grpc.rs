//! The trials in which the reply to a gRPC call is another: each in the status that gRPC has for it. Pure.
//!
//! A trial keeps the name that it has for HTTP, so that a report and a case's `accept` have one list of names.

use super::super::super::case::{ScriptedAnswer, ScriptedReply};
use super::reply::{Circumstances, ReplyTrial, WAIT, at_once, spaces};
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

/// A `google.rpc.Status` of [`RESOURCE_EXHAUSTED`] with a `google.rpc.RetryInfo` of [`WAIT`], as protobuf's own library
/// writes it.
const IN_90_SECONDS: &str =
    "CAgSCXNsb3cgZG93bhowCih0eXBlLmdvb2dsZWFwaXMuY29tL2dvb2dsZS5ycGMuUmV0cnlJbmZvEgQKAgha";

impl ReplyTrial {
    /// Is there such a thing in gRPC? It has no media types; a broken gateway is unavailable.
    pub(in crate::rehearsal::certify) fn is_of_grpc(self) -> bool {
        !matches!(self, ReplyTrial::WrongContentType | ReplyTrial::BadGateway | ReplyTrial::Sql(_))
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
            ReplyTrial::Throttled => status(RESOURCE_EXHAUSTED, "slow down"),
            ReplyTrial::ThrottledSeconds => exhausted("grpc-retry-pushback-ms", WAIT.as_millis().to_string()),
            ReplyTrial::ThrottledDate => exhausted("grpc-status-details-bin", IN_90_SECONDS.to_owned()),
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
    with_trailers(status, status_message, Vec::new())
}

/// With this trailer, by which it says when it may be asked again.
fn exhausted(name: &str, value: String) -> ScriptedReply {
    with_trailers(RESOURCE_EXHAUSTED, "slow down", vec![(name.to_owned(), value)])
}

fn with_trailers(status: u32, status_message: &str, metadata: Vec<(String, String)>) -> ScriptedReply {
    let status_message = status_message.to_owned();
    at_once(ScriptedAnswer::Grpc(GrpcResponse { status, status_message, metadata, message: None }))
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

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;

    use super::*;

    #[test]
    fn both_ways_of_pushing_back_say_the_same_wait() {
        let seconds = u8::try_from(WAIT.as_secs()).unwrap();
        let details = BASE64_STANDARD.decode(IN_90_SECONDS).unwrap();
        // Status: the code; RetryInfo, its delay and that one's seconds.
        assert!(details.starts_with(&[8, RESOURCE_EXHAUSTED as u8]), "{details:?}");
        assert!(details.ends_with(&[0x12, 4, 0x0a, 2, 8, seconds]), "{details:?}");
        let scripted = status(0, "");
        let given = Circumstances {
            attempt_timeout: std::time::Duration::from_secs(10),
            now: 0,
            max_reply_bytes: 1,
            secret: "",
        };
        for (trial, name, value) in [
            (ReplyTrial::ThrottledSeconds, "grpc-retry-pushback-ms", "90000"),
            (ReplyTrial::ThrottledDate, "grpc-status-details-bin", IN_90_SECONDS),
        ] {
            assert!(trial.is_of_grpc() && trial.has_wait(), "{trial:?}");
            let ScriptedAnswer::Grpc(response) = trial.grpc_reply(&scripted, &given).answer else {
                panic!("{trial:?}")
            };
            assert_eq!(response.status, RESOURCE_EXHAUSTED);
            assert_eq!(response.metadata, [(name.to_owned(), value.to_owned())]);
        }
    }
}
