//! Translates between the contract in the host's words and the generated bindings.
//!
//! Towards the guest everything is borrowed. From the guest strings and bytes are moved, never copied. Nothing is judged
//! here: an effect that comes out may be nonsense, and the egress gateway says so.

mod effect;
pub(super) mod reply;
mod sql;

use std::time::Duration;

use bumpalo::Bump;

use crate::contract::{
    CheckStep, Conflict, Delivery, Joint, Outcome, Receipt, Reply, Reshaped, Resolution, Retry, Step,
    TimestampMs, Transformed,
};
use crate::event::Event;

use super::bindings::connector::exports::liaison::plugin::connector as wit;
use super::bindings::connector::exports::liaison::plugin::joiner as wit_joiner;
use super::bindings::connector::liaison::plugin::deliveries as wit_deliveries;
use super::bindings::connector::liaison::plugin::effects as wit_effects;
use super::bindings::connector::liaison::plugin::types as wit_types;
use super::bindings::transformer::exports::liaison::plugin::transformer as wit_transformer;

/// What of a guest's arguments is lists of pairs stands in the arena.
fn pairs<'a>(owned: &'a [(String, String)], arena: &'a Bump) -> &'a [(&'a str, &'a str)] {
    arena.alloc_slice_fill_iter(owned.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

pub(super) fn event<'a>(event: &'a Event, arena: &'a Bump) -> wit_types::Event<'a> {
    wit_types::Event {
        id: &event.id,
        source: &event.source,
        type_: &event.kind,
        subject: event.subject.as_deref(),
        time: event.time,
        key: event.key.as_deref(),
        content_type: event.content_type.as_deref(),
        data: event.data.as_deref(),
        attributes: pairs(&event.attributes, arena),
        origin: wit_types::Origin {
            topic: &event.origin.topic,
            partition: event.origin.partition,
            offset: event.origin.offset,
        },
    }
}

/// The replies of an attempt so far.
pub(super) fn rounds<'a>(
    rounds: &'a [Vec<Reply>],
    arena: &'a Bump,
) -> &'a [&'a [wit_effects::ReplyParam<'a>]] {
    let lower_round = |round: &'a Vec<Reply>| {
        &*arena.alloc_slice_fill_iter(round.iter().map(|reply| reply::lower(reply, arena)))
    };
    arena.alloc_slice_fill_iter(rounds.iter().map(lower_round))
}

pub(super) fn delivery<'a>(input: &'a Delivery, arena: &'a Bump) -> wit_deliveries::Delivery<'a> {
    wit_deliveries::Delivery {
        event: event(&input.event, arena),
        attempt: input.attempt,
        now: input.now,
        seed: input.seed,
        deadline: input.deadline,
        idempotency_key: &input.idempotency_key,
        resolution: input.resolution.as_ref().map(lower_resolution),
        rounds: rounds(&input.rounds, arena),
    }
}

fn lower_resolution(resolution: &Resolution) -> wit_deliveries::Resolution<'_> {
    match resolution {
        Resolution::Overwrite(version) => wit_deliveries::Resolution::Overwrite(version.as_deref()),
        Resolution::Merged { data, version } => {
            wit_deliveries::Resolution::Merged(wit_deliveries::Merged { data, version: version.as_deref() })
        }
    }
}

pub(super) fn lift_step(step: wit::Step) -> Step {
    match step {
        wit::Step::Perform(effects) => Step::Perform(effects.into_iter().map(effect::lift).collect()),
        wit::Step::Settle(outcome) => Step::Settle(lift_outcome(outcome)),
        wit::Step::SettleBy(effect) => Step::SettleBy(effect::lift(effect)),
    }
}

pub(super) fn lift_check_step(step: wit::CheckStep) -> CheckStep {
    match step {
        wit::CheckStep::Perform(effects) => {
            CheckStep::Perform(effects.into_iter().map(effect::lift).collect())
        }
        wit::CheckStep::Usable(how) => CheckStep::Usable(how),
        wit::CheckStep::Unusable(why) => CheckStep::Unusable(why),
    }
}

pub(super) fn lift_joint(joint: wit_joiner::Joint) -> Joint {
    Joint { effect: effect::lift(joint.effect), members: joint.members, memo: joint.memo.into() }
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
