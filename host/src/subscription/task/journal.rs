//! The task's part in the journal: what was read goes in, and what a commit covers goes out.

use super::Task;
use crate::journal::entry::Key;
use crate::kafka::consumer::Position;
use crate::subscription::journal::{Found, Journal, Read};
use crate::subscription::lanes::PartitionIndex;
use crate::subscription::metadata;

impl Task {
    /// Parts of the journal to be read; each comes back by [`journal_read`](Self::journal_read).
    pub(in crate::subscription) fn take_journal_reads(&mut self) -> Vec<Read> {
        self.journal.as_mut().map(Journal::take_reads).unwrap_or_default()
    }

    /// Entries to be removed from the journal's topic.
    pub(in crate::subscription) fn take_journal_removals(&mut self) -> Vec<Key> {
        self.journal.as_mut().map(Journal::take_removals).unwrap_or_default()
    }

    /// What new partitions left behind is known: their deliveries may start.
    pub(in crate::subscription) fn journal_read(&mut self, read: Read, found: Found) {
        let Some(journal) = &mut self.journal else { return };
        let partitions = &self.partitions;
        let held =
            journal.read(read, found, |partition, number| partitions.number(partition) == Some(number));
        held.into_iter().for_each(|(batch, schemas)| self.receive(batch, schemas));
    }

    pub(super) fn journal_committed(&mut self, positions: &[(PartitionIndex, &Position)]) {
        let Some(journal) = &mut self.journal else { return };
        for (number, Position { offset, metadata, .. }) in positions {
            journal.committed(*number, *offset, &metadata::decode(metadata, *offset));
        }
        self.witness.metrics.journal_bytes.set(i64::try_from(journal.bytes()).unwrap_or(i64::MAX));
    }
}
