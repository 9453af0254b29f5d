//! What one delivery passes through: transformers, the connector, the gateway. Joins the stages, which know nothing of
//! each other.
//!
//! Lives on one worker thread. In comes a [`Job`], out goes a [`Done`]; what follows is decided elsewhere.

mod once;
mod scribe;

pub use once::SyncEnd;
pub(crate) use scribe::Writer;

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use self::scribe::Scribe;
use super::journal::{Journalled, Slot};
use super::share::Share;
use crate::config::mask::Mask;
use crate::config::{self, SubscriptionName};
use crate::contract::{
    Delivery, Effect, Fault, HttpRequest, Reply, Reshaped, Step, TimestampMs, Transformed,
};
use crate::delivery::attempt::{self, Attempt, Place, attempt, trouble};
use crate::egress::{Call, EgressError, Gateway};
use crate::event::Event;
use crate::journal::rounds::Arguments;
use crate::native::NativeConnector;
use crate::plugin::{Calls, Checks, Connectors, Plugin, PluginError, Transformers};
use crate::telemetry::{ConnectorMetrics, StatusClass, Telemetry};

/// Events that one event may become.
const MAX_PARTS: usize = 1_000;
/// A plugin instance that nobody used for that long is let go.
const REST: Duration = Duration::from_secs(1);

/// A plugin as configured, loaded or linked in.
#[derive(Debug, Clone)]
pub(crate) enum Loaded {
    Component(Arc<Plugin>),
    Native(Arc<dyn NativeConnector>),
}

/// What a worker needs to build the stages. Everything else of a subscription is in the task.
#[derive(Debug, Clone)]
pub(crate) struct StagesPlan {
    pub(crate) subscription: SubscriptionName,
    pub(crate) connector_name: config::ConnectorName,
    pub(crate) connector: config::Connector,
    pub(crate) plugin: Loaded,
    /// Settings and plugin of each transformer, in order.
    pub(crate) transformers: Vec<(config::TransformerName, config::Transformer, Arc<Plugin>)>,
    pub(crate) telemetry: Telemetry,
}

impl StagesPlan {
    /// What strikes the connector's secrets out of texts.
    pub(crate) fn mask(&self) -> Result<Mask, StagesError> {
        Mask::of(self.connector.egress.credential.as_ref()).map_err(|error| StagesError::Egress {
            connector: self.connector_name.clone(),
            source: error.into(),
        })
    }
}

#[derive(Debug, thiserror::Error)]
pub enum StagesError {
    #[error(transparent)]
    Plugin(#[from] PluginError),
    #[error("connector {connector}: {source}")]
    Egress { connector: config::ConnectorName, source: EgressError },
}

#[derive(Debug)]
pub(crate) struct Stages {
    subscription: SubscriptionName,
    transformers: Vec<(config::TransformerName, Calls<Transformers>)>,
    connector: Connector,
    gateway: Gateway,
    share: Share,
    limits: attempt::Limits,
    metrics: ConnectorMetrics,
    next_rest: Cell<Instant>,
    /// Where what its deliveries were answered is kept, if anywhere.
    journal: Option<Writer>,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one a subscription")]
enum Connector {
    Plugin { deliver: Calls<Connectors>, check: Calls<Checks> },
    Native(Arc<dyn NativeConnector>),
}

/// One turn of a delivery: what is missing of its transformation, and one attempt.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) event: Rc<Event>,
    /// What the transformers made of it, where they have been asked; the first of them is next.
    pub(crate) next: Option<Rc<Event>>,
    /// Which of several parts `next` is.
    pub(crate) part: Option<u32>,
    /// Others come after it.
    pub(crate) has_more_parts: bool,
    pub(crate) attempt: u32,
    pub(crate) now: TimestampMs,
    pub(crate) deadline: Option<TimestampMs>,
    pub(crate) resolution: Option<crate::contract::Resolution>,
    /// It failed in a plugin before.
    pub(crate) is_suspect: bool,
    /// Ask the connector's `check` first.
    pub(crate) check_first: bool,
    pub(crate) attempt_timeout: Duration,
    /// The rate limit was asked for its first request.
    pub(crate) has_turn: bool,
    /// Where it is journalled, if it is, with what it was answered.
    pub(crate) journal: Option<Slot>,
}

/// What came of a turn.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly every turn is the large one")]
pub(crate) enum Done {
    /// Transformed into these, in order; nothing was attempted.
    Transformed(Vec<Event>),
    /// A transformer drops it, and why.
    Dropped(String),
    /// A transformer can never transform it, and why.
    TransformRejected { stopped: Stopped, why: String },
    /// A transformer failed.
    TransformFault { stopped: Stopped, fault: Fault },
    /// The connector's check says that the external system is not usable, and why.
    NotUsable(String),
    Attempted {
        attempt: Attempt,
        idempotency_key: Rc<str>,
        /// What is journalled of it now.
        journalled: Option<Journalled>,
    },
}

/// Where among the transformers a turn has ended.
#[derive(Debug)]
pub(crate) struct Stopped {
    /// Which of them it was, from 0.
    pub(crate) by: usize,
    pub(crate) transformer: config::TransformerName,
    /// What it was given.
    pub(crate) given: Rc<Event>,
}

impl Job {
    /// What the connector is told where no journal says otherwise.
    fn arguments(&self, idempotency_key: &str) -> Arguments {
        Arguments {
            attempt: self.attempt,
            now: self.now,
            seed: seed(idempotency_key, self.attempt),
            deadline: self.deadline,
            resolution: None,
        }
    }
}

impl Stages {
    /// Builds them for themselves, beside no subscription.
    pub(crate) fn alone(plan: &StagesPlan) -> Result<Self, StagesError> {
        let metrics = plan.telemetry.connector(&plan.connector_name);
        let share = Share::among(&plan.connector, metrics, 1).swap_remove(0);
        Self::new(plan, share)
    }

    /// Builds them on the thread they will live on.
    pub(crate) fn new(plan: &StagesPlan, share: Share) -> Result<Self, StagesError> {
        let egress = |source| StagesError::Egress { connector: plan.connector_name.clone(), source };
        let gateway = Gateway::new(&plan.connector.egress).map_err(egress)?;
        let user = plan.connector_name.as_str();
        let settings = &plan.connector.settings;
        let (connector, limits, call_twice) = match &plan.plugin {
            Loaded::Component(plugin) => {
                let metrics = plan.telemetry.plugin(&plugin.name);
                let deliver = plugin.connector(user, settings, metrics.clone())?;
                let check = plugin.checks(user, settings, metrics)?;
                (Connector::Plugin { deliver, check }, *plugin.limits(), plugin.is_called_twice())
            }
            Loaded::Native(native) => {
                (Connector::Native(native.clone()), config::Limits::default(), cfg!(debug_assertions))
            }
        };
        let mut transformers = Vec::with_capacity(plan.transformers.len());
        for (name, transformer, plugin) in &plan.transformers {
            let metrics = plan.telemetry.plugin(&plugin.name);
            let calls = plugin.transformer(name.as_str(), &transformer.settings, metrics)?;
            transformers.push((name.clone(), calls));
        }
        Ok(Self {
            subscription: plan.subscription.clone(),
            transformers,
            connector,
            gateway,
            share,
            limits: attempt::Limits { steps: limits.steps, effects: limits.effects, call_twice },
            metrics: plan.telemetry.connector(&plan.connector_name),
            next_rest: Cell::new(Instant::now()),
            journal: None,
        })
    }

    /// Keeps what its deliveries are answered.
    pub(crate) fn with_journal(self, journal: Writer) -> Self {
        Self { journal: Some(journal), ..self }
    }

    /// Drives the plugin calls that deliveries wait for. Ready when some of them were answered.
    pub(crate) fn poll_calls(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut answered = Poll::Pending;
        for (_, calls) in &self.transformers {
            answered = either(answered, calls.poll(context));
        }
        if let Connector::Plugin { deliver, check } = &self.connector {
            answered = either(answered, check.poll(context));
            answered = either(answered, deliver.poll(context));
        }
        answered
    }

    /// Lets go of plugin instances that nobody has needed for a while.
    pub(crate) fn rest(&self, now: Instant) {
        if now < self.next_rest.get() {
            return;
        }
        self.next_rest.set(now + REST);
        self.transformers.iter().for_each(|(_, calls)| calls.rest());
        if let Connector::Plugin { deliver, check } = &self.connector {
            deliver.rest();
            check.rest();
        }
    }

    /// Deliveries that wait for plugin calls which could take more of them along.
    pub(crate) fn waiting_with_room(&self) -> usize {
        let transforms: usize = self.transformers.iter().map(|(_, calls)| calls.waiting_with_room()).sum();
        match &self.connector {
            Connector::Plugin { deliver, .. } => transforms + deliver.waiting_with_room(),
            Connector::Native(_) => transforms,
        }
    }

    /// Runs what waits for plugin calls to its end, by itself.
    pub(crate) async fn drive<T>(&self, work: impl Future<Output = T>) -> T {
        drive(work, |context| self.poll_calls(context)).await
    }

    pub(crate) fn has_transformers(&self) -> bool {
        !self.transformers.is_empty()
    }

    /// One turn of a delivery.
    pub(crate) async fn carry(&self, job: Job) -> Done {
        let Some(event) = job.next.clone() else {
            return self.transform(job.event.clone(), job.is_suspect).await;
        };
        if job.check_first
            && let Err(why) = self.check(job.now).await
        {
            return Done::NotUsable(why);
        }
        let idempotency_key: Rc<str> = event.idempotency_key(&self.subscription, job.part).into();
        let slot = self.journal.as_ref().zip(job.journal.as_ref());
        let scribe = slot.map(|(writer, slot)| writer.scribe(slot, &idempotency_key));
        let recorded = scribe.as_ref().and_then(Scribe::recorded);
        let arguments =
            recorded.map_or_else(|| job.arguments(&idempotency_key), |recorded| recorded.arguments.clone());
        let delivery = Delivery {
            event,
            attempt: arguments.attempt,
            now: arguments.now,
            seed: arguments.seed,
            deadline: arguments.deadline,
            idempotency_key: idempotency_key.clone(),
            resolution: job.resolution.or(arguments.resolution),
            rounds: Vec::new(),
        };
        let until = Cell::new(Instant::now() + job.attempt_timeout);
        let step = async |delivery| self.step(delivery, job.is_suspect).await;
        let perform = async |delivery: &Delivery, request: &HttpRequest, place: Place| {
            let is_first = place.round == 0 && place.position == 0;
            self.wait_turn(is_first && job.has_turn, &until).await;
            self.perform(delivery, request, place, until.get()).await
        };
        let keep = async |delivery: &Delivery, asked: &[Vec<Effect>]| match &scribe {
            Some(scribe) => scribe.keep(delivery, asked, until.get()).await,
            None => Ok(()),
        };
        let attempt = attempt(delivery, recorded, self.limits, &until, step, perform, keep).await;
        if let (Err(fault @ (Fault::Nonsense(_) | Fault::Changed(_))), Connector::Plugin { deliver, .. }) =
            (&attempt.result, &self.connector)
        {
            deliver.count(fault);
        }
        let journalled = match scribe {
            Some(scribe) => scribe.end(&attempt, job.has_more_parts).await,
            None => None,
        };
        Done::Attempted { attempt, idempotency_key, journalled }
    }

    async fn step(&self, delivery: Delivery, is_suspect: bool) -> (Delivery, Result<Step, Fault>) {
        match &self.connector {
            Connector::Plugin { deliver, .. } => deliver.call(delivery, is_suspect).await,
            Connector::Native(native) => {
                let step = native.deliver(&delivery);
                (delivery, Ok(step))
            }
        }
    }

    /// Waits for the rate limit. What is waited does not count: the attempt ends as much later.
    async fn wait_turn(&self, has_turn: bool, until: &Cell<Instant>) {
        if !has_turn {
            let before = until.get();
            let waited = self.share.turn().await;
            // Of several effects that wait side by side the longest wait counts.
            until.set(until.get().max(before + waited));
        }
    }

    async fn perform(
        &self,
        delivery: &Delivery,
        request: &HttpRequest,
        place: Place,
        until: Instant,
    ) -> Reply {
        let key = effect_key(&delivery.idempotency_key, place);
        let data = match &delivery.resolution {
            Some(crate::contract::Resolution::Merged { data, .. }) => Some(data),
            Some(crate::contract::Resolution::Overwrite(_)) | None => delivery.event.data.as_ref(),
        };
        let call = Call {
            event_data: data,
            idempotency_key: Some(&key),
            traceparent: delivery.event.traceparent(),
            rounds: &delivery.rounds,
            deadline: until,
        };
        let start = Instant::now();
        let reply = self.gateway.perform(request, &call).await;
        let status = match &reply {
            Reply::Http(response) => StatusClass::of(response.status),
            Reply::Failed(_) => StatusClass::Failed,
        };
        let now = Instant::now();
        let took = now.saturating_duration_since(start);
        self.metrics.request_duration[status].observe(took);
        self.share.replied(took, trouble(&reply).is_some(), now);
        reply
    }

    /// Passes an event through all transformers: each is given what the one before emitted.
    async fn transform(&self, event: Rc<Event>, is_suspect: bool) -> Done {
        let mut events = vec![event];
        for (by, (name, calls)) in self.transformers.iter().enumerate() {
            let stopped = |given| Stopped { by, transformer: name.clone(), given };
            let mut emitted = Vec::new();
            let mut dropped = None;
            for event in events {
                let (event, result) = transform_one(calls, event, is_suspect, emitted.len()).await;
                match result {
                    Ok(Transformed::Emit(parts)) => {
                        emitted.extend(parts.into_iter().map(|part| Rc::new(reshape(&event, part))));
                    }
                    Ok(Transformed::Drop(why)) => dropped = Some(why),
                    Ok(Transformed::Reject(why)) => {
                        return Done::TransformRejected { stopped: stopped(event), why };
                    }
                    Err(fault) => return Done::TransformFault { stopped: stopped(event), fault },
                }
            }
            if let (true, Some(why)) = (emitted.is_empty(), dropped) {
                return Done::Dropped(why);
            }
            events = emitted;
        }
        Done::Transformed(events.into_iter().map(Rc::unwrap_or_clone).collect())
    }
}

/// Runs `work` to its end; `poll_calls` drives the plugin calls that it waits for.
pub(crate) async fn drive<T>(
    work: impl Future<Output = T>,
    poll_calls: impl Fn(&mut Context<'_>) -> Poll<()>,
) -> T {
    let mut work = pin!(work);
    std::future::poll_fn(|context| {
        loop {
            if let Poll::Ready(done) = work.as_mut().poll(context) {
                return Poll::Ready(done);
            }
            if poll_calls(context).is_pending() {
                return Poll::Pending;
            }
        }
    })
    .await
}

fn either(one: Poll<()>, other: Poll<()>) -> Poll<()> {
    if one.is_ready() { one } else { other }
}

/// One event through one transformer that has made so many of others already. An answer that makes no sense is a fault.
pub(crate) async fn transform_one(
    calls: &Calls<Transformers>,
    event: Rc<Event>,
    is_suspect: bool,
    emitted: usize,
) -> (Rc<Event>, Result<Transformed, Fault>) {
    let (event, result) = calls.call(event, is_suspect).await;
    let nonsense = match &result {
        Ok(Transformed::Emit(parts)) if parts.is_empty() => "emit without an event: use drop".to_owned(),
        Ok(Transformed::Emit(parts)) if emitted + parts.len() > MAX_PARTS => {
            format!("more than {MAX_PARTS} events from one")
        }
        Ok(_) | Err(_) => return (event, result),
    };
    let fault = Fault::Nonsense(nonsense);
    calls.count(&fault);
    (event, Err(fault))
}

/// What the transformer gave replaces what the event had; identity, time, key and origin stay.
fn reshape(event: &Event, reshaped: Reshaped) -> Event {
    Event {
        kind: reshaped.kind,
        subject: reshaped.subject,
        content_type: reshaped.content_type,
        data: reshaped.data,
        attributes: reshaped.attributes,
        id: event.id.clone(),
        source: event.source.clone(),
        time: event.time,
        key: event.key.clone(),
        origin: event.origin.clone(),
    }
}

/// The first effect of an attempt has the event's own key; each further one a key of its own that is as stable.
fn effect_key(key: &Rc<str>, place: Place) -> Rc<str> {
    match (place.round, place.position) {
        (0, 0) => key.clone(),
        (round, position) => format!("{key}-{round}-{position}").into(),
    }
}

/// FNV-1a over the key and the attempt: the same after a restart, and another for each attempt.
fn seed(key: &str, attempt: u32) -> u64 {
    let bytes = key.bytes().chain(attempt.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
