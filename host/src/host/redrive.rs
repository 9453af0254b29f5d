//! Works on dead letters for a person: what would go, sending again, giving up for good.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::plans::Ground;
use super::prepare::Delays;
use super::retention::RetentionWatch;
use super::{Host, HostError, RedriveError, RedriveReport, RedriveRequest, workers};
use crate::config::{Config, Kafka, SubscriptionName};
use crate::dead_letter::listing::Summary;
use crate::dead_letter::mark::{Mark, Resolution};
use crate::dead_letter::selection::Selection;
use crate::dead_letter::store::outgoing_mark;
use crate::event::Origin;
use crate::kafka::producer::Producer;
use crate::kafka::topics::Topics;
use crate::schema_registry::SchemaRegistry;
use crate::subscription::redrive::{Overtaken, Tray, redrive};
use crate::subscription::unix_ms;
use crate::telemetry::Telemetry;

/// The dead letters of one subscription of a configuration. Needs no plugin and no secret.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    tray: Tray,
}

/// A dead letter that waits.
#[derive(Debug, Clone)]
pub struct Candidate {
    pub letter: Summary,
    /// The later event of its key that has overtaken it.
    pub overtaken_by: Option<Origin>,
}

impl DeadLetters {
    /// `None` if the configuration has no such subscription.
    pub fn of(
        config: &Config,
        kafka: Kafka,
        bootstrap: &str,
        subscription: &SubscriptionName,
    ) -> Option<Self> {
        let settings = config.subscriptions.get(subscription)?.clone();
        let (bootstrap, name) = (bootstrap.to_owned(), subscription.clone());
        Some(Self { tray: Tray { kafka, bootstrap, name, subscription: settings } })
    }

    /// What a redrive would take now, in the order in which it would go.
    pub async fn candidates(&self, request: &RedriveRequest) -> Result<Vec<Candidate>, RedriveError> {
        let Tray { kafka, bootstrap, subscription, .. } = &self.tray;
        let waiting = self.tray.waiting(&request.selected(), request.force).await?;
        self.tray.resolvable(request, &waiting).await?;
        // Nothing is asked of it here: of an event in the wire format it is held that it is wanted.
        let registry =
            SchemaRegistry::unasked(kafka.schema_registry.as_ref(), Telemetry::new().schema_registry());
        let overtaken = Overtaken::follow(kafka, &registry, bootstrap, subscription, &waiting).await?;
        let candidates = waiting.letters.into_iter().map(|letter| {
            let overtaken_by = overtaken.by(&letter)?;
            Ok(Candidate { letter, overtaken_by })
        });
        candidates.collect()
    }

    /// Gives up for good what is asked for and waits; how many that were. Nobody else may be at work on them.
    pub async fn discard(&self, selection: &Selection, reason: &str) -> Result<usize, DiscardError> {
        let Some(held) = self.tray.hold().await? else { return Ok(0) };
        let discarded = self.mark_discarded(selection, reason).await;
        held.release().await;
        discarded
    }

    async fn mark_discarded(&self, selection: &Selection, reason: &str) -> Result<usize, DiscardError> {
        let Tray { kafka, bootstrap, subscription, .. } = &self.tray;
        let producer = Producer::new(kafka, bootstrap).map_err(RedriveError::from)?;
        let letters = self.tray.waiting(selection, true).await?.letters;
        for (done, letter) in letters.iter().enumerate() {
            let (offset, note) = (letter.id.offset, Some(reason.to_owned()));
            let mark = Mark { offset, resolution: Resolution::Discarded, at: unix_ms(), note };
            let mark = outgoing_mark(letter.id.partition, &mark, &subscription.dead_letter_topic);
            let sent = producer.send(mark).await;
            sent.map_err(|source| DiscardError::Produce { done, all: letters.len(), source })?;
        }
        Ok(letters.len())
    }
}

#[derive(Debug, thiserror::Error)]
pub enum DiscardError {
    #[error(transparent)]
    Letters(#[from] RedriveError),
    #[error("{done} of {all} are discarded, then Kafka took no more: {source}")]
    Produce { done: usize, all: usize, source: crate::kafka::producer::ProduceError },
}

impl Host {
    /// Sends the dead letters of its subscriptions that are asked for again, one subscription after another, until all
    /// have ended or `stop` is ready. Fails when somebody else is at it.
    pub async fn redrive(
        &self,
        bootstrap: &str,
        request: &RedriveRequest,
        stop: impl Future<Output = ()>,
    ) -> Result<BTreeMap<SubscriptionName, RedriveReport>, HostError> {
        let config = &self.setup.config;
        Topics::new(&config.kafka, bootstrap)?.wait_for_brokers(config.kafka.start_timeout).await?;
        let producer = Arc::new(Producer::new(&config.kafka, bootstrap)?);
        // Who redrives is there: the log tells.
        let metrics = self.setup.telemetry.alerts().clone();
        let (alerts, _nobody) = crate::alert::alerts(&Default::default(), metrics)?;
        let retentions = RetentionWatch::of_nothing(config);
        let ground = Ground { bootstrap: bootstrap.to_owned(), producer, alerts, retentions };
        let mut stop = std::pin::pin!(stop);
        let mut is_stopped = false;
        let mut reports = BTreeMap::new();
        for (name, plan) in self.setup.plans(config.subscriptions.keys(), &ground, &Delays::new())? {
            let (tell, told) = oneshot::channel::<()>();
            let work = move |(plan, request, told): (_, _, oneshot::Receiver<()>)| {
                redrive(plan, request, async move { drop(told.await) })
            };
            let mut work = std::pin::pin!(workers::on_a_worker(work, (plan, request.clone(), told)));
            let report = tokio::select! {
                report = &mut work => report,
                () = &mut stop, if !is_stopped => {
                    is_stopped = true;
                    drop(tell);
                    work.await
                }
            };
            let failed = |source| HostError::Redrive { subscription: name.clone(), source: Box::new(source) };
            let report = report.map_err(failed)?;
            reports.insert(name, report);
            if is_stopped {
                break;
            }
        }
        Ok(reports)
    }
}
