//! The plugin against an endpoint that follows a script.

use liaison_sdk::failure::Unanswered;
use liaison_sdk::outcome::Merged;
use liaison_sdk::raw;
use liaison_sdk::raw::connector::exports::liaison::plugin::connector::Step;
use liaison_sdk::raw::connector::liaison::plugin::effects::Body;
use liaison_sdk::testing::{self, EventBuilder, endpoint, event, reply};
use serde_json::json;

use super::*;

fn policy() -> EventBuilder {
    event("policy.updated").id("e 1").subject("p/7").key("k").attribute("tenant", "süd").data(json!({
        "policy": { "title": "A", "id": "ü/1", "rank": 3, "final": true, "gone": null },
        "list": ["x"],
    }))
}

fn reason(outcome: Outcome) -> String {
    match outcome {
        Outcome::Rejected(reason) | Outcome::Denied(reason) | Outcome::Skipped(reason) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_data_is_sent_as_it_is_and_the_receipt_is_kept() {
    testing::settings(json!({ "path": "/events/{id}" }));
    let run = endpoint()
        .expect("PUT /events/e%201", reply(201).header("location", "/events/9").header("etag", "\"1\""))
        .deliver(deliver, policy());
    let receipt = Receipt { external_id: Some("/events/9".into()), version: Some("\"1\"".into()) };
    assert_eq!(run.outcome, Outcome::Delivered(receipt));
    assert_eq!(run.requests[0].body, Body::EventData);
    assert_eq!(run.requests[0].headers, [("content-type".to_owned(), "application/json".to_owned())]);
}

#[test]
fn each_field_is_one_encoded_segment() {
    for (path, rendered) in [
        ("/a/{source}/{type}", "/a/%2Ftest/policy.updated"),
        ("/{subject}/{key}", "/p%2F7/k"),
        ("/{attributes.tenant}", "/s%C3%BCd"),
        ("/{/policy/id}/{/policy/rank}-{/policy/final}/{/list/0}", "/%C3%BC%2F1/3-true/x"),
        ("/a?id={id}&b=../c", "/a?id=e%201&b=../c"),
    ] {
        testing::settings(json!({ "path": path }));
        let call = format!("PUT {rendered}");
        assert_eq!(
            endpoint().expect(&call, reply(204)).deliver(deliver, policy()).outcome,
            Outcome::delivered()
        );
    }
}

#[test]
fn a_path_that_cannot_be_made_rejects_the_event() {
    for (path, event, expected) in [
        ("/{subject}", event("t"), "the event has no `subject`"),
        ("/{key}", event("t").key([0xff]), "the event's key is not UTF-8 text"),
        ("/{attributes.tenant}", event("t"), "the event has no `attributes.tenant`"),
        ("/{/policy}", policy(), "the event's data has no text, number or boolean at `/policy`"),
        ("/{/policy/gone}", policy(), "the event's data has no text, number or boolean at `/policy/gone`"),
        (
            "/{/policy/id}",
            event("t").tombstone(),
            "the event's data has no text, number or boolean at `/policy/id`",
        ),
        ("/{/policy/id}", event("t").bytes("<x/>", Some("text/xml")), "the event's data is not JSON"),
        ("/all/{subject}", event("t").subject(""), "`subject` is empty"),
        ("/all/{subject}/x", event("t").subject(".."), "`/all/../x` would lead to another path"),
        ("/all/{subject}{subject}", event("t").subject("."), "`/all/..` would lead to another path"),
    ] {
        testing::settings(json!({ "path": path }));
        let reason = reason(endpoint().deliver(deliver, event).outcome);
        assert!(reason.starts_with(expected), "{path}: {reason}");
    }
}

#[test]
fn method_headers_and_body_are_as_set() {
    testing::settings(json!({
        "method": "POST",
        "path": "/p",
        "headers": { "X-Tenant": "t-{attributes.tenant}" },
        "body": "/policy",
    }));
    let run = endpoint().expect("POST /p", reply(200)).deliver(deliver, policy());
    assert_eq!(run.requests[0].json()["id"], "ü/1");
    assert_eq!(run.requests[0].header("x-tenant"), Some("t-süd"));
    assert_eq!(run.requests[0].header("content-type"), Some("application/json"));

    let run = endpoint().deliver(deliver, policy().data(json!({})));
    assert_eq!(reason(run.outcome), "the event's data has nothing at `/policy`, which is to be the body");

    testing::settings(json!({ "path": "/p", "headers": { "Content-Type": "text/xml" } }));
    let run = endpoint().expect("PUT /p", reply(200)).deliver(deliver, policy());
    assert_eq!(run.requests[0].headers, [("Content-Type".to_owned(), "text/xml".to_owned())]);

    testing::settings(json!({ "path": "/p", "body": "none" }));
    let run = endpoint().expect("PUT /p", reply(200)).deliver(deliver, policy());
    assert_eq!((&run.requests[0].body, run.requests[0].headers.len()), (&Body::None, 0));
}

#[test]
fn a_tombstone_deletes_and_what_is_gone_is_delivered() {
    testing::settings(json!({ "path": "/p/{key}" }));
    for status in [204, 404, 410] {
        let run =
            endpoint().expect("DELETE /p/7", reply(status)).deliver(deliver, event("t").key("7").tombstone());
        assert_eq!(run.outcome, Outcome::delivered());
        assert_eq!((&run.requests[0].body, run.requests[0].headers.len()), (&Body::None, 0));
    }
    let run = endpoint().expect("PUT /p/7", reply(404)).deliver(deliver, event("t").key("7"));
    assert_eq!(run.outcome, Outcome::rejected("PUT /p/7 answered 404 Not Found"));

    testing::settings(json!({ "path": "/p", "delete-method": "POST", "statuses": { "404": "retry" } }));
    let run = endpoint().expect("POST /p", reply(404)).deliver(deliver, event("t").tombstone());
    assert_eq!(run.outcome, Outcome::retry("POST /p answered 404 Not Found"));
}

#[test]
fn statuses_mean_what_the_settings_say() {
    testing::settings(json!({
        "path": "/p",
        "statuses": { "404": "skipped", "4xx": "denied", "5xx": "rejected", "200": "throttled" },
    }));
    for (status, kind) in [
        (404, OutcomeKind::Skipped),
        (400, OutcomeKind::Denied),
        (409, OutcomeKind::Denied),
        (503, OutcomeKind::Rejected),
        (200, OutcomeKind::Throttled),
        (201, OutcomeKind::Delivered),
        (302, OutcomeKind::Rejected),
    ] {
        let run = endpoint().expect("PUT /p", reply(status)).deliver(deliver, policy());
        let expected = match kind {
            OutcomeKind::Skipped => matches!(run.outcome, Outcome::Skipped(_)),
            OutcomeKind::Denied => matches!(run.outcome, Outcome::Denied(_)),
            OutcomeKind::Throttled => matches!(run.outcome, Outcome::Throttled(_)),
            OutcomeKind::Delivered => matches!(run.outcome, Outcome::Delivered(_)),
            OutcomeKind::Rejected => matches!(run.outcome, Outcome::Rejected(_)),
            OutcomeKind::Retry | OutcomeKind::Conflict => false,
        };
        assert!(expected, "{status}: {:?}", run.outcome);
    }
}

#[test]
fn a_success_settles_by_itself_unless_the_settings_know_better() {
    for (statuses, settles) in [
        (json!({}), true),
        (json!({ "404": "skipped", "4xx": "retry" }), true),
        (json!({ "2xx": "delivered", "204": "delivered" }), true),
        (json!({ "2xx": "retry" }), false),
        (json!({ "202": "retry" }), false),
    ] {
        testing::settings(json!({ "path": "/p", "statuses": statuses }));
        let steps = raw::deliver(vec![policy().into()], deliver);
        assert_eq!(matches!(&steps[..], [Step::SettleBy(_)]), settles, "{statuses}");
    }
}

#[test]
fn a_resolution_is_written_over_the_version_it_names() {
    testing::settings(json!({ "path": "/p", "headers": { "If-None-Match": "*" } }));
    let first = endpoint().expect("PUT /p", reply(412)).deliver(deliver, policy());
    assert_eq!(first.requests[0].header("if-none-match"), Some("*"));

    let over = policy().resolution(Resolution::Overwrite(Some("\"8\"".into())));
    let run = endpoint().expect("PUT /p", reply(204)).deliver(deliver, over);
    assert_eq!(run.requests[0].header("if-match"), Some("\"8\""));
    assert_eq!(run.requests[0].header("if-none-match"), None);

    let merged = Merged { data: b"{\"m\":1}".to_vec(), version: Some("\"9\"".into()) };
    let run = endpoint()
        .expect("PUT /p", reply(204))
        .deliver(deliver, policy().resolution(Resolution::Merged(merged)));
    assert_eq!(run.requests[0].header("if-match"), Some("\"9\""));
    assert_eq!(run.requests[0].json(), json!({ "m": 1 }));
    assert_eq!(run.requests[0].header("content-type"), Some("application/json"));
}

#[test]
fn a_mistake_in_the_settings_pauses_and_names_the_key() {
    for (settings, expected) in [
        (json!({}), "settings: missing field `path`"),
        (json!({ "path": "p" }), "settings: path: `p` must begin with `/`"),
        (json!({ "path": "/{id" }), "settings: path: `/{id` has a `{` without its `}`"),
        (json!({ "path": "/{name}" }), "settings: path: `{name}` is no field of an event"),
        (json!({ "path": "/{attributes.}" }), "settings: path: `{attributes.}` is no field"),
        (json!({ "path": "/", "body": "all" }), "settings: body: `all` is no body"),
        (json!({ "path": "/", "statuses": { "6xx": "retry" } }), "settings: statuses: `6xx` is no status"),
        (json!({ "path": "/", "statuses": { "404": "ignore" } }), "settings: statuses.404: unknown variant"),
        (json!({ "path": "/", "headers": { "a": "{b}" } }), "settings: headers.a: `{b}` is no field"),
        (json!({ "path": "/", "mehtod": "PUT" }), "settings: mehtod: unknown field `mehtod`"),
    ] {
        testing::settings(settings);
        let outcome = endpoint().deliver(deliver, policy()).outcome;
        assert!(matches!(&outcome, Outcome::Denied(reason) if reason.starts_with(expected)), "{outcome:?}");
        assert!(matches!(endpoint().check(check).outcome, Check::Unusable(_)));
    }
}

#[test]
fn a_check_asks_for_the_path_that_is_set() {
    testing::settings(json!({ "path": "/p" }));
    let run = endpoint().check(check);
    assert!(run.requests.is_empty());
    assert!(matches!(run.outcome, Check::Usable(how) if how.starts_with("cannot tell")));

    testing::settings(json!({ "path": "/p", "check-path": "/health" }));
    for (status, usable) in [(200, true), (404, true), (401, false), (403, false), (503, false)] {
        let run = endpoint().expect("GET /health", reply(status)).check(check);
        assert_eq!(matches!(run.outcome, Check::Usable(_)), usable, "{status}");
    }
    let run = endpoint().expect("GET /health", Unanswered::TimedOut).check(check);
    assert_eq!(run.outcome, Check::unusable("GET /health timed out"));
}
