//! What to do with one event, given what the calendar holds of its appointment. Pure.

use std::cmp::Ordering;

use jiff::Timestamp;
use liaison_sdk::prelude::*;

use crate::component::{Component, Line};
use crate::current::{self, Style};
use crate::field::Field;
use crate::marks::{CANCELLED, Marks};
use crate::resource;
use crate::settings::{Place, Status};
use crate::task::{Intent, Task};
use crate::version::Version;
use crate::wanted::{Source, Wanted, status_element};

/// What a calendar holds of an appointment.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) etag: String,
    pub(crate) calendar: Component,
    /// By the server, where it says so.
    pub(crate) modified: Option<Timestamp>,
}

/// What follows.
#[derive(Debug)]
pub(crate) enum Step {
    Settle(Outcome),
    Create(Component),
    /// Over the version with this ETag.
    Update(String, Component),
    Delete(String),
}

impl Task<'_> {
    pub(crate) fn decide(&self, held: Option<&Held>) -> Result<Step, Failure> {
        match held {
            None => self.without(),
            Some(held) if self.intent == Intent::Delete => self.delete(held),
            Some(held) => self.update(held),
        }
    }

    /// There is no such appointment yet, or no longer.
    fn without(&self) -> Result<Step, Failure> {
        let mut calendar = resource::new(&self.uid);
        let wanted = match (self.intent, &self.data) {
            (Intent::Delete, _) => return Ok(Step::Settle(Outcome::delivered())),
            (Intent::Cancel, None) => return Ok(Step::Settle(nothing_to_cancel())),
            (Intent::Write | Intent::Cancel, _) => self.wanted(None)?,
        };
        if self.intent == Intent::Cancel && wanted.iter().all(|wanted| wanted.field != Field::Start) {
            return Ok(Step::Settle(nothing_to_cancel()));
        }
        let mut marks = Marks::new(self.version.clone());
        if let Some(event) = resource::main_event_mut(&mut calendar) {
            event.set(Line::new("SEQUENCE", &[], "0"));
            for Wanted { field, elements } in &wanted {
                field.apply(event, elements, |_| false);
            }
            for field in Field::ALL {
                marks.note(field, &field.elements(event));
            }
        }
        self.finish(&mut calendar, marks);
        resource::check(resource::main_event(&calendar, &self.uid)?)?;
        Ok(Step::Create(calendar))
    }

    fn delete(&self, held: &Held) -> Result<Step, Failure> {
        let event = resource::main_event(&held.calendar, &self.uid)?;
        let marks = Marks::of(event);
        if self.delivery.resolution.is_some() {
            return Ok(self.over(held, event, &marks).unwrap_or_else(|| Step::Delete(held.etag.clone())));
        }
        if let Some(reason) = self.age(&marks) {
            return Ok(self.conflict(held, event, &marks, &reason));
        }
        match foreign(&marks, event).first() {
            Some(field) => Ok(self.conflict(held, event, &marks, &changed(*field))),
            None => Ok(Step::Delete(held.etag.clone())),
        }
    }

    fn update(&self, held: &Held) -> Result<Step, Failure> {
        let before = resource::main_event(&held.calendar, &self.uid)?;
        let marks = Marks::of(before);
        let wanted = self.wanted(Some(before))?;
        let mut calendar = held.calendar.clone();
        let mut changes = Vec::new();
        if let Some(event) = resource::main_event_mut(&mut calendar) {
            for Wanted { field, elements } in &wanted {
                if field.apply(event, elements, |key| marks.was_given(*field, key)) {
                    changes.push(*field);
                }
            }
        }
        if self.delivery.resolution.is_some() {
            if let Some(step) = self.over(held, before, &marks) {
                return Ok(step);
            }
        } else if let Some(reason) = self.objection(before, &marks, &changes) {
            return Ok(self.conflict(held, before, &marks, &reason));
        }
        let noted = self.noted(before, &calendar, &marks, &wanted);
        if changes.is_empty() && noted == marks {
            let version = Some(held.etag.clone());
            return Ok(Step::Settle(Outcome::Delivered(Receipt { external_id: None, version })));
        }
        if changes.iter().any(|field| field.is_significant())
            && let Some(event) = resource::main_event_mut(&mut calendar)
        {
            resource::raise_sequence(event);
        }
        self.finish(&mut calendar, noted);
        // What others wrote is theirs to answer for.
        if changes.iter().any(|field| matches!(field, Field::Start | Field::End)) {
            resource::check(resource::main_event(&calendar, &self.uid)?)?;
        }
        Ok(Step::Update(held.etag.clone(), calendar))
    }

    /// What the event names, and what its type says.
    fn wanted(&self, held: Option<&Component>) -> Result<Vec<Wanted>, Failure> {
        let mut wanted = match &self.data {
            Some(data) => Source { settings: self.settings, data }.wanted(held)?,
            None => Vec::new(),
        };
        let says_status = wanted.iter().any(|wanted| wanted.field == Field::Status);
        if self.intent == Intent::Cancel {
            wanted.retain(|wanted| wanted.field != Field::Status);
            wanted.push(Wanted { field: Field::Status, elements: vec![status_element(Status::Cancelled)] });
        } else if !says_status && held.is_some_and(|held| held.line(CANCELLED).is_some()) {
            // It was cancelled by an event's type alone, and this event's type says that it takes place.
            wanted.push(Wanted { field: Field::Status, elements: Vec::new() });
        }
        Ok(wanted)
    }

    /// Why the event may not be written as it is.
    fn objection(&self, event: &Component, marks: &Marks, changes: &[Field]) -> Option<String> {
        let is_known = self.version.is_some() && self.compare(marks) == Some(Ordering::Equal);
        if changes.is_empty() && is_known {
            return None;
        }
        let foreign = changes.iter().find(|field| marks.is_foreign(**field, event));
        foreign.map(|field| changed(*field)).or_else(|| self.age(marks))
    }

    /// Why the event is not newer than what was written last.
    fn age(&self, marks: &Marks) -> Option<String> {
        let (version, known) = (self.version.as_ref()?, marks.version.as_ref()?);
        match version.compare(known) {
            Some(Ordering::Greater) => None,
            Some(Ordering::Equal) => Some("the calendar holds this version already".to_owned()),
            Some(Ordering::Less) => Some("the calendar holds a newer version".to_owned()),
            None => Some("the calendar holds a version that cannot be compared with this one".to_owned()),
        }
    }

    fn compare(&self, marks: &Marks) -> Option<Ordering> {
        self.version.as_ref()?.compare(marks.version.as_ref()?)
    }

    /// Where the host decided over another version than what is there now, it is asked again.
    fn over(&self, held: &Held, event: &Component, marks: &Marks) -> Option<Step> {
        let version = self.delivery.version()?;
        (version != held.etag).then(|| {
            self.conflict(
                held,
                event,
                marks,
                "the appointment was changed again since the conflict was decided",
            )
        })
    }

    /// For the host to decide.
    fn conflict(&self, held: &Held, event: &Component, marks: &Marks, reason: &str) -> Step {
        let style = Style::of(self.settings, self.data.as_ref());
        let version = held_version(held, event, marks);
        let current = current::json(self.settings, &self.uid, event, &version, style);
        Step::Settle(Outcome::conflict(Some(held.etag.clone()), Some(current), reason))
    }

    /// What is known of the fields after this write: what the event gave, and what was known of the others.
    fn noted(&self, before: &Component, calendar: &Component, marks: &Marks, wanted: &[Wanted]) -> Marks {
        let mut noted = marks.clone();
        if self.version.is_some() {
            noted.version.clone_from(&self.version);
        }
        let Ok(after) = resource::main_event(calendar, &self.uid) else { return noted };
        for field in Field::ALL {
            match wanted.iter().find(|wanted| wanted.field == field) {
                Some(wanted) => noted.note(field, &wanted.elements),
                // What depends on another field, as an end on a begin, changed with it.
                None if !field.is_list() && !marks.is_foreign(field, before) => {
                    noted.note(field, &field.elements(after))
                }
                None => {}
            }
        }
        noted
    }

    /// What every write ends with.
    fn finish(&self, calendar: &mut Component, marks: Marks) {
        let is_by_type = self.intent == Intent::Cancel
            && self
                .data
                .as_ref()
                .is_none_or(|data| Source { settings: self.settings, data }.find(Place::Status).is_none());
        let mut is_cancelled = false;
        if let Some(event) = resource::main_event_mut(calendar) {
            is_cancelled =
                event.line("STATUS").is_some_and(|line| line.value().eq_ignore_ascii_case("CANCELLED"));
            marks.write(event);
            let by_type = is_by_type.then(|| Line::new(CANCELLED, &[], "by-type"));
            if is_by_type || !is_cancelled {
                event.replace(&[CANCELLED], by_type.into_iter().collect());
            }
            resource::stamp(event, self.time());
        }
        resource::cancel_exceptions(calendar, is_cancelled);
        resource::define_zones(calendar);
    }
}

fn nothing_to_cancel() -> Outcome {
    Outcome::skipped("the calendar has no such appointment to cancel")
}

fn changed(field: Field) -> String {
    format!("somebody else changed the {} of the appointment in the calendar", field.name())
}

fn foreign(marks: &Marks, event: &Component) -> Vec<Field> {
    Field::ALL.into_iter().filter(|field| marks.is_foreign(*field, event)).collect()
}

/// Whose version a calendar holds: ours, or a later one of somebody else, whose time a reader or the server has noted.
fn held_version(held: &Held, event: &Component, marks: &Marks) -> current::Held {
    if foreign(marks, event).is_empty() {
        return current::Held::Version(marks.version.clone());
    }
    let known = match &marks.version {
        None => None,
        Some(Version::Time(known, _)) => Some(*known),
        Some(Version::Integer(_) | Version::Text(_)) => return current::Held::Unknown,
    };
    let is_later = |time: &Timestamp| known.is_none_or(|known| time.as_second() > known.as_second());
    let noted = event.line("LAST-MODIFIED").and_then(crate::moment::Moment::from_line);
    let noted = noted.and_then(|noted| noted.instant()).filter(is_later);
    noted.or(held.modified.filter(is_later)).map_or(current::Held::Unknown, current::Held::Later)
}

#[cfg(test)]
mod tests;
