//! One turn of a delivery: what is missing of its transformation, or one attempt.
//!
//! In comes a [`Job`], out goes a [`Done`]; what follows is decided elsewhere. Here the attempt meets the connector, the
//! gateway, the rate limit and the journal.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use tokio::time::Instant;

use super::asked::Asked;
use super::gather::{Answered, Gatherings, Turn};
use super::job::{Done, Job};
use super::joint::Joining;
use super::scribe::Scribe;
use super::verdict::{failure, judge_alone, judge_beside};
use super::versions::{Chosen, ConnectorCalls, Version, Versions};
use super::{Connector, Stages};
use crate::contract::{Delivery, Effect, Fault, Outcome, Reply};
use crate::delivery::attempt::{Attempt, Known, Place, attempt, trouble};
use crate::delivery::batch::is_joinable;
use crate::egress::Call;
use crate::event::Event;
use crate::fnv::fnv_1a;
use crate::subscription::journal::Journalled;
use crate::telemetry::StatusClass;

/// An attempt as the task is told of it.
struct Attempted {
    attempt: Attempt,
    idempotency_key: Arc<str>,
    journalled: Option<Journalled>,
}

/// An attempt that begins.
struct Begun<'a> {
    delivery: Box<Delivery>,
    until: Instant,
    known: Known<'a>,
    /// By what an effect that settles it may be done with others, from this round on.
    joining: Option<(Joining<'a>, usize)>,
}

impl Stages {
    /// One turn of a delivery. There are many at the same time, and those that wait for their batch are to be small:
    /// what others hold is boxed.
    pub(crate) async fn carry(&self, job: &mut Job) -> Done {
        let turn = self.gatherings.as_ref().map(Gatherings::turn);
        let turn = turn.as_ref();
        let Some(event) = job.next.clone() else {
            return Box::pin(self.transform(job.event.clone(), job.is_suspect, job.by_live)).await;
        };
        if job.check_first
            && let Err(why) = Box::pin(self.check(job.now)).await
        {
            return Done::NotUsable(why);
        }
        let versions = match &self.connector {
            Connector::Plugin(versions) => versions,
            Connector::Native(native) => {
                return Box::pin(self.attempted(job, event, Asked::Native(&**native), turn)).await.done(None);
            }
        };
        let chosen = versions.choose(&event, &job.past());
        if chosen.is_watched() {
            return Box::pin(self.carry_watched(job, event, versions, chosen, turn)).await;
        }
        let version = chosen.version;
        let asked = Asked::Version(&version, None);
        // A journal keeps what each asked for, and where calls are made twice it is compared.
        let is_asked_first = job.journal.is_some() || version.calls.limits.call_twice;
        let attempted = match self.joining(job, &asked).filter(|_| !is_asked_first) {
            Some(joining) => self.attempted_with_others(job, event, joining, turn).await,
            None => Box::pin(self.attempted(job, event, asked, turn)).await,
        };
        attempted.done(Some(&version))
    }

    /// An attempt by a version on trial, or beside one that is to see what the live one does.
    async fn carry_watched(
        &self,
        job: &mut Job,
        event: Arc<Event>,
        versions: &Versions<ConnectorCalls>,
        chosen: Chosen<ConnectorCalls>,
        turn: Option<&Turn<'_>>,
    ) -> Done {
        let Chosen { version, trial, shadow } = chosen;
        let attempted =
            self.attempted(job, event.clone(), Asked::Version(&version, trial.as_ref()), turn).await;
        if let Some(shadow) = shadow {
            shadow.attempt(versions.user(), &job.event, &attempted.attempt);
        }
        let Some((live, tally)) = trial else { return attempted.done(Some(&version)) };
        let Some(mut why) = failure(&attempted.attempt.result) else {
            judge_alone(&tally, &attempted.attempt.result);
            return attempted.done(Some(&version));
        };
        // The version before has the last word. What the other did is not done again where it asks for the same.
        job.has_turn &= attempted.attempt.asked.is_empty();
        let again = self.attempted_again(job, event, attempted.journalled, &live, turn).await;
        // A reply may have echoed a secret, and this is shown.
        versions.user().mask.text(&mut why);
        judge_beside(&tally, &why, &again.attempt.result);
        again.done(Some(&live))
    }

    /// An attempt by the live version after one on trial has failed.
    async fn attempted_again(
        &self,
        job: &mut Job,
        event: Arc<Event>,
        journalled: Option<Journalled>,
        live: &Rc<Version<ConnectorCalls>>,
        turn: Option<&Turn<'_>>,
    ) -> Attempted {
        let before = match &mut job.journal {
            Some(slot) => std::mem::replace(&mut slot.journalled, journalled),
            None => None,
        };
        let again = self.attempted(job, event.clone(), Asked::Version(live, None), turn).await;
        let (Err(Fault::Changed(_)), Some(slot)) = (&again.attempt.result, &mut job.journal) else {
            return again;
        };
        slot.journalled = Journalled::anew(before, slot.journalled.take());
        self.attempted(job, event, Asked::Version(live, None), turn).await
    }

    /// One attempt whose delivery is done with others', if that may be, before its plugin is asked for it alone. Where that
    /// settles it, the plugin never is.
    async fn attempted_with_others(
        &self,
        job: &Job,
        event: Arc<Event>,
        joining: Joining<'_>,
        turn: Option<&Turn<'_>>,
    ) -> Attempted {
        let idempotency_key: Arc<str> = event.idempotency_key(&self.subscription, job.part).into();
        let delivery = job.delivery(event, &idempotency_key, None);
        let waiting = turn.map(Turn::waiting);
        let answered = self.joined(joining, delivery, None, job.began, job.attempt_timeout).await;
        drop(waiting);
        if let Some(outcome) = answered.reply.as_ref().and_then(Outcome::delivered_by) {
            let attempt = Attempt::settled(answered.delivery, outcome);
            return Attempted { attempt, idempotency_key, journalled: None };
        }
        let asked = Asked::Version(joining.version, None);
        let begun = Begun {
            until: job.began + job.attempt_timeout + answered.waited(),
            delivery: answered.delivery,
            known: answered.reply.map_or(Known::Nothing, Known::Done),
            joining: Some((joining, 1)),
        };
        let attempt = Box::pin(self.attempt(job, &asked, begun, None, turn)).await;
        Attempted { attempt, idempotency_key, journalled: None }
    }

    /// One attempt by this one.
    async fn attempted(
        &self,
        job: &Job,
        event: Arc<Event>,
        asked: Asked<'_>,
        turn: Option<&Turn<'_>>,
    ) -> Attempted {
        let idempotency_key: Arc<str> = event.idempotency_key(&self.subscription, job.part).into();
        let slot = self.journal.as_ref().zip(job.journal.as_ref());
        let scribe =
            slot.map(|(writer, slot)| Box::new(writer.scribe(slot, &idempotency_key, asked.sha256())));
        let recorded = scribe.as_deref().and_then(Scribe::recorded);
        let begun = Begun {
            delivery: job.delivery(event, &idempotency_key, recorded),
            until: Instant::now() + job.attempt_timeout,
            known: recorded.into(),
            joining: self.joining(job, &asked).map(|joining| (joining, 0)),
        };
        let attempt = self.attempt(job, &asked, begun, scribe.as_deref(), turn).await;
        let journalled = match scribe {
            Some(scribe) => Box::pin(scribe.end(&attempt, job.has_more_parts)).await,
            None => None,
        };
        Attempted { attempt, idempotency_key, journalled }
    }

    /// The rounds of an attempt.
    async fn attempt(
        &self,
        job: &Job,
        asked: &Asked<'_>,
        begun: Begun<'_>,
        scribe: Option<&Scribe<'_>>,
        turn: Option<&Turn<'_>>,
    ) -> Attempt {
        let Begun { delivery, until, known, joining } = begun;
        let until = Cell::new(until);
        let step = async |delivery| asked.step(delivery, job.is_suspect).await;
        // What a request needs is much: boxed, a turn that waits is small.
        let perform = async |delivery: &Delivery, effect: Effect, place: Place, settles: bool| {
            let _waiting = turn.map(Turn::waiting);
            let may_join = settles && delivery.resolution.is_none() && is_joinable(&effect);
            match joining.filter(|(_, from)| may_join && place.round >= *from) {
                Some((joining, _)) => Box::pin(self.perform_joined(joining, delivery, effect, &until)).await,
                None => Box::pin(self.perform_own(delivery, effect, place, job.has_turn, &until)).await,
            }
        };
        let keep = async |delivery: &Delivery, asked: &[Vec<Effect>]| match scribe {
            Some(scribe) => Box::pin(scribe.keep(delivery, asked, until.get())).await,
            None => Ok(()),
        };
        let limits = asked.limits();
        let mut attempt = attempt(delivery, known, &limits, &until, step, perform, keep).await;
        attempt.see_trouble(|effect| self.gateway.is_to_endpoint(effect));
        asked.count(&attempt.result);
        attempt
    }

    /// What it may share requests by. What is in doubt goes by itself, and so does what was decided anew.
    fn joining<'a>(&'a self, job: &Job, asked: &Asked<'a>) -> Option<Joining<'a>> {
        let Asked::Version(version, trial) = *asked else { return None };
        let may = job.has_company && !job.is_suspect && !job.check_first && job.resolution.is_none();
        let joins = version.calls.joins.as_ref().filter(|_| may)?;
        Some(Joining { gatherings: self.gatherings.as_ref()?, version, joins, trial })
    }

    /// The one effect that settles a delivery with the reply to it, which may be done with others.
    async fn perform_joined(
        &self,
        joining: Joining<'_>,
        delivery: &Delivery,
        effect: Effect,
        until: &Cell<Instant>,
    ) -> (Effect, Reply) {
        let (before, now) = (until.get(), Instant::now());
        let left = before.saturating_duration_since(now);
        let answered = self.joined(joining, Box::new(delivery.clone()), Some(effect), now, left).await;
        until.set(until.get().max(before + answered.waited()));
        let Answered { effect: Some(effect), reply: Some(reply), .. } = answered else {
            unreachable!("an effect that is known is performed")
        };
        (effect, reply)
    }

    /// Waits for the rate limit. What is waited does not count: the attempt ends as much later.
    pub(super) async fn wait_turn(&self, has_turn: bool, until: &Cell<Instant>) {
        if !has_turn {
            let before = until.get();
            let waited = self.share.turn().await;
            // Of several effects that wait side by side the longest wait counts.
            until.set(until.get().max(before + waited));
        }
    }

    /// One effect with the reply to it, by itself. The first one of an attempt may have had its turn.
    async fn perform_own(
        &self,
        delivery: &Delivery,
        effect: Effect,
        place: Place,
        has_turn: bool,
        until: &Cell<Instant>,
    ) -> (Effect, Reply) {
        let is_first = place.round == 0 && place.position == 0;
        self.wait_turn(is_first && has_turn, until).await;
        let key = effect_key(&delivery.idempotency_key, place);
        let reply = self.exchange(&effect, &Call::of(delivery, &key, until.get())).await;
        (effect, reply)
    }

    /// Performs one effect, and notes how the external system took it. How fast another one answers says nothing of how
    /// much may be asked of the connector's own.
    pub(super) async fn exchange(&self, effect: &Effect, call: &Call<'_>) -> Reply {
        let start = Instant::now();
        let reply = self.gateway.perform(effect, call).await;
        let status = match &reply {
            Reply::Http(response) => StatusClass::of(response.status),
            Reply::Grpc(response) => StatusClass::of_grpc(response.status),
            Reply::Sql(response) => StatusClass::of_sql(response),
            Reply::Failed(_) => StatusClass::Failed,
        };
        let now = Instant::now();
        let took = now.saturating_duration_since(start);
        self.metrics.request_duration[status].observe(took);
        if self.gateway.is_to_endpoint(effect) {
            self.share.replied(took, trouble(&reply).is_some(), now);
        }
        reply
    }
}

impl Attempted {
    fn done(self, version: Option<&Version<ConnectorCalls>>) -> Done {
        let Self { attempt, idempotency_key, journalled } = self;
        let blamed = version.map(|version| version.blamed.clone());
        Done::Attempted { attempt, idempotency_key, journalled, blamed }
    }
}

/// The first effect of an attempt has the event's own key; each further one a key of its own that is as stable.
pub(crate) fn effect_key(key: &Arc<str>, place: Place) -> Arc<str> {
    match (place.round, place.position) {
        (0, 0) => key.clone(),
        (round, position) => format!("{key}-{round}-{position}").into(),
    }
}

/// Of the key and the attempt: the same after a restart, and another for each attempt.
pub(crate) fn seed(key: &str, attempt: u32) -> u64 {
    fnv_1a(key.bytes().chain(attempt.to_le_bytes()))
}
