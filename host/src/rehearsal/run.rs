//! Runs one attempt of a connector, or one event through a transformer, in the real sandbox, and keeps what happened.
//!
//! The attempt is the one of the delivery; who answers its effects is a [`Way`]: the real gateway, or a script behind
//! all checks that the real gateway makes.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Serialize, Serializer};
use tokio::time::{Instant, timeout_at};

use super::case::{Case, ScriptedReply};
use super::simulated::Script;
use crate::config::{self, mask::Mask};
use crate::contract::{
    Body, Content, Delivery, Effect, Failure, Fault, Kept, Outcome, Reply, Step, Transformed, written,
};
use crate::dead_letter::recording::{Answer, strike_exchange, strike_result};
use crate::delivery::ask::Limits;
use crate::delivery::attempt::{Attempt, Place, attempt};
use crate::egress::{Call, Gateway, Sent};
use crate::event::Event;
use crate::journal::rounds::Recorded;
use crate::plugin::{Calls, Connectors, Observed, Observer, Transformers};
use crate::subscription::stages::{drive, effect_key, seed};

/// The subscription whose idempotency keys a rehearsal uses.
const SUBSCRIPTION: &str = "rehearsal";

/// Who answers the effects.
#[derive(Debug)]
pub(super) enum Way<'a> {
    Real(&'a Gateway),
    /// The gateway is one that is not connected.
    Scripted {
        gateway: &'a Gateway,
        answers: &'a dyn Answers,
        max_reply_bytes: u64,
    },
}

/// What stands in the place of an external system.
pub(super) trait Answers: std::fmt::Debug {
    /// The reply to a request that the gateway let pass; `None` if there is none for it.
    fn answer(&self, place: Place, sent: &Sent, effect: &Effect) -> Option<ScriptedReply>;
}

impl Answers for RefCell<Script<'_>> {
    fn answer(&self, place: Place, sent: &Sent, _: &Effect) -> Option<ScriptedReply> {
        self.borrow_mut().answer(place, &sent.method, &sent.url).cloned()
    }
}

/// What one effect asked for, and what came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Exchange {
    pub effect: Effect,
    /// What the gateway made of it; `None` where it refused it.
    pub sent: Option<Sent>,
    /// What was sent as its body.
    #[serde(with = "written::bytes")]
    pub body: Bytes,
    pub answer: Answer,
    /// In virtual time, where the endpoint is simulated.
    #[serde(rename = "took_ms", serialize_with = "milliseconds")]
    pub took: Duration,
}

/// What happened.
#[derive(Debug, Clone)]
pub struct Run {
    /// What each step asked for.
    pub rounds: Vec<Vec<Exchange>>,
    pub end: RunEnd,
    /// The last thing that it asked is what delivered the event: a host has the outcome without another call.
    pub is_ended_by_answer: bool,
    pub observed: Observed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunEnd {
    Outcome(Outcome),
    Fault(Fault),
    /// It asked for what the script does not answer: method and URL.
    Unscripted(String),
    Transformed(Transformed),
}

/// How far an attempt goes, and what it goes on from.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cut<'a> {
    /// What an earlier attempt was answered.
    pub(super) recorded: Option<&'a Recorded>,
    /// The host ends after so many rounds, as if it had crashed there.
    pub(super) after_rounds: Option<usize>,
}

/// A connector in its sandbox.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) calls: Calls<Connectors>,
    pub(super) limits: Limits,
    pub(super) observer: Observer,
    pub(super) attempt_timeout: Duration,
}

impl Stage {
    /// Runs an attempt to its end. Must be called within a tokio `LocalSet`.
    pub(super) async fn run(&self, delivery: Box<Delivery>, cut: Cut<'_>, way: &Way<'_>) -> (Run, Attempt) {
        let exchanges: RefCell<Vec<(Place, Exchange)>> = RefCell::default();
        let unscripted: RefCell<Option<String>> = RefCell::default();
        let until = Cell::new(Instant::now() + self.attempt_timeout);
        let settling: Cell<Option<usize>> = Cell::default();
        let step = async |delivery: Box<Delivery>| {
            if unscripted.borrow().is_some() {
                // What it makes of an answer that nobody gave means nothing.
                return (delivery, Err(Fault::Nonsense("not scripted".to_owned())));
            }
            let (delivery, result) = self.calls.call(delivery, true).await;
            if matches!(result, Ok(Step::SettleBy(_))) {
                settling.set(Some(delivery.rounds.len()));
            }
            (delivery, result)
        };
        let perform = async |delivery: &Delivery, effect: Effect, place: Place, _: bool| {
            let begun = Instant::now();
            let (sent, body, reply) = perform(delivery, &effect, place, until.get(), way).await;
            let reply = reply.unwrap_or_else(|call| {
                *unscripted.borrow_mut() = Some(call);
                Reply::Failed(Failure::Other("not scripted".to_owned()))
            });
            let answer = Answer::of(&reply);
            let exchange = Exchange { effect: effect.clone(), sent, body, answer, took: begun.elapsed() };
            exchanges.borrow_mut().push((place, exchange));
            (effect, reply)
        };
        let keep = async |_: &Delivery, asked: &[Vec<Effect>]| match cut.after_rounds {
            Some(rounds) if asked.len() >= rounds => Err(Fault::Unwritten("the host has crashed".to_owned())),
            Some(_) | None => Ok(()),
        };
        let work = attempt(delivery, cut.recorded.into(), &self.limits, &until, step, perform, keep);
        let ended = drive(work, |context| self.calls.poll(context)).await;
        let end = match (unscripted.take(), &ended.result) {
            (Some(call), _) => RunEnd::Unscripted(call),
            (None, Ok(outcome)) => RunEnd::Outcome(outcome.clone()),
            (None, Err(fault)) => RunEnd::Fault(fault.clone()),
        };
        let rounds = rounds(&ended, exchanges.into_inner());
        let is_ended_by_answer = matches!(end, RunEnd::Outcome(_))
            && settling.get().is_some_and(|round| has_delivered(&ended, round));
        (Run { rounds, end, is_ended_by_answer, observed: self.observer.take() }, ended)
    }
}

impl Run {
    /// Strikes secrets out of all that is shown.
    pub(super) fn strike(&mut self, mask: &Mask) {
        for Exchange { effect, sent, body, answer, .. } in self.rounds.iter_mut().flatten() {
            strike_exchange(effect, answer, mask);
            mask.bytes(body);
            if let Some(Sent { url, headers, .. }) = sent {
                mask.text(url);
                for (_, value) in headers {
                    mask.text(value);
                }
            }
        }
        if let RunEnd::Outcome(outcome) = &self.end {
            let mut result = Ok(outcome.clone());
            strike_result(&mut result, mask);
            self.end = result.map_or_else(RunEnd::Fault, RunEnd::Outcome);
        }
        for line in &mut self.observed.lines {
            mask.text(&mut line.text);
        }
    }
}

/// Does the answer of this round, which a step settles by, deliver the event?
fn has_delivered(attempt: &Attempt, round: usize) -> bool {
    let reply = attempt.delivery.rounds.get(round).and_then(|replies| replies.first());
    reply.and_then(Outcome::delivered_by).is_some()
}

/// All effects of the attempt in order, those too that were not performed.
fn rounds(attempt: &Attempt, exchanges: Vec<(Place, Exchange)>) -> Vec<Vec<Exchange>> {
    let one = |round: usize, position: usize, effect: &Effect, reply: &Reply| {
        let is_it = |(place, _): &&(Place, Exchange)| place.round == round && place.position == position;
        exchanges.iter().find(is_it).map(|(_, exchange)| exchange.clone()).unwrap_or_else(|| Exchange {
            effect: effect.clone(),
            sent: None,
            body: Bytes::new(),
            answer: Answer::of(reply),
            took: Duration::ZERO,
        })
    };
    let asked = attempt.asked.iter().zip(&attempt.delivery.rounds).enumerate();
    asked
        .map(|(round, (effects, replies))| {
            let pairs = effects.iter().zip(replies).enumerate();
            pairs.map(|(position, (effect, reply))| one(round, position, effect, reply)).collect()
        })
        .collect()
}

/// What the gateway would send, its body, and the reply; `Err` is a call that nobody answers.
async fn perform(
    delivery: &Delivery,
    effect: &Effect,
    place: Place,
    until: Instant,
    way: &Way<'_>,
) -> (Option<Sent>, Bytes, Result<Reply, String>) {
    let key = effect_key(&delivery.idempotency_key, place);
    let call = Call::of(delivery, &key, until);
    let gateway = match way {
        Way::Real(gateway) | Way::Scripted { gateway, .. } => gateway,
    };
    let (sent, body, timeout, keep_body) = match effect {
        Effect::Http(request) => {
            let body = body(&request.body, &call);
            (gateway.would_send(request, &call), body, request.timeout, request.keep_body)
        }
        Effect::Grpc(request) => {
            (gateway.would_call(request, &call), request.message.clone(), request.timeout, false)
        }
        Effect::Sql(request) => (gateway.would_run(request), Bytes::new(), request.timeout, false),
    };
    let (answers, max_reply_bytes) = match way {
        Way::Real(gateway) => return (sent.ok(), body, Ok(gateway.perform(effect, &call).await)),
        Way::Scripted { answers, max_reply_bytes, .. } => (answers, *max_reply_bytes),
    };
    let sent = match sent {
        Ok(sent) => sent,
        Err(failure) => return (None, body, Ok(Reply::Failed(failure))),
    };
    let reply = match answers.answer(place, &sent, effect) {
        None => Err(format!("{} {}", sent.method, sent.url)),
        Some(scripted) => match (in_time(timeout, scripted.after, until).await, effect) {
            (true, Effect::Sql(request)) => {
                Ok(scripted.sql_reply(request, gateway.max_rows(), max_reply_bytes))
            }
            (true, Effect::Http(_) | Effect::Grpc(_)) => Ok(scripted.reply(keep_body, max_reply_bytes)),
            (false, _) => Ok(Reply::Failed(Failure::TimedOut)),
        },
    };
    (Some(sent), body, reply)
}

/// Waits for the time that a reply takes, unless the request's own time or the attempt's end comes before.
async fn in_time(timeout: Option<Duration>, after: Duration, until: Instant) -> bool {
    let own_end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let end = own_end.map_or(until, |end| end.min(until));
    timeout_at(end, tokio::time::sleep_until(Instant::now() + after)).await.is_ok()
}

/// What a request carries; nothing where the gateway refuses it.
fn body(body: &Body, call: &Call<'_>) -> Bytes {
    match body {
        Body::None => Bytes::new(),
        Body::Bytes(bytes) => bytes.clone(),
        Body::EventData => call.event_data.cloned().unwrap_or_default(),
        Body::OfReply { round, position } => {
            match call.rounds.get(*round).and_then(|replies| replies.get(*position)) {
                Some(Reply::Http(response)) => match &response.kept {
                    None => response.body.clone(),
                    Some(Kept { content: Content::Memory(bytes), .. }) => bytes.clone(),
                    // Large: it is not shown.
                    Some(Kept { content: Content::File(_) | Content::Lost, .. }) => Bytes::new(),
                },
                Some(Reply::Grpc(_) | Reply::Sql(_) | Reply::Failed(_)) | None => Bytes::new(),
            }
        }
    }
}

/// What a transformer makes of an event.
pub(super) async fn transform(calls: &Calls<Transformers>, observer: &Observer, event: Event) -> Run {
    let (_, result) = drive(calls.call(Arc::new(event), true), |context| calls.poll(context)).await;
    let end = match result {
        Ok(Transformed::Emit(parts)) if parts.is_empty() => {
            RunEnd::Fault(Fault::Nonsense("emit without an event: use drop".to_owned()))
        }
        Ok(transformed) => RunEnd::Transformed(transformed),
        Err(fault) => RunEnd::Fault(fault),
    };
    Run { rounds: Vec::new(), end, is_ended_by_answer: false, observed: observer.take() }
}

/// The delivery of a case, before its first step.
pub(super) fn delivery(case: &Case) -> Box<Delivery> {
    let name = config::SubscriptionName::new(SUBSCRIPTION);
    let idempotency_key: Arc<str> = case.event.idempotency_key(&name, None).into();
    let settings = &case.delivery;
    Box::new(Delivery {
        event: Arc::new(case.event.clone()),
        attempt: settings.attempt,
        now: settings.now,
        seed: seed(&idempotency_key, settings.attempt),
        deadline: settings.deadline,
        idempotency_key,
        resolution: settings.resolution.clone(),
        rounds: Vec::new(),
    })
}

fn milliseconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}
