//! The plugin `calendar` on a real CalDAV server: Radicale, read and changed by a client library that nobody here wrote.

use anyhow::ensure;
use liaison::kafka::embedded::Embedded;
use liaison::kafka::producer::Outgoing;
use liaison_tests::caldav::{CALENDAR, CalDavServer};
use liaison_tests::local::LocalHost;
use liaison_tests::produce::{cloudevent, produce};
use liaison_tests::{is_quick, say_skipped};
use serde_json::{Value, json};

use crate::fixture::{Config, DEAD_LETTERS, LIMIT, QUICK, TOPIC, letters};

/// A host that keeps a calendar.
pub(crate) struct Stage {
    pub(crate) host: LocalHost,
    pub(crate) broker: Embedded,
    pub(crate) server: CalDavServer,
}

/// More of the configuration: of the plugin's settings, of the connector and of the subscription.
#[derive(Default)]
pub(crate) struct More<'a> {
    pub(crate) settings: &'a str,
    pub(crate) connector: &'a str,
    pub(crate) subscription: &'a str,
    /// Where the host is to find the server; the server itself where it is empty.
    pub(crate) endpoint: &'a str,
}

impl Stage {
    pub(crate) fn start(server: CalDavServer, more: &More<'_>) -> anyhow::Result<Self> {
        let broker = Embedded::start(&[(TOPIC, 1), (DEAD_LETTERS, 1)])?;
        let host = LocalHost::start(&config(broker.bootstrap(), &server, more)?)?;
        Ok(Self { host, broker, server })
    }

    pub(crate) fn produce(&self, events: impl IntoIterator<Item = Outgoing>) -> anyhow::Result<()> {
        produce(self.broker.bootstrap(), events.into_iter().collect())
    }

    /// Waits until so many events have ended like this, and gives how many have.
    pub(crate) fn settled(&self, kind: &str, count: f64) -> anyhow::Result<()> {
        let labels = [("kind", kind)];
        self.host.wait_for_metric(LIMIT, "liaison_events_settled_total", &labels, |found| found >= count)?;
        let found = self.host.metrics().sum("liaison_events_settled_total", &labels);
        ensure!((found - count).abs() < 0.5, "{found} are {kind}, not {count}");
        Ok(())
    }

    /// Sends one and waits for its end.
    pub(crate) fn send(&self, event: Outgoing, kind: &str) -> anyhow::Result<()> {
        let labels = [("kind", kind)];
        let before = self.host.metrics().sum("liaison_events_settled_total", &labels);
        self.produce([event])?;
        self.settled(kind, before + 1.0)
    }

    pub(crate) fn stop(self) -> anyhow::Result<()> {
        self.host.stop()?;
        let letters = letters(&self.broker)?;
        ensure!(letters.is_empty(), "dead letters: {letters:?}");
        Ok(())
    }
}

pub(crate) fn config(bootstrap: &str, server: &CalDavServer, more: &More<'_>) -> anyhow::Result<String> {
    let connector =
        format!("settings = {{ calendar = '{CALENDAR}', {} }}\n{}", more.settings, more.connector);
    let subscription = more.subscription;
    let config = Config {
        plugin: "calendar",
        connector: &connector,
        subscription,
        tables: QUICK,
        ..Config::default()
    };
    match more.endpoint {
        "" => config.text(bootstrap, &server.url()),
        endpoint => config.text(bootstrap, endpoint),
    }
}

/// A server, unless only the quick tests are asked for.
pub(crate) fn server(test: &str) -> anyhow::Result<Option<CalDavServer>> {
    if is_quick() {
        say_skipped(test, "needs Radicale");
        return Ok(None);
    }
    CalDavServer::start().map(Some)
}

/// An event of this appointment; `more` is laid over what all have. Its version is minute `minute` of a day.
pub(crate) fn updated(key: &str, minute: u32, more: &Value) -> Outgoing {
    let mut data = json!({
        "id": key,
        "title": "Training",
        "start": "2026-05-04T10:00:00",
        "end": "2026-05-04T11:30:00",
        "timezone": "Europe/Berlin",
        "updatedAt": at(minute),
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        data[name] = value.clone();
    }
    cloudevent(TOPIC, "schedule.updated", &format!("{key}-{minute}"), key, &data)
}

pub(crate) fn at(minute: u32) -> String {
    format!("2026-04-01T08:{minute:02}:00Z")
}

/// An event of this type that says this alone, at that minute.
pub(crate) fn said(kind: &str, key: &str, minute: u32, mut data: Value) -> Outgoing {
    data["updatedAt"] = at(minute).into();
    cloudevent(TOPIC, kind, &format!("{key}-{minute}-{kind}"), key, &data)
}

pub(crate) fn tombstone(key: &str) -> Outgoing {
    Outgoing { value: None, ..cloudevent(TOPIC, "schedule.removed", &format!("{key}-gone"), key, &json!({})) }
}

#[test]
fn an_appointment_is_made_moved_cancelled_and_removed() -> anyhow::Result<()> {
    let Some(server) = server("an_appointment_is_made_moved_cancelled_and_removed")? else { return Ok(()) };
    let stage = Stage::start(server, &More::default())?;
    let long = "Überstunden, Raum 7; \\o/ 漢字 🜚\nzweite Zeile ".repeat(20);
    let whole = json!({
        "location": "Süd; 2. Stock", "description": long, "categories": ["Pflicht", "a,b"],
        "organiser": { "name": "Amt: \"Süd\"", "email": "amt@example.gov" },
        "attendees": ["eva@example.gov", { "name": "Muster, Max", "email": "max@example.gov" }],
    });
    stage.send(updated("a-1", 1, &whole), "delivered")?;
    let made = stage.server.event("a-1")?;
    for (name, expected) in [
        ("title", json!("Training")),
        ("description", json!(long.trim_end())),
        ("location", json!("Süd; 2. Stock")),
        ("start", json!("2026-05-04T10:00:00+02:00[Europe/Berlin]")),
        ("end", json!("2026-05-04T11:30:00+02:00[Europe/Berlin]")),
        ("zones", json!(["Europe/Berlin"])),
        ("categories", json!(["Pflicht", "a,b"])),
        ("sequence", json!(0)),
        ("stamp", json!("2026-04-01T08:01:00+00:00[UTC]")),
        ("modified", json!("2026-04-01T08:01:00+00:00[UTC]")),
        ("href", json!(format!("{}{CALENDAR}a-1.ics", stage.server.url()))),
    ] {
        assert_eq!(made[name], expected, "{name}");
    }
    assert_eq!(made["attendees"][1]["cn"], "Muster, Max");
    assert_eq!(made["organiser"]["address"], "mailto:amt@example.gov");
    assert!(stage.server.text("a-1.ics")?.lines().all(|line| line.trim_end().len() <= 75));

    let moved = json!({ "start": "2026-12-04T09:00:00", "end": null, "duration": 45, "description": null });
    stage.send(updated("a-1", 2, &moved), "delivered")?;
    let event = stage.server.event("a-1")?;
    assert_eq!(event["start"], "2026-12-04T09:00:00+01:00[Europe/Berlin]");
    assert_eq!(event["end"], "2026-12-04T09:45:00+01:00[Europe/Berlin]");
    assert_eq!((&event["sequence"], &event["description"]), (&json!(1), &Value::Null));
    assert_eq!(event["location"], made["location"], "what an event does not say stays");

    let cancelled = cloudevent(TOPIC, "schedule.cancelled", "c", "a-1", &json!({ "updatedAt": at(3) }));
    stage.send(cancelled, "delivered")?;
    let event = stage.server.event("a-1")?;
    assert_eq!((&event["status"], &event["sequence"]), (&json!("CANCELLED"), &json!(2)));

    stage.send(tombstone("a-1"), "delivered")?;
    assert_eq!(stage.server.events()?, Vec::<Value>::new());
    stage.send(tombstone("a-1"), "delivered")?;
    stage.stop()
}

#[test]
fn times_mean_the_same_to_another_program() -> anyhow::Result<()> {
    let Some(server) = server("times_mean_the_same_to_another_program")? else { return Ok(()) };
    let stage = Stage::start(server, &More::default())?;
    let at = |start: &str, end: &str, zone: &str| json!({ "start": start, "end": end, "timezone": zone });
    let recurring = |start: &str, zone: &str| {
        json!({
            "title": zone, "start": start, "end": null, "duration": "PT1H", "timezone": zone,
            "recurrence": ["FREQ=WEEKLY;COUNT=3", format!("EXDATE:{}", start.replace(['-', ':'], ""))],
        })
    };
    stage.produce([
        updated("day", 1, &at("2026-05-04", "2026-05-06", "Europe/Berlin")),
        updated("utc", 1, &at("2026-05-04T10:00:00Z", "2026-05-04T11:00:00Z", "UTC")),
        updated("instant", 1, &at("2026-05-04T10:00:00Z", "2026-05-04T13:00:00+02:00", "America/New_York")),
        // Across the nights in which clocks are changed, each by a rule of another shape.
        updated("berlin", 1, &recurring("2026-10-19T10:00:00", "Europe/Berlin")),
        updated("santiago", 1, &recurring("2026-08-31T10:00:00", "America/Santiago")),
        updated("cairo", 1, &recurring("2027-10-25T10:00:00", "Africa/Cairo")),
        updated("dublin", 1, &recurring("2026-10-19T10:00:00", "Europe/Dublin")),
        updated("casablanca", 1, &recurring("2027-02-01T10:00:00", "Africa/Casablanca")),
    ])?;
    stage.settled("delivered", 8.0)?;
    let day = stage.server.event("day")?;
    assert_eq!((&day["start"], &day["end"]), (&json!("2026-05-04"), &json!("2026-05-06")));
    let utc = stage.server.event("utc")?;
    assert_eq!((&utc["start"], &utc["zones"]), (&json!("2026-05-04T10:00:00+00:00[UTC]"), &json!([])));
    let instant = stage.server.event("instant")?;
    assert_eq!(instant["start"], "2026-05-04T06:00:00-04:00[America/New_York]");
    assert_eq!(instant["end"], "2026-05-04T07:00:00-04:00[America/New_York]");
    let found = stage.server.occurrences("20260801", "20280101")?;
    let starts = |zone: &str| -> Vec<String> {
        let found = found.as_array().into_iter().flatten().filter(|one| one[2] == zone);
        found.filter_map(|one| Some(one[0].as_str()?[..25].to_owned())).collect()
    };
    for (zone, expected) in [
        ("Europe/Berlin", ["2026-10-26T10:00:00+01:00", "2026-11-02T10:00:00+01:00"]),
        ("America/Santiago", ["2026-09-07T10:00:00-03:00", "2026-09-14T10:00:00-03:00"]),
        ("Africa/Cairo", ["2027-11-01T10:00:00+02:00", "2027-11-08T10:00:00+02:00"]),
        ("Europe/Dublin", ["2026-10-26T10:00:00+00:00", "2026-11-02T10:00:00+00:00"]),
        ("Africa/Casablanca", ["2027-02-08T10:00:00+00:00", "2027-02-15T10:00:00+00:00"]),
    ] {
        assert_eq!(starts(zone), expected, "{zone}");
    }
    stage.stop()
}

#[test]
fn the_same_event_five_times_and_an_older_one_change_nothing() -> anyhow::Result<()> {
    let Some(server) = server("the_same_event_five_times_and_an_older_one_change_nothing")? else {
        return Ok(());
    };
    let stage = Stage::start(server, &More::default())?;
    let newer = || updated("a-1", 7, &json!({ "title": "newer", "start": "2026-05-04T09:00:00" }));
    stage.send(newer(), "delivered")?;
    let text = stage.server.text("a-1.ics")?;
    stage.produce((0..4).map(|_| newer()))?;
    stage.settled("delivered", 5.0)?;
    stage.send(updated("a-1", 6, &json!({ "title": "older" })), "superseded")?;
    assert_eq!(stage.server.text("a-1.ics")?, text);
    // It was not even sent: none of those deliveries wrote.
    let written = stage.host.metrics().sum("liaison_attempts_total", &[("outcome", "conflict")]);
    assert!((written - 1.0).abs() < 0.5, "{written} conflicts");
    stage.send(
        updated("a-1", 8, &json!({ "title": "newest", "start": "2026-05-04T09:00:00" })),
        "delivered",
    )?;
    let event = stage.server.event("a-1")?;
    assert_eq!((&event["title"], &event["sequence"]), (&json!("newest"), &json!(0)));
    stage.stop()
}

#[test]
fn what_people_add_in_the_calendar_stays() -> anyhow::Result<()> {
    let Some(server) = server("what_people_add_in_the_calendar_stays")? else { return Ok(()) };
    let stage = Stage::start(server, &More::default())?;
    let weekly =
        json!({ "recurrence": "FREQ=WEEKLY;COUNT=5", "attendees": ["eva@example.gov", "max@example.gov"] });
    stage.send(updated("a-1", 1, &weekly), "delivered")?;
    stage.server.change(
        "a-1",
        json!({
            "set": { "X-NOTE": "bring chalk" }, "alarm": 20, "attendees": ["mailto:guest@example.gov"],
            "skip": ["2026-05-11T10:00:00"], "moved": ["2026-05-18T10:00:00", "2026-05-19T15:00:00"],
        }),
    )?;
    let sequence = stage.server.event("a-1")?["sequence"].as_u64();
    let shorter = json!({
        "title": "shorter", "end": "2026-05-04T11:00:00", "recurrence": "FREQ=WEEKLY;COUNT=6", "attendees": ["max@example.gov"],
    });
    stage.send(updated("a-1", 2, &shorter), "delivered")?;
    let event = stage.server.event("a-1")?;
    assert_eq!((&event["alarms"], &event["note"]), (&json!(["-PT20M"]), &json!("bring chalk")));
    let attendees: Vec<_> =
        event["attendees"].as_array().into_iter().flatten().map(|one| &one["address"]).collect();
    assert_eq!(attendees, ["mailto:max@example.gov", "mailto:guest@example.gov"]);
    assert_eq!(
        event["sequence"].as_u64(),
        sequence.map(|sequence| sequence + 1),
        "raised above what is there"
    );
    let found = stage.server.occurrences("20260501", "20260701")?;
    let starts: Vec<_> = found.as_array().into_iter().flatten().map(|one| (&one[0], &one[2])).collect();
    let berlin = |local: &str| json!(format!("{local}+02:00[Europe/Berlin]"));
    let expected = [
        (berlin("2026-05-04T10:00:00"), json!("shorter")),
        (berlin("2026-05-19T15:00:00"), json!("moved")),
        (berlin("2026-05-25T10:00:00"), json!("shorter")),
        (berlin("2026-06-01T10:00:00"), json!("shorter")),
        (berlin("2026-06-08T10:00:00"), json!("shorter")),
    ];
    assert_eq!(starts, expected.iter().map(|(start, title)| (start, title)).collect::<Vec<_>>());
    stage.stop()
}
