//! A plugin's version changes while its events flow, and nobody notices.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use liaison_tests::produce::produce_paced;
use liaison_tests::system::{Behaviour, Entry};

use crate::fixture::{Config, Fixture, LIMIT, PATIENT, event, id_of, sorted};
use crate::kafka_fixture::say;
use crate::plugin_versions::{
    PluginFile, folder_of, sha256, swaps, version, wait_for, wait_for_candidate, wait_for_live, word,
};

/// A new version is live as soon as some events have ended well.
const SHORT_WATCH: &str = "[plugins.subject.rollout]\nwindow = \"300ms\"\n";
/// It stays watched for as long as the test lasts.
const LONG_WATCH: &str = "[plugins.subject.rollout]\nwindow = \"10m\"\n";

/// The embedded broker answers a fetch that finds nothing only when its time is over, whatever comes meanwhile.
const FETCH: &str = "properties = { \"fetch.wait.max.ms\" = 2 }";

fn start(file: &PluginFile, rollout: &str, connector: &str, behaviour: Behaviour) -> anyhow::Result<Fixture> {
    let path = file.text();
    let config = Config { kafka: FETCH, plugin: &path, tables: rollout, connector, ..Config::default() };
    Fixture::start(&config, behaviour)
}

/// The words of each key's deliveries, in order, each as often as it changes.
fn words_by_key(ledger: &[Arc<Entry>], key: impl Fn(&str) -> String) -> BTreeMap<String, Vec<&str>> {
    let mut words: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for entry in ledger {
        let of_key = words.entry(key(id_of(entry))).or_default();
        if of_key.last() != Some(&word(entry)) {
            of_key.push(word(entry));
        }
    }
    words
}

#[test]
fn versions_change_under_load_and_no_event_is_lost_repeated_or_late() -> anyhow::Result<()> {
    const EVENTS: usize = 16_000;
    const KEYS: usize = 200;
    const INTERVAL: Duration = Duration::from_micros(500);
    let file = PluginFile::new("versioned", "v1")?;
    let fixture = start(&file, SHORT_WATCH, "", Behaviour::ok())?;
    fixture.produce([event("warm-up", "warm-up")])?;
    fixture.settled("delivered", 1)?;
    let commits = || fixture.metric("liaison_commits_total", &[("result", "failed")]);
    let assigned = fixture.metric("liaison_partitions_assigned", &[]);
    let failed_commits = commits();

    let ids: Vec<_> = (0..EVENTS).map(|number| format!("{}-{number}", number % KEYS)).collect();
    let key = |id: &str| id.split('-').next().unwrap_or_default().to_owned();
    let records: Vec<_> = ids.iter().map(|id| event(id, &key(id))).collect();
    let bootstrap = fixture.broker.bootstrap().to_owned();
    let producer = thread::spawn(move || produce_paced(&bootstrap, records, INTERVAL));
    let mut swapped_at = Vec::new();
    for (number, word) in (1..).zip(["v2", "v1", "v3"]) {
        fixture.system.wait_for(number * EVENTS / 5, LIMIT)?;
        let begun = Instant::now();
        file.replace(word)?;
        let sha256 = sha256(&version("versioned", word)?);
        wait_for_candidate(&fixture, &sha256)?;
        swapped_at.push(Instant::now());
        wait_for_live(&fixture, &sha256)?;
        say(&format!("{word}: live {:?} after its file was there", begun.elapsed()));
    }
    let sent = producer.join().map_err(|_| anyhow::anyhow!("the producer panicked"))??;
    fixture.settled("delivered", EVENTS + 1)?;
    let ledger = &fixture.system.ledger()[1..];
    assert_eq!(sorted(ledger.iter().map(|entry| id_of(entry))), sorted(ids.iter().map(String::as_str)));
    let order = |ids: &mut dyn Iterator<Item = &str>| {
        let mut by_key: HashMap<String, Vec<String>> = HashMap::new();
        ids.for_each(|id| by_key.entry(key(id)).or_default().push(id.to_owned()));
        by_key
    };
    assert_eq!(
        order(&mut ledger.iter().map(|entry| id_of(entry))),
        order(&mut ids.iter().map(String::as_str))
    );
    for (key, words) in words_by_key(ledger, key) {
        assert_eq!(words, ["v1", "v2", "v1", "v3"], "{key}");
    }
    assert_eq!((swaps(&fixture, "accepted"), swaps(&fixture, "rolled-back")), (3.0, 0.0));
    // No rebalance: the partitions stayed, and no commit was refused for one.
    assert_eq!((fixture.metric("liaison_partitions_assigned", &[]), commits()), (assigned, failed_commits));

    let latency: HashMap<_, _> = ids.iter().zip(&sent).collect();
    let late = |entry: &Arc<Entry>| {
        let sent = latency.get(&id_of(entry).to_owned())?;
        Some(entry.received.saturating_duration_since(**sent))
    };
    let worst_near = |at: Instant| {
        let near = ledger.iter().filter(|entry| {
            let around = Duration::from_millis(500);
            entry.received > at - around && entry.received < at + around
        });
        let times: Vec<_> = near.clone().map(|entry| entry.received).collect();
        let gap = times.windows(2).map(|pair| pair[1].saturating_duration_since(pair[0])).max();
        (gap.unwrap_or_default(), near.filter_map(late).max().unwrap_or_default())
    };
    for (number, at) in (1..).zip(&swapped_at) {
        let (gap, latest) = worst_near(*at);
        say(&format!("swap {number}: largest gap {gap:?}, latest event {latest:?} after it was sent"));
        assert!(gap < Duration::from_secs(2), "{gap:?} without a delivery");
    }
    // What it is like without: around each moment that is far from all swaps.
    let (first, last) = (ledger[0].received, ledger[ledger.len() - 1].received);
    let moments = (1..).map(|number| first + Duration::from_millis(500) * number);
    let is_calm = |moment: &Instant| {
        let apart =
            |at: &Instant| moment.saturating_duration_since(*at).max(at.saturating_duration_since(*moment));
        swapped_at.iter().all(|at| apart(at) > Duration::from_secs(1))
    };
    let moments = moments.take_while(|moment| *moment < last).filter(is_calm);
    let mut calm: Vec<_> = moments.map(|moment| worst_near(moment).0).collect();
    calm.sort_unstable();
    say(&format!("without a swap: largest gaps of a second {calm:?}"));
    fixture.stop_without_dead_letters()
}

#[test]
fn what_is_in_flight_ends_on_the_version_that_began_it() -> anyhow::Result<()> {
    let file = PluginFile::new("versioned", "v1")?;
    let slow = Behaviour::ok().with_latency(Duration::from_secs(3));
    let fixture = start(&file, LONG_WATCH, "", slow)?;
    fixture.produce((0..5).map(|number| event(&format!("old-{number}"), &format!("k-{number}"))))?;
    fixture.system.wait_for(5, LIMIT)?;
    file.replace("v2")?;
    wait_for_candidate(&fixture, &sha256(&version("versioned", "v2")?))?;
    fixture.system.behave(Behaviour::ok());
    fixture.produce((0..5).map(|number| event(&format!("new-{number}"), &format!("k-{number}"))))?;
    fixture.settled("delivered", 10)?;
    let ledger = fixture.system.ledger();
    assert_eq!(ledger.len(), 10, "each was delivered once");
    for entry in &ledger {
        assert_eq!(word(entry), if id_of(entry).starts_with("old") { "v1" } else { "v2" }, "{}", entry.path);
    }
    fixture.stop_without_dead_letters()
}

#[test]
fn a_file_that_is_linked_anew_or_written_in_pieces_is_taken_when_it_is_whole() -> anyhow::Result<()> {
    let file = PluginFile::new("versioned", "v1")?;
    let (path, folder) = (file.path(), folder_of(&file.path()).to_owned());
    // As Kubernetes mounts a volume: the path leads through a link to a folder, and that link is replaced.
    let [first, second] = ["first", "second"].map(|name| folder.join(name));
    for (folder, word) in [(&first, "v1"), (&second, "v2")] {
        fs::create_dir(folder)?;
        fs::write(folder.join("plugin.wasm"), version("versioned", word)?)?;
    }
    symlink(&first, folder.join("data"))?;
    fs::remove_file(&path)?;
    symlink("data/plugin.wasm", &path)?;
    let fixture = start(&file, SHORT_WATCH, "", Behaviour::ok())?;
    symlink(&second, folder.join("next"))?;
    fs::rename(folder.join("next"), folder.join("data"))?;
    wait_for_candidate(&fixture, &sha256(&version("versioned", "v2")?))?;

    let third = version("versioned", "v3")?;
    let (begin, end) = third.split_at(third.len() / 2);
    let mut written = File::create(second.join("plugin.wasm"))?;
    written.write_all(begin)?;
    written.sync_all()?;
    fixture.produce([event("between", "k")])?;
    fixture.settled("delivered", 1)?;
    written.write_all(end)?;
    drop(written);
    wait_for_candidate(&fixture, &sha256(&third))?;
    fixture.produce([event("after", "k")])?;
    fixture.settled("delivered", 2)?;
    let ledger = fixture.system.ledger();
    assert_eq!(ledger.iter().map(|entry| word(entry)).collect::<Vec<_>>(), ["v2", "v3"]);
    fixture.stop_without_dead_letters()
}

#[test]
fn a_transformer_changes_as_a_connector_does() -> anyhow::Result<()> {
    let file = PluginFile::new("versioned-transformer", "v1")?;
    let tables = format!(
        "[plugins.stamp]\npath = \"{}\"\n[plugins.stamp.rollout]\nwindow = \"300ms\"\n[transformers.stamp]\nplugin = \
         \"stamp\"\n",
        file.text()
    );
    let connector = r#"settings = { path = "/events/{id}", headers = { X-Version = "{type}" } }"#;
    let config = Config {
        subscription: r#"transformers = ["stamp"]"#,
        connector,
        tables: &tables,
        ..Config::default()
    };
    let fixture = Fixture::start(&config, Behaviour::ok())?;
    let stamp = |fixture: &Fixture| fixture.host.versions().status()["stamp"].clone();
    let mut count = 0;
    let mut deliver = |word: &str| -> anyhow::Result<()> {
        fixture.produce((count..count + 20).map(|number| event(&format!("{word}-{number}"), "k")))?;
        count += 20;
        fixture.settled("delivered", count)
    };
    deliver("v1")?;
    file.replace("v2")?;
    liaison_tests::wait::until(LIMIT, "a trial", || !stamp(&fixture)["candidate"].is_null())?;
    deliver("v2")?;
    let live = sha256(&version("versioned-transformer", "v2")?);
    liaison_tests::wait::until(LIMIT, "the second", || stamp(&fixture)["live"] == live)?;
    // A bad one: its events are transformed by the one before, and it goes by itself.
    file.replace("trap")?;
    liaison_tests::wait::until(LIMIT, "a trial", || !stamp(&fixture)["candidate"].is_null())?;
    deliver("v2")?;
    liaison_tests::wait::until(LIMIT, "the rollback", || stamp(&fixture)["candidate"].is_null())?;
    assert_eq!(stamp(&fixture)["live"], live);
    for entry in &fixture.system.ledger() {
        assert!(id_of(entry).starts_with(word(entry)), "{} by {}", entry.path, word(entry));
    }
    fixture.stop_without_dead_letters()
}

#[test]
fn a_plugin_is_changed_by_its_settings_and_goes_the_same_way() -> anyhow::Result<()> {
    let file = PluginFile::new("versioned", "v1")?;
    let other = PluginFile::new("versioned", "v2")?;
    let fixture = start(&file, SHORT_WATCH, PATIENT, Behaviour::ok())?;
    fixture.produce([event("first", "k")])?;
    fixture.settled("delivered", 1)?;
    let mut settings = liaison::config::Plugin::new(other.path());
    settings.rollout.window = Duration::from_millis(300);
    let plugin = liaison::config::PluginName::new("subject");
    fixture.host.versions().change(&plugin, settings.clone())?;
    let second = sha256(&version("versioned", "v2")?);
    wait_for_candidate(&fixture, &second)?;
    fixture.produce((0..20).map(|number| event(&format!("e-{number}"), "k")))?;
    wait_for_live(&fixture, &second)?;
    // From now on the other file is watched, and the first is not.
    file.replace("v4")?;
    other.replace("v3")?;
    wait_for_candidate(&fixture, &sha256(&version("versioned", "v3")?))?;
    // With the same content and other limits it is another version.
    settings.limits.steps = 1;
    other.replace("v2")?;
    wait_for(&fixture, "the live one to be alone", |status| status["candidate"].is_null())?;
    fixture.host.versions().change(&plugin, settings)?;
    wait_for_candidate(&fixture, &second)?;
    let unknown = liaison::config::PluginName::new("unknown");
    let error = fixture.host.versions().change(&unknown, liaison::config::Plugin::new("x")).unwrap_err();
    assert_eq!(error.to_string(), "no plugin unknown runs here");
    let words: BTreeSet<_> = fixture.system.ledger().iter().map(|entry| word(entry).to_owned()).collect();
    assert_eq!(words, BTreeSet::from(["v1".to_owned(), "v2".to_owned()]));
    fixture.stop_without_dead_letters()
}
