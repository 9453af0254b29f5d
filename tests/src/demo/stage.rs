//! Everything that runs in the demo: broker, systems and host, started in this order.
//!
//! The host is set up from a file as people write it, which stays in the target folder after the demo, with the log.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use liaison::config::Config;
use liaison::host::{Host, HostError};
use liaison::kafka::embedded::Embedded;
use liaison::telemetry::Telemetry;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry};

use super::alerts::Alerts;
use super::configuration::{self, TOPIC};
use super::own::{self, Own};
use super::systems::{CALENDAR_TOKEN, Subscriber, Systems};
use crate::port;

pub(super) const PARTITIONS: i32 = 4;
/// How long the host may take to stop.
const STOPPED: Duration = Duration::from_secs(5);

/// All of it but the host, running.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) config: Config,
    pub(super) telemetry: Telemetry,
    pub(super) systems: Systems,
    /// A plugin of somebody's own, and its system.
    pub(super) own: Option<own::Running>,
    pub(super) broker: Embedded,
    pub(super) admin: SocketAddr,
}

/// The host, running in this process.
#[derive(Debug)]
pub(super) struct RunningHost {
    task: JoinHandle<Result<(), HostError>>,
    stop: oneshot::Sender<()>,
}

/// Where the demo's programs and files are.
#[derive(Debug)]
pub(super) struct Places {
    /// `liaison` itself.
    pub(super) liaison: PathBuf,
    pub(super) config: PathBuf,
    pub(super) log: PathBuf,
    folder: PathBuf,
}

impl Places {
    /// In the target folder that this program is in.
    pub(super) fn find() -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("where this program is cannot be told")?;
        let programs = program.parent().context("this program is in no folder")?;
        let target = programs.parent().context("this program is in no target folder")?;
        let folder = target.join("demo");
        Ok(Self {
            liaison: programs.join("liaison"),
            config: folder.join("liaison.toml"),
            log: folder.join("host.log"),
            folder,
        })
    }

    /// Sends the log of this process to its file, and the alerts in it to `alerts`.
    pub(super) fn log_to_file(&self, alerts: Alerts) -> anyhow::Result<()> {
        fs::create_dir_all(&self.folder)
            .with_context(|| format!("{} cannot be made", self.folder.display()))?;
        let file =
            File::create(&self.log).with_context(|| format!("{} cannot be written", self.log.display()))?;
        let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(Mutex::new(file));
        let log = Registry::default().with(lines.with_filter(LevelFilter::INFO)).with(alerts);
        tracing::subscriber::set_global_default(log).context("the log has another reader")
    }
}

impl Stage {
    /// Starts everything. The host still joins its consumer groups then.
    pub(super) async fn start(places: &Places, own: Option<Own>) -> anyhow::Result<(Self, RunningHost)> {
        let names = Subscriber::ALL.map(Subscriber::name).into_iter().chain(own.as_ref().map(|_| own::NAME));
        let letters: Vec<_> = names.map(dead_letter_topic).collect();
        let topics: Vec<(&str, i32)> = std::iter::once((TOPIC, PARTITIONS))
            .chain(letters.iter().map(|topic| (topic.as_str(), 1)))
            .collect();
        let broker = Embedded::start(&topics)?;
        let systems = Systems::start()?;
        let own = own.map(Own::start).transpose()?;
        let admin = port::free()?;
        let text = configuration::text(broker.bootstrap(), admin, &systems);
        let text = text + &own.as_ref().map(own::Running::tables).unwrap_or_default();
        write(&places.folder.join(configuration::TOKEN_FILE), CALENDAR_TOKEN)?;
        write(&places.config, &text)?;
        let config = Config::from_file(&places.config)?.config;
        for file in config.plugins.values().filter_map(|plugin| plugin.source.file()) {
            let path = file.display();
            ensure!(file.exists(), "{path} is missing: run `cargo demo`, which builds the plugins");
        }
        // It compiles plugins that it has not seen before, which blocks.
        let host = tokio::task::spawn_blocking({
            let config = config.clone();
            move || Host::from_config(config).map_err(anyhow::Error::from)
        });
        let host = host.await??;
        let telemetry = host.telemetry().clone();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(host.run(async { drop(stopped.await) }));
        Ok((Self { config, telemetry, systems, own, broker, admin }, RunningHost { task, stop }))
    }
}

impl RunningHost {
    /// The reason why the host ended by itself, when it does.
    pub(super) async fn ended(&mut self) -> anyhow::Error {
        match (&mut self.task).await {
            Ok(Ok(())) => anyhow!("the host ended by itself"),
            Ok(Err(error)) => anyhow::Error::new(error).context("the host ended"),
            Err(error) => anyhow::Error::new(error).context("the host broke"),
        }
    }

    /// Lets the host finish what is in flight and leave.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        if self.task.is_finished() {
            return Ok(());
        }
        // It may end by itself just now.
        let _ = self.stop.send(());
        match tokio::time::timeout(STOPPED, self.task).await {
            Ok(ended) => Ok(ended??),
            Err(_) => Err(anyhow!("the host did not stop within {STOPPED:?}")),
        }
    }
}

/// A path as a person in the current folder would write it.
pub(super) fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).display().to_string()
}

/// Where the host keeps a subscription's dead letters, unless it is told otherwise.
fn dead_letter_topic(subscription: &str) -> String {
    format!("liaison.dead-letters.{subscription}")
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
}
