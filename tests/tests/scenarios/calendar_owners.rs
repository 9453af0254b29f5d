//! A field officer and a portal change the same appointment of a real calendar, Radicale: each keeps its own fields, and
//! what never settles ends with a person. Read back by a client library.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context as _;
use liaison_tests::caldav::CALENDAR;
use liaison_tests::exchange;
use liaison_tests::relay;
use liaison_tests::system::{Request, System};
use serde_json::{Value, json};

use crate::calendar::{More, Stage, at, server, updated};
use crate::fixture::letters;

/// When and what is the officer's; where, what to bring and all else is the portal's.
const MERGE: &str = r#"conflict = { policy = "merge", version = "/updatedAt", default-owner = "target", owners = { "/title" = "source", "/start" = "source", "/end" = "source", "/timezone" = "source", "/updatedAt" = "source" } }"#;
const UNDATED: &str = "changes-by-others = 'undated'";

/// The officer's state of it, who has not seen what the portal changed.
fn officers(title: &str, start: &str, minute: u32) -> Value {
    let end = start.replace(":00:00", ":45:00");
    json!({ "title": title, "start": start, "end": end, "location": "A1", "description": "as planned", "updatedAt": at(minute) })
}

/// How often a conflict was decided like this.
fn decided(stage: &Stage, policy: &str, decision: &str) -> f64 {
    stage.host.metrics().sum("liaison_conflicts_total", &[("policy", policy), ("decision", decision)])
}

#[test]
fn each_side_keeps_its_own_fields_of_an_appointment_in_a_calendar() -> anyhow::Result<()> {
    let Some(server) = server("each_side_keeps_its_own_fields_of_an_appointment_in_a_calendar")? else {
        return Ok(());
    };
    let stage = Stage::start(server, &More { settings: UNDATED, subscription: MERGE, ..More::default() })?;
    let send = |title: &str, start: &str, minute: u32, kind: &str| {
        stage.send(updated("a-1", minute, &officers(title, start, minute)), kind)
    };
    let holds = |title: &str, start: &str, location: &str, version: u32| -> anyhow::Result<()> {
        let event = stage.server.event("a-1")?;
        let found = ["title", "start", "location", "description", "version"].map(|name| &event[name]);
        let start = format!("{start}+02:00[Europe/Berlin]");
        let expected = [title, &start, location, "bring chalk", &at(version)];
        assert_eq!(found, expected.map(|text| json!(text)).each_ref(), "{event:#}");
        assert_eq!(event["alarms"], json!(["-PT15M"]));
        Ok(())
    };
    send("Training", "2026-05-04T10:00:00", 1, "delivered")?;
    stage.server.change(
        "a-1",
        json!({ "set": { "LOCATION": "B7", "DESCRIPTION": "bring chalk", "LAST-MODIFIED": at(20) }, "alarm": 15 }),
    )?;
    // The officer moved it before the portal did that, and is heard of after.
    send("Training, moved", "2026-06-01T09:00:00", 10, "delivered")?;
    holds("Training, moved", "2026-06-01T09:00:00", "B7", 10)?;

    // The same five times, and an older one, change nothing.
    let text = stage.server.text("a-1.ics")?;
    for _ in 0..5 {
        send("Training, moved", "2026-06-01T09:00:00", 10, "superseded")?;
    }
    send("late", "2026-05-11T10:00:00", 5, "superseded")?;
    assert_eq!(stage.server.text("a-1.ics")?, text);

    // The portal's fields are still its own, whoever comes next and however often.
    send("Training, moved again", "2026-06-08T09:00:00", 30, "delivered")?;
    holds("Training, moved again", "2026-06-08T09:00:00", "B7", 30)?;
    stage.server.change("a-1", json!({ "set": { "LOCATION": "C9", "LAST-MODIFIED": at(40) } }))?;
    send("Training, called off", "2026-06-15T09:00:00", 35, "delivered")?;
    holds("Training, called off", "2026-06-15T09:00:00", "C9", 35)?;
    let found = ["merged", "already-there", "superseded", "manual"]
        .map(|decision| decided(&stage, "merge", decision));
    assert_eq!(found, [3.0, 5.0, 1.0, 0.0]);
    stage.stop()
}

/// Somebody else gives an appointment another title, by a request past the host.
fn retitle(server: SocketAddr, path: &str, number: u32) -> anyhow::Result<()> {
    let text = exchange::ask(server, "GET", path, &[], b"")?.text();
    let line = text.lines().find(|line| line.starts_with("SUMMARY:")).context("it has a title")?;
    let changed = text.replace(line, &format!("SUMMARY:theirs {number}"));
    let kind = ("content-type", "text/calendar; charset=utf-8");
    let status = exchange::ask(server, "PUT", path, &[kind], changed.as_bytes())?.status;
    anyhow::ensure!(status == 204, "{path} was answered {status}");
    Ok(())
}

#[test]
fn an_appointment_of_a_calendar_that_changes_at_every_try_ends_with_a_person() -> anyhow::Result<()> {
    const TEST: &str = "an_appointment_of_a_calendar_that_changes_at_every_try_ends_with_a_person";
    for (policy, subscription) in [("source-wins", "conflict = { policy = 'source-wins' }"), ("merge", MERGE)]
    {
        let Some(server) = server(TEST)? else { return Ok(()) };
        let (address, tries) = (server.address(), AtomicU32::new(0));
        let meddle = move |request: &Request<'_>| {
            if request.headers.contains_key("if-match") {
                let number = tries.fetch_add(1, Ordering::Relaxed) + 1;
                retitle(address, request.path, number).expect("the server takes it");
            }
        };
        let system = System::start("calendar", relay::to(address, meddle, |_| {}))?;
        let url = system.url();
        let more = More { settings: UNDATED, subscription, endpoint: &url, ..More::default() };
        let stage = Stage::start(server, &more)?;
        stage.send(updated("a-1", 1, &json!({})), "delivered")?;
        stage.send(updated("a-1", 2, &json!({ "title": "ours" })), "dead-lettered")?;
        assert_eq!(decided(&stage, policy, "endless"), 1.0, "{policy}");
        // The first, and one after each of five decisions: all were refused.
        let writes: Vec<_> = system
            .ledger()
            .iter()
            .filter(|entry| entry.headers.contains_key("if-match"))
            .map(|entry| entry.status)
            .collect();
        assert_eq!(writes, [Some(412); 6], "{policy}");
        assert_eq!(stage.server.event("a-1")?["title"], "theirs 6", "{policy}");
        stage.host.stop()?;
        let letters = letters(&stage.broker)?;
        assert_eq!((letters.len(), letters[0].reason()?), (1, "conflict"), "{policy}");
        assert_eq!(
            letters[0].message()?,
            "the external system changed at each of 5 tries: the appointment was changed again since the conflict was decided"
        );
        let sides: Value = serde_json::from_str(letters[0].header("liaison.conflict")?)?;
        let held = sides["held"]["content"]["data"].as_str().context("what is held")?;
        assert_eq!(serde_json::from_str::<Value>(held)?["title"], "theirs 6", "{sides:#}");
        assert!(system.ledger().iter().all(|entry| entry.path.starts_with(CALENDAR)));
    }
    Ok(())
}
