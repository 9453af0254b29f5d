//! What a lookup shows, and what follows from it.

use super::*;

#[test]
fn what_is_held_is_told_in_the_shape_of_the_event() {
    set(lookup("before"));
    let run = endpoint().expect(POST, held(9)).deliver(deliver, record());
    let current = json!({ "id": "r-1", "title": "theirs", "tags": ["x"], "updatedAt": 9, "revision": 4 });
    let Outcome::Conflict(conflict) = run.outcome else { panic!("{:?}", run.outcome) };
    assert_eq!(serde_json::from_slice::<Value>(&conflict.current.unwrap()).unwrap(), current);
    assert_eq!(conflict.version.as_deref(), Some("4"));
    let run = endpoint().expect(POST, held(6)).expect(POST, put(5)).deliver(deliver, record());
    assert!(
        body(&run.requests[1]).ends_with("<overRevision>4</overRevision></PutRecord>"),
        "{:?}",
        run.requests
    );
    let missing = || fault(500, "Client.ResourceNotFound", "none");
    let run = endpoint().expect(POST, missing()).expect(POST, put(1)).deliver(deliver, record());
    assert_eq!(run.outcome.kind(), OutcomeKind::Delivered);
    let nil = "<GetRecordResponse xmlns='urn:agency:compliance'/>";
    let run =
        endpoint().expect(POST, answered(Version::V11, nil)).expect(POST, put(1)).deliver(deliver, record());
    assert_eq!(run.outcome.kind(), OutcomeKind::Delivered);
    let run = endpoint().expect(POST, missing()).deliver(deliver, record().tombstone());
    assert_eq!(run.outcome.kind(), OutcomeKind::Skipped);
    set(lookup("conflict"));
    let stale = || fault(500, "Client.Stale", "not older");
    let run = endpoint().expect(POST, stale()).expect(POST, same("A & <B>")).deliver(deliver, record());
    assert_eq!(run.outcome, Outcome::skipped("already there, as version 4"));
    let run = endpoint().expect(POST, stale()).expect(POST, same("B")).deliver(deliver, record());
    assert_eq!(run.outcome.kind(), OutcomeKind::Conflict);
    let over = record().resolution(Resolution::Overwrite(Some("4".into())));
    let run = endpoint().expect(POST, put(5)).deliver(deliver, over);
    assert!(body(&run.requests[0]).contains("<overRevision>4</overRevision>"));
}

#[test]
fn what_has_the_same_version_is_there_unless_it_is_another() {
    set(lookup("before"));
    let run = endpoint().expect(POST, same("A & <B>")).deliver(deliver, record());
    assert_eq!(run.outcome, Outcome::skipped("already there, as version 4"));
    let run = endpoint().expect(POST, same("B")).deliver(deliver, record());
    let Outcome::Conflict(conflict) = run.outcome else { panic!("{:?}", run.outcome) };
    assert_eq!(conflict.reason, "`/updatedAt`: what is held has the event's version, and other data");
    // A body from a template says what it sends, but not as which part of the answer that comes back.
    let body = "<GetRecord xmlns='urn:agency:compliance'><id>{key}</id></GetRecord>";
    let put = "<PutRecord xmlns='urn:agency:compliance'><title>{/title}</title></PutRecord>";
    set(json!({ "lookup": { "body": body }, "write": { "body": put } }));
    let run = endpoint().expect(POST, same("B")).deliver(deliver, record());
    assert!(reason(run.outcome).starts_with("already there"));
}

#[test]
fn a_lookup_that_is_answered_with_nothing_shows_nothing() {
    set(lookup("before"));
    for (status, event) in [(202, record()), (204, record()), (204, record().tombstone())] {
        let run = endpoint().expect(POST, reply(status)).deliver(deliver, event);
        let expected = format!(
            "SOAP GetRecord: the lookup was answered {status} without an envelope: call an operation"
        );
        assert!(reason(run.outcome).starts_with(&expected));
    }
    let run = endpoint().expect(POST, reply(200)).deliver(deliver, record());
    assert_eq!(run.outcome.kind(), OutcomeKind::Retry);
    // Nor does what a fault means to a change.
    let mut settings = lookup("before");
    settings["faults"] = json!({ "Closed": "skipped", "Sent": "delivered", "Stale": "conflict" });
    set(settings);
    for (code, kind) in [
        ("Client.Closed", OutcomeKind::Rejected),
        ("Client.Sent", OutcomeKind::Rejected),
        ("Client.Stale", OutcomeKind::Retry),
    ] {
        let run = endpoint().expect(POST, fault(500, code, "no")).deliver(deliver, record());
        assert_eq!(run.outcome.kind(), kind, "{code}: {:?}", run.outcome);
    }
}
