//! What most scenarios start with: an embedded broker, one external system, one subscription.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use liaison::config::{Brokers, Kafka};
use liaison::event::Record;
use liaison::kafka::embedded::Embedded;
use liaison::kafka::producer::Outgoing;
use liaison::kafka::reader::{Start, read_topic};
use liaison_tests::host::plugin;
use liaison_tests::local::LocalHost;
use liaison_tests::produce::{cloudevent, produce};
use liaison_tests::system::{Behaviour, Entry, System};
use serde_json::json;

/// Long enough for anything that will happen at all.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);
pub(crate) const TOPIC: &str = "policy-events";
pub(crate) const DEAD_LETTERS: &str = "liaison.dead-letters.calendar";
/// A topic that is there too.
pub(crate) const OTHER_TOPIC: &str = "other";

/// Retries at once, and a breaker that does not open by itself.
pub(crate) const QUICK: &str = r#"
    [sla.default]
    initial-interval = "20ms"
    max-interval = "50ms"
"#;
/// As it is in a release: this build otherwise makes each call twice, and asks each delivery for its own effect first.
pub(crate) const CALLED_ONCE: &str = "[runtime]\ncall-twice = false\n";
pub(crate) const PATIENT: &str = "breaker = { failures = 64 }";

/// A running host with the subscription `calendar` to one system, on the embedded broker. The host goes first.
pub(crate) struct Fixture {
    pub(crate) host: LocalHost,
    pub(crate) system: System,
    pub(crate) broker: Embedded,
    config: String,
}

/// One record of the dead-letter topic.
#[derive(Debug, Clone)]
pub(crate) struct Letter(pub(crate) Record);

/// What a configuration of a scenario says beside the usual.
#[derive(Default)]
pub(crate) struct Config<'a> {
    /// More of `[kafka]`.
    pub(crate) kafka: &'a str,
    /// The component, or the path of its file; `rest` where it is empty.
    pub(crate) plugin: &'a str,
    /// More of `[plugins.subject]`.
    pub(crate) plugin_settings: &'a str,
    /// More of `[connectors.calendar]`.
    pub(crate) connector: &'a str,
    /// The types subscribed to, as TOML; all where it is empty.
    pub(crate) types: &'a str,
    /// More of `[subscriptions.calendar]`.
    pub(crate) subscription: &'a str,
    /// More tables.
    pub(crate) tables: &'a str,
}

impl Config<'_> {
    pub(crate) fn text(&self, bootstrap: &str, endpoint: &str) -> anyhow::Result<String> {
        let Config { kafka, plugin_settings, connector, subscription, tables, .. } = self;
        let types = if self.types.is_empty() { r#"["*"]"# } else { self.types };
        let component = match self.plugin {
            "" => plugin("rest")?,
            path if path.contains('/') => path.into(),
            name => plugin(name)?,
        };
        let component = component.display();
        let settings = if matches!(self.plugin, "" | "rest") && !connector.contains("settings") {
            r#"settings = { path = "/events/{id}" }"#
        } else {
            ""
        };
        Ok(format!(
            r#"
            [kafka]
            brokers = ["{bootstrap}"]
            {kafka}
            [admin]
            address = false
            [plugins.subject]
            path = "{component}"
            {plugin_settings}
            [connectors.calendar]
            plugin = "subject"
            endpoint = "{endpoint}"
            allow-networks = ["127.0.0.0/8"]
            {settings}
            {connector}
            [subscriptions.calendar]
            connector = "calendar"
            topics = ["{TOPIC}"]
            types = {types}
            {subscription}
            {tables}
            "#
        ))
    }
}

impl Fixture {
    pub(crate) fn start(config: &Config<'_>, behaviour: Behaviour) -> anyhow::Result<Self> {
        Self::start_with(&[], config, behaviour)
    }

    /// With more topics, of one partition each: the embedded broker makes none when it is asked to.
    pub(crate) fn start_with(
        topics: &[&str],
        config: &Config<'_>,
        behaviour: Behaviour,
    ) -> anyhow::Result<Self> {
        let usual = [(TOPIC, 4), (DEAD_LETTERS, 1), (OTHER_TOPIC, 1)];
        let topics: Vec<_> = usual.into_iter().chain(topics.iter().map(|topic| (*topic, 1))).collect();
        let broker = Embedded::start(&topics)?;
        let system = System::start("calendar", behaviour)?;
        let config = config.text(broker.bootstrap(), &system.url())?;
        let host = LocalHost::start(&config)?;
        Ok(Self { host, system, broker, config })
    }

    /// The same with a host that has just started, the one before having shut down.
    pub(crate) fn restarted(self) -> anyhow::Result<Self> {
        let Self { host, system, broker, config } = self;
        host.stop()?;
        let host = LocalHost::start(&config)?;
        Ok(Self { host, system, broker, config })
    }

    /// The same with another configuration.
    pub(crate) fn restarted_with(self, config: &Config<'_>) -> anyhow::Result<Self> {
        let config = config.text(self.broker.bootstrap(), &self.system.url())?;
        Self { config, ..self }.restarted()
    }

    pub(crate) fn produce(&self, records: impl IntoIterator<Item = Outgoing>) -> anyhow::Result<()> {
        produce(self.broker.bootstrap(), records.into_iter().collect())
    }

    /// Waits until so many deliveries have ended like this.
    pub(crate) fn settled(&self, kind: &str, count: usize) -> anyhow::Result<()> {
        let is_there = |found: f64| found >= number(count);
        self.host.wait_for_metric(LIMIT, "liaison_events_settled_total", &[("kind", kind)], is_there)
    }

    /// A counter, or a gauge, now.
    pub(crate) fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.host.metrics().sum(name, labels)
    }

    /// How often an attempt came to this so far.
    pub(crate) fn attempts(&self, outcome: &str) -> f64 {
        self.metric("liaison_attempts_total", &[("outcome", outcome)])
    }

    /// The dead letters there are, once as many deliveries have ended so.
    pub(crate) fn dead_letters(&self, count: usize) -> anyhow::Result<Vec<Letter>> {
        self.settled("dead-lettered", count)?;
        let letters = letters(&self.broker)?;
        ensure!(letters.len() == count, "{} dead letters, not {count}: {letters:?}", letters.len());
        Ok(letters)
    }

    /// Shuts the host down without a fault, and without a dead letter.
    pub(crate) fn stop_without_dead_letters(self) -> anyhow::Result<()> {
        self.host.stop()?;
        let letters = letters(&self.broker)?;
        ensure!(letters.is_empty(), "dead letters: {letters:?}");
        Ok(())
    }

    /// The identifiers of what the system says it has, in the order in which it came, repetitions included.
    pub(crate) fn delivered(&self) -> Vec<String> {
        ids(self.system.ledger().iter().filter(|entry| entry.is_accepted()))
    }

    /// The identifiers of all requests, in the order in which they came.
    pub(crate) fn requested(&self) -> Vec<String> {
        ids(&self.system.ledger())
    }
}

/// All records of the dead-letter topic.
pub(crate) fn letters(broker: &Embedded) -> anyhow::Result<Vec<Letter>> {
    records(broker, DEAD_LETTERS)
}

/// All records of a topic of dead letters.
pub(crate) fn records(broker: &Embedded, topic: &str) -> anyhow::Result<Vec<Letter>> {
    let bootstrap = broker.bootstrap();
    let mut letters = Vec::new();
    let settings = Kafka::new(Brokers::At(vec![bootstrap.to_owned()]));
    read_topic(&settings, bootstrap, topic, Start::Beginning, LIMIT, |record| {
        letters.push(Letter(record));
        ControlFlow::Continue(())
    })?;
    Ok(letters)
}

impl Letter {
    /// The text of a header; of several with one name the last.
    pub(crate) fn header(&self, name: &str) -> anyhow::Result<&str> {
        let found = self.0.headers.iter().rev().find(|(found, _)| found == name);
        let (_, value) = found.with_context(|| format!("{name} is missing in {:?}", self.0.headers))?;
        Ok(std::str::from_utf8(value.as_ref().context("it is null")?)?)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.headers.iter().any(|(found, _)| found == name)
    }

    pub(crate) fn reason(&self) -> anyhow::Result<&str> {
        self.header("liaison.reason")
    }

    pub(crate) fn message(&self) -> anyhow::Result<&str> {
        self.header("__connect.errors.exception.message")
    }

    pub(crate) fn event_id(&self) -> anyhow::Result<&str> {
        self.header("liaison.event.id")
    }
}

/// By event, so that letters are found whatever their order.
pub(crate) fn by_event(letters: &[Letter]) -> anyhow::Result<BTreeMap<&str, &Letter>> {
    letters.iter().map(|letter| Ok((letter.event_id()?, letter))).collect()
}

/// `policy.updated` with this id and key.
pub(crate) fn event(id: &str, key: &str) -> Outgoing {
    cloudevent(TOPIC, "policy.updated", id, key, &json!({ "id": id }))
}

/// The same with one more header.
pub(crate) fn with_header(mut event: Outgoing, name: &str, value: &str) -> Outgoing {
    event.headers.push((name.to_owned().into(), Some(value.to_owned().into())));
    event
}

/// Identifier of an event, from the path `/events/ID`.
pub(crate) fn id_of(entry: &Entry) -> &str {
    entry.path.strip_prefix("/events/").unwrap_or(&entry.path)
}

pub(crate) fn sorted<T: Ord>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort();
    values
}

fn ids<'a>(entries: impl IntoIterator<Item = &'a Arc<Entry>>) -> Vec<String> {
    entries.into_iter().map(|entry| id_of(entry).to_owned()).collect()
}

fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

/// Now, in milliseconds since 1970.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    u64::try_from(since.as_millis()).expect("it is before the year 500,000,000")
}
