//! Delay topics on the consumer thread: their records are handed out when they are due, and not before.
//!
//! All records of one topic wait for the same time, so the first that is not due speaks for its whole partition: it
//! stays here, the partition is paused, and librdkafka throws away what it has fetched behind it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::Partition;
use crate::contract::TimestampMs;
use crate::event::Record;

#[derive(Debug, Default)]
pub(super) struct Delays {
    by_topic: HashMap<String, Duration>,
    /// One a paused partition, with when it is due.
    waiting: HashMap<Partition, (TimestampMs, Record)>,
}

/// What is done with a record that was read.
#[derive(Debug)]
pub(super) enum Read {
    HandOut(Record),
    /// It stays here, and its partition is to be paused.
    Pause(Partition),
}

impl Delays {
    pub(super) fn new(by_topic: HashMap<String, Duration>) -> Self {
        Self { by_topic, waiting: HashMap::new() }
    }

    /// `now` is asked for only where a record may not be due.
    pub(super) fn read(&mut self, record: Record, now: impl FnOnce() -> TimestampMs) -> Read {
        let Some(delay) = self.by_topic.get(&*record.origin.topic) else { return Read::HandOut(record) };
        let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        let due = record.timestamp.unwrap_or_default().saturating_add(delay_ms);
        if due <= now() {
            return Read::HandOut(record);
        }
        let partition = Partition { topic: record.origin.topic.clone(), number: record.origin.partition };
        self.waiting.insert(partition.clone(), (due, record));
        Read::Pause(partition)
    }

    /// What is due by now, with the partitions that go on.
    pub(super) fn take_due(&mut self, now: TimestampMs) -> Vec<(Partition, Record)> {
        let due = self.waiting.extract_if(|_, (due, _)| *due <= now);
        due.map(|(partition, (_, record))| (partition, record)).collect()
    }

    pub(super) fn is_waiting(&self, partition: &Partition) -> bool {
        self.waiting.contains_key(partition)
    }

    /// These are no longer ours, or begin anew.
    pub(super) fn forget(&mut self, partitions: &HashSet<Partition>) {
        self.waiting.retain(|partition, _| !partitions.contains(partition));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Origin;

    fn record(topic: &str, partition: i32, timestamp: u64) -> Record {
        let origin = Origin { topic: topic.into(), partition, offset: 7 };
        Record { origin, timestamp: Some(timestamp), key: None, value: None, headers: Vec::new() }
    }

    fn partition(number: i32) -> Partition {
        Partition { topic: "delay".into(), number }
    }

    fn delays() -> Delays {
        Delays::new(HashMap::from([("delay".to_owned(), Duration::from_millis(100))]))
    }

    #[test]
    fn a_record_waits_for_its_time_and_its_partition_with_it() {
        let mut delays = delays();
        assert!(matches!(delays.read(record("events", 0, 1_000), || 1_000), Read::HandOut(_)));
        assert!(matches!(delays.read(record("delay", 0, 1_000), || 1_100), Read::HandOut(_)));
        assert!(
            matches!(delays.read(record("delay", 1, 1_001), || 1_100), Read::Pause(paused) if paused == partition(1))
        );
        assert!(delays.is_waiting(&partition(1)) && !delays.is_waiting(&partition(0)));
        assert!(delays.take_due(1_100).is_empty());
        let due = delays.take_due(1_101);
        assert_eq!(due.iter().map(|(partition, _)| partition.number).collect::<Vec<_>>(), [1]);
        assert!(!delays.is_waiting(&partition(1)));
    }

    #[test]
    fn what_is_no_longer_ours_is_forgotten() {
        let mut delays = delays();
        for number in 0..2 {
            assert!(matches!(delays.read(record("delay", number, 1_000), || 1_000), Read::Pause(_)));
        }
        delays.forget(&HashSet::from([partition(0)]));
        let due = delays.take_due(2_000);
        assert_eq!(due.iter().map(|(partition, _)| partition.number).collect::<Vec<_>>(), [1]);
    }
}
