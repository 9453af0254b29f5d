//! Unary gRPC calls, as a plugin writes them, and the answers.
//!
//! The plugin encodes and decodes messages, by `prost` or whatever it likes; the host frames, sends and reads them, tells
//! the server how long it will wait, and adds the credentials.

mod details;

use std::borrow::Cow;
use std::time::Duration;

use crate::failure::Failure;
use crate::http::{Http, milliseconds, wrong_kind};
use crate::outcome::OutcomeKind;
use crate::raw::connector::liaison::plugin::effects::{Effect, GrpcRequest, GrpcResponse, Reply};

const RESOURCE_EXHAUSTED: u32 = 8;

/// By which a server says when it may be asked again, in milliseconds.
const PUSHBACK: &str = "grpc-retry-pushback-ms";
/// A `google.rpc.Status`, which says more of the status than a text.
const DETAILS: &str = "grpc-status-details-bin";

/// A call that is being written.
#[derive(Debug)]
#[must_use = "nothing is asked before `.send().await`"]
pub struct GrpcCall<'http> {
    http: &'http Http,
    effect: GrpcRequest,
}

impl Http {
    /// A unary gRPC call of `/package.Service/Method`, at the connector's endpoint.
    pub fn grpc(&self, method: impl Into<String>) -> GrpcCall<'_> {
        let effect =
            GrpcRequest { method: method.into(), metadata: Vec::new(), message: Vec::new(), timeout: None };
        GrpcCall { http: self, effect }
    }
}

impl GrpcCall<'_> {
    /// Adds metadata. Under a name that ends in `-bin` the value is base64. Names that begin with `grpc-` are the host's.
    pub fn metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.effect.metadata.push((name.into(), value.into()));
        self
    }

    /// Carries this encoded message; else it is empty.
    pub fn message(mut self, message: impl Into<Vec<u8>>) -> Self {
        self.effect.message = message.into();
        self
    }

    /// Waits no longer than this. Else it is what is left of the attempt.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.effect.timeout = Some(milliseconds(timeout));
        self
    }

    /// Sends it and waits for the answer, whatever its status.
    ///
    /// # Errors
    ///
    /// [`Failure::Unanswered`] where there is no answer at all.
    pub async fn send(self) -> Result<GrpcAnswer, Failure> {
        match self.http.ask(Effect::Grpc(self.effect)).await {
            (Effect::Grpc(request), Reply::Grpc(response), _) => {
                Ok(GrpcAnswer { method: request.method, response })
            }
            (effect, Reply::Failed(why), _) => Err(Failure::unanswered(&effect, why)),
            (effect, Reply::Http(_) | Reply::Grpc(_) | Reply::Sql(_), _) => Err(wrong_kind(&effect)),
        }
    }
}

/// The statuses of gRPC by their numbers, from `OK`, which is 0.
pub const STATUS_NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// The answer to a call, whatever its status.
#[derive(Debug)]
pub struct GrpcAnswer {
    method: String,
    response: GrpcResponse,
}

impl GrpcAnswer {
    /// The status: 0 is OK, the others are those of gRPC's list.
    pub fn status(&self) -> u32 {
        self.response.status
    }

    /// True for status 0.
    pub fn is_ok(&self) -> bool {
        self.response.status == 0
    }

    /// What the server says of the status.
    pub fn status_message(&self) -> &str {
        &self.response.status_message
    }

    /// The first value of this name in headers and trailers.
    pub fn metadata(&self, name: &str) -> Option<&str> {
        let mut metadata = self.response.metadata.iter();
        metadata.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// How long the server asks to be left alone, where it does.
    ///
    /// By `grpc-retry-pushback-ms` ([gRFC A6](https://github.com/grpc/proposal/blob/master/A6-client-retries.md)), in which
    /// what is negative or no number of 32 bits asks not to be tried again and so says no time; else by
    /// `google.rpc.RetryInfo` among the details of the status.
    pub fn pushback(&self) -> Option<Duration> {
        match self.metadata(PUSHBACK) {
            Some(text) => milliseconds_of(text.trim()),
            None => self.metadata(DETAILS).and_then(details::retry_delay),
        }
    }

    /// What it means by [`OutcomeKind::of_grpc_status`](crate::outcome::OutcomeKind::of_grpc_status), but for
    /// `RESOURCE_EXHAUSTED`: that is throttled where the server [pushes back](Self::pushback).
    ///
    /// A server says `RESOURCE_EXHAUSTED` of a rate that is too high, of a quota that is gone, and of one message that is too
    /// large. Only the first passes by waiting, and of it a server can say so; the others must come to an end.
    pub fn kind(&self) -> OutcomeKind {
        match self.status() {
            RESOURCE_EXHAUSTED if self.pushback().is_some_and(|wait| !wait.is_zero()) => {
                OutcomeKind::Throttled
            }
            status => OutcomeKind::of_grpc_status(status),
        }
    }

    /// The encoded message; empty where there is none.
    pub fn message(&self) -> &[u8] {
        self.response.message.as_deref().unwrap_or_default()
    }

    /// For a person: `gRPC /package.Service/Method answered NOT_FOUND: no such room`.
    pub fn summary(&self) -> String {
        let (name, said) = (self.status_name(), &self.response.status_message);
        let separator = if said.is_empty() { "" } else { ": " };
        format!("gRPC {} answered {name}{separator}{said}", self.method)
    }

    fn status_name(&self) -> Cow<'static, str> {
        match STATUS_NAMES.get(self.response.status as usize) {
            Some(name) => (*name).into(),
            None => format!("status {}", self.response.status).into(),
        }
    }
}

/// What gRFC A6 writes: a number of 32 bits, in digits.
fn milliseconds_of(text: &str) -> Option<Duration> {
    let digits = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let milliseconds: i32 = digits?.parse().ok()?;
    u64::try_from(milliseconds).ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Delivery, Outcome};
    use crate::{join, testing};

    async fn deliver(_delivery: &Delivery, http: &Http) -> Result<Outcome, Failure> {
        let call = http.grpc("/rooms.Rooms/Book").metadata("x-tenant", "north").message(b"room".to_vec());
        let (answer, page) = join(call.timeout(Duration::from_secs(2)).send(), http.get("/a").send()).await;
        page?;
        let answer = answer?;
        if answer.metadata("X-Kind") == Some("own") {
            return Ok(Outcome::skipped(String::from_utf8_lossy(answer.message())));
        }
        Ok(Outcome::from_grpc(&answer))
    }

    fn run(reply: impl Into<testing::Reply>) -> testing::Run {
        testing::endpoint()
            .expect("gRPC /rooms.Rooms/Book", reply)
            .expect("GET /a", testing::reply(200))
            .deliver(deliver, testing::event("t"))
    }

    #[test]
    fn a_call_goes_beside_a_request_and_its_answer_is_read() {
        let run = run(testing::grpc_reply(0).metadata("x-kind", "own").message("done"));
        assert_eq!((&run.outcome, &run.rounds[..]), (&Outcome::skipped("done"), &[2][..]));
        let [call] = &run.grpc_calls[..] else { panic!("{:?}", run.grpc_calls) };
        assert_eq!((&call.message[..], call.timeout), (&b"room"[..], Some(2000)));
        assert_eq!(call.metadata, [("x-tenant".to_owned(), "north".to_owned())]);
        assert_eq!(run.requests.len(), 1);
    }
}
