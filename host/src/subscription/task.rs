//! What the task of one subscription holds, and what it does with each thing that happens.
//!
//! The only place where lanes, offsets, the connector's share and timers meet; owned by one task, so without locks. It
//! performs nothing itself: what it wants done it hands out as jobs, dead letters and commands. `receive` takes events in,
//! here they start, `outcome` follows what came of a turn and `settle` ends it; `parking` has what waits in a delay topic,
//! `journal` what was read of the journal and may go from it, `upkeep` commits, rebalances and all that time asks for,
//! `relief` makes room where failing keys have taken it.

mod journal;
mod outcome;
mod parking;
mod receive;
mod relief;
mod settle;
mod upkeep;

pub(super) use parking::{Parcel, Sent};

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::SyncSender;
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use super::SubscriptionPlan;
use super::carried::{Carried, Place};
use super::filter::Filter;
use super::journal::Journal;
use super::lanes::{LaneId, Lanes, PartitionIndex};
use super::oversight::Oversight;
use super::partitions::Partitions;
use super::recordings::Recordings;
use super::share::Share;
use super::stages::Job;
use super::weight::Scales;
use super::witness::Witness;
use crate::config;
use crate::contract::TimestampMs;
use crate::dead_letter::DeadLetter;
use crate::delivery::breaker::{Permit, State};
use crate::delivery::flood::FloodGuard;
use crate::event::DecodeRules;
use crate::kafka::consumer::{Batch, Command, Partition, Position};
use crate::schema_registry::{SchemaRegistry, Schemas};

/// How often what waits is looked over.
const OVERSIGHT: Duration = Duration::from_secs(1);
/// A commit without an answer for that long is asked for again.
const COMMIT_LIMIT: Duration = Duration::from_secs(30);

/// Something that is dead-lettered: what settles once Kafka has it.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) letter: DeadLetter,
    pub(super) settles: Settles,
}

/// What is settled when a dead letter is acknowledged.
#[derive(Debug, Clone, Copy)]
pub(super) enum Settles {
    /// The head of this lane.
    Lane(LaneId),
    /// A record that never became a delivery.
    Record(Place),
}

pub(super) struct Task {
    settings: config::Subscription,
    commit_interval: Duration,
    pause_after: Duration,
    rules: DecodeRules,
    registry: SchemaRegistry,
    /// Records that came and are not taken in yet, oldest first, with the schemas that they need.
    kept: VecDeque<(Batch, Schemas)>,
    /// How many bytes were taken in since the others of this worker had their turn, and how long that took.
    taken_in: (usize, Duration),
    filter: Filter,
    has_transformers: bool,
    witness: Witness,
    partitions: Partitions,
    lanes: Lanes<Box<Carried>>,
    share: Share,
    /// The outages of the connector that are known here.
    outages: u64,
    flood: FloodGuard,
    journal: Option<Journal>,
    recordings: Recordings,
    /// What deliveries hold beside their records.
    scales: Scales,
    commands: SyncSender<Command>,
    /// Dead letters that wait for Kafka's acknowledgement.
    unacknowledged: usize,
    /// How many of them are records that never became deliveries, by assignment.
    unacknowledged_records: BTreeMap<PartitionIndex, usize>,
    /// Dead letters to be sent.
    letters: Vec<Letter>,
    /// Where events without an order wait for long, shortest delay first.
    delay_topics: Vec<(String, Duration)>,
    /// All topics whose records are parked events, those of an earlier configuration too.
    delays: BTreeMap<String, Duration>,
    /// Events to be parked.
    parcels: Vec<Parcel>,
    /// The latest rebalance that is known here.
    epoch: u64,
    revoking: Option<Revoking>,
    /// Nothing new starts.
    is_stopping: bool,
    /// Nearly all that may be held waits behind failing events.
    is_choked: bool,
    /// Breaker or rate limit let nothing start before then.
    held_until: Option<Instant>,
    /// There is something to start that may not.
    is_held: bool,
    /// Deliveries may share requests.
    has_batch: bool,
    next_commit: Instant,
    commit_asked_at: Option<Instant>,
    oversight: Oversight,
    next_oversight: Instant,
    random: fastrand::Rng,
}

/// Partitions that somebody else waits for.
struct Revoking {
    partitions: Vec<Partition>,
    numbers: Vec<PartitionIndex>,
    answer: SyncSender<Vec<Position>>,
    until: Instant,
}

/// A small part of what may be held.
pub(super) fn part_of(bound: usize) -> usize {
    bound / 16
}

impl Task {
    pub(super) fn new(
        plan: &SubscriptionPlan,
        filter: Filter,
        share: Share,
        commands: SyncSender<Command>,
    ) -> Self {
        let now = Instant::now();
        let settings = plan.settings.clone();
        Self {
            commit_interval: plan.kafka.commit_interval,
            pause_after: plan.stages.connector.breaker.pause_after,
            rules: DecodeRules { type_header: plan.kafka.type_header.clone() },
            registry: plan.registry.clone(),
            kept: VecDeque::new(),
            taken_in: (0, Duration::ZERO),
            filter,
            has_transformers: !settings.transformers.is_empty(),
            witness: plan.witness.clone(),
            partitions: Partitions::default(),
            lanes: Lanes::default(),
            outages: share.outages(),
            share,
            flood: FloodGuard::new(settings.flood_guard),
            journal: settings.journal.is_some().then(Journal::default),
            recordings: Recordings::new(part_of(settings.bounds.bytes)),
            scales: Scales::default(),
            commands,
            unacknowledged: 0,
            unacknowledged_records: BTreeMap::new(),
            letters: Vec::new(),
            delay_topics: settings.delay_topics(),
            delays: plan.delays.clone(),
            parcels: Vec::new(),
            epoch: 0,
            revoking: None,
            is_stopping: false,
            is_choked: false,
            held_until: None,
            is_held: false,
            has_batch: plan.stages.connector.batch.is_some(),
            next_commit: now,
            commit_asked_at: None,
            oversight: Oversight::new(plan),
            next_oversight: now,
            random: fastrand::Rng::new(),
            settings,
        }
    }

    /// May a batch of records come?
    pub(super) fn has_room(&self) -> bool {
        self.kept.is_empty() && self.has_space()
    }

    /// One part of the bounds is kept for a batch, and another for events to probe with: if all that is held fails by
    /// itself and the breaker takes that for an outage, only others can tell.
    fn has_space(&self) -> bool {
        let bounds = &self.settings.bounds;
        let parts = if self.share.breaker().state() == State::Closed { 2 } else { 1 };
        let has_room = |held: usize, bound: usize| held < (bound - parts * part_of(bound)).max(1);
        !self.is_stopping
            && has_room(self.partitions.unsettled(), bounds.events)
            && has_room(self.held_bytes(), bounds.bytes)
            && !self.journal.as_ref().is_some_and(Journal::is_reading)
    }

    /// What counts against the bound of bytes: unsettled events, what was made and decided of them, what they were answered,
    /// and their last attempts.
    fn held_bytes(&self) -> usize {
        let journalled = self.journal.as_ref().map_or(0, Journal::bytes);
        self.partitions.unsettled_bytes() + self.scales.bytes() + journalled + self.recordings.bytes()
    }

    /// The next job to start now, if any may.
    pub(super) fn next_job(&mut self, now: Instant, now_ms: TimestampMs) -> Option<(LaneId, Job)> {
        (self.held_until, self.is_held) = (None, false);
        let Some((lane, sequence)) = self.next_lane(now) else {
            self.share.wants_nothing();
            return None;
        };
        // Unless it starts.
        self.is_held = true;
        if let Some(until) = self.flood.waits_until(sequence, now) {
            self.held_until = Some(until);
            self.share.wants_nothing();
            return None;
        }
        // A turn that only transforms asks nothing of the external system, and what is joined has turns of its own.
        let needs_turn = self.share.has_rate_limit()
            && !self.has_batch
            && self.lanes.head(lane).is_some_and(|head| head.parts.is_some());
        let is_probe = match self.share.ask(sequence, needs_turn, now) {
            Permit::Yes => false,
            Permit::Probe => true,
            Permit::WaitUntil(until) => {
                self.held_until = Some(until);
                return None;
            }
            Permit::No => return None,
        };
        self.is_held = false;
        let carried = self.lanes.start(lane).expect("a lane that is next has a head");
        carried.is_probe = is_probe;
        carried.began = now;
        let next = carried.next_part();
        if next.is_some() {
            carried.first_attempt_at.get_or_insert(now);
        }
        let kind = next.as_ref().map_or(&carried.event.kind, |event| &event.kind);
        let job = Job {
            attempt: carried.spent() + 1,
            part: (carried.part_count > 1).then_some(carried.part),
            has_more_parts: carried.has_more_parts(),
            now: now_ms / 100 * 100,
            deadline: carried.deadline.map(|deadline| deadline.at()),
            resolution: carried.resolution().cloned(),
            is_suspect: carried.has_faulted(),
            by_live: carried.makers.are_replaced(),
            check_first: is_probe,
            attempt_timeout: self.settings.sla.of(kind).attempt_timeout,
            began: now,
            has_turn: needs_turn,
            journal: self.journal.as_ref().and_then(|journal| {
                journal.slot(carried.place.partition, carried.place.offset, carried.part)
            }),
            // What failed or was denied in company is tried alone: if it is to blame, it pays for itself.
            has_company: !carried.has_failed(),
            event: carried.event.clone(),
            next,
        };
        Some((lane, job))
    }

    /// Does anybody wait for what deliveries under way are answered? Those behind them in their lanes, those that there is
    /// no room or no leave for, whoever waits for our partitions, and whoever wants us to end.
    pub(super) fn is_hurried(&self) -> bool {
        let has_followers = || self.partitions.unsettled() > self.lanes.len();
        let is_leaving = self.is_stopping || self.revoking.is_some();
        self.has_batch && (is_leaving || self.is_held || has_followers() || !self.has_space())
    }

    /// The lane to go on with: the oldest that is ready, and of those to probe with one that has not failed.
    fn next_lane(&mut self, now: Instant) -> Option<(LaneId, u64)> {
        if self.is_stopping {
            return None;
        }
        let (breaker, flood) = (self.share.breaker(), &self.flood);
        if breaker.open_for(now).is_none() && flood.shut_for(now).is_none() {
            return self.lanes.next();
        }
        self.lanes.newest_but(|sequence| breaker.has_failed_as_probe(sequence) || flood.avoids(sequence))
    }

    /// Is woken by this when another subscription of the connector lets it go on.
    pub(super) fn listen(&self, waker: &Waker) {
        self.share.listen(waker);
    }

    /// Starts nothing more; what is in flight goes on.
    pub(super) fn stop(&mut self) {
        self.is_stopping = true;
        for number in self.partitions.leave_all() {
            // The probes of a subscription that ends are at work, or nobody's.
            drop(self.lanes.drop_idle(number));
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.share.at_work() == 0 && self.unacknowledged == 0
    }

    /// The last command to the consumer, with all that is settled.
    pub(super) fn last_command(&self) -> Command {
        Command::Stop { epoch: self.epoch, positions: self.partitions.uncommitted(|_| true) }
    }
}

#[cfg(test)]
mod tests;
