//! `liaison run`: the host, until a signal ends it. SIGHUP has it read its configuration again.

use std::io;
use std::path::Path;
use std::process;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use liaison::config::{Checked, Config, ConfigErrors, KeyName, Mistake};
use liaison::dead_letter::header::hex_text;
use liaison::host::{Host, Reloader};

use super::Common;
use super::configuration::{Configuration, warning_line};
use super::failure::Failure;

/// As a shell gives it: 128 and the number of the signal.
const INTERRUPTED: i32 = 130;
const TERMINATED: i32 = 143;

/// Digits of a digest that are enough to tell two versions of a plugin apart.
const SHORT_DIGEST: usize = 12;

/// Runs all subscriptions until the first SIGTERM or SIGINT, then finishes what is in flight.
pub(super) fn run(common: &Common) -> Result<(), Failure> {
    super::block_on(async move {
        let no_signals = |error| Failure::Failed(format!("no signals: {error}"));
        // From the very start: unheard, this signal ends the process.
        let hangup = signal(SignalKind::hangup()).map_err(no_signals)?;
        let Configuration { path, config, warnings } = Configuration::read(common)?;
        tell_warnings(&warnings, &path);
        let host = Host::from_config(config)?;
        log_start(&host, &path);
        let again = path.clone();
        let host = host.reading_from(move || read_again(&again));
        tokio::spawn(reload_at(hangup, host.reloader()));
        let shutdown = shutdown().map_err(no_signals)?;
        Ok(host.run(shutdown).await?)
    })
    .flatten()?;
    tracing::info!("stopped");
    Ok(())
}

fn tell_warnings(warnings: &[Mistake], path: &Path) {
    for warning in warnings {
        tracing::warn!("{}", warning_line(path, warning));
    }
}

/// The file as it is now, wherever it was found at the start.
fn read_again(path: &Path) -> Result<Checked, ConfigErrors> {
    tracing::info!(config = %path.display(), "the configuration is read again");
    let checked = Config::from_file(path)?;
    tell_warnings(&checked.warnings, path);
    Ok(checked)
}

/// Reloads at each SIGHUP. Those that come during a reload are followed by one more.
async fn reload_at(mut hangup: Signal, reloader: Reloader) {
    while hangup.recv().await.is_some() {
        // The log tells what came of it.
        drop(reloader.read_again().await);
    }
}

fn log_start(host: &Host, path: &Path) {
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(version, config = %path.display(), "liaison starts");
    for (plugin, known) in host.plugins() {
        let digest = known.as_ref().map(|known| hex_text(&known.sha256));
        let sha256 = digest.as_deref().and_then(|digest| digest.get(..SHORT_DIGEST)).unwrap_or("built in");
        let signed_by = known.as_ref().and_then(|known| known.signature.key()).map(KeyName::as_str);
        tracing::info!(%plugin, sha256, signed_by, "plugin");
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
