//! A call that gets too little of a busy machine ends by the clock, and costs its own event and nothing else.
//!
//! A guest cannot wait: it has no sleep and no call that blocks. What keeps a call from ending is that others compute beside
//! it: those that are slow share one thread beside the worker, in slices.

use liaison::kafka::embedded::Embedded;
use liaison::kafka::producer::Outgoing;
use liaison_tests::host::plugin;
use liaison_tests::local::LocalHost;
use liaison_tests::produce::produce;
use liaison_tests::system::{Behaviour, System};

use crate::fixture::{DEAD_LETTERS, LIMIT, OTHER_TOPIC, TOPIC, event, letters, sorted, with_header};
use crate::hostile::neighbours;

const CROWD_TOPIC: &str = "crowd";
/// Each has one call under way beside the worker: of four that compute, one gets a quarter of the time.
const CROWD: usize = 3;

/// By itself the call would use up its CPU time first: it may have as much as the clock gives it.
fn config(bootstrap: &str, bad: &System, good: &System) -> anyhow::Result<String> {
    let crowd = (0..CROWD).map(|number| {
        format!(
            r#"
            [connectors.crowd-{number}]
            plugin = "crowd"
            endpoint = "{bad}"
            allow-networks = ["127.0.0.1"]
            [subscriptions.crowd-{number}]
            connector = "crowd-{number}"
            topics = ["{CROWD_TOPIC}"]
            dead-letter-topic = "{DEAD_LETTERS}"
            grace = "10ms"
            "#,
            bad = bad.url(),
        )
    });
    let more = format!(
        r#"
        [plugins.crowd]
        path = "{hostile}"
        limits = {{ cpu-time = "10m", wall-time = "20m" }}
        [sla.default]
        initial-interval = "10ms"
        max-interval = "20ms"
        attempt-timeout = "10m"
        {crowd}
        "#,
        hostile = plugin("hostile")?.display(),
        crowd = crowd.collect::<String>(),
    );
    neighbours(bootstrap, bad, good, "cpu-time = \"1s\", wall-time = \"1s\"", &more)
}

#[test]
fn a_call_that_is_kept_from_its_turn_ends_by_the_clock_and_costs_its_own_event() -> anyhow::Result<()> {
    let broker = Embedded::start(&[(TOPIC, 1), (OTHER_TOPIC, 1), (CROWD_TOPIC, 1), (DEAD_LETTERS, 1)])?;
    let (bad, good) = (System::start("bad", Behaviour::ok())?, System::start("good", Behaviour::ok())?);
    let host = LocalHost::start(&config(broker.bootstrap(), &bad, &good)?)?;
    let to = |topic: &str, event: Outgoing| Outgoing { topic: topic.to_owned(), ..event };
    let looping = |id: &str| with_header(event(id, id), "hostile", "loop");
    produce(broker.bootstrap(), vec![to(CROWD_TOPIC, looping("crowd"))])?;
    for number in 0..CROWD {
        let name = format!("crowd-{number}");
        let of_it = [("subscription", name.as_str())];
        host.wait_for_metric(LIMIT, "liaison_attempts_in_flight", &of_it, |count| count >= 1.0)?;
    }

    let neighbours = (0..20).map(|number| to(OTHER_TOPIC, event(&format!("e-{number}"), "k")));
    produce(broker.bootstrap(), vec![looping("late"), event("beside", "another key")])?;
    produce(broker.bootstrap(), neighbours.collect())?;
    let of_bad = [("subscription", "bad")];
    host.wait_for_metric(LIMIT, "liaison_dead_letters_total", &of_bad, |count| count >= 1.0)?;
    good.wait_for(20, LIMIT)?;
    bad.wait_for(1, LIMIT)?;

    let letters = letters(&broker)?;
    let [letter] = &letters[..] else { anyhow::bail!("{letters:?}") };
    assert_eq!((letter.event_id()?, letter.reason()?), ("late", "fault-timed-out"));
    assert_eq!(letter.header("__dlq.errors.delivery.count")?, "3");
    let message = letter.message()?;
    assert!(message.contains("the plugin's call took longer than 1s (limits.wall-time)"), "{message}");
    let faults = |labels: &[(&str, &str)]| host.metrics().sum("liaison_plugin_faults_total", labels);
    assert_eq!((faults(&[("kind", "wall-time")]), faults(&[])), (3.0, 3.0));
    assert_eq!(sorted(bad.ledger().iter().map(|entry| crate::fixture::id_of(entry).to_owned())), ["beside"]);
    let settled =
        |subscription| host.metrics().sum("liaison_events_settled_total", &[("subscription", subscription)]);
    assert_eq!((settled("good"), settled("crowd-0")), (20.0, 0.0));
    host.stop()
}
