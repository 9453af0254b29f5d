//! Notices when retention deleted records before they were read. Pure.
//!
//! librdkafka goes on from the earliest record that is left, without a word that reaches the host
//! (`auto.offset.reset=earliest`). What gives it away is the low watermark: a gap in the offsets that begins below it
//! was deleted, at least up to the watermark. Every other gap is a hole that compaction, a transaction's marker or an
//! aborted transaction left, and lies above it. A topic that was made anew begins again below where we were, which is
//! no gap.

use std::ops::Range;

use rustc_hash::FxHashMap;

use super::partition::Partition;

/// Where each assigned partition is to go on: looked up for every record, by a hash that is quick, as the names of topics are
/// our own configuration's.
#[derive(Debug, Default)]
pub(super) struct Overtaken {
    next: FxHashMap<Partition, i64>,
}

impl Overtaken {
    /// The partition is ours from now on; its group has committed this offset, if any.
    pub(super) fn assigned(&mut self, partition: Partition, committed: Option<i64>) {
        match committed {
            Some(committed) => drop(self.next.insert(partition, committed)),
            None => drop(self.next.remove(&partition)),
        }
    }

    pub(super) fn gone(&mut self, partition: &Partition) {
        self.next.remove(partition);
    }

    /// A record was read. `low` tells the low watermark, as librdkafka knows it since the fetch that brought the record
    /// or a later one; it is only asked at a gap. Gives the offsets that were deleted before they were read.
    pub(super) fn received(
        &mut self,
        partition: &Partition,
        offset: i64,
        low: impl FnOnce() -> Option<i64>,
    ) -> Option<Range<i64>> {
        let Some(next) = self.next.get_mut(partition) else {
            self.next.insert(partition.clone(), offset + 1);
            return None;
        };
        let expected = std::mem::replace(next, offset + 1);
        if offset <= expected {
            return None;
        }
        lost(expected, offset, low()?)
    }

    /// The fetcher has got to `fetched`, with nothing left to read below it, and this is the low watermark. Finds what a
    /// record never will: that everything was deleted.
    pub(super) fn nothing_below(
        &mut self,
        partition: &Partition,
        fetched: i64,
        low: i64,
    ) -> Option<Range<i64>> {
        let next = self.next.get_mut(partition)?;
        let lost = lost(*next, fetched, low)?;
        *next = fetched;
        Some(lost)
    }
}

/// Of a gap, what lies below the low watermark.
fn lost(expected: i64, found: i64, low: i64) -> Option<Range<i64>> {
    let end = low.min(found);
    (expected < end).then_some(expected..end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn partition() -> Partition {
        Partition { topic: "t".into(), number: 0 }
    }

    fn at(committed: Option<i64>) -> Overtaken {
        let mut overtaken = Overtaken::default();
        overtaken.assigned(partition(), committed);
        overtaken
    }

    #[test]
    fn a_gap_is_a_loss_as_far_as_the_low_watermark_is_above_it() {
        for (committed, offset, low, expected) in [
            (Some(10), 10, 0, None),
            (Some(10), 15, 0, None),          // a hole
            (Some(10), 15, 10, None),         // a hole at the low watermark
            (Some(10), 15, 15, Some(10..15)), // deleted
            (Some(10), 15, 13, Some(10..13)), // deleted, and a hole above
            (Some(10), 15, 99, Some(10..15)), // deleted, and the watermark has moved on since
            (Some(100), 0, 0, None),          // made anew
            (None, 15, 15, None),             // never read before
        ] {
            let mut overtaken = at(committed);
            let found = overtaken.received(&partition(), offset, || Some(low));
            assert_eq!(found, expected, "committed {committed:?}, first {offset}, low {low}");
            assert_eq!(overtaken.received(&partition(), offset + 1, || panic!("no gap")), None);
        }
    }

    #[test]
    fn it_is_told_once_and_not_where_the_watermark_is_unknown() {
        let mut overtaken = at(Some(10));
        assert_eq!(overtaken.received(&partition(), 20, || None), None);
        assert_eq!(overtaken.received(&partition(), 30, || Some(30)), Some(21..30));
        assert_eq!(overtaken.nothing_below(&partition(), 31, 31), None);
        overtaken.gone(&partition());
        assert_eq!(overtaken.received(&partition(), 99, || panic!("nothing is expected")), None);
    }

    #[test]
    fn a_partition_that_was_emptied_is_found_without_a_record() {
        let mut overtaken = at(Some(10));
        assert_eq!(overtaken.nothing_below(&partition(), 10, 0), None, "at its end");
        assert_eq!(overtaken.nothing_below(&partition(), 12, 0), None, "a transaction's marker");
        assert_eq!(overtaken.nothing_below(&partition(), 50, 50), Some(10..50));
        assert_eq!(overtaken.nothing_below(&partition(), 50, 50), None);
        assert_eq!(overtaken.received(&partition(), 50, || panic!("no gap")), None);
        assert_eq!(at(None).nothing_below(&partition(), 50, 50), None, "never read before");
    }

    proptest! {
        /// A log with holes, of which a growing head is deleted while it is read: exactly what was deleted unread is told.
        #[test]
        fn just_what_was_deleted_unread_is_told(
            holes in prop::collection::btree_set(0..200i64, 0..80),
            steps in prop::collection::vec((0..8i64, 0..12i64), 1..60),
        ) {
            let mut overtaken = at(Some(0));
            let (mut low, mut next) = (0, 0);
            let (mut told, mut deleted) = (Vec::new(), Vec::new());
            for (reads, deletes) in steps {
                for _ in 0..reads {
                    let Some(offset) = (next.max(low)..200).find(|offset| !holes.contains(offset)) else { break };
                    told.extend(overtaken.received(&partition(), offset, || Some(low)).into_iter().flatten());
                    // All in a gap below the watermark is gone, holes or not.
                    deleted.extend(next..low.min(offset));
                    next = offset + 1;
                }
                low += deletes;
            }
            prop_assert_eq!(told, deleted);
        }
    }
}
