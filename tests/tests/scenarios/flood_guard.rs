//! When most deliveries would be dead letters, the subscription waits instead, and says so.

use liaison_tests::system::Behaviour;

use crate::fixture::{Config, Fixture, LIMIT, event, letters, sorted};

const EVENTS: usize = 40;

#[test]
fn a_flood_of_dead_letters_is_held_back_until_deliveries_succeed_again() -> anyhow::Result<()> {
    let subscription = r#"flood-guard = { window = "3s", minimum = 10, share = 0.5 }"#;
    let config = Config { subscription, connector: "concurrency = 1", ..Config::default() };
    let fixture = Fixture::start(&config, Behaviour::status(400))?;
    let ids: Vec<String> = (0..EVENTS).map(|number| format!("e-{number}")).collect();
    fixture.produce(ids.iter().map(|id| event(id, id)))?;
    let shut = |value: f64| {
        fixture.host.wait_for_metric(LIMIT, "liaison_flood_guard_shut", &[], move |found| found == value)
    };
    shut(1.0)?;
    assert!(!fixture.host.is_ready(), "a person sees it");
    // Nothing starts but a probe: it is the eleventh request, and fails as well.
    fixture.system.wait_for(11, LIMIT)?;
    assert_eq!(fixture.metric("liaison_events_settled_total", &[("kind", "dead-lettered")]), 9.0);
    assert_eq!(fixture.system.count(), 11);

    fixture.system.behave(Behaviour::ok());
    fixture.settled("delivered", EVENTS - 9)?;
    shut(0.0)?;
    assert!(fixture.host.is_ready());
    let dead = letters(&fixture.broker)?;
    let dead =
        dead.iter().map(|letter| letter.event_id().map(str::to_owned)).collect::<Result<Vec<_>, _>>()?;
    assert_eq!(dead.len(), 9);
    assert_eq!(
        sorted([fixture.delivered(), dead].concat()),
        sorted(ids),
        "none is lost, and none comes twice"
    );
    fixture.host.stop()
}
