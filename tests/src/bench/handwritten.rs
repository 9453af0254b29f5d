//! What somebody would write by hand in place of a host: read a topic, put its events into PostgreSQL with tokio-postgres.
//! Without retries, dead letters, sandboxes, metrics and commits of offsets: the least that does the work.
//!
//! A process of its own, as the host is: it puts all that the topic holds into the table, and waits for SIGTERM.

use std::ops::ControlFlow;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use liaison::config::{Brokers, Kafka};
use liaison::event::Record;
use liaison::kafka::reader::{Start, read_topic};
use serde::Deserialize;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{Receiver, channel};
use tokio_postgres::{Client, NoTls};

use super::rows::{BATCH, CONNECTIONS};
use super::workload::Workload;
use crate::postgres;

/// The sub-command that [`run`] stands behind.
pub const COMMAND: &str = "handwritten";

/// Records that were read and wait.
const WAITING: usize = 5_000;
const READ: Duration = Duration::from_secs(600);

/// Many rows by one statement.
const MERGE: &str = "insert into arrivals as held (id, title, body, updated_at, deleted) \
                     select id, title, body, updated_at::timestamptz, false \
                     from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as given(id, title, body, updated_at) \
                     on conflict (id) do update set title = excluded.title, body = excluded.body, \
                     updated_at = excluded.updated_at, deleted = excluded.deleted \
                     where excluded.updated_at > held.updated_at";

/// One row by one statement.
const UPSERT: &str = "insert into arrivals as held (id, title, body, updated_at, deleted) \
                      values ($1, $2, $3, $4::text::timestamptz, false) \
                      on conflict (id) do update set title = excluded.title, body = excluded.body, \
                      updated_at = excluded.updated_at, deleted = excluded.deleted \
                      where excluded.updated_at > held.updated_at";

/// The command that puts a topic into this database.
pub fn command(workload: Workload, bootstrap: &str, topic: &str, url: &str) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([COMMAND, "--workload", workload.name(), "--bootstrap", bootstrap]);
    command.args(["--topic", topic, "--url", url]);
    Ok(command)
}

/// Puts all of a topic into the table, then waits for SIGTERM.
pub fn run(workload: Workload, bootstrap: &str, topic: &str, url: &str) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminated = signal(SignalKind::terminate()).context("SIGTERM cannot be listened for")?;
        let records = read(bootstrap, topic);
        match workload {
            Workload::Warehouse => merge(records, url).await?,
            Workload::Database => upsert(records, url).await?,
            other => bail!("{} has no rows", other.name()),
        }
        terminated.recv().await.unwrap_or_default();
        Ok(())
    })
}

/// The records of a topic, read by a thread of its own.
fn read(bootstrap: &str, topic: &str) -> Receiver<Record> {
    let (sender, records) = channel(WAITING);
    let (bootstrap, topic) = (bootstrap.to_owned(), topic.to_owned());
    thread::spawn(move || {
        let settings = Kafka::new(Brokers::At(vec![bootstrap.clone()]));
        let each = |record| match sender.blocking_send(record) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        };
        if let Err(error) = read_topic(&settings, &bootstrap, &topic, Start::Beginning, READ, each) {
            tracing::error!(%error, "the topic cannot be read");
        }
    });
    records
}

/// What is put into a row.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Policy {
    title: String,
    text: String,
    updated_at: String,
}

fn row(record: &Record) -> anyhow::Result<(String, Policy)> {
    let id = record.headers.iter().find(|(name, _)| name == "ce_id").and_then(|(_, value)| value.as_ref());
    let id = String::from_utf8(id.context("an event without an id")?.to_vec())?;
    let value = record.value.as_ref().context("an event without data")?;
    Ok((id, serde_json::from_slice(value)?))
}

async fn merge(mut records: Receiver<Record>, url: &str) -> anyhow::Result<()> {
    let client = connect(url).await?;
    let merge = client.prepare(MERGE).await?;
    let mut batch = Vec::with_capacity(BATCH);
    while records.recv_many(&mut batch, BATCH).await > 0 {
        // As many as a statement takes, while more come.
        while batch.len() < BATCH {
            let left = BATCH - batch.len();
            if records.recv_many(&mut batch, left).await == 0 {
                break;
            }
        }
        let (mut ids, mut titles, mut bodies, mut versions) = (vec![], vec![], vec![], vec![]);
        for record in batch.drain(..) {
            let (id, policy) = row(&record)?;
            ids.push(id);
            titles.push(policy.title);
            bodies.push(policy.text);
            versions.push(policy.updated_at);
        }
        client.execute(&merge, &[&ids, &titles, &bodies, &versions]).await?;
    }
    Ok(())
}

/// Over several connections at the same time; those of one key over one of them, in order.
async fn upsert(mut records: Receiver<Record>, url: &str) -> anyhow::Result<()> {
    let (mut lanes, mut ends) = (Vec::new(), Vec::new());
    for _ in 0..CONNECTIONS {
        let client = connect(url).await?;
        let (sender, mut records) = channel::<Record>(WAITING / CONNECTIONS);
        lanes.push(sender);
        ends.push(tokio::spawn(async move {
            let upsert = client.prepare(UPSERT).await?;
            while let Some(record) = records.recv().await {
                let (id, policy) = row(&record)?;
                let Policy { title, text, updated_at } = policy;
                client.execute(&upsert, &[&id, &title, &text, &updated_at]).await?;
            }
            anyhow::Ok(())
        }));
    }
    while let Some(record) = records.recv().await {
        let key = record.key.iter().flat_map(|key| key.iter());
        let lane = key.fold(0_usize, |hash, byte| hash.wrapping_mul(31).wrapping_add(usize::from(*byte)));
        lanes[lane % CONNECTIONS].send(record).await.context("a connection has ended")?;
    }
    drop(lanes);
    for end in ends {
        end.await??;
    }
    Ok(())
}

async fn connect(url: &str) -> anyhow::Result<Client> {
    let address = url.strip_prefix("postgresql://").context("the URL of a PostgreSQL")?;
    let url = format!("postgresql://{}:{}@{address}", postgres::USER, postgres::PASSWORD);
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::error!(%error, "the connection broke");
        }
    });
    Ok(client)
}
