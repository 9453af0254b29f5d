//! The events of the demo: what a few agencies could produce in a busy minute. The same ones in each run.
//!
//! In comes how many, out come events that can be produced, each in one of the three forms that a host reads:
//! CloudEvents in binary and in structured mode, and plain JSON. Who wants which is not said here.

use std::collections::BTreeMap;

use anyhow::Context;
use bytes::Bytes;
use liaison::kafka::producer::Outgoing;
use serde::Serialize;
use serde_json::value::RawValue;

const SEED: u64 = 2026;
const SOURCE: &str = "/agencies/training";
const POLICIES: [&str; 8] = [
    "Travel",
    "Records retention",
    "Remote work",
    "Procurement",
    "Fire safety",
    "Data protection",
    "Visitors",
    "Overtime",
];
const UNITS: [&str; 4] = ["finance", "people", "operations", "legal"];
const TRAININGS: [&str; 6] =
    ["First aid", "Forklift licence", "Public speaking", "Budgeting", "Incident response", "Interviewing"];
const USERS: [&str; 5] = ["ada", "grace", "linus", "edsger", "barbara"];
const ACTIONS: [&str; 4] = ["login", "export", "delete", "grant"];

/// One event that was not produced yet.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) what: What,
    form: Form,
    /// Plain JSON has none: the host names it by where it was read.
    id: String,
    time: String,
    data: String,
}

/// What an event says.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(super) enum What {
    Policy(Policy),
    Schedule(Schedule),
    Cancelled(Cancelled),
    Audit(Audit),
    Newsletter { issue: usize },
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Policy {
    pub(super) number: String,
    pub(super) title: &'static str,
    pub(super) unit: &'static str,
    pub(super) revision: u32,
    pub(super) status: &'static str,
    pub(super) updated_at: String,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Schedule {
    training: String,
    title: &'static str,
    room: String,
    pub(super) starts: String,
    pub(super) ends: String,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Cancelled {
    training: String,
    reason: &'static str,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Audit {
    user: &'static str,
    action: &'static str,
    pub(super) severity: u8,
}

/// How an event is written into a record.
#[derive(Debug, Clone, Copy)]
enum Form {
    Binary,
    Structured,
    Plain,
}

/// A CloudEvent in structured mode.
#[derive(Serialize)]
struct Structured<'a> {
    specversion: &'a str,
    id: &'a str,
    source: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    time: &'a str,
    datacontenttype: &'a str,
    data: &'a RawValue,
}

/// What says its type itself.
#[derive(Serialize)]
struct Typed<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(flatten)]
    what: &'a What,
}

/// So many events; the one at `refused` is a training that ends before it begins.
pub(super) fn events(count: usize, refused: usize) -> anyhow::Result<Vec<Event>> {
    let mut random = fastrand::Rng::with_seed(SEED);
    let mut revisions = BTreeMap::new();
    (0..count)
        .map(|position| {
            let time = time(position);
            let what = match random.u8(0..100) {
                _ if position == refused => What::Schedule(schedule(&mut random, true)),
                0..38 => What::Policy(policy(&mut random, &mut revisions, &time)),
                38..66 => What::Schedule(schedule(&mut random, false)),
                66..76 => What::Cancelled(cancelled(&mut random)),
                76..92 => What::Audit(audit(&mut random)),
                _ => What::Newsletter { issue: position },
            };
            let form = match position % 3 {
                0 => Form::Binary,
                1 => Form::Structured,
                _ => Form::Plain,
            };
            Event::new(what, form, position, time)
        })
        .collect()
}

impl Event {
    fn new(what: What, form: Form, position: usize, time: String) -> anyhow::Result<Self> {
        let data = match form {
            Form::Binary | Form::Structured => serde_json::to_string(&what),
            Form::Plain => serde_json::to_string(&Typed { kind: what.kind(), what: &what }),
        };
        Ok(Self { what, form, id: format!("event-{position:03}"), time, data: data? })
    }

    /// What the host calls it, once Kafka has put it there.
    pub(super) fn id_at(&self, topic: &str, partition: i32, offset: i64) -> String {
        match self.form {
            Form::Binary | Form::Structured => self.id.clone(),
            Form::Plain => format!("{topic}/{partition}/{offset}"),
        }
    }

    /// The data that a connector sends, byte for byte.
    pub(super) fn data(&self) -> &str {
        &self.data
    }

    /// The record to produce.
    pub(super) fn outgoing(&self, topic: &str) -> anyhow::Result<Outgoing> {
        let text =
            |name: &'static str, value: &str| (name.into(), Some(Bytes::copy_from_slice(value.as_bytes())));
        let key = self.what.key();
        let (value, headers) = match self.form {
            Form::Plain => (self.data.clone(), Vec::new()),
            Form::Structured => {
                (self.structured()?, vec![text("content-type", "application/cloudevents+json")])
            }
            Form::Binary => {
                let mut headers = vec![
                    text("ce_specversion", "1.0"),
                    text("ce_id", &self.id),
                    text("ce_source", SOURCE),
                    text("ce_type", self.what.kind()),
                    text("ce_time", &self.time),
                    text("content-type", "application/json"),
                ];
                headers.extend(key.map(|key| text("ce_subject", key)));
                (self.data.clone(), headers)
            }
        };
        Ok(Outgoing {
            topic: topic.to_owned(),
            key: key.map(|key| Bytes::copy_from_slice(key.as_bytes())),
            value: Some(value.into()),
            headers,
            ..Outgoing::default()
        })
    }

    fn structured(&self) -> anyhow::Result<String> {
        let data: &RawValue = serde_json::from_str(&self.data).context("the data of an event is JSON")?;
        let event = Structured {
            specversion: "1.0",
            id: &self.id,
            source: SOURCE,
            kind: self.what.kind(),
            subject: self.what.key(),
            time: &self.time,
            datacontenttype: "application/json",
            data,
        };
        Ok(serde_json::to_string(&event)?)
    }
}

impl What {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            What::Policy(_) => "policy.updated",
            What::Schedule(_) => "schedule.updated",
            What::Cancelled(_) => "training.cancelled",
            What::Audit(_) => "audit.logged",
            What::Newsletter { .. } => "newsletter.sent",
        }
    }

    /// The thing it is about, whose events must stay in order.
    pub(super) fn key(&self) -> Option<&str> {
        match self {
            What::Policy(policy) => Some(&policy.number),
            What::Schedule(schedule) => Some(&schedule.training),
            What::Cancelled(cancelled) => Some(&cancelled.training),
            What::Audit(audit) => Some(audit.user),
            What::Newsletter { .. } => None,
        }
    }
}

fn policy(random: &mut fastrand::Rng, revisions: &mut BTreeMap<usize, u32>, time: &str) -> Policy {
    let number = random.usize(0..24);
    let revision = revisions.entry(number).or_default();
    *revision += 1;
    Policy {
        number: format!("P-{:03}", 100 + number),
        title: POLICIES[number % POLICIES.len()],
        unit: UNITS[number % UNITS.len()],
        revision: *revision,
        status: if random.u8(0..5) == 0 { "draft" } else { "published" },
        updated_at: time.to_owned(),
    }
}

fn schedule(random: &mut fastrand::Rng, is_backwards: bool) -> Schedule {
    let (number, day, hour) = (random.usize(0..18), random.u8(1..29), random.u8(8..15));
    let at = |hour: u8| format!("2026-10-{day:02}T{hour:02}:00:00Z");
    let (starts, ends) = if is_backwards { (at(hour + 2), at(hour)) } else { (at(hour), at(hour + 2)) };
    let room = format!("R-{}", 100 + random.u8(0..40));
    Schedule { training: training(number), title: TRAININGS[number % TRAININGS.len()], room, starts, ends }
}

fn cancelled(random: &mut fastrand::Rng) -> Cancelled {
    let reason = if random.bool() { "too few participants" } else { "trainer ill" };
    Cancelled { training: training(random.usize(0..18)), reason }
}

fn audit(random: &mut fastrand::Rng) -> Audit {
    Audit {
        user: USERS[random.usize(0..USERS.len())],
        action: ACTIONS[random.usize(0..ACTIONS.len())],
        severity: random.u8(1..=5),
    }
}

fn training(number: usize) -> String {
    format!("T-{:03}", 200 + number)
}

/// One event a second, from 8 o'clock on.
fn time(position: usize) -> String {
    let (minute, second) = (position / 60, position % 60);
    format!("2026-09-01T{:02}:{:02}:{second:02}Z", 8 + minute / 60, minute % 60)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use liaison::event::{self, DecodeRules, Origin, Record};

    use super::*;

    #[test]
    fn every_form_reads_back_as_the_event_it_is() {
        let rules = DecodeRules { type_header: "type".to_owned() };
        let mut kinds = BTreeSet::new();
        for event in events(120, 50).unwrap() {
            let Outgoing { key, value, headers, .. } = event.outgoing("t").unwrap();
            let origin = Origin { topic: "t".into(), partition: 1, offset: 7 };
            let record = Record { origin, timestamp: None, key, value, headers };
            let read = event::Event::decode(&record, &rules).unwrap();
            assert_eq!(read.id, event.id_at("t", 1, 7));
            assert_eq!(read.kind, event.what.kind());
            assert_eq!(read.key.as_deref(), event.what.key().map(str::as_bytes));
            assert_eq!(read.data.as_deref(), Some(event.data().as_bytes()));
            kinds.insert(event.what.kind());
        }
        assert_eq!(kinds.len(), 5);
    }

    #[test]
    fn one_training_ends_before_it_begins() {
        let backwards = |event: &Event| matches!(&event.what, What::Schedule(schedule) if schedule.ends < schedule.starts);
        let events = events(120, 50).unwrap();
        let positions: Vec<usize> = (0..120).filter(|position| backwards(&events[*position])).collect();
        assert_eq!(positions, [50]);
    }
}
