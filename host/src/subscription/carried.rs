//! One event on its way through the subscription, with all that happened to it.

mod made;
mod parked;

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use tokio::time::Instant;

use super::lanes::PartitionIndex;
use super::makers::Makers;
use super::recordings::Kept;
use super::weight::Weight;
use crate::contract::{Fault, Outcome, Resolution, TimestampMs};
use crate::dead_letter::{Attempts, Blamed};
use crate::delivery::deadline::Deadline;
use crate::delivery::next::History;
use crate::event::{Event, Record};

/// Where an event was read, and what it counts for there until it is settled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) partition: PartitionIndex,
    pub(crate) offset: i64,
    pub(crate) bytes: usize,
}

/// A delivery as the task holds it in its lane.
#[derive(Debug)]
pub(crate) struct Carried {
    pub(crate) sequence: u64,
    pub(crate) place: Place,
    /// The original: of a parked one what was parked.
    pub(crate) record: Record,
    pub(crate) event: Arc<Event>,
    /// What is still to be delivered, first of all the one at work; `None` until the transformers were asked.
    pub(crate) parts: Option<VecDeque<Arc<Event>>>,
    /// Parts that are delivered, and how many there are.
    pub(crate) part: u32,
    pub(crate) part_count: u32,
    /// Who of those on trial made them.
    pub(crate) makers: Makers,
    pub(crate) deadline: Option<Deadline>,
    pub(crate) first_attempt_at: Option<Instant>,
    /// When it failed first in a way that may be the external system's fault.
    first_failure_at: Option<Instant>,
    /// When it failed last, in whatever way.
    last_failure_at: Option<Instant>,
    pub(crate) first_seen_at: TimestampMs,
    /// Since when it is in memory.
    pub(crate) read_at: Instant,
    pub(crate) began: Instant,
    /// Attempts that count for good.
    attempts: u32,
    /// When attempts failed that may have been the external system's fault: they are given back if it turns out down.
    doubtful: Vec<Instant>,
    faults: u32,
    resolutions: u32,
    denials: u32,
    last_denied_at: Option<Instant>,
    resolution: Option<Resolution>,
    /// The plugin that said last what comes of it.
    pub(crate) blamed: Option<Rc<Blamed>>,
    pub(crate) evidence: Attempts,
    /// Its last attempt, where it may be given up without another.
    pub(crate) recording: Option<Kept>,
    /// Both sides of its last conflict, where a person is to decide.
    conflict: Option<Bytes>,
    /// What the transformers made of it takes so much, as far as that is not delivered.
    parts_bytes: usize,
    /// What it holds beside its record.
    weight: Weight,
    pub(crate) idempotency_key: Option<Arc<str>>,
    /// It is the breaker's probe.
    pub(crate) is_probe: bool,
    /// It spent all that its SLA allows, or the one before it in its lane did.
    pub(crate) is_given_up: bool,
    pub(crate) follows_given_up: bool,
}

impl Carried {
    pub(crate) fn new(
        sequence: u64,
        place: Place,
        record: Record,
        event: Event,
        deadline: Option<Deadline>,
        weight: Weight,
        now: Instant,
    ) -> Self {
        Self {
            sequence,
            place,
            record,
            event: Arc::new(event),
            parts: None,
            part: 0,
            part_count: 1,
            makers: Makers::default(),
            deadline,
            first_attempt_at: None,
            first_failure_at: None,
            last_failure_at: None,
            first_seen_at: unix_ms(),
            read_at: now,
            began: now,
            attempts: 0,
            doubtful: Vec::new(),
            faults: 0,
            resolutions: 0,
            denials: 0,
            last_denied_at: None,
            resolution: None,
            blamed: None,
            evidence: Attempts::default(),
            recording: None,
            conflict: None,
            parts_bytes: 0,
            weight,
            idempotency_key: None,
            is_probe: false,
            is_given_up: false,
            follows_given_up: false,
        }
    }

    /// An attempt ended: notes the evidence, and counts what is to be counted.
    pub(crate) fn attempted(&mut self, result: &Result<Outcome, Fault>, is_doubtful: bool, now: Instant) {
        let (name, reason) = match result {
            Ok(outcome) => (outcome.name(), reason_of(outcome)),
            Err(fault) => ("fault", Some(fault.to_string())),
        };
        let took = now.saturating_duration_since(self.began);
        let began_ms = unix_ms().saturating_sub(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        self.evidence.push(began_ms, took, name, reason.as_deref().unwrap_or_default());
        match result {
            Ok(Outcome::Retry(_)) if is_doubtful => self.doubtful.push(now),
            Ok(Outcome::Retry(_)) => self.attempts += 1,
            Ok(Outcome::Conflict(_)) => self.resolutions += 1,
            Err(Fault::NoRoom | Fault::Unwritten(_)) => return,
            Err(_) => {
                self.faults += 1;
                self.attempts += 1;
            }
            Ok(_) => {}
        }
        if matches!(result, Ok(Outcome::Retry(_))) {
            self.first_failure_at.get_or_insert(now);
        }
        if matches!(result, Ok(Outcome::Retry(_)) | Err(_)) {
            self.last_failure_at = Some(now);
        }
    }

    /// Our credentials were refused for it. Counts when something else succeeded since they were the last time.
    pub(crate) fn denied(&mut self, last_success: Option<Instant>, now: Instant) {
        let others_succeed =
            self.last_denied_at.zip(last_success).is_some_and(|(denied, success)| success > denied);
        self.denials = if others_succeed { self.denials + 1 } else { 1 };
        self.last_denied_at = Some(now);
    }

    /// Gives back the attempts that were the external system's fault. Says whether there were any.
    pub(crate) fn refund(&mut self, is_refundable: impl Fn(Instant) -> bool) -> bool {
        let before = self.doubtful.len();
        self.doubtful.retain(|failed_at| !is_refundable(*failed_at));
        self.doubtful.len() < before
    }

    pub(crate) fn history(&self, resolved: bool) -> History {
        History {
            attempts: self.spent(),
            faults: self.faults,
            resolutions: self.resolutions - u32::from(resolved),
            denials: self.denials,
            first_attempt_at: self.first_attempt_at.unwrap_or(self.began),
        }
    }

    /// Attempts that count.
    pub(crate) fn spent(&self) -> u32 {
        self.attempts + u32::try_from(self.doubtful.len()).unwrap_or(u32::MAX)
    }

    /// When an attempt failed last that may have been the external system's fault.
    pub(crate) fn last_doubtful(&self) -> Option<Instant> {
        self.doubtful.last().copied()
    }

    pub(crate) fn first_failure_at(&self) -> Option<Instant> {
        self.first_failure_at
    }

    /// True after an attempt that failed or was denied, whoever is to blame.
    pub(super) fn has_failed(&self) -> bool {
        self.last_failure_at.is_some() || self.last_denied_at.is_some()
    }

    pub(crate) fn last_failure_at(&self) -> Option<Instant> {
        self.last_failure_at
    }

    pub(crate) fn has_faulted(&self) -> bool {
        self.faults > 0
    }
}

/// The bytes of a record that stay in memory until it is settled.
pub(crate) fn record_bytes(record: &Record) -> usize {
    let text = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map_or(0, bytes::Bytes::len);
    let headers: usize = record.headers.iter().map(|(name, value)| name.len() + text(value)).sum();
    text(&record.key) + text(&record.value) + headers
}

pub(crate) fn reason_of(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Delivered(_) => None,
        Outcome::Skipped(why) | Outcome::Denied(why) | Outcome::Rejected(why) => Some(why.clone()),
        Outcome::Retry(retry) | Outcome::Throttled(retry) => Some(retry.reason.clone()),
        Outcome::Conflict(conflict) => Some(conflict.reason.clone()),
    }
}

/// Now, in milliseconds since 1970.
pub(crate) fn unix_ms() -> TimestampMs {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
