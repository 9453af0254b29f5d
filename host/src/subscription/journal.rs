//! The journal as its owner holds it: what the events of each partition were answered, and when an entry may go. Pure.
//!
//! The deliveries of a new partition start when its part of the journal's topic was read; what comes before is held. From
//! then on this is the truth and the topic only follows: nobody else writes for the partition in this term. What is in
//! memory counts against the subscription's bounds.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use super::lanes::PartitionIndex;
use crate::contract::TimestampMs;
use crate::journal::entry::Key;
use crate::journal::rounds::Recorded;
use crate::journal::store::Entries;
use crate::kafka::consumer::{Batch, Partition};
use crate::schema_registry::Schemas;

#[derive(Debug, Default)]
pub(crate) struct Journal {
    owned: HashMap<PartitionIndex, Owned>,
    bytes: usize,
    /// To be started.
    reads: Vec<Read>,
    /// Started or to be started.
    reading: usize,
    /// Came while something was being read.
    held: Vec<(Batch, Schemas)>,
    /// Entries that may go.
    removals: Vec<Key>,
}

/// A part of the topic to be read.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) partitions: Vec<(Partition, PartitionIndex)>,
    assigned_at: TimestampMs,
}

/// What was read, by partition.
pub(crate) type Found = HashMap<(Arc<str>, i32), Entries>;

/// What one delivery was answered, and whether the topic says so too.
#[derive(Debug, Clone)]
pub(crate) struct Journalled {
    pub(crate) recorded: Rc<Recorded>,
    pub(crate) is_written: bool,
    /// The sha256 of the plugin that asked; `None` where another process did.
    pub(crate) by: Option<[u8; 32]>,
}

impl Journalled {
    /// For a version that starts over where another one has asked for something else: what is there is written over before
    /// anything is asked for.
    pub(crate) fn anew(before: Option<Self>, after: Option<Self>) -> Option<Self> {
        let emptied = |found: Self| {
            let recorded = Recorded { rounds: Vec::new(), ..(*found.recorded).clone() };
            Self { recorded: Rc::new(recorded), ..found }
        };
        let found = before.or_else(|| after.map(emptied))?;
        Some(Self { is_written: false, ..found })
    }
}

/// Where one delivery is journalled, with what is there.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    pub(crate) key: Key,
    pub(crate) journalled: Option<Journalled>,
}

impl Slot {
    /// What was asked for and answered, if anything was.
    pub(crate) fn asked(&self) -> Option<&Journalled> {
        self.journalled.as_ref().filter(|found| !found.recorded.rounds.is_empty())
    }
}

#[derive(Debug)]
struct Owned {
    partition: Partition,
    term: TimestampMs,
    entries: BTreeMap<(i64, u32), Entry>,
}

#[derive(Debug)]
struct Entry {
    journalled: Journalled,
    /// Those under which the topic may hold it.
    terms: Vec<TimestampMs>,
}

impl Journal {
    /// These partitions are ours: their part of the topic is to be read.
    pub(crate) fn assigned(&mut self, partitions: Vec<(Partition, PartitionIndex)>, now: TimestampMs) {
        if !partitions.is_empty() {
            self.reading += 1;
            self.reads.push(Read { partitions, assigned_at: now });
        }
    }

    /// What is to be read; each comes back by [`read`](Self::read).
    pub(crate) fn take_reads(&mut self) -> Vec<Read> {
        std::mem::take(&mut self.reads)
    }

    /// Deliveries must not start.
    pub(crate) fn is_reading(&self) -> bool {
        self.reading > 0
    }

    /// Keeps what came too early.
    pub(crate) fn hold(&mut self, batch: Batch, schemas: Schemas) {
        self.held.push((batch, schemas));
    }

    /// Takes in what was read of the partitions that are still ours, and gives back what was held if that was all.
    pub(crate) fn read(
        &mut self,
        read: Read,
        mut found: Found,
        is_ours: impl Fn(&Partition, PartitionIndex) -> bool,
    ) -> Vec<(Batch, Schemas)> {
        self.reading -= 1;
        for (partition, number) in read.partitions {
            if is_ours(&partition, number) {
                let entries = found.remove(&(partition.topic.clone(), partition.number)).unwrap_or_default();
                self.own(partition, number, entries, read.assigned_at);
            }
        }
        if self.is_reading() { Vec::new() } else { std::mem::take(&mut self.held) }
    }

    fn own(
        &mut self,
        partition: Partition,
        number: PartitionIndex,
        mut found: Entries,
        assigned_at: TimestampMs,
    ) {
        found.sort_by_key(|(key, _)| key.term);
        let term = found.last().map_or(assigned_at, |(key, _)| assigned_at.max(key.term + 1));
        let mut entries: BTreeMap<_, Entry> = BTreeMap::new();
        for (key, recorded) in found {
            let mut terms = entries.remove(&(key.offset, key.part)).map_or(Vec::new(), |older| older.terms);
            terms.push(key.term);
            let journalled = Journalled { recorded: Rc::new(recorded), is_written: true, by: None };
            entries.insert((key.offset, key.part), Entry { journalled, terms });
        }
        self.bytes += entries.values().map(Entry::bytes).sum::<usize>();
        self.owned.insert(number, Owned { partition, term, entries });
    }

    /// Where a part of the event at this offset is journalled. `None` if the partition is not ours any more.
    pub(crate) fn slot(&self, number: PartitionIndex, offset: i64, part: u32) -> Option<Slot> {
        let owned = self.owned.get(&number)?;
        let journalled = owned.entries.get(&(offset, part)).map(|entry| entry.journalled.clone());
        Some(Slot { key: owned.key(offset, part, owned.term), journalled })
    }

    /// What a delivery was answered so far.
    pub(crate) fn keep(&mut self, number: PartitionIndex, offset: i64, part: u32, journalled: Journalled) {
        let Some(owned) = self.owned.get_mut(&number) else { return };
        let mut terms = Vec::new();
        if let Some(before) = owned.entries.remove(&(offset, part)) {
            self.bytes -= before.bytes();
            terms = before.terms;
        }
        // A write that failed may have arrived all the same.
        if !terms.contains(&owned.term) {
            terms.push(owned.term);
        }
        let entry = Entry { journalled, terms };
        self.bytes += entry.bytes();
        owned.entries.insert((offset, part), entry);
    }

    /// Kafka acknowledged this commit: what it covers will not come again.
    pub(crate) fn committed(&mut self, number: PartitionIndex, position: i64, settled: &[Range<i64>]) {
        let Some(owned) = self.owned.get_mut(&number) else { return };
        let above = owned.entries.split_off(&(position, 0));
        let below = std::mem::take(&mut owned.entries);
        let is_settled = |offset: i64| settled.iter().any(|range| range.contains(&offset));
        let (gone, left): (Vec<_>, Vec<_>) =
            above.into_iter().partition(|((offset, _), _)| is_settled(*offset));
        owned.entries.extend(left);
        for ((offset, part), entry) in below.into_iter().chain(gone) {
            self.bytes -= entry.bytes();
            self.removals.extend(entry.terms.iter().map(|term| owned.key(offset, part, *term)));
        }
    }

    /// Entries to be removed from the topic.
    pub(crate) fn take_removals(&mut self) -> Vec<Key> {
        std::mem::take(&mut self.removals)
    }

    /// The partition is ours no more; whoever has it next reads what we wrote.
    pub(crate) fn forget(&mut self, number: PartitionIndex) {
        if let Some(owned) = self.owned.remove(&number) {
            self.bytes -= owned.entries.values().map(Entry::bytes).sum::<usize>();
        }
    }

    /// The memory it takes, nearly.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Owned {
    fn key(&self, offset: i64, part: u32, term: TimestampMs) -> Key {
        let Partition { topic, number } = &self.partition;
        Key { topic: topic.clone(), partition: *number, offset, part, term }
    }
}

impl Entry {
    fn bytes(&self) -> usize {
        self.journalled.recorded.bytes() + size_of::<Self>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::rounds::tests::delivery;
    use crate::journal::rounds::{Answered, Arguments};

    fn partition() -> Partition {
        Partition { topic: "events".into(), number: 3 }
    }

    fn recorded(rounds: usize) -> Recorded {
        Recorded {
            idempotency_key: "key".into(),
            arguments: Arguments::of(&delivery(0, None)),
            rounds: vec![vec![Answered { asked: 7, reply: None }]; rounds],
        }
    }

    fn found(entries: &[(i64, u64, usize)]) -> Found {
        let entry = |(offset, term, rounds): &(i64, u64, usize)| {
            let key = Key { topic: "events".into(), partition: 3, offset: *offset, part: 0, term: *term };
            (key, recorded(*rounds))
        };
        HashMap::from([(("events".into(), 3), entries.iter().map(entry).collect())])
    }

    /// A journal that owns the partition as number 1 since 100.
    fn journal(entries: &[(i64, u64, usize)]) -> Journal {
        let mut journal = Journal::default();
        journal.assigned(vec![(partition(), 1)], 100);
        assert!(journal.is_reading());
        let read = journal.take_reads().remove(0);
        journal.read(read, found(entries), |_, number| number == 1);
        assert!(!journal.is_reading());
        journal
    }

    fn rounds(journal: &Journal, offset: i64) -> Option<usize> {
        journal.slot(1, offset, 0)?.journalled.map(|journalled| journalled.recorded.rounds.len())
    }

    fn removed(journal: &mut Journal) -> Vec<String> {
        let mut keys: Vec<_> = journal.take_removals().iter().map(Key::to_string).collect();
        keys.sort();
        keys
    }

    #[test]
    fn the_entry_of_the_latest_owner_counts_and_ours_is_later_than_all() {
        let journal = journal(&[(5, 90, 2), (5, 120, 1), (6, 80, 3)]);
        assert_eq!((rounds(&journal, 5), rounds(&journal, 6), rounds(&journal, 7)), (Some(1), Some(3), None));
        assert_eq!(journal.slot(1, 5, 0).unwrap().key.to_string(), "events/3/5/0/121");
        assert!(journal.slot(2, 5, 0).is_none());
    }

    #[test]
    fn an_entry_goes_with_all_its_terms_when_the_commit_covers_it() {
        let mut journal = journal(&[(5, 90, 2), (6, 80, 1), (8, 80, 1)]);
        let journalled =
            |rounds| Journalled { recorded: Rc::new(recorded(rounds)), is_written: true, by: None };
        journal.keep(1, 5, 0, journalled(3));
        journal.keep(1, 9, 0, journalled(1));
        assert_eq!(rounds(&journal, 5), Some(3));
        journal.committed(1, 5, &[8..9]);
        assert_eq!(removed(&mut journal), ["events/3/8/0/80"]);
        journal.committed(1, 9, &[]);
        assert_eq!(removed(&mut journal), ["events/3/5/0/100", "events/3/5/0/90", "events/3/6/0/80"]);
        assert_eq!((rounds(&journal, 5), rounds(&journal, 9)), (None, Some(1)));
        journal.committed(1, 10, &[]);
        assert_eq!((removed(&mut journal).len(), journal.bytes()), (1, 0));
    }

    #[test]
    fn what_comes_while_it_is_read_is_held() {
        let mut journal = journal(&[]);
        journal.assigned(Vec::new(), 200);
        assert!(!journal.is_reading());
        journal.assigned(vec![(partition(), 2)], 200);
        journal.assigned(vec![(partition(), 3)], 300);
        journal.hold(Batch { epoch: 1, records: Vec::new() }, Schemas::default());
        let mut reads = journal.take_reads();
        let (second, first) = (reads.remove(1), reads.remove(0));
        assert!(journal.read(second, found(&[(5, 90, 1)]), |_, number| number == 3).is_empty());
        assert_eq!(journal.read(first, found(&[(5, 90, 1)]), |_, number| number == 3).len(), 1);
        assert!(journal.slot(2, 5, 0).is_none() && journal.slot(3, 5, 0).is_some());
        journal.forget(3);
        assert_eq!(journal.bytes(), 0);
    }
}
