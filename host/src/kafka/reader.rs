//! Reads a topic as it is now, from its beginning or from one record on, and ends; or follows it.
//!
//! In comes a topic, out goes each record to a closure, up to the ends that the partitions had at the start, or for as
//! long as the closure wants. It joins no consumer group, commits nothing and creates nothing. It blocks its thread:
//! call it from one that may wait.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError as Failure;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use super::client::{ClientKind, KafkaError, LibraryError, client_config};
use super::complaints::Complaints;
use super::record::record_from;
use super::topics::partitions;
use crate::config;
use crate::event::Record;

/// For one look-up of a partition's ends.
const WATERMARKS: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(100);

/// Where reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the oldest record of every partition.
    Beginning,
    /// At this offset of this partition, and nothing of the others.
    At { partition: i32, offset: i64 },
}

/// How reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// All of it was read.
    AtTheEnd { records: u64 },
    /// The closure wanted no more.
    Stopped { records: u64 },
    /// There is no such topic.
    NoSuchTopic,
}

/// Reads `topic`, each partition in order and the partitions in any, until `each` breaks or all is read.
///
/// Fails with [`KafkaError::ReadTimedOut`] when that takes longer than `limit`.
pub fn read_topic(
    settings: &config::Kafka,
    bootstrap: &str,
    topic: &str,
    start: Start,
    limit: Duration,
    mut each: impl FnMut(Record) -> ControlFlow<()>,
) -> Result<Ended, KafkaError> {
    let failed = |source: Failure| KafkaError::Read { topic: topic.to_owned(), source: source.into() };
    let until = Instant::now() + limit;
    let consumer = connect(settings, bootstrap)?;
    let Some(partitions) = partitions(consumer.client(), topic).map_err(failed)? else {
        return Ok(Ended::NoSuchTopic);
    };
    let spans = unread(&consumer, topic, partitions, start).map_err(failed)?;
    assign(&consumer, topic, &spans).map_err(failed)?;
    let (records, ended) = drain(&consumer, topic, spans, until, &mut each).map_err(failed)?;
    match ended {
        Drained::AtTheEnd => Ok(Ended::AtTheEnd { records }),
        Drained::Stopped => Ok(Ended::Stopped { records }),
        Drained::TimedOut => Err(KafkaError::ReadTimedOut { topic: topic.to_owned(), limit, records }),
    }
}

/// What happens while a topic is followed.
#[derive(Debug)]
pub enum Followed {
    Record(Record),
    /// All that was there at the start was handed out. Comes once.
    CaughtUp,
    /// Nothing has come for a moment.
    Idle,
}

/// Reads these partitions from these offsets on, each in order, until `each` breaks. No topic has nothing to follow.
pub fn follow_topic(
    settings: &config::Kafka,
    bootstrap: &str,
    topic: &str,
    starts: &BTreeMap<i32, i64>,
    mut each: impl FnMut(Followed) -> ControlFlow<()>,
) -> Result<(), KafkaError> {
    let failed = |source: Failure| KafkaError::Read { topic: topic.to_owned(), source: source.into() };
    let consumer = connect(settings, bootstrap)?;
    let exists = partitions(consumer.client(), topic).map_err(failed)?.is_some();
    let mut spans = Spans::new();
    for (partition, first) in starts.iter().filter(|_| exists) {
        let (low, high) = consumer.fetch_watermarks(topic, *partition, WATERMARKS).map_err(failed)?;
        spans.insert(*partition, *first.max(&low)..high);
    }
    assign(&consumer, topic, &spans).map_err(failed)?;
    spans.retain(|_, span| !span.is_empty());
    let name: Arc<str> = topic.into();
    let mut is_caught_up = false;
    loop {
        if spans.is_empty()
            && !std::mem::replace(&mut is_caught_up, true)
            && each(Followed::CaughtUp).is_break()
        {
            return Ok(());
        }
        let followed = match consumer.poll(POLL) {
            Some(Ok(message)) => {
                let is_last = |span: &std::ops::Range<i64>| message.offset() + 1 >= span.end;
                if spans.get(&message.partition()).is_some_and(is_last) {
                    spans.remove(&message.partition());
                }
                Followed::Record(record_from(&message, Arc::clone(&name)))
            }
            Some(Err(Failure::PartitionEOF(partition))) => {
                spans.remove(&partition);
                Followed::Idle
            }
            Some(Err(error)) if !is_passing(&error) => return Err(failed(error)),
            None | Some(Err(_)) => Followed::Idle,
        };
        if each(followed).is_break() {
            return Ok(());
        }
    }
}

enum Drained {
    AtTheEnd,
    Stopped,
    TimedOut,
}

/// The offsets to read of each partition that has any left.
type Spans = BTreeMap<i32, std::ops::Range<i64>>;

/// Hands out what is left of `spans`, and how many records that were.
fn drain(
    consumer: &BaseConsumer<Complaints>,
    topic: &str,
    mut spans: Spans,
    until: Instant,
    each: &mut impl FnMut(Record) -> ControlFlow<()>,
) -> Result<(u64, Drained), Failure> {
    let topic: Arc<str> = topic.into();
    let mut records = 0;
    while !spans.is_empty() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok((records, Drained::TimedOut));
        }
        let message = match consumer.poll(left.min(POLL)) {
            None => continue,
            // Told too when the last offsets hold no record: compaction and transactions leave gaps.
            Some(Err(Failure::PartitionEOF(partition))) => {
                spans.remove(&partition);
                continue;
            }
            Some(Err(error)) if is_passing(&error) => continue,
            Some(Err(error)) => return Err(error),
            Some(Ok(message)) => message,
        };
        let Some(span) = spans.get(&message.partition()) else {
            continue;
        };
        let (is_wanted, is_last) = (message.offset() < span.end, message.offset() + 1 >= span.end);
        if is_wanted {
            records += 1;
            if each(record_from(&message, Arc::clone(&topic))).is_break() {
                return Ok((records, Drained::Stopped));
            }
        }
        if is_last {
            spans.remove(&message.partition());
        }
    }
    Ok((records, Drained::AtTheEnd))
}

fn connect(settings: &config::Kafka, bootstrap: &str) -> Result<BaseConsumer<Complaints>, KafkaError> {
    let mut config = client_config(settings, bootstrap, ClientKind::Consumer)?;
    config
        // librdkafka wants a name, though partitions are assigned by hand and nothing is committed.
        .set("group.id", "liaison-reader")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        // Records that retention takes meanwhile are passed over.
        .set("auto.offset.reset", "earliest")
        .set("isolation.level", "read_committed")
        .remove("group.instance.id");
    let context = Complaints::new(&config);
    config.create_with_context(context).map_err(|error| KafkaError::Settings(LibraryError::from(error)))
}

fn unread(
    consumer: &BaseConsumer<Complaints>,
    topic: &str,
    partitions: i32,
    start: Start,
) -> Result<Spans, Failure> {
    let mut spans = Spans::new();
    for partition in 0..partitions {
        let first = match start {
            Start::Beginning => 0,
            Start::At { partition: wanted, offset } if wanted == partition => offset,
            Start::At { .. } => continue,
        };
        let (low, high) = consumer.fetch_watermarks(topic, partition, WATERMARKS)?;
        let span = first.max(low)..high;
        if !span.is_empty() {
            spans.insert(partition, span);
        }
    }
    Ok(spans)
}

fn assign(consumer: &BaseConsumer<Complaints>, topic: &str, spans: &Spans) -> Result<(), Failure> {
    let mut assignment = TopicPartitionList::with_capacity(spans.len());
    for (partition, span) in spans {
        assignment.add_partition_offset(topic, *partition, Offset::Offset(span.start))?;
    }
    consumer.assign(&assignment)
}

/// Does librdkafka go on by itself after this? Then only the limit ends the reading.
fn is_passing(error: &Failure) -> bool {
    use rdkafka::types::RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::BrokerTransportFailure
                | Code::AllBrokersDown
                | Code::Resolve
                | Code::OperationTimedOut
                | Code::RequestTimedOut
                | Code::LeaderNotAvailable
                | Code::NotLeaderForPartition
                | Code::NotCoordinator
                | Code::CoordinatorNotAvailable
                | Code::CoordinatorLoadInProgress
                // The reader's group is only a name: it needs no right to it.
                | Code::GroupAuthorizationFailed
        )
    )
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::kafka::client::test_settings;
    use crate::kafka::embedded::Embedded;
    use crate::kafka::producer::{Outgoing, Producer};

    const LIMIT: Duration = Duration::from_secs(20);

    async fn broker_with(topic: &str, partitions: i32, records: usize) -> Embedded {
        let broker = Embedded::start(&[(topic, partitions)]).unwrap();
        let producer = Producer::new(&test_settings(&[]), broker.bootstrap()).unwrap();
        for number in 0..records {
            let outgoing = Outgoing {
                topic: topic.to_owned(),
                partition: Some(i32::try_from(number).unwrap() % partitions),
                value: Some(Bytes::from(number.to_string())),
                ..Outgoing::default()
            };
            producer.send(outgoing).await.unwrap();
        }
        broker
    }

    fn read(broker: &Embedded, topic: &str, start: Start, most: usize) -> (Ended, Vec<(i32, i64, String)>) {
        let mut seen = Vec::new();
        let ended = read_topic(&test_settings(&[]), broker.bootstrap(), topic, start, LIMIT, |record| {
            let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
            seen.push((record.origin.partition, record.origin.offset, value));
            if seen.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        seen.sort();
        (ended.unwrap(), seen)
    }

    fn all_of(expected: &[(i32, i64, &str)]) -> Vec<(i32, i64, String)> {
        expected.iter().map(|(partition, offset, value)| (*partition, *offset, (*value).to_owned())).collect()
    }

    #[tokio::test]
    async fn every_record_of_every_partition_is_read_once_and_reading_ends() {
        let broker = broker_with("letters", 3, 5).await;
        let (ended, seen) = read(&broker, "letters", Start::Beginning, usize::MAX);
        assert_eq!(ended, Ended::AtTheEnd { records: 5 });
        assert_eq!(seen, all_of(&[(0, 0, "0"), (0, 1, "3"), (1, 0, "1"), (1, 1, "4"), (2, 0, "2")]));
    }

    #[tokio::test]
    async fn reading_from_one_record_leaves_out_what_is_before_it_and_beside_it() {
        let broker = broker_with("letters", 2, 6).await;
        let (ended, seen) = read(&broker, "letters", Start::At { partition: 1, offset: 1 }, usize::MAX);
        assert_eq!(ended, Ended::AtTheEnd { records: 2 });
        assert_eq!(seen, all_of(&[(1, 1, "3"), (1, 2, "5")]));
    }

    #[tokio::test]
    async fn a_topic_is_followed_past_its_end() {
        let broker = broker_with("letters", 2, 4).await;
        let bootstrap = broker.bootstrap();
        let producer = Producer::new(&test_settings(&[]), bootstrap).unwrap();
        let runtime = tokio::runtime::Handle::current();
        let mut seen = Vec::new();
        tokio::task::spawn_blocking({
            let bootstrap = bootstrap.to_owned();
            move || {
                let starts = BTreeMap::from([(1, 1)]);
                let followed =
                    follow_topic(&test_settings(&[]), &bootstrap, "letters", &starts, |followed| {
                        match followed {
                            Followed::Record(record) => seen.push(record.origin.offset),
                            Followed::CaughtUp => {
                                assert_eq!(seen, [1]);
                                let later = Outgoing {
                                    topic: "letters".to_owned(),
                                    partition: Some(1),
                                    ..Outgoing::default()
                                };
                                runtime.block_on(producer.send(later)).unwrap();
                            }
                            Followed::Idle => {}
                        }
                        if seen.len() < 2 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
                    });
                followed.unwrap();
                assert_eq!(seen, [1, 2]);
            }
        })
        .await
        .unwrap();
    }

    #[tokio::test]
    async fn the_reader_stops_when_told() {
        let broker = broker_with("letters", 1, 4).await;
        let (ended, seen) = read(&broker, "letters", Start::Beginning, 2);
        assert_eq!(ended, Ended::Stopped { records: 2 });
        assert_eq!(seen, all_of(&[(0, 0, "0"), (0, 1, "1")]));
    }

    #[tokio::test]
    async fn what_is_not_there_is_told_apart_from_what_is_empty() {
        let broker = broker_with("letters", 1, 1).await;
        let cases = [
            ("nothing", Start::Beginning, Ended::NoSuchTopic),
            ("letters", Start::At { partition: 0, offset: 9 }, Ended::AtTheEnd { records: 0 }),
            ("letters", Start::At { partition: 7, offset: 0 }, Ended::AtTheEnd { records: 0 }),
        ];
        for (topic, start, expected) in cases {
            assert_eq!(read(&broker, topic, start, usize::MAX), (expected, vec![]), "{topic} {start:?}");
        }
        // Asking did not create it.
        assert_eq!(read(&broker, "nothing", Start::Beginning, usize::MAX).0, Ended::NoSuchTopic);
    }
}
