//! The host that is measured: this program, executed again with a hidden sub-command, so that `/proc` speaks of it alone.
//!
//! In come a configuration and a mode; it runs until SIGTERM. Nothing here measures.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use anyhow::Context;
use liaison::config::{Config, PluginName};
use liaison::host::Host;
use liaison::native::NativeConnector;
use tokio::signal::unix::{SignalKind, signal};

use super::native::Rest;
use super::workload::Mode;
use crate::host::plugin;

/// The sub-command that [`run`] stands behind.
pub const COMMAND: &str = "host";

/// Deliveries at work at the same time.
const CONCURRENCY: u32 = 100;

/// What differs from run to run.
#[derive(Debug, Clone, Copy)]
pub struct Setup<'a> {
    pub bootstrap: &'a str,
    pub topic: &'a str,
    pub endpoint: &'a str,
    pub admin: SocketAddr,
    /// Where compiled plugins are kept, for all runs.
    pub cache: &'a Path,
    pub mode: Mode,
}

/// The command that runs a host with this configuration file.
pub fn command(file: &Path, mode: Mode) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(COMMAND).arg("--config").arg(file).args(["--mode", mode.name()]);
    Ok(command)
}

/// Compiles the plugins into the cache, so that no measured host does: that takes seconds and memory once in a plugin's
/// life.
pub fn compile_plugins(cache: &Path) -> anyhow::Result<()> {
    let (endpoint, admin) = ("http://127.0.0.1:1", SocketAddr::from(([127, 0, 0, 1], 1)));
    let mode = Mode::Transform;
    let text = config(&Setup { bootstrap: "127.0.0.1:1", topic: "none", endpoint, admin, cache, mode })?;
    drop(Host::from_config(Config::from_toml(&text, cache)?.config)?);
    Ok(())
}

/// Runs a host until SIGTERM.
pub fn run(file: &Path, mode: Mode) -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(tracing::Level::WARN).init();
    let mut config = Config::from_file(file)?.config;
    let host = if mode == Mode::Native {
        config.plugins.clear();
        let rest: Arc<dyn NativeConnector> = Arc::new(Rest);
        Host::with_native(config, BTreeMap::from([(PluginName::new("rest"), rest)]))?
    } else {
        Host::from_config(config)?
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminated = signal(SignalKind::terminate()).context("SIGTERM cannot be listened for")?;
        Ok(host.run(async move { terminated.recv().await.unwrap_or_default() }).await?)
    })
}

/// The text of a configuration: as a user would write it, with every default that has a say in speed.
pub fn config(setup: &Setup<'_>) -> anyhow::Result<String> {
    let Setup { bootstrap, topic, endpoint, admin, .. } = setup;
    let (rest, cache) = (plugin("rest")?, setup.cache);
    let instances = match setup.mode {
        Mode::Native | Mode::Fresh | Mode::Transform => "",
        Mode::Warm => "instances = { warm = 1000 }\n",
        Mode::Each => "batch = 1\n",
    };
    let (transformer, transformers) = match setup.mode {
        Mode::Transform => (reshape(&plugin("reshape")?), "transformers = [\"reshape\"]\n"),
        Mode::Native | Mode::Fresh | Mode::Warm | Mode::Each => (String::new(), ""),
    };
    Ok(format!(
        "[kafka]
brokers = [{bootstrap:?}]

[admin]
address = \"{admin}\"

[runtime]
cache = {cache:?}
call-twice = false

[plugins.rest]
path = {rest:?}
{instances}
{transformer}
[connectors.sink]
plugin = \"rest\"
endpoint = {endpoint:?}
allow-networks = [\"127.0.0.0/8\"]
settings = {{ path = \"/events/{{id}}\" }}
concurrency = {CONCURRENCY}

[subscriptions.bench]
connector = \"sink\"
topics = [{topic:?}]
group = {topic:?}
ordering = \"key\"
{transformers}"
    ))
}

/// A transformer that reads all of an event and writes it again.
fn reshape(path: &Path) -> String {
    format!(
        "[plugins.reshape]
path = {path:?}

[transformers.reshape]
plugin = \"reshape\"
settings = {{ jq = \".\" }}
"
    )
}
