//! One event on its way through the subscription, with all that happened to it.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::SystemTime;

use tokio::time::Instant;

use super::lanes::PartitionIndex;
use crate::contract::{Fault, Outcome, Resolution, TimestampMs};
use crate::dead_letter::Attempts;
use crate::delivery::deadline::Deadline;
use crate::delivery::next::History;
use crate::event::{Event, Record};

/// A delivery as the task holds it in its lane.
#[derive(Debug)]
pub(crate) struct Carried {
    pub(crate) sequence: u64,
    pub(crate) partition: PartitionIndex,
    pub(crate) record: Record,
    pub(crate) event: Rc<Event>,
    /// What is still to be delivered, first of all the one at work; `None` until the transformers were asked.
    pub(crate) parts: Option<VecDeque<Rc<Event>>>,
    /// Parts that are delivered, and how many there are.
    pub(crate) part: u32,
    pub(crate) part_count: u32,
    pub(crate) deadline: Option<Deadline>,
    pub(crate) first_attempt_at: Option<Instant>,
    first_failure_at: Option<Instant>,
    pub(crate) first_seen_at: TimestampMs,
    pub(crate) began: Instant,
    /// Attempts that count for good.
    attempts: u32,
    /// When attempts failed that may have been the external system's fault: they are given back if it turns out down.
    doubtful: Vec<Instant>,
    faults: u32,
    resolutions: u32,
    denials: u32,
    last_denied_at: Option<Instant>,
    pub(crate) resolution: Option<Resolution>,
    /// The transformer that rejected it, or failed on it last.
    pub(crate) stopped_by: Option<usize>,
    pub(crate) evidence: Attempts,
    pub(crate) idempotency_key: Option<Rc<str>>,
    /// It is the breaker's probe.
    pub(crate) is_probe: bool,
}

impl Carried {
    pub(crate) fn new(
        sequence: u64,
        partition: PartitionIndex,
        record: Record,
        event: Event,
        deadline: Option<Deadline>,
    ) -> Self {
        Self {
            sequence,
            partition,
            record,
            event: Rc::new(event),
            parts: None,
            part: 0,
            part_count: 1,
            deadline,
            first_attempt_at: None,
            first_failure_at: None,
            first_seen_at: unix_ms(),
            began: Instant::now(),
            attempts: 0,
            doubtful: Vec::new(),
            faults: 0,
            resolutions: 0,
            denials: 0,
            last_denied_at: None,
            resolution: None,
            stopped_by: None,
            evidence: Attempts::default(),
            idempotency_key: None,
            is_probe: false,
        }
    }

    /// What the transformers made of it.
    pub(crate) fn transformed(&mut self, parts: impl IntoIterator<Item = Rc<Event>>) {
        let parts: VecDeque<_> = parts.into_iter().collect();
        self.part_count = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        self.parts = Some(parts);
    }

    /// What is delivered next, once the transformers were asked.
    pub(crate) fn next_part(&self) -> Option<Rc<Event>> {
        self.parts.as_ref()?.front().cloned()
    }

    /// The part at work is delivered. `false` if it was the last; the next one starts from nothing.
    pub(crate) fn next_after_delivered(&mut self) -> bool {
        let Some(parts) = &mut self.parts else { return false };
        parts.pop_front();
        if parts.is_empty() {
            return false;
        }
        self.part += 1;
        self.first_attempt_at = None;
        self.first_failure_at = None;
        self.attempts = 0;
        self.doubtful.clear();
        self.faults = 0;
        self.resolutions = 0;
        self.denials = 0;
        self.last_denied_at = None;
        self.resolution = None;
        true
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
            Err(Fault::NoRoom) => return,
            Err(_) => {
                self.faults += 1;
                self.attempts += 1;
            }
            Ok(_) => {}
        }
        if matches!(result, Ok(Outcome::Retry(_)) | Err(_)) {
            self.first_failure_at.get_or_insert(now);
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

    pub(crate) fn first_failure_at(&self) -> Option<Instant> {
        self.first_failure_at
    }

    pub(crate) fn has_faulted(&self) -> bool {
        self.faults > 0
    }

    /// The memory it takes, as far as its size follows from the record's.
    pub(crate) fn bytes(&self) -> usize {
        record_bytes(&self.record)
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
