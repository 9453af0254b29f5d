//! What all subscriptions of one connector share, and what those of different connectors do not: breaker, slots, rate.

use std::sync::Arc;
use std::time::{Duration, Instant};

use liaison::config::PluginName;
use liaison::contract::{Body, Delivery, Effect, HttpRequest, Outcome, Receipt, Step};
use liaison::kafka::producer::Outgoing;
use liaison::native::NativeConnector;
use liaison_tests::local::{LocalHost, Natives};
use liaison_tests::produce::{produce, produce_paced};
use liaison_tests::system::{Behaviour, Entry, System};

use crate::fixture::{Config, DEAD_LETTERS, Fixture, LIMIT, OTHER_TOPIC, event, id_of, sorted};

/// A second subscription of the connector, to the other topic.
fn second() -> String {
    format!(
        "[subscriptions.second]\nconnector = \"calendar\"\ntopics = [\"{OTHER_TOPIC}\"]\n\
         dead-letter-topic = \"{DEAD_LETTERS}\""
    )
}

/// For the second subscription.
fn other(id: &str, key: &str) -> Outgoing {
    Outgoing { topic: OTHER_TOPIC.to_owned(), ..event(id, key) }
}

#[test]
fn two_subscriptions_of_one_connector_share_its_breaker() -> anyhow::Result<()> {
    let tables = format!("[sla.default]\nmax-attempts = 2\ninitial-interval = \"20ms\"\n{}", second());
    let connector = "breaker = { failures = 3, probe-interval = \"200ms\", max-probe-interval = \"400ms\" }";
    let config = Config { connector, tables: &tables, ..Config::default() };
    let fixture = Fixture::start(&config, Behaviour::status(503))?;
    fixture.produce((0..10).map(|number| event(&format!("a-{number}"), &format!("k-{number}"))))?;
    fixture.host.wait_for_metric(LIMIT, "liaison_breaker_opened_total", &[], |count| count == 1.0)?;
    // What the first has found out the second is spared: all requests from now on are probes, one at a time.
    let asked = fixture.system.count();
    fixture.produce((0..10).map(|number| other(&format!("b-{number}"), &format!("k-{number}"))))?;
    fixture.system.wait_for(asked + 8, LIMIT)?;
    let probes = &fixture.system.ledger()[asked + 1..];
    for pair in probes.windows(2) {
        let between = pair[1].received.duration_since(pair[0].received);
        assert!(between >= Duration::from_millis(150), "two requests within {between:?} while it was down");
    }
    fixture.system.behave(Behaviour::ok());
    fixture.settled("delivered", 20)?;
    assert_eq!(sorted(fixture.delivered()).len(), 20);
    assert_eq!(fixture.metric("liaison_breaker_opened_total", &[("connector", "calendar")]), 1.0);
    assert_eq!(fixture.metric("liaison_breaker_state", &[("connector", "calendar")]), 0.0);
    fixture.stop_without_dead_letters()
}

#[test]
fn a_subscription_that_is_stuck_leaves_the_other_its_part_of_the_connector() -> anyhow::Result<()> {
    let tables = format!("[sla.default]\nattempt-timeout = \"30s\"\n{}", second());
    let config = Config {
        connector: "concurrency = 8",
        tables: &tables,
        subscription: "grace = \"100ms\"",
        ..Config::default()
    };
    let stuck = Behaviour::ok().when(|request| request.path.contains("stuck"), Behaviour::silence());
    let fixture = Fixture::start(&config, stuck)?;
    fixture.produce((0..30).map(|number| event(&format!("stuck-{number}"), &format!("k-{number}"))))?;
    // A quarter of the slots is kept for the other.
    fixture.system.wait_for(6, LIMIT)?;
    fixture.produce((0..200).map(|number| other(&format!("e-{number}"), &format!("k-{number}"))))?;
    fixture.settled("delivered", 200)?;
    let stuck = fixture.requested().iter().filter(|id| id.starts_with("stuck")).count();
    assert_eq!(stuck, 6, "no more than its part, and nothing was tried twice");
    fixture.host.stop()
}

/// Latencies of so many paced events, from before an event was sent to its arrival: the 99th in a hundred.
fn p99(bootstrap: &str, system: &System, round: &str) -> anyhow::Result<Duration> {
    const EVENTS: usize = 200;
    system.take_ledger();
    let records = (0..EVENTS).map(|number| other(&format!("{round}-{number}"), &format!("k-{number}")));
    let sent = produce_paced(bootstrap, records.collect(), Duration::from_millis(5))?;
    system.wait_for_accepted(EVENTS, LIMIT)?;
    let latency = |entry: &Arc<Entry>| {
        let number: usize = id_of(entry).rsplit_once('-')?.1.parse().ok()?;
        Some(entry.received.saturating_duration_since(sent[number]))
    };
    let latencies = sorted(system.ledger().iter().filter_map(latency));
    assert_eq!(latencies.len(), EVENTS);
    Ok(latencies[EVENTS * 99 / 100 - 1])
}

/// The promise is 10 %, which the benchmark measures. Beside other tests a p99 of a few milliseconds moves by more than
/// that, so medians of several rounds are compared, by turns, with a second of slack: a connector that held up its
/// neighbour would do so until its attempts time out, after 30 s.
#[test]
fn a_connector_that_is_stuck_does_not_slow_its_neighbour() -> anyhow::Result<()> {
    let (free, stuck) = (System::start("free", Behaviour::ok())?, System::start("stuck", Behaviour::ok())?);
    let tables = format!(
        "[sla.default]\nattempt-timeout = \"30s\"\ninitial-interval = \"100ms\"\n\
         [connectors.free]\nplugin = \"subject\"\nendpoint = \"{}\"\nallow-networks = [\"127.0.0.0/8\"]\n\
         settings = {{ path = \"/events/{{id}}\" }}\n\
         [subscriptions.free]\nconnector = \"free\"\ntopics = [\"{OTHER_TOPIC}\"]\n\
         dead-letter-topic = \"{DEAD_LETTERS}\"\n[runtime]\nworkers = 1",
        free.url()
    );
    let config = Config { tables: &tables, subscription: "grace = \"100ms\"", ..Config::default() };
    let broker = liaison::kafka::embedded::Embedded::start(&[
        (crate::fixture::TOPIC, 4),
        (DEAD_LETTERS, 1),
        (OTHER_TOPIC, 1),
    ])?;
    let host = LocalHost::start(&config.text(broker.bootstrap(), &stuck.url())?)?;
    // Warms it up: partitions, connections, the compiled plugin.
    p99(broker.bootstrap(), &free, "first")?;
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for round in 0..3 {
        without.push(p99(broker.bootstrap(), &free, &format!("without-{round}"))?);
        stuck.behave(Behaviour::silence());
        let asked = stuck.count();
        let records =
            (0..100).map(|number| event(&format!("s-{round}-{number}"), &format!("s-{round}-{number}")));
        produce(broker.bootstrap(), records.collect())?;
        stuck.wait_for(asked + 4, LIMIT)?;
        with.push(p99(broker.bootstrap(), &free, &format!("with-{round}"))?);
        // Lets go of it: what is under way is answered by a closed connection, and is tried again.
        stuck.behave(Behaviour::ok());
        stuck.refuse_connections()?;
        stuck.accept_connections()?;
        stuck.wait_for_accepted((round + 1) * 100, LIMIT)?;
    }
    let [without, with] = [without, with].map(|times| sorted(times)[1]);
    assert!(with <= without.mul_f64(1.1) + Duration::from_secs(1), "{with:?}, and {without:?} without");
    host.stop()
}

/// However a window is chosen, it holds no more requests than the rate allows and a burst. `slack` is for what the way
/// to the ledger pushes together.
fn check_rate(ledger: &[Arc<Entry>], a_second: f64, burst: usize, slack: usize) {
    for (first, from) in ledger.iter().enumerate() {
        for (last, to) in ledger.iter().enumerate().skip(first) {
            let length = to.received.saturating_duration_since(from.received);
            let allowed = (length.as_secs_f64() * a_second) as usize + 1 + burst + slack;
            assert!(last - first < allowed, "{} requests within {length:?}", last - first + 1);
        }
    }
}

#[test]
fn a_rate_limit_is_kept_by_all_subscriptions_together() -> anyhow::Result<()> {
    let connector = "rate-limit = { requests-per-second = 60, burst = 6 }";
    let tables = format!("[sla.default]\nattempt-timeout = \"200ms\"\n{}", second());
    let fixture =
        Fixture::start(&Config { connector, tables: &tables, ..Config::default() }, Behaviour::ok())?;
    fixture.produce((0..60).flat_map(|number| {
        let (id, key) = (format!("a-{number}"), format!("k-{number}"));
        [event(&id, &key), other(&format!("b-{number}"), &key)]
    }))?;
    fixture.settled("delivered", 120)?;
    let ledger = fixture.system.ledger();
    check_rate(&ledger, 60.0, 6, 3);
    // Each had its share while both had events, and waiting spent no attempt's time.
    let is_first: Vec<bool> = ledger.iter().map(|entry| id_of(entry).starts_with('a')).collect();
    let ends = [true, false].map(|of| {
        let is_of = |is_first: &bool| *is_first == of;
        (is_first.iter().position(is_of).unwrap_or(0), is_first.iter().rposition(is_of).unwrap_or(0))
    });
    let both = &is_first[ends[0].0.max(ends[1].0)..=ends[0].1.min(ends[1].1)];
    let share = both.iter().filter(|is_first| **is_first).count() * 100 / both.len();
    assert!((30..=70).contains(&share), "{share} % of {} requests were of one subscription", both.len());
    assert_eq!((fixture.attempts("delivered"), fixture.attempts("retry")), (120.0, 0.0));
    assert!(fixture.metric("liaison_rate_limit_waits_total", &[("connector", "calendar")]) > 0.0);
    fixture.stop_without_dead_letters()
}

/// Asks three times side by side, then once more, and is delivered if all were answered.
#[derive(Debug)]
struct Asker;

impl NativeConnector for Asker {
    fn deliver(&self, delivery: &Delivery) -> Step {
        let ask = |number: usize| {
            Effect::from(HttpRequest {
                method: "PUT".to_owned(),
                url: format!("/events/{}-{number}", delivery.event.id),
                headers: Vec::new(),
                body: Body::EventData,
                timeout: None,
                keep_body: false,
            })
        };
        let is_answered = |reply| matches!(reply, &liaison::contract::Reply::Http(_));
        match delivery.rounds.len() {
            0 => Step::Perform((0..3).map(ask).collect()),
            1 => Step::Perform(vec![ask(3)]),
            _ if delivery.rounds.iter().flatten().all(is_answered) => {
                Step::Settle(Outcome::Delivered(Receipt::default()))
            }
            _ => Step::Settle(Outcome::Rejected(format!("{:?}", delivery.rounds))),
        }
    }
}

#[test]
fn waiting_for_a_turn_costs_an_attempt_none_of_its_time() -> anyhow::Result<()> {
    let connector = "rate-limit = { requests-per-second = 5 }\nsettings = {}";
    // Ten requests at five a second take ten times as long as an attempt may.
    let tables = "[sla.default]\nattempt-timeout = \"180ms\"";
    let broker = liaison::kafka::embedded::Embedded::start(&[(crate::fixture::TOPIC, 4), (DEAD_LETTERS, 1)])?;
    let system = System::start("calendar", Behaviour::ok().with_latency(Duration::from_millis(20)))?;
    let text = Config { connector, tables, ..Config::default() }.text(broker.bootstrap(), &system.url())?;
    let mut config = liaison::config::Config::from_toml(&text, std::path::Path::new("/"))?.config;
    config.plugins.clear();
    let natives: Natives = [(PluginName::new("subject"), Arc::new(Asker) as _)].into();
    let host = LocalHost::start_with(config, natives)?;
    let began = Instant::now();
    produce(broker.bootstrap(), vec![event("e-1", "k-1"), event("e-2", "k-2"), event("e-3", "k-3")])?;
    host.wait_for_metric(LIMIT, "liaison_events_settled_total", &[("kind", "delivered")], |count| {
        count == 3.0
    })?;
    assert!(began.elapsed() >= Duration::from_secs(2));
    let ledger = system.ledger();
    assert_eq!(ledger.len(), 12);
    check_rate(&ledger, 5.0, 1, 1);
    // What has begun goes before what has not.
    let firsts: Vec<&str> = ledger.iter().map(|entry| id_of(entry)).filter(|id| id.ends_with("-0")).collect();
    let second = ledger.iter().position(|entry| id_of(entry) == firsts[1]).unwrap();
    assert!(ledger[..second].iter().filter(|entry| id_of(entry).starts_with(&firsts[0][..3])).count() >= 3);
    host.stop()
}
