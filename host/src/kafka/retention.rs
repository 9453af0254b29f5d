//! How long topics keep their records, as far as Kafka says.
//!
//! Asked by DescribeConfigs, which the embedded broker does not know and which access rules may refuse: then it is
//! unknown. Retention by size (`retention.bytes`) says nothing of time and is not looked at.

use std::collections::HashMap;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, ResourceSpecifier};

use super::client::{ClientKind, KafkaError, LibraryError, client_config};
use super::complaints::Complaints;
use crate::config;

const LIMIT: Duration = Duration::from_secs(10);

/// How long a topic keeps its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retention {
    /// At least this long.
    For(Duration),
    /// Nothing is deleted for its age.
    Endless,
    /// Kafka does not say, for this reason.
    Unknown(String),
}

/// By topic.
pub type Retentions = HashMap<String, Retention>;

/// What Kafka says of each of these topics now.
pub async fn of_topics(settings: &config::Kafka, bootstrap: &str, topics: &[&str]) -> Retentions {
    let described = match describe(settings, bootstrap, topics).await {
        Ok(described) => described,
        Err(error) => {
            let unknown = Retention::Unknown(error.to_string());
            return topics.iter().map(|topic| ((*topic).to_owned(), unknown.clone())).collect();
        }
    };
    topics.iter().zip(described).map(|(topic, retention)| ((*topic).to_owned(), retention)).collect()
}

async fn describe(
    settings: &config::Kafka,
    bootstrap: &str,
    topics: &[&str],
) -> Result<Vec<Retention>, KafkaError> {
    let config = client_config(settings, bootstrap, ClientKind::Admin)?;
    let admin: AdminClient<Complaints> = config
        .create_with_context(Complaints::new(&config))
        .map_err(|error| KafkaError::Settings(LibraryError::from(error)))?;
    let names: Vec<_> = topics.iter().map(|topic| ResourceSpecifier::Topic(topic)).collect();
    let options = AdminOptions::new().request_timeout(Some(LIMIT));
    let described = admin.describe_configs(&names, &options).await;
    let described = described.map_err(|source| KafkaError::Describe { source: source.into() })?;
    let retention = |described: Result<ConfigResource, _>| match described {
        Ok(resource) => {
            let value = |name| resource.get(name).and_then(|entry| entry.value.as_deref());
            retention(value("cleanup.policy"), value("retention.ms"))
        }
        Err(code) => Retention::Unknown(format!("{code}")),
    };
    Ok(described.into_iter().map(retention).collect())
}

fn retention(cleanup_policy: Option<&str>, retention_ms: Option<&str>) -> Retention {
    let (Some(policy), Some(retention_ms)) = (cleanup_policy, retention_ms) else {
        return Retention::Unknown("the brokers leave `cleanup.policy` or `retention.ms` out".to_owned());
    };
    if !policy.split(',').any(|policy| policy.trim() == "delete") {
        return Retention::Endless;
    }
    match retention_ms.parse::<i64>() {
        Ok(ms) => {
            u64::try_from(ms).map_or(Retention::Endless, |ms| Retention::For(Duration::from_millis(ms)))
        }
        Err(error) => Retention::Unknown(format!("`retention.ms` is `{retention_ms}`: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::client::test_settings;
    use crate::kafka::embedded::Embedded;

    #[test]
    fn a_topic_keeps_its_records_as_its_settings_say() {
        let week = Retention::For(Duration::from_secs(7 * 24 * 60 * 60));
        for (policy, ms, expected) in [
            ("delete", "604800000", week.clone()),
            ("compact,delete", "604800000", week),
            ("compact", "604800000", Retention::Endless),
            ("delete", "-1", Retention::Endless),
            ("delete", "0", Retention::For(Duration::ZERO)),
        ] {
            assert_eq!(retention(Some(policy), Some(ms)), expected, "{policy} {ms}");
        }
        assert!(matches!(retention(None, Some("1")), Retention::Unknown(_)));
        assert!(matches!(retention(Some("delete"), None), Retention::Unknown(_)));
        assert!(matches!(retention(Some("delete"), Some("long")), Retention::Unknown(_)));
    }

    #[tokio::test]
    async fn a_broker_that_does_not_say_leaves_it_unknown() {
        let broker = Embedded::start(&[("events", 1)]).unwrap();
        let found = of_topics(&test_settings(&[]), broker.bootstrap(), &["events", "others"]).await;
        assert_eq!(found.len(), 2);
        assert!(found.values().all(|found| matches!(found, Retention::Unknown(_))), "{found:?}");
    }
}
