//! A host while it runs: its subscriptions, and one reload at a time.
//!
//! ```text
//!              asked              prepared                        all have left, all have started
//!   running ──────────▶ preparing ─────────▶ changing (stop, start) ─────────────────────────────▶ running
//!      ▲                    │ refused
//!      └────────────────────┘
//! ```
//!
//! In come ends of subscriptions, requests and the word to shut down. What another configuration means is decided in
//! `changes`; until it is prepared as a whole, nothing that runs is touched.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use super::changes::{Changes, Waits};
use super::next::{Next, prepare};
use super::plans::Ground;
use super::reload::{self, Answer, ReloadError, Reloaded, Request};
use super::retention::RetentionWatch;
use super::setup::Setup;
use super::workers::{End, Planned, Workers};
use super::{HostError, unix_seconds};
use crate::config::{PluginName, SubscriptionName};
use crate::subscription::SubscriptionError;
use crate::telemetry::ReloadResult;

#[derive(Debug)]
pub(super) struct Supervisor {
    setup: Arc<Setup>,
    ground: Ground,
    retention: RetentionWatch,
    workers: Workers,
    reload: Reload,
    /// The first subscription that could not go on.
    failure: Option<(SubscriptionName, SubscriptionError)>,
}

/// The reload that is under way, if any.
enum Reload {
    None,
    Preparing(BoxFuture<'static, Result<Box<Next>, ReloadError>>, Answer),
    Changing(Change),
}

#[derive(Debug)]
struct Change {
    changes: Changes,
    /// Those that were told to stop and have not ended.
    leaving: BTreeSet<SubscriptionName>,
    waiting: Vec<(Planned, Waits)>,
    answer: Answer,
}

enum Happened {
    Ended(End),
    Asked(Request),
    Prepared(Result<Box<Next>, ReloadError>),
    Shutdown,
}

impl Supervisor {
    pub(super) fn new(setup: Arc<Setup>, ground: Ground, retention: RetentionWatch) -> Self {
        let workers = Workers::new();
        setup.telemetry.reloads().loaded_at.set(unix_seconds());
        Self { setup, ground, retention, workers, reload: Reload::None, failure: None }
    }

    /// Starts what the configuration names, and goes on until `shutdown` is ready or a subscription cannot go on.
    pub(super) async fn run(
        &mut self,
        plans: Vec<Planned>,
        requests: &mut mpsc::Receiver<Request>,
        mut shutdown: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<(), HostError> {
        self.start(plans).await?;
        loop {
            let is_free = matches!(self.reload, Reload::None);
            let happened = tokio::select! {
                biased;
                () = &mut shutdown => Happened::Shutdown,
                end = self.workers.next() => Happened::Ended(end),
                next = self.reload.prepared() => Happened::Prepared(next),
                Some(request) = requests.recv(), if is_free => Happened::Asked(request),
            };
            match happened {
                Happened::Shutdown => {
                    tracing::info!("shutting down: finishing what is in flight");
                    return Ok(());
                }
                Happened::Ended(end) if end.was_told => self.stopped(end).await?,
                Happened::Ended(end) => {
                    self.heard(end);
                    return Ok(());
                }
                Happened::Asked(Request { config, places, answer }) => {
                    let preparing = prepare(self.setup.clone(), self.ground.clone(), *config, places);
                    // A fault in what is only tried must not end what runs.
                    let preparing = AssertUnwindSafe(preparing).catch_unwind();
                    let preparing = preparing.map(|next| next.unwrap_or(Err(ReloadError::Fault)));
                    self.reload = Reload::Preparing(preparing.boxed(), answer);
                }
                Happened::Prepared(next) => self.prepared(next).await?,
            }
        }
    }

    /// Stops all subscriptions and waits for them; the first that could not go on, if one could not.
    pub(super) async fn end(mut self) -> Option<(SubscriptionName, SubscriptionError)> {
        // Who waits for a reload hears that there is none.
        self.reload = Reload::None;
        self.workers.stop_all();
        while let Some(end) = self.workers.last().await {
            self.heard(end);
        }
        self.failure
    }

    fn heard(&mut self, End { name, result, .. }: End) {
        let Err(error) = result else { return };
        if self.failure.is_some() {
            tracing::error!(subscription = %name, %error, "a subscription failed");
        } else {
            self.failure = Some((name, error));
        }
    }

    async fn start(&mut self, plans: Vec<Planned>) -> Result<(), HostError> {
        let count = self.setup.config.runtime.workers;
        self.workers.start(plans, count).await.map_err(HostError::Worker)
    }

    async fn prepared(&mut self, next: Result<Box<Next>, ReloadError>) -> Result<(), HostError> {
        let Reload::Preparing(_, answer) = std::mem::replace(&mut self.reload, Reload::None) else {
            return Ok(());
        };
        match next {
            Ok(next) => self.change(*next, answer).await,
            Err(error) => {
                reload::refused(self.setup.telemetry.reloads(), &error);
                // Who asked may be gone.
                drop(answer.send(Err(error)));
                Ok(())
            }
        }
    }

    /// From here on the new configuration holds.
    async fn change(&mut self, next: Next, answer: Answer) -> Result<(), HostError> {
        let Next { setup, changes, starts, receivers, token, rules } = next;
        for (name, parts) in &changes.restarted {
            let changed = parts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            tracing::info!(subscription = %name, changed, "the subscription restarts");
        }
        self.ground.alerts.replace(receivers).await;
        setup.door.open_to(token);
        setup.rulebook.follow(rules);
        self.retention.follow(&setup.config);
        let leaving: BTreeSet<_> = changes.stopped().cloned().collect();
        leaving.iter().for_each(|name| self.workers.stop(name));
        setup.follow().into_iter().for_each(|over| self.ground.alerts.over(over));
        self.setup = Arc::new(setup);
        self.reload = Reload::Changing(Change { changes, leaving, waiting: starts, answer });
        self.go_on().await
    }

    /// A subscription has ended that was told to.
    async fn stopped(&mut self, end: End) -> Result<(), HostError> {
        self.forget(&end).await;
        let End { name, result, .. } = end;
        if let Err(error) = result {
            let text = "a subscription did not end in order: some of its events may come again";
            tracing::error!(subscription = %name, %error, "{text}");
        }
        let Reload::Changing(change) = &mut self.reload else { return Ok(()) };
        change.leaving.remove(&name);
        for (_, waits) in &mut change.waiting {
            waits.remove(&name);
        }
        self.go_on().await
    }

    /// What operators are told of a subscription that has ended is over: what it finds when it starts anew is news.
    async fn forget(&mut self, End { name, connector, is_last, .. }: &End) {
        let Setup { config, telemetry, health, .. } = &*self.setup;
        health.of(name.as_str()).clear();
        self.ground.alerts.ended(name.clone(), is_last.then(|| connector.clone())).await;
        if config.subscriptions.get(name).is_none_or(|now| now.connector != *connector) {
            telemetry.forget_subscription(name, connector);
        }
        if !config.subscriptions.values().any(|now| now.connector == *connector) {
            telemetry.forget_connector(connector);
        }
    }

    /// Starts what waits for nobody any more, and answers when that was all.
    async fn go_on(&mut self) -> Result<(), HostError> {
        let Reload::Changing(change) = &mut self.reload else { return Ok(()) };
        let ready: Vec<_> = change.waiting.extract_if(.., |(_, waits)| waits.is_empty()).collect();
        let is_over = change.waiting.is_empty() && change.leaving.is_empty();
        self.start(ready.into_iter().map(|(plan, _)| plan).collect()).await?;
        if is_over && let Reload::Changing(change) = std::mem::replace(&mut self.reload, Reload::None) {
            self.tell(change);
        }
        Ok(())
    }

    fn tell(&self, Change { changes, answer, .. }: Change) {
        let reloaded = Reloaded::from(&changes);
        let metrics = self.setup.telemetry.reloads();
        metrics.reloads[ReloadResult::Applied].inc();
        metrics.loaded_at.set(unix_seconds());
        let text = |names: &BTreeSet<SubscriptionName>| {
            names.iter().map(SubscriptionName::as_str).collect::<Vec<_>>().join(",")
        };
        tracing::info!(
            added = text(&reloaded.added),
            removed = text(&reloaded.removed),
            restarted = text(&reloaded.restarted),
            unchanged = reloaded.unchanged.len(),
            plugins = reloaded.plugins.iter().map(PluginName::as_str).collect::<Vec<_>>().join(","),
            "the configuration is reloaded"
        );
        // Who asked may be gone.
        drop(answer.send(Ok(reloaded)));
    }
}

impl Reload {
    /// What is prepared, when it is; pending while nothing is being prepared.
    async fn prepared(&mut self) -> Result<Box<Next>, ReloadError> {
        match self {
            Reload::Preparing(preparing, _) => preparing.await,
            Reload::None | Reload::Changing(_) => std::future::pending().await,
        }
    }
}

impl std::fmt::Debug for Reload {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Reload::None => "None",
            Reload::Preparing(..) => "Preparing",
            Reload::Changing(_) => "Changing",
        })
    }
}
