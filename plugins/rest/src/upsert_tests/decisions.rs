//! What the host has decided after a conflict.

use liaison_sdk::outcome::Merged;

use super::*;

#[test]
fn what_the_host_decided_is_written_over_that_version_alone() {
    lookup_first(json!({}));
    let over = |version: &str| policy(OLD).resolution(Resolution::Overwrite(Some(version.into())));
    let run = endpoint()
        .expect("GET /policies/7", held(NEW, "theirs"))
        .expect("PUT /policies/7", reply(204))
        .deliver(deliver, over("\"3\""));
    assert_eq!((run.outcome, run.requests[1].header("if-match")), (Outcome::delivered(), Some("\"3\"")));
    let run = endpoint().expect("GET /policies/7", held(NEW, "theirs")).deliver(deliver, over("\"2\""));
    assert!(conflict(run.outcome).2.contains("has changed since it was decided"));
    let merged = Merged { data: br#"{"title":"both"}"#.to_vec(), version: Some("\"3\"".into()) };
    let run = endpoint()
        .expect("GET /policies/7", held(NEW, "theirs"))
        .expect("PUT /policies/7", reply(204))
        .deliver(deliver, policy(OLD).resolution(Resolution::Merged(merged)));
    assert_eq!(run.requests[1].json(), json!({ "title": "both" }));
}

/// Without an ETag, and with one that no write can be bound to.
#[test]
fn what_the_host_decided_is_looked_at_before_it_is_written_where_no_condition_can_be() {
    lookup_first(json!({}));
    let over = |version: Option<String>| policy(OLD).resolution(Resolution::Overwrite(version));
    let untagged = |title: &str, at: Value| reply(200).json(&json!({ "title": title, "updatedAt": at }));
    let weak = |etag: &str| untagged("theirs", json!(NEW)).header("etag", etag);
    let marked = |title: &str| untagged(title, json!(null));
    let meet = |found: Reply, event: EventBuilder| {
        let run = endpoint().expect("GET /policies/7", found).deliver(deliver, event);
        conflict(run.outcome)
    };
    let write = |found: Reply, event: EventBuilder| {
        let run = endpoint()
            .expect("GET /policies/7", found)
            .expect("PUT /policies/7", reply(204))
            .deliver(deliver, event);
        assert_eq!((run.outcome, run.requests[1].header("if-match")), (Outcome::delivered(), None));
    };
    for (seen, changed) in [
        (weak("W/\"3\""), weak("W/\"4\"")),
        (untagged("theirs", json!(NEW)), untagged("theirs", json!("2026-05-01T12:00:03Z"))),
    ] {
        let (version, _, _) = meet(seen.clone(), policy(OLD));
        assert!(version.is_some());
        write(seen.clone(), over(version.clone()));
        assert!(meet(changed, over(version)).2.contains("has changed since it was decided"));
        // Over which version it was decided nobody knows: the host is told first.
        let (named, _, reason) = meet(seen.clone(), over(None));
        assert!(named.is_some() && reason.contains("and not over which version"), "{reason}");
        write(seen, over(named));
    }
    // What has neither ETag nor version is known by what is in it.
    write(marked("theirs"), over(None));
    let run = endpoint()
        .expect("GET /policies/7", marked("a"))
        .expect("PUT /policies/7", reply(409))
        .expect("GET /policies/7", marked("theirs"))
        .deliver(deliver, policy(OLD));
    let (version, _, _) = conflict(run.outcome);
    write(marked("theirs"), over(version.clone()));
    assert!(meet(marked("another"), over(version)).2.contains("has changed since it was decided"));
}

/// Somebody removed what was decided upon: to make it anew was not decided.
#[test]
fn what_the_host_decided_about_a_record_that_is_gone_is_a_conflict_again() {
    let gone = Outcome::conflict(None, None, "/policies/7: what it was decided to write over is gone");
    let over = |version: &str| policy(OLD).resolution(Resolution::Overwrite(Some(version.to_owned())));
    for (upsert, seen) in
        [("lookup-first", "\"3\""), ("lookup-first", "W/\"3\""), ("post-then-patch", "\"3\"")]
    {
        lookup_first(json!({ "upsert": upsert, "create-path": "/policies" }));
        let run = endpoint().expect("GET /policies/7", reply(404)).deliver(deliver, over(seen));
        assert_eq!(run.outcome, gone, "{upsert} {seen}");
    }
    lookup_first(json!({}));
    let raced = endpoint().expect("GET /policies/7", held(NEW, "theirs"));
    let raced = raced.expect("PUT /policies/7", reply(404)).deliver(deliver, over("\"3\""));
    assert_eq!(raced.outcome, gone);
    lookup_first(json!({ "upsert": "put" }));
    let put = || endpoint().expect("PUT /policies/7", reply(404));
    assert_eq!(put().deliver(deliver, over("\"3\"")).outcome, gone);
    // Nobody has decided, or upon nothing: the answer is what it is.
    assert_eq!(put().deliver(deliver, policy(OLD)).outcome.kind(), OutcomeKind::Rejected);
    let nothing = policy(OLD).resolution(Resolution::Overwrite(None));
    let run = endpoint().expect("GET /policies/7", reply(404)).expect("PUT /policies/7", reply(201));
    let run = run.deliver(deliver, nothing);
    assert_eq!(
        (run.outcome.kind(), run.requests[1].header("if-none-match")),
        (OutcomeKind::Delivered, Some("*"))
    );
    // It is deleted already.
    let removal = event("policy.removed").subject("7").tombstone();
    let removal = removal.resolution(Resolution::Overwrite(Some("\"3\"".to_owned())));
    let run = endpoint().expect("DELETE /policies/7", reply(404)).deliver(deliver, removal);
    assert_eq!(run.outcome.kind(), OutcomeKind::Delivered);
}
