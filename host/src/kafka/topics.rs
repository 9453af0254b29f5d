//! Are the brokers there, which topics have they, and make those that the host itself needs.
//!
//! In come names, out go numbers of partitions. librdkafka's look-ups block, so each runs on tokio's blocking threads.
//! A look-up never creates a topic.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError as Failure;
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

use super::client::{ClientKind, KafkaError, LibraryError, client_config};
use super::complaints::Complaints;
use crate::config;

/// For one look-up, and for a topic that was created to appear.
const LIMIT: Duration = Duration::from_secs(10);

/// A broker that starts may refuse at first: its users are read a moment later. What is refused for so long is refused.
const REFUSED: Duration = Duration::from_secs(4);

/// A connection for questions about topics.
pub struct Topics {
    lookups: Arc<BaseConsumer<Complaints>>,
    config: ClientConfig,
    bootstrap: String,
    embedded: bool,
}

impl Topics {
    /// Sets the connection up. Does not wait for a broker.
    pub fn new(settings: &config::Kafka, bootstrap: &str) -> Result<Topics, KafkaError> {
        let config = client_config(settings, bootstrap, ClientKind::Admin)?;
        // A client of the consumer kind does not create the topics that it asks for.
        let lookups = config
            .create_with_context(Complaints::new(&config))
            .map_err(|error| KafkaError::Settings(LibraryError::from(error)))?;
        Ok(Topics {
            lookups: Arc::new(lookups),
            config,
            bootstrap: bootstrap.to_owned(),
            embedded: settings.brokers == config::Brokers::Embedded,
        })
    }

    /// Waits until a broker answers; the error says why none did. What is refused for some seconds, such as a password,
    /// is not waited for any longer.
    pub async fn wait_for_brokers(&self, limit: Duration) -> Result<(), KafkaError> {
        let answered = self.ask(move |lookups| first_answer(lookups, limit)).await?;
        let bootstrap = self.bootstrap.clone();
        answered.map_err(|silence| match silence {
            Silence::Refused(refusal) => KafkaError::Refused { bootstrap, refusal },
            Silence::Unreachable(reason) => KafkaError::Unreachable { bootstrap, limit, reason },
        })
    }

    /// How many partitions the topic has; `None` if there is no such topic.
    pub async fn partitions_of(&self, topic: &str) -> Result<Option<i32>, KafkaError> {
        let name = topic.to_owned();
        let found = self.ask(move |lookups| partitions(lookups.client(), &name)).await?;
        found.map_err(|error| KafkaError::Lookup { topic: topic.to_owned(), source: error.into() })
    }

    /// The names of all topics that this client may see.
    pub async fn names(&self) -> Result<Vec<String>, KafkaError> {
        let found = self.ask(|lookups| {
            let metadata = lookups.fetch_metadata(None, LIMIT)?;
            Ok(metadata.topics().iter().map(|topic| topic.name().to_owned()).collect())
        });
        let failed = |error: Failure| KafkaError::Lookup { topic: "list".to_owned(), source: error.into() };
        found.await?.map_err(failed)
    }

    /// What a topic's setting is, its default too; `None` if there is no such setting.
    pub async fn config_of(&self, topic: &str, setting: &str) -> Result<Option<String>, KafkaError> {
        let failed = |error: Failure| KafkaError::Lookup { topic: topic.to_owned(), source: error.into() };
        let admin = self.admin().map_err(failed)?;
        let options = AdminOptions::new().request_timeout(Some(LIMIT));
        let asked = [ResourceSpecifier::Topic(topic)];
        let described = admin.describe_configs(&asked, &options).await.map_err(failed)?;
        let settings = described.into_iter().next().transpose();
        let settings = settings.map_err(|code| failed(Failure::AdminOp(code)))?;
        Ok(settings.and_then(|settings| settings.get(setting)?.value.clone()))
    }

    /// Creates the topic if it is missing, with the brokers' own replication factor, and waits until it is there.
    /// Gives the number of partitions that it has, which is another one than `partitions` if it was there before.
    ///
    /// `topic_config` is the topic's own configuration, such as `retention.ms`. The embedded broker takes neither
    /// that nor a number of partitions.
    pub async fn ensure(
        &self,
        topic: &str,
        partitions: i32,
        topic_config: &[(&str, &str)],
    ) -> Result<i32, KafkaError> {
        if let Some(partitions) = self.partitions_of(topic).await? {
            return Ok(partitions);
        }
        self.create(topic, partitions, topic_config)
            .await
            .map_err(|error| KafkaError::Create { topic: topic.to_owned(), source: error.into() })?;
        let mut looks = tokio::time::interval(Duration::from_millis(100));
        let until = Instant::now() + LIMIT;
        loop {
            looks.tick().await;
            if let Some(partitions) = self.partitions_of(topic).await? {
                return Ok(partitions);
            }
            if Instant::now() >= until {
                return Err(KafkaError::Invisible { topic: topic.to_owned(), limit: LIMIT });
            }
        }
    }

    fn admin(&self) -> Result<AdminClient<Complaints>, Failure> {
        self.config.create_with_context(Complaints::new(&self.config))
    }

    async fn create(&self, topic: &str, partitions: i32, config: &[(&str, &str)]) -> Result<(), Failure> {
        const BROKERS_DEFAULT: i32 = -1;
        let admin = self.admin()?;
        if self.embedded {
            // It knows no CreateTopics, and creates what a producer asks for.
            let name = topic.to_owned();
            let ask = move || admin.inner().fetch_metadata(Some(&name), LIMIT).map(drop);
            return tokio::task::spawn_blocking(ask).await.map_err(|_| Failure::Canceled)?;
        }
        let mut new = NewTopic::new(topic, partitions, TopicReplication::Fixed(BROKERS_DEFAULT));
        for (name, value) in config {
            new = new.set(name, value);
        }
        let options = AdminOptions::new().request_timeout(Some(LIMIT)).operation_timeout(Some(LIMIT));
        let created = admin.create_topics([&new], &options).await?;
        match created.into_iter().next() {
            None | Some(Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(()),
            Some(Err((_, code))) => Err(Failure::AdminOp(code)),
        }
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&BaseConsumer<Complaints>) -> T + Send + 'static,
    ) -> Result<T, KafkaError> {
        let lookups = Arc::clone(&self.lookups);
        tokio::task::spawn_blocking(move || question(&lookups)).await.map_err(|_| KafkaError::Stopped)
    }
}

impl std::fmt::Debug for Topics {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Topics").field("bootstrap", &self.bootstrap).finish_non_exhaustive()
    }
}

/// The number of partitions, with leaders or without; `None` if there is no such topic.
pub(super) fn partitions<C: ClientContext>(
    client: &rdkafka::client::Client<C>,
    topic: &str,
) -> Result<Option<i32>, Failure> {
    let metadata = client.fetch_metadata(Some(topic), LIMIT)?;
    let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
        return Ok(None);
    };
    match found.error() {
        None | Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE) => {
            let count = i32::try_from(found.partitions().len()).unwrap_or(i32::MAX);
            Ok((count > 0).then_some(count))
        }
        Some(
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
            | RDKafkaRespErr::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,
        ) => Ok(None),
        Some(error) => Err(Failure::MetadataFetch(error.into())),
    }
}

/// Why no broker has answered.
enum Silence {
    Refused(String),
    Unreachable(String),
}

/// Asks until a broker answers.
fn first_answer(lookups: &BaseConsumer<Complaints>, limit: Duration) -> Result<(), Silence> {
    const ONE_TRY: Duration = Duration::from_secs(1);
    let until = Instant::now() + limit;
    let mut refused_at = None;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let answer = lookups.fetch_metadata(None, left.min(ONE_TRY));
        // Lets the context hear why there is no connection.
        while lookups.poll(Duration::ZERO).is_some() {}
        let Err(error) = answer else { return Ok(()) };
        let last = lookups.context().last();
        match last {
            Some(last) if last.is_refusal => {
                let since: Instant = *refused_at.get_or_insert(last.at);
                if left.is_zero() || since.elapsed() >= REFUSED {
                    return Err(Silence::Refused(last.text));
                }
            }
            Some(_) | None if left.is_zero() => {
                return Err(Silence::Unreachable(last.map_or_else(|| error.to_string(), |last| last.text)));
            }
            Some(_) | None => {}
        }
        // A refused connection fails at once: wait for what librdkafka reports next, not for the clock.
        let _ = lookups.poll(left.min(Duration::from_millis(100)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::client::test_settings;
    use crate::kafka::embedded::Embedded;

    #[tokio::test]
    async fn a_topic_that_is_there_keeps_its_partitions() {
        let broker = Embedded::start(&[("events", 6)]).unwrap();
        let topics = Topics::new(&test_settings(&[]), broker.bootstrap()).unwrap();
        topics.wait_for_brokers(LIMIT).await.unwrap();
        assert_eq!(topics.partitions_of("events").await.unwrap(), Some(6));
        assert_eq!(topics.ensure("events", 1, &[]).await.unwrap(), 6);
    }

    #[tokio::test]
    async fn a_missing_topic_is_created_when_ensured_and_not_when_looked_up() {
        let broker = Embedded::start(&[]).unwrap();
        let topics = Topics::new(&test_settings(&[]), broker.bootstrap()).unwrap();
        for _ in 0..2 {
            assert_eq!(topics.partitions_of("letters").await.unwrap(), None);
        }
        let created = topics.ensure("letters", 1, &[("retention.ms", "-1")]).await.unwrap();
        assert_eq!(topics.partitions_of("letters").await.unwrap(), Some(created));
    }

    #[tokio::test]
    async fn brokers_that_are_not_there_are_reported_with_the_reason() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let topics = Topics::new(&test_settings(&[]), &address).unwrap();
        let error = topics.wait_for_brokers(Duration::from_millis(1500)).await.unwrap_err().to_string();
        for part in [&address, "within 1.5s", "Connection refused", "check `brokers` in [kafka]"] {
            assert!(error.contains(part), "{part} is not in: {error}");
        }
    }
}
