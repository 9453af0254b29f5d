//! Many changes of many appointments, through two hosts that are killed again and again: the calendar ends as if each
//! change had come once, in order.
//!
//! `LIAISON_CALENDAR_CHANGES=10000` makes so many changes, for a tenth as many appointments.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use liaison::kafka::producer::Outgoing;
use liaison_tests::caldav::{CALENDAR, CalDavServer};
use liaison_tests::host::{HostProcess, plugin};
use liaison_tests::kafka::Kafka;
use liaison_tests::produce::{cloudevent, produce};
use liaison_tests::{is_quick, port, say_skipped, wait};
use serde_json::{Value, json};

use crate::kafka_fixture::{
    LIMIT, assert_committed_to_the_end, dead_letter_topic, dead_letters, say, wait_for_the_end,
};

const TOPIC: &str = "schedule-changes";
const GROUP: &str = "schedule-changes.calendar";
const PARTITIONS: usize = 6;
/// Changes an appointment.
const EACH: usize = 10;

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
                    ..cloudevent(TOPIC, "schedule.removed", &number.to_string(), &key, &json!({}))
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

fn config(kafka: &Kafka, server: &CalDavServer, admin: std::net::SocketAddr) -> anyhow::Result<String> {
    let mut text = String::new();
    write!(
        text,
        r#"
        [kafka]
        brokers = ["{}"]
        group-prefix = "{TOPIC}"
        [kafka.properties]
        "session.timeout.ms" = "6000"
        "heartbeat.interval.ms" = "1000"
        [admin]
        address = "{admin}"
        [plugins.calendar]
        path = "{}"
        [sla.default]
        initial-interval = "100ms"
        max-interval = "400ms"
        [connectors.calendar]
        plugin = "calendar"
        endpoint = "{}"
        allow-networks = ["127.0.0.0/8"]
        concurrency = 16
        settings = {{ calendar = "{CALENDAR}", version = "/revision" }}
        [subscriptions.calendar]
        connector = "calendar"
        topics = ["{TOPIC}"]
        types = ["*"]
        conflict = {{ policy = "newest-wins", version = "/revision" }}
        dead-letter-topic = "{}"
        "#,
        kafka.bootstrap(),
        plugin("calendar")?.display(),
        server.url(),
        dead_letter_topic(TOPIC, "calendar"),
    )?;
    Ok(text)
}

/// Waits until this host has ended so many deliveries since it was started.
fn wait_for_deliveries(host: &HostProcess, count: usize, limit: Duration) -> anyhow::Result<()> {
    let count = u32::try_from(count).map(f64::from)?;
    wait::until(limit, "deliveries of one host", || {
        host.metrics().is_ok_and(|metrics| metrics.sum("liaison_events_settled_total", &[]) >= count)
    })
}

/// By its own metrics; who has no partition has nothing to do either.
fn has_nothing_to_do(host: &HostProcess) -> bool {
    let is_zero = |name: &str| host.metrics().is_ok_and(|metrics| metrics.sum(name, &[]) < 0.5);
    is_zero("liaison_consumer_lag") && is_zero("liaison_events_unsettled")
}

#[test]
fn a_calendar_ends_as_if_each_change_had_come_once_though_hosts_are_killed() -> anyhow::Result<()> {
    if is_quick() {
        let test = "a_calendar_ends_as_if_each_change_had_come_once_though_hosts_are_killed";
        say_skipped(test, "needs real Kafka and Radicale");
        return Ok(());
    }
    let changes =
        std::env::var("LIAISON_CALENDAR_CHANGES").ok().and_then(|count| count.parse().ok()).unwrap_or(400);
    let schedule = Schedule::new(changes);
    let server = CalDavServer::start()?;
    let kafka = Kafka::shared()?;
    kafka.create_topic(TOPIC, u32::try_from(PARTITIONS)?)?;
    let admins = port::free_many(2)?;
    let mut hosts = Vec::new();
    for admin in admins {
        hosts.push(HostProcess::start(&config(kafka, &server, admin)?, admin, &[])?);
    }
    for host in &mut hosts {
        host.wait_ready(LIMIT)?;
    }
    produce(&kafka.bootstrap(), schedule.records)?;
    let limit = LIMIT * u32::try_from(changes.div_ceil(1_000))?;
    for (count, victim) in [0, 1, 0, 1].into_iter().enumerate() {
        wait_for_deliveries(&hosts[victim], changes / 12, limit)?;
        hosts[victim].kill()?;
        say(&format!("host {victim} killed: {} of 4", count + 1));
        hosts[victim].start_again()?;
    }
    wait::until(limit, "the last deliveries", || hosts.iter().all(has_nothing_to_do))?;
    wait_for_the_end(kafka, GROUP, PARTITIONS)?;
    for host in &mut hosts {
        assert!(host.terminate(LIMIT)?.success());
    }
    assert_committed_to_the_end(kafka, GROUP, PARTITIONS)?;
    assert_eq!(dead_letters(&kafka.bootstrap(), TOPIC, "calendar")?, [""; 0]);
    let found = found(&server)?;
    say(&format!("{changes} changes: {} appointments in the calendar", found.len()));
    let differing: Vec<_> =
        schedule.last.iter().filter(|(key, last)| found.get(*key) != Some(*last)).take(3).collect();
    assert_eq!(differing, [], "in the calendar: {:?}", differing.first().map(|(key, _)| found.get(*key)));
    assert_eq!(found.len(), schedule.last.len());
    Ok(())
}
