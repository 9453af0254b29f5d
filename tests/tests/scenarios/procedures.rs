//! What the scenarios of connectors that call procedures start with: a broker, a host, and events of records.

use std::path::Path;

use liaison::config::Config as HostConfig;
use liaison::host::Reloaded;
use liaison::kafka::embedded::Embedded;
use liaison::kafka::producer::Outgoing;
use liaison_tests::local::LocalHost;
use liaison_tests::produce::{cloudevent, produce};
use serde_json::Value;

use crate::fixture::{Config, DEAD_LETTERS, LIMIT, QUICK, TOPIC, by_event, letters};

pub(crate) const NEWEST: &str = r#"conflict = { policy = "newest-wins", version = "/updatedAt" }"#;
pub(crate) const SOURCE: &str = r#"conflict = { policy = "source-wins" }"#;
pub(crate) const TARGET: &str = r#"conflict = { policy = "target-wins" }"#;

/// A running host with one subscription of one connector. The host goes first.
pub(crate) struct Stage {
    pub(crate) host: LocalHost,
    broker: Embedded,
    endpoint: String,
}

/// What differs between stages.
#[derive(Clone, Copy)]
pub(crate) struct Script<'a> {
    pub(crate) plugin: &'a str,
    /// All of `[connectors.calendar]` but plugin and endpoint, and tables below it.
    pub(crate) connector: &'a str,
    pub(crate) subscription: &'a str,
}

impl Script<'_> {
    fn text(&self, bootstrap: &str, endpoint: &str) -> anyhow::Result<String> {
        let Self { plugin, connector, subscription } = *self;
        Config { plugin, connector, subscription, tables: QUICK, ..Config::default() }
            .text(bootstrap, endpoint)
    }
}

impl Stage {
    pub(crate) fn start(script: &Script<'_>, endpoint: &str) -> anyhow::Result<Self> {
        let broker = Embedded::start(&[(TOPIC, 1), (DEAD_LETTERS, 1)])?;
        let host = LocalHost::start(&script.text(broker.bootstrap(), endpoint)?)?;
        Ok(Self { host, broker, endpoint: endpoint.to_owned() })
    }

    pub(crate) fn produce(&self, events: impl IntoIterator<Item = Outgoing>) -> anyhow::Result<()> {
        produce(self.broker.bootstrap(), events.into_iter().collect())
    }

    /// Waits until so many deliveries have ended like this since the start.
    pub(crate) fn settled(&self, kind: &str, count: u32) -> anyhow::Result<()> {
        let is_there = |found: f64| found >= f64::from(count);
        self.host.wait_for_metric(LIMIT, "liaison_events_settled_total", &[("kind", kind)], is_there)
    }

    /// How often an attempt came to this so far.
    pub(crate) fn attempts(&self, outcome: &str) -> f64 {
        self.host.metrics().sum("liaison_attempts_total", &[("outcome", outcome)])
    }

    /// The reasons of all dead letters, by event.
    pub(crate) fn reasons(&self) -> anyhow::Result<Vec<(String, String)>> {
        let found = letters(&self.broker)?;
        let found = by_event(&found)?;
        found.iter().map(|(id, letter)| Ok(((*id).to_owned(), letter.message()?.to_owned()))).collect()
    }

    /// All that is written down of dead letters.
    pub(crate) fn written(&self) -> anyhow::Result<String> {
        let found = letters(&self.broker)?;
        let headers =
            found.iter().flat_map(|letter| &letter.0.headers).filter_map(|(_, value)| value.as_deref());
        Ok(String::from_utf8_lossy(&headers.collect::<Vec<_>>().concat()).into_owned())
    }

    /// Has the host read its configuration again.
    pub(crate) fn reload(&self, script: &Script<'_>) -> anyhow::Result<Reloaded> {
        let text = script.text(self.broker.bootstrap(), &self.endpoint)?;
        let config = HostConfig::from_toml(&text, Path::new("/"))?.config;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(runtime.block_on(self.host.reloader().reload(config))?)
    }

    pub(crate) fn stop(self) -> anyhow::Result<()> {
        self.host.stop()
    }

    pub(crate) fn stop_without_dead_letters(self) -> anyhow::Result<()> {
        self.host.stop()?;
        let letters = letters(&self.broker)?;
        anyhow::ensure!(letters.is_empty(), "dead letters: {letters:?}");
        Ok(())
    }
}

/// A record of this key as it is now.
pub(crate) fn changed(id: &str, key: &str, data: &Value) -> Outgoing {
    cloudevent(TOPIC, "record.changed", id, key, data)
}

/// The record of this key is gone.
pub(crate) fn gone(id: &str, key: &str) -> Outgoing {
    Outgoing { value: None, ..cloudevent(TOPIC, "record.changed", id, key, &Value::Null) }
}
