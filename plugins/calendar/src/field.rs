//! What of an appointment is kept in step with events: fields, and the properties of a `VEVENT` that hold them.
//!
//! A field is compared by its *keys*, which say the same in the same words however a calendar writes it.

use crate::component::{Component, Line, split_list, unescape};
use crate::duration::Length;
use crate::moment::Moment;

/// A part of an appointment that has one value, or is a list whose elements are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Field {
    Title,
    Description,
    Location,
    Url,
    Start,
    End,
    Rule,
    /// Dates beside the rule, and exceptions from it.
    Dates,
    Status,
    Organiser,
    Attendees,
    Categories,
}

/// One value, and the line that holds it alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) key: String,
    pub(crate) line: Line,
}

impl Field {
    pub(crate) const ALL: [Field; 12] = [
        Field::Title,
        Field::Description,
        Field::Location,
        Field::Url,
        Field::Start,
        Field::End,
        Field::Rule,
        Field::Dates,
        Field::Status,
        Field::Organiser,
        Field::Attendees,
        Field::Categories,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Field::Title => "title",
            Field::Description => "description",
            Field::Location => "location",
            Field::Url => "url",
            Field::Start => "start",
            Field::End => "end",
            Field::Rule => "rule",
            Field::Dates => "dates",
            Field::Status => "status",
            Field::Organiser => "organiser",
            Field::Attendees => "attendees",
            Field::Categories => "categories",
        }
    }

    fn properties(self) -> &'static [&'static str] {
        match self {
            Field::Title => &["SUMMARY"],
            Field::Description => &["DESCRIPTION"],
            Field::Location => &["LOCATION"],
            Field::Url => &["URL"],
            Field::Start => &["DTSTART"],
            Field::End => &["DTEND", "DURATION"],
            Field::Rule => &["RRULE"],
            Field::Dates => &["RDATE", "EXDATE"],
            Field::Status => &["STATUS"],
            Field::Organiser => &["ORGANIZER"],
            Field::Attendees => &["ATTENDEE"],
            Field::Categories => &["CATEGORIES"],
        }
    }

    /// Others add to these, and what they add stays.
    pub(crate) fn is_list(self) -> bool {
        matches!(self, Field::Dates | Field::Attendees | Field::Categories)
    }

    /// Whether a change of it is a new revision, which raises `SEQUENCE` (RFC 5546, 2.1.4).
    pub(crate) fn is_significant(self) -> bool {
        matches!(self, Field::Start | Field::End | Field::Rule | Field::Dates | Field::Status)
    }

    /// What an event of a calendar holds of it.
    pub(crate) fn elements(self, event: &Component) -> Vec<Element> {
        let is_its = |line: &&Line| self.properties().iter().any(|name| line.is(name));
        let lines = event.lines().filter(is_its);
        if self.is_list() {
            return lines.flat_map(|line| self.list(line)).collect();
        }
        let one = |line: &Line| Some(Element { key: self.key(line, event)?, line: line.clone() });
        lines.take(1).filter_map(one).collect()
    }

    fn list(self, line: &Line) -> Vec<Element> {
        if self == Field::Attendees {
            return vec![Element { key: address_key(line.value()), line: line.clone() }];
        }
        let values = if self == Field::Categories {
            split_list(line.value())
        } else {
            line.value().split(',').collect()
        };
        let one = |value: &&str| {
            let line = line.with_value(value);
            let key = match self {
                Field::Categories => unescape(value).trim().to_owned(),
                _ => date_key(&line),
            };
            Element { key, line }
        };
        values.iter().map(one).collect()
    }

    fn key(self, line: &Line, event: &Component) -> Option<String> {
        Some(match self {
            // Some servers cut off spaces at the end, and lines without a value.
            Field::Title | Field::Description | Field::Location => {
                Some(unescape(line.value()).trim().to_owned()).filter(|text| !text.is_empty())?
            }
            Field::Start => moment_key(line),
            Field::End if line.is("DURATION") => {
                let end =
                    Moment::from_line(event.line("DTSTART")?)?.after(Length::parse(line.value().trim())?);
                end?.to_string()
            }
            Field::End => moment_key(line),
            Field::Rule => rule_key(line.value()),
            Field::Status => line.value().trim().to_ascii_uppercase(),
            Field::Organiser => address_key(line.value()),
            Field::Url | Field::Dates | Field::Attendees | Field::Categories => line.value().to_owned(),
        })
    }

    /// Makes it hold what is wanted. Of a list, only what was `given` before goes, and what others added stays.
    pub(crate) fn apply(
        self,
        event: &mut Component,
        wanted: &[Element],
        was_given: impl Fn(&str) -> bool,
    ) -> bool {
        let held = self.elements(event);
        let is_in = |elements: &[Element], key: &str| elements.iter().any(|element| element.key == key);
        let stays =
            |element: &&Element| is_in(wanted, &element.key) || (self.is_list() && !was_given(&element.key));
        let is_same =
            held.iter().all(|element| stays(&element)) && wanted.iter().all(|new| is_in(&held, &new.key));
        if is_same {
            return false;
        }
        let kept = held.iter().filter(stays).map(|element| element.line.clone());
        let new = wanted.iter().filter(|new| !is_in(&held, &new.key)).map(|new| new.line.clone());
        let lines = kept.chain(new).collect();
        event.replace(self.properties(), lines);
        true
    }
}

fn moment_key(line: &Line) -> String {
    Moment::from_line(line).map_or_else(|| line.value().to_owned(), |moment| moment.to_string())
}

/// Told apart by what it is, too: `EXDATE 2026-05-08T10:00:00[Europe/Berlin]`.
pub(crate) fn date_key(line: &Line) -> String {
    format!("{} {}", line.name().to_ascii_uppercase(), moment_key(line))
}

/// Addresses are the same whatever the case of their letters.
pub(crate) fn address_key(address: &str) -> String {
    address.trim().to_lowercase()
}

/// The parts of a rule in an order of their own.
pub(crate) fn rule_key(rule: &str) -> String {
    let rule = rule.trim().to_ascii_uppercase();
    let mut parts: Vec<&str> =
        rule.split(';').filter(|part| !matches!(*part, "" | "INTERVAL=1" | "WKST=MO")).collect();
    parts.sort_unstable();
    parts.join(";")
}

#[cfg(test)]
mod tests;
