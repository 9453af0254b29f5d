//! What every Kafka client of the host shares: its settings and its errors.
//!
//! In comes the `[kafka]` configuration, out goes a `ClientConfig` to which a producer, a consumer or an admin client
//! adds its own. librdkafka logs through the `log` crate, filtered by its level, unless a context takes the lines, as
//! `complaints` does. Nothing here connects.

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};

pub(crate) use super::properties::ClientKind;
use super::security::secure;
use crate::config;
use crate::config::secret::SecretError;

/// What went wrong between the host and Kafka, beside producing.
#[derive(Debug, thiserror::Error)]
pub enum KafkaError {
    #[error("the Kafka client cannot be set up: {0}; check [kafka.security] and `properties` in [kafka]")]
    Settings(#[source] LibraryError),
    #[error("`{key}` in [kafka.security]: {source}")]
    Secret { key: &'static str, source: SecretError },
    #[error(
        "no certificate authority of this system could be read, so no broker can be trusted: {reason}; name one in \
         `ca-file` of [kafka.security]"
    )]
    NoAuthorities { reason: String },
    #[error(
        "no Kafka broker of {bootstrap} answered within {limit:?}: {reason}; check `brokers` in [kafka], and that \
         [kafka.security] matches the brokers' settings"
    )]
    Unreachable { bootstrap: String, limit: std::time::Duration, reason: String },
    #[error("Kafka at {bootstrap} cannot be used: {refusal}")]
    Refused { bootstrap: String, refusal: String },
    #[error("topic {topic} cannot be looked up: {source}")]
    Lookup { topic: String, source: LibraryError },
    #[error("topic {topic} cannot be created: {source}; create it by hand, or let this client create topics")]
    Create { topic: String, source: LibraryError },
    #[error("the settings of topics cannot be asked for: {source}")]
    Describe { source: LibraryError },
    #[error("topic {topic} was created, but did not appear within {limit:?}; look at the brokers' logs")]
    Invisible { topic: String, limit: std::time::Duration },
    #[error("topic {topic} cannot be read: {source}")]
    Read { topic: String, source: LibraryError },
    #[error("topic {topic} was not read to its end within {limit:?}: {records} records so far")]
    ReadTimedOut { topic: String, limit: std::time::Duration, records: u64 },
    #[error("the embedded broker cannot start: {0}")]
    Embedded(#[source] LibraryError),
    #[error("the embedded broker cannot start its thread: {0}")]
    EmbeddedThread(#[source] std::io::Error),
    #[error("the consumer's thread cannot be started: {0}")]
    Thread(#[source] std::io::Error),
    #[error("a task that waited for Kafka was stopped: the host is shutting down")]
    Stopped,
}

/// What librdkafka says, kept as a source without showing its type.
#[derive(Debug, Clone, thiserror::Error)]
#[error(transparent)]
pub struct LibraryError(#[from] rdkafka::error::KafkaError);

/// The settings of every client: the brokers, over the host's own settings those `properties` that mean something to
/// this kind of client, as they are, and how it is protected.
///
/// What a client sets afterwards wins over `properties`; [`set_defaults`] is for what should not.
pub(crate) fn client_config(
    settings: &config::Kafka,
    bootstrap: &str,
    kind: ClientKind,
) -> Result<ClientConfig, KafkaError> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("client.id", "liaison");
    for (name, value) in settings.properties.iter().filter(|(name, _)| kind.takes(name)) {
        config.set(name, value);
    }
    secure(&mut config, &settings.security)?;
    let verbose = settings.properties.contains_key("debug");
    config.set_log_level(if verbose { RDKafkaLogLevel::Debug } else { RDKafkaLogLevel::Info });
    Ok(config)
}

/// Sets each property that `config` does not have yet.
pub(crate) fn set_defaults(config: &mut ClientConfig, defaults: &[(&str, &str)]) {
    for (name, value) in defaults {
        if config.get(name).is_none() {
            config.set(*name, *value);
        }
    }
}

#[cfg(test)]
pub(crate) fn test_settings(properties: &[(&str, &str)]) -> config::Kafka {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    config::Kafka {
        properties: properties.iter().map(owned).collect(),
        start_timeout: std::time::Duration::from_secs(10),
        ..config::Kafka::new(config::Brokers::Embedded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_win_over_the_hosts_settings_and_defaults() {
        let settings = test_settings(&[("client.id", "mine"), ("linger.ms", "7")]);
        let mut config = client_config(&settings, "broker:9092", ClientKind::Producer).unwrap();
        set_defaults(&mut config, &[("linger.ms", "0"), ("acks", "all")]);
        assert_eq!(config.get("bootstrap.servers"), Some("broker:9092"));
        assert_eq!(config.get("client.id"), Some("mine"));
        assert_eq!(config.get("linger.ms"), Some("7"));
        assert_eq!(config.get("acks"), Some("all"));
    }

    #[test]
    fn the_log_level_does_not_follow_the_log_crate() {
        let level = |properties| {
            client_config(&test_settings(properties), "broker:9092", ClientKind::Admin).unwrap().log_level
        };
        assert!(matches!(level(&[]), RDKafkaLogLevel::Info));
        assert!(matches!(level(&[("debug", "broker")]), RDKafkaLogLevel::Debug));
    }
}
