//! Sends dead letters through their own subscription again: the same transformers, connector, gateway and rules.
//!
//! ```text
//! hold the topic ─▶ read what waits ─▶ follow the source ─▶ a lane a key, oldest first ─▶ mark (acknowledged)
//!  (nobody else)    (no mark yet)      (who is overtaken)    (paced, with the SLA's retries)
//! ```
//!
//! Each letter is marked when it has ended, so a run that was killed is taken up by the next: only what was in flight
//! is sent twice, under the same idempotency key. When the external system is down the run ends and what is left waits
//! on. A letter that fails again is replaced by a new one, which counts that.

mod load;
mod one;
mod overtaken;
mod pace;
mod taken;
mod tray;
mod tries;
mod turn;
mod words;

use std::cell::RefCell;
use std::pin::pin;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use self::load::loadable;
pub(crate) use self::overtaken::Overtaken;
use self::pace::Pace;
pub use self::taken::Take;
pub(crate) use self::tray::Tray;
use self::words::End;
pub use self::words::{RedriveError, Refused, Report, Request};
use super::filter::Filter;
use super::letters::send_once;
use super::stages::Stages;
use super::{SubscriptionPlan, unix_ms};
use crate::dead_letter::DeadLetter;
use crate::dead_letter::listing::Summary;
use crate::dead_letter::mark::{Mark, Resolution};
use crate::dead_letter::store::{LetterId, StoreError, outgoing_mark};
use crate::delivery::breaker::Breaker;
use crate::event::DecodeRules;
use crate::kafka::hold::Hold;

/// Sends what is asked for again, until all of it has ended or `stop` is ready.
pub(crate) async fn redrive(
    plan: SubscriptionPlan,
    request: Request,
    stop: impl Future<Output = ()>,
) -> Result<Report, RedriveError> {
    let tray = Tray {
        kafka: plan.kafka.clone(),
        bootstrap: plan.bootstrap.clone(),
        name: plan.stages.subscription.clone(),
        subscription: plan.settings.clone(),
    };
    let Some(mut held) = tray.hold().await? else {
        return match (&request.take, &request.selection.id) {
            (Some(_), Some(id)) => Err(StoreError::NoSuchLetter(id.clone()).into()),
            (None, _) | (_, None) => Ok(Report::default()),
        };
    };
    let result = run(&plan, &tray, &request, &mut held, stop).await;
    held.release().await;
    result
}

async fn run(
    plan: &SubscriptionPlan,
    tray: &Tray,
    request: &Request,
    held: &mut Hold,
    stop: impl Future<Output = ()>,
) -> Result<Report, RedriveError> {
    let waiting = tray.waiting(&request.selected(), request.force).await?;
    tray.resolvable(request, &waiting).await?;
    tracing::info!(letters = waiting.letters.len(), "looking for later events of the same keys");
    let overtaken =
        Overtaken::follow(&plan.kafka, &plan.registry, &plan.bootstrap, &plan.settings, &waiting).await?;
    let run = Run::new(plan, tray, request, overtaken)?;
    let mut interrupted = pin!(async {
        tokio::select! {
            () = held.lost() => "another has joined, or Kafka has lost sight of this one".to_owned(),
            () = stop => "it was told to".to_owned(),
        }
    });
    let mut work = pin!(run.all(waiting.letters));
    let done = tokio::select! {
        done = &mut work => Some(done),
        why = &mut interrupted => {
            run.stop(why);
            None
        }
    };
    match done {
        Some(done) => done?,
        None => work.await?,
    }
    let mut report = run.report.borrow().clone();
    report.stopped = run.stopped.borrow().clone();
    Ok(report)
}

/// One run, on one worker thread.
struct Run<'a> {
    plan: &'a SubscriptionPlan,
    tray: &'a Tray,
    request: &'a Request,
    overtaken: Overtaken,
    stages: Stages,
    filter: Filter,
    rules: DecodeRules,
    room: Semaphore,
    pace: RefCell<Pace>,
    breaker: RefCell<Breaker>,
    random: RefCell<fastrand::Rng>,
    report: RefCell<Report>,
    /// Why it ends early.
    stopped: watch::Sender<Option<String>>,
}

impl<'a> Run<'a> {
    fn new(
        plan: &'a SubscriptionPlan,
        tray: &'a Tray,
        request: &'a Request,
        overtaken: Overtaken,
    ) -> Result<Self, RedriveError> {
        let settings = &plan.settings;
        Ok(Self {
            plan,
            tray,
            request,
            overtaken,
            stages: Stages::alone(&plan.stages)?,
            filter: Filter::new(settings.types.set().clone(), settings.filter.as_deref())?,
            rules: DecodeRules { type_header: plan.kafka.type_header.clone() },
            room: Semaphore::new(plan.stages.connector.concurrency),
            pace: RefCell::new(Pace::new(request.rate, Instant::now())),
            breaker: RefCell::new(Breaker::new(plan.stages.connector.breaker)),
            random: RefCell::default(),
            report: RefCell::default(),
            stopped: watch::Sender::new(None),
        })
    }

    /// All letters, in the order of their originals; as many at a time as may be in memory.
    async fn all(&self, letters: Vec<Summary>) -> Result<(), RedriveError> {
        let mut rest = &letters[..];
        while !rest.is_empty() && self.stopped.borrow().is_none() {
            let (now, later) = rest.split_at(loadable(rest));
            rest = later;
            let loaded = self.load(now).await?;
            let mut lanes: FuturesUnordered<_> =
                self.lanes(now, loaded).into_iter().map(|lane| self.lane(lane)).collect();
            self.stages.drive(async { while lanes.next().await.is_some() {} }).await;
        }
        self.report.borrow_mut().left += rest.len();
        Ok(())
    }

    /// The letters of one key, one after another. What is behind one that is refused would overtake it, and waits on.
    async fn lane(&self, letters: Vec<(Summary, Option<DeadLetter>)>) {
        let mut letters = letters.into_iter();
        while let Some((summary, letter)) = letters.next() {
            let place = turn::Place::default();
            let end = match letter {
                Some(letter) => self.one(&summary, &letter, &place).await,
                None => End::Left,
            };
            let is_refused = matches!(end, End::Refused(_));
            if let Err(why) = self.ended(&summary, end).await {
                self.report.borrow_mut().left += 1;
                self.stop(why);
            }
            if is_refused {
                self.report.borrow_mut().left += letters.len();
                return;
            }
        }
    }

    /// Marks a letter that has ended; the error is why Kafka did not take the mark.
    async fn ended(&self, letter: &Summary, end: End) -> Result<(), String> {
        let (resolution, note, count): (_, _, fn(&mut Report) -> &mut usize) = match end {
            End::Delivered => {
                let note = self.request.take.as_ref().map(Take::note);
                (Resolution::Redriven, note, |report| &mut report.delivered)
            }
            End::Filtered(why) => {
                (Resolution::Redriven, Some(format!("not wanted: {why}")), |report| &mut report.filtered)
            }
            End::Superseded(why) => {
                tracing::info!(letter = %letter.id, why, "superseded");
                (Resolution::Superseded, Some(why), |report| &mut report.superseded)
            }
            End::Failed(new) => {
                let id = self.replace(letter, &new).await?;
                (Resolution::Redriven, Some(format!("failed again, see {id}")), |report| &mut report.failed)
            }
            End::Refused(why) => {
                tracing::warn!(letter = %letter.id, why, "it cannot be resolved, and waits on");
                self.report.borrow_mut().refused.push(Refused { id: letter.id.clone(), why });
                return Ok(());
            }
            End::Left => {
                self.report.borrow_mut().left += 1;
                return Ok(());
            }
        };
        let mark = Mark { offset: letter.id.offset, resolution, at: unix_ms(), note };
        let mark = outgoing_mark(letter.id.partition, &mark, &self.plan.settings.dead_letter_topic);
        self.plan.producer.send(mark).await.map_err(|error| error.to_string())?;
        *count(&mut self.report.borrow_mut()) += 1;
        Ok(())
    }

    /// Writes the new letter of one that failed again.
    async fn replace(&self, old: &Summary, new: &DeadLetter) -> Result<LetterId, String> {
        let sent = send_once(&self.plan.producer, new, &self.plan.settings.dead_letter_topic).await;
        let (partition, offset) = sent.map_err(|error| error.to_string())?;
        let id = LetterId { partition, offset, ..old.id.clone() };
        tracing::warn!(letter = %old.id, new = %id, message = new.message, "failed again");
        Ok(id)
    }

    /// Nothing more starts; what is in flight ends. The first reason counts.
    fn stop(&self, why: String) {
        self.stopped.send_if_modified(|stopped| {
            let is_first = stopped.is_none();
            stopped.get_or_insert(why);
            is_first
        });
    }

    /// `false` when the run ends first.
    async fn wait_until(&self, at: Instant) -> bool {
        let mut stopped = self.stopped.subscribe();
        if stopped.borrow_and_update().is_some() {
            return false;
        }
        tokio::select! {
            () = tokio::time::sleep_until(at) => self.stopped.borrow().is_none(),
            // Only `stop` changes it.
            _ = stopped.changed() => false,
        }
    }
}
