//! The partitions a subscription holds: how far each is settled, what of it is committed, and whether it is paused. Pure.
//!
//! Each assignment of a partition gets a number of its own, so that whatever ends late cannot touch a later assignment
//! of the same partition.

mod lost;

use std::collections::BTreeMap;
use std::time::Duration;

use rustc_hash::FxHashMap;
use tokio::time::Instant;

use self::lost::Lost;
use super::lanes::PartitionIndex;
use super::metadata;
use super::offsets::Tracker;
use crate::kafka::consumer::{self, Partition, Position};

/// A partition that would need as long to settle half of what it may hold takes the others' room.
const SLOW: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(crate) struct Partitions {
    /// Looked up for every record: by a hash that is quick, as the names of topics are our own configuration's.
    numbers: FxHashMap<Partition, PartitionIndex>,
    /// What had settled of partitions that were lost, until they are ours again.
    lost: FxHashMap<Partition, Lost>,
    assigned: BTreeMap<PartitionIndex, Assigned>,
    next_number: PartitionIndex,
    unsettled: usize,
    unsettled_bytes: usize,
}

#[derive(Debug)]
struct Assigned {
    partition: Partition,
    epoch: u64,
    tracker: Tracker,
    /// The latest commit that Kafka has said it keeps; where there was none, the first record that came.
    committed: Option<Commit>,
    /// The latest commit that Kafka was asked to keep.
    asked: Option<Commit>,
    /// What had settled when we lost it, until the first record comes.
    before: Option<Lost>,
    unsettled_bytes: usize,
    /// Its records are waited for no more: what comes is ignored.
    is_leaving: bool,
    is_paused: bool,
    pace: Pace,
}

/// A position, with its metadata.
type Commit = (i64, String);

/// How fast a partition settles.
#[derive(Debug)]
struct Pace {
    /// Since when it is watched; anew after each [`SLOW`].
    since: Instant,
    settled: usize,
    /// The fewest events it held unsettled meanwhile.
    least: usize,
    /// As it was found last.
    is_slow: bool,
}

impl Partitions {
    /// The partition is ours from this epoch on.
    pub(crate) fn assign(&mut self, new: consumer::Assigned, epoch: u64) -> PartitionIndex {
        let consumer::Assigned { partition, committed, metadata } = new;
        self.forget(&partition);
        let committed = committed.map(|offset| (offset, metadata));
        let before = self.lost.remove(&partition).filter(|lost| lost.is_recent(Instant::now()));
        let number = self.next_number;
        self.next_number += 1;
        self.numbers.insert(partition.clone(), number);
        let assigned = Assigned {
            partition,
            epoch,
            tracker: Tracker::default(),
            committed,
            asked: None,
            before,
            unsettled_bytes: 0,
            is_leaving: false,
            is_paused: false,
            pace: Pace { since: Instant::now(), settled: 0, least: 0, is_slow: false },
        };
        self.assigned.insert(number, assigned);
        number
    }

    /// The partition was taken from us before we could commit: what has settled is kept in mind, for it may come back.
    /// To be forgotten next.
    pub(crate) fn lose(&mut self, partition: &Partition) {
        let Some(assigned) = self.assigned_mut(partition) else { return };
        let committed = assigned.committed.as_ref().map(|(offset, _)| *offset);
        let lost =
            assigned.before.take().or_else(|| Lost::new(committed?, &assigned.tracker, Instant::now()));
        if let Some(lost) = lost {
            self.lost.insert(partition.clone(), lost);
        }
    }

    /// The partition is ours no more.
    pub(crate) fn forget(&mut self, partition: &Partition) -> Option<PartitionIndex> {
        let number = self.numbers.remove(partition)?;
        let assigned = self.assigned.remove(&number)?;
        self.unsettled -= assigned.tracker.unsettled();
        self.unsettled_bytes -= assigned.unsettled_bytes;
        Some(number)
    }

    /// The number of this partition's latest assignment.
    pub(crate) fn number(&self, partition: &Partition) -> Option<PartitionIndex> {
        self.numbers.get(partition).copied()
    }

    /// What comes of this partition from now on is ignored.
    pub(crate) fn leave(&mut self, partition: &Partition) -> Option<PartitionIndex> {
        let number = *self.numbers.get(partition)?;
        self.assigned.get_mut(&number)?.is_leaving = true;
        Some(number)
    }

    pub(crate) fn leave_all(&mut self) -> Vec<PartitionIndex> {
        self.assigned.values_mut().for_each(|assigned| assigned.is_leaving = true);
        self.assigned.keys().copied().collect()
    }

    /// A record of a batch of that epoch. `None`: it is stale, not ours, here already, or settled by whoever had the
    /// partition before, and must be ignored.
    pub(crate) fn receive(
        &mut self,
        partition: &Partition,
        epoch: u64,
        offset: i64,
        bytes: usize,
    ) -> Option<PartitionIndex> {
        let number = *self.numbers.get(partition)?;
        let assigned = self.assigned.get_mut(&number)?;
        if assigned.is_leaving || epoch < assigned.epoch {
            return None;
        }
        if assigned.tracker.is_new() {
            assigned.begin(offset);
        }
        if !assigned.tracker.receive(offset) {
            return None;
        }
        assigned.unsettled_bytes += bytes;
        self.unsettled += 1;
        self.unsettled_bytes += bytes;
        Some(number)
    }

    /// A record received with that many bytes is settled. Once each; nothing happens when its assignment is gone.
    pub(crate) fn settle(&mut self, number: PartitionIndex, offset: i64, bytes: usize) {
        let Some(assigned) = self.assigned.get_mut(&number) else { return };
        assigned.tracker.settle(offset);
        assigned.pace.settled += 1;
        assigned.unsettled_bytes -= bytes;
        self.unsettled -= 1;
        self.unsettled_bytes -= bytes;
    }

    /// Does this assignment still take part?
    pub(crate) fn is_staying(&self, number: PartitionIndex) -> bool {
        self.assigned.get(&number).is_some_and(|assigned| !assigned.is_leaving)
    }

    /// Where each of these partitions can go on that has got further, or has more settled above, than what is committed.
    pub(crate) fn uncommitted(&self, wanted: impl Fn(&Partition) -> bool) -> Vec<Position> {
        let moved = |assigned: &Assigned| {
            let offset = assigned.tracker.position()?;
            let metadata = metadata::encode(offset, &assigned.tracker.settled_above());
            let is_committed = assigned
                .committed
                .as_ref()
                .is_some_and(|(committed, beside)| *committed == offset && *beside == metadata);
            let partition = || assigned.partition.clone();
            (!is_committed).then(|| Position { partition: partition(), offset, metadata })
        };
        self.assigned.values().filter(|assigned| wanted(&assigned.partition)).filter_map(moved).collect()
    }

    /// Kafka is asked to keep these.
    pub(crate) fn asked(&mut self, positions: &[Position]) {
        for Position { partition, offset, metadata } in positions {
            if let Some(assigned) = self.assigned_mut(partition) {
                assigned.asked = Some((*offset, metadata.clone()));
            }
        }
    }

    /// Kafka acknowledged these; returns the assignments that asked for them. The answer to a commit may come after a
    /// rebalance: what an earlier assignment asked for says nothing of a later one.
    pub(crate) fn committed<'a>(&mut self, positions: &'a [Position]) -> Vec<(PartitionIndex, &'a Position)> {
        let mut ours = Vec::with_capacity(positions.len());
        for position in positions {
            let Position { partition, offset, metadata } = position;
            let Some(number) = self.number(partition) else { continue };
            let Some(assigned) = self.assigned.get_mut(&number) else { continue };
            let is_ours = |(asked, beside): &mut (i64, String)| asked == offset && beside == metadata;
            if let Some(committed) = assigned.asked.take_if(is_ours) {
                assigned.committed = Some(committed);
                ours.push((number, position));
            }
        }
        ours
    }

    /// Partitions to pause and to resume, so that those are paused that should be: all of them, or those that hold more
    /// than `limit` unsettled events and settle so slowly that they take the others' room: behind a hot key, or one that
    /// always fails. A resume costs about a second, which is why one that has less than seconds of work is never paused:
    /// not being polled holds it back as well. Asked again until [`set_paused`](Self::set_paused) says that it is so.
    pub(crate) fn pauses(
        &mut self,
        all: bool,
        limit: usize,
        now: Instant,
    ) -> (Vec<Partition>, Vec<Partition>) {
        let (mut pause, mut resume) = (Vec::new(), Vec::new());
        let has_others = self.assigned.len() > 1;
        for assigned in self.assigned.values_mut() {
            let unsettled = assigned.tracker.unsettled();
            assigned.pace.watch(unsettled, limit, now);
            let is_full = unsettled > if assigned.is_paused { limit / 2 } else { limit };
            let should = all || (has_others && is_full && assigned.pace.is_slow);
            if should != assigned.is_paused {
                if should { &mut pause } else { &mut resume }.push(assigned.partition.clone());
            }
        }
        (pause, resume)
    }

    /// These are paused now, or not any more.
    pub(crate) fn set_paused(&mut self, partitions: &[Partition], is_paused: bool) {
        for partition in partitions {
            if let Some(assigned) = self.assigned_mut(partition) {
                assigned.is_paused = is_paused;
            }
        }
    }

    pub(crate) fn unsettled(&self) -> usize {
        self.unsettled
    }

    pub(crate) fn unsettled_bytes(&self) -> usize {
        self.unsettled_bytes
    }

    pub(crate) fn count(&self) -> usize {
        self.assigned.len()
    }

    pub(crate) fn paused(&self) -> usize {
        self.assigned.values().filter(|assigned| assigned.is_paused).count()
    }

    fn assigned_mut(&mut self, partition: &Partition) -> Option<&mut Assigned> {
        self.assigned.get_mut(self.numbers.get(partition)?)
    }
}

impl Assigned {
    /// Its first record is here.
    fn begin(&mut self, offset: i64) {
        let (position, metadata) = self.committed.get_or_insert_with(|| (offset, String::new()));
        let mut settled = metadata::decode(metadata, offset);
        // One that begins before its commit was made anew.
        let is_near = |lost: &Lost| offset >= *position && lost.reaches(*position);
        if let Some(lost) = self.before.take().filter(is_near) {
            settled = lost.and(settled);
        }
        self.tracker = Tracker::resume(settled);
    }
}

impl Pace {
    /// Slow is what always had something to do and settled less than half of the limit.
    fn watch(&mut self, unsettled: usize, limit: usize, now: Instant) {
        self.least = self.least.min(unsettled);
        if now >= self.since + SLOW {
            let is_slow = self.least > limit / 4 && self.settled < limit / 2;
            *self = Pace { since: now, settled: 0, least: unsettled, is_slow };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(number: i32) -> Partition {
        Partition { topic: "t".into(), number }
    }

    fn any(_: &Partition) -> bool {
        true
    }

    fn at(number: i32, offset: i64, metadata: &str) -> Position {
        Position { partition: partition(number), offset, metadata: metadata.into() }
    }

    fn new(number: i32, committed: Option<i64>, metadata: &str) -> consumer::Assigned {
        consumer::Assigned { partition: partition(number), committed, metadata: metadata.to_owned() }
    }

    /// Asks for these and is answered at once.
    fn acknowledge(partitions: &mut Partitions, positions: &[Position]) {
        partitions.asked(positions);
        assert_eq!(partitions.committed(positions).len(), positions.len());
    }

    #[test]
    fn what_settles_above_is_committed_and_not_delivered_again() {
        let mut partitions = Partitions::default();
        partitions.assign(new(0, None, ""), 1);
        let numbers: Vec<_> =
            (5..8).filter_map(|offset| partitions.receive(&partition(0), 1, offset, 1)).collect();
        partitions.settle(numbers[0], 6, 1);
        let metadata = metadata::encode(5, &[6..7]);
        let positions = vec![at(0, 5, &metadata)];
        assert_eq!(partitions.uncommitted(any), positions);
        acknowledge(&mut partitions, &positions);
        assert_eq!(partitions.uncommitted(any), []);

        partitions.assign(new(0, Some(5), &metadata), 2);
        assert!(partitions.receive(&partition(0), 2, 5, 1).is_some());
        assert_eq!(partitions.uncommitted(any), []);
        assert_eq!(partitions.receive(&partition(0), 2, 6, 1), None);
        let last = partitions.receive(&partition(0), 2, 7, 1).unwrap();
        assert_eq!((partitions.unsettled(), partitions.unsettled_bytes()), (2, 2));
        partitions.settle(last, 5, 1);
        assert_eq!(partitions.uncommitted(any), [at(0, 7, "")]);
    }

    /// Offsets of `5..9` that are delivered again where 5, 6 and 8 had settled when the partition was lost, none of it
    /// acknowledged, 6 asked to be kept, and this is the commit that it comes back with.
    fn again(committed: Option<i64>, metadata: &str) -> Vec<i64> {
        let mut partitions = Partitions::default();
        let received = |partitions: &mut Partitions, epoch, from| {
            (from..9)
                .filter(|offset| partitions.receive(&partition(0), epoch, *offset, 1).is_some())
                .collect()
        };
        let number = partitions.assign(new(0, Some(5), ""), 1);
        assert_eq!(received(&mut partitions, 1, 5), [5, 6, 7, 8]);
        partitions.settle(number, 5, 1);
        partitions.asked(&[at(0, 6, "")]);
        [6, 8].into_iter().for_each(|offset| partitions.settle(number, offset, 1));
        // Twice, and nothing comes in between.
        for epoch in 2..4 {
            partitions.lose(&partition(0));
            partitions.forget(&partition(0));
            partitions.assign(new(0, committed, metadata), epoch);
        }
        received(&mut partitions, 3, committed.unwrap_or(5))
    }

    #[test]
    fn what_had_settled_when_a_partition_was_lost_is_not_delivered_again_when_it_comes_back() {
        assert_eq!(again(Some(5), ""), [7], "what we began with");
        assert_eq!(again(Some(6), ""), [7], "what we asked for, and heard no answer to");
        assert_eq!(again(None, ""), [7], "Kafka does not say");
        assert_eq!(
            again(Some(5), &metadata::encode(5, &[7..8])),
            [0; 0],
            "somebody else has settled the rest"
        );
    }

    #[test]
    fn what_was_lost_is_forgotten_where_a_partition_goes_on_elsewhere() {
        assert_eq!(again(Some(8), ""), [8], "beyond where we were");
        assert_eq!(again(Some(4), ""), [4, 5, 6, 7, 8], "moved back, to have all of it again");
    }

    #[test]
    fn a_topic_made_anew_while_it_was_lost_is_delivered_from_its_start() {
        let mut partitions = Partitions::default();
        let number = partitions.assign(new(0, Some(5), ""), 1);
        partitions.receive(&partition(0), 1, 5, 1);
        partitions.settle(number, 5, 1);
        partitions.lose(&partition(0));
        partitions.assign(new(0, Some(5), ""), 2);
        assert!((0..7).all(|offset| partitions.receive(&partition(0), 2, offset, 1).is_some()));
    }

    #[test]
    fn records_from_before_the_latest_assignment_are_stale() {
        let mut partitions = Partitions::default();
        partitions.assign(new(0, None, ""), 1);
        let first = partitions.receive(&partition(0), 1, 7, 10).unwrap();
        partitions.forget(&partition(0));
        assert_eq!(partitions.receive(&partition(0), 2, 8, 10), None);
        partitions.assign(new(0, None, ""), 3);
        assert_eq!(partitions.receive(&partition(0), 2, 9, 10), None);
        let second = partitions.receive(&partition(0), 3, 7, 10).unwrap();
        assert_ne!(first, second);
        partitions.settle(first, 7, 10);
        assert_eq!((partitions.unsettled(), partitions.unsettled_bytes()), (1, 10));
        assert_eq!(partitions.uncommitted(any), []);
    }

    #[test]
    fn a_late_answer_to_a_commit_says_nothing_of_a_later_assignment() {
        let mut partitions = Partitions::default();
        let metadata = metadata::encode(5, &[6..7]);
        for epoch in 1..3 {
            partitions.assign(new(0, Some(5), &metadata), epoch);
            if epoch == 1 {
                partitions.asked(&[at(0, 5, &metadata)]);
            }
        }
        // Before anything of the new assignment has come, and after it has come and was settled.
        let late = [at(0, 5, &metadata), at(7, 1, "")];
        assert_eq!(partitions.committed(&late), []);
        let number = partitions.receive(&partition(0), 2, 5, 1).unwrap();
        assert_eq!(partitions.receive(&partition(0), 2, 6, 1), None, "it is settled already");
        partitions.settle(number, 5, 1);
        let positions = partitions.uncommitted(any);
        assert_eq!(positions, [at(0, 7, "")]);
        partitions.asked(&positions);
        assert_eq!(partitions.committed(&late), []);
        assert_eq!(partitions.uncommitted(any), positions);
        assert_eq!(partitions.committed(&positions), [(number, &positions[0])]);
        assert_eq!(partitions.uncommitted(any), []);
    }

    #[test]
    fn a_topic_made_anew_is_delivered_from_its_start() {
        let mut partitions = Partitions::default();
        partitions.assign(new(0, Some(100), &metadata::encode(100, &[110..120])), 1);
        for offset in 0..130 {
            assert!(partitions.receive(&partition(0), 1, offset, 1).is_some(), "{offset}");
        }
    }

    #[test]
    fn only_what_moved_is_committed_and_only_until_it_is() {
        let mut partitions = Partitions::default();
        partitions.assign(new(0, None, ""), 1);
        partitions.assign(new(1, None, ""), 1);
        let number = partitions.receive(&partition(0), 1, 5, 1).unwrap();
        partitions.receive(&partition(0), 1, 6, 1).unwrap();
        partitions.receive(&partition(1), 1, 0, 1).unwrap();
        assert_eq!(partitions.uncommitted(any), []);
        partitions.settle(number, 5, 1);
        let positions = vec![at(0, 6, "")];
        assert_eq!(partitions.uncommitted(any), positions);
        assert_eq!(partitions.uncommitted(|partition| partition.number == 1), []);
        acknowledge(&mut partitions, &positions);
        assert_eq!(partitions.uncommitted(any), []);
    }

    /// Pauses and resumes at once what should be.
    fn pause(partitions: &mut Partitions, all: bool, now: Instant) -> (Vec<Partition>, Vec<Partition>) {
        let (pause, resume) = partitions.pauses(all, 8, now);
        partitions.set_paused(&pause, true);
        partitions.set_paused(&resume, false);
        (pause, resume)
    }

    #[test]
    fn a_full_partition_that_is_slow_is_paused_until_it_is_half_empty() {
        let mut partitions = Partitions::default();
        partitions.assign(new(0, None, ""), 1);
        partitions.assign(new(1, None, ""), 1);
        let receive = |partitions: &mut Partitions, offsets: std::ops::Range<i64>| {
            offsets.filter_map(|offset| partitions.receive(&partition(0), 1, offset, 1)).max().unwrap()
        };
        let number = receive(&mut partitions, 0..9);
        let mut now = Instant::now() + SLOW;
        assert_eq!(pause(&mut partitions, false, now), (vec![], vec![]), "it has just been filled");
        // As many as half of the limit in the time: fast enough.
        (0..4).for_each(|offset| partitions.settle(number, offset, 1));
        receive(&mut partitions, 9..13);
        now += SLOW;
        assert_eq!(pause(&mut partitions, false, now), (vec![], vec![]), "it moves");
        (4..7).for_each(|offset| partitions.settle(number, offset, 1));
        receive(&mut partitions, 13..16);
        now += SLOW;
        assert_eq!(pause(&mut partitions, false, now), (vec![partition(0)], vec![]));
        (7..11).for_each(|offset| partitions.settle(number, offset, 1));
        assert_eq!(pause(&mut partitions, false, now), (vec![], vec![]));
        partitions.settle(number, 11, 1);
        assert_eq!(pause(&mut partitions, false, now), (vec![], vec![partition(0)]));
        // It was slow, so it is paused again as soon as it is full.
        receive(&mut partitions, 16..21);
        assert_eq!(pause(&mut partitions, false, now), (vec![partition(0)], vec![]));
        assert_eq!(pause(&mut partitions, true, now).0, [partition(1)]);
        assert_eq!((partitions.paused(), partitions.count()), (2, 2));
        assert_eq!(pause(&mut partitions, false, now).1, [partition(1)]);
    }

    #[test]
    fn a_partition_alone_is_never_paused_for_being_slow() {
        let mut partitions = Partitions::default();
        partitions.assign(new(0, None, ""), 1);
        assert!((0..20).all(|offset| partitions.receive(&partition(0), 1, offset, 1).is_some()));
        for times in 1..5 {
            assert_eq!(pause(&mut partitions, false, Instant::now() + times * SLOW), (vec![], vec![]));
        }
    }

    #[test]
    fn a_pause_is_asked_for_until_it_is_done() {
        let mut partitions = Partitions::default();
        partitions.assign(new(0, None, ""), 1);
        let now = Instant::now();
        for _ in 0..2 {
            assert_eq!(partitions.pauses(true, 8, now), (vec![partition(0)], vec![]));
        }
        partitions.set_paused(&[partition(0), partition(7)], true);
        assert_eq!(partitions.pauses(true, 8, now), (vec![], vec![]));
        for _ in 0..2 {
            assert_eq!(partitions.pauses(false, 8, now), (vec![], vec![partition(0)]));
        }
    }

    #[test]
    fn a_leaving_partition_takes_nothing_new_and_commits_what_settles() {
        let mut partitions = Partitions::default();
        partitions.assign(new(0, None, ""), 1);
        let number = partitions.receive(&partition(0), 1, 0, 1).unwrap();
        partitions.leave(&partition(0));
        assert!(!partitions.is_staying(number));
        assert_eq!(partitions.receive(&partition(0), 1, 1, 1), None);
        partitions.settle(number, 0, 1);
        assert_eq!(partitions.uncommitted(any), [at(0, 1, "")]);
    }
}
