//! What a story stands on: a broker, the liaison binary with the story's configuration, and its commands.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use liaison::kafka::embedded::Embedded;
use liaison::kafka::producer::Outgoing;
use serde_json::Value;

use crate::host::{HostProcess, liaison_binary};
use crate::produce::{cloudevent, produce};
use crate::{port, wait};

/// How long anything may take that a story waits for.
pub(super) const LIMIT: Duration = Duration::from_secs(60);

/// Where a story's events are written.
pub(super) const TOPIC: &str = "platform-events";

/// Soon, so that a story is short: a person would configure minutes.
const RETRIES: &str =
    "[sla.default]\ninitial-interval = \"200ms\"\nmax-interval = \"1s\"\nmax-attempts = 5\n";

/// A running host and its broker.
pub(super) struct Ground {
    host: HostProcess,
    broker: Embedded,
}

impl Ground {
    /// Starts both, with these tables of connectors and subscriptions, and waits until the host is ready.
    pub(super) fn open(tables: &str, subscriptions: &[&str]) -> anyhow::Result<Self> {
        let letters: Vec<_> =
            subscriptions.iter().map(|name| format!("liaison.dead-letters.{name}")).collect();
        let topics: Vec<_> =
            std::iter::once((TOPIC, 4)).chain(letters.iter().map(|topic| (topic.as_str(), 1))).collect();
        let broker = Embedded::start(&topics)?;
        let admin = port::free()?;
        let config = format!(
            "[kafka]\nbrokers = [\"{}\"]\n[admin]\naddress = \"{admin}\"\n{RETRIES}{tables}",
            broker.bootstrap()
        );
        let mut host = HostProcess::start(&config, admin, &[])?;
        host.wait_ready(LIMIT)?;
        Ok(Self { host, broker })
    }

    pub(super) fn emit(&self, events: impl IntoIterator<Item = Outgoing>) -> anyhow::Result<()> {
        produce(self.broker.bootstrap(), events.into_iter().collect())
    }

    /// Waits until so many events of a subscription have ended like this.
    pub(super) fn settled(&self, subscription: &str, kind: &str, count: u32) -> anyhow::Result<()> {
        let labels = [("subscription", subscription), ("kind", kind)];
        wait::until(LIMIT, &format!("{subscription} to have {count} {kind}"), || {
            self.metric("liaison_events_settled_total", &labels) >= f64::from(count)
        })
        .with_context(|| format!("the host's last lines:\n{}", self.last_lines()))
    }

    /// A metric of the host, summed over its other labels; 0 where it does not answer.
    pub(super) fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.host.metrics().map_or(0.0, |metrics| metrics.sum(name, labels))
    }

    /// What a command of liaison prints, run with the story's configuration. It must end with this code.
    pub(super) fn command(&self, words: &[&str], code: i32) -> anyhow::Result<String> {
        let mut command = Command::new(liaison_binary()?);
        command.args(words).args(["--config", "liaison.toml"]).current_dir(self.host.folder());
        let output = command.env_remove("RUST_LOG").env_remove("LIAISON_CONFIG").output()?;
        let (out, log) = (String::from_utf8(output.stdout)?, String::from_utf8_lossy(&output.stderr));
        ensure!(
            output.status.code() == Some(code),
            "`liaison {}`: {}\n{out}{log}",
            words.join(" "),
            output.status
        );
        Ok(out)
    }

    /// The same in JSON.
    pub(super) fn ask(&self, words: &[&str], code: i32) -> anyhow::Result<Value> {
        let out = self.command(&[words, &["--json"]].concat(), code)?;
        serde_json::from_str(&out).with_context(|| format!("`liaison {}` printed {out}", words.join(" ")))
    }

    /// Puts a file beside the configuration, for commands.
    pub(super) fn write(&self, name: &str, content: &str) -> anyhow::Result<()> {
        let path = self.host.folder().join(name);
        std::fs::write(&path, content).with_context(|| format!("{} cannot be written", path.display()))
    }

    /// Ends the host as SIGTERM does.
    pub(super) fn close(mut self) -> anyhow::Result<()> {
        let status = self.host.terminate(LIMIT)?;
        ensure!(status.success(), "the host ended with {status}:\n{}", self.last_lines());
        Ok(())
    }

    fn last_lines(&self) -> String {
        let log = self.host.log();
        log[log.len().saturating_sub(12)..].join("\n")
    }
}

/// An event of the core platform; what it is about is its key and its subject.
pub(super) fn event(kind: &str, id: &str, about: &str, data: &Value) -> Outgoing {
    let mut event = cloudevent(TOPIC, kind, id, about, data);
    event.headers.push(("ce_subject".into(), Some(about.to_owned().into())));
    event
}
