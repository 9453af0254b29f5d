//! The SLA's deadline of one event: an objective that is told of when it is missed, and ends nothing.

use std::time::Duration;

use crate::config::Sla;
use crate::contract::TimestampMs;

/// By when one event should have settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    at: TimestampMs,
    is_told: bool,
}

impl Deadline {
    /// Of an event whose record was written then; `None` where the SLA has no deadline.
    pub fn of(written: TimestampMs, sla: &Sla) -> Option<Deadline> {
        let length_ms = u64::try_from(sla.deadline?.as_millis()).unwrap_or(u64::MAX);
        Some(Deadline { at: written.saturating_add(length_ms), is_told: false })
    }

    pub fn at(&self) -> TimestampMs {
        self.at
    }

    /// Was it told that it is missed?
    pub fn is_told(&self) -> bool {
        self.is_told
    }

    /// It was told before.
    pub fn set_told(&mut self) {
        self.is_told = true;
    }

    /// By how much it is missed, the first time this is asked after it is; `None` before and ever after.
    pub fn newly_missed(&mut self, now: TimestampMs) -> Option<Duration> {
        let late_ms = now.checked_sub(self.at).filter(|late_ms| *late_ms > 0)?;
        let is_new = !std::mem::replace(&mut self.is_told, true);
        is_new.then(|| Duration::from_millis(late_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sla(deadline: Option<Duration>) -> Sla {
        Sla {
            max_attempts: 1,
            initial_interval: Duration::from_secs(1),
            multiplier: 2.0,
            max_interval: Duration::from_secs(1),
            attempt_timeout: Duration::from_secs(1),
            deadline,
            give_up_after: Duration::from_secs(1),
            ..Sla::default()
        }
    }

    #[test]
    fn a_missed_deadline_is_told_once() {
        let mut deadline = Deadline::of(1_000, &sla(Some(Duration::from_secs(2)))).unwrap();
        assert_eq!(deadline.at(), 3_000);
        assert_eq!(deadline.newly_missed(0), None);
        assert!(!deadline.is_told());
        assert_eq!(deadline.newly_missed(3_000), None);
        assert_eq!(deadline.newly_missed(3_250), Some(Duration::from_millis(250)));
        assert!(deadline.is_told());
        assert_eq!(deadline.newly_missed(9_000), None);
    }

    #[test]
    fn no_deadline_and_one_without_end_are_never_missed() {
        assert_eq!(Deadline::of(1_000, &sla(None)), None);
        let mut endless = Deadline::of(1_000, &sla(Some(Duration::MAX))).unwrap();
        assert_eq!(endless.newly_missed(u64::MAX), None);
    }
}
