//! The runs whose external system is a real PostgreSQL: a host that merges events into a table, and a loop written by hand
//! that does the same with the same client library.
//!
//! What arrived is read from the table: each row has the time at which it was written, so that nobody has to look while
//! it is measured.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use liaison::config::Config;
use liaison::host::Host;

use super::handwritten;
use super::judge::Faults;
use super::produce::Events;
use super::run::{Bench, Figures, end, make_topic};
use super::usage;
use super::workload::{Load, Mode, Workload};
use crate::folder::Folder;
use crate::host::plugin;
use crate::port;
use crate::postgres::{self, Postgres};
use crate::process::Process;

/// How long nothing may arrive before the rest counts as lost.
const STALLED: Duration = Duration::from_secs(30);
/// Between two looks at the table, which cost the database time.
const LOOK: Duration = Duration::from_millis(500);
const FIRST_LOOK: Duration = Duration::from_millis(20);

/// The name of the table.
pub(super) const TABLE: &str = "arrivals";
const SCHEMA: &str = "create table arrivals (id text primary key, title text, body text, updated_at timestamptz, \
                      deleted boolean, arrived timestamptz default clock_timestamp())";

/// Rows of one statement, for both who send many.
pub(super) const BATCH: usize = 500;
/// Connections, for both who send one row a statement.
pub(super) const CONNECTIONS: usize = 8;
/// Deliveries of such rows that are gathered, of which the plugin makes as many transactions as there are connections for.
const AT_WORK: usize = 8 * CONNECTIONS;

impl Bench<'_> {
    /// One run: the events as rows of a fresh database.
    pub(super) fn run_rows(
        &self,
        workload: Workload,
        mode: Mode,
        load: Load,
        name: &str,
    ) -> anyhow::Result<Figures> {
        let keys = load.keys_of_events();
        let bootstrap = self.kafka.bootstrap();
        make_topic(self.runtime, &bootstrap, name, load.partitions)?;
        self.runtime.block_on(Events::new(&bootstrap, name, &keys)?.produce(0..load.events))?;
        let server = Postgres::start(None)?;
        server.psql(SCHEMA)?;
        let folder = Folder::new("bench-rows")?;
        let command = self.command(workload, mode, &server, &bootstrap, name, &folder)?;
        let mut process = Process::start("the one that is measured", &command, folder.path())?;
        let measured = measure(&mut process, &server, load.events).with_context(|| {
            format!("{} {}; its last lines:\n{}", workload.name(), mode.name(), process.last_lines())
        })?;
        end(&mut process)?;
        figures(&server, &load, measured)
    }

    fn command(
        &self,
        workload: Workload,
        mode: Mode,
        server: &Postgres,
        bootstrap: &str,
        topic: &str,
        folder: &Folder,
    ) -> anyhow::Result<Command> {
        if mode == Mode::Native {
            return handwritten::command(workload, bootstrap, topic, &server.url());
        }
        let password = folder.write("password", postgres::PASSWORD)?;
        let text = config(workload, mode, server, bootstrap, topic, self.cache, &password)?;
        // What is compiled beforehand is not measured.
        drop(Host::from_config(Config::from_toml(&text, folder.path())?.config)?);
        super::host::command(&folder.write("liaison.toml", &text)?, mode)
    }
}

/// What a user would write.
fn config(
    workload: Workload,
    mode: Mode,
    server: &Postgres,
    bootstrap: &str,
    topic: &str,
    cache: &Path,
    password: &Path,
) -> anyhow::Result<String> {
    let (name, connector) = match workload {
        Workload::Warehouse => ("warehouse", warehouse()),
        Workload::Database => ("database", database()),
        other => bail!("{} has no rows", other.name()),
    };
    let instances = match mode {
        Mode::Warm => "instances = { warm = 1000 }",
        Mode::Each => "batch = 1",
        Mode::Native | Mode::Fresh => "",
        Mode::Transform => bail!("{} has no transformer", workload.name()),
    };
    let (component, admin, endpoint) = (plugin(name)?, port::free()?, server.url());
    let mut text = format!(
        "[kafka]\nbrokers = [{bootstrap:?}]\n[admin]\naddress = \"{admin}\"\n[runtime]\ncache = {cache:?}\ncall-twice = false\n\
         [plugins.subject]\npath = {component:?}\n{instances}\n"
    );
    write!(
        text,
        "[connectors.sink]\nplugin = \"subject\"\nendpoint = {endpoint:?}\nallow-networks = [\"127.0.0.0/8\"]\n\
         credential = {{ basic = {{ username = {user:?}, password = {{ file = {password:?} }} }} }}\n{connector}\n\
         [subscriptions.bench]\nconnector = \"sink\"\ntopics = [{topic:?}]\ngroup = {topic:?}\n",
        user = postgres::USER,
    )?;
    text.push_str(if workload == Workload::Warehouse {
        "ordering = \"none\"\n"
    } else {
        "ordering = \"key\"\n"
    });
    Ok(text)
}

fn warehouse() -> String {
    format!(
        "database = {{ tables = [\"{TABLE}\"], connections = {CONNECTIONS} }}\nbatch = {{ events = {BATCH} }}\nsettings = {{ \
         table = \"{TABLE}\", key = {{ id = \"{{id}}\" }}, columns = {{ title = \"/title\", body = \"/text\" }} }}"
    )
}

fn database() -> String {
    format!(
        "database = {{ tables = [\"{TABLE}\"], connections = {CONNECTIONS} }}\nbatch = {{ events = {AT_WORK}, wait = \"10ms\" \
         }}\n\
         settings = {{ dialect = \"postgres\", table = \"{TABLE}\", key = [\"id\"], version-column = \"updated_at\", \
         deleted-column = \"deleted\", columns = {{ id = \"id\", title = \"/title\", body = \"/text\", updated_at = {{ from = \
         \"/updatedAt\", type = \"timestamp\" }} }} }}"
    )
}

/// What was used within the window.
struct Measured {
    cpu: Duration,
    peak_bytes: u64,
}

fn measure(process: &mut Process, server: &Postgres, wanted: usize) -> anyhow::Result<Measured> {
    let begun = Instant::now();
    while rows(server, "select count(*) from (select from arrivals limit 1) first")? == 0 {
        ensure!(begun.elapsed() < STALLED, "nothing arrived within {STALLED:?}");
        running(process)?;
        std::thread::park_timeout(FIRST_LOOK);
    }
    let before = usage::cpu_time(process.id())?;
    let (mut seen, mut since) = (0, Instant::now());
    while seen < wanted && since.elapsed() < STALLED {
        running(process)?;
        let now = rows(server, "select count(*) from arrivals")?;
        if now > seen {
            (seen, since) = (now, Instant::now());
        }
        if seen < wanted {
            std::thread::park_timeout(LOOK);
        }
    }
    let cpu = usage::cpu_time(process.id())?.saturating_sub(before);
    Ok(Measured { cpu, peak_bytes: usage::peak_memory(process.id())? })
}

fn running(process: &mut Process) -> anyhow::Result<()> {
    match process.status() {
        Some(status) => bail!("it ended ({status}) before all events had arrived"),
        None => Ok(()),
    }
}

fn rows(server: &Postgres, sql: &str) -> anyhow::Result<usize> {
    Ok(server.psql(sql)?.parse()?)
}

fn figures(server: &Postgres, load: &Load, measured: Measured) -> anyhow::Result<Figures> {
    let text = server.psql(
        "select count(*), extract(epoch from max(arrived) - min(arrived)), count(*) filter (where id !~ '^[0-9]+$' or \
         title is null or body is null or updated_at is null) from arrivals",
    )?;
    let mut values = text.split('|');
    let mut next = || values.next().context("a value is missing");
    let (events, seconds): (usize, f64) = (next()?.parse()?, next()?.parse()?);
    let strangers = next()?.parse()?;
    let cpu_seconds = measured.cpu.as_secs_f64();
    Ok(Figures {
        events,
        seconds,
        events_per_second: events as f64 / seconds.max(f64::EPSILON),
        p50_ms: None,
        p99_ms: None,
        cpu_seconds,
        cpu_us_per_event: cpu_seconds * 1e6 / events.max(1) as f64,
        peak_mib: measured.peak_bytes as f64 / f64::from(1 << 20),
        waits_ratio: None,
        // A row is there once, whatever was sent.
        faults: Faults { lost: load.events.saturating_sub(events), strangers, ..Faults::default() },
    })
}
