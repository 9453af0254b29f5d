//! The plugin against an endpoint that follows a script, with messages of `rooms.proto`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use liaison_sdk::failure::Unanswered;
use liaison_sdk::testing::{self, EventBuilder, Run, endpoint, event, grpc_reply};
use prost_reflect::prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::json;

use super::*;

mod lookups;

const SET: &[u8] = include_bytes!("../rooms.binpb");
const UPDATE: &str = "gRPC /agency.rooms.v1.Rooms/UpdateRoom";
const CREATE: &str = "gRPC /agency.rooms.v1.Rooms/CreateRoom";
const GET: &str = "gRPC /agency.rooms.v1.Rooms/GetRoom";

/// Settings for the service of rooms, with more of them.
fn set(more: Value) {
    let mut settings = json!({
        "descriptor-set": STANDARD.encode(SET),
        "write": { "method": "/agency.rooms.v1.Rooms/UpdateRoom", "request": { "room": "{data}", "etag": "{etag}" } },
        "delete": { "method": "/agency.rooms.v1.Rooms/DeleteRoom", "request": { "name": "rooms/{key}", "etag": "{etag}" } },
        "etag": "/etag",
        "external-id": "/name",
    });
    let more = more.as_object().expect("a table").clone();
    settings.as_object_mut().expect("a table").extend(more);
    testing::settings(settings);
}

fn with_lookup(when: &str) -> Value {
    let request = json!({ "name": "rooms/{key}" });
    json!({
        "lookup": { "method": "/agency.rooms.v1.Rooms/GetRoom", "request": request, "when": when },
        "create": { "method": "/agency.rooms.v1.Rooms/CreateRoom", "request": { "room": "{data}" } },
    })
}

fn room() -> EventBuilder {
    event("room.changed").key("7").attribute("tenant", "north").data(json!({
        "name": "rooms/7", "title": "A", "seats": 12, "kind": "KIND_LAB", "tags": ["x"], "revision": 9_007_199_254_740_993_i64,
        "updatedAt": "2026-05-01T12:00:00Z", "nobody": { "knows": [1] },
    }))
}

fn encoded(kind: &str, json: Value) -> Vec<u8> {
    let pool = DescriptorPool::decode(SET).unwrap();
    let kind = pool.get_message_by_name(&format!("agency.rooms.v1.{kind}")).unwrap();
    DynamicMessage::deserialize(kind, json).unwrap().encode_to_vec()
}

fn shown(kind: &str, message: &[u8]) -> Value {
    let pool = DescriptorPool::decode(SET).unwrap();
    let kind = pool.get_message_by_name(&format!("agency.rooms.v1.{kind}")).unwrap();
    serde_json::to_value(DynamicMessage::decode(kind, message).unwrap()).unwrap()
}

fn held(at: &str) -> testing::GrpcReply {
    let room = json!({ "name": "rooms/7", "updatedAt": at, "etag": "r7", "revision": "9007199254740993" });
    grpc_reply(0).message(encoded("Room", room))
}

fn reason(outcome: Outcome) -> String {
    match outcome {
        Outcome::Rejected(reason) | Outcome::Denied(reason) | Outcome::Skipped(reason) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_data_becomes_a_message_and_the_answer_a_receipt() {
    set(
        json!({ "metadata": { "x-tenant": "{attributes.tenant}", "x-title-bin": "{/title}" }, "timeout-ms": 2000 }),
    );
    let run = endpoint().expect(UPDATE, held("2026-05-01T12:00:00Z")).deliver(deliver, room());
    let receipt = Receipt { external_id: Some("rooms/7".into()), version: Some("r7".into()) };
    assert_eq!(run.outcome, Outcome::Delivered(receipt));
    let [call] = &run.grpc_calls[..] else { panic!("{:?}", run.grpc_calls) };
    let expected = [("x-tenant", "north"), ("x-title-bin", "QQ==")];
    assert_eq!(call.metadata, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(call.timeout, Some(2000));
    let expected = json!({ "room": {
        "name": "rooms/7", "title": "A", "seats": 12, "tags": ["x"], "kind": "KIND_LAB", "updatedAt": "2026-05-01T12:00:00Z",
        "revision": "9007199254740993",
    } });
    assert_eq!(shown("UpdateRoomRequest", &call.message), expected);
}

#[test]
fn without_a_template_the_data_is_the_request_and_a_type_may_have_its_own_method() {
    let create = json!({ "method": "/agency.rooms.v1.Rooms/CreateRoom" });
    set(json!({ "types": { "room.made": create }, "deletes": ["room.closed"] }));
    let made = event("room.made").data(json!({ "room": { "name": "rooms/8" } }));
    let run = endpoint().expect(CREATE, grpc_reply(0)).deliver(deliver, made);
    assert_eq!(
        shown("CreateRoomRequest", &run.grpc_calls[0].message),
        json!({ "room": { "name": "rooms/8" } })
    );
    let delete = "gRPC /agency.rooms.v1.Rooms/DeleteRoom";
    for event in [event("room.closed").key("7"), event("room.changed").key("7").tombstone()] {
        let run = endpoint().expect(delete, grpc_reply(0)).deliver(deliver, event);
        assert_eq!(shown("DeleteRoomRequest", &run.grpc_calls[0].message), json!({ "name": "rooms/7" }));
        assert_eq!(run.outcome, Outcome::delivered());
    }
    set(json!({ "delete": null }));
    let run = endpoint().deliver(deliver, event("room.changed").key("7").tombstone());
    assert_eq!(reason(run.outcome), "the event deletes, and the settings have no `delete` to call for that");
}

#[test]
fn an_event_that_does_not_fit_is_rejected() {
    for (more, event, expected) in [
        (
            json!({}),
            room().data(json!({ "seats": "many" })),
            "the event does not fit the message agency.rooms.v1.UpdateRoomRequest: ",
        ),
        (
            json!({ "unknown-fields": "reject" }),
            room().data(json!({ "kind": "KIND_CAVE" })),
            "the event does not fit the message",
        ),
        (json!({}), room().data(json!([1])), "the event does not fit the message"),
        (json!({}), room().bytes("<x/>", None), "the event's data is not JSON: "),
        (json!({ "unknown-fields": "reject" }), room(), "the event does not fit the message"),
        (
            json!({ "metadata": { "x": "{id}" } }),
            room().id("ü"),
            "the metadata `x` would be `ü`, and gRPC takes printable ASCII alone",
        ),
        (
            json!({ "metadata": { "x": "{subject}" } }),
            room(),
            "the event has no `subject`, which the settings ask for",
        ),
    ] {
        set(more);
        let reason = reason(endpoint().deliver(deliver, event).outcome);
        assert!(reason.starts_with(expected), "{reason}");
    }
}

#[test]
fn each_status_means_what_the_table_or_the_settings_say() {
    set(json!({ "statuses": { "ABORTED": "retry", "NOT_FOUND": "skipped", "INTERNAL": "rejected" } }));
    use OutcomeKind::{Conflict, Delivered, Denied, Rejected, Retry, Skipped};
    let kinds = [
        Delivered, Retry, Retry, Rejected, Retry, Skipped, Conflict, Denied, Retry, Conflict, Retry,
        Rejected, Rejected, Rejected, Retry, Rejected, Denied, Rejected,
    ];
    for (status, kind) in (0..).zip(kinds) {
        let run = endpoint().expect(UPDATE, grpc_reply(status).status_message("so")).deliver(deliver, room());
        assert_eq!(run.outcome.kind(), kind, "{status}");
    }
    let slow = grpc_reply(8).metadata("grpc-retry-pushback-ms", "1500");
    let run = endpoint().expect(UPDATE, slow).deliver(deliver, room());
    let wait = std::time::Duration::from_millis(1500);
    assert_eq!(run.outcome, Outcome::throttled(Some(wait), format!("{UPDATE} answered RESOURCE_EXHAUSTED")));
    let run = endpoint().expect(UPDATE, Unanswered::TimedOut).deliver(deliver, room());
    assert_eq!(run.outcome, Outcome::retry(format!("{UPDATE} timed out")));
    // A server that always means a rate by it may be waited for, whether it says how long or not.
    set(json!({ "statuses": { "RESOURCE_EXHAUSTED": "throttled" } }));
    let run = endpoint().expect(UPDATE, grpc_reply(8)).deliver(deliver, room());
    assert_eq!(run.outcome, Outcome::throttled(None, format!("{UPDATE} answered RESOURCE_EXHAUSTED")));
}

#[test]
fn an_answer_that_nobody_can_read_is_no_second_write() {
    set(with_lookup("before"));
    let garbage = || grpc_reply(0).message([0xff; 9]);
    let run = endpoint().expect(GET, grpc_reply(5)).expect(CREATE, garbage()).deliver(deliver, room());
    assert_eq!(run.outcome, Outcome::delivered());
    // What a plugin does is done twice here, to compare.
    assert!(testing::logged().iter().any(|line| line.contains("it counts as done, without a receipt")));
    let run = endpoint().expect(GET, garbage()).deliver(deliver, room());
    assert_eq!(run.outcome.kind(), OutcomeKind::Retry);
}

#[test]
fn a_check_asks_the_health_service_or_the_method_that_is_set() {
    set(json!({}));
    let health = "gRPC /grpc.health.v1.Health/Check";
    for (reply, is_usable, expected) in [
        (grpc_reply(0).message([8, 1]), true, "agency.rooms.v1.Rooms is serving"),
        (grpc_reply(0).message([8, 2]), false, "agency.rooms.v1.Rooms says that it is not serving"),
        (grpc_reply(5), true, "the server answers; its health service does not know agency.rooms.v1.Rooms"),
        (grpc_reply(12), true, "the server answers; it has no health service"),
        (grpc_reply(14), false, "gRPC /grpc.health.v1.Health/Check answered UNAVAILABLE"),
        (grpc_reply(16), false, "gRPC /grpc.health.v1.Health/Check answered UNAUTHENTICATED"),
    ] {
        let run = endpoint().expect(health, reply).check(check);
        assert_eq!(run.grpc_calls[0].message, b"\n\x15agency.rooms.v1.Rooms");
        let expected = if is_usable { Check::usable(expected) } else { Check::unusable(expected) };
        assert_eq!(run.outcome, expected);
    }
    set(json!({ "check": { "method": "/agency.rooms.v1.Rooms/GetRoom", "request": { "name": "rooms/0" } } }));
    for (status, is_usable) in [(0, true), (5, true), (7, false), (14, false)] {
        let run = endpoint().expect(GET, grpc_reply(status)).check(check);
        assert_eq!(shown("GetRoomRequest", &run.grpc_calls[0].message), json!({ "name": "rooms/0" }));
        assert_eq!(matches!(run.outcome, Check::Usable(_)), is_usable, "{status}");
    }
}

#[test]
fn a_mistake_in_the_settings_pauses_and_names_the_key() {
    for (more, expected) in [
        (
            json!({ "descriptor-set": "%" }),
            "settings: descriptor-set: is not base64; give it by `settings-files",
        ),
        (json!({ "descriptor-set": "AAAA" }), "settings: descriptor-set: is no descriptor set ("),
        (
            json!({ "write": { "method": "/a.B/C" } }),
            "settings: write.method: `/a.B/C` is no method of the descriptor set; it has /agency.rooms.v1.Rooms/CreateRoom, ",
        ),
        (
            json!({ "lookup": { "method": "/agency.rooms.v1.Rooms/WatchRooms", "request": {} } }),
            "settings: lookup.method: `/agency.rooms.v1.Rooms/WatchRooms` is a stream",
        ),
        (json!({ "types": { "a": { "method": "/x" } } }), "settings: types.a.method: `/x` is no method"),
        (json!({ "etag": "etag" }), "settings: etag: `etag` is no JSON pointer"),
        (
            json!({ "lookup": { "method": "/agency.rooms.v1.Rooms/GetRoom" } }),
            "settings: lookup.request: is missing: it says what to look for",
        ),
        (json!({ "lookup": { "method": "/x", "whn": 1 } }), "settings: lookup: whn: unknown field `whn`"),
        (
            json!({ "statuses": { "OK": "retry" } }),
            "settings: statuses: `OK` is no status that tells of a failure",
        ),
        (json!({ "metadata": { "a": "{b}" } }), "settings: metadata.a: `{b}` is no field of an event"),
        (
            json!({ "check": { "method": "/agency.rooms.v1.Rooms/GetRoom", "request": { "nmae": 1 } } }),
            "settings: check.request: ",
        ),
        (json!({ "mehtod": "/x" }), "settings: mehtod: unknown field `mehtod`"),
        (json!({ "when": "before" }), "settings: when: unknown field `when`"),
    ] {
        set(more);
        let outcome = endpoint().deliver(deliver, room()).outcome;
        assert!(matches!(&outcome, Outcome::Denied(reason) if reason.starts_with(expected)), "{outcome:?}");
        assert!(matches!(endpoint().check(check).outcome, Check::Unusable(_)));
    }
}
