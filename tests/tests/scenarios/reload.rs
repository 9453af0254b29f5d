//! Another configuration by SIGHUP: only what changed restarts, and what is wrong changes nothing.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use liaison::config::Config;
use liaison::host::ReloadError;
use liaison_tests::folder::Folder;
use liaison_tests::local::LocalHost;
use liaison_tests::port;
use liaison_tests::produce::{produce, produce_paced};
use liaison_tests::system::Behaviour;
use liaison_tests::wait;
use serde_json::json;

use crate::fixture::LIMIT;
use crate::reload_fixture::{Ground, NAMES, SHARED, Sub, events, metric, records, reload, wait_for_reloads};

/// Between two events, where they come all the time.
const INTERVAL: Duration = Duration::from_millis(4);
/// Less than the embedded broker needs for any rebalance: three seconds.
const NO_REBALANCE: Duration = Duration::from_secs(2);

#[test]
fn a_subscription_that_is_added_delivers_and_one_that_was_there_goes_on() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let mut host = ground.start(&[Sub::new("calendar")])?;
    let (before, added) = (events("e", 1_500), events("d", 40));
    produce(ground.broker.bootstrap(), records("documents", &added))?;
    thread::scope(|scope| {
        let produced =
            scope.spawn(|| produce_paced(ground.broker.bootstrap(), records("calendar", &before), INTERVAL));
        ground.system("calendar").wait_for(100, LIMIT)?;
        let from = Instant::now();
        host.configure(&ground.text(&[Sub::new("calendar"), Sub::new("documents")], "")?)?;
        host.hang_up()?;
        ground.system("documents").wait_for_accepted(added.len(), LIMIT)?;
        let sent = produced.join().expect("it does not panic")?;
        let to = *sent.last().context("there are some")?;
        let gap = ground.longest_gap("calendar", from, to);
        assert!(gap < NO_REBALANCE, "calendar was told nothing for {gap:?}");
        anyhow::Ok(())
    })?;
    ground.system("calendar").wait_for_accepted(before.len(), LIMIT)?;
    ground.prove("calendar", &before);
    ground.prove("documents", &added);
    host.wait_for_log(
        "the configuration is reloaded added=\"documents\" removed=\"\" restarted=\"\" unchanged=1",
        LIMIT,
    )?;
    assert_eq!(metric(&host, "liaison_config_reloads_total", &[("result", "applied")]), Some(1.0));
    let loaded = metric(&host, "liaison_config_loaded_timestamp_seconds", &[]).context("it is told")?;
    let now = f64::from(u32::try_from(crate::fixture::unix_ms() / 1000)?);
    assert!((now - 60.0..=now + 1.0).contains(&loaded), "{loaded} is not just before {now}");
    assert!(host.terminate(LIMIT)?.success());
    Ok(())
}

#[test]
fn one_that_is_removed_leaves_with_all_committed_and_may_come_back() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let slow = Sub { connector: "concurrency = 8", ..Sub::new("documents") };
    let both = [Sub::new("calendar"), slow];
    let mut host = ground.start(&both)?;
    let events = events("e", 200);
    ground.system("documents").behave(Behaviour::ok().with_latency(Duration::from_millis(100)));
    produce(ground.broker.bootstrap(), records("documents", &events))?;
    ground.system("documents").wait_for(20, LIMIT)?;
    host.configure(&ground.text(&both[..1], "")?)?;
    host.hang_up()?;
    wait_for_reloads(&host, "applied", 1.0)?;
    let so_far = ground.system("documents").count();
    assert!(so_far < events.len(), "all were delivered before it was removed");
    assert_eq!(ground.system("documents").accepted(), so_far, "what was in flight was finished");
    // Whatever was of it is gone from what operators see.
    let page = host.page("/metrics")?.1;
    assert!(!page.contains("subscription=\"documents\""), "{page}");
    assert!(host.is_ready());
    ground.system("documents").behave(Behaviour::ok());
    host.configure(&ground.text(&both, "")?)?;
    host.hang_up()?;
    ground.system("documents").wait_for_accepted(events.len(), LIMIT)?;
    ground.prove("documents", &events);
    assert!(host.terminate(LIMIT)?.success());
    Ok(())
}

#[test]
fn one_that_changes_restarts_while_two_others_deliver_without_a_gap() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let all = NAMES.map(Sub::of_shared);
    let mut host = ground.start(&all)?;
    let events = events("e", 2_000);
    thread::scope(|scope| {
        let produced =
            scope.spawn(|| produce_paced(ground.broker.bootstrap(), records(SHARED, &events), INTERVAL));
        ground.system("roster").wait_for(200, LIMIT)?;
        let from = Instant::now();
        let changed = Sub { settings: "sla = { max-attempts = 3 }", ..all[0] };
        host.configure(&ground.text(&[changed, all[1], all[2]], "")?)?;
        let (status, answer) = reload(&host)?;
        let expected = json!({ "added": [], "removed": [], "restarted": ["calendar"], "unchanged": ["documents", "roster"], "plugins": [] });
        assert_eq!((status, answer), (200, expected));
        let sent = produced.join().expect("it does not panic")?;
        let to = *sent.last().context("there are some")?;
        for name in ["documents", "roster"] {
            let gap = ground.longest_gap(name, from, to);
            assert!(gap < NO_REBALANCE, "{name} was told nothing for {gap:?}");
        }
        anyhow::Ok(())
    })?;
    for name in NAMES {
        ground.system(name).wait_for_accepted(events.len(), LIMIT)?;
        ground.prove(name, &events);
    }
    host.wait_for_log("the subscription restarts subscription=calendar changed=\"its own settings\"", LIMIT)?;
    assert!(host.terminate(LIMIT)?.success());
    Ok(())
}

#[test]
fn a_wrong_configuration_changes_nothing_and_is_told_with_its_line_and_mend() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let calendar = Sub::new("calendar");
    let mut host = ground.start(&[calendar])?;
    let misspelt = Sub { connector: "concurency = 3", ..calendar };
    let other_broker = ground.text(&[calendar], "")?.replace(ground.broker.bootstrap(), "127.0.0.1:9");
    let folder = Folder::new("no-component")?;
    let no_component = folder.write("text.wasm", "hello")?;
    let broken = format!("[plugins.broken]\npath = \"{}\"\n", no_component.display());
    let cases = [
        (
            ground.text(&[misspelt], "")?,
            "liaison.toml:13:1: connectors.calendar.concurency: unknown key; did you mean `concurrency`?",
        ),
        (
            other_broker,
            "liaison.toml:2:1: kafka.brokers: cannot change while the host runs; put back what stood there, or restart the host",
        ),
        (ground.text(&[calendar], &broken)?, "plugin broken: "),
    ];
    let mut count = 0.0;
    for (text, expected) in &cases {
        host.configure(text)?;
        host.hang_up()?;
        count += 1.0;
        wait_for_reloads(&host, "refused", count)?;
        let line = host.wait_for_log(expected, LIMIT)?;
        assert!(line.contains("ERROR"), "{line}");
    }
    host.wait_for_log("text.wasm is no component: ", LIMIT)?;
    let events = events("e", 20);
    produce(ground.broker.bootstrap(), records("calendar", &events))?;
    ground.system("calendar").wait_for_accepted(events.len(), LIMIT)?;
    ground.prove("calendar", &events);
    assert_eq!(metric(&host, "liaison_config_reloads_total", &[("result", "applied")]), Some(0.0));
    // Mended, it is taken: nothing of what was refused is left.
    host.configure(&ground.text(&[calendar], "")?)?;
    let (status, answer) = reload(&host)?;
    let expected =
        json!({ "added": [], "removed": [], "restarted": [], "unchanged": ["calendar"], "plugins": [] });
    assert_eq!((status, answer), (200, expected));
    Ok(())
}

#[test]
fn of_two_signals_at_once_the_newest_configuration_holds() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let [calendar, documents, roster] = NAMES.map(Sub::new);
    let mut host = ground.start(&[calendar])?;
    host.configure(&ground.text(&[calendar, documents], "")?)?;
    host.hang_up()?;
    host.configure(&ground.text(&[calendar, roster], "")?)?;
    host.hang_up()?;
    ground.wait_for_partitions(&host, "roster")?;
    let (status, answer) = reload(&host)?;
    let expected = json!({ "added": [], "removed": [], "restarted": [], "unchanged": ["calendar", "roster"], "plugins": [] });
    assert_eq!((status, answer), (200, expected));
    Ok(())
}

#[test]
fn a_subscription_with_another_name_goes_on_where_its_group_was() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let was = Sub { topic: SHARED, settings: "group = \"ours\"", ..Sub::new("documents") };
    let is = Sub { name: "roster", ..was };
    let mut host = ground.start(&[Sub::new("calendar"), was])?;
    let events = events("e", 60);
    produce(ground.broker.bootstrap(), records(SHARED, &events[..30]))?;
    ground.system("documents").wait_for_accepted(30, LIMIT)?;
    host.configure(&ground.text(&[Sub::new("calendar"), is], "")?)?;
    let (status, answer) = reload(&host)?;
    let expected = json!({ "added": ["roster"], "removed": ["documents"], "restarted": [], "unchanged": ["calendar"], "plugins": [] });
    assert_eq!((status, answer), (200, expected));
    produce(ground.broker.bootstrap(), records(SHARED, &events[30..]))?;
    ground.system("roster").wait_for_accepted(30, LIMIT)?;
    ground.prove("documents", &events[..30]);
    ground.prove("roster", &events[30..]);
    assert!(host.terminate(LIMIT)?.success());
    Ok(())
}

#[test]
fn a_shutdown_amid_a_reload_is_in_order() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let calendar = Sub { connector: "concurrency = 4", ..Sub::new("calendar") };
    let mut host = ground.start(&[calendar])?;
    ground.system("calendar").behave(Behaviour::ok().with_latency(Duration::from_secs(2)));
    let events = events("e", 30);
    produce(ground.broker.bootstrap(), records("calendar", &events))?;
    ground.system("calendar").wait_for(4, LIMIT)?;
    let changed = Sub { settings: "sla = { max-attempts = 3 }", ..calendar };
    host.configure(&ground.text(&[changed], "")?)?;
    host.hang_up()?;
    host.wait_for_log("the subscription restarts subscription=calendar", LIMIT)?;
    let status = host.terminate(LIMIT)?;
    assert!(status.success(), "{status}");
    assert!(
        !host.log().iter().any(|line| line.contains("the configuration is reloaded")),
        "it was over before"
    );
    ground.system("calendar").behave(Behaviour::ok());
    host.start_again()?;
    ground.system("calendar").wait_for_accepted(events.len(), LIMIT)?;
    ground.prove("calendar", &events);
    Ok(())
}

#[test]
fn a_signal_before_kafka_answers_is_heard_and_ends_nothing() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let nobody = port::free()?.to_string();
    let text = ground.text(&[Sub::new("calendar")], "")?.replace(ground.broker.bootstrap(), &nobody);
    let mut host = ground.launch(&text)?;
    host.wait_for_log("waiting for Kafka", LIMIT)?;
    host.hang_up()?;
    host.wait_for_log("the configuration is read again", LIMIT)?;
    assert_eq!(host.status(), None);
    let status = host.terminate(LIMIT)?;
    assert!(status.success(), "{status}");
    Ok(())
}

#[test]
fn a_secret_in_a_file_is_another_after_a_signal_and_no_subscription_restarts() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let folder = Folder::new("reload-secret")?;
    let file = folder.write("token", "the-first-token")?;
    let credential = format!("credential = {{ bearer = {{ file = \"{}\" }} }}", file.display());
    let calendar = Sub { connector: &credential, ..Sub::new("calendar") };
    let mut host = ground.start(&[calendar])?;
    produce(ground.broker.bootstrap(), records("calendar", &events("first", 5)))?;
    ground.system("calendar").wait_for_accepted(5, LIMIT)?;
    // A secret that is gone is a mistake like any other.
    std::fs::remove_file(&file)?;
    host.hang_up()?;
    wait_for_reloads(&host, "refused", 1.0)?;
    host.wait_for_log("connectors.calendar.credential.bearer.file: cannot read ", LIMIT)?;
    folder.write("token", "the-second-token")?;
    let (status, answer) = reload(&host)?;
    assert_eq!((status, &answer["unchanged"]), (200, &json!(["calendar"])));
    let shown = || {
        let ledger = ground.system("calendar").take_ledger();
        let header = ledger.last().and_then(|entry| entry.headers.get("authorization").cloned());
        header.and_then(|header| Some(header.to_str().ok()?.to_owned())).unwrap_or_default()
    };
    assert_eq!(shown(), "Bearer the-first-token");
    // Files are looked at when they are used, once a second at most.
    let mut number = 0;
    wait::until(LIMIT, "the second token", || {
        number += 1;
        let sent = produce(ground.broker.bootstrap(), records("calendar", &events(&format!("s{number}"), 1)));
        let came = sent.and_then(|()| ground.system("calendar").wait_for_accepted(1, LIMIT));
        came.is_ok() && shown() == "Bearer the-second-token"
    })
}

#[test]
fn a_host_in_code_is_given_another_configuration_and_says_what_came_of_it() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let [calendar, documents, _] = NAMES.map(Sub::new);
    let config = |subscriptions: &[Sub<'_>]| -> anyhow::Result<Config> {
        let text = ground.text(subscriptions, "")?.replace("token = { env = \"LIAISON_ADMIN_TOKEN\" }\n", "");
        let mut config = Config::from_toml(&text, Path::new("/"))?.config;
        config.admin.address = None;
        Ok(config)
    };
    // One without any subscription waits for some.
    let host = LocalHost::start_with(config(&[])?, [].into())?;
    let reloader = host.reloader();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let reloaded = runtime.block_on(reloader.reload(config(&[calendar, documents])?))?;
    assert_eq!(
        reloaded.added.iter().map(|name| name.as_str()).collect::<Vec<_>>(),
        ["calendar", "documents"]
    );
    let events = events("e", 30);
    produce(ground.broker.bootstrap(), records("documents", &events))?;
    ground.system("documents").wait_for_accepted(events.len(), LIMIT)?;
    let mut other = config(&[calendar])?;
    other.runtime.instances += 1;
    let error = runtime.block_on(reloader.reload(other)).err().context("it was taken")?;
    ensure!(error.is_configuration(), "{error}");
    assert!(
        error.to_string().starts_with("runtime.instances: cannot change while the host runs; "),
        "{error}"
    );
    let error = runtime.block_on(reloader.read_again()).err().context("there is a source")?;
    assert!(matches!(error, ReloadError::NoSource), "{error}");
    // Two at the same time are done one after the other.
    let (one, other) = (reloader.reload(config(&[calendar])?), reloader.reload(config(&[documents])?));
    let (first, second) = runtime.block_on(futures_util::future::try_join(one, other))?;
    assert_eq!((first.removed.len(), first.unchanged.len()), (1, 1));
    assert_eq!((second.added.len(), second.removed.len(), second.unchanged.len()), (1, 1, 0));
    host.stop()?;
    let error = runtime.block_on(reloader.reload(config(&[calendar])?)).err().context("it runs")?;
    assert!(matches!(error, ReloadError::ShuttingDown), "{error}");
    Ok(())
}
