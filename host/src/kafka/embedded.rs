//! An Apache Kafka in the host's own process, for the demo and for tests: librdkafka's mock cluster.
//!
//! In come topics, out goes an address that any client on this machine can use. What it cannot do:
//! - it keeps nothing, and of each partition at most 5 MiB and 100,000 records: the oldest are dropped without a word;
//! - it listens on loopback, on a port of its own choice;
//! - it knows no `CreateTopics` and no `DescribeGroups`, and shows aborted transactions to everyone;
//! - a new consumer group waits three seconds for members before its first assignment.
//!
//! The cluster may not move between threads, so a thread of its own holds it and takes orders.

use std::sync::mpsc;
use std::thread::JoinHandle;

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use super::client::{KafkaError, LibraryError};

/// A running broker. It stops, and forgets everything, when this is dropped.
#[derive(Debug)]
pub struct Embedded {
    bootstrap: String,
    orders: Option<mpsc::Sender<(Order, Done)>>,
    thread: Option<JoinHandle<()>>,
}

/// Requests that can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    Produce,
    Fetch,
    Metadata,
    FindCoordinator,
    JoinGroup,
    Heartbeat,
    OffsetCommit,
    OffsetFetch,
}

/// How a request fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failing {
    /// The broker closes the connection.
    Disconnected,
    /// `REQUEST_TIMED_OUT`
    TimedOut,
    /// `NOT_ENOUGH_REPLICAS`
    NotEnoughReplicas,
    /// `NOT_LEADER_OR_FOLLOWER`
    NotLeader,
    /// `MESSAGE_TOO_LARGE`
    MessageTooLarge,
    /// `TOPIC_AUTHORIZATION_FAILED`
    NotAuthorized,
    /// `COORDINATOR_NOT_AVAILABLE`
    CoordinatorUnavailable,
    /// `REBALANCE_IN_PROGRESS`
    Rebalancing,
    /// `ILLEGAL_GENERATION`
    IllegalGeneration,
}

enum Order {
    Fail(Request, Vec<Failing>),
    Down,
    Up,
}

/// Told when an order is carried out.
type Done = mpsc::SyncSender<()>;

type Cluster = MockCluster<'static, DefaultProducerContext>;

impl Embedded {
    /// Starts a broker with these topics and their numbers of partitions.
    ///
    /// A topic that is not named here appears with four partitions when someone produces to it.
    pub fn start(topics: &[(&str, i32)]) -> Result<Embedded, KafkaError> {
        let topics: Vec<(String, i32)> =
            topics.iter().map(|(topic, partitions)| ((*topic).to_owned(), *partitions)).collect();
        let (started, start) = mpsc::sync_channel(1);
        let (orders, inbox) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("embedded-broker".to_owned())
            .spawn(move || match cluster_of(&topics) {
                Ok(cluster) => {
                    // Nobody waits for an answer only if the caller is gone; then the orders end too.
                    let _ = started.send(Ok(cluster.bootstrap_servers()));
                    serve(&cluster, &inbox);
                }
                Err(error) => {
                    let _ = started.send(Err(error));
                }
            })
            .map_err(KafkaError::EmbeddedThread)?;
        let bootstrap = start
            .recv()
            .map_err(|_| KafkaError::Stopped)?
            .map_err(|error| KafkaError::Embedded(LibraryError::from(error)))?;
        Ok(Embedded { bootstrap, orders: Some(orders), thread: Some(thread) })
    }

    /// `host:port`
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Lets the next requests of this kind fail, each with one of `failures`, in order.
    pub fn fail(&self, request: Request, failures: &[Failing]) {
        self.order(Order::Fail(request, failures.to_vec()));
    }

    /// Closes all connections and accepts none.
    pub fn go_down(&self) {
        self.order(Order::Down);
    }

    /// Accepts connections again.
    pub fn come_up(&self) {
        self.order(Order::Up);
    }

    /// Returns when the order is carried out, so that the next request meets it.
    fn order(&self, order: Order) {
        let Some(orders) = &self.orders else { return };
        let (done, carried_out) = mpsc::sync_channel(1);
        if orders.send((order, done)).is_err() || carried_out.recv().is_err() {
            tracing::error!("the embedded broker's thread has ended");
        }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the embedded broker's thread panicked");
        }
    }
}

fn cluster_of(topics: &[(String, i32)]) -> Result<Cluster, rdkafka::error::KafkaError> {
    let cluster = MockCluster::new(1)?;
    for (topic, partitions) in topics {
        cluster.create_topic(topic, *partitions, 1)?;
    }
    Ok(cluster)
}

fn serve(cluster: &Cluster, orders: &mpsc::Receiver<(Order, Done)>) {
    const ALL_BROKERS: i32 = -1;
    for (order, done) in orders {
        let carried_out = match order {
            Order::Fail(request, failures) => {
                let failures: Vec<RDKafkaRespErr> = failures.into_iter().map(code).collect();
                cluster.request_errors(api_key(request), &failures);
                Ok(())
            }
            Order::Down => cluster.broker_down(ALL_BROKERS),
            Order::Up => cluster.broker_up(ALL_BROKERS),
        };
        if let Err(error) = carried_out {
            tracing::error!(%error, "the embedded broker refused an order");
        }
        // Who gave the order waits for this, or panicked.
        let _ = done.send(());
    }
}

fn api_key(request: Request) -> RDKafkaApiKey {
    match request {
        Request::Produce => RDKafkaApiKey::Produce,
        Request::Fetch => RDKafkaApiKey::Fetch,
        Request::Metadata => RDKafkaApiKey::Metadata,
        Request::FindCoordinator => RDKafkaApiKey::FindCoordinator,
        Request::JoinGroup => RDKafkaApiKey::JoinGroup,
        Request::Heartbeat => RDKafkaApiKey::Heartbeat,
        Request::OffsetCommit => RDKafkaApiKey::OffsetCommit,
        Request::OffsetFetch => RDKafkaApiKey::OffsetFetch,
    }
}

fn code(failing: Failing) -> RDKafkaRespErr {
    match failing {
        Failing::Disconnected => RDKafkaRespErr::RD_KAFKA_RESP_ERR__TRANSPORT,
        Failing::TimedOut => RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        Failing::NotEnoughReplicas => RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        Failing::NotLeader => RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        Failing::MessageTooLarge => RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
        Failing::NotAuthorized => RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
        Failing::CoordinatorUnavailable => RDKafkaRespErr::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
        Failing::Rebalancing => RDKafkaRespErr::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS,
        Failing::IllegalGeneration => RDKafkaRespErr::RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION,
    }
}
