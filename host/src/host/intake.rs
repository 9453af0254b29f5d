//! The intake of a host: bound before anything starts, served while the host runs, and ended with it.

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::HostError;
use super::broker::EMBEDDED_PARTITIONS;
use super::setup::Setup;
use crate::config::{Brokers, Config};
use crate::intake::{IntakeServer, Serving};
use crate::kafka::producer::Producer;
use crate::kafka::topics::Topics;

/// The server while it runs. Dropped, it ends at once.
#[derive(Debug, Default)]
pub(super) struct Intake(Option<Running>);

#[derive(Debug)]
struct Running {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

/// Listens, where the configuration says so.
pub(super) async fn bind(config: &Config) -> Result<Option<IntakeServer>, HostError> {
    match &config.intake {
        Some(intake) => Ok(Some(IntakeServer::bind(intake.address).await?)),
        None => Ok(None),
    }
}

impl Intake {
    /// Serves from now on.
    pub(super) fn start(
        server: Option<IntakeServer>,
        setup: &Setup,
        bootstrap: &str,
    ) -> Result<Self, HostError> {
        let (Some(server), Some(settings)) = (server, &setup.config.intake) else {
            return Ok(Self::default());
        };
        setup.rulebook.follow(setup.rules()?);
        let serving = Serving {
            limits: settings.limits,
            rules: setup.rulebook.clone(),
            producer: Producer::new(&setup.config.kafka, bootstrap)?,
            whereabouts: setup.whereabouts.clone(),
            telemetry: setup.telemetry.clone(),
        };
        tracing::info!(address = %server.address(), "events are taken over HTTP");
        let (stop, stopped) = oneshot::channel();
        // Gone is stopped too.
        let task = tokio::spawn(server.serve(serving, async { drop(stopped.await) }));
        Ok(Self(Some(Running { stop: Some(stop), task })))
    }

    /// Takes nothing more, and waits for what is at work.
    pub(super) async fn end(mut self) {
        if let Some(running) = &mut self.0 {
            drop(running.stop.take());
            if let Err(error) = (&mut running.task).await {
                tracing::error!(%error, "the intake failed");
            }
        }
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        if let Some(running) = &self.0 {
            running.task.abort();
        }
    }
}

impl Setup {
    /// The topics that the routes lead to: made on the embedded broker, and looked for elsewhere.
    pub(super) async fn prepare_routes(&self, bootstrap: &str) -> Result<(), HostError> {
        let Some(intake) = &self.config.intake else { return Ok(()) };
        let topics = Topics::new(&self.config.kafka, bootstrap)?;
        for topic in intake.routes.iter().map(|route| &route.topic) {
            if self.config.kafka.brokers == Brokers::Embedded {
                topics.ensure(topic, EMBEDDED_PARTITIONS, &[]).await?;
            } else if topics.partitions_of(topic).await?.is_none() {
                tracing::warn!(
                    topic,
                    "the intake leads to a topic that is not there: the brokers must create it"
                );
            }
        }
        Ok(())
    }
}
