//! What answers mean, and settings that contradict each other.

use liaison_sdk::failure::Unanswered;

use super::*;

#[test]
fn what_is_gone_means_what_the_settings_say() {
    for (gone, expected) in [
        (json!({}), OutcomeKind::Rejected),
        (json!({ "gone": "rejected" }), OutcomeKind::Rejected),
        (json!({ "gone": "skipped" }), OutcomeKind::Skipped),
        (json!({ "gone": "delivered" }), OutcomeKind::Delivered),
        (json!({ "statuses": { "410": "retry" } }), OutcomeKind::Retry),
    ] {
        lookup_first(gone.clone());
        let run = endpoint().expect("GET /policies/7", reply(410)).deliver(deliver, policy(NEW));
        assert_eq!(run.outcome.kind(), expected, "{gone}");
        let mut put = json!({ "path": "/p" });
        put.as_object_mut().unwrap().extend(gone.as_object().unwrap().clone());
        testing::settings(put);
        let run = endpoint().expect("PUT /p", reply(410)).deliver(deliver, policy(NEW));
        assert_eq!(run.outcome.kind(), expected, "{gone}");
    }
    lookup_first(json!({ "gone": "create" }));
    let run = endpoint()
        .expect("GET /policies/7", reply(410))
        .expect("PUT /policies/7", reply(201))
        .deliver(deliver, policy(NEW));
    assert_eq!(run.outcome, Outcome::delivered());
    testing::settings(json!({ "path": "/p", "gone": "create", "create-path": "/new" }));
    let run =
        endpoint().expect("PUT /p", reply(410)).expect("POST /new", reply(201)).deliver(deliver, policy(NEW));
    assert_eq!(run.outcome, Outcome::delivered());
    let run =
        endpoint().expect("PUT /p", reply(410)).expect("POST /new", reply(410)).deliver(deliver, policy(NEW));
    assert_eq!(run.outcome.kind(), OutcomeKind::Rejected);
}

#[test]
fn a_lookup_that_is_not_answered_writes_nothing() {
    lookup_first(json!({ "statuses": { "404": "skipped", "400": "delivered" } }));
    for (answer, kind) in [
        (reply(401), OutcomeKind::Denied),
        (reply(429), OutcomeKind::Throttled),
        (reply(503), OutcomeKind::Retry),
        (reply(409), OutcomeKind::Retry),
        (reply(304), OutcomeKind::Rejected),
        (reply(400), OutcomeKind::Rejected),
        (reply(301), OutcomeKind::Rejected),
        (reply(200).text("<html>"), OutcomeKind::Retry),
        (Unanswered::TimedOut.into(), OutcomeKind::Retry),
    ] {
        let run = endpoint().expect("GET /policies/7", answer.clone()).deliver(deliver, policy(NEW));
        assert_eq!(run.outcome.kind(), kind, "{answer:?}");
    }
}

#[test]
fn settings_that_contradict_each_other_are_named() {
    for (settings, expected) in [
        (json!({ "upsert": "post" }), "settings: upsert: unknown variant `post`"),
        (
            json!({ "upsert": "post-then-patch" }),
            "settings: missing field `create-path`: `post-then-patch` posts",
        ),
        (json!({ "create-path": "/a" }), "settings: create-path: with `upsert = \"put\"` nothing is created"),
        (json!({ "create-headers": {} }), "settings: create-headers: with `upsert"),
        (json!({ "gone": "create" }), "settings: gone: `create` needs `create-path`"),
        (
            json!({ "gone": "skipped", "statuses": { "410": "retry" } }),
            "settings: gone: `statuses` says of 410",
        ),
        (json!({ "lookup": { "path": "/a" } }), "settings: lookup: `upsert = \"put\"` looks nothing up"),
        (
            json!({ "path": "/{found/id}" }),
            "settings: path: `{found/…}` is a field of the record that `lookup` finds",
        ),
        (
            json!({ "upsert": "lookup-first", "lookup": { "path": "/{found/id}" } }),
            "settings: `{found/…}` stands in `path` alone",
        ),
        (
            json!({ "headers": { "a": "{found/id}" } }),
            "settings: headers.a: `{found/id}` is no field of an event: use id, ",
        ),
        (json!({ "body": "json-patch" }), "settings: body: a patch is made from what the system holds"),
        (json!({ "fields": {} }), "settings: fields: is for a body of `form` or `multipart`"),
        (json!({ "body": "form", "files": [] }), "settings: files: is for a body of `multipart`"),
        (json!({ "patch-keeps": [] }), "settings: patch-keeps: is for a body of `json-patch`"),
        (json!({ "body": "form", "wrap": "/a" }), "settings: wrap: is for a body of JSON"),
        (json!({ "wrap": "a" }), "settings: wrap: `a` is no JSON pointer"),
        (json!({ "version": true }), "settings: version: must be a JSON pointer or `false`"),
        (json!({ "version": "at" }), "settings: version: a JSON pointer such as `/updatedAt`, or `false`"),
    ] {
        let mut settings = settings;
        if settings.get("path").is_none() {
            settings["path"] = json!("/p");
        }
        testing::settings(settings);
        let outcome = endpoint().deliver(deliver, policy(NEW)).outcome;
        assert!(
            matches!(&outcome, Outcome::Denied(reason) if reason.starts_with(expected)),
            "{expected}: {outcome:?}"
        );
    }
}
