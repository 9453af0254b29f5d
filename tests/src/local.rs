//! A host in this process: for scenarios that need no process of its own to kill.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use liaison::admin::Health;
use liaison::config::{Config, PluginName};
use liaison::host::{Host, HostError, PluginVersions, Reloader};
use liaison::native::NativeConnector;
use liaison::telemetry::Telemetry;
use tokio::sync::oneshot;

use crate::metrics::Metrics;
use crate::wait;

/// Connectors of this process, by the name of the plugin they stand for.
pub type Natives = BTreeMap<PluginName, Arc<dyn NativeConnector>>;

/// A running host. Dropped, it is shut down as by SIGTERM.
#[derive(Debug)]
pub struct LocalHost {
    telemetry: Telemetry,
    health: Health,
    reloader: Reloader,
    versions: PluginVersions,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), HostError>>>,
}

impl LocalHost {
    /// From a configuration text; plugins are given by their full paths.
    pub fn start(config: &str) -> anyhow::Result<Self> {
        let checked = Config::from_toml(config, Path::new("/"))?;
        Self::start_with(checked.config, Natives::new())
    }

    pub fn start_with(config: Config, natives: Natives) -> anyhow::Result<Self> {
        log_if_asked();
        let host = Host::with_native(config, natives)?;
        let (telemetry, health) = (host.telemetry().clone(), host.health().clone());
        let (reloader, versions) = (host.reloader(), host.versions());
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::Builder::new().name("host".into()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("an event loop can be made");
            runtime.block_on(host.run(async { drop(stopped.await) }))
        })?;
        Ok(Self { telemetry, health, reloader, versions, stop: Some(stop), thread: Some(thread) })
    }

    pub fn is_ready(&self) -> bool {
        self.health.reasons().is_empty()
    }

    /// What keeps it from being ready: subject and reason.
    pub fn reasons(&self) -> BTreeMap<String, String> {
        self.health.reasons()
    }

    /// What gives it another configuration.
    pub fn reloader(&self) -> Reloader {
        self.reloader.clone()
    }

    /// Changes its plugins, and says how they do.
    pub fn versions(&self) -> &PluginVersions {
        &self.versions
    }

    pub fn metrics(&self) -> Metrics {
        Metrics::parse(&self.telemetry.encode()).expect("our own metrics can be read")
    }

    /// Waits for a metric, summed over its other labels. Fails at once if the host ends.
    pub fn wait_for_metric(
        &self,
        limit: Duration,
        name: &str,
        labels: &[(&str, &str)],
        is_there: impl Fn(f64) -> bool,
    ) -> anyhow::Result<()> {
        let what = format!("{name}{labels:?}");
        let has_ended = || self.thread.as_ref().is_none_or(JoinHandle::is_finished);
        wait::until(limit, &what, || has_ended() || is_there(self.metrics().sum(name, labels)))
            .with_context(|| format!("it is {}", self.metrics().sum(name, labels)))?;
        ensure!(is_there(self.metrics().sum(name, labels)), "{what}: the host has ended");
        Ok(())
    }

    /// Shuts it down and says how it ended.
    pub fn stop(mut self) -> anyhow::Result<()> {
        self.end()
    }

    fn end(&mut self) -> anyhow::Result<()> {
        drop(self.stop.take());
        let Some(thread) = self.thread.take() else { return Ok(()) };
        thread.join().map_err(|_| anyhow!("the host panicked"))?.map_err(Into::into)
    }
}

impl Drop for LocalHost {
    fn drop(&mut self) {
        drop(self.end());
    }
}

/// Shows the host's log on stderr when `RUST_LOG` says what of it.
fn log_if_asked() {
    if std::env::var_os("RUST_LOG").is_some() {
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
        // Another scenario of this process may have been first.
        drop(log.try_init());
    }
}
