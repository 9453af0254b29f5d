//! The topic of a journal: how it is made, how an entry is written and removed, and how all of it is read.
//!
//! A record's partition follows from its key, so all of one entry is in one partition, in order. Reading goes from the
//! beginning to the end as it is at the start; the topic is compacted and entries are short-lived, so that is little.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::entry::{EntryError, Key};
use super::rounds::Recorded;
use crate::config;
use crate::event::Record;
use crate::kafka::client::KafkaError;
use crate::kafka::producer::Outgoing;
use crate::kafka::reader::{Start, read_topic};

/// How a journal's topic is created: the latest entry of each key is kept. Small segments are compacted soon, and what
/// is removed stays readable as removed for longer than any reading takes.
pub(crate) const TOPIC_CONFIG: [(&str, &str); 6] = [
    ("cleanup.policy", "compact"),
    ("segment.bytes", "33554432"),
    ("segment.ms", "600000"),
    ("min.cleanable.dirty.ratio", "0.2"),
    ("delete.retention.ms", "3600000"),
    ("max.message.bytes", "8388608"),
];

/// How long one reading may take.
const READ_LIMIT: Duration = Duration::from_secs(60);

/// The entries of one partition of events, with the term of each.
pub(crate) type Entries = Vec<(Key, Recorded)>;

/// The record that writes an entry; without what it holds the one that removes it.
pub(crate) fn outgoing(topic: &str, key: &Key, recorded: Option<&Recorded>) -> Outgoing {
    Outgoing {
        topic: topic.to_owned(),
        key: Some(Bytes::from(key.to_string())),
        value: recorded.map(Recorded::to_json),
        ..Outgoing::default()
    }
}

/// Reads the journal of these partitions, on a thread made for it.
pub(crate) async fn read(
    settings: &config::Kafka,
    bootstrap: &str,
    topic: &str,
    partitions: Vec<(Arc<str>, i32)>,
) -> Result<HashMap<(Arc<str>, i32), Entries>, KafkaError> {
    let (settings, bootstrap, topic) = (settings.clone(), bootstrap.to_owned(), topic.to_owned());
    let (sender, answer) = oneshot::channel();
    thread::Builder::new()
        .name("journal".into())
        .spawn(move || {
            let mut collected = Collected { partitions, values: HashMap::new() };
            let read = read_topic(&settings, &bootstrap, &topic, Start::Beginning, READ_LIMIT, |record| {
                collected.add(&record);
                ControlFlow::Continue(())
            });
            // Nobody waits any more when the host shuts down.
            drop(sender.send(read.map(|_| collected.entries())));
        })
        .map_err(KafkaError::Thread)?;
    answer.await.map_err(|_| KafkaError::Stopped)?
}

/// The latest value of each key.
struct Collected {
    partitions: Vec<(Arc<str>, i32)>,
    values: HashMap<Bytes, (Key, Bytes)>,
}

impl Collected {
    fn add(&mut self, record: &Record) {
        let Some(text) = &record.key else { return };
        let Some(value) = &record.value else {
            self.values.remove(text);
            return;
        };
        match std::str::from_utf8(text).ok().and_then(|text| text.parse::<Key>().ok()) {
            Some(key) if self.wants(&key) => {
                self.values.insert(text.clone(), (key, value.clone()));
            }
            Some(_) => {}
            None => log_foreign(record, &EntryError::Key),
        }
    }

    fn wants(&self, key: &Key) -> bool {
        self.partitions.iter().any(|(topic, number)| *topic == key.topic && *number == key.partition)
    }

    fn entries(self) -> HashMap<(Arc<str>, i32), Entries> {
        let mut entries: HashMap<_, Entries> = HashMap::new();
        for (key, value) in self.values.into_values() {
            match Recorded::from_json(&value) {
                Ok(recorded) => {
                    let partition = (key.topic.clone(), key.partition);
                    entries.entry(partition).or_default().push((key, recorded));
                }
                Err(error) => tracing::error!(%key, %error, "an entry of the journal cannot be read"),
            }
        }
        entries
    }
}

fn log_foreign(record: &Record, error: &EntryError) {
    tracing::error!(record = %record.origin, %error, "a record of the journal's topic is no entry");
}

#[cfg(test)]
mod tests {
    use super::super::rounds::Arguments;
    use super::super::rounds::tests::delivery;
    use super::*;
    use crate::kafka::client::test_settings;
    use crate::kafka::embedded::Embedded;
    use crate::kafka::producer::Producer;

    fn key(topic: &str, offset: i64, term: u64) -> Key {
        Key { topic: topic.into(), partition: 0, offset, part: 0, term }
    }

    fn recorded(text: &str) -> Recorded {
        let arguments = Arguments::of(&delivery(0, None));
        Recorded { idempotency_key: text.to_owned(), arguments, rounds: Vec::new() }
    }

    #[tokio::test]
    async fn the_latest_of_each_key_is_read_for_the_partitions_asked_for() {
        let broker = Embedded::start(&[("journal", 3)]).unwrap();
        let settings = test_settings(&[]);
        let producer = Producer::new(&settings, broker.bootstrap()).unwrap();
        for (key, value) in [
            (key("events", 1, 5), Some("first")),
            (key("events", 1, 5), Some("second")),
            (key("events", 1, 6), Some("of a later owner")),
            (key("events", 2, 5), Some("removed")),
            (key("events", 2, 5), None),
            (key("others", 1, 5), Some("of another topic")),
        ] {
            let entry = value.map(recorded);
            producer.send(outgoing("journal", &key, entry.as_ref())).await.unwrap();
        }
        let foreign = Outgoing { key: Some("x".into()), value: Some("y".into()), ..Outgoing::default() };
        producer.send(Outgoing { topic: "journal".into(), ..foreign }).await.unwrap();

        let events: (Arc<str>, i32) = ("events".into(), 0);
        let read = read(&settings, broker.bootstrap(), "journal", vec![events.clone()]).await.unwrap();
        assert_eq!(read.len(), 1);
        let mut found: Vec<_> =
            read[&events].iter().map(|(key, entry)| (key.term, entry.idempotency_key.as_str())).collect();
        found.sort_unstable();
        assert_eq!(found, [(5, "second"), (6, "of a later owner")]);
    }
}
