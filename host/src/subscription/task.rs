//! What the task of one subscription holds, and what it does with each thing that happens.
//!
//! The only place where lanes, offsets, breaker and timers meet; owned by one task, so without locks. It performs
//! nothing itself: what it wants done it hands out as jobs, dead letters and commands. Here an event comes in and starts;
//! `outcome` follows what came of it until it settles, `upkeep` has commits, rebalances and all that time asks for.

mod outcome;
mod upkeep;

use std::sync::mpsc::SyncSender;
use std::time::Duration;

use tokio::time::Instant;

use super::carried::{Carried, record_bytes, unix_ms};
use super::filter::{Filter, Verdict};
use super::lanes::{LaneId, Lanes, PartitionIndex};
use super::partitions::Partitions;
use super::stages::Job;
use super::witness::Witness;
use crate::config;
use crate::dead_letter::DeadLetter;
use crate::delivery::breaker::{Breaker, Permit};
use crate::delivery::deadline::Deadline;
use crate::delivery::flood::FloodGuard;
use crate::event::{DecodeRules, Event, Record};
use crate::kafka::consumer::{Batch, Command, Partition, Position};
use crate::telemetry::Settlement;

/// How often what waits is looked over for missed deadlines.
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
    Record { partition: PartitionIndex, offset: i64, bytes: usize },
}

pub(super) struct Task {
    settings: config::Subscription,
    concurrency: usize,
    commit_interval: Duration,
    pause_after: Duration,
    rules: DecodeRules,
    filter: Filter,
    has_transformers: bool,
    witness: Witness,
    partitions: Partitions,
    lanes: Lanes<Box<Carried>>,
    breaker: Breaker,
    flood: FloodGuard,
    commands: SyncSender<Command>,
    next_sequence: u64,
    in_flight: usize,
    /// Dead letters that wait for Kafka's acknowledgement.
    unacknowledged: usize,
    /// Dead letters to be sent.
    letters: Vec<Letter>,
    /// The latest rebalance that is known here.
    epoch: u64,
    revoking: Option<Revoking>,
    /// Nothing new starts.
    is_stopping: bool,
    /// The breaker lets nothing start before then.
    held_until: Option<Instant>,
    next_commit: Instant,
    commit_asked_at: Option<Instant>,
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

impl Task {
    pub(super) fn new(
        settings: config::Subscription,
        connector: &config::Connector,
        kafka: &config::Kafka,
        filter: Filter,
        witness: Witness,
        commands: SyncSender<Command>,
    ) -> Self {
        let now = Instant::now();
        Self {
            concurrency: connector.concurrency,
            commit_interval: kafka.commit_interval,
            pause_after: connector.breaker.pause_after,
            rules: DecodeRules { type_header: kafka.type_header.clone() },
            filter,
            has_transformers: !settings.transformers.is_empty(),
            witness,
            partitions: Partitions::default(),
            lanes: Lanes::default(),
            breaker: Breaker::new(connector.breaker),
            flood: FloodGuard::new(settings.flood_guard),
            commands,
            next_sequence: 0,
            in_flight: 0,
            unacknowledged: 0,
            letters: Vec::new(),
            epoch: 0,
            revoking: None,
            is_stopping: false,
            held_until: None,
            next_commit: now,
            commit_asked_at: None,
            next_oversight: now,
            random: fastrand::Rng::new(),
            settings,
        }
    }

    /// May more records come?
    pub(super) fn has_room(&self) -> bool {
        let bounds = &self.settings.bounds;
        !self.is_stopping
            && self.partitions.unsettled() < bounds.events
            && self.partitions.unsettled_bytes() < bounds.bytes
    }

    pub(super) fn receive(&mut self, batch: Batch) {
        self.witness.metrics.received.inc_by(batch.records.len() as u64);
        for record in batch.records {
            self.receive_record(record, batch.epoch);
        }
    }

    fn receive_record(&mut self, record: Record, epoch: u64) {
        let partition = Partition { topic: record.origin.topic.clone(), number: record.origin.partition };
        let (offset, bytes) = (record.origin.offset, record_bytes(&record));
        let Some(number) = self.partitions.receive(&partition, epoch, offset, bytes) else { return };
        let settles = Settles::Record { partition: number, offset, bytes };
        let event = match Event::decode(&record, &self.rules) {
            Ok(event) => event,
            Err(error) => {
                let letter = self.witness.undecodable(record, &error);
                return self.dead_letter(letter, settles);
            }
        };
        match self.filter.verdict(&event) {
            Verdict::Wanted => self.accept(number, record, event),
            Verdict::Unwanted(_) => {
                self.partitions.settle(number, offset, bytes);
                self.witness.metrics.settled[Settlement::Filtered].inc();
            }
            Verdict::Failed(why) => {
                let letter = self.witness.filter_failed(record, &event, why);
                self.dead_letter(letter, settles);
            }
        }
    }

    fn accept(&mut self, partition: PartitionIndex, record: Record, event: Event) {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let key = match self.settings.ordering {
            config::Ordering::Key => record.key.clone(),
            config::Ordering::None => None,
        };
        let sla = self.settings.sla.of(&event.kind);
        let deadline = record.timestamp.and_then(|written| Deadline::of(written, sla));
        let mut carried = Carried::new(sequence, partition, record, event, deadline);
        if !self.has_transformers {
            let event = carried.event.clone();
            carried.transformed([event]);
        }
        self.lanes.push(partition, key, sequence, Box::new(carried));
    }

    /// The next job to start now, if any may.
    pub(super) fn next_job(&mut self, now: Instant) -> Option<(LaneId, Job)> {
        self.held_until = None;
        if self.is_stopping || self.in_flight >= self.concurrency {
            return None;
        }
        let is_held = self.breaker.open_for(now).is_some() || self.flood.shut_for(now).is_some();
        let (lane, sequence) = if is_held {
            let (breaker, flood) = (&self.breaker, &self.flood);
            self.lanes.next_but(|sequence| breaker.has_failed_as_probe(sequence) || flood.avoids(sequence))?
        } else {
            self.lanes.next()?
        };
        if let Some(until) = self.flood.waits_until(sequence, now) {
            self.held_until = Some(until);
            return None;
        }
        let is_probe = match self.breaker.may_start(sequence, now) {
            Permit::Yes => false,
            Permit::Probe => true,
            Permit::WaitUntil(until) => {
                self.held_until = Some(until);
                return None;
            }
            Permit::No => return None,
        };
        let carried = self.lanes.start(lane)?;
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
            now: unix_ms() / 100 * 100,
            deadline: carried.deadline.map(|deadline| deadline.at()),
            resolution: carried.resolution.clone(),
            is_suspect: carried.has_faulted(),
            check_first: is_probe,
            attempt_timeout: self.settings.sla.of(kind).attempt_timeout,
            event: carried.event.clone(),
            next,
        };
        self.in_flight += 1;
        Some((lane, job))
    }

    /// Starts nothing more; what is in flight goes on.
    pub(super) fn stop(&mut self) {
        self.is_stopping = true;
        for number in self.partitions.leave_all() {
            drop(self.lanes.drop_idle(number));
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.in_flight == 0 && self.unacknowledged == 0
    }

    /// The last command to the consumer, with all that is settled.
    pub(super) fn last_command(&self) -> Command {
        Command::Stop { epoch: self.epoch, positions: self.partitions.uncommitted(|_| true) }
    }
}
