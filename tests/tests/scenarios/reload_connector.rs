//! A reload and what subscriptions have in common: their connector, their plugin, the room for its instances.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use liaison::config::Config;
use liaison::host::Reloaded;
use liaison::kafka::producer::Outgoing;
use liaison_tests::folder::Folder;
use liaison_tests::host::plugin;
use liaison_tests::produce::produce;
use liaison_tests::system::{Behaviour, Entry};
use liaison_tests::wait;
use serde_json::json;

use crate::alerts::Receiver;
use crate::fixture::{Config as Text, DEAD_LETTERS, Fixture, LIMIT, OTHER_TOPIC, QUICK, event, sorted};
use crate::reload_fixture::{Ground, NAMES, Sub, events, records, reload};

const LATENCY: Duration = Duration::from_millis(300);
/// What a machine with much else to do may take of that.
const NEARLY: Duration = Duration::from_millis(200);

/// One more subscription of the connector, to the other topic.
fn second() -> String {
    format!(
        "[subscriptions.second]\nconnector = \"calendar\"\ntopics = [\"{OTHER_TOPIC}\"]\n\
         dead-letter-topic = \"{DEAD_LETTERS}\""
    )
}

fn both(prefix: &str, count: usize) -> Vec<Outgoing> {
    let numbers = 0..count;
    let pair = |number| {
        let first = event(&format!("{prefix}-a-{number}"), &format!("k-{number}"));
        let other = event(&format!("{prefix}-b-{number}"), &format!("k-{number}"));
        [first, Outgoing { topic: OTHER_TOPIC.to_owned(), ..other }]
    };
    numbers.flat_map(pair).collect()
}

pub(crate) fn reload_with(fixture: &Fixture, text: &Text<'_>) -> anyhow::Result<Reloaded> {
    let text = text.text(fixture.broker.bootstrap(), &fixture.system.url())?;
    let config = Config::from_toml(&text, Path::new("/"))?.config;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(fixture.host.reloader().reload(config))?)
}

/// The shortest time in which so many requests came.
fn shortest(ledger: &[Arc<Entry>], count: usize) -> Option<Duration> {
    let spans = ledger.windows(count).map(|part| part[count - 1].received - part[0].received);
    spans.min()
}

#[test]
fn a_connector_that_changed_never_has_more_at_work_than_it_may() -> anyhow::Result<()> {
    let tables = second();
    let slow = Behaviour::ok().with_latency(LATENCY);
    let four = Text { connector: "concurrency = 4", tables: &tables, ..Text::default() };
    let fixture = Fixture::start(&four, slow)?;
    fixture.produce(both("e", 30))?;
    fixture.system.wait_for(12, LIMIT)?;
    let two = Text { connector: "concurrency = 2\nconcurrency-floor = 2", ..four };
    let reloaded = reload_with(&fixture, &two)?;
    assert_eq!((reloaded.restarted.len(), reloaded.unchanged.len()), (2, 0));
    let before = fixture.system.count();
    assert!(before < 60, "all were delivered before");
    fixture.system.wait_for_accepted(60, LIMIT)?;
    let ledger = fixture.system.ledger();
    // Five that are answered after 300 ms each, of which four at most are at work, come in no less than that.
    let five = shortest(&ledger, 5);
    assert!(five.is_some_and(|span| span > NEARLY), "five requests within {five:?}");
    let three = shortest(&ledger[before..], 3);
    assert!(three.is_some_and(|span| span > NEARLY), "three requests within {three:?}");
    let ids = sorted(fixture.delivered());
    assert_eq!((ids.len(), ids.windows(2).any(|pair| pair[0] == pair[1])), (60, false));
    fixture.stop_without_dead_letters()
}

#[test]
fn one_comes_and_goes_and_the_other_of_its_connector_does_not_restart() -> anyhow::Result<()> {
    let tables = second();
    let slow = Behaviour::ok().with_latency(LATENCY);
    let alone = Text { connector: "concurrency = 4", ..Text::default() };
    let with_second = Text { tables: &tables, ..alone };
    let fixture = Fixture::start(&alone, slow)?;
    fixture.produce(both("e", 8))?;
    fixture.system.wait_for_accepted(8, LIMIT)?;
    let reloaded = reload_with(&fixture, &with_second)?;
    assert_eq!((reloaded.added.len(), reloaded.unchanged.len()), (1, 1));
    fixture.system.wait_for_accepted(16, LIMIT)?;
    fixture.produce(both("f", 8))?;
    fixture.system.wait_for_accepted(32, LIMIT)?;
    let five = shortest(&fixture.system.ledger(), 5);
    assert!(five.is_some_and(|span| span > NEARLY), "five requests within {five:?}");
    let reloaded = reload_with(&fixture, &alone)?;
    assert_eq!((reloaded.removed.len(), reloaded.unchanged.len()), (1, 1));
    // Alone again, it may have all four at work.
    fixture.system.take_ledger();
    fixture.produce((0..12).map(|number| event(&format!("g-{number}"), &format!("k-{number}"))))?;
    fixture.system.wait_for_accepted(12, LIMIT)?;
    let four = shortest(&fixture.system.ledger(), 4);
    assert!(four.is_some_and(|span| span < NEARLY), "four requests within {four:?}");
    assert_eq!(fixture.metric("liaison_partitions_assigned", &[]), 4.0);
    fixture.stop_without_dead_letters()
}

#[test]
fn who_is_told_of_alerts_changes_without_a_restart_and_what_is_gone_is_over() -> anyhow::Result<()> {
    let (first, second) = (Receiver::start()?, Receiver::start()?);
    let connector = r#"breaker = { failures = 2, probe-interval = "200ms", max-probe-interval = "200ms" }"#;
    let tables = first.tables(QUICK)?;
    let text = Text { connector, tables: &tables, ..Text::default() };
    let fixture = Fixture::start(&text, Behaviour::status(503))?;
    let some = |prefix: &str| {
        (0..4).map(|key| event(&format!("{prefix}-{key}"), &format!("k-{key}"))).collect::<Vec<_>>()
    };
    fixture.produce(some("e"))?;
    first.wait_for_state("breaker-opened", "raised")?;
    let tables = second.tables(QUICK)?;
    let reloaded = reload_with(&fixture, &Text { tables: &tables, ..text })?;
    assert_eq!((reloaded.restarted.len(), reloaded.unchanged.len()), (0, 1));
    fixture.system.behave(Behaviour::ok());
    second.wait_for_state("breaker-opened", "recovered")?;
    fixture.system.behave(Behaviour::status(503));
    fixture.produce(some("f"))?;
    second.wait_for_state("breaker-opened", "raised")?;
    // Its connector goes with the only subscription of it, and nobody else could say that the outage is over.
    let last = Text { tables: &tables, ..text }.text(fixture.broker.bootstrap(), &fixture.system.url())?;
    let mut config = Config::from_toml(&last, Path::new("/"))?.config;
    config.subscriptions.clear();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let reloaded = runtime.block_on(fixture.host.reloader().reload(config))?;
    assert_eq!(reloaded.removed.len(), 1);
    wait::until(LIMIT, "the end of the second outage", || {
        second.states("breaker-opened").is_ok_and(|states| states == ["recovered", "raised", "recovered"])
    })?;
    assert_eq!(first.states("breaker-opened")?, ["raised"]);
    assert!(fixture.host.is_ready());
    fixture.stop_without_dead_letters()
}

#[test]
fn more_subscriptions_than_there_was_room_for_are_taken_in() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let small = "[runtime]\ninstances = 1\n";
    let mut host = ground
        .launch(&ground.text(&NAMES[..1].iter().map(|name| Sub::new(name)).collect::<Vec<_>>(), small)?)?;
    host.wait_ready(LIMIT)?;
    ground.wait_for_partitions(&host, NAMES[0])?;
    host.configure(&ground.text(&NAMES.map(Sub::new), small)?)?;
    let (status, answer) = reload(&host)?;
    let expected = json!({ "added": NAMES[1..], "removed": [], "restarted": [], "unchanged": NAMES[..1], "plugins": [] });
    assert_eq!((status, answer), (200, expected));
    let events = events("e", 100);
    for name in NAMES {
        produce(ground.broker.bootstrap(), records(name, &events))?;
    }
    for name in NAMES {
        ground.system(name).wait_for_accepted(events.len(), LIMIT)?;
        ground.prove(name, &events);
    }
    Ok(())
}

#[test]
fn another_file_for_a_plugin_is_tried_under_those_that_use_it_and_nobody_restarts() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let folder = Folder::new("content")?;
    let mut content = std::fs::read(plugin("rest")?)?;
    let [before, after] = ["before.wasm", "after.wasm"].map(|name| folder.path().join(name));
    std::fs::write(&before, &content)?;
    // A custom section: the same plugin, and another digest.
    content.extend([0, 2, 1, b'v']);
    std::fs::write(&after, &content)?;
    let [calendar, documents, _] = NAMES.map(Sub::new);
    // One has a plugin of its own, whose file is another.
    let text = |component: &Path| -> anyhow::Result<String> {
        let own = format!("[plugins.own]\npath = \"{}\"\n", component.display());
        let text = ground.text(&[calendar, documents], &own)?;
        let of_documents = |plugin: &str| format!("[connectors.documents]\nplugin = \"{plugin}\"");
        Ok(text.replacen(&of_documents("rest"), &of_documents("own"), 1))
    };
    let mut host = ground.launch(&text(&before)?)?;
    host.wait_ready(LIMIT)?;
    ground.wait_for_partitions(&host, "documents")?;
    host.configure(&text(&after)?)?;
    let (status, answer) = reload(&host)?;
    let expected = json!({
        "added": [], "removed": [], "restarted": [], "unchanged": ["calendar", "documents"], "plugins": ["own"],
    });
    assert_eq!((status, answer), (200, expected));
    host.wait_for_log("a plugin has a new version, which is tried", LIMIT)?;
    let events = events("e", 20);
    produce(ground.broker.bootstrap(), records("documents", &events))?;
    wait::until(LIMIT, "all events", || ground.system("documents").accepted() == events.len())?;
    ground.prove("documents", &events);
    // Where there is no plugin, nothing changes.
    host.configure(&text(&folder.path().join("none.wasm"))?)?;
    let (status, answer) = reload(&host)?;
    assert_eq!(status, 422, "{answer}");
    Ok(())
}
