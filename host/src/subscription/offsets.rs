//! Which offset may be committed: the lowest unsettled one. Pure.
//!
//! Offsets are tracked as they were received and never made up: compaction and transaction markers leave holes. What
//! counts is what is settled, not how far the offsets reach.

use std::collections::VecDeque;
use std::ops::Range;

/// A window of no more than this is not worth tidying.
const SMALL_WINDOW: usize = 64;

/// The offsets of one assignment of one partition.
#[derive(Debug, Default)]
pub(crate) struct Tracker {
    /// Received and not yet passed by the commit, in order. Settled ones may be missing.
    window: VecDeque<Tracked>,
    /// Settled by an earlier assignment, lowest first; those that are received are gone.
    settled_before: VecDeque<Range<i64>>,
    /// One above the highest received offset.
    next: Option<i64>,
    unsettled: usize,
}

#[derive(Debug)]
struct Tracked {
    offset: i64,
    is_settled: bool,
}

impl Tracker {
    /// Begins where an earlier assignment ended, which had settled these above its position, lowest first.
    pub(crate) fn resume(settled: Vec<Range<i64>>) -> Self {
        Self { settled_before: settled.into(), ..Self::default() }
    }

    /// An offset was received: is it to be settled? Not if it is settled already, and not if it is not above the highest
    /// one so far, which means that it was received before.
    pub(crate) fn receive(&mut self, offset: i64) -> bool {
        if self.next.is_some_and(|next| offset < next) {
            return false;
        }
        self.next = Some(offset + 1);
        while self.settled_before.front().is_some_and(|settled| settled.end <= offset) {
            self.settled_before.pop_front();
        }
        if self.settled_before.front().is_some_and(|settled| settled.contains(&offset)) {
            return false;
        }
        self.window.push_back(Tracked { offset, is_settled: false });
        self.unsettled += 1;
        true
    }

    /// An offset is settled. Unknown and repeated ones change nothing.
    pub(crate) fn settle(&mut self, offset: i64) {
        let Ok(index) = self.window.binary_search_by_key(&offset, |tracked| tracked.offset) else { return };
        let tracked = &mut self.window[index];
        if tracked.is_settled {
            return;
        }
        tracked.is_settled = true;
        self.unsettled -= 1;
        while self.window.front().is_some_and(|tracked| tracked.is_settled) {
            self.window.pop_front();
        }
        // One that stays unsettled for long must not make the window as long as all that came after it.
        if self.window.len() > SMALL_WINDOW.max(2 * self.unsettled) {
            self.window.retain(|tracked| !tracked.is_settled);
        }
    }

    /// The offset to commit, the next one to be consumed: everything below it is settled. `None` before anything came.
    pub(crate) fn position(&self) -> Option<i64> {
        self.window.front().map(|tracked| tracked.offset).or(self.next)
    }

    /// What is settled above the position, lowest first. Offsets that no record has may be among it: a partition's
    /// records come in order, so nothing comes there any more.
    pub(crate) fn settled_above(&self) -> Vec<Range<i64>> {
        let mut ranges: Vec<Range<i64>> = Vec::new();
        let mut push = |range: Range<i64>| match ranges.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            Some(_) | None => ranges.push(range),
        };
        let mut unsettled =
            self.window.iter().filter(|tracked| !tracked.is_settled).map(|tracked| tracked.offset);
        let next = self.next.unwrap_or_default();
        if let Some(mut above) = unsettled.next().map(|position| position + 1) {
            for offset in unsettled.chain([next]) {
                if above < offset {
                    push(above..offset);
                }
                above = offset + 1;
            }
        }
        for settled in self.settled_before.iter().filter(|settled| settled.end > next) {
            push(settled.start.max(next)..settled.end);
        }
        ranges
    }

    /// Nothing was received yet.
    pub(crate) fn is_new(&self) -> bool {
        self.next.is_none()
    }

    /// Received and not settled.
    pub(crate) fn unsettled(&self) -> usize {
        self.unsettled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn position_stays_at_the_lowest_unsettled_offset() {
        let mut tracker = Tracker::default();
        assert_eq!(tracker.position(), None);
        for offset in [10, 11, 15, 16] {
            assert!(tracker.receive(offset));
        }
        assert_eq!((tracker.position(), tracker.unsettled()), (Some(10), 4));
        tracker.settle(11);
        tracker.settle(16);
        assert_eq!((tracker.position(), tracker.unsettled()), (Some(10), 2));
        tracker.settle(10);
        assert_eq!(tracker.position(), Some(15));
        tracker.settle(15);
        assert_eq!((tracker.position(), tracker.unsettled()), (Some(17), 0));
    }

    #[test]
    fn what_was_received_before_is_ignored() {
        let mut tracker = Tracker::default();
        assert!(tracker.receive(5));
        assert!(!tracker.receive(5));
        assert!(!tracker.receive(4));
        tracker.settle(4);
        assert_eq!((tracker.position(), tracker.unsettled()), (Some(5), 1));
    }

    #[test]
    fn what_an_earlier_assignment_settled_is_not_to_be_settled_again() {
        let mut tracker = Tracker::resume(vec![12..14, 16..18]);
        assert_eq!(tracker.settled_above(), [12..14, 16..18]);
        assert!(tracker.receive(10));
        assert_eq!((tracker.position(), tracker.settled_above()), (Some(10), vec![12..14, 16..18]));
        assert!(tracker.receive(11));
        assert!(!tracker.receive(12));
        assert!(!tracker.receive(13));
        assert!(tracker.receive(14));
        assert!(!tracker.receive(17));
        assert!(tracker.receive(18));
        assert_eq!(tracker.unsettled(), 4);
        assert_eq!((tracker.position(), tracker.settled_above()), (Some(10), vec![12..14, 15..18]));
        [10, 11, 14].into_iter().for_each(|offset| tracker.settle(offset));
        assert_eq!((tracker.position(), tracker.settled_above()), (Some(18), vec![]));
    }

    #[test]
    fn the_position_passes_what_an_earlier_assignment_settled() {
        let mut tracker = Tracker::resume(vec![11..20]);
        assert!(tracker.receive(10));
        tracker.settle(10);
        assert_eq!((tracker.position(), tracker.settled_above()), (Some(11), vec![11..20]));
        for offset in 11..20 {
            assert!(!tracker.receive(offset));
        }
        assert_eq!((tracker.position(), tracker.settled_above()), (Some(20), vec![]));
    }

    #[test]
    fn one_that_stays_unsettled_does_not_make_the_window_grow() {
        let mut tracker = Tracker::default();
        assert!(tracker.receive(0));
        for offset in 1..100_000 {
            assert!(tracker.receive(offset));
            tracker.settle(offset);
        }
        assert!(tracker.window.len() <= SMALL_WINDOW + 1, "{}", tracker.window.len());
        assert_eq!((tracker.position(), tracker.settled_above()), (Some(0), vec![1..100_000]));
    }

    proptest! {
        #[test]
        fn commits_never_pass_an_unsettled_offset(
            gaps in prop::collection::vec(1_i64..5, 1..100),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..200),
        ) {
            let mut tracker = Tracker::default();
            let mut offset = 0;
            let offsets: Vec<i64> = gaps.iter().map(|gap| { offset += gap; offset }).collect();
            for offset in &offsets {
                prop_assert!(tracker.receive(*offset));
            }
            let mut unsettled: BTreeSet<i64> = offsets.iter().copied().collect();
            for index in order {
                let offset = *index.get(&offsets);
                tracker.settle(offset);
                unsettled.remove(&offset);
                let expected = unsettled.first().copied().unwrap_or(offsets[offsets.len() - 1] + 1);
                prop_assert_eq!(tracker.position(), Some(expected));
                prop_assert_eq!(tracker.unsettled(), unsettled.len());
                let above = tracker.settled_above();
                for offset in offsets.iter().filter(|offset| **offset > expected) {
                    let is_above = above.iter().any(|range| range.contains(offset));
                    prop_assert_eq!(is_above, !unsettled.contains(offset), "{}", offset);
                }
                // Whoever comes next is to settle just what is left.
                let mut resumed = Tracker::resume(above);
                let from_there = offsets.iter().copied().filter(|offset| *offset >= expected);
                let left: BTreeSet<i64> = from_there.filter(|offset| resumed.receive(*offset)).collect();
                prop_assert_eq!(&left, &unsettled);
            }
        }
    }
}
