//! Translates between the contract in the host's words and the generated bindings.
//!
//! Towards the guest everything is borrowed. From the guest strings and bytes are moved, never copied. Nothing is judged
//! here: an effect that comes out may be nonsense, and the egress gateway says so.

pub(super) mod joiner;
mod sql;

use std::time::Duration;

use bumpalo::Bump;

use crate::contract::{
    Body, CheckStep, Conflict, Delivery, Effect, Failure, GrpcRequest, HttpRequest, Outcome, Receipt, Reply,
    Reshaped, Resolution, Retry, Step, TimestampMs, Transformed,
};
use crate::event::Event;

use super::bindings::connector::exports::liaison::plugin::connector as wit;
use super::bindings::connector::liaison::plugin::effects as wit_effects;
use super::bindings::connector::liaison::plugin::types as wit_types;
use super::bindings::transformer::exports::liaison::plugin::transformer as wit_transformer;

type Attributes<'a> = Vec<(&'a str, &'a str)>;

/// What must live beside a lowered [`Event`]: the attribute pairs that it points to.
pub(super) fn attributes(event: &Event) -> Attributes<'_> {
    pairs(&event.attributes)
}

fn pairs(owned: &[(String, String)]) -> Attributes<'_> {
    owned.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

pub(super) fn event<'a>(event: &'a Event, attributes: &'a [(&'a str, &'a str)]) -> wit_types::Event<'a> {
    wit_types::Event {
        id: &event.id,
        source: &event.source,
        type_: &event.kind,
        subject: event.subject.as_deref(),
        time: event.time,
        key: event.key.as_deref(),
        content_type: event.content_type.as_deref(),
        data: event.data.as_deref(),
        attributes,
        origin: wit_types::Origin {
            topic: &event.origin.topic,
            partition: event.origin.partition,
            offset: event.origin.offset,
        },
    }
}

/// The headers of every reply of an attempt, and then its rounds: two layers, because each borrows from the one before.
pub(super) fn reply_headers(rounds: &[Vec<Reply>]) -> Vec<Vec<Attributes<'_>>> {
    rounds.iter().map(|round| round.iter().map(headers_of).collect()).collect()
}

fn headers_of(reply: &Reply) -> Attributes<'_> {
    match reply {
        Reply::Http(response) => response
            .headers
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
            .collect(),
        Reply::Grpc(response) => pairs(&response.metadata),
        Reply::Sql(_) | Reply::Failed(_) => Vec::new(),
    }
}

pub(super) fn rounds<'a>(
    rounds: &'a [Vec<Reply>],
    headers: &'a [Vec<Attributes<'a>>],
    arena: &'a Bump,
) -> Vec<Vec<wit_effects::Reply<'a>>> {
    let lower_round = |(round, headers): (&'a Vec<Reply>, &'a Vec<Attributes<'a>>)| {
        round.iter().zip(headers).map(|(reply, headers)| lower_reply(reply, headers, arena)).collect()
    };
    rounds.iter().zip(headers).map(lower_round).collect()
}

fn lower_reply<'a>(reply: &'a Reply, headers: &'a Attributes<'a>, arena: &'a Bump) -> wit_effects::Reply<'a> {
    match reply {
        Reply::Http(response) => wit_effects::Reply::Http(wit_effects::HttpResponse {
            status: response.status,
            headers,
            body: match &response.kept {
                None => wit_effects::ResponseBody::Bytes(&response.body),
                Some(kept) => wit_effects::ResponseBody::Kept(wit_effects::KeptBody {
                    length: kept.length,
                    sha256: &kept.sha256,
                }),
            },
        }),
        Reply::Grpc(response) => wit_effects::Reply::Grpc(wit_effects::GrpcResponse {
            status: response.status,
            status_message: &response.status_message,
            metadata: headers,
            message: response.message.as_deref(),
        }),
        Reply::Sql(response) => wit_effects::Reply::Sql(sql::lower(response, arena)),
        Reply::Failed(failure) => wit_effects::Reply::Failed(lower_failure(failure)),
    }
}

fn lower_failure(failure: &Failure) -> wit_effects::Failure<'_> {
    match failure {
        Failure::NotAllowed(what) => wit_effects::Failure::NotAllowed(what),
        Failure::Invalid(what) => wit_effects::Failure::Invalid(what),
        Failure::Connection(what) => wit_effects::Failure::Connection(what),
        Failure::TimedOut => wit_effects::Failure::TimedOut,
        Failure::TooLarge(limit) => wit_effects::Failure::TooLarge(*limit),
        Failure::Unsupported(what) => wit_effects::Failure::Unsupported(what),
        Failure::Other(what) => wit_effects::Failure::Other(what),
    }
}

pub(super) fn delivery<'a>(
    input: &'a Delivery,
    attributes: &'a [(&'a str, &'a str)],
    rounds: &'a [&'a [wit_effects::Reply<'a>]],
) -> wit::Delivery<'a> {
    wit::Delivery {
        event: event(&input.event, attributes),
        attempt: input.attempt,
        now: input.now,
        seed: input.seed,
        deadline: input.deadline,
        idempotency_key: &input.idempotency_key,
        resolution: input.resolution.as_ref().map(lower_resolution),
        rounds,
    }
}

fn lower_resolution(resolution: &Resolution) -> wit::Resolution<'_> {
    match resolution {
        Resolution::Overwrite(version) => wit::Resolution::Overwrite(version.as_deref()),
        Resolution::Merged { data, version } => {
            wit::Resolution::Merged(wit::Merged { data, version: version.as_deref() })
        }
    }
}

pub(super) fn lift_step(step: wit::Step) -> Step {
    match step {
        wit::Step::Perform(effects) => Step::Perform(effects.into_iter().map(lift_effect).collect()),
        wit::Step::Settle(outcome) => Step::Settle(lift_outcome(outcome)),
        wit::Step::SettleBy(effect) => Step::SettleBy(lift_effect(effect)),
    }
}

pub(super) fn lift_check_step(step: wit::CheckStep) -> CheckStep {
    match step {
        wit::CheckStep::Perform(effects) => {
            CheckStep::Perform(effects.into_iter().map(lift_effect).collect())
        }
        wit::CheckStep::Usable(how) => CheckStep::Usable(how),
        wit::CheckStep::Unusable(why) => CheckStep::Unusable(why),
    }
}

fn lift_effect(effect: wit_effects::Effect) -> Effect {
    match effect {
        wit_effects::Effect::Http(request) => Effect::Http(HttpRequest {
            method: request.method,
            url: request.url,
            headers: request.headers,
            body: match request.body {
                wit_effects::Body::None => Body::None,
                wit_effects::Body::Bytes(bytes) => Body::Bytes(bytes.into()),
                wit_effects::Body::EventData => Body::EventData,
                wit_effects::Body::OfReply((round, position)) => {
                    Body::OfReply { round: round as usize, position: position as usize }
                }
            },
            timeout: request.timeout.map(Duration::from_millis),
            keep_body: request.keep_body,
        }),
        wit_effects::Effect::Grpc(request) => Effect::Grpc(GrpcRequest {
            method: request.method,
            metadata: request.metadata,
            message: request.message.into(),
            timeout: request.timeout.map(Duration::from_millis),
        }),
        wit_effects::Effect::Sql(request) => Effect::Sql(sql::lift(request)),
    }
}

fn lift_outcome(outcome: wit::Outcome) -> Outcome {
    match outcome {
        wit::Outcome::Delivered(receipt) => {
            Outcome::Delivered(Receipt { external_id: receipt.external_id, version: receipt.version })
        }
        wit::Outcome::Skipped(why) => Outcome::Skipped(why),
        wit::Outcome::Retry(retry) => Outcome::Retry(lift_retry(retry)),
        wit::Outcome::Throttled(retry) => Outcome::Throttled(lift_retry(retry)),
        wit::Outcome::Denied(why) => Outcome::Denied(why),
        wit::Outcome::Conflict(conflict) => Outcome::Conflict(Conflict {
            version: conflict.version,
            current: conflict.current.map(Into::into),
            reason: conflict.reason,
        }),
        wit::Outcome::Rejected(why) => Outcome::Rejected(why),
    }
}

fn lift_retry(retry: wit::Retry) -> Retry {
    Retry { after: retry.after.map(Duration::from_millis), reason: retry.reason }
}

pub(super) fn lift_transformed(transformed: wit_transformer::Transformed) -> Transformed {
    match transformed {
        wit_transformer::Transformed::Emit(events) => {
            Transformed::Emit(events.into_iter().map(lift_reshaped).collect())
        }
        wit_transformer::Transformed::Drop(why) => Transformed::Drop(why),
        wit_transformer::Transformed::Reject(why) => Transformed::Reject(why),
    }
}

fn lift_reshaped(reshaped: wit_transformer::Reshaped) -> Reshaped {
    Reshaped {
        kind: reshaped.type_,
        subject: reshaped.subject,
        content_type: reshaped.content_type,
        data: reshaped.data.map(Into::into),
        attributes: reshaped.attributes,
    }
}

/// What the frozen clock of a call shows, and what its random numbers grow from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(super) now: TimestampMs,
    pub(super) seed: u64,
}

impl Moment {
    /// Of what happens at no time.
    pub(super) const ZERO: Self = Self { now: 0, seed: 0 };
}
