//! What a CalDAV server's refusals mean (RFC 4791, 5.3.2.1; RFC 4918, 16).
//!
//! A refusal names the condition that was not met as an element of its body. Without one the status has its usual
//! meaning, but for a 404 or 409 to a write: there the calendar itself is missing.

use liaison_sdk::prelude::*;

/// Conditions that this appointment does not meet and never will, each with what it says to a person.
const OF_THE_APPOINTMENT: [(&str, &str); 12] = [
    ("valid-calendar-data", "the server does not take it for valid iCalendar"),
    ("valid-calendar-object-resource", "the server does not take it for one appointment"),
    ("supported-calendar-data", "the server does not take iCalendar of this kind"),
    ("supported-calendar-component", "this calendar takes no appointments"),
    ("no-uid-conflict", "another resource of the calendar has this UID"),
    ("unique-scheduling-object-resource", "another calendar of this user has this UID"),
    ("max-resource-size", "it is larger than the server allows"),
    ("min-date-time", "it begins before the earliest time of the server"),
    ("max-date-time", "it ends after the latest time of the server"),
    ("max-instances", "it recurs more often than the server allows"),
    ("max-attendees-per-instance", "it has more attendees than the server allows"),
    (
        "allowed-organizer-scheduling-object-change",
        "the server does not let this user change it as its organiser",
    ),
];

/// Whether a write failed because the calendar is not there.
pub(crate) fn is_calendar_missing(response: &Response) -> bool {
    match response.status() {
        404 => true,
        409 => elements(&response.text()).iter().all(|name| !is_condition(name)),
        _ => false,
    }
}

/// Whether a condition of CalDAV was not met, and not the ETag's.
pub(crate) fn is_refusal(response: &Response) -> bool {
    elements(&response.text()).iter().any(|name| is_condition(name))
}

/// What a write that did not succeed comes to.
pub(crate) fn of_write(response: &Response, calendar: &str) -> Outcome {
    let text = response.text();
    let names = elements(&text);
    let summary = response.summary();
    let known = OF_THE_APPOINTMENT.iter().find(|(condition, _)| names.contains(condition));
    if let (Some((condition, meaning)), 400..) = (known, response.status()) {
        return Outcome::rejected(format!("{summary}, {condition}: {meaning}"));
    }
    if names.contains(&"need-privileges") {
        return Outcome::denied(format!(
            "{summary}, need-privileges: this user may not write to the calendar"
        ));
    }
    if response.status() == 507 || names.contains(&"quota-not-exceeded") {
        let reason = format!("{summary}: the calendar's server has no room left");
        return match response.retry_after() {
            Some(after) => Outcome::retry_after(after, reason),
            None => Outcome::retry(reason),
        };
    }
    if is_calendar_missing(response) {
        return Outcome::denied(format!(
            "{summary}: the calendar `{calendar}` is not there; make it, or set `create-calendar = true`"
        ));
    }
    Outcome::from_response(response)
}

fn is_condition(name: &str) -> bool {
    OF_THE_APPOINTMENT.iter().any(|(condition, _)| *condition == name)
        || matches!(name, "need-privileges" | "quota-not-exceeded" | "resource-must-be-null")
}

/// The local names of all elements of an XML text, in order. What is no XML has none that are looked for.
pub(crate) fn elements(text: &str) -> Vec<&str> {
    let starts = text.split('<').skip(1).filter(|rest| !rest.starts_with(['/', '?', '!']));
    let name = |rest: &'_ str| {
        rest.find(|character: char| character.is_whitespace() || matches!(character, '>' | '/'))
    };
    let names = starts.filter_map(|rest| rest.get(..name(rest)?));
    names.map(|name| name.rsplit(':').next().unwrap_or(name)).collect()
}

#[cfg(test)]
mod tests;
