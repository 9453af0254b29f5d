//! Dead letters in their topic: what is written there, each record of it, and one letter whole.
//!
//! In comes a subscription with its dead-letter topic, out go its letters and what became of them, or the records to
//! write. Kafka is the store: nothing is kept beside it. Reading blocks its thread. Who sends is the caller.
//!
//! A person names a dead letter `SUBSCRIPTION/PARTITION/OFFSET`, such as `calendar/0/42`: where it lies in its
//! subscription's topic. That is stable, unique, and can be looked up without reading the topic.

use std::ops::ControlFlow;
use std::str::FromStr;
use std::time::Duration;

use super::mark::Mark;
use super::record::{DeadLetter, DeadLetterError, Shape};
use crate::config::{self, SubscriptionName};
use crate::event::{Origin, Record};
use crate::kafka::client::KafkaError;
use crate::kafka::producer::Outgoing;
use crate::kafka::reader::{Start, read_topic};

/// How a dead-letter topic is created: kept until a person decides, and with room for the headers of a record that
/// was as large as its own topic allows.
pub const TOPIC_CONFIG: [(&str, &str); 3] =
    [("cleanup.policy", "delete"), ("retention.ms", "-1"), ("max.message.bytes", "8388608")];

/// Where the dead letters of one subscription are.
#[derive(Debug, Clone, Copy)]
pub struct Store<'a> {
    pub settings: &'a config::Kafka,
    pub bootstrap: &'a str,
    pub subscription: &'a SubscriptionName,
    pub topic: &'a str,
    /// How long reading may take.
    pub limit: Duration,
}

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

/// One dead letter with where it lies and what was done with it.
#[derive(Debug, Clone)]
pub struct Letter {
    pub id: LetterId,
    pub letter: DeadLetter,
    /// Oldest first: the last one counts.
    pub marks: Vec<Mark>,
}

/// One record of the topic.
#[derive(Debug)]
pub enum Stored {
    Letter(Box<DeadLetter>),
    /// Of the letter at its offset in the same partition.
    Mark(Mark),
    Foreign(DeadLetterError),
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
    #[error(
        "the dead letter is a pointer to {0}, where there is no record any more: its topic keeps records for a \
         shorter time than dead letters wait; produce the event anew"
    )]
    Gone(Origin),
    #[error(
        "topic {topic} holds more than {most} dead letters; give the subscription another `dead-letter-topic`, and work \
         on this one with a tool of Kafka"
    )]
    TooMany { topic: String, most: usize },
    #[error("more than {most} dead letters are meant; take fewer at a time, the oldest first, by `--until`")]
    TooManyAtOnce { most: usize },
}

/// The record that is written for a dead letter. Its time is now: with the original's, retention could take it at once.
pub fn outgoing(letter: &DeadLetter, topic: &str, shape: Shape) -> Outgoing {
    let letter = letter.shaped(shape);
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
pub fn outgoing_mark(partition: i32, mark: &Mark, topic: &str) -> Outgoing {
    Outgoing {
        topic: topic.to_owned(),
        partition: Some(partition),
        headers: mark.to_headers(),
        ..Outgoing::default()
    }
}

impl Store<'_> {
    /// Hands out every record, each partition in order and the partitions in any. No topic is no records.
    pub fn read(
        &self,
        start: Start,
        mut each: impl FnMut(LetterId, Stored) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        read_topic(self.settings, self.bootstrap, self.topic, start, self.limit, |record| {
            let (partition, offset) = (record.origin.partition, record.origin.offset);
            let id = LetterId { subscription: self.subscription.clone(), partition, offset };
            let stored = match Mark::from_record(&record) {
                Some(mark) => Stored::Mark(mark),
                None => match DeadLetter::from_record(record) {
                    Ok(letter) => Stored::Letter(Box::new(letter)),
                    Err(error) => Stored::Foreign(error),
                },
            };
            each(id, stored)
        })?;
        Ok(())
    }

    /// One dead letter. Reads its partition from there to the end, for its marks.
    pub fn find(&self, id: &LetterId) -> Result<Letter, StoreError> {
        let mut found = None;
        let mut marks = Vec::new();
        let start = Start::At { partition: id.partition, offset: id.offset };
        self.read(start, |at, stored| {
            match stored {
                Stored::Mark(mark) if mark.offset == id.offset => marks.push(mark),
                stored if at.offset == id.offset => found = Some(stored),
                Stored::Mark(_) | Stored::Letter(_) | Stored::Foreign(_) => {}
            }
            if found.is_some() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        match found {
            Some(Stored::Letter(letter)) => Ok(Letter { id: id.clone(), letter: *letter, marks }),
            Some(Stored::Mark(_)) => Err(StoreError::IsMark(id.clone())),
            Some(Stored::Foreign(error)) => Err(error.into()),
            None => Err(StoreError::NoSuchLetter(id.clone())),
        }
    }

    /// These letters, which are of one partition and in the order of their offsets. One that is gone is left out.
    pub fn load(&self, ids: &[LetterId]) -> Result<Vec<(LetterId, DeadLetter)>, StoreError> {
        let mut loaded = Vec::with_capacity(ids.len());
        let (Some(first), Some(last)) = (ids.first(), ids.last()) else { return Ok(loaded) };
        let start = Start::At { partition: first.partition, offset: first.offset };
        self.read(start, |id, stored| {
            let is_last = id.offset >= last.offset;
            if let Stored::Letter(letter) = stored
                && ids.binary_search(&id).is_ok()
            {
                loaded.push((id, *letter));
            }
            if is_last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(loaded)
    }

    /// The letter with its original, which is read from where it came if the letter is a pointer.
    pub fn resolved(&self, letter: DeadLetter) -> Result<DeadLetter, StoreError> {
        if !letter.is_pointer {
            return Ok(letter);
        }
        let origin = letter.record.origin.clone();
        let start = Start::At { partition: origin.partition, offset: origin.offset };
        let mut found: Option<Record> = None;
        read_topic(self.settings, self.bootstrap, &origin.topic, start, self.limit, |record| {
            found = (record.origin.offset == origin.offset).then_some(record);
            ControlFlow::Break(())
        })?;
        let record = found.ok_or(StoreError::Gone(origin))?;
        Ok(DeadLetter { record, is_pointer: false, ..letter })
    }
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

#[cfg(test)]
pub(super) mod tests;
