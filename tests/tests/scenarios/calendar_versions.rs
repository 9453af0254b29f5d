//! The plugin `calendar` where two are of one version, where one comes late, and where the server says little of what it
//! holds: on Radicale, read back by a client library.

use liaison_tests::exchange::Reply;
use liaison_tests::relay;
use liaison_tests::system::System;
use serde_json::json;

use crate::calendar::{More, Stage, at, said, server, tombstone, updated};
use crate::fixture::with_header;

#[test]
fn an_event_hides_nothing_that_a_person_changed_before_it() -> anyhow::Result<()> {
    let Some(server) = server("an_event_hides_nothing_that_a_person_changed_before_it")? else {
        return Ok(());
    };
    let stage = Stage::start(server, &More::default())?;
    stage.send(updated("a-1", 1, &json!({})), "delivered")?;
    stage.server.change("a-1", json!({ "set": { "SUMMARY": "theirs", "LAST-MODIFIED": at(20) } }))?;
    // It touches another field, and the server and `LAST-MODIFIED` tell of this write from now on.
    stage.send(said("schedule.updated", "a-1", 10, json!({ "location": "R1" })), "delivered")?;
    let event = stage.server.event("a-1")?;
    assert_eq!((&event["title"], &event["location"]), (&json!("theirs"), &json!("R1")));
    // Older than what the person changed, and newer.
    stage.send(updated("a-1", 15, &json!({ "title": "ours" })), "superseded")?;
    assert_eq!(stage.server.event("a-1")?["title"], "theirs");
    stage.send(updated("a-1", 25, &json!({ "title": "ours" })), "delivered")?;
    let event = stage.server.event("a-1")?;
    assert_eq!((&event["title"], &event["version"]), (&json!("ours"), &json!(at(25))));
    stage.stop()
}

#[test]
fn of_two_events_of_one_version_the_policy_decides_and_a_cancellation_is_another() -> anyhow::Result<()> {
    const TEST: &str = "of_two_events_of_one_version_the_policy_decides_and_a_cancellation_is_another";
    for (policy, kind, title, status) in [
        ("newest-wins", "superseded", json!("Training"), json!(null)),
        ("source-wins", "delivered", json!("other"), json!("CANCELLED")),
    ] {
        let Some(server) = server(TEST)? else { return Ok(()) };
        let subscription = format!("conflict = {{ policy = \"{policy}\" }}");
        let more = More { settings: "uid = '/id'", subscription: &subscription, ..More::default() };
        let stage = Stage::start(server, &more)?;
        stage.send(updated("a-1", 5, &json!({})), "delivered")?;
        stage.send(updated("a-1", 5, &json!({ "title": "other" })), kind)?;
        assert_eq!(stage.server.event("a-1")?["title"], title, "{policy}");
        // What the calendar holds and this event say the same, but for its type.
        let mut cancelled = updated("a-1", 5, &json!({ "title": title }));
        cancelled.headers.retain(|(name, _)| name != "ce_type");
        stage.send(with_header(cancelled, "ce_type", "schedule.cancelled"), kind)?;
        assert_eq!(stage.server.event("a-1")?["status"], status, "{policy}");
        stage.stop()?;
    }
    Ok(())
}

#[test]
fn a_late_tombstone_removes_nothing_that_is_newer_unless_the_source_wins() -> anyhow::Result<()> {
    const TEST: &str = "a_late_tombstone_removes_nothing_that_is_newer_unless_the_source_wins";
    for (policy, kind, is_left) in
        [("newest-wins", "superseded", 1), ("target-wins", "superseded", 1), ("source-wins", "delivered", 0)]
    {
        let Some(server) = server(TEST)? else { return Ok(()) };
        let subscription = format!("conflict = {{ policy = '{policy}' }}");
        let stage = Stage::start(server, &More { subscription: &subscription, ..More::default() })?;
        stage.send(updated("a-1", 5, &json!({})), "delivered")?;
        stage.send(with_header(tombstone("a-1"), "ce_time", &at(4)), kind)?;
        assert_eq!(stage.server.events()?.len(), is_left, "{policy}");
        stage.send(with_header(tombstone("a-1"), "ce_time", &at(6)), "delivered")?;
        assert_eq!(stage.server.events()?.len(), 0, "{policy}");
        let conflicts = stage.host.metrics().sum("liaison_attempts_total", &[("outcome", "conflict")]);
        assert_eq!(conflicts, 1.0, "{policy}: of the late one, and of no other");
        stage.stop()?;
    }
    Ok(())
}

#[test]
fn a_server_behind_a_proxy_that_weakens_its_tags_is_looked_at_before_each_write() -> anyhow::Result<()> {
    const TEST: &str = "a_server_behind_a_proxy_that_weakens_its_tags_is_looked_at_before_each_write";
    let Some(server) = server(TEST)? else { return Ok(()) };
    let weaken = |reply: &mut Reply| {
        let tags = reply.headers.iter_mut().filter(|(name, _)| name == "etag");
        tags.for_each(|(_, value)| value.insert_str(0, "W/"));
    };
    let system = System::start("proxy", relay::to(server.address(), |_| {}, weaken))?;
    let url = system.url();
    let subscription = "conflict = { policy = 'source-wins' }";
    let stage = Stage::start(server, &More { subscription, endpoint: &url, ..More::default() })?;
    stage.send(updated("a-1", 1, &json!({})), "delivered")?;
    stage.send(updated("a-1", 2, &json!({ "title": "moved" })), "delivered")?;
    stage.server.change("a-1", json!({ "set": { "SUMMARY": "theirs" } }))?;
    stage.send(updated("a-1", 3, &json!({ "title": "ours" })), "delivered")?;
    assert_eq!(stage.server.event("a-1")?["title"], "ours");
    stage.send(tombstone("a-1"), "delivered")?;
    assert_eq!(stage.server.events()?.len(), 0);
    let mut ledger = system.ledger();
    // The connector's check, when it starts.
    ledger.retain(|entry| entry.method.as_str() != "PROPFIND");
    assert!(ledger.iter().all(|entry| !entry.headers.contains_key("if-match")), "it matches nothing");
    let methods: Vec<_> = ledger.iter().map(|entry| entry.method.as_str()).collect();
    // The third was decided by the host between two looks.
    assert_eq!(methods, ["GET", "PUT", "GET", "PUT", "GET", "GET", "PUT", "GET", "DELETE"]);
    stage.stop()
}
