//! Judges runs: what each rule of the conformance kit finds wrong. Pure.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::super::case::Ending;
use super::super::compare::ending_of;
use super::super::report::{answer_text, end_text};
use super::super::run::{Exchange, Run, RunEnd};
use super::trial::is_safe;
use crate::contract::{Effect, Failure, Fault, Outcome, SqlRequest, SqlValue};
use crate::dead_letter::recording::Answer;
use crate::egress::Sent;

/// What every change must carry, so that a repetition is recognised.
pub(super) const KEY_HEADER: &str = "idempotency-key";

/// A rule of the kit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// It ends as is right.
    Outcome,
    /// It passes on how long to wait.
    Wait,
    /// It neither traps nor passes a limit, nor does it answer nonsense.
    NoFault,
    /// It gives the same answer to the same arguments.
    SameAnswer,
    /// Each change carries an idempotency key.
    IdempotencyKey,
    /// What is asked again can be recognised as the same.
    NoDoubleEffect,
    /// The next attempt delivers.
    Recovers,
    /// It asks nobody but whom it was granted.
    DeclaredHosts,
    /// Its requests are well formed.
    ValidRequests,
    /// What it is echoed stays with it.
    SecretsStay,
}

/// Something that a rule found wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub rule: Rule,
    pub case: String,
    /// Which request was tampered with, where one was: such as `step 2, PUT http://…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    pub text: String,
}

pub(super) type Findings = Vec<(Rule, String)>;

/// What one request was, with all that it carried.
type Asked = (Option<Sent>, Bytes, Option<SqlRequest>);

/// What must hold of every run.
pub(super) fn always(run: &Run) -> Findings {
    let mut findings = Findings::new();
    match &run.end {
        RunEnd::Fault(fault @ Fault::Inconsistent(_)) => findings.push((Rule::SameAnswer, fault.to_string())),
        RunEnd::Fault(fault) => findings.push((Rule::NoFault, fault.to_string())),
        RunEnd::Unscripted(call) => {
            let mend = "add that request to the case, with `optional = true` where it is asked only then";
            findings.push((Rule::Outcome, format!("it asks for `{call}`, which has no reply: {mend}")));
        }
        RunEnd::Outcome(_) | RunEnd::Transformed(_) => {}
    }
    for exchange in run.rounds.iter().flatten() {
        let refused = match &exchange.answer {
            Answer::Failed(Failure::NotAllowed(_)) => Some(Rule::DeclaredHosts),
            Answer::Failed(Failure::Invalid(_)) => Some(Rule::ValidRequests),
            Answer::Failed(_) | Answer::Http { .. } | Answer::Grpc(_) | Answer::Sql(_) => None,
        };
        if let (Some(rule), None) = (refused, &exchange.sent) {
            findings.push((rule, answer_text(&exchange.answer)));
        }
        // SQL has no headers: what is bound is all that a database can tell a repetition by.
        if let Some(sent) = &exchange.sent
            && sql(exchange).is_none()
            && is_change(exchange)
            && key(exchange).is_none()
        {
            findings.push((Rule::IdempotencyKey, format!("{} {} carries none", sent.method, sent.url)));
        }
    }
    findings
}

/// Does it end in one of these ways?
pub(super) fn outcome(run: &Run, right: &[Ending]) -> Findings {
    match ending_of(&run.end) {
        // Told by `always`.
        None | Some(Ending::Fault) => Findings::new(),
        Some(ending) if right.contains(&ending) => Findings::new(),
        Some(_) => {
            let mut names: Vec<_> = right.iter().map(|ending| ending.name()).collect();
            names.dedup();
            vec![(Rule::Outcome, format!("it {}; right is {}", end_text(&run.end), names.join(" or ")))]
        }
    }
}

/// Does it pass on that it must wait for so long?
pub(super) fn wait(run: &Run, wait: Duration) -> Findings {
    let RunEnd::Outcome(Outcome::Retry(retry) | Outcome::Throttled(retry)) = &run.end else {
        return Findings::new();
    };
    match retry.after {
        Some(after) if after >= wait => Findings::new(),
        Some(after) => vec![(Rule::Wait, format!("it waits {after:?}, and was told to wait {wait:?}"))],
        None => vec![(Rule::Wait, format!("it does not say that it was told to wait {wait:?}"))],
    }
}

/// Are all changes of a later attempt such that the system can recognise what it has done already? Of SQL it cannot be
/// told: that is for its keys and constraints.
pub(super) fn no_double_effect(earlier: &Run, later: &Run) -> Findings {
    let mut findings = Findings::new();
    let is_keyed = |exchange: &&Exchange| is_change(exchange) && sql(exchange).is_none();
    let before: Vec<_> = earlier.rounds.iter().flatten().filter(is_keyed).collect();
    for again in later.rounds.iter().flatten().filter(is_keyed) {
        let Some(sent) = &again.sent else { continue };
        let same_key = before.iter().find(|exchange| key(exchange) == key(again));
        match same_key {
            Some(first) if is_same_request(first, again) => {}
            Some(_) => {
                let text = format!("{} {} asks for something else under the same key", sent.method, sent.url);
                findings.push((Rule::NoDoubleEffect, text));
            }
            None if before.iter().any(|first| is_repeated(first, again)) => {
                let text = format!("{} {} is asked again under another key", sent.method, sent.url);
                findings.push((Rule::NoDoubleEffect, text));
            }
            None => {}
        }
    }
    findings
}

/// Within one attempt: is a change that may have been done asked again, so that nobody can tell that it is the same?
pub(super) fn no_repetition(run: &Run) -> Findings {
    let is_doubtful = |exchange: &Exchange| match &exchange.answer {
        Answer::Http { status, .. } => *status >= 500,
        // UNKNOWN, DEADLINE_EXCEEDED, INTERNAL and UNAVAILABLE.
        Answer::Grpc(response) => matches!(response.status, 2 | 4 | 13 | 14),
        // What is refused is rolled back.
        Answer::Sql(_) => false,
        Answer::Failed(failure) => matches!(failure, Failure::TimedOut | Failure::Connection(_)),
    };
    let all: Vec<_> = run.rounds.iter().flatten().filter(|exchange| is_change(exchange)).collect();
    let mut findings = Findings::new();
    for (index, first) in all.iter().enumerate().filter(|(_, exchange)| is_doubtful(exchange)) {
        let again =
            all[index + 1..].iter().find(|again| is_repeated(first, again) && has_other_key(first, again));
        if let Some(sent) = again.and_then(|again| again.sent.as_ref()) {
            let text = format!(
                "{} {} is asked again in the same attempt, though it may have been done: leave that to the host, by `retry`",
                sent.method, sent.url
            );
            findings.push((Rule::NoDoubleEffect, text));
        }
    }
    findings
}

/// Are requests and end of two runs the same?
pub(super) fn same(first: &Run, second: &Run, rule: Rule, what: &str) -> Findings {
    let mut findings = Findings::new();
    if first.end != second.end {
        let (first, second) = (end_text(&first.end), end_text(&second.end));
        findings.push((rule, format!("{what} it {second}, and at first it {first}")));
    }
    let asked = |run: &Run| -> Vec<Vec<Asked>> {
        let one =
            |exchange: &Exchange| (exchange.sent.clone(), exchange.body.clone(), sql(exchange).cloned());
        run.rounds.iter().map(|round| round.iter().map(one).collect()).collect()
    };
    if asked(first) != asked(second) {
        findings.push((rule, format!("{what} it asks for something else than at first")));
    }
    findings
}

/// Does the secret that a reply echoed show anywhere but in what the plugin says to the host, which strikes it out?
pub(super) fn secrets_stay(run: &Run, secret: &str) -> Findings {
    let mut findings = Findings::new();
    for line in run.observed.lines.iter().filter(|line| line.text.contains(secret)) {
        findings.push((Rule::SecretsStay, format!("it is logged: {} {}", line.level, line.context)));
    }
    for exchange in run.rounds.iter().flatten() {
        let Some(sent) = &exchange.sent else { continue };
        let in_body = exchange.body.windows(secret.len()).any(|window| window == secret.as_bytes());
        let in_headers = sent.headers.iter().any(|(_, value)| value.contains(secret));
        let is_bound = sql(exchange).is_some_and(|request| binds(request, secret));
        if in_body || in_headers || is_bound || sent.url.contains(secret) {
            findings.push((Rule::SecretsStay, format!("it is sent on: {}", sent.method)));
        }
    }
    findings
}

fn is_change(exchange: &Exchange) -> bool {
    match sql(exchange) {
        Some(request) => exchange.sent.is_some() && !request.only_reads(),
        None => exchange.sent.as_ref().is_some_and(|sent| !is_safe(&sent.method)),
    }
}

fn sql(exchange: &Exchange) -> Option<&SqlRequest> {
    match &exchange.effect {
        Effect::Sql(request) => Some(request),
        Effect::Http(_) | Effect::Grpc(_) => None,
    }
}

fn binds(request: &SqlRequest, secret: &str) -> bool {
    request.statements.iter().flat_map(|statement| &statement.parameters).any(|value| match value {
        SqlValue::Text(text) | SqlValue::Json(text) => text.contains(secret),
        SqlValue::Texts(texts) => texts.iter().flatten().any(|text| text.contains(secret)),
        SqlValue::Bytes(bytes) => bytes.windows(secret.len()).any(|window| window == secret.as_bytes()),
        SqlValue::Null
        | SqlValue::Boolean(_)
        | SqlValue::Integer(_)
        | SqlValue::Real(_)
        | SqlValue::Timestamp(_) => false,
    })
}

/// SQL has none: each is another.
fn has_other_key(one: &Exchange, other: &Exchange) -> bool {
    sql(one).is_some() || key(one) != key(other)
}

fn key(exchange: &Exchange) -> Option<&str> {
    let headers = &exchange.sent.as_ref()?.headers;
    headers.iter().find(|(name, _)| name == KEY_HEADER).map(|(_, value)| value.as_str())
}

/// The same request, of a method that does twice what is asked twice (RFC 9110, 9.2.2).
fn is_repeated(one: &Exchange, other: &Exchange) -> bool {
    let is_idempotent =
        other.sent.as_ref().is_some_and(|sent| matches!(sent.method.as_str(), "PUT" | "DELETE"));
    !is_idempotent && is_same_request(one, other)
}

fn is_same_request(one: &Exchange, other: &Exchange) -> bool {
    let (Some(first), Some(second)) = (&one.sent, &other.sent) else { return false };
    first.method == second.method
        && first.url == second.url
        && one.body == other.body
        && sql(one) == sql(other)
}

#[cfg(test)]
mod tests;
