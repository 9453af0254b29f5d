//! The plugin `grpc` against a server that nobody here wrote, read back by reflection.

use std::path::Path;

use liaison_tests::folder::Folder;
use liaison_tests::rooms::Rooms;
use liaison_tests::{is_quick, say_skipped};
use serde_json::{Value, json};

use crate::fixture::{LIMIT, with_header};
use crate::procedures::{NEWEST, SOURCE, Script, Stage, TARGET, changed, gone};

const CALLS: &str = r#"
    write = { method = "/agency.rooms.v1.Rooms/UpdateRoom", request = { room = "{data}", etag = "{etag}" } }
    create = { method = "/agency.rooms.v1.Rooms/CreateRoom", request = { room = "{data}" } }
    delete = { method = "/agency.rooms.v1.Rooms/DeleteRoom", request = { name = "rooms/{key}", etag = "{etag}" } }
    etag = "/etag"
    external-id = "/name"
"#;
const LOOKUP: &str = r#"
    lookup.method = "/agency.rooms.v1.Rooms/GetRoom"
    lookup.request = { name = "rooms/{key}" }
"#;

fn server(test: &str) -> anyhow::Result<Option<Rooms>> {
    if is_quick() {
        say_skipped(test, "needs grpcio");
        return Ok(None);
    }
    Rooms::start().map(Some)
}

fn connector(descriptor_set: &Path, settings: &str) -> String {
    let file = descriptor_set.display();
    format!(
        "settings-files.descriptor-set = {{ path = '{file}', as = \"base64\" }}\n\
         [connectors.calendar.settings]\n{CALLS}\n{settings}"
    )
}

fn start(rooms: &Rooms, settings: &str, subscription: &str) -> anyhow::Result<Stage> {
    let connector = connector(&rooms.descriptor_set(), settings);
    Stage::start(&Script { plugin: "grpc", connector: &connector, subscription }, &rooms.url())
}

fn room(key: &str, title: &str, at: &str) -> Value {
    json!({ "name": format!("rooms/{key}"), "title": title, "seats": 12, "kind": "KIND_HALL", "tags": ["a"],
            "updatedAt": at, "unknown": { "to": "the service" } })
}

/// The minute of a day, so that later is newer.
fn at(minute: u32) -> String {
    format!("2026-05-01T12:{minute:02}:00Z")
}

/// What the server holds: title, minute and revision.
fn held(rooms: &Rooms, key: &str) -> anyhow::Result<Option<(String, String, String)>> {
    let found = rooms.call("GetRoom", &json!({ "name": format!("rooms/{key}") }))?;
    let text = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
    Ok((found["status"] != "NOT_FOUND").then(|| (text("title"), text("updatedAt"), text("revision"))))
}

/// Of one attempt: so long that what a slow machine takes of it is little.
const HOUR: &str = "sla = { attempt-timeout = \"1h\" }";

/// The seconds that the server was told it has for a call.
fn left(call: &str) -> Option<f64> {
    call.rsplit("left=").next()?.parse().ok()
}

fn is(title: &str, minute: u32, revision: u32) -> Option<(String, String, String)> {
    Some((title.to_owned(), at(minute), revision.to_string()))
}

#[test]
fn grpc_creates_changes_and_deletes_and_repeats_nothing() -> anyhow::Result<()> {
    let Some(rooms) = server("grpc_creates_changes_and_deletes_and_repeats_nothing")? else { return Ok(()) };
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/grpc/rooms.binpb");
    assert_eq!(
        std::fs::read(committed)?,
        std::fs::read(rooms.descriptor_set())?,
        "rooms.binpb is not of rooms.proto"
    );
    let settings = format!("{LOOKUP}\nmetadata = {{ x-tenant = \"{{attributes.tenant}}\" }}");
    let stage = start(&rooms, &settings, &format!("{NEWEST}\n{HOUR}"))?;
    let north = |event| with_header(event, "ce_tenant", "north");
    stage.produce([north(changed("a-1", "a", &room("a", "A", &at(1))))])?;
    stage.settled("delivered", 1)?;
    let found = rooms.call("GetRoom", &json!({ "name": "rooms/a" }))?;
    let expected = json!({ "name": "rooms/a", "title": "A", "seats": 12, "kind": "KIND_HALL", "tags": ["a"],
                           "updatedAt": at(1), "revision": "1", "etag": "r1" });
    assert_eq!(found, expected);
    let call = rooms.calls().into_iter().find(|line| line.contains("CreateRoom")).unwrap_or_default();
    assert!(call.contains(r#""x-tenant": "north""#) && call.contains(r#""idempotency-key": "#), "{call}");
    let is_of_attempt = |left: f64| left > 1_800.0 && left <= 3_600.0;
    assert!(left(&call).is_some_and(is_of_attempt), "the attempt's own time: {call}");

    stage.produce([north(changed("a-2", "a", &room("a", "B", &at(2))))])?;
    stage.settled("delivered", 2)?;
    assert_eq!(held(&rooms, "a")?, is("B", 2, 2));

    // The same event five times, and an older one after it.
    stage.produce((0..5).map(|_| north(changed("a-3", "a", &room("a", "C", &at(3))))))?;
    stage.settled("delivered", 7)?;
    assert_eq!(held(&rooms, "a")?, is("C", 3, 3));
    stage.produce([north(changed("a-2", "a", &room("a", "B", &at(2))))])?;
    stage.settled("superseded", 1)?;
    assert_eq!(held(&rooms, "a")?, is("C", 3, 3));

    stage.produce((0..2).map(|_| north(gone("a-4", "a"))))?;
    stage.settled("delivered", 9)?;
    assert_eq!(held(&rooms, "a")?, None);
    let deletes = rooms.calls().iter().filter(|line| line.contains("DeleteRoom")).count();
    assert_eq!(deletes, 1, "what is gone already is not deleted");
    stage.stop_without_dead_letters()
}

#[test]
fn grpc_leaves_what_somebody_else_made_newer_unless_the_source_wins() -> anyhow::Result<()> {
    let test = "grpc_leaves_what_somebody_else_made_newer_unless_the_source_wins";
    let Some(rooms) = server(test)? else { return Ok(()) };
    for key in ["a", "b", "c"] {
        let room = json!({ "room": room(key, "theirs", &at(5)).as_object().map(|room| {
            let mut room = room.clone();
            room.remove("unknown");
            room
        }) });
        assert_eq!(rooms.call("CreateRoom", &room)?["revision"], "1");
    }
    // Looked at before, or only after the server refused what is not newer.
    for (key, when) in [("a", "before"), ("b", "conflict")] {
        let stage = start(&rooms, &format!("{LOOKUP}\nlookup.when = \"{when}\""), NEWEST)?;
        stage.produce([changed("older", key, &room(key, "ours", &at(4)))])?;
        stage.settled("superseded", 1)?;
        assert_eq!(held(&rooms, key)?, is("theirs", 5, 1), "{when}");
        stage.produce([changed("newer", key, &room(key, "ours", &at(6)))])?;
        stage.settled("delivered", 1)?;
        assert_eq!(held(&rooms, key)?, is("ours", 6, 2), "{when}");
        stage.stop_without_dead_letters()?;
    }
    // Of the same version, with other data.
    let stage = start(&rooms, LOOKUP, NEWEST)?;
    stage.produce([changed("same", "c", &room("c", "ours", &at(5)))])?;
    stage.settled("superseded", 1)?;
    assert_eq!((held(&rooms, "c")?, stage.attempts("conflict")), (is("theirs", 5, 1), 1.0));
    stage.stop_without_dead_letters()?;
    let stage = start(&rooms, LOOKUP, SOURCE)?;
    stage.produce([changed("older", "c", &room("c", "ours", &at(4)))])?;
    stage.settled("delivered", 1)?;
    assert_eq!(held(&rooms, "c")?, is("ours", 4, 2));
    assert_eq!((stage.attempts("conflict"), stage.attempts("delivered")), (1.0, 1.0));
    stage.stop_without_dead_letters()
}

#[test]
fn a_late_grpc_tombstone_leaves_what_was_written_after_it_unless_the_source_wins() -> anyhow::Result<()> {
    let test = "a_late_grpc_tombstone_leaves_what_was_written_after_it_unless_the_source_wins";
    let Some(rooms) = server(test)? else { return Ok(()) };
    let settings = format!("{LOOKUP}\ntimeout-ms = 60000");
    let at_minute = |id: &str, key, minute| with_header(gone(id, key), "ce_time", &at(minute));
    for (key, policy, kind, is_left) in [
        ("a", NEWEST, "superseded", true),
        ("b", TARGET, "superseded", true),
        ("c", SOURCE, "delivered", false),
    ] {
        let stage = start(&rooms, &settings, &format!("{policy}\n{HOUR}"))?;
        stage.produce([changed("written", key, &room(key, "A", &at(5)))])?;
        stage.settled("delivered", 1)?;
        stage.produce([at_minute("late", key, 4)])?;
        stage.settled(kind, if is_left { 1 } else { 2 })?;
        assert_eq!(held(&rooms, key)?, if is_left { is("A", 5, 1) } else { None }, "{policy}");
        stage.produce([at_minute("in time", key, 6)])?;
        stage.settled("delivered", if is_left { 2 } else { 3 })?;
        assert_eq!(held(&rooms, key)?, None, "{policy}");
        assert_eq!(stage.attempts("conflict"), 1.0, "{policy}: of the late one, and of no other");
        stage.stop_without_dead_letters()?;
    }
    // The server was told how long a call may take, which is less than what the attempt had left.
    for call in rooms.calls().iter().filter(|line| line.contains("idempotency-key")) {
        assert!(left(call).is_some_and(|left| left <= 60.0), "{call}");
    }
    Ok(())
}

#[test]
fn a_grpc_server_that_is_away_costs_no_event() -> anyhow::Result<()> {
    let Some(mut rooms) = server("a_grpc_server_that_is_away_costs_no_event")? else { return Ok(()) };
    let stage = start(&rooms, LOOKUP, NEWEST)?;
    stage.produce([changed("k0-1", "k0", &room("k0", "A", &at(1)))])?;
    stage.settled("delivered", 1)?;
    rooms.kill()?;
    let events = (2..6).flat_map(|minute| (0..5).map(move |key| (format!("k{key}"), minute)));
    stage.produce(
        events.map(|(key, minute)| changed(&format!("{key}-{minute}"), &key, &room(&key, "B", &at(minute)))),
    )?;
    stage
        .host
        .wait_for_metric(LIMIT, "liaison_attempts_total", &[("outcome", "retry")], |found| found >= 1.0)?;
    rooms.start_again()?;
    stage.settled("delivered", 21)?;
    for key in 0..5 {
        let revision = if key == 0 { 5 } else { 4 };
        assert_eq!(held(&rooms, &format!("k{key}"))?, is("B", 5, revision));
    }
    stage.stop_without_dead_letters()
}

#[test]
fn grpc_tells_bad_data_from_a_busy_server() -> anyhow::Result<()> {
    let Some(rooms) = server("grpc_tells_bad_data_from_a_busy_server")? else { return Ok(()) };
    let stage = start(&rooms, LOOKUP, NEWEST)?;
    let mut odd = room("odd", "A", &at(1));
    odd["seats"] = json!("many");
    stage.produce([
        changed("untitled", "untitled", &room("untitled", " ", &at(1))),
        changed("odd", "odd", &odd),
        changed("good", "good", &room("good", "A", &at(1))),
        changed("later", "later", &room("later", "later", &at(1))),
        changed("huge", "huge", &room("huge", "huge", &at(1))),
    ])?;
    let retried = [("outcome", "retry")];
    stage.host.wait_for_metric(LIMIT, "liaison_attempts_total", &retried, |found| found >= 1.0)?;
    // Others are taken, so that it is this event and not the server.
    stage.produce([changed("good-2", "good", &room("good", "B", &at(2)))])?;
    stage.settled("dead-lettered", 3)?;
    stage.settled("delivered", 3)?;
    assert_eq!(held(&rooms, "good")?, is("B", 2, 2));
    assert_eq!(held(&rooms, "later")?, is("later", 1, 1));
    assert_eq!(stage.attempts("throttled"), 1.0);
    let reasons = stage.reasons()?;
    let expected = [
        ("huge", "Rooms/CreateRoom answered RESOURCE_EXHAUSTED: room rooms/huge is too large"),
        ("odd", "the event does not fit the message agency.rooms.v1.CreateRoomRequest: "),
        (
            "untitled",
            "gRPC /agency.rooms.v1.Rooms/CreateRoom answered INVALID_ARGUMENT: room rooms/untitled has no title",
        ),
    ];
    assert_eq!(reasons.len(), expected.len(), "{reasons:?}");
    for ((id, reason), (expected_id, part)) in reasons.iter().zip(expected) {
        assert!(id == expected_id && reason.contains(part), "{id}: {reason}");
    }
    stage.stop()
}

#[test]
fn a_descriptor_set_that_changes_restarts_its_connector_at_a_reload() -> anyhow::Result<()> {
    let test = "a_descriptor_set_that_changes_restarts_its_connector_at_a_reload";
    let Some(rooms) = server(test)? else { return Ok(()) };
    let folder = Folder::new("descriptor-set")?;
    let file = folder.path().join("rooms.binpb");
    std::fs::copy(rooms.descriptor_set(), &file)?;
    let connector = connector(&file, LOOKUP);
    let script = Script { plugin: "grpc", connector: &connector, subscription: NEWEST };
    let stage = Stage::start(&script, &rooms.url())?;
    assert_eq!(stage.reload(&script)?.restarted.len(), 0);
    std::fs::write(&file, "no descriptor set")?;
    assert_eq!(stage.reload(&script)?.restarted.len(), 1);
    stage.produce([changed("a-1", "a", &room("a", "A", &at(1)))])?;
    let denied = [("outcome", "denied")];
    stage.host.wait_for_metric(LIMIT, "liaison_attempts_total", &denied, |found| found >= 1.0)?;
    std::fs::copy(rooms.descriptor_set(), &file)?;
    stage.reload(&script)?;
    stage.settled("delivered", 1)?;
    assert_eq!(held(&rooms, "a")?, is("A", 1, 1));
    std::fs::remove_file(&file)?;
    let refused = stage.reload(&script).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(
        refused.contains("connectors.calendar.settings-files.descriptor-set.path: cannot read"),
        "{refused}"
    );
    stage.stop_without_dead_letters()
}
