//! Records in the wire format, whose data is much more than what came from Kafka.

use std::task::{Context, Poll, Waker};

use globset::Glob;

use crate::config::EventTypes;
use crate::event::{Origin, Record};
use crate::kafka::consumer::Batch;
use crate::schema_registry::Schemas;
use crate::schema_registry::tests::{record, registry, registry_of};
use crate::subscription::SubscriptionPlan;
use crate::subscription::schemas::Reading;

use super::world::{World, delivered, parked, plan};

/// 50 KB of JSON in four bytes.
const NULLS: &str = r#"{"type": "array", "items": "null"}"#;
const DATUM: [u8; 4] = [0xa0, 0x9c, 0x01, 0];

fn batch(plan: &SubscriptionPlan, offsets: std::ops::Range<i64>) -> (Batch, Schemas) {
    let wire =
        |offset| Record { origin: Origin { topic: "t".into(), partition: 0, offset }, ..record(1, &DATUM) };
    let records: Vec<Record> = offsets.map(wire).collect();
    let schemas = plan.registry.look_up(&records).expect("its schema is known");
    (Batch { epoch: 1, records }, schemas)
}

#[tokio::test(start_paused = true)]
async fn what_is_decoded_is_taken_in_as_far_as_there_is_room_and_the_rest_follows() {
    let mut plan = plan(|settings| settings.bounds.bytes = 200_000);
    plan.registry = registry(&[(1, "avro", NULLS)], 1);
    let mut world = World::new(&plan);
    world.assign(1, &[("t", 0)]);
    for offsets in [0..60, 60..100] {
        let (batch, schemas) = batch(&plan, offsets);
        world.task.receive(batch, schemas);
    }
    let mut ended = Vec::new();
    while ended.len() < 100 {
        let held = world.task.partitions.unsettled_bytes();
        assert!((50_000..=250_000).contains(&held), "{held} bytes are held after {}", ended.len());
        assert!(!world.task.has_room(), "what came earlier is taken in first");
        for (_, lane, job) in world.start_all() {
            ended.push(job.event.origin.offset);
            world.end(lane, delivered(&job));
        }
        world.task.begin_turn();
        world.task.receive_kept();
    }
    assert_eq!(ended, (0..100).collect::<Vec<_>>());
    assert!(world.task.has_room());
}

#[tokio::test(start_paused = true)]
async fn what_is_decoded_and_not_wanted_leaves_the_others_their_turn() {
    let mut plan = plan(|settings| settings.types = EventTypes::new(&[Glob::new("other").unwrap()]).unwrap());
    plan.registry = registry(&[(1, "avro", NULLS)], 1);
    let mut world = World::new(&plan);
    world.assign(1, &[("t", 0)]);
    for offsets in [0..60, 60..100] {
        let (batch, schemas) = batch(&plan, offsets);
        world.task.receive(batch, schemas);
    }
    let taken_in = || plan.witness.metrics.received.get();
    // 21 of them are 1 MiB.
    for turn in 1..=4 {
        assert_eq!(taken_in(), 21 * turn, "of 50 kB each");
        assert!(world.task.is_turn_over() && !world.task.has_room(), "what came earlier is taken in first");
        world.task.receive_kept();
        assert_eq!(taken_in(), 21 * turn, "before the others had their turn nothing more");
        world.task.begin_turn();
        world.task.receive_kept();
    }
    assert_eq!((taken_in(), world.task.partitions.unsettled()), (100, 0));
    assert!(world.task.has_room());
}

#[tokio::test]
async fn only_what_will_be_decoded_waits_for_its_schema() {
    let named = |topic: &str| Some(vec![topic.to_owned()]);
    let wire = record(9, b"x").value;
    for (topics, value, waits) in [
        (named("t"), &wire, true),
        (None, &wire, true),
        // It came from a topic that is not decoded, whatever its first byte.
        (named("other"), &wire, false),
        (named("t"), &Some("{}".into()), false),
    ] {
        let mut plan = plan(|_| {});
        plan.registry = registry_of(topics.clone(), &[], 10);
        let record = Record { value: value.clone(), ..parked(0, "e0", "k", 0) };
        let mut batch = Some(Batch { epoch: 1, records: vec![record] });
        let mut reading = Reading::default();
        let read =
            reading.poll(&plan, &mut Context::from_waker(Waker::noop()), |_| Poll::Ready(batch.take()));
        assert_eq!(read.is_pending(), waits, "{topics:?} {value:?}");
    }
}
