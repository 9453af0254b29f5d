//! Which call follows which, against a system that is asked by HTTP.

use serde_json::json;

use super::*;
use crate::http::{Http, Response};
use crate::outcome::{OutcomeKind, Resolution};
use crate::testing::{self, Endpoint, EventBuilder, Reply, endpoint, event, reply};

fn plan(lookup: Option<When>, has_create: bool) -> Plan {
    Plan {
        lookup,
        has_create,
        deletes: vec!["room.closed".to_owned()],
        version: "/updatedAt".to_owned(),
        current: "/room".to_owned(),
        etag: Some("/etag".to_owned()),
        external_id: Some("/name".to_owned()),
    }
}

/// `LOOKUP /`, `CREATE /`, …: 404 is missing, 409 a conflict. The version that is written over goes along as a query.
async fn ask(http: &Http, role: Role, source: &Source<'_>) -> Result<Answer, Failure> {
    let etag = crate::template::TextTemplate::try_from("?{etag}".to_owned()).expect("it is one");
    let query = etag.render(source, str::to_owned).unwrap_or_default();
    let (method, query) = match role {
        Role::Lookup => ("LOOKUP", String::new()),
        Role::Create => ("CREATE", query),
        Role::Write => ("WRITE", query),
        Role::Delete => ("DELETE", query),
    };
    let response: Response = http.request(method, format!("/{query}")).send().await?;
    Ok(match response.status() {
        200 => Answer::Done(response.json()?),
        404 => Answer::Missing("no room".to_owned()),
        409 => Answer::Conflict("it is another".to_owned()),
        _ => Answer::Ended(Outcome::from_response(&response)),
    })
}

fn run(plan: &Plan, endpoint: Endpoint, event: EventBuilder) -> Outcome {
    let deliver = async |delivery: &Delivery, http: &Http| {
        plan.deliver(delivery, async |role, source: &Source<'_>| ask(http, role, source).await).await
    };
    endpoint.deliver(deliver, event).outcome
}

fn room(version: i64) -> EventBuilder {
    event("room.changed").data(json!({ "updatedAt": version }))
}

fn found(version: impl Into<Value>) -> Reply {
    reply(200).json(&json!({ "room": { "updatedAt": version.into(), "title": "theirs" }, "etag": "v7" }))
}

fn done() -> Reply {
    reply(200).json(&json!({ "name": "rooms/1", "etag": 8 }))
}

fn delivered() -> Outcome {
    Outcome::Delivered(Receipt { external_id: Some("rooms/1".into()), version: Some("8".into()) })
}

fn conflict(version: i64, why: &str) -> Outcome {
    let current = json!({ "updatedAt": version, "title": "theirs" }).to_string();
    Outcome::conflict(Some("v7".into()), Some(current.into_bytes()), why)
}

#[test]
fn without_a_lookup_a_write_is_all_and_a_create_follows_what_is_missing() {
    let write = || endpoint().expect("WRITE /", reply(404));
    assert_eq!(run(&plan(None, false), endpoint().expect("WRITE /", done()), room(1)), delivered());
    assert_eq!(run(&plan(None, false), write(), room(1)), Outcome::rejected("no room"));
    assert_eq!(run(&plan(None, true), write().expect("CREATE /", done()), room(1)), delivered());
    let refused = endpoint().expect("WRITE /", reply(409));
    assert_eq!(run(&plan(None, true), refused, room(1)), Outcome::conflict(None, None, "it is another"));
    let busy = endpoint().expect("WRITE /", reply(503));
    assert_eq!(run(&plan(None, true), busy, room(1)).kind(), OutcomeKind::Retry);
}

#[test]
fn what_a_lookup_finds_decides_what_is_called() {
    let plan = plan(Some(When::Before), true);
    let lookup = |reply| endpoint().expect("LOOKUP /", reply);
    assert_eq!(run(&plan, lookup(reply(404)).expect("CREATE /", done()), room(1)), delivered());
    assert_eq!(
        run(&plan, lookup(reply(200).json(&json!({}))).expect("CREATE /", done()), room(1)),
        delivered()
    );
    assert_eq!(run(&plan, lookup(found(1)).expect("WRITE /?v7", done()), room(2)), delivered());
    assert_eq!(run(&plan, lookup(found(Value::Null)).expect("WRITE /?v7", done()), room(2)), delivered());
    assert_eq!(run(&plan, lookup(found(2)), room(2)), Outcome::skipped("already there, as version v7"));
    let newer = "the external system holds a newer `/updatedAt`";
    assert_eq!(run(&plan, lookup(found(3)), room(2)), conflict(3, newer));
    // A number that a protocol wrote as text.
    assert_eq!(run(&plan, lookup(found("3")), room(2)), conflict(3, newer));
    let odd = event("room.changed").data(json!({ "updatedAt": "soon" }));
    let cannot = "the event's `/updatedAt` cannot be compared with the one that is held";
    assert_eq!(run(&plan, lookup(found(3)), odd), conflict(3, cannot));
    assert_eq!(run(&plan, lookup(found(3)), event("t").data(json!({}))), conflict(3, cannot));
    assert_eq!(run(&plan, lookup(reply(503)), room(1)).kind(), OutcomeKind::Retry);
    let raced = lookup(reply(404)).expect("CREATE /", reply(409));
    assert_eq!(run(&plan, raced, room(1)), Outcome::retry("it is another"));
    assert_eq!(run(&plan, lookup(reply(409)), room(1)), Outcome::conflict(None, None, "it is another"));
}

#[test]
fn a_conflict_of_the_system_is_told_with_what_it_holds() {
    for when in [When::Before, When::Conflict] {
        let plan = plan(Some(when), false);
        let begin = |etag: &str| match when {
            When::Before => {
                endpoint().expect("LOOKUP /", found(1)).expect(&format!("WRITE /{etag}"), reply(409))
            }
            When::Conflict => endpoint().expect("WRITE /", reply(409)),
        };
        assert_eq!(
            run(&plan, begin("?v7").expect("LOOKUP /", found(9)), room(5)),
            conflict(9, "it is another")
        );
        assert_eq!(
            run(&plan, begin("?v7").expect("LOOKUP /", found(4)), room(5)),
            conflict(4, "it is another")
        );
        let same = begin("?v7").expect("LOOKUP /", found(5));
        assert_eq!(run(&plan, same, room(5)), Outcome::skipped("already there, as version v7"));
        assert_eq!(
            run(&plan, begin("?v7").expect("LOOKUP /", reply(404)), room(5)),
            Outcome::retry("it is another")
        );
        assert_eq!(
            run(&plan, begin("?v7").expect("LOOKUP /", reply(503)), room(5)).kind(),
            OutcomeKind::Retry
        );
        let blind = begin("?v7").expect("LOOKUP /", reply(400));
        assert_eq!(run(&plan, blind, room(5)), Outcome::conflict(None, None, "it is another"));
    }
}

#[test]
fn a_decision_is_written_over_the_version_that_it_names() {
    let plan = plan(Some(When::Before), false);
    let over = |version: Option<&str>| room(2).resolution(Resolution::Overwrite(version.map(str::to_owned)));
    assert_eq!(run(&plan, endpoint().expect("WRITE /?v7", done()), over(Some("v7"))), delivered());
    assert_eq!(run(&plan, endpoint().expect("WRITE /", done()), over(None)), delivered());
    // Somebody was faster: a conflict again, even where they wrote the same version.
    let raced = endpoint().expect("WRITE /?v6", reply(409)).expect("LOOKUP /", found(2));
    assert_eq!(run(&plan, raced, over(Some("v6"))), conflict(2, "it is another"));
}

#[test]
fn a_deletion_deletes_unless_what_is_held_is_newer() {
    let before = plan(Some(When::Before), true);
    let gone = || testing::event("room.changed").tombstone();
    let closed = |version: i64| event("room.closed").data(json!({ "updatedAt": version }));
    let lookup = |reply| endpoint().expect("LOOKUP /", reply);
    let none = plan(None, true);
    assert_eq!(run(&none, endpoint().expect("DELETE /", done()), gone()), delivered());
    assert_eq!(run(&none, endpoint().expect("DELETE /", reply(404)), gone()), Outcome::delivered());
    assert_eq!(run(&before, lookup(found(9)).expect("DELETE /?v7", done()), gone()), delivered());
    assert_eq!(run(&before, lookup(reply(404)), gone()), Outcome::skipped("no room"));
    let nothing = lookup(reply(200).json(&json!({ "room": {} })));
    assert_eq!(run(&before, nothing, gone()), Outcome::skipped("there is nothing to delete"));
    assert_eq!(run(&before, lookup(found(2)).expect("DELETE /?v7", done()), closed(3)), delivered());
    let newer = "the external system holds a newer `/updatedAt`";
    assert_eq!(run(&before, lookup(found(4)), closed(3)), conflict(4, newer));
}

#[test]
fn times_are_compared_as_instants() {
    let order = |one: &str, other: &str| order(&one.into(), &other.into());
    for (one, other, expected) in [
        ("2026-11-22T10:00:01Z", "2026-11-22T10:00:00Z", Some(Ordering::Greater)),
        ("2026-11-22T10:00:00.001Z", "2026-11-22T10:00:00Z", Some(Ordering::Greater)),
        ("2026-11-22T11:00:00+02:00", "2026-11-22T10:00:00Z", Some(Ordering::Less)),
        ("2026-11-22T12:00:00+02:00", "2026-11-22t10:00:00.000z", Some(Ordering::Equal)),
        ("2024-03-01T00:00:00Z", "2024-02-29T23:59:59Z", Some(Ordering::Greater)),
        ("2000-02-29T00:00:00-00:30", "2000-02-29T00:30:00Z", Some(Ordering::Equal)),
        ("1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z", Some(Ordering::Less)),
        ("etag", "etag", Some(Ordering::Equal)),
        ("etag", "other", None),
        ("2026-13-01T00:00:00Z", "2026-12-01T00:00:00Z", None),
        ("2026-11-22", "2026-11-21", None),
        ("2026-11-22T10:00:00", "2026-11-22T10:00:01", None),
        ("2026-11-22T10:00:00.Z", "2026-11-22T10:00:01Z", None),
        ("ä026-11-22T10:00:00Z", "2026-11-22T10:00:01Z", None),
    ] {
        assert_eq!(order(one, other), expected, "{one} {other}");
    }
    let largest = Value::from(u64::MAX);
    assert_eq!(super::order(&largest, &(-1).into()), Some(Ordering::Greater));
    assert_eq!(super::order(&1.5.into(), &1.into()), None);
    assert_eq!(days_from_civil(1970, 1, 1), 0);
    assert_eq!(days_from_civil(2026, 11, 28), 20_785);
}
