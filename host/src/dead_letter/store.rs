//! Dead letters in their topic: what is written there, which there are, and one of them.
//!
//! In comes a subscription with its dead-letter topic, out go summaries of all its letters or one whole letter. Kafka
//! is the store: nothing is kept beside it. Reading blocks its thread. Sending again and marking are the caller's.
//!
//! A person names a dead letter `SUBSCRIPTION/PARTITION/OFFSET`, such as `calendar/0/42`: where it lies in its
//! subscription's topic. That is stable, unique, and can be looked up without reading the topic.

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::str::FromStr;
use std::time::Duration;

use super::mark::{Mark, Resolution};
use super::reason::{Reason, Stage};
use super::record::{DeadLetter, DeadLetterError};
use crate::config::{self, SubscriptionName};
use crate::contract::TimestampMs;
use crate::event::{Origin, Record};
use crate::kafka::client::KafkaError;
use crate::kafka::producer::Outgoing;
use crate::kafka::reader::{Ended, Start, read_topic};

/// How a dead-letter topic is created: kept until a person decides, and with room for the headers of a record that
/// was as large as its own topic allows.
pub const TOPIC_CONFIG: [(&str, &str); 3] =
    [("cleanup.policy", "delete"), ("retention.ms", "-1"), ("max.message.bytes", "8388608")];

/// The most summaries that a listing holds: the latest.
pub const LISTED: usize = 10_000;

/// Names one dead letter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LetterId {
    pub subscription: SubscriptionName,
    pub partition: i32,
    pub offset: i64,
}

/// What a person typed is no [`LetterId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no dead letter: it takes SUBSCRIPTION/PARTITION/OFFSET, such as calendar/0/42")]
pub struct LetterIdError(String);

/// One dead letter with where it lies and what became of it.
#[derive(Debug, Clone)]
pub struct Letter {
    pub id: LetterId,
    pub letter: DeadLetter,
    pub mark: Option<Mark>,
}

/// One dead letter without the event itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    pub id: LetterId,
    pub event_id: Option<String>,
    pub event_type: Option<String>,
    pub origin: Origin,
    pub stage: Stage,
    pub reason: Reason,
    pub message: String,
    pub attempts: u32,
    pub dead_lettered_at: TimestampMs,
    pub resolution: Option<Resolution>,
}

/// The dead letters of one subscription.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// By partition, oldest first.
    pub letters: Vec<Summary>,
    /// Older letters that did not fit.
    pub omitted: u64,
    /// Records of the topic that are no dead letters of ours: at most [`LISTED`].
    pub foreign: Vec<DeadLetterError>,
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    #[error("there is no dead letter {0}; `liaison dead-letters list` shows those there are")]
    NoSuchLetter(LetterId),
    #[error("{0} is the note that a dead letter was dealt with, not a dead letter")]
    IsMark(LetterId),
    #[error(transparent)]
    Foreign(#[from] DeadLetterError),
}

/// The record that is written for a dead letter. Its time is now: with the original's, retention could take it at once.
pub fn outgoing(letter: &DeadLetter, topic: &str) -> Outgoing {
    Outgoing {
        topic: topic.to_owned(),
        partition: None,
        key: letter.record.key.clone(),
        value: letter.record.value.clone(),
        headers: letter.all_headers(),
        timestamp: None,
    }
}

/// The record that says what became of a dead letter.
pub fn outgoing_mark(id: &LetterId, topic: &str, resolution: Resolution, now: TimestampMs) -> Outgoing {
    let mark = Mark { offset: id.offset, resolution, at: now };
    Outgoing {
        topic: topic.to_owned(),
        partition: Some(id.partition),
        headers: mark.to_headers(),
        ..Outgoing::default()
    }
}

/// All dead letters of a subscription, those that are dealt with too. No topic is no letters.
pub fn list(
    settings: &config::Kafka,
    bootstrap: &str,
    subscription: &SubscriptionName,
    topic: &str,
    limit: Duration,
) -> Result<Listing, StoreError> {
    let mut collected = Collected::new(subscription);
    let ended = read_topic(settings, bootstrap, topic, Start::Beginning, limit, |record| {
        collected.add(record);
        ControlFlow::Continue(())
    })?;
    match ended {
        Ended::AtTheEnd { .. } | Ended::Stopped { .. } | Ended::NoSuchTopic => Ok(collected.listing()),
    }
}

/// One dead letter. Reads its partition from there to the end, for its mark.
pub fn find(
    settings: &config::Kafka,
    bootstrap: &str,
    id: &LetterId,
    topic: &str,
    limit: Duration,
) -> Result<Letter, StoreError> {
    let mut found = None;
    let mut mark = None;
    let start = Start::At { partition: id.partition, offset: id.offset };
    read_topic(settings, bootstrap, topic, start, limit, |record| {
        if record.origin.offset == id.offset {
            found = Some(record);
        } else if let Some(later) = Mark::from_record(&record).filter(|mark| mark.offset == id.offset) {
            mark = Some(later);
        }
        if found.is_some() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    let record = found.ok_or_else(|| StoreError::NoSuchLetter(id.clone()))?;
    if Mark::from_record(&record).is_some() {
        return Err(StoreError::IsMark(id.clone()));
    }
    Ok(Letter { id: id.clone(), letter: DeadLetter::from_record(record)?, mark })
}

impl std::fmt::Display for LetterId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}/{}", self.subscription, self.partition, self.offset)
    }
}

impl FromStr for LetterId {
    type Err = LetterIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (rest, offset) = text.rsplit_once('/')?;
            let (subscription, partition) = rest.rsplit_once('/')?;
            let offset = offset.parse().ok().filter(|offset| *offset >= 0)?;
            let partition = partition.parse().ok().filter(|partition| *partition >= 0)?;
            let subscription = SubscriptionName::new(Some(subscription).filter(|name| !name.is_empty())?);
            Some(LetterId { subscription, partition, offset })
        };
        read().ok_or_else(|| LetterIdError(text.to_owned()))
    }
}

/// Gathers a listing; each partition comes in order, the partitions mixed.
struct Collected<'a> {
    subscription: &'a SubscriptionName,
    letters: VecDeque<Summary>,
    omitted: u64,
    foreign: Vec<DeadLetterError>,
    marks: BTreeMap<(i32, i64), Resolution>,
}

impl<'a> Collected<'a> {
    fn new(subscription: &'a SubscriptionName) -> Self {
        let (letters, foreign, marks) = (VecDeque::new(), Vec::new(), BTreeMap::new());
        Collected { subscription, letters, omitted: 0, foreign, marks }
    }

    fn add(&mut self, record: Record) {
        let (partition, offset) = (record.origin.partition, record.origin.offset);
        if let Some(mark) = Mark::from_record(&record) {
            self.marks.insert((partition, mark.offset), mark.resolution);
            return;
        }
        let id = LetterId { subscription: self.subscription.clone(), partition, offset };
        match DeadLetter::from_record(record) {
            Ok(letter) => self.letters.push_back(summary(id, letter)),
            Err(error) if self.foreign.len() < LISTED => self.foreign.push(error),
            Err(_) => self.omitted += 1,
        }
        if self.letters.len() > LISTED
            && let Some(oldest) = self.letters.pop_front()
        {
            self.marks.remove(&(oldest.id.partition, oldest.id.offset));
            self.omitted += 1;
        }
    }

    fn listing(self) -> Listing {
        let mut letters: Vec<Summary> = self.letters.into();
        for letter in &mut letters {
            letter.resolution = self.marks.get(&(letter.id.partition, letter.id.offset)).copied();
        }
        letters.sort_by(|left, right| left.id.cmp(&right.id));
        Listing { letters, omitted: self.omitted, foreign: self.foreign }
    }
}

fn summary(id: LetterId, letter: DeadLetter) -> Summary {
    Summary {
        id,
        attempts: letter.attempts.count(),
        event_id: letter.event_id,
        event_type: letter.event_type,
        origin: letter.record.origin,
        stage: letter.stage,
        reason: letter.reason,
        message: letter.message,
        dead_lettered_at: letter.dead_lettered_at,
        resolution: None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::letter;
    use super::*;
    use crate::kafka::client::test_settings;
    use crate::kafka::embedded::Embedded;
    use crate::kafka::producer::Producer;

    const LIMIT: Duration = Duration::from_secs(20);
    const TOPIC: &str = "calendar-dead-letters";

    fn id(text: &str) -> LetterId {
        text.parse().unwrap()
    }

    async fn with(outgoing: Vec<Outgoing>) -> Embedded {
        let broker = Embedded::start(&[(TOPIC, 1)]).unwrap();
        let producer = Producer::new(&test_settings(&[]), broker.bootstrap()).unwrap();
        for record in outgoing {
            producer.send(record).await.unwrap();
        }
        broker
    }

    fn listed(broker: &Embedded, topic: &str) -> Listing {
        let subscription = SubscriptionName::new("calendar");
        list(&test_settings(&[]), broker.bootstrap(), &subscription, topic, LIMIT).unwrap()
    }

    fn found(broker: &Embedded, wanted: &str) -> Result<Letter, StoreError> {
        find(&test_settings(&[]), broker.bootstrap(), &id(wanted), TOPIC, LIMIT)
    }

    #[tokio::test]
    async fn a_dead_letter_comes_back_from_kafka_as_it_went() {
        let broker = with(vec![outgoing(&letter(), TOPIC)]).await;
        let back = found(&broker, "calendar/0/0").unwrap();
        assert_eq!(format!("{:?}", back.letter), format!("{:?}", letter()));
        assert_eq!((back.id, back.mark), (id("calendar/0/0"), None));
    }

    #[tokio::test]
    async fn a_listing_names_every_letter_and_what_became_of_it() {
        let mark = |offset: &str, resolution| outgoing_mark(&id(offset), TOPIC, resolution, 5);
        let foreign = Outgoing { topic: TOPIC.to_owned(), value: Some("x".into()), ..Outgoing::default() };
        let broker = with(vec![
            outgoing(&letter(), TOPIC),
            outgoing(&DeadLetter { reason: Reason::GaveUp, ..letter() }, TOPIC),
            mark("calendar/0/0", Resolution::Redriven),
            foreign,
            outgoing(&letter(), TOPIC),
            mark("calendar/0/4", Resolution::Discarded),
        ])
        .await;
        let listing = listed(&broker, TOPIC);
        let seen: Vec<_> = listing
            .letters
            .iter()
            .map(|letter| (letter.id.to_string(), letter.reason, letter.resolution, letter.attempts))
            .collect();
        let expected = [
            ("calendar/0/0".to_owned(), Reason::Rejected, Some(Resolution::Redriven), 2),
            ("calendar/0/1".to_owned(), Reason::GaveUp, None, 2),
            ("calendar/0/4".to_owned(), Reason::Rejected, Some(Resolution::Discarded), 2),
        ];
        assert_eq!(seen, expected);
        assert_eq!(listing.letters[0].origin.to_string(), "policy-events/3/42");
        let foreign: Vec<_> = listing.foreign.iter().map(ToString::to_string).collect();
        assert_eq!(
            foreign,
            [
                "calendar-dead-letters/0/3 is no dead letter of this host: it has no header liaison.subscription"
            ]
        );

        let discarded = found(&broker, "calendar/0/4").unwrap();
        assert_eq!(discarded.mark, Some(Mark { offset: 4, resolution: Resolution::Discarded, at: 5 }));
    }

    #[tokio::test]
    async fn what_is_not_there_is_said_so() {
        let broker = with(vec![
            outgoing(&letter(), TOPIC),
            outgoing_mark(&id("c/0/0"), TOPIC, Resolution::Redriven, 5),
        ])
        .await;
        assert_eq!(listed(&broker, "no-such-topic"), Listing::default());
        for wanted in ["calendar/0/7", "calendar/3/0"] {
            assert!(matches!(found(&broker, wanted), Err(StoreError::NoSuchLetter(_))), "{wanted}");
        }
        assert!(matches!(found(&broker, "calendar/0/1"), Err(StoreError::IsMark(_))));
    }

    #[test]
    fn only_the_latest_letters_are_listed_and_the_others_counted() {
        let subscription = SubscriptionName::new("calendar");
        let mut collected = Collected::new(&subscription);
        let headers = letter().all_headers();
        for offset in 0..=(LISTED as i64) {
            let origin = Origin { topic: TOPIC.into(), partition: 0, offset };
            collected.add(Record { origin, headers: headers.clone(), ..letter().record });
        }
        let listing = collected.listing();
        assert_eq!((listing.letters.len(), listing.omitted), (LISTED, 1));
        assert_eq!(listing.letters[0].id, id("calendar/0/1"));
    }

    #[test]
    fn an_id_is_read_as_it_is_shown() {
        for text in ["calendar/0/42", "a/b/7/1"] {
            assert_eq!(id(text).to_string(), text);
        }
        for wrong in ["", "calendar", "calendar/0", "/0/1", "calendar/x/1", "calendar/0/-1", "calendar/0/1/"]
        {
            assert_eq!(wrong.parse::<LetterId>(), Err(LetterIdError(wrong.to_owned())), "{wrong}");
        }
    }
}
