//! What an event says of its appointment: each field that it names, with what it is to be.
//!
//! What the event does not name is not said, and stays as it is; what it gives as `null` is to be gone.

use liaison_sdk::failure::Failure;
use serde_json::Value;

use crate::component::{Component, Line, escape, normal};
use crate::duration::Length;
use crate::field::{Element, Field, address_key};
use crate::moment::{Clock, Moment};
use crate::people;
use crate::recurrence;
use crate::settings::{DayEnd, Place, Settings, Status};

/// One field, and all that it is to hold.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) field: Field,
    pub(crate) elements: Vec<Element>,
}

/// An event's data, with the settings that say where things stand in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'delivery> {
    pub(crate) settings: &'delivery Settings,
    pub(crate) data: &'delivery Value,
}

/// A value, and the pointer that found it.
#[derive(Debug, Clone)]
pub(crate) struct Found<'data> {
    pub(crate) value: &'data Value,
    pub(crate) pointer: String,
}

impl Source<'_> {
    pub(crate) fn find(&self, place: Place) -> Option<Found<'_>> {
        let pointer = self.settings.places.of(place)?;
        // What is null is said too: it is to be gone.
        let value = self.data.pointer(pointer.as_str())?;
        Some(Found { value, pointer: pointer.as_str().to_owned() })
    }

    /// What the event names. `held` is what the calendar has of it now: the end of something that lasts so long depends
    /// on its begin.
    pub(crate) fn wanted(&self, held: Option<&Component>) -> Result<Vec<Wanted>, Failure> {
        let mut wanted = Vec::new();
        for (field, place, property) in [
            (Field::Title, Place::Title, "SUMMARY"),
            (Field::Description, Place::Description, "DESCRIPTION"),
            (Field::Location, Place::Location, "LOCATION"),
        ] {
            if let Some(found) = self.find(place) {
                wanted.push(Wanted {
                    field,
                    elements: found.words()?.map(|text| text_element(property, &text)).into_iter().collect(),
                });
            }
        }
        if let Some(found) = self.find(Place::Url) {
            wanted.push(Wanted { field: Field::Url, elements: found.url()?.into_iter().collect() });
        }
        let start = self.start()?;
        if let Some(start) = &start {
            wanted.push(Wanted { field: Field::Start, elements: vec![moment_element("DTSTART", start)] });
        }
        let start = start.or_else(|| Moment::from_line(held?.line("DTSTART")?));
        if let Some(elements) = self.end(start.as_ref())? {
            wanted.push(Wanted { field: Field::End, elements });
        }
        if let Some(found) = self.find(Place::Recurrence) {
            wanted.extend(recurrence::wanted(&found, start.as_ref(), self.clock()?.as_ref())?);
        }
        if let Some(found) = self.find(Place::Status) {
            let status = self.status(&found)?;
            wanted.push(Wanted {
                field: Field::Status,
                elements: status.map(status_element).into_iter().collect(),
            });
        }
        wanted.extend(self.people()?);
        Ok(wanted)
    }

    fn people(&self) -> Result<Vec<Wanted>, Failure> {
        let mut wanted = Vec::new();
        if let Some(found) = self.find(Place::Organiser) {
            let organiser = people::one(&found, "ORGANIZER")?;
            wanted.push(Wanted { field: Field::Organiser, elements: organiser.into_iter().collect() });
        }
        if let Some(found) = self.find(Place::Attendees) {
            wanted.push(Wanted { field: Field::Attendees, elements: people::all(&found, "ATTENDEE")? });
        }
        if let Some(found) = self.find(Place::Categories) {
            let texts = found.list();
            let elements =
                texts.iter().map(|found| Ok(found.words()?.map(|text| text_element("CATEGORIES", &text))));
            let elements: Result<Vec<_>, Failure> = elements.collect();
            wanted.push(Wanted {
                field: Field::Categories,
                elements: distinct(elements?.into_iter().flatten()),
            });
        }
        Ok(wanted)
    }

    /// By which local times are read: the event's own zone, else the connector's.
    fn clock(&self) -> Result<Option<Clock>, Failure> {
        let Some(found) = self.find(Place::Timezone) else { return Ok(self.settings.clock.clone()) };
        match found.text()? {
            None => Ok(self.settings.clock.clone()),
            Some(name) => Clock::named(&name).map(Some).map_err(|why| found.wrong(&why)),
        }
    }

    fn moment(&self, place: Place) -> Result<Option<Moment>, Failure> {
        let Some(found) = self.find(place) else { return Ok(None) };
        let Some(text) = found.text()? else { return Ok(None) };
        Moment::from_json(&text, self.clock()?.as_ref()).map(Some).map_err(|why| found.wrong(&why))
    }

    fn start(&self) -> Result<Option<Moment>, Failure> {
        match self.moment(Place::Start)? {
            None if self.find(Place::Start).is_some() => {
                Err(Failure::Event("the event's start is null: an appointment has one".to_owned()))
            }
            start => Ok(start),
        }
    }

    /// `None` where the event says nothing of it.
    fn end(&self, start: Option<&Moment>) -> Result<Option<Vec<Element>>, Failure> {
        let (end, duration) = (self.find(Place::End), self.find(Place::Duration));
        let is_said = |found: &Option<Found<'_>>| found.as_ref().is_some_and(|found| !found.value.is_null());
        if is_said(&end) && is_said(&duration) {
            return Err(Failure::Event(
                "the event has an end and a duration: it must have one of them".to_owned(),
            ));
        }
        if is_said(&end) {
            let end = self.moment(Place::End)?.map(|end| match (&end, self.settings.all_day_end) {
                (Moment::Day(_), DayEnd::Inclusive) => end.after(Length::ONE_DAY).unwrap_or(end),
                _ => end,
            });
            return Ok(Some(end.iter().map(|end| moment_element("DTEND", end)).collect()));
        }
        if let Some(found) = duration.filter(|found| !found.value.is_null()) {
            let length = found.length()?;
            let start = start.ok_or_else(|| found.wrong("a duration needs a start"))?;
            if start.is_day() && !length.is_whole_days() {
                return Err(found.wrong("an appointment of whole days lasts whole days"));
            }
            let end = start.after(length).ok_or_else(|| found.wrong("it would end beyond the last year"))?;
            let line = Line::new("DURATION", &[], &length.to_string());
            return Ok(Some(vec![Element { key: end.to_string(), line }]));
        }
        Ok(end.or(self.find(Place::Duration)).map(|_| Vec::new()))
    }

    /// `None` where it is null.
    pub(crate) fn status(&self, found: &Found<'_>) -> Result<Option<Status>, Failure> {
        let Some(text) = found.text()? else { return Ok(None) };
        self.settings.status(&text).map(Some).ok_or_else(|| {
            found.wrong(&format!(
                "`{text}` is no status of a calendar: say by the setting `statuses` whether it is `confirmed`, `tentative` or \
                 `cancelled`"
            ))
        })
    }
}

impl<'data> Found<'data> {
    pub(crate) fn wrong(&self, why: &str) -> Failure {
        Failure::Event(format!("the event's data at `{}`: {why}", self.pointer))
    }

    /// Nothing where it is null.
    pub(crate) fn text(&self) -> Result<Option<String>, Failure> {
        match self.value {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text.clone())),
            Value::Number(number) => Ok(Some(number.to_string())),
            Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(self.wrong("it is no text")),
        }
    }

    /// Nothing where it is null or has nothing to read.
    fn words(&self) -> Result<Option<String>, Failure> {
        Ok(self.text()?.filter(|text| !normal(text).trim().is_empty()))
    }

    /// The elements of an array; one value is a list of one, and null an empty one.
    pub(crate) fn list(&self) -> Vec<Found<'data>> {
        match self.value {
            Value::Null => Vec::new(),
            Value::Array(values) => {
                let each = values.iter().enumerate();
                each.map(|(at, value)| Found { value, pointer: format!("{}/{at}", self.pointer) }).collect()
            }
            _ => vec![self.clone()],
        }
    }

    fn url(&self) -> Result<Option<Element>, Failure> {
        let Some(text) = self.text()? else { return Ok(None) };
        if text.chars().any(|character| character.is_control() || character.is_whitespace())
            || !text.contains(':')
        {
            return Err(self.wrong(&format!("`{text}` is no URL")));
        }
        Ok(Some(Element { key: text.clone(), line: Line::new("URL", &[], &text) }))
    }

    fn length(&self) -> Result<Length, Failure> {
        let length = match self.value {
            Value::Number(number) => {
                number.as_u64().and_then(|minutes| Length::of_seconds(minutes.checked_mul(60)?))
            }
            Value::String(text) => Length::parse(text),
            _ => None,
        };
        length.filter(|length| !length.is_zero()).ok_or_else(|| {
            let value = self.value;
            self.wrong(&format!("{value} is no duration: use minutes, or weeks, days, hours and minutes such as `P1D` or `PT1H30M`"))
        })
    }
}

pub(crate) fn status_element(status: Status) -> Element {
    let property = status.property();
    Element { key: property.to_owned(), line: Line::new("STATUS", &[], property) }
}

fn text_element(property: &str, text: &str) -> Element {
    Element { key: normal(text).trim().to_owned(), line: Line::new(property, &[], &escape(text)) }
}

fn moment_element(property: &str, moment: &Moment) -> Element {
    Element { key: moment.to_string(), line: moment.line(property) }
}

/// Each once, in the order in which they came first.
pub(crate) fn distinct(elements: impl Iterator<Item = Element>) -> Vec<Element> {
    let mut distinct: Vec<Element> = Vec::new();
    for element in elements {
        if !distinct.iter().any(|known| known.key == element.key) {
            distinct.push(element);
        }
    }
    distinct
}

/// An address that a calendar takes: `mailto:` and what stands in mails, or any other URI.
pub(crate) fn address(found: &Found<'_>, text: &str) -> Result<String, Failure> {
    let text = text.trim();
    let has_break = text.chars().any(|character| character.is_control() || character.is_whitespace());
    let is_mail = text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty());
    match text.split_once(':') {
        Some((scheme, rest))
            if !has_break && !rest.is_empty() && scheme.chars().all(char::is_alphanumeric) =>
        {
            Ok(text.to_owned())
        }
        None if is_mail && !has_break => Ok(format!("mailto:{text}")),
        _ => Err(found.wrong(&format!("`{text}` is no mail address"))),
    }
}

/// A person or a room as a line.
pub(crate) fn person_element(property: &str, address: &str, name: Option<&str>) -> Element {
    let parameters: Vec<_> = name.iter().map(|name| ("CN", *name)).collect();
    Element { key: address_key(address), line: Line::new(property, &parameters, address) }
}
