//! What a case expects beside what happened: every difference, each with its place. Pure.

mod json;

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

use self::json::json_differences;
use super::case::{Case, Content, Emitted, Ending, Expect, Scripted, ScriptedAnswer};
use super::run::{Exchange, Run, RunEnd};
use crate::contract::{Effect, Outcome, Reshaped, SqlRequest, SqlResponse, SqlValue, Transformed};
use crate::egress::SQL;

/// A longer text is cut where it is shown.
const MAX_SHOWN: usize = 200;
/// More differences of one body are not listed.
const MAX_IN_BODY: usize = 10;

/// Something that is not as a case expects it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Such as `round 1, request 2, header content-type`.
    pub place: String,
    pub expected: String,
    pub found: String,
}

/// Everything in which a run differs from its case.
pub fn differences(case: &Case, run: &Run) -> Vec<Difference> {
    let mut all = Differences::default();
    if let RunEnd::Unscripted(call) = &run.end {
        all.push(
            "the script",
            "a reply to each request".to_owned(),
            format!("none to `{call}`: here it ends"),
        );
    }
    requests(&case.requests, &run.rounds, &mut all);
    if !matches!(run.end, RunEnd::Unscripted(_)) {
        ending(&case.expect, &run.end, &mut all);
    }
    if let Some(expected) = &case.expect.log {
        let found: Vec<_> = run.observed.lines.iter().map(|line| line.text.as_str()).collect();
        if *expected != found {
            all.push("log", list(expected), list(&found));
        }
    }
    all.0
}

/// How it ended, as a case says it.
pub(super) fn ending_of(end: &RunEnd) -> Option<Ending> {
    Some(match end {
        RunEnd::Outcome(outcome) => match outcome {
            Outcome::Delivered(_) => Ending::Delivered,
            Outcome::Skipped(_) => Ending::Skipped,
            Outcome::Retry(_) => Ending::Retry,
            Outcome::Throttled(_) => Ending::Throttled,
            Outcome::Denied(_) => Ending::Denied,
            Outcome::Conflict(_) => Ending::Conflict,
            Outcome::Rejected(_) => Ending::Rejected,
        },
        RunEnd::Fault(_) => Ending::Fault,
        RunEnd::Transformed(Transformed::Emit(_)) => Ending::Emitted,
        RunEnd::Transformed(Transformed::Drop(_)) => Ending::Dropped,
        RunEnd::Transformed(Transformed::Reject(_)) => Ending::Rejected,
        RunEnd::Unscripted(_) => return None,
    })
}

impl Ending {
    pub fn name(self) -> &'static str {
        match self {
            Ending::Delivered => "delivered",
            Ending::Skipped => "skipped",
            Ending::Retry => "retry",
            Ending::Throttled => "throttled",
            Ending::Denied => "denied",
            Ending::Conflict => "conflict",
            Ending::Rejected => "rejected",
            Ending::Emitted => "emitted",
            Ending::Dropped => "dropped",
            Ending::Fault => "fault",
        }
    }
}

#[derive(Debug, Default)]
struct Differences(Vec<Difference>);

impl Differences {
    fn push(&mut self, place: impl Into<String>, expected: String, found: String) {
        let cut = |text: String| match text.char_indices().nth(MAX_SHOWN) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        };
        self.0.push(Difference { place: place.into(), expected: cut(expected), found: cut(found) });
    }

    fn equal<T: PartialEq>(
        &mut self,
        place: &str,
        expected: Option<T>,
        found: T,
        show: impl Fn(&T) -> String,
    ) {
        if let Some(expected) = expected.filter(|expected| *expected != found) {
            self.push(place, show(&expected), show(&found));
        }
    }
}

/// Round by round, and in each in order. What is optional is passed over where something else was asked.
fn requests(expected: &[Scripted], rounds: &[Vec<Exchange>], all: &mut Differences) {
    let last = expected.last().map_or(0, |request| request.round as usize).max(rounds.len());
    for round in 1..=last {
        let wanted: Vec<_> = expected.iter().filter(|request| request.round as usize == round).collect();
        let none = Vec::new();
        let asked = rounds.get(round - 1).unwrap_or(&none);
        let mut wanted = wanted.into_iter().peekable();
        for (number, exchange) in (1..).zip(asked) {
            let (method, url) = call(exchange);
            while wanted.next_if(|next| next.is_optional && !next.is_call(&method, &url)).is_some() {}
            let place = format!("round {round}, request {number}");
            match wanted.next() {
                Some(request) => one_request(&place, request, exchange, all),
                None => all.push(place, "no request".to_owned(), format!("{method} {url}")),
            }
        }
        for missing in wanted.filter(|request| !request.is_optional) {
            let expected = format!("{} {}", missing.method, missing.url);
            all.push(format!("round {round}"), expected, "no such request".to_owned());
        }
    }
}

/// What was asked: as the gateway made it, else as the plugin wrote it.
fn call(exchange: &Exchange) -> (String, String) {
    match (&exchange.sent, &exchange.effect) {
        (Some(sent), _) => (sent.method.clone(), sent.url.clone()),
        (None, Effect::Http(request)) => (request.method.clone(), request.url.clone()),
        (None, Effect::Grpc(call)) => ("gRPC".to_owned(), call.method.clone()),
        (None, Effect::Sql(request)) => (SQL.to_owned(), request.text()),
    }
}

fn one_request(place: &str, expected: &Scripted, exchange: &Exchange, all: &mut Differences) {
    let (method, url) = call(exchange);
    if !expected.is_call(&method, &url) {
        all.push(place, format!("{} {}", expected.method, expected.url), format!("{method} {url}"));
        return;
    }
    let Some(sent) = &exchange.sent else {
        all.push(
            place,
            "a request that the gateway sends".to_owned(),
            super::report::answer_text(&exchange.answer),
        );
        return;
    };
    for (name, value) in &expected.headers {
        let found = sent.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value);
        if found != value.as_ref() {
            let show =
                |value: Option<&String>| value.map_or_else(|| "no such header".to_owned(), Clone::clone);
            all.push(format!("{place}, header {name}"), show(value.as_ref()), show(found));
        }
    }
    if let Some(expected) = &expected.body {
        content(&format!("{place}, body"), expected, &exchange.body, all);
    }
    if let Effect::Sql(request) = &exchange.effect {
        transaction(place, expected, request, all);
    }
}

/// What is bound, and whether the script answers statements that there are.
fn transaction(place: &str, expected: &Scripted, request: &SqlRequest, all: &mut Differences) {
    let statements = &request.statements;
    let count = |count: &usize| format!("{count} statements");
    if let ScriptedAnswer::Sql(SqlResponse::Done(results)) = &expected.reply.answer
        && results.len() > statements.len()
    {
        all.push(format!("{place}, results"), count(&results.len()), count(&statements.len()));
    }
    let Some(parameters) = &expected.parameters else { return };
    let place = format!("{place}, parameters");
    all.equal(&place, Some(parameters.len()), statements.len(), count);
    for (number, (wanted, found)) in (0..).zip(parameters.iter().zip(statements)) {
        let place = format!("{place} of statement {number}");
        let shown = |count: &usize| format!("{count} values");
        all.equal(&place, Some(wanted.len()), found.parameters.len(), shown);
        for (position, (wanted, found)) in (0..).zip(wanted.iter().zip(&found.parameters)) {
            if !is_same(wanted, found) {
                let value = |value: &SqlValue| format!("{} {value}", value.kind());
                all.push(format!("{place}, {position}"), value(wanted), value(found));
            }
        }
    }
}

/// JSON is the same however it is written.
fn is_same(one: &SqlValue, other: &SqlValue) -> bool {
    match (one, other) {
        (SqlValue::Json(one), SqlValue::Json(other)) => {
            let json = |text: &str| serde_json::from_str::<Value>(text).ok();
            one == other || (json(one).is_some() && json(one) == json(other))
        }
        (one, other) => one == other,
    }
}

fn content(place: &str, expected: &Content, found: &Bytes, all: &mut Differences) {
    match expected {
        Content::Bytes(bytes) if bytes != found => {
            let show = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
            all.push(place, show(bytes), show(found));
        }
        Content::Bytes(_) => {}
        Content::Json(value) => match serde_json::from_slice::<Value>(found) {
            Ok(json) => {
                let before = all.0.len();
                json_differences(place, value, &json, all);
                all.0.truncate(before + MAX_IN_BODY);
            }
            Err(_) => {
                let found = String::from_utf8_lossy(found);
                all.push(place, value.to_string(), format!("no JSON: {found}"));
            }
        },
    }
}

fn ending(expected: &Expect, end: &RunEnd, all: &mut Differences) {
    if let Some(wanted) = expected.outcome
        && ending_of(end) != Some(wanted)
    {
        all.push("outcome", wanted.name().to_owned(), super::report::end_text(end));
        return;
    }
    let text = |text: &String| text.clone();
    all.equal("reason", expected.reason.clone(), reason(end).unwrap_or_default().to_owned(), text);
    let none = "none".to_owned();
    let show = |value: &Option<String>| value.clone().unwrap_or_else(|| none.clone());
    let (external_id, version, after) = parts(end);
    all.equal("external-id", expected.external_id.clone().map(Some), external_id, show);
    all.equal("version", expected.version.clone().map(Some), version, show);
    let show = |value: &Option<_>| {
        value.map_or_else(|| none.clone(), |time| humantime::format_duration(time).to_string())
    };
    all.equal("after", expected.after.map(Some), after, show);
    if let Some(wanted) = &expected.emitted {
        let found = match end {
            RunEnd::Transformed(Transformed::Emit(events)) => events.as_slice(),
            RunEnd::Transformed(_) | RunEnd::Outcome(_) | RunEnd::Fault(_) | RunEnd::Unscripted(_) => &[],
        };
        emitted(wanted, found, all);
    }
}

fn reason(end: &RunEnd) -> Option<&str> {
    match end {
        RunEnd::Outcome(outcome) => match outcome {
            Outcome::Delivered(_) => None,
            Outcome::Skipped(why) | Outcome::Denied(why) | Outcome::Rejected(why) => Some(why),
            Outcome::Retry(retry) | Outcome::Throttled(retry) => Some(&retry.reason),
            Outcome::Conflict(conflict) => Some(&conflict.reason),
        },
        RunEnd::Transformed(Transformed::Drop(why) | Transformed::Reject(why)) => Some(why),
        RunEnd::Transformed(Transformed::Emit(_)) | RunEnd::Fault(_) | RunEnd::Unscripted(_) => None,
    }
}

/// External id, version and wait, where there are any.
fn parts(end: &RunEnd) -> (Option<String>, Option<String>, Option<std::time::Duration>) {
    let RunEnd::Outcome(outcome) = end else { return (None, None, None) };
    match outcome {
        Outcome::Delivered(receipt) => (receipt.external_id.clone(), receipt.version.clone(), None),
        Outcome::Retry(retry) | Outcome::Throttled(retry) => (None, None, retry.after),
        Outcome::Conflict(conflict) => (None, conflict.version.clone(), None),
        Outcome::Skipped(_) | Outcome::Denied(_) | Outcome::Rejected(_) => (None, None, None),
    }
}

fn emitted(expected: &[Emitted], found: &[Reshaped], all: &mut Differences) {
    let events = |count: usize| format!("{count} events");
    all.equal("emitted", Some(expected.len()), found.len(), |count| events(*count));
    for (number, (expected, found)) in (1..).zip(expected.iter().zip(found)) {
        let place = |part: &str| format!("event {number}, {part}");
        all.equal(&place("type"), expected.kind.clone(), found.kind.clone(), Clone::clone);
        let show = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
        all.equal(&place("subject"), expected.subject.clone().map(Some), found.subject.clone(), show);
        let content_type = expected.content_type.clone().map(Some);
        all.equal(&place("datacontenttype"), content_type, found.content_type.clone(), show);
        for (name, value) in &expected.attributes {
            let held =
                found.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
            all.equal(&place(&format!("attribute {name}")), Some(Some(value.clone())), held, show);
        }
        let data = found.data.clone().unwrap_or_default();
        match expected.content() {
            Ok(Some(expected)) => content(&place("data"), &expected, &data, all),
            Ok(None) => {}
            Err(why) => all.push(place("data"), "a case that is written well".to_owned(), why),
        }
        if expected.is_tombstone && found.data.is_some() {
            all.push(place("data"), "none".to_owned(), String::from_utf8_lossy(&data).into_owned());
        }
    }
}

fn list(lines: &[impl AsRef<str>]) -> String {
    match lines {
        [] => "nothing".to_owned(),
        lines => lines.iter().map(|line| format!("{:?}", line.as_ref())).collect::<Vec<_>>().join(", "),
    }
}

#[cfg(test)]
mod tests;
