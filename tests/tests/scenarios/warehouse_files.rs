//! The plugin `warehouse` as files of lines in a real server of the S3 API, read back object by object.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::ensure;
use liaison::kafka::embedded::Embedded;
use liaison::kafka::producer::Outgoing;
use liaison_tests::folder::Folder;
use liaison_tests::local::LocalHost;
use liaison_tests::produce::{cloudevent, produce};
use liaison_tests::s3::S3;
use liaison_tests::{is_quick, say_skipped, wait};
use serde_json::{Value, json};

use crate::command::Program;
use crate::fixture::{CALLED_ONCE, Config, DEAD_LETTERS, LIMIT, QUICK, TOPIC, by_event, letters};
use crate::warehouse_table::{UNORDERED, settled};

const PARTITIONS: i32 = 2;

/// A server with a bucket, and a broker.
struct Stage {
    server: S3,
    broker: Embedded,
    folder: Folder,
}

impl Stage {
    /// `None` where nothing real is to be started.
    fn new(test: &str) -> anyhow::Result<Option<Self>> {
        if is_quick() {
            say_skipped(test, "needs Go");
            return Ok(None);
        }
        let broker = Embedded::start(&[(TOPIC, PARTITIONS), (DEAD_LETTERS, 1)])?;
        Ok(Some(Self { server: S3::start("archive")?, broker, folder: Folder::new("warehouse-files")? }))
    }

    fn config(&self, endpoint: &str, batch: &str) -> anyhow::Result<String> {
        let credential = S3::credential(&self.folder)?;
        let connector = format!("settings = {{ files = \"policies\" }}\n{credential}\n{batch}");
        let config = Config { plugin: "warehouse", connector: &connector, ..Config::default() };
        let tables = format!("{QUICK}\n{CALLED_ONCE}");
        let config = Config { subscription: UNORDERED, tables: &tables, ..config };
        config.text(self.broker.bootstrap(), endpoint)
    }

    fn host(&self, endpoint: &str, batch: &str) -> anyhow::Result<LocalHost> {
        LocalHost::start(&self.config(endpoint, batch)?)
    }

    fn produce(&self, events: impl IntoIterator<Item = Outgoing>) -> anyhow::Result<()> {
        produce(self.broker.bootstrap(), events.into_iter().collect())
    }

    /// All lines of all files, and how many files there are. Each file is what its name says.
    fn lines(&self) -> anyhow::Result<(Vec<Value>, usize)> {
        let keys = self.server.keys()?;
        let mut lines = Vec::new();
        for key in &keys {
            let object = self.server.object(key)?.expect("it was listed");
            assert_eq!(object.header("content-type"), Some("application/x-ndjson"));
            let text = std::str::from_utf8(object.content())?;
            assert!(text.ends_with('\n'), "{key}: {text}");
            let own: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
            let parts: Vec<&str> = key.split('/').collect();
            assert_eq!((parts.len(), parts[0], parts[1]), (4, "policies", TOPIC), "{key}");
            assert!(own.iter().all(|line| line["partition"].as_i64() == parts[2].parse().ok()), "{key}");
            let offsets: Vec<i64> = own.iter().filter_map(|line| line["offset"].as_i64()).collect();
            assert!(offsets.is_sorted() && offsets.len() == own.len(), "{key}: {offsets:?}");
            let span = format!("{:019}-{:019}-", offsets[0], offsets[offsets.len() - 1]);
            assert!(parts[3].starts_with(&span) && parts[3].ends_with(".ndjson"), "{key}");
            lines.extend(own);
        }
        Ok((lines, keys.len()))
    }

    /// What a reader makes of the files: of each key the newest, where it is not gone.
    fn newest(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let mut newest: BTreeMap<String, (String, Option<String>)> = BTreeMap::new();
        for line in self.lines()?.0 {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let is_gone = line["deleted"] == true;
            let version = text(if is_gone { &line["time"] } else { &line["data"]["updatedAt"] });
            let title = (!is_gone).then(|| text(&line["data"]["title"]));
            let held = newest.entry(text(&line["key"])).or_default();
            if version > held.0 {
                *held = (version, title);
            }
        }
        Ok(newest.into_iter().filter_map(|(key, (_, title))| Some((key, title?))).collect())
    }
}

fn policy(id: &str, key: &str, title: &str, day: u32) -> Outgoing {
    let data = json!({ "title": title, "updatedAt": format!("2026-01-{day:02}T00:00:00.000Z") });
    cloudevent(TOPIC, "policy.updated", id, key, &data)
}

fn gone(id: &str, key: &str, day: u32) -> Outgoing {
    let mut event = cloudevent(TOPIC, "policy.removed", id, key, &json!(null));
    event.value = None;
    let time = format!("2026-01-{day:02}T12:00:00Z");
    event.headers.push(("ce_time".into(), Some(time.into())));
    event
}

const BATCH: &str = r#"batch = { events = 200, wait = "50ms" }"#;

#[test]
fn files_tell_of_each_event_however_often_and_in_whatever_order_it_comes() -> anyhow::Result<()> {
    let name = "files_tell_of_each_event_however_often_and_in_whatever_order_it_comes";
    let Some(stage) = Stage::new(name)? else { return Ok(()) };
    let host = stage.host(&stage.server.url(), BATCH)?;
    let expect = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(key, title)| ((*key).to_owned(), (*title).to_owned())).collect()
    };
    stage.produce([policy("1", "a", "first", 1), policy("2", "b", "first", 1)])?;
    settled(&host, "delivered", 2.0)?;
    assert_eq!(stage.newest()?, expect(&[("a", "first"), ("b", "first")]));
    stage.produce([policy("3", "a", "second", 3)])?;
    settled(&host, "delivered", 3.0)?;
    assert_eq!(stage.newest()?, expect(&[("a", "second"), ("b", "first")]));
    // The same five times, an older one and a tombstone.
    stage.produce((0..5).map(|_| policy("3", "a", "second", 3)))?;
    stage.produce([policy("4", "a", "older", 2), gone("5", "b", 4)])?;
    settled(&host, "delivered", 10.0)?;
    assert_eq!(stage.newest()?, expect(&[("a", "second")]));
    let (lines, _) = stage.lines()?;
    assert_eq!(lines.len(), 10, "a line a record");
    let deliveries: BTreeSet<String> = lines.iter().map(|line| line["delivery"].to_string()).collect();
    assert_eq!(deliveries.len(), 5, "a repetition can be told");
    host.stop()?;
    assert!(letters(&stage.broker)?.is_empty());
    Ok(())
}

#[test]
fn many_events_are_few_files_and_the_same_ones_the_same_file() -> anyhow::Result<()> {
    let name = "many_events_are_few_files_and_the_same_ones_the_same_file";
    let Some(stage) = Stage::new(name)? else { return Ok(()) };
    stage.produce((0..1_000).map(|number| policy(&number.to_string(), &format!("k{number}"), "t", 1)))?;
    let host = stage.host(&stage.server.url(), BATCH)?;
    settled(&host, "delivered", 1_000.0)?;
    let (lines, files) = stage.lines()?;
    assert_eq!(lines.len(), 1_000);
    assert!(files <= 60, "{files} files");
    host.stop()?;
    // One event that is delivered again by itself is the same file again.
    let program = Program::new(&stage.config(&stage.server.url(), BATCH)?)?;
    let event = json!({ "specversion": "1.0", "id": "e-1", "source": "/s", "type": "t", "data": { "a": 1 } });
    program.folder().write("event.json", &event.to_string())?;
    for _ in 0..2 {
        let ended = program.run("sync --event event.json")?;
        ensure!(ended.code == Some(0), "{ended:#?}");
        assert_eq!(stage.server.keys()?.len(), files + 1);
    }
    Ok(())
}

#[test]
fn a_store_that_is_killed_and_comes_back_has_all_of_it() -> anyhow::Result<()> {
    let Some(mut stage) = Stage::new("a_store_that_is_killed_and_comes_back_has_all_of_it")? else {
        return Ok(());
    };
    let host = stage.host(&stage.server.url(), BATCH)?;
    let events = |name: &str| {
        let event = |number: usize| policy(&format!("{name}-{number}"), &format!("{name}-{number}"), "t", 1);
        (0..300).map(event).collect::<Vec<_>>()
    };
    stage.produce(events("before"))?;
    settled(&host, "delivered", 100.0)?;
    stage.server.kill()?;
    stage.produce(events("while"))?;
    host.wait_for_metric(LIMIT, "liaison_breaker_state", &[], |state| state > 0.0)?;
    stage.server.start_again()?;
    settled(&host, "delivered", 600.0)?;
    host.stop()?;
    let ids: BTreeSet<String> = stage.lines()?.0.iter().map(|line| line["id"].to_string()).collect();
    assert_eq!(ids.len(), 600);
    assert!(letters(&stage.broker)?.is_empty(), "nothing is given up because a system is down");
    Ok(())
}

#[test]
fn what_is_no_line_fails_by_itself_and_a_bucket_that_is_not_there_waits() -> anyhow::Result<()> {
    let name = "what_is_no_line_fails_by_itself_and_a_bucket_that_is_not_there_waits";
    let Some(stage) = Stage::new(name)? else { return Ok(()) };
    let mut bad = policy("bad", "bad", "t", 1);
    bad.value = Some("{\"title\": ".into());
    let good = (0..100).map(|number| policy(&number.to_string(), &number.to_string(), "t", 1));
    stage.produce(good.chain([bad]))?;
    let missing = format!("{}/nowhere", stage.server.origin());
    let host = stage.host(&missing, BATCH)?;
    host.wait_for_metric(LIMIT, "liaison_attempts_total", &[("outcome", "denied")], |count| count >= 1.0)?;
    assert_eq!(host.metrics().sum("liaison_events_settled_total", &[("kind", "delivered")]), 0.0);
    host.stop()?;
    let host = stage.host(&stage.server.url(), BATCH)?;
    settled(&host, "delivered", 100.0)?;
    wait::until(LIMIT, "the dead letter", || letters(&stage.broker).is_ok_and(|letters| letters.len() == 1))?;
    host.stop()?;
    assert_eq!(stage.lines()?.0.len(), 100);
    let letters = letters(&stage.broker)?;
    let letters = by_event(&letters)?;
    assert!(letters["bad"].message()?.starts_with("the event's data is not JSON: "), "{letters:?}");
    Ok(())
}
