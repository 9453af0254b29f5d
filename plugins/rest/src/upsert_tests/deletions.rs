//! Tombstones: what they delete, and what stays because it is newer.

use super::*;

/// 2026-05-01T12:00:01Z, which is `OLD`.
const OLD_MS: u64 = 1_777_636_801_000;

fn gone() -> EventBuilder {
    event("t").subject("7").tombstone()
}

fn by_query(more: Value) {
    let mut settings = json!({
        "create-path": "/policies",
        "path": "/policies/{found/id}",
        "lookup": { "path": "/policies?number={subject}", "results": "/items" },
    });
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    lookup_first(settings);
}

fn items(items: Value) -> Reply {
    reply(200).json(&json!({ "items": items }))
}

#[test]
fn a_tombstone_deletes_the_version_that_was_looked_up() {
    lookup_first(json!({}));
    for status in [204, 404, 410] {
        let run = endpoint()
            .expect("GET /policies/7", held(OLD, "theirs"))
            .expect("DELETE /policies/7", reply(status))
            .deliver(deliver, gone().time_ms(OLD_MS));
        assert_eq!((run.outcome, run.requests[1].header("if-match")), (Outcome::delivered(), Some("\"3\"")));
    }
    for status in [404, 410] {
        let run = endpoint().expect("GET /policies/7", reply(status)).deliver(deliver, gone());
        assert_eq!(run.outcome, Outcome::delivered());
    }
    let run = endpoint().expect("GET /policies/7", reply(503)).deliver(deliver, gone());
    assert_eq!(run.outcome.kind(), OutcomeKind::Retry);
}

#[test]
fn what_is_newer_than_its_tombstone_stays() {
    for settings in [json!({}), json!({ "upsert": "post-then-patch", "create-path": "/policies" })] {
        lookup_first(settings);
        let run = endpoint()
            .expect("GET /policies/7", held(NEW, "theirs"))
            .deliver(deliver, gone().time_ms(OLD_MS));
        let (version, current, reason) = conflict(run.outcome);
        assert_eq!((version.as_deref(), &current["title"]), (Some("\"3\""), &json!("theirs")));
        assert_eq!(reason, "/policies/7: what is held is newer than the event");
    }
    // What is no time, and what nobody knows, speaks against nothing.
    let untimed = |version: Value| reply(200).json(&json!({ "updatedAt": version }));
    for (found, event) in [
        (held(NEW, "theirs"), gone()),
        (untimed(json!(7)), gone().time_ms(OLD_MS)),
        (untimed(json!(null)), gone().time_ms(OLD_MS)),
        (reply(200).text("<policy/>"), gone().time_ms(OLD_MS)),
    ] {
        let run = endpoint()
            .expect("GET /policies/7", found)
            .expect("DELETE /policies/7", reply(204))
            .deliver(deliver, event);
        assert_eq!(run.outcome, Outcome::delivered());
    }
    // Where nothing is compared nothing is looked at.
    for settings in [json!({ "version": false, "conflict-current": "answer" }), json!({ "version": false })] {
        lookup_first(settings);
        let run =
            endpoint().expect("DELETE /policies/7", reply(204)).deliver(deliver, gone().time_ms(OLD_MS));
        assert_eq!(run.outcome, Outcome::delivered());
    }
}

#[test]
fn a_decided_deletion_is_of_that_version_alone() {
    lookup_first(json!({}));
    let over = |version: &str| gone().resolution(Resolution::Overwrite(Some(version.into())));
    let run = endpoint()
        .expect("GET /policies/7", held(NEW, "theirs"))
        .expect("DELETE /policies/7", reply(204))
        .deliver(deliver, over("\"3\""));
    assert_eq!((run.outcome, run.requests[1].header("if-match")), (Outcome::delivered(), Some("\"3\"")));
    let run = endpoint().expect("GET /policies/7", held(NEW, "theirs")).deliver(deliver, over("\"2\""));
    assert!(conflict(run.outcome).2.contains("has changed since it was decided"));

    // One request is bound to a strong tag by itself, and to any other by a look.
    testing::settings(json!({ "path": "/p" }));
    let run = endpoint().expect("DELETE /p", reply(204)).deliver(deliver, over("\"3\""));
    assert_eq!(run.requests[0].header("if-match"), Some("\"3\""));
    let weak = |etag: &str| reply(200).header("etag", etag);
    let run = endpoint()
        .expect("GET /p", weak("W/\"3\""))
        .expect("DELETE /p", reply(204))
        .deliver(deliver, over("W/\"3\""));
    assert_eq!((run.outcome, run.requests[1].header("if-match")), (Outcome::delivered(), None));
    let run = endpoint().expect("GET /p", weak("W/\"4\"")).deliver(deliver, over("W/\"3\""));
    assert_eq!(run.outcome.kind(), OutcomeKind::Conflict);
}

#[test]
fn a_deletion_that_meets_another_version_tells_what_is_there_now() {
    lookup_first(json!({}));
    let meeting = |then: Reply| {
        endpoint()
            .expect("GET /policies/7", held(OLD, "theirs"))
            .expect("DELETE /policies/7", reply(412))
            .expect("GET /policies/7", then)
            .deliver(deliver, gone().time_ms(OLD_MS))
            .outcome
    };
    assert_eq!(conflict(meeting(held(NEW, "changed"))).1["title"], "changed");
    assert_eq!(meeting(reply(404)), Outcome::delivered());
}

#[test]
fn a_tombstone_deletes_what_a_query_finds() {
    by_query(json!({}));
    let run = endpoint().expect("GET /policies?number=7", items(json!([]))).deliver(deliver, gone());
    assert_eq!(run.outcome, Outcome::delivered());
    let found = || items(json!([{ "id": 9 }]));
    for status in [204, 404, 410] {
        let run = endpoint()
            .expect("GET /policies?number=7", found())
            .expect("GET /policies/9", held(OLD, "theirs"))
            .expect("DELETE /policies/9", reply(status))
            .deliver(deliver, gone());
        assert_eq!((run.outcome, run.requests[2].header("if-match")), (Outcome::delivered(), Some("\"3\"")));
    }
    let run = endpoint()
        .expect("GET /policies?number=7", found())
        .expect("GET /policies/9", reply(404))
        .deliver(deliver, gone());
    assert_eq!(run.outcome, Outcome::delivered());
    by_query(json!({ "version": false }));
    let run = endpoint()
        .expect("GET /policies?number=7", found())
        .expect("DELETE /policies/9", reply(204))
        .deliver(deliver, gone());
    assert_eq!(run.outcome, Outcome::delivered());
}
