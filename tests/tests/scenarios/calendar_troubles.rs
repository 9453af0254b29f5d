//! The plugin `calendar` where things go wrong on a real CalDAV server: two sides change the same, the server is away,
//! events are bad, the calendar is missing.

use anyhow::ensure;
use liaison::kafka::embedded::Embedded;
use liaison_tests::caldav::CalDavServer;
use liaison_tests::folder::Folder;
use liaison_tests::local::LocalHost;
use liaison_tests::{is_quick, say_skipped};
use serde_json::json;

use crate::calendar::{More, Stage, at, config, server, updated};
use crate::command::Program;
use crate::fixture::{DEAD_LETTERS, LIMIT, TOPIC, by_event, letters};

#[test]
fn of_two_changes_the_newer_wins_whoever_made_it() -> anyhow::Result<()> {
    let Some(server) = server("of_two_changes_the_newer_wins_whoever_made_it")? else { return Ok(()) };
    let stage = Stage::start(server, &More::default())?;
    stage.send(updated("a-1", 1, &json!({})), "delivered")?;
    let theirs = |title: &str, minute| json!({ "set": { "SUMMARY": title, "LAST-MODIFIED": at(minute) } });
    stage.server.change("a-1", theirs("theirs", 20))?;
    // The event is newer than what it was written over, and older than what people made of that.
    stage.send(updated("a-1", 10, &json!({ "title": "ours" })), "superseded")?;
    assert_eq!(stage.server.event("a-1")?["title"], "theirs");
    stage.send(updated("a-1", 30, &json!({ "title": "ours, later" })), "delivered")?;
    assert_eq!(stage.server.event("a-1")?["title"], "ours, later");
    // Redelivered, it does not undo what came after it.
    stage.server.change("a-1", theirs("theirs again", 40))?;
    stage.send(updated("a-1", 30, &json!({ "title": "ours, later" })), "superseded")?;
    assert_eq!(stage.server.event("a-1")?["title"], "theirs again");
    // What both sides agree on is no conflict.
    stage.send(updated("a-1", 35, &json!({ "title": "theirs again", "location": "R2" })), "delivered")?;
    assert_eq!(stage.server.event("a-1")?["location"], "R2");
    stage.stop()
}

#[test]
fn a_policy_decides_over_what_people_changed() -> anyhow::Result<()> {
    for (policy, kind, title) in [
        ("source-wins", "delivered", "ours"),
        ("target-wins", "superseded", "theirs"),
        ("manual", "dead-lettered", "theirs"),
    ] {
        let Some(server) = server("a_policy_decides_over_what_people_changed")? else { return Ok(()) };
        let subscription = format!("conflict = {{ policy = \"{policy}\" }}");
        let stage = Stage::start(server, &More { subscription: &subscription, ..More::default() })?;
        stage.send(updated("a-1", 1, &json!({})), "delivered")?;
        stage.server.change("a-1", json!({ "set": { "SUMMARY": "theirs" }, "alarm": 5 }))?;
        stage.send(updated("a-1", 2, &json!({ "title": "ours" })), kind)?;
        let event = stage.server.event("a-1")?;
        assert_eq!((&event["title"], &event["alarms"]), (&json!(title), &json!(["-PT5M"])), "{policy}");
        stage.host.stop()?;
        let letters = letters(&stage.broker)?;
        let messages: Result<Vec<_>, _> = letters.iter().map(|letter| letter.message()).collect();
        let message =
            "a person decides by policy: somebody else changed the title of the appointment in the calendar";
        assert_eq!(messages?, if policy == "manual" { vec![message] } else { vec![] });
    }
    Ok(())
}

#[test]
fn a_server_that_is_away_costs_no_event_and_no_order() -> anyhow::Result<()> {
    const KEYS: u32 = 8;
    let Some(server) = server("a_server_that_is_away_costs_no_event_and_no_order")? else { return Ok(()) };
    let mut stage = Stage::start(server, &More::default())?;
    let events = |minutes: std::ops::Range<u32>| {
        let each = minutes.flat_map(|minute| (0..KEYS).map(move |key| (key, minute)));
        each.map(|(key, minute)| {
            updated(&format!("k-{key}"), minute, &json!({ "title": format!("of {minute}") }))
        })
    };
    stage.produce(events(1..4))?;
    stage.settled("delivered", f64::from(KEYS * 3))?;
    stage.server.stop()?;
    stage.produce(events(4..8))?;
    let retried = [("outcome", "retry")];
    stage.host.wait_for_metric(LIMIT, "liaison_attempts_total", &retried, |found| found >= 5.0)?;
    let opened = |found: f64| found >= 1.0;
    stage.host.wait_for_metric(LIMIT, "liaison_breaker_opened_total", &[], opened)?;
    stage.server.start_again()?;
    stage.settled("delivered", f64::from(KEYS * 7))?;
    let events = stage.server.events()?;
    assert_eq!(events.len(), KEYS as usize);
    assert!(events.iter().all(|event| event["title"] == "of 7" && event["version"] == at(7)), "{events:#?}");
    stage.stop()
}

#[test]
fn a_bad_event_is_one_dead_letter_that_says_why() -> anyhow::Result<()> {
    let Some(server) = server("a_bad_event_is_one_dead_letter_that_says_why")? else { return Ok(()) };
    let stage = Stage::start(server, &More::default())?;
    stage.server.put(
        "elsewhere.ics",
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:taken\r\nDTSTAMP:20260101T000000Z\r\n\
         DTSTART:20260501T100000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
    )?;
    stage.produce([
        updated("good", 1, &json!({})),
        updated("zone", 1, &json!({ "timezone": "Mars/Base" })),
        updated("end", 1, &json!({ "end": "2026-05-04T09:00:00" })),
        updated("rule", 1, &json!({ "recurrence": "FREQ=SOMETIMES" })),
        updated("taken", 1, &json!({})),
        updated("good", 2, &json!({ "title": "better" })),
    ])?;
    stage.settled("dead-lettered", 4.0)?;
    stage.settled("delivered", 2.0)?;
    assert_eq!(stage.server.event("good")?["title"], "better");
    assert_eq!(stage.server.events()?.len(), 2);
    let found = letters(&stage.broker)?;
    let found = by_event(&found)?;
    assert_eq!(found.len(), 4);
    for (event, expected) in [
        ("zone-1", "the event's data at `/timezone`: `Mars/Base` is no time zone of the IANA database"),
        ("end-1", "its end 2026-05-04T09:00:00[Europe/Berlin] is not after its start"),
        ("rule-1", "the event's data at `/recurrence`: `FREQ=SOMETIMES` is no part of a rule"),
        ("taken-1", "no-uid-conflict: another resource of the calendar has this UID"),
    ] {
        let message = found[event].message()?;
        assert!(message.contains(expected), "{message}");
    }
    stage.host.stop()
}

#[test]
fn a_calendar_asks_for_its_password_and_is_made_when_it_is_missing() -> anyhow::Result<()> {
    if is_quick() {
        say_skipped("a_calendar_asks_for_its_password_and_is_made_when_it_is_missing", "needs Radicale");
        return Ok(());
    }
    let server = CalDavServer::start_empty(true)?;
    let folder = Folder::new("calendar-password")?;
    let password = folder.write("password", server.password())?;
    let credential = |file: &std::path::Path| {
        format!(
            "credential = {{ basic = {{ username = 'team', password = {{ file = '{}' }} }} }}",
            file.display()
        )
    };
    let (right, wrong) = (credential(&password), credential(&folder.write("wrong", "secret-0000")?));
    let checked = |settings: &str, connector: &str, code: i32| -> anyhow::Result<String> {
        let broker = Embedded::start(&[(TOPIC, 1), (DEAD_LETTERS, 1)])?;
        let more = More { settings, connector, ..More::default() };
        let ended = Program::new(&config(broker.bootstrap(), &server, &more)?)?.run("check --live")?;
        ensure!(ended.code == Some(code), "{ended:#?}");
        Ok(ended.out + &ended.log)
    };
    assert!(checked("", &wrong, 1)?.contains("401"));
    assert!(
        checked("", &right, 1)?
            .contains("the calendar is not there; make it, or set `create-calendar = true`")
    );
    let making = "create-calendar = true";
    assert!(checked(making, &right, 0)?.contains("is made with the first appointment"));

    let broker = Embedded::start(&[(TOPIC, 1), (DEAD_LETTERS, 1)])?;
    let more = More { settings: making, connector: &right, ..More::default() };
    let host = LocalHost::start(&config(broker.bootstrap(), &server, &more)?)?;
    let stage = Stage { host, broker, server };
    stage.produce((0..4).map(|key| updated(&format!("k-{key}"), 1, &json!({}))))?;
    stage.settled("delivered", 4.0)?;
    assert_eq!(stage.server.events()?.len(), 4);
    let broker = Embedded::start(&[(TOPIC, 1), (DEAD_LETTERS, 1)])?;
    let more = More { connector: &right, ..More::default() };
    let ended = Program::new(&config(broker.bootstrap(), &stage.server, &more)?)?.run("check --live")?;
    ensure!(ended.code == Some(0) && (ended.out + &ended.log).contains("it is a calendar"), "no calendar");
    stage.stop()
}

#[test]
fn the_example_is_a_configuration_that_a_host_takes() -> anyhow::Result<()> {
    let example = include_str!("../../../plugins/calendar/example.toml");
    let built = "../../target/wasm32-wasip2/plugin/calendar.wasm";
    ensure!(example.contains(built), "it names another component");
    let component = liaison_tests::host::plugin("calendar")?;
    let program = Program::new(&example.replace(built, &component.display().to_string()))?;
    let mut command = program.command("check")?;
    let output = command.env("CALENDAR_PASSWORD", "x").output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
