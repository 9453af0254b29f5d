//! The rules that only the task as a whole keeps.

mod decoded;
mod model;
mod world;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use self::world::{
    DELAY, World, attempted, delivered, failed, make_due, parked, partition, plan, read_back, record,
    stopped, transformed, trapped,
};
use super::Sent;
use crate::config;
use crate::contract::{Conflict, Outcome};
use crate::dead_letter::Reason;
use crate::delivery::breaker::{FailureKind, State};
use crate::event::Record;
use crate::kafka::consumer::{Command, Control};
use crate::subscription::lanes::LaneId;
use crate::subscription::stages::served::{Counts, Tally};
use crate::subscription::stages::{Done, Job};

const SECOND: Duration = Duration::from_secs(1);

/// Events `e0`, `e1`, … of a key each, at offsets 0, 1, …
fn events(count: i64) -> Vec<Record> {
    (0..count).map(|offset| record("t", offset, &format!("e{offset}"), &format!("k{offset}"))).collect()
}

#[tokio::test(start_paused = true)]
async fn a_parked_event_that_comes_back_early_waits_for_itself_alone() {
    // It was parked without an order; since then the configuration wants one.
    let mut world = World::new(&plan(|settings| settings.ordering = config::Ordering::Key));
    world.assign(1, &[(DELAY.0, 0)]);
    world.receive(1, vec![parked(0, "first", "k", 0)]);
    let (first, first_job) = world.start().unwrap();
    world.receive(1, vec![parked(1, "second", "k", 1_000)]);
    world.pass(2 * SECOND).await;
    let started = world.start_all();
    assert_eq!(started.iter().map(|(id, ..)| id.as_str()).collect::<Vec<_>>(), ["second"]);
    world.end(first, delivered(&first_job));
    assert_eq!(world.task.partitions.unsettled(), 1, "the second is not settled by the first");
    world.end(started[0].1, delivered(&started[0].2));
    assert_eq!((world.task.partitions.unsettled(), world.task.lanes.waiting()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_revoke_waits_for_the_letter_of_a_record_that_is_no_event() {
    let mut world = World::new(&plan(|_| {}));
    world.assign(1, &[("t", 0)]);
    let mut no_event = record("t", 0, "e0", "k0");
    no_event.headers.retain(|(name, _)| name != "ce_type");
    world.receive(1, vec![no_event]);
    let letter = world.task.take_letters().remove(0);
    let (positions, answer) = std::sync::mpsc::sync_channel(1);
    let revoked = Control::Revoked { epoch: 2, partitions: vec![partition("t", 0)], positions };
    world.task.control(revoked, Instant::now());
    world.pass(SECOND).await;
    assert!(answer.try_recv().is_err(), "it would be a dead letter twice");
    world.task.acknowledged(letter.settles);
    world.pass(SECOND).await;
    let given_up = answer.try_recv().unwrap();
    assert_eq!(given_up.iter().map(|position| position.offset).collect::<Vec<_>>(), [1]);
}

#[tokio::test(start_paused = true)]
async fn what_settles_while_the_host_stops_is_committed_before_the_rest_ends() {
    let mut world = World::new(&plan(|_| {}));
    world.assign(1, &[("t", 0)]);
    world.receive(1, events(2));
    let started = world.start_all();
    world.task.stop();
    let (_, lane, job) = &started[0];
    world.end(*lane, delivered(job));
    world.pass(SECOND).await;
    assert!(!world.task.is_idle(), "the second is in flight");
    let Ok(Command::Commit { positions, .. }) = world.commands.try_recv() else { panic!("no commit") };
    assert_eq!(positions.iter().map(|position| position.offset).collect::<Vec<_>>(), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_traps_says_nothing_of_the_system() {
    let mut world = World::new(&plan(|settings| settings.sla.default.max_attempts = 2));
    world.assign(1, &[("t", 0)]);
    world.receive(1, events(1));
    for _ in 0..2 {
        let (lane, job) = world.start().unwrap();
        world.end(lane, trapped(&job));
        world.pass(60 * SECOND).await;
    }
    assert_eq!(world.task.share.outages(), 0);
    let letters = world.task.take_letters();
    assert_eq!(
        letters.iter().map(|letter| letter.letter.reason).collect::<Vec<_>>(),
        [Reason::AttemptsSpent]
    );
}

#[tokio::test(start_paused = true)]
async fn what_fails_with_nothing_else_succeeding_is_not_given_up() {
    let mut world = World::new(&plan(|settings| settings.sla.default.max_attempts = 2));
    world.assign(1, &[("t", 0)]);
    world.receive(1, events(1));
    for _ in 0..2 {
        let (lane, job) = world.start().unwrap();
        world.end(lane, failed(&job, None));
        world.pass(60 * SECOND).await;
    }
    assert_eq!((world.task.share.outages(), world.task.take_letters().len()), (1, 0));
}

/// A task of four events whose flood guard has shut with the first, and whose probe is due.
async fn shut(settle: impl FnOnce(&mut config::Subscription)) -> World {
    let mut world = World::new(&plan(|settings| {
        settings.flood_guard =
            config::FloodGuard { is_on: true, window: 60 * SECOND, minimum: 1, share: 0.1 };
        settings.sla.default.max_attempts = 1;
        settle(settings);
    }));
    world.assign(1, &[("t", 0)]);
    world.receive(1, events(4));
    let (lane, job) = world.start().unwrap();
    let reject = Outcome::Rejected("never".to_owned());
    world.end(lane, attempted(&job, Ok(reject), None));
    assert!(world.start().is_none() && world.task.flood.shut_for(Instant::now()).is_some());
    world.pass(60 * SECOND).await;
    world
}

#[tokio::test(start_paused = true)]
async fn a_flood_guard_whose_probe_leaves_probes_with_another_at_once() {
    // Its partition is lost.
    let mut world = shut(|_| {}).await;
    assert!(world.start().is_some());
    let lost = Control::Lost { epoch: 2, partitions: vec![partition("t", 0)] };
    world.task.control(lost, Instant::now());
    world.assign(3, &[("t", 0)]);
    world.receive(3, events(4));
    assert!(world.start().is_some(), "lost");

    // It is parked, for want of an order.
    let mut world = shut(|settings| {
        settings.ordering = config::Ordering::None;
        settings.sla.default.max_attempts = 9;
        settings.sla.default.initial_interval = 300 * SECOND;
        settings.sla.default.max_interval = 300 * SECOND;
    })
    .await;
    let (lane, job) = world.start().unwrap();
    world.end(lane, failed(&job, None));
    let parcel = world.task.take_parcels().remove(0);
    world.task.parked(Sent::Parked { lane: parcel.lane, topic: parcel.outgoing.topic });
    assert!(world.start().is_some(), "parked");
}

#[tokio::test(start_paused = true)]
async fn a_flood_guard_whose_probe_is_dropped_by_a_transformer_probes_with_another_at_once() {
    let mut world = World::new(&plan(|settings| {
        settings.flood_guard =
            config::FloodGuard { is_on: true, window: 60 * SECOND, minimum: 1, share: 0.1 };
        settings.transformers = vec![config::TransformerName::new("x")];
    }));
    world.assign(1, &[("t", 0)]);
    world.receive(1, events(3));
    let (lane, job) = world.start().unwrap();
    world.end(lane, Done::TransformRejected { stopped: stopped(&job), why: "never".to_owned() });
    world.pass(60 * SECOND).await;
    let (lane, _) = world.start().unwrap();
    assert!(world.start().is_none());
    world.end(lane, Done::Dropped("not for us".to_owned()));
    assert!(world.start().is_some());
}

/// A task that holds as much as it may, all of it events that have failed ten times since another was delivered.
async fn choked() -> World {
    let mut world = World::new(&plan(|settings| {
        settings.bounds.events = 16;
        settings.sla.default.max_attempts = 100;
        settings.sla.default.max_interval = 2 * SECOND;
    }));
    world.assign(1, &[("t", 0)]);
    world.receive(1, events(14));
    let (lane, job) = world.start().unwrap();
    world.end(lane, delivered(&job));
    for _ in 0..10 {
        for (_, lane, job) in world.start_all() {
            world.end(lane, failed(&job, None));
        }
        world.pass(2 * SECOND).await;
    }
    world
}

#[tokio::test(start_paused = true)]
async fn what_fails_while_nothing_succeeds_is_not_given_up_for_room() {
    let mut world = choked().await;
    world.pass(SECOND).await;
    assert_eq!(world.task.take_letters().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_given_up_for_room_has_its_last_attempt() {
    let mut world = choked().await;
    let started = world.start_all();
    let (_, lane, job) = &started[0];
    for (_, lane, job) in &started[1..] {
        world.end(*lane, failed(job, None));
    }
    assert!(world.task.recordings.bytes() > 0);
    world.pass(SECOND / 2).await;
    assert_eq!(world.task.take_letters().len(), 0);
    world.end(*lane, delivered(job));
    world.pass(SECOND / 2).await;
    let letters = world.task.take_letters();
    assert_eq!(letters.len(), 12);
    for letter in letters {
        assert_eq!((letter.letter.reason, letter.letter.attempts.count()), (Reason::GaveUp, 11));
        let recording = letter.letter.recording.expect("its last attempt");
        let recorded = crate::dead_letter::recording::Recorded::from_json(&recording).unwrap();
        let crate::dead_letter::recording::Recorded::Whole(recording) = recorded else {
            panic!("{recorded:?}")
        };
        assert_eq!(recording.attempt, 11);
        world.task.acknowledged(letter.settles);
    }
    assert_eq!((world.task.partitions.unsettled(), world.task.recordings.bytes()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_a_delivery_was_answered_counts_against_the_bound_of_bytes() {
    let mut world = World::new(&plan(|settings| {
        settings.journal = Some("j".to_owned());
        settings.bounds.bytes = 4_096;
    }));
    world.assign(1, &[("t", 0)]);
    let read = world.task.take_journal_reads().remove(0);
    world.task.journal_read(read, Default::default());
    assert!(!world.task.is_nearly_full() && world.task.has_room());
    let number = world.task.partitions.number(&partition("t", 0)).unwrap();
    let answered = crate::journal::rounds::Answered { asked: 7, reply: None };
    let recorded = crate::journal::rounds::Recorded {
        idempotency_key: "k".to_owned(),
        arguments: crate::journal::rounds::Arguments::of(&crate::journal::rounds::tests::delivery(0, None)),
        rounds: vec![vec![answered; 100]],
    };
    let journalled =
        crate::subscription::journal::Journalled { recorded: recorded.into(), is_written: true, by: None };
    world.task.journal.as_mut().unwrap().keep(number, 0, 0, journalled);
    assert!(world.task.is_nearly_full() && !world.task.has_room());
}

#[tokio::test(start_paused = true)]
async fn what_was_decided_of_a_conflict_counts_against_the_bound_of_bytes() {
    let held = format!(r#"{{"room":"{}"}}"#, "x".repeat(4_096));
    let owners = || config::Owners { default: config::Owner::Source, fields: Default::default() };
    for policy in
        [config::ConflictPolicy::Merge { owners: owners(), version: None }, config::ConflictPolicy::Manual]
    {
        let mut world = World::new(&plan(|settings| {
            settings.bounds.bytes = 4_096;
            settings.conflict = policy.clone();
        }));
        world.assign(1, &[("t", 0)]);
        let mut record = record("t", 0, "e0", "k0");
        record.value = Some(r#"{"date":"2"}"#.into());
        world.receive(1, vec![record]);
        let (lane, job) = world.start().unwrap();
        assert!(world.task.has_room() && !world.task.is_nearly_full());
        let current = Some(held.clone().into());
        let conflict = Conflict { version: None, current, reason: "412".to_owned() };
        world.end(lane, attempted(&job, Ok(Outcome::Conflict(conflict)), None));
        assert!(!world.task.has_room() && world.task.is_nearly_full(), "{policy:?}");
        match world.start() {
            Some((lane, job)) => {
                assert!(job.resolution.is_some());
                world.end(lane, delivered(&job));
            }
            None => {
                let letter = world.task.take_letters().remove(0);
                world.task.acknowledged(letter.settles);
            }
        }
        assert!(world.task.has_room(), "{policy:?}");
        assert_eq!(world.task.held_bytes(), 0, "{policy:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_transformers_made_counts_until_it_is_delivered() {
    let mut world = World::new(&plan(|settings| {
        settings.transformers = vec![config::TransformerName::new("x")];
    }));
    world.assign(1, &[("t", 0)]);
    world.receive(1, events(1));
    let before = world.task.held_bytes();
    let (lane, job) = world.start().unwrap();
    let part = |bytes: usize| {
        let data = Some(vec![b'x'; bytes].into());
        crate::event::Event { data, attributes: Vec::new(), ..(*job.event).clone() }
    };
    world.end(lane, transformed(vec![part(100), part(10)], Vec::new()));
    for held in [110, 10, 0] {
        assert_eq!(world.task.held_bytes(), if held == 0 { 0 } else { before + held });
        if let Some((lane, job)) = world.start() {
            world.end(lane, delivered(&job));
        }
    }
}

/// A transformer on trial has made this of an event, and the connector rejects it.
fn rejected_after_a_trial(world: &mut World, tally: &Arc<Tally>) -> (LaneId, Job) {
    world.assign(1, &[("t", 0)]);
    world.receive(1, events(1));
    let (lane, job) = world.start().unwrap();
    assert!(job.next.is_none() && !job.by_live);
    world.end(lane, transformed(vec![(*job.event).clone()], vec![tally.clone()]));
    let (lane, job) = world.start().unwrap();
    world.end(lane, attempted(&job, Ok(Outcome::Rejected("no such room".to_owned())), None));
    let (lane, job) = world.start().unwrap();
    assert!(job.next.is_none() && job.by_live, "the version before makes it anew");
    (lane, job)
}

#[tokio::test(start_paused = true)]
async fn what_a_transformer_on_trial_made_and_the_connector_rejects_is_made_anew_by_the_one_before() {
    for (is_delivered, expected) in
        [(true, Counts { judged: 1, failed: 1 }), (false, Counts { judged: 1, failed: 0 })]
    {
        let (mut world, tally) = (
            World::new(&plan(|settings| settings.transformers = vec![config::TransformerName::new("x")])),
            Arc::<Tally>::default(),
        );
        let (lane, job) = rejected_after_a_trial(&mut world, &tally);
        assert_eq!(tally.counts(), Counts::default());
        world.end(lane, transformed(vec![(*job.event).clone()], Vec::new()));
        let (lane, job) = world.start().unwrap();
        let rejected = || attempted(&job, Ok(Outcome::Rejected("no such room".to_owned())), None);
        world.end(lane, if is_delivered { delivered(&job) } else { rejected() });
        assert_eq!(tally.counts(), expected);
        assert_eq!(world.task.take_letters().len(), usize::from(!is_delivered));
    }
}

/// What was attempted once with a system that is not well, and parked.
async fn parked_after_trouble(world: &mut World) -> Record {
    world.assign(1, &[("t", 0), (DELAY.0, 0)]);
    world.receive(1, vec![record("t", 0, "parked", "k")]);
    let (lane, job) = world.start().unwrap();
    world.end(lane, failed(&job, Some(FailureKind::Unavailable)));
    let parcel = world.task.take_parcels().remove(0);
    world.task.parked(Sent::Parked { lane: parcel.lane, topic: parcel.outgoing.topic.clone() });
    world.pass(SECOND).await;
    let mut record = read_back(parcel.outgoing, 0, 0);
    make_due(&mut record);
    record
}

#[tokio::test(start_paused = true)]
async fn an_attempt_before_an_outage_is_given_back_to_what_was_parked_too() {
    for (is_outage, attempt) in [(false, 2), (true, 1)] {
        let mut world = World::new(&plan(|settings| {
            settings.ordering = config::Ordering::None;
            settings.sla.default.initial_interval = 120 * SECOND;
            settings.sla.default.max_interval = 120 * SECOND;
        }));
        let parked = parked_after_trouble(&mut world).await;
        if is_outage {
            world.task.share.tell(Instant::now(), |breaker| breaker.trip(Instant::now(), 0.5));
            world.pass(5 * SECOND).await;
        }
        world.receive(1, vec![record("t", 1, "other", "o")]);
        let (lane, job) = world.start().unwrap();
        world.end(lane, delivered(&job));
        assert_eq!(world.task.share.breaker().state(), State::Closed);
        world.receive(1, vec![parked]);
        let (_, job) = world.start().unwrap();
        assert_eq!((job.event.id.as_str(), job.attempt), ("parked", attempt));
    }
}
