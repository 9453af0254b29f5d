//! What a lookup shows, and what follows from it.

use super::*;

#[test]
fn what_is_held_is_told_in_the_shape_of_the_event() {
    set(with_lookup("before"));
    let run = endpoint().expect(GET, held("2026-05-01T12:00:01Z")).deliver(deliver, room());
    let Outcome::Conflict(conflict) = run.outcome else { panic!("{:?}", run.outcome) };
    let current: Value = serde_json::from_slice(&conflict.current.unwrap()).unwrap();
    assert_eq!((&current["updatedAt"], &current["seats"]), (&json!("2026-05-01T12:00:01Z"), &json!(0)));
    // A whole number, as it is in events, and not text.
    assert_eq!(current["revision"], json!(9_007_199_254_740_993_i64));
    assert_eq!(conflict.version.as_deref(), Some("r7"));
    let run = endpoint()
        .expect(GET, held("2026-05-01T11:59:59Z"))
        .expect(UPDATE, grpc_reply(0))
        .deliver(deliver, room());
    assert_eq!(shown("UpdateRoomRequest", &run.grpc_calls[1].message)["etag"], "r7");
    let run: Run =
        endpoint().expect(GET, grpc_reply(5)).expect(CREATE, grpc_reply(0)).deliver(deliver, room());
    assert_eq!(run.outcome, Outcome::delivered());
    let over = room().resolution(Resolution::Overwrite(Some("r8".into())));
    let run = endpoint().expect(UPDATE, grpc_reply(0)).deliver(deliver, over);
    assert_eq!(shown("UpdateRoomRequest", &run.grpc_calls[0].message)["etag"], "r8");
}

#[test]
fn what_has_the_same_version_is_there_unless_it_is_another() {
    let same = |title: &str| {
        let room = json!({
            "name": "rooms/7", "title": title, "seats": 12, "kind": 2, "tags": ["x"], "revision": 9_007_199_254_740_993_i64,
            "updatedAt": "2026-05-01T12:00:00Z", "etag": "r7",
        });
        grpc_reply(0).message(encoded("Room", room))
    };
    for when in ["before", "conflict"] {
        set(with_lookup(when));
        let look = |title: &str| match when {
            "before" => endpoint().expect(GET, same(title)),
            _ => endpoint().expect(UPDATE, grpc_reply(9)).expect(GET, same(title)),
        };
        let run = look("A").deliver(deliver, room());
        assert_eq!(run.outcome, Outcome::skipped("already there, as version r7"), "{when}");
        let run = look("B").deliver(deliver, room());
        let Outcome::Conflict(conflict) = run.outcome else { panic!("{when}: {:?}", run.outcome) };
        let current: Value = serde_json::from_slice(&conflict.current.unwrap()).unwrap();
        assert_eq!((&current["title"], conflict.version.as_deref()), (&json!("B"), Some("r7")));
    }
}

#[test]
fn a_late_tombstone_deletes_nothing_newer() {
    const NOON_MS: u64 = 1_777_636_800_000;
    set(with_lookup("before"));
    let gone = || event("room.changed").key("7").tombstone().time_ms(NOON_MS);
    let run = endpoint().expect(GET, held("2026-05-01T12:00:01Z")).deliver(deliver, gone());
    assert_eq!(run.outcome.kind(), OutcomeKind::Conflict);
    let delete = "gRPC /agency.rooms.v1.Rooms/DeleteRoom";
    let older = endpoint().expect(GET, held("2026-05-01T12:00:00Z")).expect(delete, grpc_reply(0));
    assert_eq!(older.deliver(deliver, gone()).outcome, Outcome::delivered());
}

#[test]
fn a_lookup_delivers_nothing_whatever_its_status_means_to_a_change() {
    let mut settings = with_lookup("before");
    settings["statuses"] = json!({ "NOT_FOUND": "delivered", "ABORTED": "skipped", "UNKNOWN": "delivered" });
    set(settings);
    let nothing = "the lookup does not show what is there: ";
    let run = endpoint().expect(GET, grpc_reply(10)).deliver(deliver, room());
    assert_eq!(run.outcome, Outcome::rejected(format!("{nothing}{GET} answered ABORTED")));
    let run = endpoint().expect(GET, grpc_reply(2)).deliver(deliver, room());
    assert!(reason(run.outcome).starts_with(nothing));
    let run = endpoint().expect(GET, grpc_reply(9)).deliver(deliver, room());
    assert_eq!(run.outcome, Outcome::retry(format!("{GET} answered FAILED_PRECONDITION")));
    // Of what is not there the lookup says so.
    let run = endpoint().expect(GET, grpc_reply(5)).expect(CREATE, grpc_reply(0)).deliver(deliver, room());
    assert_eq!(run.outcome, Outcome::delivered());
}
