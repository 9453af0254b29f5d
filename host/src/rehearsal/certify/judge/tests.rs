//! Each rule finds what it is for, and nothing else.

use bytes::Bytes;

use super::*;
use crate::contract::{
    Body, Effect, HttpRequest, Receipt, Retry, SqlError, SqlErrorKind, SqlResponse, SqlStatement,
};
use crate::dead_letter::recording::AnswerBody;
use crate::egress::Sent;
use crate::plugin::{LogLine, Observed};

const SECRET: &str = "s3cret";

fn exchange(method: &str, key: Option<&str>, body: &'static str, status: u16) -> Exchange {
    let request = HttpRequest {
        method: method.to_owned(),
        url: "/a".to_owned(),
        headers: vec![],
        body: Body::None,
        timeout: None,
        keep_body: false,
    };
    let headers = key.map(|key| (KEY_HEADER.to_owned(), key.to_owned()));
    let (method, url) = (method.to_owned(), "http://h/a".to_owned());
    Exchange {
        effect: request.into(),
        sent: Some(Sent { method, url, headers: headers.into_iter().collect() }),
        body: body.into(),
        answer: Answer::Http { status, headers: vec![], body: AnswerBody::Bytes(Bytes::new()) },
        took: Duration::ZERO,
    }
}

fn run(exchanges: Vec<Exchange>) -> Run {
    let end = RunEnd::Outcome(Outcome::Delivered(Receipt::default()));
    Run {
        rounds: exchanges.into_iter().map(|exchange| vec![exchange]).collect(),
        end,
        is_ended_by_answer: false,
        observed: Observed::default(),
    }
}

fn rules(findings: Findings) -> Vec<Rule> {
    findings.into_iter().map(|(rule, _)| rule).collect()
}

#[test]
fn a_good_run_has_nothing_against_it() {
    let run = run(vec![exchange("GET", None, "", 200), exchange("POST", Some("k-1"), "x", 201)]);
    assert_eq!(rules(always(&run)), []);
    assert_eq!(rules(no_double_effect(&run, &run)), []);
    assert_eq!(rules(same(&run, &run, Rule::SameAnswer, "")), []);
    assert_eq!(rules(outcome(&run, &[Ending::Delivered])), []);
    assert_eq!(rules(secrets_stay(&run, SECRET)), []);
}

#[test]
fn what_must_always_hold_is_found_where_it_does_not() {
    let mut forbidden = exchange("GET", None, "", 0);
    (forbidden.sent, forbidden.answer) = (None, Answer::Failed(Failure::NotAllowed("x".into())));
    let mut invalid = forbidden.clone();
    invalid.answer = Answer::Failed(Failure::Invalid("x".into()));
    let ends = |end: RunEnd| Run { end, ..run(vec![]) };
    for (run, expected) in [
        (run(vec![forbidden]), Rule::DeclaredHosts),
        (run(vec![invalid]), Rule::ValidRequests),
        (run(vec![exchange("POST", None, "", 200)]), Rule::IdempotencyKey),
        (ends(RunEnd::Fault(Fault::Memory(1))), Rule::NoFault),
        (ends(RunEnd::Fault(Fault::Inconsistent("x".into()))), Rule::SameAnswer),
        (ends(RunEnd::Unscripted("GET /b".into())), Rule::Outcome),
    ] {
        assert_eq!(rules(always(&run)), [expected], "{run:?}");
    }
}

#[test]
fn a_repetition_that_nobody_can_recognise_is_a_double_effect() {
    let first = run(vec![exchange("POST", Some("k"), "x", 201)]);
    for (again, expected) in [
        (exchange("POST", Some("k"), "x", 201), &[][..]),
        (exchange("POST", Some("other"), "x", 201), &[Rule::NoDoubleEffect]),
        (exchange("POST", Some("k"), "y", 201), &[Rule::NoDoubleEffect]),
        (exchange("POST", Some("other"), "y", 201), &[]),
        (exchange("GET", None, "", 200), &[]),
    ] {
        assert_eq!(rules(no_double_effect(&first, &run(vec![again.clone()]))), expected, "{again:?}");
    }
    // A PUT does once what it is asked twice.
    let (put, again) = (exchange("PUT", Some("k"), "x", 200), exchange("PUT", Some("other"), "x", 200));
    assert_eq!(rules(no_double_effect(&run(vec![put]), &run(vec![again]))), []);
}

#[test]
fn a_change_in_doubt_is_not_asked_again_within_the_attempt() {
    let again = || exchange("POST", Some("k-1-0"), "x", 201);
    let doubtful = run(vec![exchange("POST", Some("k"), "x", 503), again()]);
    assert_eq!(rules(no_repetition(&doubtful)), [Rule::NoDoubleEffect]);
    let refused = run(vec![exchange("POST", Some("k"), "x", 400), again()]);
    assert_eq!(rules(no_repetition(&refused)), []);
}

fn transaction(sql: &str, parameter: &str, answer: Answer) -> Exchange {
    let parameters = vec![SqlValue::Text(parameter.to_owned())];
    let statements = vec![SqlStatement { sql: sql.to_owned(), parameters }];
    let request = SqlRequest { statements, timeout: None };
    let (method, url) = ("SQL".to_owned(), request.text());
    let sent = Some(Sent { method, url, headers: vec![] });
    Exchange { effect: Effect::Sql(request), sent, answer, ..exchange("GET", None, "", 200) }
}

#[test]
fn a_transaction_needs_no_key_and_is_known_by_what_is_bound() {
    let done = || Answer::Sql(SqlResponse::Done(vec![]));
    let once = run(vec![transaction("insert into t values ($1)", "a", done())]);
    let other = run(vec![transaction("insert into t values ($1)", "b", done())]);
    assert_eq!(rules(always(&once)), []);
    assert_eq!(rules(no_double_effect(&once, &other)), []);
    assert_eq!(rules(same(&once, &once, Rule::SameAnswer, "")), []);
    assert_eq!(rules(same(&once, &other, Rule::SameAnswer, "")), [Rule::SameAnswer]);
    let leaking = run(vec![transaction("insert into t values ($1)", "a s3cret b", done())]);
    assert_eq!(rules(secrets_stay(&leaking, SECRET)), [Rule::SecretsStay]);
}

#[test]
fn a_transaction_in_doubt_is_not_asked_again_within_the_attempt() {
    let (change, read) = ("insert into t values ($1)", "select $1");
    let error = SqlError {
        kind: SqlErrorKind::Serialization,
        statement: None,
        code: String::new(),
        message: String::new(),
        constraint: None,
    };
    for (sql, answer, is_found) in [
        (change, Answer::Failed(Failure::TimedOut), true),
        (change, Answer::Sql(SqlResponse::Error(error)), false),
        (read, Answer::Failed(Failure::TimedOut), false),
    ] {
        let asked = || transaction(sql, "a", answer.clone());
        assert_eq!(no_repetition(&run(vec![asked(), asked()])).is_empty(), !is_found, "{sql} {answer:?}");
    }
}

#[test]
fn a_wait_is_passed_on_in_full() {
    let throttled = |after: Option<u64>| {
        let after = after.map(Duration::from_secs);
        Run {
            end: RunEnd::Outcome(Outcome::Throttled(Retry { after, reason: String::new() })),
            ..run(vec![])
        }
    };
    let minute = Duration::from_secs(60);
    for (after, is_right) in [(Some(60), true), (Some(61), true), (Some(59), false), (None, false)] {
        assert_eq!(wait(&throttled(after), minute).is_empty(), is_right, "{after:?}");
    }
}

#[test]
fn another_end_is_wrong_and_says_which_would_be_right() {
    let findings = outcome(&run(vec![]), &[Ending::Retry, Ending::Throttled]);
    assert_eq!(findings, [(Rule::Outcome, "it ends: delivered; right is retry or throttled".to_owned())]);
    let other = Run { end: RunEnd::Fault(Fault::NoRoom), ..run(vec![exchange("GET", None, "", 200)]) };
    assert_eq!(rules(same(&run(vec![]), &other, Rule::SameAnswer, "")), [Rule::SameAnswer; 2]);
}

#[test]
fn a_secret_that_leaves_the_plugin_is_found() {
    let mut logged = run(vec![]);
    let text = format!("answer: {SECRET}");
    logged.observed.lines.push(LogLine { level: "info", context: "c".into(), text });
    assert_eq!(rules(secrets_stay(&logged, SECRET)), [Rule::SecretsStay]);
    let sent = run(vec![exchange("POST", Some("k"), "a s3cret b", 200)]);
    assert_eq!(rules(secrets_stay(&sent, SECRET)), [Rule::SecretsStay]);
}
