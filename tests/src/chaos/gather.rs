//! Collects all that is known after a run: from Kafka, the ledgers and the hosts' logs, into trails.

use std::collections::{HashMap, VecDeque};
use std::ops::ControlFlow;

use anyhow::{Context, ensure};
use liaison::config::{Brokers, Kafka};
use liaison::dead_letter::header::time_of;
use liaison::event::Record;
use liaison::kafka::reader::{Start, read_topic};

use super::commits;
use super::member::{LIMIT, Life};
use super::stage::{Stage, asked};
use super::subscription::{Nature, SUBSCRIPTIONS, Subscription};
use super::trail::{Delivery, Event, Holding, Letter, Place, Trail};

/// The trail of each subscription. Every host has ended.
pub(super) fn gather(stage: &Stage, lives: &[Vec<Life>]) -> anyhow::Result<Vec<Trail>> {
    let bootstrap = stage.cluster.bootstrap();
    let groups = SUBSCRIPTIONS.map(Subscription::group);
    let mut commits = commits::read(&bootstrap, &groups, LIMIT)?;
    let mut trails = Vec::new();
    for subscription in SUBSCRIPTIONS {
        let mut events = Vec::new();
        for record in read(&bootstrap, subscription.topic())? {
            events.push(event(&record)?);
        }
        events.sort_by_key(|event| event.place);
        let deliveries = deliveries(stage, subscription, &events)?;
        let letters = read(&bootstrap, subscription.dead_letter_topic())?;
        let letters = letters.iter().map(letter).collect::<anyhow::Result<_>>()?;
        let own = commits.extract_if(.., |commit| {
            commit.group == subscription.group() && commit.topic == subscription.topic()
        });
        let holdings = holdings(lives, subscription.topic());
        trails.push(Trail::new(subscription, events, deliveries, letters, holdings, own));
    }
    ensure!(commits.is_empty(), "commits of other topics: {:?}", commits.first());
    Ok(trails)
}

fn read(bootstrap: &str, topic: &str) -> anyhow::Result<Vec<Record>> {
    let settings = Kafka::new(Brokers::At(vec![bootstrap.to_owned()]));
    let mut records = Vec::new();
    read_topic(&settings, bootstrap, topic, Start::Beginning, LIMIT, |record| {
        records.push(record);
        ControlFlow::Continue(())
    })?;
    Ok(records)
}

fn header<'a>(record: &'a Record, name: &str) -> Option<&'a str> {
    let (_, value) = record.headers.iter().find(|(known, _)| known == name)?;
    std::str::from_utf8(value.as_deref()?).ok()
}

fn event(record: &Record) -> anyhow::Result<Event> {
    let identifier = header(record, "ce_id").map(str::to_owned);
    let nature = Nature::of(identifier.as_deref());
    let nature = nature.with_context(|| format!("{} is none of ours: {identifier:?}", record.origin))?;
    let key = record.key.as_deref().context("every event has a key")?;
    Ok(Event {
        place: Place { partition: record.origin.partition, offset: record.origin.offset },
        key: String::from_utf8(key.to_vec())?,
        identifier,
        nature,
        written_ms: record.timestamp.filter(|_| nature != Nature::Jumped),
    })
}

fn letter(record: &Record) -> anyhow::Result<Letter> {
    let number = |name| -> anyhow::Result<i64> {
        let text = header(record, name).with_context(|| format!("a dead letter without {name}"))?;
        Ok(text.parse()?)
    };
    let partition = i32::try_from(number("__connect.errors.partition")?)?;
    let place = Place { partition, offset: number("__connect.errors.offset")? };
    Ok(Letter { place, at_ms: record.timestamp.context("a record without a timestamp")? })
}

/// What the system accepted, in its order.
fn deliveries(stage: &Stage, subscription: Subscription, events: &[Event]) -> anyhow::Result<Vec<Delivery>> {
    let mut places = Places::of(events);
    let mut deliveries = Vec::new();
    for entry in stage.systems[subscription as usize].ledger().iter().filter(|entry| entry.is_accepted()) {
        let asked = asked(&entry.path).with_context(|| format!("a request for {}", entry.path))?;
        let (host, identifier) = asked;
        let place = places.next(identifier).with_context(|| format!("{identifier} was never produced"))?;
        deliveries.push(Delivery { place, host, at_ms: stage.clock.ms_of(entry.received) });
    }
    Ok(deliveries)
}

/// Where events are, by their identifiers. A producer whose broker dies may write an event twice, though rarely: both
/// are to be delivered, and the system cannot tell them apart. Its first acceptance is taken for the first of them.
struct Places<'a>(HashMap<&'a str, VecDeque<Place>>);

impl<'a> Places<'a> {
    /// Of events in the order of their places.
    fn of(events: &'a [Event]) -> Self {
        let mut places: HashMap<&str, VecDeque<Place>> = HashMap::new();
        for event in events {
            if let Some(identifier) = event.identifier.as_deref() {
                places.entry(identifier).or_default().push_back(event.place);
            }
        }
        Self(places)
    }

    /// Where the event is that was accepted now.
    fn next(&mut self, identifier: &str) -> Option<Place> {
        let places = self.0.get_mut(identifier)?;
        if places.len() > 1 { places.pop_front() } else { places.front().copied() }
    }
}

/// What each host said of the partitions of a topic.
fn holdings(lives: &[Vec<Life>], topic: &str) -> Vec<Holding> {
    let mut holdings = Vec::new();
    for (host, lives) in lives.iter().enumerate() {
        for line in lives.iter().flat_map(|life| &life.log) {
            holdings.extend(said(line, topic).into_iter().flat_map(|(at_ms, is_gained, partitions)| {
                let holding = move |partition| Holding { host, partition, at_ms, is_gained };
                partitions.into_iter().map(holding)
            }));
        }
    }
    holdings
}

/// When, whether they were gained, and which partitions of this topic.
fn said(line: &str, topic: &str) -> Option<(u64, bool, Vec<i32>)> {
    let is_gained = line.contains(" partitions assigned ");
    if !is_gained && !line.contains(" partitions revoked: ") && !line.contains(" partitions lost: ") {
        return None;
    }
    let at_ms = time_of(line.split_whitespace().next()?)?;
    let (_, names) = line.split_once("partitions=\"")?;
    let (names, _) = names.split_once('"')?;
    let numbers = names.split_whitespace().filter_map(|name| {
        let (of, number) = name.rsplit_once('/')?;
        if of == topic { number.parse().ok() } else { None }
    });
    Some((at_ms, is_gained, numbers.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_was_written_twice_is_to_be_accepted_twice() {
        let event = |offset, identifier: &str| Event {
            place: Place { partition: 0, offset },
            key: "k".to_owned(),
            identifier: Some(identifier.to_owned()),
            nature: Nature::Plain,
            written_ms: None,
        };
        let events = [event(3, "1-plain"), event(4, "2-plain"), event(7, "1-plain")];
        let mut places = Places::of(&events);
        let accepted = ["1-plain", "2-plain", "1-plain", "1-plain", "2-plain", "3-plain"];
        let offsets = accepted.map(|identifier| places.next(identifier).map(|place| place.offset));
        assert_eq!(offsets, [Some(3), Some(4), Some(7), Some(7), Some(4), None]);
    }

    #[test]
    fn the_log_says_who_held_what() {
        for (line, expected) in [
            (
                "1970-01-01T00:00:01.500Z  INFO partitions assigned partitions=\"a/0 a/12 b/3\"",
                Some((1_500, true, vec![0, 12])),
            ),
            (
                "1970-01-01T00:00:02.000Z  INFO partitions revoked: finishing what is in flight partitions=\"a/1\"",
                Some((2_000, false, vec![1])),
            ),
            (
                "1970-01-01T00:00:03.000Z  WARN partitions lost: their events come again elsewhere partitions=\"b/1\"",
                Some((3_000, false, vec![])),
            ),
            (
                "1970-01-01T00:00:04.000Z  INFO partitions assigned partitions=\"\"",
                Some((4_000, true, vec![])),
            ),
            ("1970-01-01T00:00:05.000Z  INFO liaison starts", None),
            ("", None),
        ] {
            assert_eq!(said(line, "a"), expected, "{line}");
        }
    }
}
