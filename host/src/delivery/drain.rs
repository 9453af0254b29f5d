//! How fast a subscription gets rid of its events, and which of those that wait will be late at that rate. Pure.

use std::time::Duration;

use crate::contract::TimestampMs;

/// The rate follows what happens with this time constant.
const MEMORY: Duration = Duration::from_secs(30);
/// A rate that was measured for less time is not believed.
const LEAST_BUSY: Duration = Duration::from_secs(3);

/// Settled events a second, over the time in which there were any to settle.
#[derive(Debug, Default)]
pub(crate) struct DrainRate {
    /// Both are forgotten at the same pace, so that their ratio is right from the start.
    settled: f64,
    busy_seconds: f64,
    busy: Duration,
}

/// Events that were read and not settled, and those that are not read yet.
#[derive(Debug)]
pub(crate) struct Backlog<'a> {
    /// The deadlines of those that wait, in the order in which they were read; `None` has none.
    pub(crate) waiting: &'a [Option<TimestampMs>],
    /// Records that Kafka has and nobody read.
    pub(crate) unread: u64,
    /// The timestamp of the newest record that was read.
    pub(crate) newest: TimestampMs,
    /// For each deadline that unread events may have: its length, and the share of events that have it.
    pub(crate) lengths: &'a [(Duration, f64)],
}

/// What will miss its deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct AtRisk {
    pub(crate) waiting: u64,
    /// Of those not read, as far as can be guessed.
    pub(crate) unread: u64,
}

impl DrainRate {
    /// So many events settled during this time. Time in which none waited says nothing of the rate.
    pub(crate) fn observe(&mut self, settled: u64, had_backlog: bool, time: Duration) {
        if !had_backlog && settled == 0 {
            return;
        }
        let kept = (-time.as_secs_f64() / MEMORY.as_secs_f64()).exp();
        self.settled = self.settled * kept + as_f64(settled);
        self.busy_seconds = self.busy_seconds * kept + time.as_secs_f64();
        self.busy = self.busy.saturating_add(time);
    }

    /// `None` until it was measured for long enough.
    pub(crate) fn per_second(&self) -> Option<f64> {
        (self.busy >= LEAST_BUSY).then(|| self.settled / self.busy_seconds)
    }
}

/// Which events will miss their deadline when they settle in the order in which they were read, at this rate. Those
/// that have missed it are not at risk any more.
pub(crate) fn at_risk(backlog: &Backlog<'_>, per_second: f64, now: TimestampMs) -> AtRisk {
    let ends_ms = |position: f64| as_f64(now) + position / per_second.max(f64::MIN_POSITIVE) * 1000.0;
    let will_miss = |(index, deadline): (usize, &Option<TimestampMs>)| {
        deadline
            .is_some_and(|deadline| deadline >= now && ends_ms(as_f64(index as u64) + 1.0) > as_f64(deadline))
    };
    let waiting = backlog.waiting.iter().enumerate().filter(|entry| will_miss(*entry)).count() as u64;
    let first = backlog.waiting.len() as u64;
    let unread = backlog.lengths.iter().map(|(length, share)| {
        let unread = unread_at_risk(backlog, first, *length, &ends_ms, now);
        as_f64(unread) * share
    });
    AtRisk { waiting, unread: round(unread.sum()) }
}

/// Of the unread: their timestamps are taken to lie evenly between the newest that was read and now, so that both when
/// one settles and when it should are straight lines.
fn unread_at_risk(
    backlog: &Backlog<'_>,
    first: u64,
    length: Duration,
    ends_ms: &impl Fn(f64) -> f64,
    now: TimestampMs,
) -> u64 {
    let count = backlog.unread;
    if count == 0 {
        return 0;
    }
    let (newest, span) = (as_f64(backlog.newest.min(now)), as_f64(now.saturating_sub(backlog.newest)));
    let deadline =
        |index: u64| newest + span * as_f64(index + 1) / as_f64(count) + length.as_secs_f64() * 1000.0;
    let is_late = |index: u64| ends_ms(as_f64(first + index + 1)) > deadline(index);
    let late = match (is_late(0), is_late(count - 1)) {
        (true, true) => 0..count,
        (true, false) => 0..first_of(count, |index| !is_late(index)),
        (false, true) => first_of(count, is_late)..count,
        (false, false) => return 0,
    };
    // The oldest may have missed it already.
    let begin = first_of(count, |index| deadline(index) >= as_f64(now));
    late.end.saturating_sub(late.start.max(begin))
}

/// The first index below `count` for which the claim holds, if it holds for all after it; else `count`.
fn first_of(count: u64, claim: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if claim(middle) { high = middle } else { low = middle + 1 }
    }
    low
}

fn as_f64(number: u64) -> f64 {
    number as f64
}

fn round(number: f64) -> u64 {
    number.round() as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: TimestampMs = 1_000_000;
    const SECOND: Duration = Duration::from_secs(1);

    fn waiting(deadlines: &[Option<TimestampMs>], per_second: f64) -> u64 {
        let backlog = Backlog { waiting: deadlines, unread: 0, newest: NOW, lengths: &[] };
        at_risk(&backlog, per_second, NOW).waiting
    }

    #[test]
    fn a_rate_is_what_settles_while_there_is_a_backlog() {
        let mut rate = DrainRate::default();
        for _ in 0..2 {
            rate.observe(50, true, SECOND);
        }
        assert_eq!(rate.per_second(), None, "too soon");
        rate.observe(50, true, SECOND);
        assert!((rate.per_second().unwrap() - 50.0).abs() < 1e-9);
        for _ in 0..1_000 {
            rate.observe(0, false, SECOND);
        }
        assert!((rate.per_second().unwrap() - 50.0).abs() < 1e-9, "an idle night changes nothing");
        for _ in 0..30 {
            rate.observe(0, true, SECOND);
        }
        assert!(rate.per_second().unwrap() < 20.0, "{rate:?}");
        for _ in 0..300 {
            rate.observe(0, true, SECOND);
        }
        assert!(rate.per_second().unwrap() < 0.01, "{rate:?}");
    }

    #[test]
    fn who_waits_too_far_back_is_at_risk() {
        let in_10_s = Some(NOW + 10_000);
        for (deadlines, per_second, expected) in [
            (vec![in_10_s; 10], 1.0, 0),
            (vec![in_10_s; 15], 1.0, 5),
            (vec![in_10_s; 15], 2.0, 0),
            (vec![in_10_s; 15], 0.0, 15),
            (vec![None; 15], 0.0, 0),
            (vec![Some(NOW - 1); 15], 1.0, 0), // missed, so not at risk
            (vec![in_10_s, Some(NOW + 1_500), None, in_10_s], 1.0, 1),
            (vec![], 0.0, 0),
        ] {
            assert_eq!(waiting(&deadlines, per_second), expected, "{deadlines:?} at {per_second}");
        }
    }

    fn unread(count: u64, age_s: u64, length_s: u64, per_second: f64) -> u64 {
        let lengths = [(SECOND * u32::try_from(length_s).unwrap(), 1.0)];
        let newest = NOW - age_s * 1_000;
        at_risk(&Backlog { waiting: &[], unread: count, newest, lengths: &lengths }, per_second, NOW).unread
    }

    #[test]
    fn a_backlog_in_kafka_counts_too() {
        assert_eq!(unread(100, 0, 10, 10.0), 0);
        assert_eq!(unread(200, 0, 10, 10.0), 100, "the second hundred comes after 10 s");
        assert_eq!(unread(0, 0, 10, 0.0), 0);
        assert_eq!(unread(100, 0, 10, 0.0), 100);
        // The older half has missed it; of the newer half, 50 written in 10 s, all come too late.
        assert_eq!(unread(100, 20, 10, 1.0), 51);
    }

    #[test]
    fn unread_events_of_types_without_a_deadline_are_not_at_risk() {
        let lengths = [(10 * SECOND, 0.25)];
        let backlog = Backlog { waiting: &[], unread: 200, newest: NOW, lengths: &lengths };
        assert_eq!(at_risk(&backlog, 10.0, NOW), AtRisk { waiting: 0, unread: 25 });
    }

    proptest! {
        #[test]
        fn a_faster_drain_never_puts_more_at_risk(
            deadlines in prop::collection::vec(prop::option::of(NOW - 5_000..NOW + 60_000), 0..60),
            unread in 0..2_000u64,
            age_ms in 0..60_000u64,
            slow in 0.0..50.0f64,
            more in 0.0..50.0f64,
        ) {
            let lengths = [(30 * SECOND, 0.5), (5 * SECOND, 0.5)];
            let newest = NOW - age_ms;
            let backlog = Backlog { waiting: &deadlines, unread, newest, lengths: &lengths };
            let (slower, faster) = (at_risk(&backlog, slow, NOW), at_risk(&backlog, slow + more, NOW));
            prop_assert!(faster.waiting <= slower.waiting);
            prop_assert!(faster.unread <= slower.unread + 1);
            prop_assert!(slower.waiting <= deadlines.len() as u64 && slower.unread <= unread);
        }
    }
}
