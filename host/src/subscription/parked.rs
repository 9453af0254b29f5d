//! Events that wait in a delay topic: what stands beside the original there, and which topic it is. Pure.
//!
//! A parked record is the original with key, value and headers as they were, and our headers behind them: `liaison.parked`
//! says where it came from and what its delivery has behind it, `liaison.attempts` is the evidence as a dead letter has
//! it, `liaison.journal` what it was answered. So it is the same event with the same idempotency key when it comes back,
//! and what is spent stays spent.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::contract::TimestampMs;
use crate::dead_letter::{Attempts, header};
use crate::event::{Origin, Record};
use crate::journal::entry::EntryError;
use crate::journal::rounds::Recorded;
use crate::kafka::producer::Outgoing;

/// The first of our headers.
const PARKED: &str = "liaison.parked";
const JOURNAL: &str = "liaison.journal";
/// Attempts that may have been the external system's fault, and are told apart.
pub(crate) const MAX_DOUBTFUL: usize = 64;

/// What outlives the memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Parked {
    /// Where the original was read.
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    /// When the original was written.
    pub(crate) timestamp: Option<TimestampMs>,
    /// When the next attempt is wanted.
    pub(crate) not_before: TimestampMs,
    pub(crate) first_seen_at: TimestampMs,
    pub(crate) first_attempt_at: TimestampMs,
    pub(crate) first_failure_at: Option<TimestampMs>,
    /// Attempts that count for good, and faults among them.
    pub(crate) attempts: u32,
    /// When those failed that are given back if the external system turns out to have been down; [`MAX_DOUBTFUL`] at
    /// most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) doubtful: Vec<TimestampMs>,
    pub(crate) faults: u32,
    /// Parts that are delivered.
    pub(crate) part: u32,
    /// It was told that its deadline is missed.
    pub(crate) is_late: bool,
}

/// What a parked record brings with it beside the original.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) parked: Parked,
    pub(crate) evidence: Attempts,
    pub(crate) journal: Option<Recorded>,
}

/// Why a record of a delay topic was not parked by us.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error(
        "the record was not parked by this host: it has no header {PARKED}; nobody else may write to this topic"
    )]
    Foreign,
    #[error("the parked record's own headers cannot be read: {0}")]
    Broken(#[from] serde_json::Error),
    #[error("what the parked record was answered cannot be read: {0}")]
    Journal(#[from] EntryError),
}

/// The record to be parked.
pub(crate) fn seal(
    topic: &str,
    record: &Record,
    parked: &Parked,
    evidence: &Attempts,
    journal: Option<&Recorded>,
) -> Outgoing {
    let json = serde_json::to_vec(parked).expect("text and numbers can always be written as JSON");
    let mut headers = record.headers.clone();
    headers.push((PARKED.into(), Some(json.into())));
    headers.push((header::ATTEMPTS.into(), Some(evidence.to_json().into())));
    if let Some(journal) = journal {
        headers.push((JOURNAL.into(), Some(journal.to_json())));
    }
    let (key, value) = (record.key.clone(), record.value.clone());
    // Its time is now: that is what it waits from.
    Outgoing { topic: topic.to_owned(), partition: None, key, value, headers, timestamp: None }
}

/// Makes a record that [`seal`] made the original again. After an error it is as it was.
pub(crate) fn open(record: &mut Record) -> Result<Opened, OpenError> {
    let first = record.headers.iter().rposition(|(name, _)| name == PARKED).ok_or(OpenError::Foreign)?;
    let ours = &record.headers[first..];
    let value = |wanted: &str| {
        let found = ours.iter().find(|(name, _)| name == wanted);
        found.and_then(|(_, value)| value.as_deref())
    };
    let mut parked: Parked = serde_json::from_slice(value(PARKED).unwrap_or_default())?;
    parked.doubtful.truncate(MAX_DOUBTFUL);
    let evidence = Attempts::from_json(value(header::ATTEMPTS).unwrap_or_default())?;
    let journal = value(JOURNAL).map(Recorded::from_json).transpose()?;
    record.headers.truncate(first);
    record.timestamp = parked.timestamp;
    let (topic, partition, offset) = (parked.topic.as_str().into(), parked.partition, parked.offset);
    record.origin = Origin { topic, partition, offset };
    Ok(Opened { parked, evidence, journal })
}

/// The topic of the original, if this is a record that [`seal`] made.
pub(crate) fn topic_of(record: &Record) -> Option<String> {
    #[derive(Deserialize)]
    struct Original {
        topic: String,
    }
    let (_, value) = record.headers.iter().rfind(|(name, _)| name == PARKED)?;
    let original: Original = serde_json::from_slice(value.as_deref()?).ok()?;
    Some(original.topic)
}

/// Where to wait that long, of these topics with their delays, shortest first: the longest delay that ends no later, so
/// that what waits for longer goes from topic to topic; else the shortest.
pub(crate) fn topic_for(topics: &[(String, Duration)], wait: Duration) -> Option<&str> {
    let fitting = topics.iter().rev().find(|(_, delay)| *delay <= wait);
    fitting.or(topics.first()).map(|(topic, _)| topic.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parked() -> Parked {
        Parked {
            topic: "policy-events".into(),
            partition: 3,
            offset: 42,
            timestamp: Some(1_700_000_000_000),
            not_before: 1_700_000_060_000,
            first_seen_at: 1,
            first_attempt_at: 2,
            first_failure_at: Some(3),
            attempts: 4,
            doubtful: vec![5, 6],
            faults: 1,
            part: 2,
            is_late: true,
        }
    }

    fn original() -> Record {
        Record {
            origin: Origin { topic: "policy-events".into(), partition: 3, offset: 42 },
            timestamp: Some(1_700_000_000_000),
            key: Some("policy-7".into()),
            value: None,
            headers: vec![
                ("ce_id".into(), Some("e-1".into())),
                // Of its own, whatever its name.
                (header::ATTEMPTS.into(), None),
                (PARKED.into(), Some("x".into())),
            ],
        }
    }

    fn as_read(outgoing: Outgoing) -> Record {
        Record {
            origin: Origin { topic: outgoing.topic.as_str().into(), partition: 0, offset: 9 },
            timestamp: Some(1_700_000_003_000),
            key: outgoing.key,
            value: outgoing.value,
            headers: outgoing.headers,
        }
    }

    #[test]
    fn the_original_comes_back_as_it_was_with_what_its_delivery_has_behind_it() {
        let mut evidence = Attempts::default();
        evidence.push(5, Duration::from_millis(3), "retry", "503");
        let mut record = as_read(seal("g.delay.1m", &original(), &parked(), &evidence, None));
        assert_eq!(topic_of(&record).as_deref(), Some("policy-events"));
        let opened = open(&mut record).unwrap();
        assert_eq!(format!("{record:?}"), format!("{:?}", original()));
        assert_eq!((opened.parked, opened.evidence), (parked(), evidence));
        assert!(opened.journal.is_none());
    }

    #[test]
    fn what_others_wrote_stays_as_it_was() {
        let mut record = original();
        assert_eq!(topic_of(&record), None);
        assert!(matches!(open(&mut record), Err(OpenError::Broken(_))));
        assert_eq!(format!("{record:?}"), format!("{:?}", original()));
        record.headers.pop();
        assert!(matches!(open(&mut record), Err(OpenError::Foreign)));
    }

    #[test]
    fn nothing_waits_for_longer_than_it_wants_where_there_is_a_topic_for_it() {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        let topics = [("1m".to_owned(), minutes(1)), ("10m".into(), minutes(10)), ("1h".into(), minutes(60))];
        for (wait, expected) in [(0, "1m"), (1, "1m"), (9, "1m"), (10, "10m"), (59, "10m"), (600, "1h")] {
            assert_eq!(topic_for(&topics, minutes(wait)), Some(expected), "{wait}");
        }
        assert_eq!(topic_for(&[], minutes(1)), None);
    }
}
