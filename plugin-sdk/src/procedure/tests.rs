//! Which call follows which, against a system that is asked by HTTP.

use serde_json::json;

use super::*;
use crate::failure::Failure;
use crate::http::{Http, Response};
use crate::outcome::{Delivery, OutcomeKind, Receipt, Resolution};
use crate::pointer::Pointer;
use crate::template::{Source, TextTemplate};
use crate::testing::{Endpoint, EventBuilder, Reply, endpoint, event, reply};

mod decisions;
mod versions;

/// A call that sends all of the data, and the version that it writes over unless it does not name one.
struct Sent {
    names_etag: bool,
}

impl Call for Sent {
    fn uses(&self) -> Uses {
        Uses { etag: self.names_etag, all_data: true, parts: Vec::new() }
    }
}

fn calls(lookup: Option<When>, has_create: bool) -> Calls<Sent> {
    let sent = || Sent { names_etag: true };
    let pointer = |text| Pointer::parse(text).expect("it is one");
    Calls {
        write: sent(),
        create: has_create.then(sent),
        delete: Some(sent()),
        deletes: vec!["room.closed".to_owned()],
        types: [].into(),
        lookup: lookup.map(|when| Lookup { call: sent(), current: pointer("/room"), when }),
        version: Pointer::updated_at(),
        etag: Some(pointer("/etag")),
        external_id: Some(pointer("/name")),
        timeout: None,
    }
}

/// The same for a system that has no versions of its own, so that no call names one.
fn without_etags(lookup: Option<When>) -> Calls<Sent> {
    let calls = calls(lookup, false).try_map(|_, _| Ok::<_, ()>(Sent { names_etag: false }));
    Calls { etag: None, ..calls.expect("it cannot fail") }
}

/// `LOOKUP /`, `CREATE /`, …: 404 is missing, 409 a conflict, 304 skipped. The version that is written over goes along as a
/// query.
async fn ask(http: &Http, role: Role, call: &Sent, source: &Source<'_>) -> Result<Answer, Failure> {
    let etag = TextTemplate::try_from("?{etag}".to_owned()).expect("it is one");
    let query = etag.render(source, str::to_owned).ok().filter(|_| call.names_etag).unwrap_or_default();
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

fn run(calls: &Calls<Sent>, endpoint: Endpoint, event: EventBuilder) -> Outcome {
    let deliver = async |delivery: &Delivery, http: &Http| {
        let ask = async |role, call: &Sent, source: &Source<'_>| ask(http, role, call, source).await;
        calls.deliver(delivery, ask).await
    };
    endpoint.deliver(deliver, event).outcome
}

fn room(version: impl Into<Value>) -> EventBuilder {
    event("room.changed").data(json!({ "updatedAt": version.into() }))
}

fn gone() -> EventBuilder {
    event("room.changed").tombstone()
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

fn conflict(version: impl Into<Value>, why: &str) -> Outcome {
    let current = json!({ "updatedAt": version.into(), "title": "theirs" }).to_string();
    Outcome::conflict(Some("v7".into()), Some(current.into_bytes()), why)
}

fn lookup(reply: impl Into<Reply>) -> Endpoint {
    endpoint().expect("LOOKUP /", reply)
}

const NEWER: &str = "`/updatedAt`: what is held is newer than the event";

#[test]
fn without_a_lookup_a_write_is_all_and_a_create_follows_what_is_missing() {
    let write = || endpoint().expect("WRITE /", reply(404));
    assert_eq!(run(&calls(None, false), endpoint().expect("WRITE /", done()), room(1)), delivered());
    assert_eq!(run(&calls(None, false), write(), room(1)), Outcome::rejected("no room"));
    assert_eq!(run(&calls(None, true), write().expect("CREATE /", done()), room(1)), delivered());
    let refused = endpoint().expect("WRITE /", reply(409));
    assert_eq!(run(&calls(None, true), refused, room(1)), Outcome::conflict(None, None, "it is another"));
    // Somebody created it in between: no case for a person, the next attempt writes over it.
    let raced = write().expect("CREATE /", reply(409));
    assert_eq!(run(&calls(None, true), raced, room(1)), Outcome::retry("it is another"));
    let busy = endpoint().expect("WRITE /", reply(503));
    assert_eq!(run(&calls(None, true), busy, room(1)).kind(), OutcomeKind::Retry);
}

#[test]
fn a_type_of_events_may_have_a_call_of_its_own() {
    let mut calls = calls(Some(When::Before), false);
    calls.types.insert("room.moved".to_owned(), Sent { names_etag: false });
    let moved = event("room.moved").data(json!({ "updatedAt": 2 }));
    assert_eq!(run(&calls, lookup(found(1)).expect("WRITE /", done()), moved), delivered());
    assert_eq!(run(&calls, lookup(found(1)).expect("WRITE /?v7", done()), room(2)), delivered());
}

#[test]
fn what_a_lookup_finds_decides_what_is_called() {
    let calls = calls(Some(When::Before), true);
    assert_eq!(run(&calls, lookup(reply(404)).expect("CREATE /", done()), room(1)), delivered());
    for nothing in [json!({}), json!({ "room": null }), json!({ "room": {} }), json!({ "room": "" })] {
        let created = lookup(reply(200).json(&nothing)).expect("CREATE /", done());
        assert_eq!(run(&calls, created, room(1)), delivered());
    }
    assert_eq!(run(&calls, lookup(found(1)).expect("WRITE /?v7", done()), room(2)), delivered());
    assert_eq!(run(&calls, lookup(reply(503)), room(1)).kind(), OutcomeKind::Retry);
    let raced = lookup(reply(404)).expect("CREATE /", reply(409));
    assert_eq!(run(&calls, raced, room(1)), Outcome::retry("it is another"));
    // It was removed in between: created where that is another call, else looked up again.
    let removed = || lookup(found(1)).expect("WRITE /?v7", reply(404));
    assert_eq!(run(&calls, removed().expect("CREATE /", done()), room(2)), delivered());
    assert_eq!(
        run(&calls, removed().expect("CREATE /", reply(409)), room(2)),
        Outcome::retry("it is another")
    );
    let calls = super::tests::calls(Some(When::Before), false);
    assert_eq!(run(&calls, removed(), room(2)), Outcome::retry("no room"));
}

#[test]
fn a_lookup_alone_delivers_nothing_and_is_no_conflict() {
    let before = calls(Some(When::Before), true);
    let refused = calls(Some(When::Conflict), true);
    for event in [room(1), gone()] {
        let change = if Delivery::from(event.clone()).data().is_some() { "WRITE /" } else { "DELETE /" };
        let refused_first =
            |reply| endpoint().expect(change, super::tests::reply(409)).expect("LOOKUP /", reply);
        // A conflict of the lookup is no person's case.
        assert_eq!(run(&before, lookup(reply(409)), event.clone()), Outcome::retry("it is another"));
        assert_eq!(run(&refused, refused_first(reply(409)), event.clone()), Outcome::retry("it is another"));
        for (status, why) in
            [(204, "the settings count its answer as delivered"), (304, "LOOKUP / answered 304 Not Modified")]
        {
            let expected = Outcome::rejected(format!("the lookup does not show what is there: {why}"));
            assert_eq!(run(&before, lookup(reply(status)), event.clone()), expected);
            let expected = Outcome::conflict(None, None, "it is another");
            assert_eq!(run(&refused, refused_first(reply(status)), event.clone()), expected);
        }
    }
}

#[test]
fn a_conflict_of_the_system_is_told_with_what_it_holds() {
    for when in [When::Before, When::Conflict] {
        let calls = calls(Some(when), false);
        let begin = || match when {
            When::Before => lookup(found(1)).expect("WRITE /?v7", reply(409)),
            When::Conflict => endpoint().expect("WRITE /", reply(409)),
        };
        let refused = |reply| begin().expect("LOOKUP /", reply);
        assert_eq!(run(&calls, refused(found(9)), room(5)), conflict(9, "it is another"));
        assert_eq!(run(&calls, refused(found(4)), room(5)), conflict(4, "it is another"));
        assert_eq!(run(&calls, refused(found(5)), room(5)), Outcome::skipped("already there, as version v7"));
        assert_eq!(run(&calls, refused(reply(404)), room(5)), Outcome::retry("it is another"));
        assert_eq!(run(&calls, refused(reply(503)), room(5)).kind(), OutcomeKind::Retry);
        let blind = Outcome::conflict(None, None, "it is another");
        assert_eq!(run(&calls, refused(reply(400)), room(5)), blind);
    }
}

#[test]
fn a_deletion_deletes_what_is_there() {
    let (before, none) = (calls(Some(When::Before), true), calls(None, true));
    assert_eq!(run(&none, endpoint().expect("DELETE /", done()), gone()), delivered());
    assert_eq!(run(&none, endpoint().expect("DELETE /", reply(404)), gone()), Outcome::delivered());
    assert_eq!(
        run(&before, lookup(found(9)).expect("DELETE /?v7", reply(404)), gone()),
        Outcome::delivered()
    );
    assert_eq!(run(&before, lookup(reply(404)), gone()), Outcome::skipped("no room"));
    let nothing = lookup(reply(200).json(&json!({ "room": {} })));
    assert_eq!(run(&before, nothing, gone()), Outcome::skipped("the lookup finds nothing"));
    let changed = lookup(found(9)).expect("DELETE /?v7", reply(409)).expect("LOOKUP /", found(9));
    assert_eq!(run(&before, changed, gone()), conflict(9, "it is another"));
    let unset = Calls { delete: None, ..calls(Some(When::Before), true) };
    let why = "the event deletes, and the settings have no `delete` to call for that";
    for event in [gone(), event("room.closed")] {
        assert_eq!(run(&unset, endpoint(), event), Outcome::rejected(why));
    }
}
