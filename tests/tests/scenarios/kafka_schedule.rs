//! Many changes of many appointments, through two hosts that are killed again and again: a calendar, a database and a
//! warehouse end as if each change had come once, in order.
//!
//! `LIAISON_SCHEDULE_CHANGES=10000` makes so many changes, for a tenth as many appointments.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use liaison::kafka::producer::Outgoing;
use liaison_tests::caldav::{CALENDAR, CalDavServer};
use liaison_tests::folder::Folder;
use liaison_tests::host::{HostProcess, plugin};
use liaison_tests::kafka::{GroupOffset, Kafka};
use liaison_tests::postgres::{self, Postgres};
use liaison_tests::produce::{cloudevent, produce};
use liaison_tests::{is_quick, port, say_skipped, wait};
use serde_json::{Value, json};

use crate::fixture::{CALLED_ONCE, with_header};
use crate::kafka_fixture::{LIMIT, assert_committed_to_the_end, dead_letter_topic, dead_letters, say};
use crate::sql::credential;

const TOPIC: &str = "schedule-changes";
const SUBSCRIPTIONS: [&str; 3] = ["calendar", "records", "warehouse"];
const PARTITIONS: usize = 6;
/// Changes an appointment.
const EACH: usize = 10;
/// Which of the two hosts is killed, one after another.
const KILLED: [usize; 4] = [0, 1, 0, 1];
/// Of each host to the calendar at a time: Radicale answers eight, and lets five more wait. Connections beyond that are
/// not refused but forgotten, which costs a second each.
const REQUESTS: usize = 4;

/// What people should see of an appointment, by what its events say alone.
#[derive(Debug, Default, Clone, PartialEq)]
struct Appointment {
    title: String,
    start: String,
    end: String,
    location: Option<String>,
    is_cancelled: bool,
    sequence: u64,
    version: u64,
}

/// Changes in the order in which they are produced, and what each appointment is after its last one.
struct Schedule {
    records: Vec<Outgoing>,
    last: BTreeMap<String, Appointment>,
}

impl Schedule {
    fn new(changes: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(7);
        let appointments = changes.div_ceil(EACH);
        let mut last: BTreeMap<String, Appointment> = BTreeMap::new();
        let mut records = Vec::with_capacity(changes);
        for number in 0..changes {
            let index = random.usize(..appointments);
            let key = format!("appointment-{index}");
            let record = match last.remove(&key) {
                // One in twenty is removed, and may come again.
                Some(_) if random.u8(..20) == 0 => Outgoing {
                    value: None,
                    ..with_header(
                        cloudevent(TOPIC, "schedule.removed", &number.to_string(), &key, &json!({})),
                        "ce_revision",
                        &number.to_string(),
                    )
                },
                held => {
                    let appointment = changed(held, number, &mut random);
                    let event = event(&key, number, &appointment);
                    last.insert(key, appointment);
                    event
                }
            };
            records.push(Outgoing { partition: i32::try_from(index % PARTITIONS).ok(), ..record });
        }
        Self { records, last }
    }
}

/// The next state of an appointment: every change has another title, and some have another time.
fn changed(held: Option<Appointment>, number: usize, random: &mut fastrand::Rng) -> Appointment {
    let before = held.clone().unwrap_or_default();
    let mut after = before.clone();
    after.title = format!("change {number}");
    after.version = number as u64;
    if held.is_none() || random.bool() {
        let (day, hour) = (random.u8(1..=28), random.u8(8..18));
        after.start = format!("2026-06-{day:02}T{hour:02}:00:00");
        after.end = format!("2026-06-{day:02}T{:02}:30:00", hour + random.u8(0..2));
    }
    if random.u8(..4) == 0 {
        after.location = random.bool().then(|| format!("room {number}"));
    }
    after.is_cancelled = random.u8(..10) == 0;
    let is_new_time =
        (&after.start, &after.end, after.is_cancelled) != (&before.start, &before.end, before.is_cancelled);
    after.sequence = before.sequence + u64::from(held.is_some() && is_new_time);
    after
}

fn event(key: &str, number: usize, appointment: &Appointment) -> Outgoing {
    let Appointment { title, start, end, location, is_cancelled, version, .. } = appointment;
    let status = if *is_cancelled { "cancelled" } else { "confirmed" };
    let data = json!({
        "title": title, "start": start, "end": end, "timezone": "Europe/Berlin", "location": location, "status": status,
        "revision": version,
    });
    cloudevent(TOPIC, "schedule.updated", &number.to_string(), key, &data)
}

/// As a client library reads them.
fn found(server: &CalDavServer) -> anyhow::Result<BTreeMap<String, Appointment>> {
    let local = |value: &Value| value.as_str().unwrap_or_default().chars().take(19).collect();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let one = |event: &Value| {
        let appointment = Appointment {
            title: text(&event["title"]).unwrap_or_default(),
            start: local(&event["start"]),
            end: local(&event["end"]),
            location: text(&event["location"]),
            is_cancelled: event["status"] == "CANCELLED",
            sequence: event["sequence"].as_u64().unwrap_or(u64::MAX),
            version: text(&event["version"]).and_then(|version| version.parse().ok()).unwrap_or(u64::MAX),
        };
        (text(&event["uid"]).unwrap_or_default(), appointment)
    };
    Ok(server.events()?.iter().map(one).collect())
}

/// The three systems, and what the host needs to know of them.
struct Systems {
    calendar: CalDavServer,
    database: Postgres,
    folder: Folder,
}

const SCHEMA: &str = "create table records (id text primary key, title text, starts text, location text, \
                      cancelled text, revision bigint); \
                      create table mirror (id text primary key, title text, starts text, location text, \
                      cancelled text, revision bigint not null, deleted boolean not null)";
/// Of the plugins' settings, alike in both.
const COLUMNS: &str = r#"title = "/title", starts = "/start", location = "/location", cancelled = "/status""#;

impl Systems {
    fn start() -> anyhow::Result<Self> {
        let (calendar, database) = (CalDavServer::start()?, Postgres::start(None)?);
        database.psql(SCHEMA)?;
        let folder = Folder::new("schedule")?;
        folder.write("password", postgres::PASSWORD)?;
        Ok(Self { calendar, database, folder })
    }

    fn config(&self, kafka: &Kafka, admin: std::net::SocketAddr) -> anyhow::Result<String> {
        let mut text = format!(
            r#"
            [kafka]
            brokers = ["{}"]
            group-prefix = "{TOPIC}"
            [kafka.properties]
            "session.timeout.ms" = "6000"
            "heartbeat.interval.ms" = "1000"
            [admin]
            address = "{admin}"
            {CALLED_ONCE}
            [sla.default]
            initial-interval = "100ms"
            max-interval = "400ms"
            "#,
            kafka.bootstrap()
        );
        let credential = credential(postgres::USER, &self.folder.path().join("password"));
        let calendar = format!(
            "concurrency = {REQUESTS}\nsettings = {{ calendar = \"{CALENDAR}\", version = \"/revision\" }}"
        );
        let records = format!(
            r#"{credential}
            settings = {{ dialect = "postgres", table = "records", key = ["id"], version-column = "revision", tombstone-version = {{ from = "attributes.revision", type = "integer" }}, columns = {{ id = "key", {COLUMNS}, revision = {{ from = "/revision", type = "integer" }} }} }}"#
        );
        let warehouse = format!(
            r#"{credential}
            concurrency = 100
            batch = {{ events = 100, wait = "50ms" }}
            settings = {{ table = "mirror", key = {{ id = "{{key}}" }}, columns = {{ {COLUMNS} }}, version = {{ from = "/revision", type = "integer" }}, version-column = "revision", tombstone-version = "{{attributes.revision}}" }}"#
        );
        let database = self.database.url();
        for (name, plugin, endpoint, connector) in [
            ("calendar", "calendar", &self.calendar.url(), calendar),
            ("records", "database", &database, records),
            ("warehouse", "warehouse", &database, warehouse),
        ] {
            text.push_str(&subscription(name, plugin, endpoint, &connector)?);
        }
        Ok(text)
    }

    /// What all of them hold is what the events say alone.
    fn hold(&self, last: &BTreeMap<String, Appointment>) -> anyhow::Result<()> {
        let found = found(&self.calendar)?;
        let differing: Vec<_> =
            last.iter().filter(|(key, last)| found.get(*key) != Some(*last)).take(3).collect();
        assert_eq!(differing, [], "in the calendar: {:?}", differing.first().map(|(key, _)| found.get(*key)));
        assert_eq!(found.len(), last.len());
        let row = |(key, appointment): (&String, &Appointment)| {
            let Appointment { title, start, location, is_cancelled, version, .. } = appointment;
            let status = if *is_cancelled { "cancelled" } else { "confirmed" };
            format!("{key}|{title}|{start}|{}|{status}|{version}", location.as_deref().unwrap_or_default())
        };
        let expected: Vec<_> = last.iter().map(row).collect();
        for (table, those) in [("records", "true"), ("mirror", "not deleted")] {
            let columns = "id, title, starts, location, cancelled, revision";
            let rows = format!("select {columns} from {table} where {those} order by id collate \"C\"");
            let rows = self.database.psql(&rows)?;
            let rows: Vec<_> = rows.lines().collect();
            let differing: Vec<_> =
                rows.iter().zip(&expected).filter(|(row, said)| *row != said).take(3).collect();
            assert!(differing.is_empty(), "{table}: {differing:#?}");
            assert_eq!(rows.len(), expected.len(), "rows in {table}");
        }
        Ok(())
    }
}

fn subscription(name: &str, component: &str, endpoint: &str, connector: &str) -> anyhow::Result<String> {
    Ok(format!(
        r#"
        [plugins.{name}]
        path = "{}"
        [connectors.{name}]
        plugin = "{name}"
        endpoint = "{endpoint}"
        allow-networks = ["127.0.0.0/8"]
        {connector}
        [subscriptions.{name}]
        connector = "{name}"
        topics = ["{TOPIC}"]
        types = ["*"]
        conflict = {{ policy = "newest-wins", version = "/revision" }}
        dead-letter-topic = "{}"
        "#,
        plugin(component)?.display(),
        dead_letter_topic(TOPIC, name),
    ))
}

/// Waits until half of all partitions are this host's, or more.
fn wait_for_partitions(host: &HostProcess, limit: Duration) -> anyhow::Result<()> {
    let half = u32::try_from(SUBSCRIPTIONS.len() * PARTITIONS / 2).map(f64::from)?;
    wait::until(limit, "the partitions of one host", || {
        host.metrics().is_ok_and(|metrics| metrics.sum("liaison_partitions_assigned", &[]) >= half)
    })
}

/// Waits until this host has ended so many deliveries since it was started.
fn wait_for_deliveries(host: &HostProcess, count: usize, limit: Duration) -> anyhow::Result<()> {
    let count = u32::try_from(count).map(f64::from)?;
    wait::until(limit, "deliveries of one host", || {
        host.metrics().is_ok_and(|metrics| metrics.sum("liaison_events_settled_total", &[]) >= count)
    })
}

/// By their own metrics: all partitions are somebody's, and nothing in them is left.
fn have_nothing_to_do(hosts: &[HostProcess]) -> bool {
    let sum = |name: &str| {
        let found = hosts.iter().map(|host| Some(host.metrics().ok()?.sum(name, &[])));
        found.sum::<Option<f64>>()
    };
    let is = |name: &str, expected: usize| {
        let expected = u32::try_from(expected).map_or(f64::NAN, f64::from);
        sum(name).is_some_and(|found| (found - expected).abs() < 0.5)
    };
    is("liaison_partitions_assigned", SUBSCRIPTIONS.len() * PARTITIONS)
        && is("liaison_consumer_lag", 0)
        && is("liaison_events_unsettled", 0)
}

/// As the broker has it: hosts that have just started may not know yet how much is left.
fn has_committed_all(kafka: &Kafka, group: &str) -> bool {
    let is_at_the_end = |offset: &GroupOffset| offset.committed == Some(offset.end);
    kafka
        .group_offsets(group)
        .is_ok_and(|offsets| offsets.len() == PARTITIONS && offsets.iter().all(is_at_the_end))
}

#[test]
fn three_systems_end_as_if_each_change_had_come_once_though_hosts_are_killed() -> anyhow::Result<()> {
    if is_quick() {
        let test = "three_systems_end_as_if_each_change_had_come_once_though_hosts_are_killed";
        say_skipped(test, "needs real Kafka and real systems");
        return Ok(());
    }
    let changes =
        std::env::var("LIAISON_SCHEDULE_CHANGES").ok().and_then(|count| count.parse().ok()).unwrap_or(400);
    let schedule = Schedule::new(changes);
    let systems = Systems::start()?;
    let kafka = Kafka::shared()?;
    kafka.create_topic(TOPIC, u32::try_from(PARTITIONS)?)?;
    let mut hosts = Vec::new();
    for admin in port::free_many(2)? {
        hosts.push(HostProcess::start(&systems.config(kafka, admin)?, admin, &[])?);
    }
    for host in &mut hosts {
        host.wait_ready(LIMIT)?;
    }
    let begun = Instant::now();
    let portion = changes.div_ceil(KILLED.len() + 1);
    let mut records = schedule.records.into_iter();
    let limit = LIMIT * u32::try_from(changes.div_ceil(1_000))?;
    for (count, victim) in KILLED.into_iter().enumerate() {
        // It has something to do by itself, however quick the other one is.
        wait_for_partitions(&hosts[victim], limit)?;
        produce(&kafka.bootstrap(), records.by_ref().take(portion).collect())?;
        wait_for_deliveries(&hosts[victim], changes / 12, limit)?;
        hosts[victim].kill()?;
        say(&format!("host {victim} killed: {} of {}", count + 1, KILLED.len()));
        hosts[victim].start_again()?;
    }
    produce(&kafka.bootstrap(), records.collect())?;
    let groups = SUBSCRIPTIONS.map(|name| format!("{TOPIC}.{name}"));
    wait::until(limit, "the last commit", || {
        have_nothing_to_do(&hosts) && groups.iter().all(|group| has_committed_all(kafka, group))
    })?;
    say(&format!("{changes} changes of three systems in {:.0?}", begun.elapsed()));
    for host in &mut hosts {
        assert!(host.terminate(LIMIT)?.success());
    }
    for (name, group) in SUBSCRIPTIONS.iter().zip(&groups) {
        assert_committed_to_the_end(kafka, group, PARTITIONS)?;
        assert_eq!(dead_letters(&kafka.bootstrap(), TOPIC, name)?, [""; 0], "{name}");
    }
    say(&format!("{changes} changes: {} appointments are left", schedule.last.len()));
    systems.hold(&schedule.last)
}
