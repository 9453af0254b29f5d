//! For tests: a calendar of one appointment, on which one event after another is decided.

use liaison_sdk::prelude::*;
use liaison_sdk::testing::{EventBuilder, event};
use serde_json::{Value, json};

use crate::component::{Component, Line};
use crate::decide::{Held, Step};
use crate::resource;
use crate::settings::Settings;
use crate::task::Task;

/// 2026-04-01T00:00:00Z, from which events count their minutes.
const MIDNIGHT_MS: u64 = 1_775_001_600_000;

/// A calendar of one resource, and the settings of the connector that keeps it.
pub(crate) struct Bench {
    pub(crate) settings: Settings,
    pub(crate) held: Option<Held>,
    pub(crate) writes: usize,
    /// What the server says of when it was written; nothing of it where this is no time.
    pub(crate) server_clock: &'static str,
}

/// What one event came to.
#[derive(Debug, PartialEq)]
pub(crate) enum Came {
    Written,
    Deleted,
    Ended(OutcomeKind, String),
    Conflict(Value),
}

impl Bench {
    pub(crate) fn new(settings: Value) -> Self {
        Self {
            settings: serde_json::from_value(settings).unwrap(),
            held: None,
            writes: 0,
            server_clock: "2026-05-01T12:00:00Z",
        }
    }

    pub(crate) fn take(&mut self, event: EventBuilder) -> Result<Came, String> {
        let delivery = Delivery::from(event.key("a-1"));
        let task =
            Task::new(&self.settings, &delivery, "a-1".to_owned()).map_err(|failure| failure.to_string())?;
        let step = task.decide(self.held.as_ref()).map_err(|failure| failure.to_string())?;
        Ok(match step {
            Step::Settle(Outcome::Conflict(conflict)) => {
                assert_eq!(conflict.version.as_ref(), self.held.as_ref().map(|held| &held.version));
                let current = conflict.current.map(|current| serde_json::from_slice(&current).unwrap());
                Came::Conflict(current.unwrap_or_default())
            }
            Step::Settle(Outcome::Skipped(reason)) => Came::Ended(OutcomeKind::Skipped, reason),
            Step::Settle(outcome) => Came::Ended(outcome.kind(), String::new()),
            Step::Create(calendar) => {
                assert!(self.held.is_none());
                self.put(&calendar)
            }
            Step::Update(calendar) => {
                assert!(self.held.is_some());
                self.put(&calendar)
            }
            Step::Delete => {
                self.held = None;
                Came::Deleted
            }
        })
    }

    fn put(&mut self, calendar: &Component) -> Came {
        self.writes += 1;
        let calendar = Component::parse(calendar.to_string().as_bytes()).unwrap();
        let modified = self.server_clock.parse().ok();
        self.held = Some(Held { version: format!("\"{}\"", self.writes), calendar, modified });
        Came::Written
    }

    /// Somebody else writes.
    pub(crate) fn others(&mut self, names: &[&str], lines: &[&str]) {
        let mut held = self.held.take().unwrap().calendar;
        let lines = lines.iter().map(|line| Line::parse(line).unwrap()).collect();
        resource::main_event_mut(&mut held).unwrap().replace(names, lines);
        self.put(&held);
    }

    pub(crate) fn line(&self, name: &str) -> Option<String> {
        let event = resource::main_event(&self.held.as_ref()?.calendar, "a-1").unwrap();
        event.line(name).map(|line| line.as_str().to_owned())
    }

    pub(crate) fn sequence(&self) -> String {
        self.line("SEQUENCE").unwrap()
    }
}

pub(crate) fn data(minute: u32, more: Value) -> Value {
    let mut data = json!({
        "title": "A",
        "start": "2026-05-01T10:00:00",
        "end": "2026-05-01T11:00:00",
        "timezone": "Europe/Berlin",
        "updatedAt": format!("2026-04-01T00:{minute:02}:00Z"),
    });
    for (name, value) in more.as_object().unwrap() {
        data[name] = value.clone();
    }
    data
}

pub(crate) fn updated(minute: u32, more: Value) -> EventBuilder {
    event("schedule.updated").data(data(minute, more))
}

pub(crate) fn event_of(data: Value) -> EventBuilder {
    event("schedule.updated").data(data)
}

pub(crate) fn delivered() -> Came {
    Came::Ended(OutcomeKind::Delivered, String::new())
}

pub(crate) fn already_there() -> Came {
    Came::Ended(OutcomeKind::Skipped, "already there: the calendar holds what the event says".into())
}

/// Takes an event that is a conflict, and gives what the host is shown.
pub(crate) fn conflict(bench: &mut Bench, event: EventBuilder) -> Value {
    match bench.take(event) {
        Ok(Came::Conflict(current)) => current,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn tombstone(minute: u32) -> EventBuilder {
    event("schedule.removed").tombstone().time_ms(MIDNIGHT_MS + u64::from(minute) * 60_000)
}
