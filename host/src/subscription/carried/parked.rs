//! What of a delivery outlives the memory, and comes back into it.

use std::time::Duration;

use tokio::time::Instant;

use super::{Carried, unix_ms};
use crate::contract::TimestampMs;
use crate::dead_letter::Attempts;
use crate::subscription::parked::{MAX_DOUBTFUL, Parked};

impl Carried {
    /// What of it outlives the memory while it is parked.
    pub(crate) fn parked(&self, not_before: TimestampMs, now: Instant) -> Parked {
        let unix_ms_at = |at: Instant| {
            let ago = now.saturating_duration_since(at);
            unix_ms().saturating_sub(u64::try_from(ago.as_millis()).unwrap_or(u64::MAX))
        };
        // The oldest of very many are taken for good.
        let latest = self.doubtful.len().saturating_sub(MAX_DOUBTFUL);
        Parked {
            topic: self.record.origin.topic.to_string(),
            partition: self.record.origin.partition,
            offset: self.record.origin.offset,
            timestamp: self.record.timestamp,
            not_before,
            first_seen_at: self.first_seen_at,
            first_attempt_at: unix_ms_at(self.first_attempt_at.unwrap_or(now)),
            first_failure_at: self.first_failure_at.map(unix_ms_at),
            attempts: self.attempts + u32::try_from(latest).unwrap_or(u32::MAX),
            doubtful: self.doubtful[latest..].iter().copied().map(unix_ms_at).collect(),
            faults: self.faults,
            part: self.part,
            is_late: self.deadline.is_some_and(|deadline| deadline.is_told()),
        }
    }

    /// Goes on where it was parked.
    pub(crate) fn unparked(&mut self, parked: &Parked, evidence: Attempts, now: Instant) {
        let instant_at = |at: TimestampMs| {
            let ago = Duration::from_millis(unix_ms().saturating_sub(at));
            now.checked_sub(ago).unwrap_or(now)
        };
        self.first_attempt_at = Some(instant_at(parked.first_attempt_at));
        self.first_failure_at = parked.first_failure_at.map(instant_at);
        self.doubtful = parked.doubtful.iter().copied().map(instant_at).collect();
        self.last_failure_at = self.last_doubtful().or(self.first_failure_at);
        self.first_seen_at = parked.first_seen_at;
        self.attempts = parked.attempts;
        self.faults = parked.faults;
        self.part = parked.part;
        self.evidence = evidence;
        if let Some(deadline) = self.deadline.as_mut().filter(|_| parked.is_late) {
            deadline.set_told();
        }
    }
}
