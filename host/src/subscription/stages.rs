//! What one delivery passes through: transformers, the connector, the gateway. Joins the stages, which know nothing of
//! each other.
//!
//! Lives on one worker thread. In comes a `Job`, out goes a `Done`; what follows is decided elsewhere.

mod asked;
mod gather;
mod job;
mod joint;
mod once;
mod scribe;
pub(crate) mod served;
pub(crate) mod shadow;
mod transform;
mod turn;
mod verdict;
mod versions;

pub(crate) use job::{Done, Job, Stopped};
pub(crate) use once::CHECK_TIME;
pub use once::SyncEnd;
pub(crate) use scribe::Writer;
pub(crate) use transform::transform_one;
pub(crate) use turn::{effect_key, seed};

use std::cell::Cell;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use self::gather::Gatherings;
use self::served::Line;
use self::shadow::User;
use self::versions::{ConnectorCalls, Versions};
use super::share::Share;
use crate::config::mask::Mask;
use crate::config::{self, SubscriptionName};
use crate::delivery::ask;
use crate::egress::{EgressError, Gateway};
use crate::native::NativeConnector;
use crate::plugin::{Calls, PluginError, Transformers};
use crate::telemetry::{ConnectorMetrics, Telemetry};

/// A plugin instance that nobody used for that long is let go.
const REST: Duration = Duration::from_secs(1);

/// A plugin as configured, loaded or linked in.
#[derive(Debug, Clone)]
pub(crate) enum Loaded {
    Component(Line),
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
    pub(crate) transformers: Vec<(config::TransformerName, config::Transformer, Line)>,
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
    transformers: Vec<(config::TransformerName, Versions<Calls<Transformers>>)>,
    connector: Connector,
    gateway: Gateway,
    share: Share,
    metrics: ConnectorMetrics,
    next_rest: Cell<Instant>,
    /// Where what its deliveries were answered is kept, if anywhere.
    journal: Option<Writer>,
    /// Where its deliveries are joined.
    gatherings: Option<Gatherings>,
}

#[derive(Debug)]
enum Connector {
    Plugin(Versions<ConnectorCalls>),
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
        let connector = match &plan.plugin {
            Loaded::Component(line) => Connector::Plugin(connector_versions(plan, line)?),
            Loaded::Native(native) => Connector::Native(native.clone()),
        };
        let mut transformers = Vec::with_capacity(plan.transformers.len());
        for (name, transformer, line) in &plan.transformers {
            let versions = transformer_versions(plan, name, transformer, line)?;
            transformers.push((name.clone(), versions));
        }
        Ok(Self {
            subscription: plan.subscription.clone(),
            transformers,
            connector,
            gateway,
            share,
            metrics: plan.telemetry.connector(&plan.connector_name),
            next_rest: Cell::new(Instant::now()),
            journal: None,
            gatherings: plan.connector.batch.map(Gatherings::new),
        })
    }

    /// Keeps what its deliveries are answered.
    pub(crate) fn with_journal(self, journal: Writer) -> Self {
        Self { journal: Some(journal), ..self }
    }

    /// Drives the plugin calls that deliveries wait for. Ready when some of them were answered.
    pub(crate) fn poll_calls(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut answered = Poll::Pending;
        for (_, versions) in &self.transformers {
            answered = either(answered, versions.poll(context));
        }
        if let Connector::Plugin(versions) = &self.connector {
            answered = either(answered, versions.poll(context));
        }
        match &self.gatherings {
            Some(gatherings) if answered.is_pending() => gatherings.rest(),
            Some(_) | None => answered,
        }
    }

    /// Whether somebody waits for what deliveries under way are answered.
    pub(crate) fn set_hurried(&self, is_hurried: bool) {
        if let Some(gatherings) = &self.gatherings {
            gatherings.set_hurried(is_hurried);
        }
    }

    /// Looks whether other versions of the plugins are served now: for what begins after it.
    pub(crate) fn refresh(&self) {
        self.transformers.iter().for_each(|(_, versions)| versions.refresh());
        if let Connector::Plugin(versions) = &self.connector {
            versions.refresh();
        }
    }

    /// Lets go of plugin instances that nobody has needed for a while.
    pub(crate) fn rest(&self, now: Instant) {
        if now < self.next_rest.get() {
            return;
        }
        self.next_rest.set(now + REST);
        self.transformers.iter().for_each(|(_, versions)| versions.rest());
        if let Connector::Plugin(versions) = &self.connector {
            versions.rest();
        }
    }

    /// Deliveries that wait for plugin calls which could take more of them along.
    pub(crate) fn waiting_with_room(&self) -> usize {
        let transformers = self.transformers.iter();
        let transforms: usize = transformers.map(|(_, versions)| versions.waiting_with_room()).sum();
        match &self.connector {
            Connector::Plugin(versions) => transforms + versions.waiting_with_room(),
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

/// What calls each version of a connector's plugin.
fn connector_versions(plan: &StagesPlan, line: &Line) -> Result<Versions<ConnectorCalls>, PluginError> {
    let (name, settings) = (plan.connector_name.as_str().to_owned(), plan.connector.settings.clone());
    let telemetry = plan.telemetry.clone();
    let user = User { name: name.clone(), settings: settings.clone(), mask: plan.mask.clone() };
    let has_batch = plan.connector.batch.is_some();
    Versions::new(line, user, move |plugin| {
        let metrics = telemetry.plugin(&plugin.name);
        let joins = has_batch.then(|| plugin.joins(&name, &settings, metrics.clone()));
        Ok(ConnectorCalls {
            joins: joins.transpose()?,
            deliver: plugin.connector(&name, &settings, metrics.clone())?,
            check: plugin.checks(&name, &settings, metrics)?,
            limits: ask::Limits::of(plugin.limits(), plugin.is_called_twice()),
        })
    })
}

fn transformer_versions(
    plan: &StagesPlan,
    name: &config::TransformerName,
    transformer: &config::Transformer,
    line: &Line,
) -> Result<Versions<Calls<Transformers>>, PluginError> {
    let (name, settings) = (name.as_str().to_owned(), transformer.settings.clone());
    let telemetry = plan.telemetry.clone();
    let user = User { name: name.clone(), settings: settings.clone(), mask: plan.mask.clone() };
    Versions::new(line, user, move |plugin| {
        plugin.transformer(&name, &settings, telemetry.plugin(&plugin.name))
    })
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
