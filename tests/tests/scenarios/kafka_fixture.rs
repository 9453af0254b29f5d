//! What the scenarios on real Kafka start with: a configuration, events in known places, and the proof of what became
//! of them.
//!
//! Each scenario has a topic of its own, and its groups and dead-letter topics are named after it.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use liaison::config::{Brokers, SubscriptionName};
use liaison::dead_letter::listing::{self, Listing};
use liaison::dead_letter::selection::Selection;
use liaison::dead_letter::store::Store;
use liaison::kafka::producer::Outgoing;
use liaison_tests::host::plugin;
use liaison_tests::kafka::{GroupOffset, Kafka};
use liaison_tests::produce::cloudevent;
use liaison_tests::proof;
use liaison_tests::system::{Entry, System};
use liaison_tests::wait;
use serde_json::json;

/// Long enough for anything that will happen at all, on a machine that does much else.
pub(crate) const LIMIT: Duration = Duration::from_secs(240);

/// The type of every event.
const KIND: &str = "policy.updated";

/// The configuration of one host.
pub(crate) struct Setup<'a> {
    /// The topic; groups and dead-letter topics begin with it.
    pub(crate) topic: &'a str,
    pub(crate) bootstrap: String,
    pub(crate) admin: SocketAddr,
    /// Subscriptions with the endpoint of their connectors, and more of `[connectors.NAME]`.
    pub(crate) subscriptions: Vec<(&'a str, String, &'a str)>,
    /// `[sla.default]`.
    pub(crate) sla: &'a str,
}

impl Setup<'_> {
    /// A member that is killed holds its partitions for as long as its session lasts: as short as brokers allow.
    pub(crate) fn text(&self) -> anyhow::Result<String> {
        let Setup { topic, bootstrap, admin, subscriptions, sla } = self;
        let component = plugin("rest")?;
        let mut text = format!(
            r#"
            [kafka]
            brokers = ["{bootstrap}"]
            group-prefix = "{topic}"
            [kafka.properties]
            "session.timeout.ms" = "6000"
            "heartbeat.interval.ms" = "1000"
            [admin]
            address = "{admin}"
            [plugins.rest]
            path = "{}"
            [sla.default]
            {sla}
            "#,
            component.display()
        );
        for (name, endpoint, connector) in subscriptions {
            write!(
                text,
                r#"
                [connectors.{name}]
                plugin = "rest"
                endpoint = "{endpoint}"
                allow-networks = ["127.0.0.0/8"]
                settings = {{ path = "/events/{{id}}" }}
                {connector}
                [subscriptions.{name}]
                connector = "{name}"
                topics = ["{topic}"]
                types = ["*"]
                dead-letter-topic = "{}"
                "#,
                dead_letter_topic(topic, name)
            )?;
        }
        Ok(text)
    }
}

pub(crate) fn dead_letter_topic(topic: &str, subscription: &str) -> String {
    format!("{topic}.dead-letters.{subscription}")
}

/// Events whose keys, partitions and offsets are known beforehand: a new topic holds just these.
pub(crate) struct Events {
    /// Key and identifier, in the order produced.
    pairs: Vec<(String, String)>,
    partitions: usize,
}

impl Events {
    /// So many events, each with one of so many keys; a key keeps to one partition.
    pub(crate) fn new(count: usize, keys: usize, partitions: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(20_000);
        let pair = |number| (format!("key-{}", random.usize(..keys)), format!("event-{number}"));
        Self { pairs: (0..count).map(pair).collect(), partitions }
    }

    pub(crate) fn len(&self) -> usize {
        self.pairs.len()
    }

    pub(crate) fn records(&self, topic: &str) -> Vec<Outgoing> {
        let record = |(key, id): &(String, String)| Outgoing {
            partition: i32::try_from(self.partition(key)).ok(),
            ..cloudevent(topic, KIND, id, key, &json!({ "title": id, "for": key }))
        };
        self.pairs.iter().map(record).collect()
    }

    /// Key and identifier of each, in the order produced.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(key, id)| (key.as_str(), id.as_str()))
    }

    /// One more event of this key, where its others are.
    pub(crate) fn later(&self, topic: &str, key: &str) -> Outgoing {
        let id = format!("later-{key}");
        Outgoing {
            partition: i32::try_from(self.partition(key)).ok(),
            ..cloudevent(topic, KIND, &id, key, &json!({ "title": id, "for": key }))
        }
    }

    pub(crate) fn ids(&self) -> Vec<&str> {
        self.pairs.iter().map(|(_, id)| id.as_str()).collect()
    }

    /// The identifiers in one partition: the first has offset 0.
    pub(crate) fn ids_in(&self, partition: usize) -> Vec<&str> {
        let pairs = self.pairs.iter().filter(|(key, _)| self.partition(key) == partition);
        pairs.map(|(_, id)| id.as_str()).collect()
    }

    fn partition(&self, key: &str) -> usize {
        let number: usize = key.trim_start_matches("key-").parse().expect("keys are numbered");
        number % self.partitions
    }

    /// Proves that every event is delivered or a dead letter, that there are no others, and that the first deliveries
    /// of each key are in order. Gives the events that were delivered more than once, with how often.
    pub(crate) fn prove<'a>(
        &self,
        ledger: &'a [Arc<Entry>],
        dead_letters: &[String],
    ) -> BTreeMap<&'a str, usize> {
        let delivered = proof::delivered(ledger, event_id);
        let dead_letters: Vec<&str> = dead_letters.iter().map(String::as_str).collect();
        assert_eq!(proof::lost(&self.ids(), &delivered, &dead_letters), [""; 0], "lost");
        assert_eq!(proof::unexpected(&self.ids(), &delivered, &dead_letters), [""; 0], "unexpected");
        let pairs: Vec<_> = self.pairs.iter().map(|(key, id)| (key.as_str(), id.as_str())).collect();
        assert_eq!(proof::out_of_order(&pairs, &delivered), [], "out of order");
        proof::duplicates(&delivered)
    }

    /// Proves that no commit has passed an event that is neither delivered nor a dead letter, and counts the deliveries
    /// that Kafka does not know of: all that may come again.
    pub(crate) fn prove_commits(
        &self,
        offsets: &[GroupOffset],
        ledger: &[Arc<Entry>],
        dead_letters: &[String],
    ) -> usize {
        let delivered: HashSet<&str> = proof::delivered(ledger, event_id).into_iter().collect();
        let mut above = 0;
        for partition in 0..self.partitions {
            let number = i32::try_from(partition).expect("few partitions");
            let offset = offsets.iter().find(|offset| offset.partition == number);
            let committed = offset.and_then(|offset| offset.committed).unwrap_or_default();
            let ids = self.ids_in(partition);
            let (below, beyond) = ids.split_at(usize::try_from(committed).expect("offsets are positive"));
            let is_settled =
                |id: &&&str| delivered.contains(**id) || dead_letters.iter().any(|dead| dead == **id);
            let passed: Vec<_> = below.iter().filter(|id| !is_settled(id)).collect();
            assert!(passed.is_empty(), "partition {partition} is committed to {committed}, past {passed:?}");
            above += beyond.iter().filter(|id| delivered.contains(**id)).count();
        }
        above
    }
}

/// The event that a request is about.
pub(crate) fn event_id(entry: &Entry) -> Option<&str> {
    entry.path.strip_prefix("/events/")
}

/// Waits until so many different events are delivered.
pub(crate) fn wait_for_events(system: &System, count: usize) -> anyhow::Result<()> {
    let mut seen = HashSet::new();
    let mut looked_at = 0;
    system.wait_until(&format!("{count} events"), LIMIT, |ledger| {
        for entry in ledger[looked_at..].iter().filter(|entry| entry.is_accepted()) {
            seen.insert(entry.path.clone());
        }
        looked_at = ledger.len();
        seen.len() >= count
    })
}

/// The identifiers of the dead letters, oldest first, repetitions included.
pub(crate) fn dead_letters(bootstrap: &str, topic: &str, subscription: &str) -> anyhow::Result<Vec<String>> {
    Ok(dead_letter_listing(bootstrap, topic, subscription)?
        .letters
        .into_iter()
        .filter_map(|letter| letter.event_id)
        .collect())
}

/// All dead letters there are, dealt with or not.
pub(crate) fn dead_letter_listing(
    bootstrap: &str,
    topic: &str,
    subscription: &str,
) -> anyhow::Result<Listing> {
    let settings = &liaison::config::Kafka::new(Brokers::At(vec![bootstrap.to_owned()]));
    let topic = &dead_letter_topic(topic, subscription);
    let subscription = &SubscriptionName::new(subscription);
    let listing = listing::list(
        &Store { settings, bootstrap, subscription, topic, limit: LIMIT },
        &Selection::default(),
    )?;
    ensure!(listing.foreign.is_empty() && listing.omitted == 0, "{topic} holds something else: {listing:?}");
    Ok(listing)
}

/// Waits until the group has committed everything: what comes again has come.
pub(crate) fn wait_for_the_end(kafka: &Kafka, group: &str, partitions: usize) -> anyhow::Result<()> {
    wait::until(LIMIT, "the last commit", || {
        behind(kafka, group, partitions).is_ok_and(|left| left.is_empty())
    })
}

/// Fails unless the group has nothing left to read.
pub(crate) fn assert_committed_to_the_end(
    kafka: &Kafka,
    group: &str,
    partitions: usize,
) -> anyhow::Result<()> {
    assert_eq!(behind(kafka, group, partitions)?, []);
    Ok(())
}

/// The partitions that the group has not committed to their ends.
fn behind(kafka: &Kafka, group: &str, partitions: usize) -> anyhow::Result<Vec<GroupOffset>> {
    let mut offsets = kafka.group_offsets(group)?;
    ensure!(offsets.len() == partitions, "not {partitions} partitions: {offsets:?}");
    offsets.retain(|offset| offset.committed != Some(offset.end));
    Ok(offsets)
}

/// Says what was measured, past cargo's capture, for a person.
pub(crate) fn say(what: &str) {
    use std::io::Write as _;
    // Nobody reads it where stderr is closed.
    let _ = writeln!(std::io::stderr(), "{what}");
}
