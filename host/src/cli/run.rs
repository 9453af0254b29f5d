//! `liaison run`: the host, until a signal ends it.

use std::io;
use std::process;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use liaison::dead_letter::header::hex_text;
use liaison::host::Host;

use super::Common;
use super::configuration::Configuration;
use super::failure::Failure;

/// As a shell gives it: 128 and the number of the signal.
const INTERRUPTED: i32 = 130;
const TERMINATED: i32 = 143;

/// Digits of a digest that are enough to tell two versions of a plugin apart.
const SHORT_DIGEST: usize = 12;

/// Runs all subscriptions until the first SIGTERM or SIGINT, then finishes what is in flight.
pub(super) fn run(common: &Common) -> Result<(), Failure> {
    let configuration = Configuration::read(common)?;
    for line in configuration.warning_lines() {
        tracing::warn!("{line}");
    }
    let path = configuration.path;
    let host = Host::from_config(configuration.config)?;
    log_start(&host, &path);
    super::block_on(async move {
        let shutdown = shutdown().map_err(|error| Failure::Failed(format!("no signals: {error}")))?;
        Ok(host.run(shutdown).await?)
    })
    .flatten()?;
    tracing::info!("stopped");
    Ok(())
}

fn log_start(host: &Host, path: &std::path::Path) {
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(version, config = %path.display(), "liaison starts");
    for (plugin, digest) in host.plugins() {
        let digest = digest.as_ref().map(|digest| hex_text(digest));
        let sha256 = digest.as_deref().and_then(|digest| digest.get(..SHORT_DIGEST)).unwrap_or("built in");
        tracing::info!(%plugin, sha256, "plugin");
    }
    for (name, subscription) in &host.config().subscriptions {
        let (topics, connector) = (subscription.topics.join(","), &subscription.connector);
        tracing::info!(subscription = %name, topics, %connector, group = subscription.group, "subscription");
    }
    if host.config().subscriptions.is_empty() {
        tracing::warn!("there is no subscription: nothing is delivered");
    }
}

/// Ready at the first SIGTERM or SIGINT. The second ends the process at once, whatever is in flight.
pub(super) fn shutdown() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (first, told) = oneshot::channel();
    tokio::spawn(async move {
        next(&mut terminate, &mut interrupt).await;
        // The host may have ended by itself meanwhile.
        let _ = first.send(());
        let code = next(&mut terminate, &mut interrupt).await;
        tracing::warn!("a second signal: what is in flight is left, and comes again");
        process::exit(code);
    });
    Ok(async { drop(told.await) })
}

/// The exit code that the next signal stands for.
async fn next(terminate: &mut Signal, interrupt: &mut Signal) -> i32 {
    tokio::select! {
        _ = terminate.recv() => TERMINATED,
        _ = interrupt.recv() => INTERRUPTED,
    }
}
