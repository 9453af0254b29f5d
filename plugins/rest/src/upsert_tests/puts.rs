//! One request, whatever is there: what its conflicts tell, and what is decided about them.

use super::*;

#[test]
fn a_put_may_look_up_what_it_meets() {
    testing::settings(
        json!({ "path": "/p", "headers": { "If-None-Match": "*" }, "conflict-current": "lookup" }),
    );
    let run = endpoint()
        .expect("PUT /p", reply(412))
        .expect("GET /p", held(OLD, "theirs"))
        .deliver(deliver, policy(NEW));
    assert_eq!(
        (run.requests[0].header("if-none-match"), run.requests[1].header("if-none-match")),
        (Some("*"), None)
    );
    let (version, current, reason) = conflict(run.outcome);
    assert_eq!((version.as_deref(), &current["title"]), (Some("\"3\""), &json!("theirs")));
    assert_eq!(reason, "PUT /p answered 412 Precondition Failed");
    // The same event again has written it itself.
    let run = endpoint()
        .expect("PUT /p", reply(412))
        .expect("GET /p", held(NEW, "ours"))
        .deliver(deliver, policy(NEW));
    assert_eq!(run.outcome, there());
    // A condition for what is to be created is none for what is to be deleted.
    let run = endpoint().expect("DELETE /p", reply(204)).deliver(deliver, event("t").tombstone());
    assert_eq!(run.requests[0].header("if-none-match"), None);
}

#[test]
fn what_an_answer_holds_is_told_and_what_it_says_is_not() {
    let meet = |settings: Value, answer: Reply| {
        testing::settings(settings);
        conflict(endpoint().expect("PUT /p", answer).deliver(deliver, policy(OLD)).outcome)
    };
    let problem = reply(409).header("content-type", "application/problem+json");
    let problem = problem.text(&json!({ "title": "stale", "updatedAt": NEW }).to_string());
    let record = json!({ "title": "theirs", "updatedAt": NEW });
    for (settings, answer, version, current) in [
        (
            json!({}),
            reply(412).header("etag", "\"3\"").json(&json!({ "id": 9, "title": "theirs", "updatedAt": NEW })),
            Some("\"3\""),
            json!({ "id": 9, "title": "theirs", "updatedAt": NEW }),
        ),
        (json!({}), problem.clone(), None, json!(null)),
        (json!({}), reply(409).text("<html>"), None, json!(null)),
        // Without a place for its version nothing tells a record from a message.
        (json!({}), reply(409).json(&json!({ "error": "stale" })), None, json!({ "error": "stale" })),
        (
            json!({ "version": "/updatedAt" }),
            reply(409).json(&json!({ "error": "stale" })),
            None,
            json!(null),
        ),
        (json!({ "version": "/updatedAt" }), reply(409).json(&record), Some(NEW), record.clone()),
        // In the event's shape, as a lookup would tell it.
        (json!({ "wrap": "/data" }), reply(409).json(&json!({ "data": record })), None, record.clone()),
        (json!({ "wrap": "/data" }), reply(409).json(&record), None, json!(null)),
    ] {
        let mut all = json!({ "path": "/p" });
        all.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        let (named, told, _) = meet(all.clone(), answer);
        assert_eq!((named.as_deref(), told), (version, current), "{all}");
    }
}

#[test]
fn what_cannot_be_bound_to_a_version_is_put_after_a_look() {
    testing::settings(json!({ "path": "/p", "headers": { "If-None-Match": "*", "X-A": "b" } }));
    let over =
        |version: Option<&str>| policy(OLD).resolution(Resolution::Overwrite(version.map(str::to_owned)));
    let weak = || reply(200).header("etag", "W/\"3\"").json(&json!({ "title": "theirs" }));
    let run = endpoint()
        .expect("GET /p", weak())
        .expect("PUT /p", reply(204))
        .deliver(deliver, over(Some("W/\"3\"")));
    let put = &run.requests[1];
    assert_eq!(run.outcome, Outcome::delivered());
    assert_eq!(
        (put.header("if-match"), put.header("if-none-match"), put.header("x-a")),
        (None, None, Some("b"))
    );
    // It was changed since, or never named: the host is told what is there.
    for version in [Some("W/\"2\""), None] {
        let run = endpoint().expect("GET /p", weak()).deliver(deliver, over(version));
        let (named, current, _) = conflict(run.outcome);
        assert_eq!((named.as_deref(), &current["title"]), (Some("W/\"3\""), &json!("theirs")));
    }
    // A look may find what a write can be bound to.
    let run = endpoint()
        .expect("GET /p", held(NEW, "theirs"))
        .expect("PUT /p", reply(204))
        .deliver(deliver, over(Some("W/\"3\"")));
    assert_eq!((run.outcome, run.requests[1].header("if-match")), (Outcome::delivered(), Some("\"3\"")));
    // What is gone since is told, and made anew where that was decided, unless somebody is first.
    let run = endpoint().expect("GET /p", reply(404)).deliver(deliver, over(Some("W/\"3\"")));
    assert_eq!(conflict(run.outcome).0, None);
    let run =
        endpoint().expect("GET /p", reply(404)).expect("PUT /p", reply(201)).deliver(deliver, over(None));
    assert_eq!((run.outcome, run.requests[1].header("if-none-match")), (Outcome::delivered(), Some("*")));
    let run = endpoint().expect("GET /p", reply(403)).deliver(deliver, over(None));
    assert_eq!(run.outcome.kind(), OutcomeKind::Denied);
}
