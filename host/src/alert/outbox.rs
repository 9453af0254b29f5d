//! What one receiver has not taken yet: in order for each cause, tried again with back-off, bounded. Pure.
//!
//! A cause's notices wait for each other, so that `recovered` never comes before what it ends; causes do not wait for
//! each other.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

/// Notices that wait at most.
pub(super) const ROOM: usize = 1000;
/// The wait before the second try; it doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// A notice is given up that long after its first try.
const GIVE_UP_AFTER: Duration = Duration::from_secs(3600);

#[derive(Debug)]
pub(super) struct Outbox<C, N> {
    lanes: BTreeMap<C, Lane<N>>,
    held: usize,
}

/// The notices of one cause, oldest first; never empty.
#[derive(Debug)]
struct Lane<N> {
    notices: VecDeque<N>,
    head: Head,
    failures: u32,
    first_failed_at: Option<Instant>,
}

/// What the oldest notice waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Head {
    Until(Instant),
    ItsEnd,
}

impl<N> Lane<N> {
    fn new(now: Instant) -> Self {
        Self { notices: VecDeque::new(), head: Head::Until(now), failures: 0, first_failed_at: None }
    }
}

/// How a try ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Try {
    Taken,
    /// The same may succeed later.
    Failed,
    /// It never will.
    Refused,
}

impl<C: Ord + Clone, N: Clone> Outbox<C, N> {
    pub(super) fn new() -> Self {
        Self { lanes: BTreeMap::new(), held: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// `false` if there is no room, and the notice is dropped.
    pub(super) fn push(&mut self, cause: C, notice: N, now: Instant) -> bool {
        if self.held >= ROOM {
            return false;
        }
        self.held += 1;
        self.lanes.entry(cause).or_insert_with(|| Lane::new(now)).notices.push_back(notice);
        true
    }

    /// A notice to be tried now, if one is due; [`ended`](Self::ended) must follow.
    pub(super) fn start(&mut self, now: Instant) -> Option<(C, N)> {
        let due = |head| matches!(head, Head::Until(at) if at <= now);
        let (cause, lane) = self.lanes.iter_mut().find(|(_, lane)| due(lane.head))?;
        let notice = lane.notices.front()?.clone();
        lane.head = Head::ItsEnd;
        Some((cause.clone(), notice))
    }

    /// When the next notice is due that is not being tried.
    pub(super) fn next_start(&self) -> Option<Instant> {
        let at = |lane: &Lane<N>| match lane.head {
            Head::Until(at) => Some(at),
            Head::ItsEnd => None,
        };
        self.lanes.values().filter_map(at).min()
    }

    /// The try of this cause's oldest notice has ended. `jitter` is between 0 and 1. `true`: the notice is given up.
    pub(super) fn ended(&mut self, cause: &C, how: Try, now: Instant, jitter: f64) -> bool {
        let Some(lane) = self.lanes.get_mut(cause) else { return false };
        let first_failed_at = *lane.first_failed_at.get_or_insert(now);
        let may_wait = how == Try::Failed && now.duration_since(first_failed_at) < GIVE_UP_AFTER;
        if may_wait {
            lane.failures += 1;
            lane.head = Head::Until(now + wait(lane.failures, jitter));
            return false;
        }
        lane.notices.pop_front();
        self.held -= 1;
        if lane.notices.is_empty() {
            self.lanes.remove(cause);
        } else {
            lane.head = Head::Until(now);
            lane.failures = 0;
            lane.first_failed_at = None;
        }
        how != Try::Taken
    }
}

/// Between half and all of what doubling gives.
fn wait(failures: u32, jitter: f64) -> Duration {
    let doubled = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
    doubled.min(LONGEST_WAIT).mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FULL: f64 = 1.0;

    fn after(begin: Instant, seconds: u64) -> Instant {
        begin + Duration::from_secs(seconds)
    }

    #[test]
    fn notices_of_a_cause_go_in_order_and_causes_do_not_wait_for_each_other() {
        let now = Instant::now();
        let mut outbox = Outbox::new();
        for (cause, notice) in [("a", 1), ("a", 2), ("b", 3)] {
            assert!(outbox.push(cause, notice, now));
        }
        assert_eq!(outbox.start(now), Some(("a", 1)));
        assert_eq!(outbox.start(now), Some(("b", 3)));
        assert_eq!((outbox.start(now), outbox.next_start()), (None, None));
        assert!(!outbox.ended(&"a", Try::Failed, now, FULL));
        assert!(!outbox.ended(&"b", Try::Taken, now, FULL));
        assert_eq!((outbox.start(now), outbox.next_start()), (None, Some(after(now, 1))));
        assert_eq!(outbox.start(after(now, 1)), Some(("a", 1)));
        assert!(!outbox.ended(&"a", Try::Taken, after(now, 1), FULL));
        assert_eq!(outbox.start(after(now, 1)), Some(("a", 2)));
        assert!(outbox.ended(&"a", Try::Refused, after(now, 1), FULL), "never to be taken");
        assert!(outbox.is_empty());
    }

    #[test]
    fn waits_double_up_to_a_limit_and_never_overflow() {
        for (failures, seconds) in [(1, 1), (2, 2), (5, 16), (9, 256), (10, 300), (u32::MAX, 300)] {
            assert_eq!(wait(failures, 1.0), Duration::from_secs(seconds), "{failures}");
            assert_eq!(wait(failures, 0.0), Duration::from_secs(seconds) / 2, "{failures}");
        }
    }

    #[test]
    fn a_notice_is_given_up_after_an_hour_and_the_next_one_starts_afresh() {
        let mut now = Instant::now();
        let begin = now;
        let mut outbox = Outbox::new();
        outbox.push("a", 1, now);
        outbox.push("a", 2, now);
        let mut tries = 0;
        loop {
            let (cause, notice) = outbox.start(now).unwrap();
            tries += 1;
            assert_eq!(notice, 1);
            if outbox.ended(&cause, Try::Failed, now, FULL) {
                break;
            }
            now = outbox.next_start().unwrap();
        }
        assert!(now - begin >= GIVE_UP_AFTER && tries < 30, "{tries} tries in {:?}", now - begin);
        assert_eq!(outbox.start(now), Some(("a", 2)));
        assert!(!outbox.ended(&"a", Try::Failed, now, FULL));
        assert_eq!(outbox.next_start(), Some(now + FIRST_WAIT));
    }

    #[test]
    fn it_is_bounded_and_has_room_again() {
        let now = Instant::now();
        let mut outbox = Outbox::new();
        assert!((0..ROOM).all(|notice| outbox.push(notice % 7, notice, now)));
        assert!(!outbox.push(0, ROOM, now));
        let (cause, _) = outbox.start(now).unwrap();
        outbox.ended(&cause, Try::Taken, now, FULL);
        assert!(outbox.push(0, ROOM, now));
    }

    proptest! {
        /// However tries end, each notice of a cause ends once, in order, and nothing is left behind.
        #[test]
        fn every_notice_ends_once_and_in_order(
            causes in prop::collection::vec(0..4u8, 1..60),
            ends in prop::collection::vec(0..3u8, 1..50),
        ) {
            let mut now = Instant::now();
            let mut outbox = Outbox::new();
            for (notice, cause) in causes.iter().enumerate() {
                prop_assert!(outbox.push(*cause, notice, now));
            }
            let mut ended: BTreeMap<u8, Vec<usize>> = BTreeMap::new();
            let mut ends = ends.into_iter().chain(std::iter::repeat(1));
            while !outbox.is_empty() {
                now = outbox.next_start().unwrap().max(now);
                while let Some((cause, notice)) = outbox.start(now) {
                    let how = [Try::Failed, Try::Taken, Try::Refused][usize::from(ends.next().unwrap())];
                    let is_given_up = outbox.ended(&cause, how, now, 0.5);
                    prop_assert_eq!(is_given_up, how == Try::Refused);
                    if how != Try::Failed {
                        ended.entry(cause).or_default().push(notice);
                    }
                }
            }
            for (cause, notices) in ended {
                let expected: Vec<_> =
                    (0..causes.len()).filter(|notice| causes[*notice] == cause).collect();
                prop_assert_eq!(notices, expected);
            }
        }
    }
}
