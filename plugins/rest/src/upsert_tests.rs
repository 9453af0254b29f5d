//! The patterns of more than one request, against an endpoint that follows a script.

mod bodies;
mod decisions;
mod deletions;
mod puts;
mod queries;
mod statuses;

use liaison_sdk::testing::{self, EventBuilder, Reply, endpoint, event, reply};
use serde_json::{Value, json};

use super::*;

const OLD: &str = "2026-05-01T12:00:01Z";
const NEW: &str = "2026-05-01T12:00:02Z";

fn policy(at: &str) -> EventBuilder {
    event("policy.updated").subject("7").data(json!({ "title": "ours", "updatedAt": at }))
}

/// A record with this ETag.
fn held(at: &str, title: &str) -> Reply {
    reply(200).header("etag", "\"3\"").json(&json!({ "id": 9, "title": title, "updatedAt": at }))
}

fn delivered(version: &str) -> Outcome {
    Outcome::Delivered(Receipt { external_id: None, version: Some(version.into()) })
}

fn there() -> Outcome {
    Outcome::skipped("already there, as version \"3\"")
}

fn conflict(outcome: Outcome) -> (Option<String>, Value, String) {
    match outcome {
        Outcome::Conflict(conflict) => {
            let current =
                serde_json::from_slice(&conflict.current.unwrap_or_else(|| b"null".to_vec())).unwrap();
            (conflict.version, current, conflict.reason)
        }
        other => panic!("{other:?}"),
    }
}

fn reason(outcome: Outcome) -> String {
    match outcome {
        Outcome::Rejected(reason) => reason,
        Outcome::Retry(retry) => retry.reason,
        other => panic!("{other:?}"),
    }
}

fn lookup_first(more: Value) {
    let mut settings =
        json!({ "upsert": "lookup-first", "path": "/policies/{subject}", "headers": { "X-A": "b" } });
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    testing::settings(settings);
}

#[test]
fn what_is_looked_up_and_not_there_is_created_if_nothing_is_there() {
    lookup_first(json!({}));
    let run = endpoint()
        .expect("GET /policies/7", reply(404))
        .expect("PUT /policies/7", reply(201).header("etag", "\"1\""))
        .deliver(deliver, policy(NEW));
    assert_eq!(run.outcome, delivered("\"1\""));
    let (get, put) = (&run.requests[0], &run.requests[1]);
    assert_eq!((get.header("x-a"), get.header("content-type")), (Some("b"), None));
    assert_eq!((put.header("if-none-match"), put.header("x-a")), (Some("*"), Some("b")));

    lookup_first(
        json!({ "create-path": "/policies", "create-headers": { "Prefer": "return=minimal", "x-a": "c" } }),
    );
    let run = endpoint()
        .expect("GET /policies/7", reply(404))
        .expect("POST /policies", reply(201).header("location", "/policies/7"))
        .deliver(deliver, policy(NEW));
    assert_eq!(
        run.outcome,
        Outcome::Delivered(Receipt { external_id: Some("/policies/7".into()), version: None })
    );
    let post = &run.requests[1];
    assert_eq!(
        (post.header("if-none-match"), post.header("prefer"), post.header("x-a")),
        (None, Some("return=minimal"), Some("c"))
    );
}

#[test]
fn what_is_older_is_changed_over_the_version_that_was_looked_up() {
    lookup_first(json!({}));
    let run = endpoint()
        .expect("GET /policies/7", held(OLD, "theirs"))
        .expect("PUT /policies/7", reply(200).header("etag", "\"4\""))
        .deliver(deliver, policy(NEW));
    assert_eq!((run.outcome, run.requests[1].header("if-match")), (delivered("\"4\""), Some("\"3\"")));

    // A weak tag matches nothing, and where none is given there is none to name.
    let record = json!({ "updatedAt": OLD });
    for answer in [reply(200).json(&record), reply(200).header("etag", "W/\"3\"").json(&record)] {
        let run = endpoint()
            .expect("GET /policies/7", answer)
            .expect("PUT /policies/7", reply(204))
            .deliver(deliver, policy(NEW));
        assert_eq!(run.requests[1].header("if-match"), None);
    }
}

#[test]
fn what_is_not_older_is_left_to_the_host() {
    lookup_first(json!({}));
    for (found, why) in [
        (held(NEW, "theirs"), "/policies/7: what is held is newer than the event"),
        (held(OLD, "theirs"), "/policies/7: what is held has the event's version, and other data"),
    ] {
        let run = endpoint().expect("GET /policies/7", found).deliver(deliver, policy(OLD));
        let (version, current, reason) = conflict(run.outcome);
        assert_eq!(
            (version.as_deref(), current["title"].as_str(), reason.as_str()),
            (Some("\"3\""), Some("theirs"), why)
        );
    }
    let odd = reply(200).json(&json!({ "updatedAt": 7 }));
    let run = endpoint().expect("GET /policies/7", odd).deliver(deliver, policy(OLD));
    assert_eq!(
        conflict(run.outcome).2,
        "/policies/7: the versions of the event and of what is held cannot be compared"
    );
    // The same again is there already, however its version is written there.
    let elsewhere = held("2026-05-01T14:00:01+02:00", "ours");
    let run = endpoint().expect("GET /policies/7", elsewhere).deliver(deliver, policy(OLD));
    assert_eq!(run.outcome, there());
    let run = endpoint().expect("GET /policies/7", held(OLD, "ours")).deliver(deliver, policy(OLD));
    assert_eq!(run.outcome, there());
}

#[test]
fn an_event_without_a_version_overwrites_nothing_that_has_one() {
    lookup_first(json!({}));
    for data in [json!({ "title": "ours" }), json!({ "updatedAt": null }), json!({ "updatedAt": "" })] {
        let run = endpoint()
            .expect("GET /policies/7", held(OLD, "theirs"))
            .deliver(deliver, event("t").subject("7").data(data.clone()));
        let (version, current, reason) = conflict(run.outcome);
        assert_eq!((version.as_deref(), &current["title"]), (Some("\"3\""), &json!("theirs")), "{data}");
        assert_eq!(reason, "/policies/7: what is held has a version, and the event has none", "{data}");
    }
    let xml = event("t").subject("7").bytes("<policy/>", Some("text/xml"));
    let run = endpoint().expect("GET /policies/7", held(OLD, "theirs")).deliver(deliver, xml.clone());
    let why = reason(run.outcome);
    assert!(why.starts_with("the event's data is not JSON, so that nothing tells"), "{why}");
    // What has no version either was never written by the source; and where none is compared none is missed.
    let untold = || reply(200).header("etag", "\"3\"").json(&json!({ "title": "theirs", "updatedAt": null }));
    let run = endpoint()
        .expect("GET /policies/7", untold())
        .expect("PUT /policies/7", reply(204))
        .deliver(deliver, event("t").subject("7").data(json!({ "title": "ours" })));
    assert_eq!((run.outcome, run.requests[1].header("if-match")), (Outcome::delivered(), Some("\"3\"")));
    let run = endpoint()
        .expect("GET /policies/7", untold())
        .expect("PUT /policies/7", reply(204))
        .deliver(deliver, policy(OLD));
    assert_eq!(run.outcome, Outcome::delivered());
    lookup_first(json!({ "version": false }));
    let run = endpoint()
        .expect("GET /policies/7", held(OLD, "theirs"))
        .expect("PUT /policies/7", reply(204))
        .deliver(deliver, xml);
    assert_eq!(run.outcome, Outcome::delivered());
}

#[test]
fn a_conflict_has_the_shape_of_the_event() {
    lookup_first(json!({ "body": "/policy", "wrap": "/data", "version": "/policy/at" }));
    let event = event("t").subject("7").data(json!({ "policy": { "at": 1 } }));
    let run = endpoint()
        .expect("GET /policies/7", reply(200).json(&json!({ "data": { "at": 2, "x": 1 } })))
        .deliver(deliver, event.clone());
    assert_eq!(conflict(run.outcome).1, json!({ "policy": { "at": 2, "x": 1 } }));
    let run = endpoint()
        .expect("GET /policies/7", reply(200).json(&json!({ "data": { "at": 0 } })))
        .expect("PUT /policies/7", reply(200))
        .deliver(deliver, event);
    assert_eq!(run.requests[1].json(), json!({ "data": { "at": 1 } }));
    assert_eq!(run.requests[1].header("content-type"), Some("application/json"));
}

#[test]
fn who_was_first_is_looked_up_again() {
    lookup_first(json!({}));
    for status in [409, 412] {
        let run = endpoint()
            .expect("GET /policies/7", held(OLD, "theirs"))
            .expect("PUT /policies/7", reply(status))
            .expect("GET /policies/7", held(NEW, "changed"))
            .deliver(deliver, policy(NEW));
        let (version, current, reason) = conflict(run.outcome);
        assert_eq!((version.as_deref(), &current["title"]), (Some("\"3\""), &json!("changed")));
        assert!(reason.starts_with(&format!("PUT /policies/7 answered {status} ")), "{reason}");
    }
    // Created by somebody else in between; or deleted, and then the next attempt creates it.
    let run = endpoint()
        .expect("GET /policies/7", reply(404))
        .expect("PUT /policies/7", reply(412))
        .expect("GET /policies/7", held(NEW, "theirs"))
        .deliver(deliver, policy(NEW));
    assert_eq!(conflict(run.outcome).1["title"], "theirs");
    let changing = |status: u16| {
        endpoint().expect("GET /policies/7", held(OLD, "theirs")).expect("PUT /policies/7", reply(status))
    };
    for script in [changing(404), changing(412).expect("GET /policies/7", reply(404))] {
        assert!(matches!(script.deliver(deliver, policy(NEW)).outcome, Outcome::Retry(_)));
    }
}

#[test]
fn what_is_posted_and_there_is_changed() {
    let settings =
        json!({ "upsert": "post-then-patch", "path": "/policies/{subject}", "create-path": "/policies" });
    testing::settings(settings.clone());
    let run = endpoint().expect("POST /policies", reply(201)).deliver(deliver, policy(NEW));
    assert_eq!(run.outcome, Outcome::delivered());
    let run = endpoint()
        .expect("POST /policies", reply(409))
        .expect("GET /policies/7", held(OLD, "theirs"))
        .expect("PATCH /policies/7", reply(200))
        .deliver(deliver, policy(NEW));
    assert_eq!((run.outcome, run.requests[2].header("if-match")), (Outcome::delivered(), Some("\"3\"")));
    let run = endpoint()
        .expect("POST /policies", reply(409))
        .expect("GET /policies/7", held(OLD, "ours"))
        .deliver(deliver, policy(OLD));
    assert_eq!(run.outcome, there());
    // After a conflict it is known to be there.
    let run = endpoint()
        .expect("GET /policies/7", held(NEW, "theirs"))
        .expect("PATCH /policies/7", reply(200))
        .deliver(deliver, policy(OLD).resolution(Resolution::Overwrite(Some("\"3\"".into()))));
    assert_eq!(run.outcome, Outcome::delivered());
    let run = endpoint().expect("POST /policies", reply(422)).deliver(deliver, policy(OLD));
    assert!(matches!(run.outcome, Outcome::Rejected(_)));

    let mut unseen = settings;
    unseen["version"] = json!(false);
    unseen["method"] = json!("PUT");
    testing::settings(unseen);
    let run = endpoint()
        .expect("POST /policies", reply(409))
        .expect("PUT /policies/7", reply(204))
        .deliver(deliver, policy(NEW));
    assert_eq!((run.outcome, run.requests[1].header("if-match")), (Outcome::delivered(), None));
}
