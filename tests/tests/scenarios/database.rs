//! The plugin `database` on real PostgreSQL, MariaDB and SQLite: the same events and the same rows, read back by each one's
//! own client.

mod batches;
mod lines;
mod outages;
mod rows;
mod server;
mod versions;

use bytes::Bytes;
use liaison::kafka::embedded::Embedded;
use liaison::kafka::producer::Outgoing;
use liaison_tests::local::LocalHost;
use liaison_tests::produce::{cloudevent, produce};
use serde_json::{Value, json};

use self::server::{Kind, Server};
use crate::fixture::{Config, DEAD_LETTERS, LIMIT, QUICK, TOPIC, by_event, letters, with_header};

const NEWEST: &str = r#"{ policy = "newest-wins", version = "/updatedAt" }"#;

/// A table of people, with a version, a mark and what refuses rows.
fn people(kind: Kind) -> String {
    let (text, time) = (kind.text(), kind.timestamp());
    format!(
        "create table teams (id {text} primary key); \
         create table people (id {text} primary key, name {text}, badge {text} unique, pay decimal(20,3), \
         updated_at {time}, gone boolean default false, team {text}, \
         constraint named check (name <> ''), constraint of_team foreign key (team) references teams (id))"
    )
}

/// How events become such rows.
fn settings(kind: Kind) -> Value {
    json!({
        "dialect": kind.dialect(),
        "table": "people",
        "key": ["id"],
        "version-column": "updated_at",
        "columns": {
            "id": "key",
            "name": "/name",
            "badge": "/badge",
            "pay": { "from": "/pay", "type": "text" },
            "team": "/team",
            "updated_at": { "from": "/updatedAt", "type": "timestamp" },
        },
    })
}

/// A host between an embedded broker and a database.
struct Stage {
    host: LocalHost,
    broker: Embedded,
}

impl Stage {
    fn start(server: &Server, settings: &Value, policy: &str, more: &str) -> anyhow::Result<Self> {
        Self::start_with(server, settings, policy, more, QUICK)
    }

    fn start_with(
        server: &Server,
        settings: &Value,
        policy: &str,
        more: &str,
        tables: &str,
    ) -> anyhow::Result<Self> {
        let broker = Embedded::start(&[(TOPIC, 1), (DEAD_LETTERS, 1)])?;
        let host = LocalHost::start(&config(server, settings, policy, more, tables, broker.bootstrap())?)?;
        Ok(Self { host, broker })
    }

    fn produce(&self, events: impl IntoIterator<Item = Outgoing>) -> anyhow::Result<()> {
        produce(self.broker.bootstrap(), events.into_iter().collect())
    }

    /// Waits until so many have ended like this, since the start.
    fn settled(&self, kind: &str, count: f64) -> anyhow::Result<()> {
        let is_there = |found: f64| found >= count;
        self.host.wait_for_metric(LIMIT, "liaison_events_settled_total", &[("kind", kind)], is_there)
    }

    fn attempts(&self, outcome: &str) -> f64 {
        self.host.metrics().sum("liaison_attempts_total", &[("outcome", outcome)])
    }

    /// The reasons of all dead letters, by event.
    fn reasons(&self) -> anyhow::Result<Vec<(String, String)>> {
        let found = letters(&self.broker)?;
        let found = by_event(&found)?;
        found.iter().map(|(id, letter)| Ok(((*id).to_owned(), letter.message()?.to_owned()))).collect()
    }
}

fn config(
    server: &Server,
    settings: &Value,
    policy: &str,
    more: &str,
    tables: &str,
    bootstrap: &str,
) -> anyhow::Result<String> {
    let settings = inline(settings);
    let connector = format!("settings = {settings}\n{}\n{more}", server.credential()?);
    let subscription = format!("conflict = {policy}");
    let config = Config {
        plugin: "database",
        connector: &connector,
        subscription: &subscription,
        tables,
        ..Config::default()
    };
    config.text(bootstrap, &server.url())
}

/// JSON as TOML on one line.
fn inline(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let entries: Vec<_> =
                map.iter().map(|(name, value)| format!("{name:?} = {}", inline(value))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        Value::Array(list) => format!("[{}]", list.iter().map(inline).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

/// The second of a minute.
fn at(second: u32) -> String {
    format!("2026-01-01T00:00:{second:02}Z")
}

/// A person as of this second, with more of the data.
fn person(id: &str, key: &str, second: u32, more: &Value) -> Outgoing {
    let mut data = json!({ "name": "Ada", "updatedAt": at(second) });
    for (name, value) in more.as_object().into_iter().flatten() {
        data[name] = value.clone();
    }
    cloudevent(TOPIC, "person.changed", id, key, &data)
}

/// A deletion at this second.
fn deletion(id: &str, key: &str, second: u32) -> Outgoing {
    let event = cloudevent(TOPIC, "person.removed", id, key, &json!(null));
    Outgoing { value: None::<Bytes>, ..with_header(event, "ce_time", &at(second)) }
}
