//! What is posted, and what its answers mean.

use liaison_sdk::failure::Unanswered;
use liaison_sdk::raw::connector::liaison::plugin::effects::{Body, HttpRequest};
use liaison_sdk::testing::{self, EventBuilder, endpoint, event, reply};
use serde_json::{Value, json};

use super::*;

fn policy() -> EventBuilder {
    event("policy.updated")
        .id("e1")
        .source("/agency")
        .subject("p-1")
        .time_ms(1_767_225_600_000)
        .attribute("tenant", "north")
        .attribute("tenant", "south")
        .attribute("x-trace", "7")
        .attribute("data", "forged")
        .bytes(r#"{"price": 1.50, "big": 123456789012345678901}"#, Some("application/json"))
}

fn posted(settings: Value, event: EventBuilder) -> HttpRequest {
    testing::settings(settings);
    let run = endpoint().expect("POST ", reply(204)).deliver(deliver, event);
    assert_eq!(run.outcome, Outcome::delivered());
    run.requests.into_iter().next().unwrap()
}

fn text(request: &HttpRequest) -> &str {
    let Body::Bytes(bytes) = &request.body else { panic!("{request:?}") };
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn an_event_is_posted_as_the_standard_recommends() {
    let request = posted(json!({ "headers": { "X-Agency": "north" } }), policy());
    assert_eq!(
        text(&request),
        r#"{"type":"policy.updated","timestamp":"2026-01-01T00:00:00.000Z","subject":"p-1","data":{"price": 1.50, "big": 123456789012345678901}}"#
    );
    let expected = [("webhook-id", "test-e1"), ("X-Agency", "north"), ("content-type", "application/json")];
    assert_eq!(request.headers, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(text(&posted(json!({}), event("t").tombstone())), r#"{"type":"t","data":null}"#);
}

#[test]
fn an_event_is_posted_as_a_cloud_event() {
    let request = posted(json!({ "format": "cloudevent" }), policy());
    assert_eq!(request.header("content-type"), Some("application/cloudevents+json"));
    let expected = r#"{"specversion":"1.0","id":"e1","source":"/agency","type":"policy.updated","subject":"p-1","time":"2026-01-01T00:00:00.000Z","datacontenttype":"application/json","tenant":"north","data":{"price": 1.50, "big": 123456789012345678901}}"#;
    assert_eq!(text(&request), expected);
    for (event, member, expected) in [
        (event("t").bytes(*b"\xff", Some("image/png")), "data_base64", json!("/w==")),
        (event("t").bytes(*b"<x/>", Some("text/xml")), "data", json!("<x/>")),
        (event("t").bytes(*b"{", Some("application/json")), "data", json!("{")),
        (event("t").bytes(*b"[1]", None), "data", json!([1])),
        (event("t").bytes(*b"[1]", Some("application/vnd.a+json; charset=utf-8")), "data", json!([1])),
        (event("t").tombstone(), "data", Value::Null),
    ] {
        let request = posted(json!({ "format": "cloudevent" }), event);
        assert_eq!(request.json()[member], expected, "{member}");
    }
}

#[test]
fn data_are_posted_as_they_are() {
    let request = posted(json!({ "format": "data" }), policy());
    assert_eq!(request.body, Body::EventData);
    assert_eq!(request.header("content-type"), Some("application/json"));
    let run = endpoint().deliver(deliver, event("t").tombstone());
    assert!(matches!(run.outcome, Outcome::Rejected(why) if why.starts_with("the event is a tombstone")));
}

#[test]
fn each_answer_means_what_the_standard_says() {
    use OutcomeKind::{Delivered, Denied, Rejected, Retry, Throttled};
    testing::settings(json!({ "path": "/hooks" }));
    for (status, kind) in [
        (200, Delivered),
        (299, Delivered),
        (301, Retry),
        (304, Retry),
        (307, Retry),
        (400, Rejected),
        (401, Denied),
        (403, Denied),
        (404, Retry),
        (409, Retry),
        (410, Denied),
        (413, Rejected),
        (422, Rejected),
        (429, Throttled),
        (500, Retry),
        (501, Retry),
        (504, Retry),
    ] {
        let run = endpoint().expect("POST /hooks", reply(status)).deliver(deliver, policy());
        assert_eq!(run.outcome.kind(), kind, "{status}");
    }
    for status in [429, 503] {
        let run = endpoint()
            .expect("POST /hooks", reply(status).header("retry-after", "120"))
            .deliver(deliver, policy());
        let after = match run.outcome {
            Outcome::Retry(retry) | Outcome::Throttled(retry) => retry.after,
            other => panic!("{other:?}"),
        };
        assert_eq!(after, Some(120_000));
    }
    let run = endpoint().expect("POST /hooks", reply(410)).deliver(deliver, policy());
    let why = format!("POST /hooks answered 410 Gone: {DISABLED}");
    assert_eq!(run.outcome, Outcome::denied(why));
    let run = endpoint().expect("POST /hooks", Unanswered::TimedOut).deliver(deliver, policy());
    assert_eq!(run.outcome, Outcome::retry("POST /hooks timed out"));
}

#[test]
fn a_check_tells_a_receiver_that_has_had_enough_from_one_that_knows_no_head() {
    testing::settings(json!({ "path": "/hooks" }));
    for (status, usable) in [
        (204, true),
        (401, true),
        (403, true),
        (404, true),
        (405, true),
        (501, true),
        (410, false),
        (429, false),
        (503, false),
    ] {
        let run = endpoint().expect("HEAD /hooks", reply(status)).check(check);
        assert_eq!(matches!(run.outcome, Check::Usable(_)), usable, "{status}");
    }
    let run = endpoint().expect("HEAD /hooks", Unanswered::TimedOut).check(check);
    assert_eq!(run.outcome, Check::unusable("HEAD /hooks timed out"));
}

#[test]
fn a_mistake_in_the_settings_pauses_and_names_the_key() {
    for (settings, expected) in [
        (json!({ "path": "hooks" }), "settings: path: `hooks` must begin with `/`"),
        (json!({ "format": "xml" }), "settings: format: unknown variant `xml`"),
        (
            json!({ "headers": { "Webhook-Signature": "v1,x" } }),
            "settings: headers: `Webhook-Signature` is set from",
        ),
        (json!({ "secret": "whsec_" }), "settings: secret: unknown field `secret`"),
    ] {
        testing::settings(settings);
        let outcome = endpoint().deliver(deliver, policy()).outcome;
        assert!(matches!(&outcome, Outcome::Denied(reason) if reason.starts_with(expected)), "{outcome:?}");
    }
}
