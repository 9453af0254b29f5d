//! Who is next: the deliveries of each key one after another, and of all lanes that are ready the oldest first. Pure.
//!
//! A lane is the deliveries of one key of one partition. Its head is ready, at work, or waiting for a time; the others
//! stand behind it. Deliveries without a key have a lane each. What is held is bounded by whoever pushes.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

use bytes::Bytes;
use rustc_hash::FxHashMap;
use tokio::time::Instant;

/// A partition's number within the subscription.
pub(crate) type PartitionIndex = u32;

/// Names a lane while it is at work or waiting. Never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct LaneId(u64);

/// The lanes of one subscription. `T` is a delivery.
#[derive(Debug)]
pub(crate) struct Lanes<T> {
    /// By a hash that is quick: their names are our own.
    lanes: FxHashMap<LaneId, Lane<T>>,
    by_key: HashMap<(PartitionIndex, Bytes), LaneId>,
    /// Heads that may go since they came, lowest sequence first: as they come, they are in order. May name what is gone, or is
    /// no head any more.
    fresh: VecDeque<(u64, LaneId)>,
    /// The same of those that may go again, or came to be heads.
    ready: BinaryHeap<Reverse<(u64, LaneId)>>,
    /// Heads that wait, earliest first. May name lanes that are gone or wait for another time.
    waiting: BinaryHeap<Reverse<(Instant, LaneId)>>,
    waiting_count: usize,
    next_id: u64,
}

#[derive(Debug)]
struct Lane<T> {
    partition: PartitionIndex,
    key: Option<Bytes>,
    head: Head,
    queue: VecDeque<(u64, T)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Head {
    Ready,
    AtWork,
    Waiting(Instant),
}

impl<T> Default for Lanes<T> {
    fn default() -> Self {
        Self {
            lanes: FxHashMap::default(),
            by_key: HashMap::new(),
            fresh: VecDeque::new(),
            ready: BinaryHeap::new(),
            waiting: BinaryHeap::new(),
            waiting_count: 0,
            next_id: 0,
        }
    }
}

impl<T> Lanes<T> {
    /// Adds a delivery to its lane. `sequence` rises with each one. Without a `key` nothing is before or behind it.
    pub(crate) fn push(
        &mut self,
        partition: PartitionIndex,
        key: Option<Bytes>,
        sequence: u64,
        delivery: T,
    ) -> LaneId {
        let id = LaneId(self.next_id);
        if let Some(key) = &key {
            let id = *self.by_key.entry((partition, key.clone())).or_insert(id);
            if let Some(lane) = self.lanes.get_mut(&id) {
                lane.queue.push_back((sequence, delivery));
                return id;
            }
        }
        self.next_id += 1;
        let queue = VecDeque::from([(sequence, delivery)]);
        self.lanes.insert(id, Lane { partition, key, head: Head::Ready, queue });
        self.fresh.push_back((sequence, id));
        id
    }

    /// The oldest ready head, which stays where it is.
    pub(crate) fn next(&mut self) -> Option<(LaneId, u64)> {
        loop {
            let fresh = self.fresh.front().copied();
            let again = self.ready.peek().map(|Reverse(entry)| *entry);
            let (sequence, id) = fresh.into_iter().chain(again).min()?;
            if self.is_ready(id, sequence) {
                return Some((id, sequence));
            }
            if fresh == Some((sequence, id)) {
                self.fresh.pop_front();
            } else {
                self.ready.pop();
            }
        }
    }

    /// The newest ready head whose sequence is not one of those to avoid, or the oldest of all. Those that always fail
    /// grow old: the newest is the least likely to be one.
    pub(crate) fn newest_but(&mut self, avoid: impl Fn(u64) -> bool) -> Option<(LaneId, u64)> {
        let all = self.fresh.iter().chain(self.ready.iter().map(|Reverse(entry)| entry)).copied();
        let others = all.filter(|(sequence, _)| !avoid(*sequence));
        match others.filter(|(sequence, id)| self.is_ready(*id, *sequence)).max() {
            Some((sequence, id)) => Some((id, sequence)),
            None => self.next(),
        }
    }

    /// Takes a ready head to work. It stays in its lane.
    pub(crate) fn start(&mut self, id: LaneId) -> Option<&mut T> {
        let lane = self.lanes.get_mut(&id)?;
        lane.head = Head::AtWork;
        Some(&mut lane.queue.front_mut()?.1)
    }

    /// The head that is at work or waiting in this lane; `None` if its partition was given up.
    pub(crate) fn head(&mut self, id: LaneId) -> Option<&mut T> {
        Some(&mut self.lanes.get_mut(&id)?.queue.front_mut()?.1)
    }

    /// The head, whatever it did, waits until then, and the lane with it.
    pub(crate) fn wait(&mut self, id: LaneId, until: Instant) {
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        self.waiting_count += usize::from(!matches!(lane.head, Head::Waiting(_)));
        lane.head = Head::Waiting(until);
        self.waiting.push(Reverse((until, id)));
    }

    /// The head may go again at once.
    pub(crate) fn again(&mut self, id: LaneId) {
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        lane.head = Head::Ready;
        if let Some((sequence, _)) = lane.queue.front() {
            self.ready.push(Reverse((*sequence, id)));
        }
    }

    /// Makes every head ready whose time has come.
    pub(crate) fn wake(&mut self, now: Instant) {
        while let Some(Reverse((until, id))) = self.waiting.peek().copied() {
            if until > now {
                return;
            }
            self.waiting.pop();
            if self.lanes.get(&id).is_some_and(|lane| lane.head == Head::Waiting(until)) {
                self.waiting_count -= 1;
                self.again(id);
            }
        }
    }

    /// Makes every waiting head ready for which `is_called` says so.
    pub(crate) fn call(&mut self, mut is_called: impl FnMut(&mut T) -> bool) {
        let mut called = Vec::new();
        for (id, lane) in &mut self.lanes {
            if matches!(lane.head, Head::Waiting(_))
                && lane.queue.front_mut().is_some_and(|(_, head)| is_called(head))
            {
                called.push(*id);
            }
        }
        self.waiting_count -= called.len();
        called.into_iter().for_each(|id| self.again(id));
    }

    /// Takes every waiting head to work for which `is_taken` says so.
    pub(crate) fn start_waiting(&mut self, is_taken: impl Fn(&T) -> bool) -> Vec<LaneId> {
        let mut taken = Vec::new();
        for (id, lane) in &mut self.lanes {
            let is_waiting = matches!(lane.head, Head::Waiting(_));
            if is_waiting && lane.queue.front().is_some_and(|(_, head)| is_taken(head)) {
                lane.head = Head::AtWork;
                taken.push(*id);
            }
        }
        self.waiting_count -= taken.len();
        taken
    }

    /// All deliveries, in no order.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.lanes.values_mut().flat_map(|lane| lane.queue.iter_mut().map(|(_, delivery)| delivery))
    }

    /// When the next head's time comes.
    pub(crate) fn next_wake(&self) -> Option<Instant> {
        self.waiting.peek().map(|Reverse((until, _))| *until)
    }

    /// The head is settled: gives it back and lets the next of its key come. `None` if its partition was given up.
    pub(crate) fn finish(&mut self, id: LaneId) -> Option<T> {
        let lane = self.lanes.get_mut(&id)?;
        let (_, delivery) = lane.queue.pop_front()?;
        if lane.queue.is_empty() {
            self.remove(id);
        } else {
            self.again(id);
        }
        Some(delivery)
    }

    /// The head, and all behind it, is left to whoever reads the partition next; returns what was dropped.
    pub(crate) fn abandon(&mut self, id: LaneId) -> Vec<T> {
        let lane = self.remove(id);
        lane.into_iter().flat_map(|lane| lane.queue).map(|(_, delivery)| delivery).collect()
    }

    /// Gives up all that a partition has here, also what is at work or waiting; returns what was dropped.
    pub(crate) fn drop_partition(&mut self, partition: PartitionIndex) -> Vec<T> {
        self.drop_lanes(|lane| lane.partition == partition)
    }

    /// Gives up what a partition has here and is not at work, also what stands behind a head that is; returns what was
    /// dropped.
    pub(crate) fn drop_idle(&mut self, partition: PartitionIndex) -> Vec<T> {
        let mut dropped = self.drop_lanes(|lane| lane.partition == partition && lane.head != Head::AtWork);
        for lane in self.lanes.values_mut().filter(|lane| lane.partition == partition) {
            dropped.extend(lane.queue.drain(1..).map(|(_, delivery)| delivery));
        }
        dropped
    }

    /// How many lanes of this partition are at work.
    pub(crate) fn at_work(&self, partition: PartitionIndex) -> usize {
        let is_at_work = |lane: &&Lane<T>| lane.partition == partition && lane.head == Head::AtWork;
        self.lanes.values().filter(is_at_work).count()
    }

    /// Deliveries in lanes whose head waits.
    pub(crate) fn blocked(&self) -> usize {
        let is_waiting = |lane: &&Lane<T>| matches!(lane.head, Head::Waiting(_));
        self.lanes.values().filter(is_waiting).map(|lane| lane.queue.len()).sum()
    }

    /// Deliveries in this lane.
    pub(crate) fn length(&self, id: LaneId) -> usize {
        self.lanes.get(&id).map_or(0, |lane| lane.queue.len())
    }

    /// Lanes there are.
    pub(crate) fn len(&self) -> usize {
        self.lanes.len()
    }

    /// Lanes whose head waits.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting_count
    }

    /// Is this the sequence of a head that may go?
    fn is_ready(&self, id: LaneId, sequence: u64) -> bool {
        let is_head = |lane: &Lane<T>| lane.queue.front().is_some_and(|(of_head, _)| *of_head == sequence);
        self.lanes.get(&id).is_some_and(|lane| lane.head == Head::Ready && is_head(lane))
    }

    fn drop_lanes(&mut self, goes: impl Fn(&Lane<T>) -> bool) -> Vec<T> {
        let gone: Vec<LaneId> = self.lanes.iter().filter(|(_, lane)| goes(lane)).map(|(id, _)| *id).collect();
        let mut dropped = Vec::new();
        for id in gone {
            if let Some(lane) = self.remove(id) {
                dropped.extend(lane.queue.into_iter().map(|(_, delivery)| delivery));
            }
        }
        dropped
    }

    fn remove(&mut self, id: LaneId) -> Option<Lane<T>> {
        let lane = self.lanes.remove(&id)?;
        if matches!(lane.head, Head::Waiting(_)) {
            self.waiting_count -= 1;
        }
        if let Some(key) = &lane.key {
            self.by_key.remove(&(lane.partition, key.clone()));
        }
        Some(lane)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn key(text: &'static str) -> Option<Bytes> {
        Some(Bytes::from_static(text.as_bytes()))
    }

    fn started(lanes: &mut Lanes<u64>) -> Option<(LaneId, u64)> {
        let (id, _) = lanes.next()?;
        Some((id, *lanes.start(id)?))
    }

    fn lanes(deliveries: &[(u32, &'static str)]) -> Lanes<u64> {
        let mut lanes = Lanes::default();
        for (sequence, (partition, name)) in (0..).zip(deliveries) {
            lanes.push(*partition, key(name), sequence, sequence);
        }
        lanes
    }

    #[test]
    fn a_key_waits_for_its_own_and_passes_others() {
        let mut lanes = lanes(&[(0, "a"), (0, "a"), (0, "b")]);
        let (a, first) = started(&mut lanes).unwrap();
        let (b, second) = started(&mut lanes).unwrap();
        assert_eq!((first, second), (0, 2));
        assert!(started(&mut lanes).is_none());
        assert_eq!(lanes.finish(b), Some(2));
        assert_eq!(lanes.finish(a), Some(0));
        assert_eq!(started(&mut lanes).map(|(_, delivery)| delivery), Some(1));
    }

    #[test]
    fn a_waiting_head_holds_its_lane_until_its_time() {
        let mut lanes = lanes(&[(0, "a"), (0, "a")]);
        let (a, _) = started(&mut lanes).unwrap();
        let start = Instant::now();
        let until = start + Duration::from_secs(5);
        lanes.wait(a, until);
        assert_eq!((lanes.next_wake(), lanes.waiting()), (Some(until), 1));
        lanes.wake(start);
        assert!(started(&mut lanes).is_none());
        lanes.wake(until);
        assert_eq!(lanes.waiting(), 0);
        assert_eq!(started(&mut lanes).map(|(_, delivery)| delivery), Some(0));
    }

    #[test]
    fn a_probe_is_another_head_where_there_is_one() {
        let mut lanes = lanes(&[(0, "a"), (0, "b"), (0, "c")]);
        assert_eq!(lanes.newest_but(|_| false).map(|(_, sequence)| sequence), Some(2));
        assert_eq!(lanes.newest_but(|sequence| sequence == 2).map(|(_, sequence)| sequence), Some(1));
        assert_eq!(lanes.newest_but(|_| true).map(|(_, sequence)| sequence), Some(0));
    }

    #[test]
    fn a_called_head_waits_no_longer() {
        let mut lanes = lanes(&[(0, "a"), (0, "b")]);
        let until = Instant::now() + Duration::from_secs(60);
        for _ in 0..2 {
            let (id, _) = started(&mut lanes).unwrap();
            lanes.wait(id, until);
        }
        lanes.call(|delivery| *delivery == 1);
        assert_eq!(lanes.waiting(), 1);
        assert_eq!(started(&mut lanes).map(|(_, delivery)| delivery), Some(1));
        assert!(started(&mut lanes).is_none());
    }

    #[test]
    fn a_waiting_head_that_is_taken_to_work_is_not_woken() {
        let mut lanes = lanes(&[(0, "a"), (0, "a"), (0, "b")]);
        let now = Instant::now();
        for _ in 0..2 {
            let (id, _) = started(&mut lanes).unwrap();
            lanes.wait(id, now);
        }
        assert_eq!((lanes.blocked(), lanes.waiting()), (3, 2));
        let taken = lanes.start_waiting(|delivery| *delivery == 0);
        assert_eq!((taken.len(), lanes.blocked(), lanes.waiting(), lanes.length(taken[0])), (1, 1, 1, 2));
        lanes.wake(now);
        assert_eq!(started(&mut lanes).map(|(_, delivery)| delivery), Some(2));
        assert!(started(&mut lanes).is_none());
        assert_eq!(lanes.finish(taken[0]), Some(0));
    }

    #[test]
    fn a_head_that_was_ready_may_be_made_to_wait() {
        let mut lanes = lanes(&[(0, "a"), (0, "a")]);
        let (id, _) = started(&mut lanes).unwrap();
        lanes.finish(id);
        let until = Instant::now() + Duration::from_secs(1);
        lanes.wait(id, until);
        assert!(started(&mut lanes).is_none());
        lanes.wake(until);
        assert_eq!(started(&mut lanes).map(|(_, delivery)| delivery), Some(1));
        assert!(started(&mut lanes).is_none());
    }

    #[test]
    fn what_waited_while_it_was_ready_does_not_name_the_one_behind_it() {
        let mut lanes = lanes(&[(0, "a"), (0, "a")]);
        let (id, _) = lanes.next().unwrap();
        let now = Instant::now();
        lanes.wait(id, now);
        lanes.wait(id, now);
        assert_eq!(lanes.waiting(), 1);
        lanes.wake(now);
        assert_eq!(lanes.waiting(), 0);
        let (id, _) = started(&mut lanes).unwrap();
        lanes.finish(id);
        assert_eq!(lanes.next(), Some((id, 1)));
        assert_eq!(lanes.newest_but(|_| false), Some((id, 1)));
        assert_eq!(lanes.abandon(id), [1]);
    }

    #[test]
    fn without_a_key_nothing_waits() {
        let mut lanes = Lanes::default();
        lanes.push(0, None, 0, 0);
        lanes.push(0, None, 1, 1);
        assert!(started(&mut lanes).is_some() && started(&mut lanes).is_some());
    }

    #[test]
    fn the_same_key_of_two_partitions_is_two_lanes() {
        let mut lanes = lanes(&[(0, "a"), (1, "a")]);
        let (first, _) = started(&mut lanes).unwrap();
        let (second, _) = started(&mut lanes).unwrap();
        assert_eq!(lanes.drop_partition(0), [0]);
        assert_eq!(lanes.finish(first), None);
        assert_eq!(lanes.finish(second), Some(1));
        assert_eq!(lanes.len(), 0);
    }

    #[test]
    fn dropping_the_idle_keeps_what_is_at_work() {
        let mut lanes = lanes(&[(0, "a"), (0, "a"), (0, "b")]);
        let (a, _) = started(&mut lanes).unwrap();
        let mut dropped = lanes.drop_idle(0);
        dropped.sort_unstable();
        assert_eq!(dropped, [1, 2]);
        assert_eq!(lanes.at_work(0), 1);
        assert_eq!(lanes.finish(a), Some(0));
        assert_eq!(lanes.at_work(0), 0);
    }

    /// Lanes under any order of starting, retrying and finishing.
    #[derive(Default)]
    struct Play {
        lanes: Lanes<(u8, usize)>,
        at_work: Vec<(LaneId, (u8, usize))>,
        finished: Vec<(u8, usize)>,
    }

    impl Play {
        fn start(&mut self, now: Instant) {
            self.lanes.wake(now);
            let ready = || self.lanes.lanes.values().filter(|lane| lane.head == Head::Ready);
            let sequences = || ready().filter_map(|lane| lane.queue.front().map(|(sequence, _)| *sequence));
            let (oldest, newest) = (sequences().min(), sequences().max());
            assert_eq!(self.lanes.newest_but(|_| false).map(|(_, sequence)| sequence), newest);
            let next = self.lanes.next();
            assert_eq!(next.map(|(_, sequence)| sequence), oldest);
            let Some((id, _)) = next else { return };
            let delivery = *self.lanes.start(id).expect("a ready lane has a head");
            self.at_work.push((id, delivery));
        }

        fn end(&mut self, index: usize, retry_at: Option<Instant>) {
            let (id, delivery) = self.at_work.swap_remove(index % self.at_work.len());
            match retry_at {
                Some(until) => self.lanes.wait(id, until),
                None => {
                    assert_eq!(self.lanes.finish(id), Some(delivery));
                    self.finished.push(delivery);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn order_by_key_holds_the_oldest_is_first_and_nothing_is_lost(
            keys in prop::collection::vec(0_u8..5, 1..60),
            moves in prop::collection::vec((0_usize..100, 0_u8..4), 0..300),
        ) {
            let now = Instant::now();
            let mut play = Play::default();
            let mut coming = keys.iter().enumerate();
            let mut come = |play: &mut Play| {
                let Some((sequence, key)) = coming.next() else { return false };
                play.lanes.push(0, Some(Bytes::copy_from_slice(&[*key])), sequence as u64, (*key, sequence));
                true
            };
            for (index, choice) in moves {
                match choice {
                    3 => {
                        come(&mut play);
                    }
                    _ if play.at_work.is_empty() => play.start(now),
                    0 => play.start(now),
                    1 => play.end(index, Some(now)),
                    _ => play.end(index, None),
                }
            }
            while come(&mut play) {}
            while play.lanes.len() > 0 {
                play.start(now);
                play.end(0, None);
            }
            prop_assert_eq!(play.finished.len(), keys.len());
            for key in 0..5 {
                let order: Vec<usize> =
                    play.finished.iter().filter(|(of, _)| *of == key).map(|(_, sequence)| *sequence).collect();
                prop_assert!(order.is_sorted(), "key {} finished as {:?}", key, order);
            }
        }
    }
}
