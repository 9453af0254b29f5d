//! The connector natively, against an endpoint that follows a script.

use std::time::Duration;

use liaison_sdk::testing::{self, EventBuilder, Reply, endpoint, event, reply};
use serde_json::{Value, json};

use super::*;

const URL: &str = "/calendars/staff/sessions/s%2F1";

fn data(seats: Value) -> Value {
    json!({ "title": "Fire drill", "room": "blue hall", "seats": seats, "updated": "2026-05-01T12:00:00Z" })
}

fn session() -> EventBuilder {
    testing::settings(json!({ "calendar": "staff" }));
    event("session.updated").subject("s/1").data(data(json!(20)))
}

fn room() -> Reply {
    reply(200).json(&json!({ "name": "Blue Hall", "seats": 30 }))
}

fn call(method: &str) -> String {
    format!("{method} {URL}")
}

#[test]
fn a_new_session_is_created_once_its_room_was_found() {
    let run = endpoint()
        .expect(&call("GET"), reply(404))
        .expect("GET /rooms/blue%20hall", room())
        .expect("POST /calendars/staff/sessions", reply(201).header("location", "/sessions/7"))
        .deliver(deliver, session());
    assert_eq!(run.rounds, [2, 1]);
    let mut expected = data(json!(20));
    expected["id"] = json!("s/1");
    expected["room"] = json!("Blue Hall");
    assert_eq!(run.requests[2].json(), expected);
    let receipt = Receipt { external_id: Some("/sessions/7".into()), version: None };
    assert_eq!(run.outcome, Outcome::Delivered(receipt));
}

#[test]
fn a_session_that_is_there_is_written_over_the_version_that_was_found() {
    let run = endpoint()
        .expect(&call("GET"), reply(200).header("etag", "\"3\""))
        .expect("GET /rooms/blue%20hall", room())
        .expect(&call("PUT"), reply(412).header("etag", "\"4\"").json(&json!({ "title": "theirs" })))
        .deliver(deliver, session());
    assert_eq!(run.requests[2].header("if-match"), Some("\"3\""));
    let reason = format!("{} answered 412 Precondition Failed", call("PUT"));
    assert_eq!(
        run.outcome,
        Outcome::conflict(Some("\"4\"".into()), Some(br#"{"title":"theirs"}"#.to_vec()), reason)
    );
}

#[test]
fn what_the_host_merged_is_written_over_the_version_it_was_merged_from() {
    let data = br#"{"title":"Merged","room":"blue hall","seats":2,"updated":"now"}"#.to_vec();
    let merged = Merged { data, version: Some("\"4\"".into()) };
    let run = endpoint()
        .expect(&call("GET"), reply(200).header("etag", "\"5\""))
        .expect("GET /rooms/blue%20hall", room())
        .expect(&call("PUT"), reply(204))
        .deliver(deliver, session().resolution(Resolution::Merged(merged)));
    assert_eq!(run.requests[2].header("if-match"), Some("\"4\""));
    assert_eq!(run.requests[2].json()["title"], json!("Merged"));
}

#[test]
fn a_session_too_large_for_its_room_is_rejected() {
    let run = endpoint()
        .expect(&call("GET"), reply(404))
        .expect("GET /rooms/blue%20hall", room())
        .deliver(deliver, session().data(data(json!(31))));
    assert_eq!(run.outcome, Outcome::rejected("Blue Hall has 30 seats, not 31"));
}

#[test]
fn data_of_another_shape_is_rejected_by_its_key() {
    let run = endpoint().deliver(deliver, session().data(data(json!("many"))));
    let Outcome::Rejected(why) = run.outcome else { panic!("{:?}", run.outcome) };
    assert!(why.starts_with("the event's data: seats: invalid type: string \"many\""), "{why}");
}

#[test]
fn a_system_that_is_slow_or_busy_is_asked_again() {
    let run = endpoint()
        .expect(&call("GET"), reply(429).header("retry-after", "7"))
        .expect("GET /rooms/blue%20hall", Unanswered::TimedOut)
        .deliver(deliver, session());
    assert_eq!(run.outcome, Outcome::retry("GET /rooms/blue%20hall timed out"));
    let run = endpoint()
        .expect(&call("DELETE"), reply(429).header("retry-after", "7"))
        .deliver(deliver, session().tombstone());
    let reason = format!("{} answered 429 Too Many Requests", call("DELETE"));
    assert_eq!(run.outcome, Outcome::throttled(Some(Duration::from_secs(7)), reason));
}

#[test]
fn a_session_that_is_gone_already_is_skipped() {
    let run = endpoint().expect(&call("DELETE"), reply(404)).deliver(deliver, session().tombstone());
    assert_eq!(run.outcome, Outcome::skipped("the session is gone already"));
}

#[test]
fn a_check_asks_for_the_systems_health() {
    let run = endpoint().expect("GET /health", reply(401)).check(check);
    assert_eq!(run.outcome, Check::unusable("GET /health answered 401 Unauthorized"));
}
