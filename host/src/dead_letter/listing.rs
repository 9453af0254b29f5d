//! The dead letters of a subscription as they are now: each in short, with what became of it.
//!
//! In comes its topic, record by record, out goes a [`Listing`] of the letters that are asked for, bounded. Reading
//! blocks its thread.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;

use bytes::Bytes;

use super::mark::{Mark, Resolution};
use super::reason::{Reason, Stage};
use super::record::{DeadLetter, DeadLetterError};
use super::selection::Selection;
use super::store::{LetterId, Store, StoreError, Stored};
use crate::contract::TimestampMs;
use crate::event::Origin;
use crate::kafka::reader::Start;

/// The most summaries that a listing holds: the latest.
pub const LISTED: usize = 50_000;
/// The most letters that a topic may hold for its listing: where the event of each is takes memory.
const MOST: usize = 1_000_000;
/// What a pointer's original is taken to be: too large for the topic.
const POINTED_BYTES: usize = 8 << 20;
/// The most records of others that are named.
const NAMED: usize = 1_000;

/// One dead letter without the event itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    pub id: LetterId,
    pub event_id: Option<String>,
    pub event_type: Option<String>,
    pub key: Option<Bytes>,
    pub origin: Origin,
    pub part: Option<u32>,
    pub stage: Stage,
    pub reason: Reason,
    pub message: String,
    pub attempts: u32,
    pub redrives: u32,
    pub dead_lettered_at: TimestampMs,
    /// What it takes to read it, its original included.
    pub bytes: usize,
    /// The last thing that was done with it; `None` while it waits.
    pub mark: Option<Mark>,
}

/// The dead letters of one subscription.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// By partition, oldest first.
    pub letters: Vec<Summary>,
    /// Letters that did not fit, and records beyond those in `foreign`.
    pub omitted: u64,
    /// Records of the topic that are no dead letters of ours: at most a thousand.
    pub foreign: Vec<DeadLetterError>,
    /// Where the events of all letters are that were not sent again, asked for or not.
    pub undelivered: HashSet<Origin>,
}

/// The letters of a subscription that may be sent again or given up for good.
#[derive(Debug, Clone, Default)]
pub struct Waiting {
    /// In the order of their originals: by topic, partition and offset.
    pub letters: Vec<Summary>,
    /// As in [`Listing`].
    pub undelivered: HashSet<Origin>,
}

impl Summary {
    pub fn resolution(&self) -> Option<Resolution> {
        self.mark.as_ref().map(|mark| mark.resolution)
    }
}

/// The dead letters that are asked for, those that are dealt with too. No topic is no letters.
pub fn list(store: &Store<'_>, selection: &Selection) -> Result<Listing, StoreError> {
    let mut gathered = Gathered::default();
    store.read(Start::Beginning, |id, stored| {
        gathered.add(id, stored, selection);
        if gathered.undelivered.len() <= MOST { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    if gathered.undelivered.len() > MOST {
        return Err(StoreError::TooMany { topic: store.topic.to_owned(), most: MOST });
    }
    Ok(gathered.listing())
}

/// The letters that are asked for and wait; with `superseded` also those that a later event had overtaken.
pub fn waiting(store: &Store<'_>, selection: &Selection, superseded: bool) -> Result<Waiting, StoreError> {
    let Listing { mut letters, omitted, undelivered, .. } = list(store, selection)?;
    if omitted > 0 {
        return Err(StoreError::TooManyAtOnce { most: LISTED });
    }
    letters.retain(|letter| match letter.resolution() {
        None => true,
        Some(Resolution::Superseded) => superseded,
        Some(Resolution::Redriven | Resolution::Discarded) => false,
    });
    let place = |letter: &Summary| {
        let Origin { topic, partition, offset } = letter.origin.clone();
        (topic, partition, offset, letter.part, letter.redrives)
    };
    letters.sort_by_cached_key(place);
    Ok(Waiting { letters, undelivered })
}

/// Each partition comes in order, the partitions mixed.
#[derive(Default)]
struct Gathered {
    letters: BTreeMap<LetterId, Summary>,
    omitted: u64,
    foreign: Vec<DeadLetterError>,
    undelivered: BTreeMap<(i32, i64), Origin>,
}

impl Gathered {
    fn add(&mut self, id: LetterId, stored: Stored, selection: &Selection) {
        match stored {
            Stored::Letter(letter) => {
                self.undelivered.insert((id.partition, id.offset), letter.record.origin.clone());
                if selection.has(&id, &letter) {
                    self.letters.insert(id.clone(), summary(id, *letter));
                }
            }
            Stored::Mark(mark) => {
                if mark.resolution == Resolution::Redriven {
                    self.undelivered.remove(&(id.partition, mark.offset));
                }
                let of = LetterId { offset: mark.offset, ..id };
                if let Some(letter) = self.letters.get_mut(&of) {
                    letter.mark = Some(mark);
                }
            }
            Stored::Foreign(error) if self.foreign.len() < NAMED => self.foreign.push(error),
            Stored::Foreign(_) => self.omitted += 1,
        }
        if self.letters.len() > LISTED {
            self.letters.pop_first();
            self.omitted += 1;
        }
    }

    fn listing(self) -> Listing {
        Listing {
            letters: self.letters.into_values().collect(),
            omitted: self.omitted,
            foreign: self.foreign,
            undelivered: self.undelivered.into_values().collect(),
        }
    }
}

fn summary(id: LetterId, letter: DeadLetter) -> Summary {
    let length = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
    let record = &letter.record;
    let headers: usize = record.headers.iter().map(|(name, value)| name.len() + length(value)).sum();
    let original = if letter.is_pointer { POINTED_BYTES } else { length(&record.value) + headers };
    let evidence = length(&letter.recording) + length(&letter.conflict);
    let bytes = original + length(&record.key) + evidence;
    Summary {
        id,
        attempts: letter.attempts.count(),
        event_id: letter.event_id,
        event_type: letter.event_type,
        key: letter.record.key,
        origin: letter.record.origin,
        part: letter.part,
        stage: letter.stage,
        reason: letter.reason,
        message: letter.message,
        redrives: letter.redrives,
        dead_lettered_at: letter.dead_lettered_at,
        bytes,
        mark: None,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::record::tests::letter;
    use super::super::store::tests::{TOPIC, full, in_store, marked, with};
    use super::*;
    use crate::kafka::producer::Outgoing;

    pub(crate) fn summary() -> Summary {
        super::summary("calendar/0/9".parse().unwrap(), letter())
    }

    #[tokio::test]
    async fn a_listing_names_every_letter_and_what_became_of_it() {
        let foreign = Outgoing { topic: TOPIC.to_owned(), value: Some("x".into()), ..Outgoing::default() };
        let mut elsewhere = letter();
        elsewhere.record.origin.offset = 43;
        let broker = with(vec![
            full(&letter()),
            full(&DeadLetter { reason: Reason::GaveUp, ..elsewhere.clone() }),
            marked(0, Resolution::Redriven),
            foreign,
            full(&elsewhere),
            marked(4, Resolution::Superseded),
            marked(4, Resolution::Discarded),
        ])
        .await;
        let listed = |topic: &str, selection: &Selection| {
            in_store(&broker, topic, |store| list(&store, selection)).unwrap()
        };
        let listing = listed(TOPIC, &Selection::default());
        let seen: Vec<_> = listing
            .letters
            .iter()
            .map(|letter| (letter.id.to_string(), letter.reason, letter.resolution(), letter.attempts))
            .collect();
        let expected = [
            ("calendar/0/0".to_owned(), Reason::Rejected, Some(Resolution::Redriven), 2),
            ("calendar/0/1".to_owned(), Reason::GaveUp, None, 2),
            ("calendar/0/4".to_owned(), Reason::Rejected, Some(Resolution::Discarded), 2),
        ];
        assert_eq!(seen, expected);
        assert_eq!(listing.letters[0].origin.to_string(), "policy-events/3/42");
        assert_eq!(listing.undelivered, HashSet::from([elsewhere.record.origin]));
        let foreign: Vec<_> = listing.foreign.iter().map(ToString::to_string).collect();
        assert_eq!(
            foreign,
            [
                "calendar-dead-letters/0/3 is no dead letter of this host: it has no header liaison.subscription"
            ]
        );
        let given_up = Selection { reason: Some(Reason::GaveUp), ..Selection::default() };
        let some = listed(TOPIC, &given_up);
        assert_eq!((some.letters.len(), some.undelivered), (1, listing.undelivered));
        assert_eq!(listed("no-such-topic", &Selection::default()), Listing::default());
    }

    #[test]
    fn only_the_latest_letters_are_listed_and_the_others_counted() {
        let mut gathered = Gathered::default();
        for offset in 0..=(LISTED as i64) {
            let id = LetterId { offset, ..summary().id };
            gathered.add(id, Stored::Letter(Box::new(letter())), &Selection::default());
        }
        let listing = gathered.listing();
        assert_eq!((listing.letters.len(), listing.omitted), (LISTED, 1));
        assert_eq!(listing.letters[0].id.to_string(), "calendar/0/1");
    }
}
