//! Writes records to Kafka: dead letters, and what `emit` sends.
//!
//! In comes an [`Outgoing`] record, out goes where Kafka put it once every in-sync replica has it, or a
//! [`ProduceError`] whose class says what the caller can do. It never gives a record up silently and never retries
//! longer than librdkafka's `message.timeout.ms`: to try for ever is the caller's decision.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;
use tokio::sync::{Notify, oneshot};

use super::client::{ClientKind, KafkaError, LibraryError, client_config, set_defaults};
use super::complaints::{Complaints, log_error};
use crate::config;
use crate::contract::TimestampMs;
use crate::event::RecordHeader;

/// What `properties` may change.
const DEFAULTS: [(&str, &str); 6] = [
    ("linger.ms", "0"),
    // How long one record is tried. Short enough that an alert about failing writes is soon.
    ("message.timeout.ms", "30000"),
    // Same key, same partition as with Kafka's Java clients.
    ("partitioner", "murmur2_random"),
    // The broker decides what is too large: a record that it once took must fit with the headers of a dead letter.
    ("message.max.bytes", "67108864"),
    ("queue.buffering.max.messages", "10000"),
    ("queue.buffering.max.kbytes", "131072"),
];

/// How long a send waits for room at most before it looks again: librdkafka frees a record only after its
/// acknowledgement was told, so the last notification can come too early.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// One record to write.
#[derive(Debug, Clone, Default)]
pub struct Outgoing {
    pub topic: String,
    /// `None`: by the key, or any.
    pub partition: Option<i32>,
    pub key: Option<Bytes>,
    /// `None` is a tombstone.
    pub value: Option<Bytes>,
    pub headers: Vec<RecordHeader>,
    /// `None`: now.
    pub timestamp: Option<TimestampMs>,
}

/// Why a record was not written, as far as the producer knows.
#[derive(Debug, thiserror::Error)]
pub enum ProduceError {
    /// Trying again does not help: the topic's `max.message.bytes` is smaller.
    #[error(
        "a record of {bytes} bytes is too large for topic {topic}: {source}; raise its max.message.bytes"
    )]
    TooLarge { topic: String, bytes: usize, source: LibraryError },
    /// Trying again helps once the topic, or its partition, exists.
    #[error("topic {topic} has no place for the record: {source}; create the topic")]
    UnknownTopic { topic: String, source: LibraryError },
    /// Trying again helps once the access rules are mended.
    #[error("Kafka refuses to let this client write to topic {topic}: {source}; grant it WRITE on the topic")]
    NotAuthorized { topic: String, source: LibraryError },
    /// Trying again may help. Whether the record was written is unknown.
    #[error("writing to topic {topic} timed out: {source}; look at the brokers")]
    TimedOut { topic: String, source: LibraryError },
    /// Trying again may help: no leader, too few replicas, no connection.
    #[error("topic {topic} cannot be written now: {source}; look at the brokers")]
    Unavailable { topic: String, source: LibraryError },
    /// The producer could not go on. A new one has taken its place, so trying again may help.
    #[error("the Kafka producer failed for good at topic {topic}: {source}; a new one takes its place")]
    Fatal { topic: String, source: LibraryError },
    /// The producer was stopped first. Whether the record was written is unknown.
    #[error("the Kafka producer was stopped before topic {topic} had the record")]
    Stopped { topic: String },
    /// Anything else the broker or librdkafka says.
    #[error("a record for topic {topic} was refused: {source}")]
    Refused { topic: String, source: LibraryError },
}

/// A producer whose acknowledgements mean that every in-sync replica has the record.
pub struct Producer {
    config: ClientConfig,
    /// Replaced after a fatal error. Locked for as long as it takes to clone the pointer.
    inner: Mutex<Arc<Inner>>,
    room: Arc<Notify>,
    /// Held by what is sent alone.
    alone: tokio::sync::Mutex<()>,
}

type Inner = ThreadedProducer<Acknowledgements>;

/// A record in the local queue. Dropped, it is written all the same.
pub struct Queued<'a> {
    producer: &'a Producer,
    inner: Arc<Inner>,
    record: Outgoing,
    acknowledgement: oneshot::Receiver<Acknowledgement>,
}

impl Queued<'_> {
    /// Its partition and offset, when Kafka has acknowledged it.
    pub async fn acknowledged(self) -> Result<(i32, i64), ProduceError> {
        match self.acknowledgement.await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(error)) => Err(self.producer.failed(&self.inner, &self.record, error)),
            Err(_) => Err(ProduceError::Stopped { topic: self.record.topic }),
        }
    }
}

impl std::fmt::Debug for Queued<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Queued").field("topic", &self.record.topic).finish_non_exhaustive()
    }
}

impl Producer {
    /// Sets up the producer and its thread. Does not wait for a broker.
    pub fn new(settings: &config::Kafka, bootstrap: &str) -> Result<Producer, KafkaError> {
        let mut config = client_config(settings, bootstrap, ClientKind::Producer)?;
        set_defaults(&mut config, &DEFAULTS);
        // Over `properties` too: offsets are committed on the strength of these acknowledgements.
        config.set("acks", "all").set("enable.idempotence", "true");
        let room = Arc::new(Notify::new());
        let inner =
            create(&config, &room).map_err(|error| KafkaError::Settings(LibraryError::from(error)))?;
        Ok(Producer {
            config,
            inner: Mutex::new(Arc::new(inner)),
            room,
            alone: tokio::sync::Mutex::default(),
        })
    }

    /// Writes a record, and resolves to its partition and offset when Kafka has acknowledged it.
    ///
    /// Waits while the local queue is full. Dropping the future once the record is queued does not take it back.
    pub async fn send(&self, record: Outgoing) -> Result<(i32, i64), ProduceError> {
        self.queue(record).await?.acknowledged().await
    }

    /// Puts a record into the local queue, and resolves when it is there: what is queued one after another keeps its
    /// order within a partition.
    ///
    /// Waits while the queue is full.
    pub async fn queue(&self, record: Outgoing) -> Result<Queued<'_>, ProduceError> {
        let inner = self.inner();
        loop {
            let room = self.room.notified();
            match enqueue(&inner, &record) {
                Ok(acknowledgement) => {
                    return Ok(Queued { producer: self, inner, record, acknowledgement });
                }
                Err(error) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) => {
                    // Elapsed or notified: either way the next thing to do is to look again.
                    let _ = tokio::time::timeout(LOOK_AGAIN, room).await;
                }
                Err(error) => return Err(self.failed(&inner, &record, error)),
            }
        }
    }

    /// As [`Producer::send`], one at a time. Kafka refuses a batch as a whole, so what was sent with something too large
    /// was called too large too: sent like this, it is judged by itself.
    pub async fn send_alone(&self, record: Outgoing) -> Result<(i32, i64), ProduceError> {
        let _alone = self.alone.lock().await;
        self.send(record).await
    }

    /// Its class; a producer that cannot go on is replaced.
    fn failed(&self, inner: &Arc<Inner>, record: &Outgoing, error: Failure) -> ProduceError {
        let error = classify(record, error);
        if let ProduceError::Fatal { .. } = error {
            self.replace(inner);
        }
        error
    }

    /// Waits until all that was sent is acknowledged or has failed; `false` if that takes longer than `limit`.
    ///
    /// Blocks its thread. Dropping the producer throws away what is still unsent.
    #[must_use]
    pub fn flush(&self, limit: Duration) -> bool {
        self.inner().flush(limit).is_ok()
    }

    fn inner(&self) -> Arc<Inner> {
        Arc::clone(&self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts a new producer in the place of one that cannot go on, unless somebody has done so.
    fn replace(&self, failed: &Arc<Inner>) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&inner, failed) {
            return;
        }
        match create(&self.config, &self.room) {
            Ok(new) => *inner = Arc::new(new),
            Err(error) => tracing::error!(%error, "no new Kafka producer can be made"),
        }
    }
}

fn create(config: &ClientConfig, room: &Arc<Notify>) -> Result<Inner, Failure> {
    config
        .create_with_context(Acknowledgements { room: Arc::clone(room), complaints: Complaints::new(config) })
}

fn enqueue(inner: &Inner, record: &Outgoing) -> Result<oneshot::Receiver<Acknowledgement>, Failure> {
    let (acknowledge, acknowledgement) = oneshot::channel();
    let outgoing = BaseRecord {
        topic: &record.topic,
        partition: record.partition,
        payload: record.value.as_deref(),
        key: record.key.as_deref(),
        timestamp: record.timestamp.map(|millis| i64::try_from(millis).unwrap_or(i64::MAX)),
        headers: headers(&record.headers),
        delivery_opaque: Box::new(acknowledge),
    };
    inner.send(outgoing).map_err(|(error, _)| error)?;
    Ok(acknowledgement)
}

impl std::fmt::Debug for Producer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Producer").field("in_flight", &self.inner().in_flight_count()).finish()
    }
}

fn headers(headers: &[RecordHeader]) -> Option<OwnedHeaders> {
    if headers.is_empty() {
        return None;
    }
    let owned = OwnedHeaders::new_with_capacity(headers.len());
    Some(
        headers
            .iter()
            .fold(owned, |owned, (name, value)| owned.insert(Header { key: name, value: value.as_deref() })),
    )
}

type Failure = rdkafka::error::KafkaError;
type Acknowledgement = Result<(i32, i64), Failure>;

/// Tells each sender what came of its record, and those that wait for room that there may be some.
struct Acknowledgements {
    room: Arc<Notify>,
    complaints: Complaints,
}

impl ClientContext for Acknowledgements {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.complaints.line(level, facility, message);
    }

    fn error(&self, error: Failure, reason: &str) {
        log_error(&error, reason);
    }
}

impl ProducerContext for Acknowledgements {
    type DeliveryOpaque = Box<oneshot::Sender<Acknowledgement>>;

    fn delivery(&self, result: &DeliveryResult<'_>, acknowledge: Self::DeliveryOpaque) {
        let acknowledgement = match result {
            Ok(message) => Ok((message.partition(), message.offset())),
            Err((error, _)) => Err(error.clone()),
        };
        // A sender that stopped waiting does not want to know.
        let _ = acknowledge.send(acknowledgement);
        self.room.notify_waiters();
    }
}

/// librdkafka's codes are open-ended: what is not named here is `Refused`.
fn classify(record: &Outgoing, error: Failure) -> ProduceError {
    use RDKafkaErrorCode as Code;
    let topic = record.topic.clone();
    let code = error.rdkafka_error_code();
    let source = LibraryError::from(error);
    match code {
        Some(Code::MessageSizeTooLarge | Code::MessageBatchTooLarge) => {
            ProduceError::TooLarge { topic, bytes: size(record), source }
        }
        Some(
            Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition | Code::InvalidTopic,
        ) => ProduceError::UnknownTopic { topic, source },
        Some(
            Code::TopicAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::SaslAuthenticationFailed
            | Code::Authentication,
        ) => ProduceError::NotAuthorized { topic, source },
        Some(
            Code::MessageTimedOut | Code::OperationTimedOut | Code::RequestTimedOut | Code::TimedOutQueue,
        ) => ProduceError::TimedOut { topic, source },
        Some(
            Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::Resolve
            | Code::LeaderNotAvailable
            | Code::NotLeaderForPartition
            | Code::BrokerNotAvailable
            | Code::NotEnoughReplicas
            | Code::NotEnoughReplicasAfterAppend
            | Code::ISRInsufficient
            | Code::KafkaStorageError,
        ) => ProduceError::Unavailable { topic, source },
        Some(Code::Fatal) => ProduceError::Fatal { topic, source },
        Some(Code::PurgeQueue | Code::PurgeInflight | Code::BrokerDestroy) => ProduceError::Stopped { topic },
        Some(_) | None => ProduceError::Refused { topic, source },
    }
}

/// Key, value and headers together.
fn size(record: &Outgoing) -> usize {
    let length = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
    let headers = record.headers.iter().map(|(name, value)| name.len() + length(value));
    length(&record.key) + length(&record.value) + headers.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::client::test_settings;
    use crate::kafka::embedded::{Embedded, Failing, Request};

    fn outgoing(topic: &str, value: &'static [u8]) -> Outgoing {
        let value = Some(Bytes::from_static(value));
        Outgoing { topic: topic.to_owned(), value, ..Outgoing::default() }
    }

    fn start(properties: &[(&str, &str)]) -> (Embedded, Producer) {
        let broker = Embedded::start(&[("letters", 1)]).unwrap();
        let producer = Producer::new(&test_settings(properties), broker.bootstrap()).unwrap();
        (broker, producer)
    }

    #[tokio::test]
    async fn an_acknowledgement_says_where_the_record_is() {
        let (_broker, producer) = start(&[]);
        for offset in 0..3 {
            assert_eq!(producer.send(outgoing("letters", b"x")).await.unwrap(), (0, offset));
        }
    }

    #[tokio::test]
    async fn acknowledgements_and_idempotence_cannot_be_configured_away() {
        // librdkafka refuses the pair of acks=1 and enable.idempotence=true.
        let (_broker, producer) = start(&[("acks", "1"), ("enable.idempotence", "false")]);
        assert_eq!(producer.send(outgoing("letters", b"x")).await.unwrap(), (0, 0));
    }

    #[tokio::test]
    async fn a_full_queue_makes_the_sender_wait() {
        let (_broker, producer) = start(&[("queue.buffering.max.messages", "2")]);
        let sends: Vec<_> = (0..50).map(|_| producer.send(outgoing("letters", b"x"))).collect();
        let mut offsets = Vec::new();
        for place in futures_of(sends).await {
            offsets.push(place.unwrap().1);
        }
        offsets.sort_unstable();
        assert_eq!(offsets, (0..50).collect::<Vec<i64>>());
    }

    /// Polls all of them at the same time.
    async fn futures_of<T>(futures: Vec<impl Future<Output = T>>) -> Vec<T> {
        let mut futures: Vec<_> = futures.into_iter().map(Box::pin).collect();
        let mut done = Vec::new();
        std::future::poll_fn(move |context| {
            futures.retain_mut(|future| match future.as_mut().poll(context) {
                std::task::Poll::Ready(output) => {
                    done.push(output);
                    false
                }
                std::task::Poll::Pending => true,
            });
            if futures.is_empty() {
                std::task::Poll::Ready(std::mem::take(&mut done))
            } else {
                std::task::Poll::Pending
            }
        })
        .await
    }

    #[tokio::test]
    async fn a_passing_failure_of_the_broker_is_tried_again_without_a_duplicate() {
        let (broker, producer) = start(&[]);
        broker.fail(Request::Produce, &[Failing::NotLeader, Failing::Disconnected]);
        assert_eq!(producer.send(outgoing("letters", b"x")).await.unwrap(), (0, 0));
        assert_eq!(producer.send(outgoing("letters", b"x")).await.unwrap(), (0, 1));
    }

    #[tokio::test]
    async fn each_refusal_has_its_own_class() {
        let (broker, producer) = start(&[("message.max.bytes", "1000")]);
        let too_large = producer.send(outgoing("letters", &[b'x'; 2000])).await.unwrap_err();
        assert!(matches!(too_large, ProduceError::TooLarge { bytes: 2000, .. }), "{too_large}");

        broker.fail(Request::Produce, &[Failing::MessageTooLarge]);
        let too_large = producer.send(outgoing("letters", b"x")).await.unwrap_err();
        assert!(matches!(too_large, ProduceError::TooLarge { bytes: 1, .. }), "{too_large}");

        let nowhere = Outgoing { partition: Some(9), ..outgoing("letters", b"x") };
        let unknown = producer.send(nowhere).await.unwrap_err();
        assert!(matches!(unknown, ProduceError::UnknownTopic { .. }), "{unknown}");

        // The last: librdkafka holds a topic for forbidden until it asks again.
        broker.fail(Request::Produce, &[Failing::NotAuthorized]);
        let refused = producer.send(outgoing("letters", b"x")).await.unwrap_err();
        assert!(matches!(refused, ProduceError::NotAuthorized { .. }), "{refused}");
    }

    #[tokio::test]
    async fn a_broker_that_is_gone_ends_in_a_time_out() {
        let (broker, producer) = start(&[("message.timeout.ms", "500")]);
        broker.go_down();
        let error = producer.send(outgoing("letters", b"x")).await.unwrap_err();
        assert!(matches!(error, ProduceError::TimedOut { .. }), "{error}");
    }

    #[tokio::test]
    async fn flushing_waits_for_what_was_sent() {
        let (broker, producer) = start(&[]);
        let mut sent = Box::pin(producer.send(outgoing("letters", b"x")));
        let pending =
            std::future::poll_fn(|context| std::task::Poll::Ready(sent.as_mut().poll(context))).await;
        assert!(pending.is_pending());
        assert!(producer.flush(Duration::from_secs(10)));
        assert_eq!(sent.await.unwrap(), (0, 0));
        drop(broker);
    }
}
