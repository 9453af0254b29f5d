//! What to do with one event, given what the calendar holds of its appointment. Pure.

use jiff::Timestamp;
use liaison_sdk::etag;
use liaison_sdk::prelude::*;
use liaison_sdk::version::{Standing, gone};

use crate::component::{Component, Line};
use crate::field::Field;
use crate::marks::{CANCELLED, Marks};
use crate::moment::utc;
use crate::resource;
use crate::settings::{Place, Status};
use crate::task::{Intent, Task};
use crate::wanted::{Source, Wanted, status_element};

/// What a calendar holds of an appointment.
#[derive(Debug)]
pub(crate) struct Held {
    /// What the server calls this state of it: its ETag, of whatever strength, or a digest where it gives none.
    pub(crate) version: String,
    pub(crate) calendar: Component,
    /// When it was written last, by the server, where it says so.
    pub(crate) modified: Option<Timestamp>,
}

impl Held {
    /// What a write over this state of it can be bound to. Without that, this look immediately before has to do.
    pub(crate) fn condition(&self) -> Option<&str> {
        etag::if_match(Some(&self.version))
    }
}

/// What follows.
#[derive(Debug)]
pub(crate) enum Step {
    Settle(Outcome),
    /// Where nothing is.
    Create(Component),
    /// Over what is held.
    Update(Component),
    /// What is held.
    Delete,
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
        if let Some(conflict) = gone(self.delivery, &format!("appointment {}", self.uid)) {
            return Ok(Step::Settle(conflict));
        }
        let mut marks = Marks::new(self.offered.version().cloned());
        if let Some(event) = resource::main_event_mut(&mut calendar) {
            event.set(Line::new("SEQUENCE", &[], "0"));
            for Wanted { field, elements } in &wanted {
                field.apply(event, elements, |_| false);
            }
            for field in Field::ALL {
                marks.note(field, &field.elements(event));
            }
        }
        self.finish(&mut calendar, &marks);
        resource::check(resource::main_event(&calendar, &self.uid)?)?;
        Ok(Step::Create(calendar))
    }

    fn delete(&self, held: &Held) -> Result<Step, Failure> {
        let event = resource::main_event(&held.calendar, &self.uid)?;
        let marks = Marks::of(event);
        let reason = match &self.delivery.resolution {
            Some(_) => self.not_as_decided(held),
            None => self.objection(event, &marks, &Field::ALL),
        };
        Ok(match reason {
            Some(reason) => self.conflict(held, event, &marks, &[], &reason),
            None => Step::Delete,
        })
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
        let standing = self.standing(&marks);
        let reason = match &self.delivery.resolution {
            Some(_) => self.not_as_decided(held),
            None if changes.is_empty() && standing == Standing::Equal => return Ok(already_there()),
            None => self.objection(before, &marks, &changes),
        };
        if let Some(reason) = reason {
            return Ok(self.conflict(held, before, &marks, &changes, &reason));
        }
        let mut noted = self.noted(before, &calendar, &marks, &wanted, &changes);
        if changes.is_empty() && noted == marks {
            return Ok(already_there());
        }
        noted.note_others(&marks, resource::main_event(&calendar, &self.uid)?, held.modified);
        if changes.iter().any(|field| field.is_significant())
            && let Some(event) = resource::main_event_mut(&mut calendar)
        {
            resource::raise_sequence(event);
        }
        self.finish(&mut calendar, &noted);
        // What others wrote is theirs to answer for.
        if changes.iter().any(|field| matches!(field, Field::Start | Field::End)) {
            resource::check(resource::main_event(&calendar, &self.uid)?)?;
        }
        Ok(Step::Update(calendar))
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

    /// What is known of the fields after this write: what the event gave, and what was known of the others.
    fn noted(
        &self,
        before: &Component,
        calendar: &Component,
        marks: &Marks,
        wanted: &[Wanted],
        changes: &[Field],
    ) -> Marks {
        let mut noted = marks.clone();
        noted.version = self.version_after(marks);
        let is_merged = matches!(self.delivery.resolution, Some(Resolution::Merged(_)));
        let Ok(after) = resource::main_event(calendar, &self.uid) else { return noted };
        for field in Field::ALL {
            let is_foreign = marks.is_foreign(field, before);
            match wanted.iter().find(|wanted| wanted.field == field) {
                // What the host took over from the calendar is still somebody else's: the next event may not write over it.
                Some(_) if is_merged && is_foreign && !changes.contains(&field) => {}
                Some(wanted) => noted.note(field, &wanted.elements),
                // What depends on another field, as an end on a begin, changed with it.
                None if !field.is_list() && !is_foreign => noted.note(field, &field.elements(after)),
                None => {}
            }
        }
        noted
    }

    /// What every write ends with.
    fn finish(&self, calendar: &mut Component, marks: &Marks) {
        let stamp = utc(self.time());
        let is_by_type = self.intent == Intent::Cancel
            && self
                .data
                .as_ref()
                .is_none_or(|data| Source { settings: self.settings, data }.find(Place::Status).is_none());
        let mut is_cancelled = false;
        if let Some(event) = resource::main_event_mut(calendar) {
            is_cancelled =
                event.line("STATUS").is_some_and(|line| line.value().eq_ignore_ascii_case("CANCELLED"));
            marks.write(event, &stamp);
            let by_type = is_by_type.then(|| Line::new(CANCELLED, &[], "by-type"));
            if is_by_type || !is_cancelled {
                event.replace(&[CANCELLED], by_type.into_iter().collect());
            }
            resource::stamp(event, &stamp);
        }
        resource::cancel_exceptions(calendar, is_cancelled);
        resource::define_zones(calendar);
    }
}

fn nothing_to_cancel() -> Outcome {
    Outcome::skipped("the calendar has no such appointment to cancel")
}

fn already_there() -> Step {
    Step::Settle(Outcome::skipped("already there: the calendar holds what the event says"))
}

#[cfg(test)]
mod tests;
