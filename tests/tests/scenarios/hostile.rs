//! A hostile plugin costs its own event and nothing else: one scenario for each misdeed of the guest `hostile`.

use std::time::Duration;

use anyhow::Context as _;
use liaison::kafka::embedded::Embedded;
use liaison_tests::folder::Folder;
use liaison_tests::host::plugin;
use liaison_tests::local::LocalHost;
use liaison_tests::produce::produce;
use liaison_tests::system::{Behaviour, System};
use liaison_tests::table_bomb;

use crate::fixture::{Config, DEAD_LETTERS, Fixture, LIMIT, OTHER_TOPIC, TOPIC, event, sorted, with_header};

/// Small, so that every misdeed meets its limit soon.
const LIMITS: &str = r#"
    limits = { cpu-time = "100ms", wall-time = "2s", memory = "16MiB", result = "1MiB", log-lines = 10, steps = 4, effects = 8 }
"#;

/// What a misdeed is expected to cost.
struct Cost {
    /// Of the dead letter.
    reason: &'static str,
    /// In its message.
    message: &'static str,
    /// In the metric of faults.
    kind: &'static str,
    /// Requests that it made before it was stopped.
    requests: usize,
}

/// Good events of many keys with bad ones among them: all good ones arrive, and each bad one is a dead letter.
fn check(misdeed: &str, limits: &str, cost: &Cost) -> anyhow::Result<()> {
    check_of("hostile", misdeed, limits, cost)
}

/// The same with another component.
fn check_of(component: &str, misdeed: &str, limits: &str, cost: &Cost) -> anyhow::Result<()> {
    let tables = "[sla.default]\ninitial-interval = \"10ms\"\nmax-interval = \"20ms\"";
    let config = Config { plugin: component, plugin_settings: limits, tables, ..Config::default() };
    let fixture = Fixture::start(&config, Behaviour::ok())?;
    let good: Vec<_> = (0..30).map(|number| format!("good-{number}")).collect();
    let events = good.iter().enumerate().flat_map(|(number, id)| {
        let is_bad = number == 5 || number == 20;
        let bad = || with_header(event(&format!("bad-{number}"), &format!("k-{number}")), "hostile", misdeed);
        is_bad.then(bad).into_iter().chain([event(id, &format!("k-{number}"))])
    });
    fixture.produce(events.collect::<Vec<_>>())?;
    fixture.settled("delivered", 30)?;
    let letters = fixture.dead_letters(2)?;
    let ids: Vec<&str> = letters.iter().map(|letter| letter.event_id()).collect::<Result<_, _>>()?;
    assert_eq!(sorted(ids), ["bad-20", "bad-5"]);
    for letter in &letters {
        assert_eq!(letter.reason()?, cost.reason);
        assert_eq!(letter.header("__dlq.errors.delivery.count")?, "3");
        let message = letter.message()?;
        assert!(message.contains(cost.message), "{message}");
    }
    let delivered: Vec<_> = fixture
        .delivered()
        .into_iter()
        .filter(|id| id.starts_with("good") || id.starts_with("bad"))
        .collect();
    assert_eq!(sorted(delivered), sorted(good));
    assert_eq!(fixture.system.count(), 30 + 2 * cost.requests);
    assert_eq!(fixture.metric("liaison_plugin_faults_total", &[("kind", cost.kind)]), 6.0);
    assert_eq!(fixture.metric("liaison_plugin_faults_total", &[]), 6.0);
    assert_eq!(fixture.metric("liaison_dead_letters_total", &[("reason", "plugin-fault")]), 2.0);
    assert_eq!(fixture.metric("liaison_breaker_opened_total", &[]), 0.0);
    fixture.host.stop()
}

#[test]
fn a_trap_costs_its_own_event() -> anyhow::Result<()> {
    let cost = Cost { reason: "fault-trap", message: "trapped, as asked", kind: "trap", requests: 0 };
    check("trap", LIMITS, &cost)
}

/// The host has tried whether the plugin starts, without the connector's settings; with them none of its instances does.
#[test]
fn an_instance_that_fails_at_its_start_costs_the_events_that_wanted_it() -> anyhow::Result<()> {
    for (misdeed, reason, kind, message) in [
        ("trap", "fault-trap", "trap", "trapped at its start, as asked"),
        ("loop", "fault-timed-out", "cpu-time", "the plugin used up its 100ms of CPU time (limits.cpu-time)"),
    ] {
        let connector = format!("settings = {{ at-start = \"{misdeed}\" }}");
        let tables = "[sla.default]\ninitial-interval = \"10ms\"\nmax-interval = \"20ms\"";
        let config = Config {
            plugin: "hostile",
            plugin_settings: LIMITS,
            connector: &connector,
            tables,
            ..Config::default()
        };
        let fixture = Fixture::start(&config, Behaviour::ok())?;
        fixture.produce([event("e-1", "k-1"), event("e-2", "k-2")])?;
        for letter in fixture.dead_letters(2)? {
            assert_eq!(letter.reason()?, reason);
            assert!(letter.message()?.contains(message), "{}", letter.message()?);
        }
        assert_eq!(fixture.system.count(), 0);
        // The events' six, and those of the connector's check, which wants an instance too.
        assert_eq!(fixture.attempts("fault"), 6.0);
        let metrics = fixture.host.metrics();
        let faults = |labels: &[(&str, &str)]| metrics.sum("liaison_plugin_faults_total", labels);
        assert!(faults(&[("kind", kind)]) >= 6.0);
        assert_eq!(faults(&[("kind", kind)]), faults(&[]));
        fixture.host.stop()?;
    }
    Ok(())
}

/// Each counts the calls of its instance, and every call has an instance of its own.
#[test]
fn nothing_passes_from_one_call_to_the_next() -> anyhow::Result<()> {
    let tables = "[runtime]\ncall-twice = false";
    let fixture =
        Fixture::start(&Config { plugin: "hostile", tables, ..Config::default() }, Behaviour::ok())?;
    fixture
        .produce((0..5).map(|number| with_header(event(&format!("e-{number}"), "k"), "hostile", "random")))?;
    for letter in fixture.dead_letters(5)? {
        assert!(letter.message()?.contains("answer 0"), "{}", letter.message()?);
    }
    fixture.host.stop()
}

#[test]
fn an_endless_loop_costs_its_own_event() -> anyhow::Result<()> {
    let message = "the plugin used up its 100ms of CPU time (limits.cpu-time)";
    check("loop", LIMITS, &Cost { reason: "fault-timed-out", message, kind: "cpu-time", requests: 0 })
}

#[test]
fn an_endless_recursion_costs_its_own_event() -> anyhow::Result<()> {
    let message =
        "the plugin's functions call each other too deeply for a stack of 524288 bytes (runtime.stack)";
    // What is under test is the stack: a busy machine may take long to fill it.
    let limits = "limits = { cpu-time = \"5s\", wall-time = \"20s\" }";
    check("recursion", limits, &Cost { reason: "fault-limit", message, kind: "stack", requests: 0 })
}

#[test]
fn hoarding_resources_costs_its_own_event() -> anyhow::Result<()> {
    let message = "the plugin wanted to hold more than 20 resources at once (limits.handles)";
    let limits = "limits = { handles = 20 }";
    check("handles", limits, &Cost { reason: "fault-limit", message, kind: "handles", requests: 0 })
}

#[test]
fn asking_the_host_for_ever_costs_its_own_event() -> anyhow::Result<()> {
    let message = "the plugin called the host more than 1000 times in one call (limits.host-calls)";
    let limits = "limits = { host-calls = 1000, cpu-time = \"20s\", wall-time = \"30s\" }";
    for misdeed in ["host-calls", "settings"] {
        check(misdeed, limits, &Cost { reason: "fault-limit", message, kind: "host-calls", requests: 0 })?;
    }
    Ok(())
}

#[test]
fn eating_memory_costs_its_own_event() -> anyhow::Result<()> {
    let message = "the plugin wanted more than its 16777216 bytes of memory (limits.memory)";
    check("memory", LIMITS, &Cost { reason: "fault-memory", message, kind: "memory", requests: 0 })
}

#[test]
fn growing_a_table_costs_its_own_event() -> anyhow::Result<()> {
    let folder = Folder::new("table-bomb")?;
    let component = table_bomb::component(&folder)?;
    let component = component.to_str().context("a path in UTF-8")?;
    for (limits, message) in [
        (LIMITS, "the plugin wanted more than 20000 elements in its tables (limits.table-elements)"),
        (
            "limits = { table-elements = 1500 }",
            "the plugin wanted more than 1500 elements in its tables (limits.table-elements)",
        ),
    ] {
        let cost = Cost { reason: "fault-limit", message, kind: "table-elements", requests: 0 };
        check_of(component, "table", limits, &cost)?;
    }
    Ok(())
}

#[test]
fn a_table_that_is_too_large_from_the_start_is_refused_before_any_event() -> anyhow::Result<()> {
    let folder = Folder::new("large-table")?;
    let component = table_bomb::component_with_elements(&folder, 30_000)?;
    let config = Config { plugin: component.to_str().context("a path in UTF-8")?, ..Config::default() };
    let refused = Fixture::start(&config, Behaviour::ok()).err().context("it was taken")?;
    let refused = format!("{refused:#}");
    assert!(refused.contains("more than 20000 elements in its tables (limits.table-elements)"), "{refused}");
    Ok(())
}

#[test]
fn too_few_steps_cost_the_event_that_asked_for_them() -> anyhow::Result<()> {
    let message = "the plugin answered 0 results for 1 events";
    check("few-steps", LIMITS, &Cost { reason: "fault-answer", message, kind: "wrong-length", requests: 0 })
}

#[test]
fn too_many_steps_cost_the_event_that_asked_for_them() -> anyhow::Result<()> {
    let message = "the plugin answered 2 results for 1 events";
    check("many-steps", LIMITS, &Cost { reason: "fault-answer", message, kind: "wrong-length", requests: 0 })
}

#[test]
fn a_large_head_of_a_request_costs_its_own_event_and_nothing_is_sent() -> anyhow::Result<()> {
    let message = "the plugin wanted a request with 100016 bytes of address and headers, more than 65536 \
                   (limits.request-head)";
    let cost = Cost { reason: "fault-limit", message, kind: "request-head", requests: 0 };
    check("large-head", "", &cost)
}

#[test]
fn a_large_body_of_a_request_costs_its_own_event_and_nothing_is_sent() -> anyhow::Result<()> {
    let message =
        "the plugin wanted a request with a body of 1000000 bytes, more than 65536 (limits.request-body)";
    let cost = Cost { reason: "fault-limit", message, kind: "request-body", requests: 0 };
    check("large-body", "limits = { request-body = \"64KiB\" }", &cost)
}

#[test]
fn a_huge_request_costs_its_own_event() -> anyhow::Result<()> {
    let limits = "limits = { memory = \"256MiB\", result = \"1MiB\" }";
    let message = "the plugin's answer is larger than 1048576 bytes (limits.result)";
    check("huge", limits, &Cost { reason: "fault-limit", message, kind: "result-size", requests: 0 })
}

#[test]
fn a_huge_reason_costs_its_own_event() -> anyhow::Result<()> {
    let limits = "limits = { memory = \"256MiB\", result = \"1MiB\" }";
    let message = "the plugin's answer is larger than 1048576 bytes (limits.result)";
    check("huge-reason", limits, &Cost { reason: "fault-limit", message, kind: "result-size", requests: 0 })
}

#[test]
fn an_endless_conversation_costs_its_own_event() -> anyhow::Result<()> {
    let message = "no outcome after 4 steps (limits.steps)";
    check("endless-steps", LIMITS, &Cost { reason: "fault-limit", message, kind: "steps", requests: 12 })
}

#[test]
fn too_many_requests_at_once_cost_their_own_event_and_none_is_made() -> anyhow::Result<()> {
    let message = "a step that performs 10000 effects, more than 8 (limits.effects)";
    let limits = "limits = { effects = 8 }";
    check("many-effects", limits, &Cost { reason: "fault-limit", message, kind: "effects", requests: 0 })
}

#[test]
fn sleeping_is_refused_and_costs_its_own_event() -> anyhow::Result<()> {
    check(
        "sleep",
        LIMITS,
        &Cost {
            reason: "fault-trap",
            message: "a plugin may not sleep: answer `retry` and let the host wait",
            kind: "trap",
            requests: 0,
        },
    )
}

#[test]
fn every_socket_and_every_name_is_refused() -> anyhow::Result<()> {
    let fixture = Fixture::start(&Config { plugin: "hostile", ..Config::default() }, Behaviour::ok())?;
    fixture.produce([with_header(event("bad", "k"), "hostile", "sockets"), event("good", "k")])?;
    fixture.settled("delivered", 1)?;
    let letters = fixture.dead_letters(1)?;
    let message = letters[0].message()?;
    for call in ["tcp Err(", "udp Err(", "name Err("] {
        assert!(message.contains(call), "{message}");
    }
    assert_eq!(message.matches("Permission denied").count(), 2, "{message}");
    assert_eq!(fixture.requested(), ["good"]);
    fixture.host.stop()
}

/// Only calls that are made twice can tell: those of a debug build.
#[cfg(debug_assertions)]
#[test]
fn answering_by_chance_costs_its_own_event() -> anyhow::Result<()> {
    let message = "the plugin gave two answers to the same arguments: first ";
    check("random", LIMITS, &Cost { reason: "fault-answer", message, kind: "inconsistent", requests: 0 })
}

/// The same: a release build takes a plugin by its word, and does not ask.
#[cfg(debug_assertions)]
#[test]
fn going_back_on_what_settles_costs_its_own_event() -> anyhow::Result<()> {
    let message = "it settles by a request, and of its success it says Settle(Rejected(\"after all\"))";
    let cost = Cost { reason: "fault-answer", message, kind: "nonsense", requests: 3 };
    check("broken-promise", LIMITS, &cost)
}

#[test]
fn a_flood_of_log_lines_is_cut_and_its_event_delivered() -> anyhow::Result<()> {
    // What is under test is the number of lines: a busy machine may take long over so many.
    let limits = "limits = { log-lines = 10, cpu-time = \"20s\", wall-time = \"30s\" }";
    let config = Config { plugin: "hostile", plugin_settings: limits, ..Config::default() };
    let fixture = Fixture::start(&config, Behaviour::ok())?;
    fixture.produce([with_header(event("e-1", "k"), "hostile", "log-flood"), event("e-2", "k")])?;
    fixture.settled("delivered", 2)?;
    assert_eq!(fixture.delivered(), ["e-1", "e-2"]);
    let calls = fixture.metric("liaison_plugin_calls_total", &[("function", "deliver")]);
    let dropped = fixture.metric("liaison_plugin_log_lines_dropped_total", &[]);
    // Every call of the first event floods, and one that outlasts its turn is made again; those of the second do not.
    assert!(dropped >= 49_990.0 && dropped <= calls * 49_990.0, "{dropped} lines in {calls} calls");
    assert_eq!(fixture.metric("liaison_plugin_log_lines_dropped_total", &[("limit", "log-lines")]), dropped);
    fixture.stop_without_dead_letters()
}

#[test]
fn a_flood_of_the_log_is_cut_by_its_bytes_and_by_the_second_too() -> anyhow::Result<()> {
    for (limit, more) in [("log-bytes", "log-bytes = 200"), ("log-rate", "log-rate = 10")] {
        let limits =
            format!("limits = {{ log-lines = 100000, {more}, cpu-time = \"20s\", wall-time = \"30s\" }}");
        let config = Config { plugin: "hostile", plugin_settings: &limits, ..Config::default() };
        let fixture = Fixture::start(&config, Behaviour::ok())?;
        fixture.produce([with_header(event("e-1", "k"), "hostile", "log-flood")])?;
        fixture.settled("delivered", 1)?;
        let name = "liaison_plugin_log_lines_dropped_total";
        let (dropped, by_limit) = (fixture.metric(name, &[]), fixture.metric(name, &[("limit", limit)]));
        assert!(by_limit >= 49_000.0 && by_limit == dropped, "{limit}: {by_limit} of {dropped}");
        fixture.stop_without_dead_letters()?;
    }
    Ok(())
}

/// A hostile connector with these limits and a good one, each with a subscription, on one worker. `more` comes behind them.
pub(crate) fn neighbours(
    bootstrap: &str,
    bad: &System,
    good: &System,
    limits: &str,
    more: &str,
) -> anyhow::Result<String> {
    Ok(format!(
        r#"
        [kafka]
        brokers = ["{bootstrap}"]
        [admin]
        address = false
        [runtime]
        workers = 1
        [plugins.hostile]
        path = "{hostile}"
        limits = {{ {limits} }}
        [plugins.rest]
        path = "{rest}"
        [connectors.bad]
        plugin = "hostile"
        endpoint = "{bad}"
        allow-networks = ["127.0.0.1"]
        [connectors.good]
        plugin = "rest"
        endpoint = "{good}"
        allow-networks = ["127.0.0.1"]
        settings = {{ path = "/events/{{id}}" }}
        [subscriptions.bad]
        connector = "bad"
        topics = ["{TOPIC}"]
        dead-letter-topic = "{DEAD_LETTERS}"
        [subscriptions.good]
        connector = "good"
        topics = ["{OTHER_TOPIC}"]
        dead-letter-topic = "{DEAD_LETTERS}"
        {more}
        "#,
        hostile = plugin("hostile")?.display(),
        rest = plugin("rest")?.display(),
        bad = bad.url(),
        good = good.url(),
    ))
}

#[test]
fn while_a_plugin_loops_another_subscription_of_the_same_worker_goes_on() -> anyhow::Result<()> {
    let broker = Embedded::start(&[(TOPIC, 1), (OTHER_TOPIC, 1), (DEAD_LETTERS, 1)])?;
    let (bad, good) = (System::start("bad", Behaviour::ok())?, System::start("good", Behaviour::ok())?);
    let limits = "cpu-time = \"1s\", wall-time = \"5s\"";
    let host = LocalHost::start(&neighbours(broker.bootstrap(), &bad, &good, limits, "")?)?;
    let to_other =
        |id: &str| liaison::kafka::producer::Outgoing { topic: OTHER_TOPIC.to_owned(), ..event(id, id) };
    // Both are assigned when these have come.
    produce(broker.bootstrap(), vec![event("ready", "k"), to_other("ready")])?;
    bad.wait_for(1, LIMIT)?;
    good.wait_for(1, LIMIT)?;
    let looping = (0..8).map(|number| {
        with_header(event(&format!("loop-{number}"), &format!("k-{number}")), "hostile", "loop")
    });
    produce(broker.bootstrap(), looping.collect())?;
    host.wait_for_metric(LIMIT, "liaison_attempts_in_flight", &[("subscription", "bad")], |count| {
        count >= 1.0
    })?;
    let begun = std::time::Instant::now();
    produce(broker.bootstrap(), (0..50).map(|number| to_other(&format!("e-{number}"))).collect())?;
    good.wait_for(51, LIMIT)?;
    // The eight would loop for eight seconds of CPU time by themselves.
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(host.metrics().sum("liaison_events_settled_total", &[("subscription", "bad")]), 1.0);
    drop(bad);
    host.stop()
}
