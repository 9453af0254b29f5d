//! A system that comes back to thousands of waiting events: soon at full rate, and never overrun.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use liaison_tests::proof::{duplicates, out_of_order};
use liaison_tests::system::Behaviour;

use crate::fixture::{Config, Fixture, LIMIT, event};
use crate::rate::Since;

const EVENTS: usize = 6_000;
const KEYS: usize = 600;
/// 24 at a time of 30 ms each are 800 a second: what limits the rate is the system, not the machine.
const CONNECTOR: &str = r#"
    concurrency = 24
    breaker = { failures = 3, probe-interval = "100ms", max-probe-interval = "200ms", pause-after = "300ms" }
"#;

#[test]
fn thousands_that_waited_are_delivered_at_full_rate_within_seconds_and_without_a_herd() -> anyhow::Result<()>
{
    let tables = "[sla.default]\nmax-attempts = 2\ninitial-interval = \"20ms\"";
    let config = Config { connector: CONNECTOR, tables, ..Config::default() };
    let fixture = Fixture::start(&config, Behaviour::status(503))?;
    let produced: Vec<_> = (0..EVENTS).map(|number| (format!("k-{}", number % KEYS), number)).collect();
    let produced: Vec<_> =
        produced.into_iter().map(|(key, number)| (key.clone(), format!("{key}-{number}"))).collect();
    fixture.produce(produced.iter().map(|(key, id)| event(id, key)))?;
    fixture.host.wait_for_metric(LIMIT, "liaison_partitions_paused", &[], |count| count == 4.0)?;

    // Down for long: what is held stays what it is, and far more probes are made than anything has attempts.
    let asked = fixture.system.count();
    fixture.system.wait_for(asked + 5, LIMIT)?;
    let held = fixture.metric("liaison_events_unsettled", &[]);
    fixture.system.wait_for(asked + 15, LIMIT)?;
    assert_eq!(fixture.metric("liaison_events_unsettled", &[]), held);
    assert!(held <= 5_000.0, "{held} events are held, more than the bounds");
    assert_eq!(fixture.metric("liaison_events_settled_total", &[]), 0.0);

    fixture.system.take_ledger();
    let up = Instant::now();
    fixture.system.behave(Behaviour::ok().with_latency(Duration::from_millis(30)));
    fixture.settled("delivered", EVENTS)?;
    let ledger = fixture.system.ledger();
    let since = Since { ledger: &ledger, up };
    let second = Duration::from_secs(1);
    let steady = since.rate(3 * second, 2 * second);
    let peak = since.peak_of_the_first_second();
    assert!(peak <= 1.5 * steady, "{peak} a second just after it was up, and {steady} later");
    assert!(since.full_after(steady).is_some(), "no full rate within 5 s: {steady}");
    // It rises: overrun is what is as fast at once as it will ever be.
    assert!(since.rate(Duration::ZERO, second / 2) < 0.8 * steady, "no ramp: {steady}");

    let produced: Vec<_> = produced.iter().map(|(key, id)| (key.as_str(), id.as_str())).collect();
    let delivered = fixture.delivered();
    let delivered: Vec<&str> = delivered.iter().map(String::as_str).collect();
    assert_eq!((delivered.len(), duplicates(&delivered)), (EVENTS, BTreeMap::new()));
    assert_eq!(out_of_order(&produced, &delivered), []);
    assert_eq!(fixture.metric("liaison_breaker_opened_total", &[]), 1.0);
    assert_eq!(fixture.metric("liaison_concurrency_limit", &[("connector", "calendar")]), 24.0);
    fixture.stop_without_dead_letters()
}
