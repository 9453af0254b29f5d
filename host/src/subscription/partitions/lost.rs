//! What had settled of a partition when it was taken from us before we could commit. Pure.
//!
//! Kafka may have been away for longer than a session lasts while deliveries went on. When the partition comes back, what
//! nobody could commit need not be delivered again.

use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use tokio::time::Instant;

use crate::subscription::offsets::Tracker;

/// An outage of Kafka that is longer has what was not committed delivered again.
const LASTS: Duration = Duration::from_secs(600);

/// It still is settled when the partition comes back with a commit between ours and where we were: a person who moves a
/// group back must have stopped it first, and us with it.
#[derive(Debug, Clone)]
pub(super) struct Lost {
    since: Instant,
    /// From what Kafka is known to keep to where we were.
    reach: RangeInclusive<i64>,
    settled: Vec<Range<i64>>,
}

impl Lost {
    /// Where Kafka is known to keep this commit. `None` if no record had come.
    pub(super) fn new(committed: i64, tracker: &Tracker, now: Instant) -> Option<Self> {
        let position = tracker.position()?;
        let settled = union(vec![committed..position], tracker.settled_above());
        Some(Self { since: now, reach: committed..=position, settled })
    }

    /// Is it so recent that the topic is still the same, as far as anybody can tell?
    pub(super) fn is_recent(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) < LASTS
    }

    /// Does it say something of a partition that comes back with this commit?
    pub(super) fn reaches(&self, committed: i64) -> bool {
        self.reach.contains(&committed)
    }

    /// All that has settled, of which somebody has committed this much.
    pub(super) fn and(self, settled: Vec<Range<i64>>) -> Vec<Range<i64>> {
        union(self.settled, settled)
    }
}

/// What is in either, lowest first and each as long as it can be.
fn union(mut ranges: Vec<Range<i64>>, others: Vec<Range<i64>>) -> Vec<Range<i64>> {
    ranges.extend(others);
    ranges.sort_by_key(|range| range.start);
    let mut merged: Vec<Range<i64>> = Vec::with_capacity(ranges.len());
    for range in ranges.into_iter().filter(|range| !range.is_empty()) {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            Some(_) | None => merged.push(range),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_become_one_where_they_meet() {
        for (ranges, others, expected) in [
            (vec![], vec![], vec![]),
            (vec![5..5], vec![7..8], vec![7..8]),
            (vec![5..7], vec![7..8, 9..10], vec![5..8, 9..10]),
            (vec![5..9, 20..21], vec![6..7, 8..12], vec![5..12, 20..21]),
        ] {
            assert_eq!(union(ranges, others), expected);
        }
    }
}
