//! What a CalDAV server's refusals mean (RFC 4791, 5.3.2.1; RFC 4918, 16).
//!
//! A refusal names the condition that was not met as an element of its body, with whatever of 403, 409 and 412. Without one
//! a 409 to a write is no conflict of versions, which is a 412: the calendar is missing (RFC 4918, 9.7.1), and where it is
//! not, something else in it is in the way.

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

/// Of what a server says in its own words, in octets.
const MAX_QUOTED: usize = 500;

/// Whether somebody else wrote before this write: what there is now is to be looked at. `was_there` says whether it was
/// over something.
pub(crate) fn is_overtaken(response: &Response, was_there: bool) -> bool {
    match response.status() {
        412 => !names_condition(response),
        404 | 410 => was_there,
        _ => false,
    }
}

/// Whether a write was refused as one is where the calendar is not there. Others are refused so too.
pub(crate) fn may_lack_calendar(response: &Response) -> bool {
    matches!(response.status(), 404 | 409) && !names_condition(response)
}

/// A condition of CalDAV that was not met, and not the ETag's.
fn names_condition(response: &Response) -> bool {
    elements(&response.text()).iter().any(|name| is_condition(name))
}

/// What is known where the calendar is missing.
pub(crate) fn without_calendar(response: &Response, calendar: &str) -> Outcome {
    Outcome::denied(format!(
        "{}: the calendar `{calendar}` is not there; make it, or set `create-calendar = true`",
        response.summary()
    ))
}

/// The answer to a request that writes no appointment and that did not succeed: whatever it says, nothing was written that
/// could be in conflict.
pub(crate) fn of_question(response: &Response) -> Outcome {
    match OutcomeKind::of_status(response.status()) {
        OutcomeKind::Conflict => Outcome::of_kind(OutcomeKind::Retry, response),
        kind => Outcome::of_kind(kind, response),
    }
}

/// What a write that did not succeed comes to, the calendar being there.
pub(crate) fn of_write(response: &Response) -> Outcome {
    let text = response.text();
    let names = elements(&text);
    let summary = response.summary();
    let known = OF_THE_APPOINTMENT.iter().find(|(condition, _)| names.contains(condition));
    if let (Some((condition, meaning)), 400..) = (known, response.status()) {
        let which = content(&text, "href").map(|href| format!(": {href}")).unwrap_or_default();
        return Outcome::rejected(format!("{summary}, {condition}: {meaning}{which}"));
    }
    if names.contains(&"need-privileges") {
        return Outcome::denied(format!(
            "{summary}, need-privileges: this user may not write to the calendar"
        ));
    }
    if response.status() == 507 || names.contains(&"quota-not-exceeded") {
        return retry(response, format!("{summary}: the calendar's server has no room left"));
    }
    let said = content(&text, "message").map(|said| format!(" (`{said}`)")).unwrap_or_default();
    match response.status() {
        404 | 409 => retry(
            response,
            format!(
                "{summary}{said}, and the calendar is there: something else in it is in the way, such as a resource with this \
                 UID, and the server does not say what"
            ),
        ),
        423 => retry(response, format!("{summary}: somebody has locked it")),
        _ => Outcome::from_response(response),
    }
}

fn retry(response: &Response, reason: String) -> Outcome {
    match response.retry_after() {
        Some(after) => Outcome::retry_after(after, reason),
        None => Outcome::retry(reason),
    }
}

fn is_condition(name: &str) -> bool {
    OF_THE_APPOINTMENT.iter().any(|(condition, _)| *condition == name)
        || matches!(name, "need-privileges" | "quota-not-exceeded" | "resource-must-be-null")
}

/// The text in the first element of this local name that has any, as it is written.
fn content<'text>(text: &'text str, name: &str) -> Option<&'text str> {
    let named = text.split('<').skip(1).filter(|rest| local_name(rest) == Some(name));
    let mut contents = named.filter_map(|rest| Some(rest.split_once('>')?.1.trim()));
    contents.find(|content| !content.is_empty() && content.len() <= MAX_QUOTED)
}

/// The local names of all elements of an XML text, in order. What is no XML has none that are looked for.
pub(crate) fn elements(text: &str) -> Vec<&str> {
    text.split('<').skip(1).filter_map(local_name).collect()
}

/// Of what stands behind a `<`, unless it is the end of an element, a comment or an instruction.
fn local_name(rest: &str) -> Option<&str> {
    let is_end = |character: char| character.is_whitespace() || matches!(character, '>' | '/');
    let name = rest.get(..rest.find(is_end)?).filter(|name| !name.starts_with(['?', '!']))?;
    name.rsplit(':').next().filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests;
