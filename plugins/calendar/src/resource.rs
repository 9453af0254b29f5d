//! One resource of a calendar: an appointment, with the exceptions from it and the zones that it is in.

use jiff::civil::Date;
use liaison_sdk::failure::Failure;

use crate::component::{Component, Item, Line, escape, unescape};
use crate::marks::CANCELLED;
use crate::moment::Moment;
use crate::zones::Zone;

const PRODUCT: &str = "-//liaison//calendar//EN";
/// From which a zone is defined where no day says so.
const EARLIEST_YEAR: i16 = 1970;

/// A new one, with nothing in it yet but what it is known by.
pub(crate) fn new(uid: &str) -> Component {
    let mut event = Component::new("VEVENT");
    event.set(Line::new("UID", &[], &escape(uid)));
    let mut calendar = Component::new("VCALENDAR");
    calendar.set(Line::new("VERSION", &[], "2.0"));
    calendar.set(Line::new("PRODID", &[], PRODUCT));
    calendar.items.push(Item::Component(event));
    calendar
}

/// The appointment itself, beside the exceptions from it.
pub(crate) fn main_event<'held>(calendar: &'held Component, uid: &str) -> Result<&'held Component, Failure> {
    let events = || calendar.components().filter(|component| component.name == "VEVENT");
    let found = events().find(|event| event.line("RECURRENCE-ID").is_none());
    let found = found.ok_or_else(|| {
        Failure::Event("the resource of this appointment in the calendar holds no appointment, only exceptions or something else".to_owned())
    })?;
    match found.line("UID").map(|line| unescape(line.value())) {
        Some(held) if held == uid => Ok(found),
        other => Err(Failure::Event(format!(
            "the resource of this appointment in the calendar has another UID: `{}`, not `{uid}`",
            other.unwrap_or_default()
        ))),
    }
}

/// The same to be changed. It is known to be there.
pub(crate) fn main_event_mut(calendar: &mut Component) -> Option<&mut Component> {
    let mut events = calendar.components_mut().filter(|component| component.name == "VEVENT");
    events.find(|event| event.line("RECURRENCE-ID").is_none())
}

/// Says in each exception too that it does not take place, or no longer.
pub(crate) fn cancel_exceptions(calendar: &mut Component, is_cancelled: bool) {
    let exceptions = calendar.components_mut().filter(|component| component.line("RECURRENCE-ID").is_some());
    for exception in exceptions {
        let status = exception.line("STATUS").map(|line| line.value().trim().to_ascii_uppercase());
        match (is_cancelled, exception.line(CANCELLED).map(|line| line.value().to_owned())) {
            (true, None) if status.as_deref() != Some("CANCELLED") => {
                exception.set(Line::new(CANCELLED, &[], status.as_deref().unwrap_or_default()));
                exception.set(Line::new("STATUS", &[], "CANCELLED"));
            }
            (false, Some(before)) => {
                exception.replace(&[CANCELLED], Vec::new());
                let status = (!before.is_empty()).then(|| Line::new("STATUS", &[], &before));
                exception.replace(&["STATUS"], status.into_iter().collect());
            }
            (true, None | Some(_)) | (false, None) => continue,
        }
        raise_sequence(exception);
    }
}

/// A new revision.
pub(crate) fn raise_sequence(event: &mut Component) {
    let sequence = event.line("SEQUENCE").and_then(|line| line.value().trim().parse::<u32>().ok());
    event.set(Line::new("SEQUENCE", &[], &sequence.unwrap_or(0).saturating_add(1).to_string()));
}

/// When it was written: as [`utc`](crate::moment::utc) writes it.
pub(crate) fn stamp(event: &mut Component, stamp: &str) {
    event.set(Line::new("DTSTAMP", &[], stamp));
    event.set(Line::new("LAST-MODIFIED", &[], stamp));
}

/// An appointment that a server takes and a reader understands: it begins, and it ends after that.
pub(crate) fn check(event: &Component) -> Result<(), Failure> {
    let wrong = |why: String| Err(Failure::Event(why));
    let Some(start) = event.line("DTSTART") else {
        return wrong("the event has no start, and the calendar has no such appointment yet".to_owned());
    };
    let start = Moment::from_line(start);
    let end = event.line("DTEND").and_then(Moment::from_line);
    let (Some(start), Some(end)) = (start, end) else { return Ok(()) };
    if start.is_day() != end.is_day() {
        return wrong(format!(
            "its start {start} and its end {end} are not of one kind: both are days, or both have a time"
        ));
    }
    match end.is_after(&start) {
        Some(false) => wrong(format!("its end {end} is not after its start {start}")),
        Some(true) | None => Ok(()),
    }
}

/// Defines the zones of this connector's own properties as they are from the earliest year on, and drops definitions
/// that nobody refers to. Zones with names of their own stay as they are.
pub(crate) fn define_zones(calendar: &mut Component) {
    let mut used: Vec<(String, Option<Date>)> = Vec::new();
    for component in calendar.components().filter(|component| component.name != "VTIMEZONE") {
        note_zones(component, &mut used);
    }
    let id = |component: &Component| component.line("TZID").map(|line| line.value().trim().to_owned());
    calendar.items.retain(|item| match item {
        Item::Component(zone) if zone.name == "VTIMEZONE" => id(zone).is_some_and(|id| {
            used.iter().any(|(name, _)| *name == id) && Zone::named(&id).is_none_or(|zone| zone.name != id)
        }),
        Item::Component(_) | Item::Line(_) => true,
    });
    used.sort();
    let definitions = used.iter().filter_map(|(name, earliest)| {
        let zone = Zone::named(name).filter(|zone| zone.name == name)?;
        let year = earliest.map_or(EARLIEST_YEAR, |day| day.year());
        Some(Item::Component(zone.definition(Date::new(year, 1, 1).ok()?)))
    });
    let definitions: Vec<_> = definitions.collect();
    let place = calendar.items.iter().position(|item| matches!(item, Item::Component(_)));
    let place = place.unwrap_or(calendar.items.len());
    calendar.items.splice(place..place, definitions);
}

/// Each zone that a line refers to, and the earliest day in it.
fn note_zones(component: &Component, used: &mut Vec<(String, Option<Date>)>) {
    for line in component.lines() {
        let Some(name) = line.parameter("TZID") else { continue };
        let day = Moment::from_value(line.value().split([',', '/']).next().unwrap_or_default().trim(), None);
        let day = day.map(|day| day.local().date());
        match used.iter_mut().find(|(known, _)| *known == name) {
            Some((_, earliest)) => *earliest = earliest.iter().chain(&day).min().copied(),
            None => used.push((name, day)),
        }
    }
    component.components().for_each(|component| note_zones(component, used));
}

#[cfg(test)]
mod tests;
