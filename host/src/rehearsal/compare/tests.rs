//! What differs, and how that is said.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::contract::{Body, Failure, HttpRequest, Receipt, Retry};
use crate::dead_letter::recording::{Answer, AnswerBody};
use crate::egress::Sent;
use crate::plugin::{LogLine, Observed};
use crate::rehearsal::report::differences_text;

fn exchange(method: &str, path: &str, headers: &[(&str, &str)], body: &'static str) -> Exchange {
    let request = HttpRequest {
        method: method.to_owned(),
        url: path.to_owned(),
        headers: vec![],
        body: Body::None,
        timeout: None,
        keep_body: false,
    };
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let url = format!("http://endpoint.example{path}");
    Exchange {
        effect: request.into(),
        sent: Some(Sent { method: method.to_owned(), url, headers: headers.collect() }),
        body: body.into(),
        answer: Answer::Http { status: 200, headers: vec![], body: AnswerBody::Bytes(Bytes::new()) },
        took: Duration::ZERO,
    }
}

fn run(rounds: Vec<Vec<Exchange>>, end: RunEnd) -> Run {
    Run { rounds, end, is_ended_by_answer: false, observed: Observed::default() }
}

fn delivered(version: Option<&str>) -> RunEnd {
    let receipt = Receipt { external_id: None, version: version.map(str::to_owned) };
    RunEnd::Outcome(Outcome::Delivered(receipt))
}

fn case(case: Value) -> Case {
    let mut whole = json!({"event": {"type": "t"}});
    whole.as_object_mut().unwrap().extend(case.as_object().unwrap().clone());
    Case::from_json(whole, "case").unwrap()
}

/// `place: expected | found` each.
fn lines(case: &Case, run: &Run) -> Vec<String> {
    let line = |Difference { place, expected, found }| format!("{place}: {expected} | {found}");
    differences(case, run).into_iter().map(line).collect()
}

#[test]
fn what_is_as_expected_differs_in_nothing() {
    let case = case(json!({
        "request": [
            {"expect": "GET /a", "headers": {"accept": "x", "authorization": false}, "reply": {"status": 200}},
            {"expect": "GET /b", "round": 1, "reply": {"status": 200}},
            {"expect": "GET /not-asked", "round": 2, "optional": true, "reply": {"status": 200}},
            {"expect": "PUT /c", "round": 2, "json": {"b": 1, "a": [2]}, "reply": {"status": 200}},
        ],
        "expect": {"outcome": "delivered", "version": "7", "log": []},
    }));
    let rounds = vec![
        vec![exchange("GET", "/a", &[("accept", "x")], ""), exchange("GET", "/b", &[], "")],
        vec![exchange("PUT", "/c", &[], r#"{"a": [2], "b": 1}"#)],
    ];
    assert_eq!(lines(&case, &run(rounds, delivered(Some("7")))), [""; 0]);
}

#[test]
fn each_difference_has_its_place() {
    let case = case(json!({
        "request": [
            {"expect": "GET /a", "headers": {"accept": "x", "authorization": false}, "reply": {"status": 200}},
            {"expect": "PUT /c", "json": {"a": {"~/": 1}, "b": [1, 2], "c": 3}, "reply": {"status": 200}},
            {"expect": "PUT /d", "text": "there", "reply": {"status": 200}},
            {"expect": "PUT /e", "reply": {"status": 200}},
        ],
        "expect": {"outcome": "delivered", "version": "7", "log": ["said"]},
    }));
    let rounds = vec![
        vec![exchange("GET", "/a", &[("authorization", "mine")], ""), exchange("GET", "/more", &[], "")],
        vec![exchange("PUT", "/c", &[], r#"{"a": {"~/": 2}, "b": [1], "d": null}"#)],
        vec![exchange("PUT", "/d", &[], "here")],
    ];
    let h = "http://endpoint.example";
    assert_eq!(
        lines(&case, &run(rounds, delivered(None))),
        [
            "round 1, request 1, header accept: x | no such header".to_owned(),
            "round 1, request 1, header authorization: no such header | mine".to_owned(),
            format!("round 1, request 2: no request | GET {h}/more"),
            "round 2, request 1, body/a/~0~1: 1 | 2".to_owned(),
            "round 2, request 1, body/b/1: 2 | nothing".to_owned(),
            "round 2, request 1, body/c: 3 | nothing".to_owned(),
            "round 2, request 1, body/d: nothing | null".to_owned(),
            "round 3, request 1, body: there | here".to_owned(),
            format!("round 4: PUT {h}/e | no such request"),
            "version: 7 | none".to_owned(),
            "log: \"said\" | nothing".to_owned(),
        ]
    );
}

#[test]
fn another_end_is_told_with_what_was_said() {
    let retry = Retry { after: Some(Duration::from_secs(90)), reason: "busy\n\u{1b}[2J".to_owned() };
    let throttled = run(vec![], RunEnd::Outcome(Outcome::Throttled(retry)));
    let expects = |expect: Value| case(json!({"expect": expect}));
    for (expect, expected) in [
        (
            json!({"outcome": "delivered"}),
            &["outcome: delivered | ends: throttled: busy\\n\\u{1b}[2J, after 1m 30s"][..],
        ),
        (json!({"outcome": "throttled", "after": "5s"}), &["after: 5s | 1m 30s"]),
        (json!({"reason": "other"}), &["reason: other | busy\n\u{1b}[2J"]),
        (json!({"outcome": "throttled", "after": "90s"}), &[]),
    ] {
        assert_eq!(lines(&expects(expect.clone()), &throttled), expected, "{expect}");
    }
    let text = differences_text(&differences(&expects(json!({"reason": "other"})), &throttled));
    assert_eq!(text, "  reason\n    expected other\n    found    busy\\n\\u{1b}[2J\n");
}

#[test]
fn where_the_script_ends_that_alone_is_told_of_the_end() {
    let mut refused = exchange("GET", "/a", &[], "");
    (refused.sent, refused.answer) = (None, Answer::Failed(Failure::Invalid("url".to_owned())));
    let case = case(json!({
        "request": [{"expect": "GET /a", "reply": {"status": 200}}],
        "expect": {"outcome": "delivered", "log": ["a"]},
    }));
    let mut run = run(vec![vec![refused]], RunEnd::Unscripted("GET http://endpoint.example/b".to_owned()));
    run.observed.lines.push(LogLine { level: "info", context: String::new(), text: "a".to_owned() });
    assert_eq!(
        lines(&case, &run),
        [
            "the script: a reply to each request | none to `GET http://endpoint.example/b`: here it ends",
            "round 1, request 1: GET http://endpoint.example/a | GET /a",
        ]
    );
}

#[test]
fn emitted_events_are_compared_in_order() {
    let reshaped = |kind: &str, data: Option<&'static str>| Reshaped {
        kind: kind.to_owned(),
        subject: None,
        content_type: None,
        data: data.map(Into::into),
        attributes: vec![("tenant".to_owned(), "a".to_owned())],
    };
    let emitted =
        RunEnd::Transformed(Transformed::Emit(vec![reshaped("a", Some("{\"x\":1}")), reshaped("b", None)]));
    let run = run(vec![], emitted);
    let expects = |events: Value| case(json!({"expect": {"outcome": "emitted", "emitted": events}}));
    let right =
        json!([{"type": "a", "json": {"x": 1}, "attributes": {"tenant": "a"}}, {"is-tombstone": true}]);
    assert_eq!(lines(&expects(right), &run), [""; 0]);
    let wrong = json!([{"type": "b", "json": {"x": 2}, "attributes": {"tenant": "b"}}, {"subject": "s"}, {}]);
    assert_eq!(
        lines(&expects(wrong), &run),
        [
            "emitted: 3 events | 2 events",
            "event 1, type: b | a",
            "event 1, attribute tenant: b | a",
            "event 1, data/x: 2 | 1",
            "event 2, subject: s | none",
        ]
    );
}
