//! The task against a plain reference, whatever happens to it and in whatever order.
//!
//! The model is Kafka, the plugins, the external system and the clock; it knows which events have ended and holds the
//! task to that after each act: nothing unsettled is committed, what is known to be settled does not start again, a
//! key's events start in their order, nothing starts twice, and all that is counted comes down to nothing once everything
//! has ended, which it must.

mod acts;
mod checks;
mod consumer;
mod kafka;
mod turns;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tokio::time::Instant;

use self::acts::{Act, acts};
use self::kafka::Kafka;
use super::world::{DELAY, World, partition, plan};
use crate::config::{self, Ordering};
use crate::kafka::consumer::{Command, Partition, Position};
use crate::subscription::SubscriptionPlan;
use crate::subscription::lanes::{LaneId, PartitionIndex};
use crate::subscription::stages::Job;
use crate::subscription::task::{Letter, Parcel, Settles};

const SECOND: Duration = Duration::from_secs(1);
/// Partitions of the topic, keys of its events, and events that may be held.
const PARTITIONS: usize = 2;
const KEYS: usize = 2;
const BOUND: usize = 10;
/// As many as find each mistake that was made here by hand: that a late answer to a commit counts, that a parked event
/// waits in another's lane, that a trap opens the breaker, that a probe is not given back, that an event is given up for
/// room while nothing succeeds, that a commit passes what is unsettled, that keys are no lanes, that a slot is kept.
const CASES: u32 = 2_000;
/// Within this everything has ended once nothing fails any more: the flood guard probes after 8 windows at the latest.
const DRAIN: usize = 200;

/// What is on its way somewhere, with where its event was read.
type OnItsWay<T> = (Partition, i64, T);

struct Model {
    plan: Rc<SubscriptionPlan>,
    world: World,
    kafka: Kafka,
    turns: Vec<OnItsWay<(LaneId, Job)>>,
    letters: Vec<OnItsWay<(Settles, String)>>,
    parcels: Vec<OnItsWay<Parcel>>,
    revoking: Option<(Partition, Receiver<Vec<Position>>)>,
    /// By the numbers of their assignments.
    numbers: HashMap<PartitionIndex, Partition>,
    /// All events, as they were written.
    events: Vec<Written>,
    /// Ids of those that were attempted once, and of those that have ended.
    attempted: BTreeSet<String>,
    ended: BTreeSet<String>,
    /// By id: when it failed last.
    failed_at: BTreeMap<String, Instant>,
    /// When the system worked last.
    last_success: Option<Instant>,
}

/// An event; `key` is `None` for one that was parked by an earlier configuration.
struct Written {
    id: String,
    partition: Partition,
    key: Option<usize>,
}

impl Model {
    fn new(plan: Rc<SubscriptionPlan>) -> Self {
        let mut kafka = Kafka::default();
        for number in 0..=PARTITIONS {
            kafka.logs.insert(partition_of(number), Default::default());
        }
        let mut model = Self {
            world: World::new(&plan),
            plan,
            kafka,
            turns: Vec::new(),
            letters: Vec::new(),
            parcels: Vec::new(),
            revoking: None,
            numbers: HashMap::new(),
            events: Vec::new(),
            attempted: BTreeSet::new(),
            ended: BTreeSet::new(),
            failed_at: BTreeMap::new(),
            last_success: None,
        };
        (0..=PARTITIONS).for_each(|number| model.assign(&partition_of(number)));
        model
    }

    async fn act(&mut self, act: Act) {
        // While a revoke waits for its answer, the thread does nothing else.
        let is_free = self.revoking.is_none();
        match act {
            Act::Produce { partition, key } => self.produce(partition, key),
            Act::Receive { partition, count, due } if is_free => {
                self.receive(&partition_of(partition), count, due);
            }
            Act::Start => self.start(),
            Act::End { turn, how } => self.end(turn, how),
            Act::Acknowledge { letter } => self.acknowledge(letter),
            Act::Park { parcel, is_refused } => self.park(parcel, is_refused),
            Act::Answer { commit } if is_free => self.answer(commit),
            Act::FailCommits { are_failing } => self.kafka.is_failing = are_failing,
            Act::Assign { partition } if is_free => self.assign(&partition_of(partition)),
            Act::Revoke { partition } if is_free => self.revoke(&partition_of(partition)),
            Act::Lose { partition, is_back } if is_free => self.lose(&partition_of(partition), is_back),
            Act::Crash { is_parked } => self.crash(is_parked),
            Act::Pass { ms } => self.world.pass(Duration::from_millis(ms)).await,
            Act::Receive { .. }
            | Act::Answer { .. }
            | Act::Assign { .. }
            | Act::Revoke { .. }
            | Act::Lose { .. } => {}
        }
        self.hear();
        self.check();
    }

    /// What the task wants done is on its way.
    fn hear(&mut self) {
        while let Ok(command) = self.world.commands.try_recv() {
            match command {
                Command::Commit { epoch, positions } => self.kafka.commit(epoch, positions),
                Command::Pause(partitions) => self.set_paused(&partitions, true),
                Command::Resume(partitions) => self.set_paused(&partitions, false),
                Command::Stop { .. } => panic!("nobody told it to stop"),
            }
        }
        if let Some((partition, answer)) = &self.revoking
            && let Ok(positions) = answer.try_recv()
        {
            let partition = partition.clone();
            self.revoking = None;
            self.kafka.unassign(&partition, false);
            self.kafka.commit(self.kafka.epoch, positions);
        }
        for Letter { letter, settles } in self.world.task.take_letters() {
            let Settles::Lane(lane) = settles else { panic!("all records can be read") };
            let id = letter.event_id.clone().expect("all records are events");
            self.check_letter(&id, &letter);
            let (partition, offset) = self.place(lane);
            self.letters.push((partition, offset, (settles, id)));
        }
        for parcel in self.world.task.take_parcels() {
            let (partition, offset) = self.place(parcel.lane);
            self.parcels.push((partition, offset, parcel));
        }
    }

    fn set_paused(&mut self, partitions: &[Partition], is_paused: bool) {
        partitions.iter().for_each(|partition| self.kafka.log(partition).is_paused = is_paused);
    }

    /// Where the head of a lane was read.
    fn place(&mut self, lane: LaneId) -> (Partition, i64) {
        let place = self.world.task.lanes.head(lane).expect("a lane that has just been named").place;
        (self.numbers[&place.partition].clone(), place.offset)
    }
}

fn plan_of(ordering: Ordering, has_transformers: bool, has_guard: bool) -> SubscriptionPlan {
    plan(|settings| {
        settings.ordering = ordering;
        settings.bounds.events = BOUND;
        settings.bounds.events_per_partition = BOUND / 2;
        settings.flood_guard =
            config::FloodGuard { is_on: has_guard, window: 10 * SECOND, minimum: 2, share: 0.3 };
        settings.sla.default.max_attempts = 2;
        settings.sla.default.max_interval = 90 * SECOND;
        settings.sla.default.multiplier = 8.0;
        if has_transformers {
            settings.transformers = vec![config::TransformerName::new("x")];
        }
    })
}

fn partition_of(number: usize) -> Partition {
    match number {
        PARTITIONS => partition(DELAY.0, 0),
        _ => partition("t", i32::try_from(number).unwrap()),
    }
}

#[test]
fn whatever_happens_nothing_is_lost_or_committed_too_early_and_keys_keep_their_order() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.unwrap();
    let mut plans = Vec::new();
    for ordering in [Ordering::Key, Ordering::None] {
        for has_transformers in [false, true] {
            plans.extend([false, true].map(|guard| Rc::new(plan_of(ordering, has_transformers, guard))));
        }
    }
    let config = ProptestConfig::default();
    let config = ProptestConfig { cases: config.cases.max(CASES), failure_persistence: None, ..config };
    let result = TestRunner::new(config).run(&(0..plans.len(), acts()), |(plan, acts)| {
        runtime.block_on(async {
            let mut model = Model::new(plans[plan].clone());
            for act in acts {
                model.act(act).await;
            }
            model.drain().await;
        });
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}
