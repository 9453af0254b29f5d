//! Transformers, on the plugin `reshape`: what they make of an event is delivered, and the event settles once.

use std::path::Path;

use liaison::event::Event;
use liaison::host::{Host, SyncEnd};
use liaison::kafka::producer::Outgoing;
use liaison_tests::host::plugin;
use liaison_tests::produce::cloudevent;
use liaison_tests::system::{Behaviour, Entry, System};
use serde_json::{Value, json};

use crate::fixture::{Config, Fixture, QUICK, TOPIC, event};

/// A host whose events pass through these jq programs, and are put to the path of the data's `name`.
fn start(programs: &[&str], behaviour: Behaviour) -> anyhow::Result<Fixture> {
    use std::fmt::Write as _;
    let component = plugin("reshape")?;
    let mut tables = format!("{QUICK}\n[plugins.reshape]\npath = \"{}\"\n", component.display());
    let mut names = Vec::new();
    for (number, program) in programs.iter().enumerate() {
        write!(tables, "[transformers.t{number}]\nplugin = \"reshape\"\nsettings = {{ {program} }}\n")?;
        names.push(format!("\"t{number}\""));
    }
    let subscription = format!("transformers = [{}]", names.join(", "));
    let connector =
        r#"settings = { path = "/events/{/name}", headers = { X-Type = "{type}", X-Id = "{id}" } }"#;
    let config = Config { connector, subscription: &subscription, tables: &tables, ..Config::default() };
    Fixture::start(&config, behaviour)
}

fn with(id: &str, data: Value) -> Outgoing {
    cloudevent(TOPIC, "policy.updated", id, "k", &data)
}

fn body(entry: &Entry) -> anyhow::Result<Value> {
    Ok(serde_json::from_slice(&entry.body)?)
}

#[test]
fn what_the_transformer_made_arrives_under_the_identity_of_the_event() -> anyhow::Result<()> {
    let program = r#"jq = "{name: .title, was: $event.type}", type = "reshaped""#;
    let fixture = start(&[program], Behaviour::ok())?;
    fixture.produce([with("e-1", json!({ "title": "leave", "secret": 7 }))])?;
    fixture.settled("delivered", 1)?;
    let ledger = fixture.system.ledger();
    assert_eq!(fixture.requested(), ["leave"]);
    assert_eq!(body(&ledger[0])?, json!({ "name": "leave", "was": "policy.updated" }));
    assert_eq!(
        (&ledger[0].headers["x-type"], &ledger[0].headers["x-id"]),
        (&"reshaped".parse()?, &"e-1".parse()?)
    );
    fixture.stop_without_dead_letters()
}

#[test]
fn transformers_work_one_after_the_other() -> anyhow::Result<()> {
    let programs = [
        r#"jq = ".items[] | {name: .}", type = "item""#,
        r#"jq = "select(.name != \"b\") | {name: (.name + $event.type)}""#,
    ];
    let fixture = start(&programs, Behaviour::ok())?;
    fixture.produce([with("e-1", json!({ "items": ["a", "b", "c"] }))])?;
    fixture.settled("delivered", 1)?;
    assert_eq!(fixture.requested(), ["aitem", "citem"]);
    fixture.stop_without_dead_letters()
}

const SPLIT: &str = r#"jq = ".parts[] | {name: .}""#;

#[test]
fn a_part_that_is_skipped_now_does_not_hold_the_next_ones() -> anyhow::Result<()> {
    let unchanged = Behaviour::ok().when(|request| request.path == "/events/a", Behaviour::status(304));
    let system = System::start("documents", unchanged)?;
    let component = plugin("reshape")?;
    let tables = format!(
        "{QUICK}\n[plugins.reshape]\npath = \"{}\"\n[transformers.split]\nplugin = \"reshape\"\nsettings = {{ {SPLIT} }}\n",
        component.display()
    );
    let config = Config {
        connector: r#"settings = { path = "/events/{/name}" }"#,
        subscription: r#"transformers = ["split"]"#,
        tables: &tables,
        ..Config::default()
    };
    let config =
        liaison::config::Config::from_toml(&config.text("127.0.0.1:9", &system.url())?, Path::new("/"))?;
    let host = Host::from_config(config.config)?;
    let event = Event::from_text(
        r#"{"specversion":"1.0","id":"1","source":"/tests","type":"policy.updated","data":{"parts":["a","b"]}}"#,
    )?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let summary = runtime.block_on(host.sync_event(&event))?;
    assert_eq!(summary.into_values().collect::<Vec<_>>(), [SyncEnd::Delivered]);
    let paths: Vec<_> = system.ledger().into_iter().map(|entry| entry.path.clone()).collect();
    assert_eq!(paths, ["/events/a", "/events/b"]);
    Ok(())
}

#[test]
fn the_parts_of_an_event_arrive_in_order_and_it_settles_once() -> anyhow::Result<()> {
    // The second part fails at first: the third waits, and the first does not come again.
    let failing = Behaviour::ok().for_first(2, Behaviour::status(408));
    let behaviour = Behaviour::ok().when(|request| request.path == "/events/b", failing);
    let fixture = start(&[SPLIT], behaviour)?;
    fixture.produce([
        with("e-1", json!({ "parts": ["a", "b", "c"] })),
        with("e-2", json!({ "parts": ["d"] })),
    ])?;
    fixture.settled("delivered", 2)?;
    assert_eq!(fixture.requested(), ["a", "b", "b", "b", "c", "d"]);
    let ledger = fixture.system.ledger();
    let keys: Vec<_> = ledger.iter().map(|entry| entry.idempotency_key.clone()).collect();
    assert!(keys.iter().all(Option::is_some));
    assert_eq!((&keys[1], &keys[2]), (&keys[2], &keys[3]));
    let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
    assert_eq!(distinct.len(), 4);
    assert_eq!(fixture.metric("liaison_events_settled_total", &[]), 2.0);
    fixture.stop_without_dead_letters()
}

#[test]
fn what_a_transformer_drops_is_filtered() -> anyhow::Result<()> {
    let fixture = start(&[r#"jq = "select(.public)""#], Behaviour::ok())?;
    fixture.produce([
        with("e-1", json!({ "name": "a", "public": false })),
        with("e-2", json!({ "name": "b", "public": true })),
    ])?;
    fixture.settled("delivered", 1)?;
    fixture.settled("filtered", 1)?;
    assert_eq!(fixture.requested(), ["b"]);
    fixture.stop_without_dead_letters()
}

#[test]
fn what_a_transformer_rejects_is_a_dead_letter_as_it_came() -> anyhow::Result<()> {
    let program = r#"jq = "if .name then . else error(\"no owner\") end""#;
    let fixture = start(&[program], Behaviour::ok())?;
    let bad = with("bad", json!({ "title": "x" }));
    let not_json = Outgoing { value: Some("not json".into()), ..event("not-json", "k") };
    fixture.produce([bad.clone(), not_json, with("good", json!({ "name": "a" }))])?;
    fixture.settled("delivered", 1)?;
    assert_eq!(fixture.requested(), ["a"]);
    let letters = fixture.dead_letters(2)?;
    for (letter, id) in letters.iter().zip(["bad", "not-json"]) {
        assert_eq!((letter.event_id()?, letter.reason()?), (id, "transform-rejected"));
        assert_eq!(letter.header("liaison.stage")?, "transform");
        assert_eq!(letter.header("__connect.errors.stage")?, "TRANSFORMATION");
        assert_eq!(letter.header("__connect.errors.class.name")?, "reshape");
        assert_eq!(letter.header("liaison.plugin")?, "reshape");
    }
    assert!(letters[0].message()?.contains("no owner"), "{}", letters[0].message()?);
    assert_eq!(letters[0].0.value, bad.value);
    fixture.host.stop()
}

#[test]
fn a_part_that_is_rejected_is_named_by_the_dead_letter_of_the_whole_event() -> anyhow::Result<()> {
    let behaviour = Behaviour::ok().when(|request| request.path == "/events/b", Behaviour::status(400));
    let fixture = start(&[SPLIT], behaviour)?;
    let whole = with("e-1", json!({ "parts": ["a", "b", "c"] }));
    fixture.produce([whole.clone(), with("e-2", json!({ "parts": ["d"] }))])?;
    fixture.settled("delivered", 1)?;
    let letters = fixture.dead_letters(1)?;
    assert_eq!((letters[0].event_id()?, letters[0].reason()?), ("e-1", "rejected"));
    assert_eq!(letters[0].header("liaison.part")?, "1");
    assert_eq!(letters[0].0.value, whole.value);
    let ledger = fixture.system.ledger();
    let key = letters[0].header("liaison.idempotency-key")?;
    assert_eq!(ledger[1].idempotency_key, Some(format!("\"{key}\"")));
    assert_eq!(fixture.requested(), ["a", "b", "d"]);
    fixture.host.stop()
}

#[test]
fn a_tombstone_passes_a_transformer_as_it_is() -> anyhow::Result<()> {
    let component = plugin("reshape")?;
    let tables = format!(
        "[plugins.reshape]\npath = \"{}\"\n[transformers.t]\nplugin = \"reshape\"\nsettings = {{ jq = \".\" }}",
        component.display()
    );
    let config = Config { subscription: "transformers = [\"t\"]", tables: &tables, ..Config::default() };
    let fixture = Fixture::start(&config, Behaviour::ok())?;
    fixture.produce([Outgoing { value: None, ..event("gone", "k") }])?;
    fixture.settled("delivered", 1)?;
    let ledger = fixture.system.ledger();
    assert_eq!((ledger[0].method.as_str(), ledger[0].path.as_str()), ("DELETE", "/events/gone"));
    fixture.stop_without_dead_letters()
}
