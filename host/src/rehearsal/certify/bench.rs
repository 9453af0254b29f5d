//! Runs one case under the circumstances of a trial: with a reply, or the event, or the host's luck changed.

use std::cell::RefCell;
use std::time::Duration;

use bytes::Bytes;

use super::super::case::{Case, ScriptedAnswer, ScriptedReply};
use super::super::run::{Answers, Cut, Run, Stage, Way, delivery, transform};
use super::super::simulated::Script;
use super::super::{RehearsalError, Subject, Surroundings, USER};
use super::trial::{Circumstances, Protocol, ReplyTrial, is_safe};
use crate::contract::{Effect, GrpcResponse, SqlResponse, SqlResult, SqlStatement, TimestampMs};
use crate::delivery::attempt::Place;
use crate::egress::{Gateway, Sent};
use crate::event::Event;
use crate::journal::rounds::{Arguments, Recorded, so_far};
use crate::plugin::{Calls, Observer, Plugin, Transformers};

/// How much later the next attempt begins.
const LATER_MS: TimestampMs = 60_000;

/// A plugin on the bench, with the settings of one case.
#[derive(Debug)]
pub(super) enum Bench {
    Connector { stage: Box<Stage>, gateway: Box<Gateway>, max_reply_bytes: u64 },
    Transformer { calls: Box<Calls<Transformers>>, observer: Observer },
}

impl Bench {
    pub(super) fn new(subject: &Subject, plugin: &Plugin, case: &Case) -> Result<Self, RehearsalError> {
        if !plugin.is_connector() {
            let calls = plugin.transformer(USER, &case.settings, subject.metrics())?;
            return Ok(Self::Transformer { calls: Box::new(calls), observer: subject.observer.clone() });
        }
        let surroundings = Surroundings::of_case(case);
        Ok(Self::Connector {
            stage: Box::new(subject.stage_of(plugin, &surroundings)?),
            max_reply_bytes: surroundings.egress.max_reply_bytes,
            gateway: Box::new(Gateway::unconnected(&surroundings.egress, &subject.spool_folder)?),
        })
    }

    /// As the case is written.
    pub(super) async fn as_scripted(&self, case: &Case) -> Run {
        let script = RefCell::new(Script::new(&case.requests));
        self.run(case, Cut::default(), &script).await
    }

    /// With one reply changed, and each further one to the same request.
    pub(super) async fn tampered(&self, case: &Case, at: Place, trial: ReplyTrial, secret: &str) -> Run {
        let Self::Connector { stage, max_reply_bytes, .. } = self else {
            return self.as_scripted(case).await;
        };
        let tampered = Tampered {
            script: RefCell::new(Script::new(&case.requests)),
            at,
            call: RefCell::default(),
            trial,
            given: Circumstances {
                attempt_timeout: stage.attempt_timeout,
                now: case.delivery.now,
                max_reply_bytes: *max_reply_bytes,
                secret,
            },
        };
        self.run(case, Cut::default(), &tampered).await
    }

    /// The attempt that follows, a minute later.
    pub(super) async fn next_attempt(&self, case: &Case) -> Run {
        let mut case = case.clone();
        case.delivery.attempt += 1;
        case.delivery.now += LATER_MS;
        self.as_scripted(&case).await
    }

    /// With another event, at an endpoint that is content with whatever it is asked.
    pub(super) async fn with_event(&self, case: &Case, event: Event) -> Run {
        let case = Case { event, ..case.clone() };
        let agreeable = Agreeable(RefCell::new(Script::new(&case.requests)));
        self.run(&case, Cut::default(), &agreeable).await
    }

    /// With a crash after so many rounds, and what the host does when it is up again.
    pub(super) async fn crashed(&self, case: &Case, after_rounds: usize) -> Option<Run> {
        let Self::Connector { stage, gateway, max_reply_bytes } = self else { return None };
        let script = RefCell::new(Script::new(&case.requests));
        let way = Way::Scripted { gateway, answers: &script, max_reply_bytes: *max_reply_bytes };
        let cut = Cut { recorded: None, after_rounds: Some(after_rounds) };
        let (_, before) = stage.run(delivery(case), cut, &way).await;
        let recorded = Recorded {
            idempotency_key: before.delivery.idempotency_key.to_string(),
            arguments: Arguments::of(&before.delivery),
            rounds: so_far(&before.asked, &before.delivery.rounds),
        };
        // What is not in the journal is asked again, so the script begins anew.
        let script = RefCell::new(Script::new(&case.requests));
        let way = Way::Scripted { gateway, answers: &script, max_reply_bytes: *max_reply_bytes };
        let cut = Cut { recorded: Some(&recorded), after_rounds: None };
        Some(stage.run(delivery(case), cut, &way).await.0)
    }

    async fn run(&self, case: &Case, cut: Cut<'_>, answers: &dyn Answers) -> Run {
        match self {
            Self::Transformer { calls, observer } => transform(calls, observer, case.event.clone()).await,
            Self::Connector { stage, gateway, max_reply_bytes } => {
                let way = Way::Scripted { gateway, answers, max_reply_bytes: *max_reply_bytes };
                stage.run(delivery(case), cut, &way).await.0
            }
        }
    }
}

/// An endpoint that answers one request otherwise than the script.
#[derive(Debug)]
struct Tampered<'a> {
    script: RefCell<Script<'a>>,
    at: Place,
    /// The request at that place, once it was asked: method and URL.
    call: RefCell<Option<(String, String)>>,
    trial: ReplyTrial,
    given: Circumstances<'a>,
}

impl Answers for Tampered<'_> {
    fn answer(&self, place: Place, sent: &Sent, effect: &Effect) -> Option<ScriptedReply> {
        let scripted = self.script.borrow_mut().answer(place, &sent.method, &sent.url).cloned();
        let mut call = self.call.borrow_mut();
        if place.round == self.at.round && place.position == self.at.position {
            *call = Some((sent.method.clone(), sent.url.clone()));
        }
        let is_it = call.as_ref().is_some_and(|(method, url)| *method == sent.method && *url == sent.url);
        if !is_it {
            return scripted;
        }
        let scripted = scripted.unwrap_or_else(|| simple(effect, 200));
        Some(match Protocol::of(effect) {
            Protocol::Http => self.trial.reply(&scripted, &self.given),
            Protocol::Grpc => self.trial.grpc_reply(&scripted, &self.given),
            Protocol::Sql => self.trial.sql_reply(&scripted, &self.given),
        })
    }
}

/// An endpoint that takes everything, and holds nothing but what is scripted.
#[derive(Debug)]
struct Agreeable<'a>(RefCell<Script<'a>>);

impl Answers for Agreeable<'_> {
    fn answer(&self, place: Place, sent: &Sent, effect: &Effect) -> Option<ScriptedReply> {
        let scripted = self.0.borrow_mut().answer(place, &sent.method, &sent.url).cloned();
        scripted.or_else(|| Some(simple(effect, if is_safe(&sent.method) { 404 } else { 200 })))
    }
}

/// This status without anything to read; to a gRPC call, OK; to SQL, one row changed by each statement that changes any.
fn simple(effect: &Effect, status: u16) -> ScriptedReply {
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    let changed = |statement: &SqlStatement| SqlResult {
        affected: u64::from(!statement.only_reads()),
        ..SqlResult::default()
    };
    let answer = match effect {
        Effect::Sql(request) => {
            ScriptedAnswer::Sql(SqlResponse::Done(request.statements.iter().map(changed).collect()))
        }
        Effect::Grpc(_) => ScriptedAnswer::Grpc(GrpcResponse {
            status: 0,
            status_message: String::new(),
            metadata: Vec::new(),
            message: None,
        }),
        Effect::Http(_) => ScriptedAnswer::Http { status, headers, body: Bytes::from_static(b"{}") },
    };
    ScriptedReply { answer, after: Duration::ZERO }
}
