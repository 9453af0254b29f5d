//! Shows a run: for a person every step with its requests, replies, end, log and cost; for a program the same as JSON.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::compare::Difference;
use super::run::{Exchange, Run, RunEnd};
use crate::contract::{
    Effect, GrpcResponse, Outcome, Reshaped, SqlRequest, SqlResponse, SqlResult, SqlValue, Transformed,
    one_line as sql_line,
};
use crate::dead_letter::recording::{Answer, AnswerBody, End};
use crate::dead_letter::report::{effect_text, line_text, outcome_text, printable};
use crate::egress::SQL;
use crate::plugin::{LogLine, Observed};

/// More rows of one statement are counted and not shown.
const MAX_ROWS_SHOWN: usize = 10;

/// For a person. `is_real`: the times are those of a real endpoint.
pub fn run_text(run: &Run) -> String {
    let mut text = String::new();
    for (number, round) in (1..).zip(&run.rounds) {
        let _ = writeln!(text, "step {number} asks");
        round.iter().for_each(|exchange| text.push_str(&exchange_text(exchange)));
    }
    let how = if run.is_ended_by_answer { ", by that answer and without another call" } else { "" };
    let _ = writeln!(text, "step {} {}{how}", run.rounds.len() + 1, end_text(&run.end));
    if let RunEnd::Transformed(Transformed::Emit(events)) = &run.end {
        (1..).zip(events).for_each(|(number, event)| text.push_str(&event_text(number, event)));
    }
    for LogLine { level, context, text: line } in &run.observed.lines {
        let _ = writeln!(text, "log {level} {}: {}", printable(context), one_line(line));
    }
    let _ = writeln!(text, "{}", cost_text(&run.observed));
    text
}

/// For a program.
pub fn run_json(run: &Run) -> Value {
    let end = match &run.end {
        RunEnd::Outcome(outcome) => json!({"outcome": outcome}),
        RunEnd::Fault(fault) => json!({"fault": fault.to_string()}),
        RunEnd::Unscripted(call) => json!({"unscripted": call}),
        RunEnd::Transformed(Transformed::Emit(events)) => json!({"emitted": events}),
        RunEnd::Transformed(Transformed::Drop(why)) => json!({"dropped": why}),
        RunEnd::Transformed(Transformed::Reject(why)) => json!({"rejected": why}),
    };
    let observed = &run.observed;
    json!({
        "rounds": run.rounds,
        "end": end,
        "is_ended_by_answer": run.is_ended_by_answer,
        "log": observed.lines,
        "calls": observed.calls,
        "cpu_us": micros(observed.cpu_time),
        "longest_call_us": micros(observed.longest_call),
        "memory_bytes": observed.memory_bytes,
    })
}

/// Each difference on two lines, indented.
pub fn differences_text(differences: &[Difference]) -> String {
    let one = |Difference { place, expected, found }: &Difference| {
        let (place, expected, found) = (one_line(place), one_line(expected), one_line(found));
        format!("  {place}\n    expected {expected}\n    found    {found}\n")
    };
    differences.iter().map(one).collect()
}

/// How a run ended, on one line.
pub(super) fn end_text(end: &RunEnd) -> String {
    match end {
        RunEnd::Outcome(outcome @ Outcome::Delivered(receipt)) => {
            let part = |name: &str, value: &Option<String>| {
                value.as_ref().map(|value| format!(", {name} {}", one_line(value))).unwrap_or_default()
            };
            let parts = part("external id", &receipt.external_id) + &part("version", &receipt.version);
            format!("{}{parts}", ending_text(&End::Outcome(outcome.clone())))
        }
        RunEnd::Outcome(outcome @ (Outcome::Retry(retry) | Outcome::Throttled(retry))) => {
            let after = retry.after.map(|after| format!(", after {}", humantime::format_duration(after)));
            format!("{}{}", ending_text(&End::Outcome(outcome.clone())), after.unwrap_or_default())
        }
        RunEnd::Outcome(outcome) => ending_text(&End::Outcome(outcome.clone())),
        RunEnd::Fault(fault) => ending_text(&End::Fault(fault.to_string())),
        RunEnd::Unscripted(call) => format!("asks for what has no reply here: {}", one_line(call)),
        RunEnd::Transformed(Transformed::Emit(events)) => {
            format!("ends: emitted, {} event{}", events.len(), if events.len() == 1 { "" } else { "s" })
        }
        RunEnd::Transformed(Transformed::Drop(why)) => format!("ends: dropped: {}", one_line(why)),
        RunEnd::Transformed(Transformed::Reject(why)) => format!("ends: rejected: {}", one_line(why)),
    }
}

fn ending_text(end: &End) -> String {
    one_line(&outcome_text(end))
}

/// A reply, on one line.
pub(super) fn answer_text(answer: &Answer) -> String {
    match answer {
        Answer::Http { status, body: AnswerBody::Bytes(bytes), .. } => {
            format!("{status} {}", body_text(bytes))
        }
        Answer::Http { status, body: AnswerBody::Kept { length, .. }, .. } => {
            format!("{status}, {length} bytes that stay with the host")
        }
        Answer::Grpc(GrpcResponse { status, status_message, message, .. }) => {
            let message = message.as_ref().map_or_else(|| "without a message".to_owned(), body_text);
            format!("gRPC status {status} {}, {message}", one_line(status_message))
        }
        Answer::Sql(response) => one_line(&response.to_string()),
        Answer::Failed(failure) => format!("nothing: {}", one_line(&failure.to_string())),
    }
}

/// CPU time of a call, with its unit.
pub(super) fn time_text(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1_000.0)
}

fn exchange_text(exchange: &Exchange) -> String {
    let mut text = String::new();
    match &exchange.sent {
        Some(sent) => {
            if let Effect::Sql(request) = &exchange.effect {
                text.push_str(&transaction_text(request));
            } else {
                let _ = writeln!(text, "  {} {}", printable(&sent.method), printable(&sent.url));
            }
            for (name, value) in &sent.headers {
                let _ = writeln!(text, "    {name}: {}", one_line(value));
            }
            if !exchange.body.is_empty() {
                let _ = writeln!(text, "    {}", body_text(&exchange.body));
            }
        }
        None => drop(writeln!(text, "  {}", effect_text(&exchange.effect))),
    }
    let took = humantime::format_duration(Duration::from_millis(
        u64::try_from(exchange.took.as_millis()).unwrap_or(u64::MAX),
    ));
    let _ = writeln!(text, "  answered after {took}: {}", answer_text(&exchange.answer));
    let headers: &[_] = match &exchange.answer {
        Answer::Http { headers, .. } => headers,
        Answer::Grpc(response) => &response.metadata,
        Answer::Sql(_) | Answer::Failed(_) => &[],
    };
    for (name, value) in headers {
        let _ = writeln!(text, "    {name}: {}", one_line(value));
    }
    if let Answer::Sql(SqlResponse::Done(results)) = &exchange.answer {
        results.iter().for_each(|result| text.push_str(&rows_text(result)));
    }
    text
}

/// Each statement with what is bound in it.
fn transaction_text(request: &SqlRequest) -> String {
    let mut text = String::new();
    for statement in &request.statements {
        let _ = writeln!(text, "  {SQL} {}", printable(&sql_line(&statement.sql)));
        if !statement.parameters.is_empty() {
            let _ = writeln!(text, "    with {}", values_text(&statement.parameters));
        }
    }
    text
}

/// The first rows that a statement gave.
fn rows_text(result: &SqlResult) -> String {
    let mut text = String::new();
    for row in result.rows.iter().take(MAX_ROWS_SHOWN) {
        let _ = writeln!(text, "    {}: {}", one_line(&result.columns.join(", ")), values_text(row));
    }
    if result.rows.len() > MAX_ROWS_SHOWN {
        let _ = writeln!(text, "    and {} more", result.rows.len() - MAX_ROWS_SHOWN);
    }
    text
}

fn values_text(values: &[SqlValue]) -> String {
    values.iter().map(|value| one_line(&value.to_string())).collect::<Vec<_>>().join(", ")
}

fn event_text(number: usize, event: &Reshaped) -> String {
    let subject = event.subject.as_ref().map(|subject| format!(", subject {}", one_line(subject)));
    let data = event.data.as_ref().map_or_else(|| "no data".to_owned(), body_text);
    format!("  {number}  {}{}: {data}\n", one_line(&event.kind), subject.unwrap_or_default())
}

fn cost_text(observed: &Observed) -> String {
    let calls = match observed.calls {
        1 => "1 call".to_owned(),
        calls => format!("{calls} calls"),
    };
    format!(
        "{calls}, {} of CPU time, the longest {}; {} KiB of memory",
        time_text(observed.cpu_time),
        time_text(observed.longest_call),
        observed.memory_bytes >> 10
    )
}

fn body_text(bytes: &Bytes) -> String {
    if bytes.is_empty() { "without a body".to_owned() } else { line_text(Some(bytes)) }
}

pub(super) fn one_line(text: &str) -> String {
    printable(text).replace('\n', "\\n")
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
