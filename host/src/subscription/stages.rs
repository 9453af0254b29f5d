//! What one delivery passes through: transformers, the connector, the gateway. Joins the stages, which know nothing of
//! each other.
//!
//! Lives on one worker thread. In comes a `Job`, out goes a `Done`; what follows is decided elsewhere.

mod once;
mod scribe;
mod transform;
mod turn;

pub use once::SyncEnd;
pub(crate) use scribe::Writer;
pub(crate) use transform::transform_one;
pub(crate) use turn::{Done, Job, Stopped, effect_key, seed};

use std::cell::Cell;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::share::Share;
use crate::config::mask::Mask;
use crate::config::{self, SubscriptionName};
use crate::delivery::attempt;
use crate::egress::{EgressError, Gateway};
use crate::native::NativeConnector;
use crate::plugin::{Calls, Checks, Connectors, Plugin, PluginError, Transformers};
use crate::telemetry::{ConnectorMetrics, Telemetry};

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
    /// What strikes the connector's secrets out of texts. The gateway tells it of each that it reads or fetches.
    pub(crate) mask: Mask,
    /// For large bodies of replies that are kept for a later request.
    pub(crate) spool_folder: PathBuf,
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

impl Stages {
    /// Builds them for themselves, beside no subscription.
    pub(crate) fn alone(plan: &StagesPlan) -> Result<Self, StagesError> {
        let metrics = plan.telemetry.connector(&plan.connector_name);
        let share = Share::new(&plan.connector, metrics);
        Self::new(plan, share)
    }

    /// Builds them on the thread they will live on.
    pub(crate) fn new(plan: &StagesPlan, share: Share) -> Result<Self, StagesError> {
        let egress = |source| StagesError::Egress { connector: plan.connector_name.clone(), source };
        let gateway =
            Gateway::new(&plan.connector.egress, plan.mask.clone(), &plan.spool_folder).map_err(egress)?;
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
