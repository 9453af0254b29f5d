//! The plugin against a server that follows a script.

use liaison_sdk::raw::connector::liaison::plugin::effects::Body;
use liaison_sdk::testing::{self, EventBuilder, Run, endpoint, event, reply};
use serde_json::{Value, json};

use super::*;

const PATH: &str = "/team/a-1.ics";

fn updated() -> EventBuilder {
    event("schedule.updated").key("a-1").data(json!({
        "title": "A", "start": "2026-05-01T10:00:00Z", "duration": 90, "updatedAt": "2026-04-01T00:00:00Z",
    }))
}

fn settle(more: Value) {
    let mut settings = json!({ "calendar": "/team" });
    for (name, value) in more.as_object().unwrap() {
        settings[name] = value.clone();
    }
    testing::settings(settings);
}

fn body(run: &Run, request: usize) -> String {
    match &run.requests[request].body {
        Body::Bytes(bytes) => String::from_utf8(bytes.clone()).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// What the plugin writes of that event.
fn written() -> String {
    settle(json!({}));
    let script = endpoint().expect(&format!("GET {PATH}"), reply(404));
    body(&script.expect(&format!("PUT {PATH}"), reply(201)).deliver(deliver, updated()), 1)
}

fn held(text: &str) -> testing::Reply {
    reply(200).header("etag", "\"7\"").header("last-modified", "Fri, 01 May 2026 08:00:00 GMT").text(text)
}

#[test]
fn a_new_appointment_is_put_where_none_is() {
    settle(json!({}));
    let run = endpoint()
        .expect("GET /team/a-1.ics", reply(404))
        .expect("PUT /team/a-1.ics", reply(201).header("etag", "\"1\""))
        .deliver(deliver, updated());
    let receipt = Receipt { external_id: Some(PATH.into()), version: Some("\"1\"".into()) };
    assert_eq!(run.outcome, Outcome::Delivered(receipt));
    let put = &run.requests[1];
    assert_eq!((put.header("if-none-match"), put.header("if-match")), (Some("*"), None));
    assert_eq!(put.header("content-type"), Some("text/calendar; charset=utf-8"));
    let text = body(&run, 1);
    assert!(text.starts_with("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:"), "{text}");
    for line in ["UID:a-1", "SUMMARY:A", "DTSTART:20260501T100000Z", "DURATION:PT1H30M", "SEQUENCE:0"] {
        assert!(text.contains(&format!("\r\n{line}\r\n")), "{line}: {text}");
    }
}

#[test]
fn what_is_there_is_written_over_with_its_etag_or_not_at_all() {
    let text = written();
    let run = endpoint().expect(&format!("GET {PATH}"), held(&text)).deliver(deliver, updated());
    assert_eq!(run.outcome, Outcome::skipped("already there: the calendar holds what the event says"));
    let run = endpoint()
        .expect(&format!("GET {PATH}"), held(&text))
        .expect(&format!("DELETE {PATH}"), reply(204))
        .deliver(deliver, event("t").key("a-1").tombstone());
    assert_eq!(
        (run.outcome.kind(), run.requests[1].header("if-match")),
        (OutcomeKind::Delivered, Some("\"7\""))
    );
}

#[test]
fn who_was_there_in_between_is_shown_to_the_host() {
    let text = written().replace("SUMMARY:A", "SUMMARY:theirs");
    let script =
        || endpoint().expect(&format!("GET {PATH}"), reply(404)).expect(&format!("PUT {PATH}"), reply(412));
    let run = script().expect(&format!("GET {PATH}"), held(&text)).deliver(deliver, updated());
    let Outcome::Conflict(conflict) = run.outcome else { panic!("{:?}", run.outcome) };
    assert_eq!(conflict.version.as_deref(), Some("\"7\""));
    let current: Value = serde_json::from_slice(&conflict.current.unwrap()).unwrap();
    assert_eq!(
        current,
        json!({ "title": "theirs", "start": "2026-05-01T10:00:00Z", "duration": 90, "updatedAt": "2026-05-01T08:00:00Z" })
    );
    // Whoever it was is gone again, or comes again.
    for (status, kind) in [(201, OutcomeKind::Delivered), (412, OutcomeKind::Retry)] {
        let again =
            script().expect(&format!("GET {PATH}"), reply(404)).expect(&format!("PUT {PATH}"), reply(status));
        assert_eq!(again.deliver(deliver, updated()).outcome.kind(), kind);
    }
}

#[test]
fn a_weak_tag_and_none_bind_no_write_and_tell_a_change_all_the_same() {
    let text = written().replace("SUMMARY:A", "SUMMARY:B");
    let titled = || {
        let mut data: Value = serde_json::from_slice(&Delivery::from(updated()).event.data.unwrap()).unwrap();
        (data["title"], data["updatedAt"]) = (json!("C"), json!("2026-06-01T00:00:00Z"));
        event("schedule.updated").key("a-1").data(data)
    };
    for etag in [Some("W/\"7\""), None] {
        let held = |text: &str| match etag {
            Some(etag) => reply(200).header("etag", etag).text(text),
            None => reply(200).text(text),
        };
        let look = || endpoint().expect(&format!("GET {PATH}"), held(&text));
        let Outcome::Conflict(conflict) = look().deliver(deliver, titled()).outcome else { panic!() };
        let version = conflict.version.unwrap();
        assert!(etag.is_none_or(|etag| etag == version), "{version}");
        let decided = |version: &str| titled().resolution(Resolution::Overwrite(Some(version.to_owned())));
        let run = look().expect(&format!("PUT {PATH}"), reply(204)).deliver(deliver, decided(&version));
        assert_eq!(run.outcome.kind(), OutcomeKind::Delivered);
        assert_eq!(
            (run.requests[1].header("if-match"), run.requests[1].header("if-none-match")),
            (None, None)
        );
        // Looked at immediately before, it is another one.
        assert_eq!(look().deliver(deliver, decided("\"6\"")).outcome.kind(), OutcomeKind::Conflict);
    }
}

#[test]
fn who_removed_it_in_between_is_seen_too() {
    let text = written();
    let newer = || {
        event("schedule.updated").key("a-1").data(json!({
            "title": "B", "start": "2026-05-01T10:00:00Z", "updatedAt": "2026-06-01T00:00:00Z",
        }))
    };
    for status in [404, 410, 412] {
        let run = endpoint()
            .expect(&format!("GET {PATH}"), held(&text))
            .expect(&format!("PUT {PATH}"), reply(status))
            .expect(&format!("GET {PATH}"), reply(404))
            .expect(&format!("PUT {PATH}"), reply(201))
            .deliver(deliver, newer());
        assert_eq!(run.outcome.kind(), OutcomeKind::Delivered, "{status}");
        assert_eq!(run.requests[3].header("if-none-match"), Some("*"));
    }
}

#[test]
fn a_calendar_is_made_where_that_is_set() {
    let script = || {
        endpoint()
            .expect(&format!("GET {PATH}"), reply(404))
            .expect(&format!("PUT {PATH}"), reply(409))
            .expect("PROPFIND /team/", reply(404))
    };
    settle(json!({}));
    let Outcome::Denied(reason) = script().deliver(deliver, updated()).outcome else { panic!() };
    assert!(reason.contains("409 Conflict: the calendar `/team/` is not there; make it"), "{reason}");
    settle(json!({ "create-calendar": true }));
    for made in
        [reply(201), reply(405), reply(409).text("<error xmlns='DAV:'><resource-must-be-null/></error>")]
    {
        let run = script()
            .expect("MKCALENDAR /team/", made)
            .expect(&format!("PUT {PATH}"), reply(201))
            .deliver(deliver, updated());
        assert_eq!(run.outcome.kind(), OutcomeKind::Delivered);
    }
    for (status, kind) in [
        (403, OutcomeKind::Denied),
        (409, OutcomeKind::Denied),
        (412, OutcomeKind::Retry),
        (503, OutcomeKind::Retry),
    ] {
        let run = script().expect("MKCALENDAR /team/", reply(status)).deliver(deliver, updated());
        assert_eq!(run.outcome.kind(), kind, "{status}");
    }
}

#[test]
fn a_409_is_no_conflict_of_versions_and_is_told_apart() {
    let put = |answer: testing::Reply| {
        endpoint().expect(&format!("GET {PATH}"), reply(404)).expect(&format!("PUT {PATH}"), answer)
    };
    let reason = |run: Run| match run.outcome {
        Outcome::Retry(retry) => retry.reason,
        other => format!("{other:?}"),
    };
    // The calendar is there, so it is not what is missing, whatever is set.
    for made in [false, true] {
        settle(json!({ "create-calendar": made }));
        let run = put(reply(409)).expect("PROPFIND /team/", reply(207)).deliver(deliver, updated());
        let reason = reason(run);
        assert!(reason.contains("the calendar is there: something else in it is in the way"), "{reason}");
    }
    for (status, kind) in [(401, OutcomeKind::Denied), (409, OutcomeKind::Retry), (503, OutcomeKind::Retry)] {
        let run = put(reply(409)).expect("PROPFIND /team/", reply(status)).deliver(deliver, updated());
        assert_eq!(run.outcome.kind(), kind, "{status}");
    }
    // One that says why needs no look, and over something that is held no calendar is missing.
    let text = "<error xmlns='DAV:'><no-uid-conflict xmlns='urn:ietf:params:xml:ns:caldav'/></error>";
    let run = put(reply(409).text(text)).deliver(deliver, updated());
    assert_eq!(run.outcome.kind(), OutcomeKind::Rejected);
    let text = written().replace("X-LIAISON-VERSION:2026", "X-LIAISON-VERSION:2025");
    let run = endpoint()
        .expect(&format!("GET {PATH}"), held(&text))
        .expect(&format!("PUT {PATH}"), reply(409))
        .deliver(deliver, updated());
    assert!(reason(run).contains("something else in it is in the way"));
}

#[test]
fn a_page_that_is_no_calendar_is_read_another_time() {
    settle(json!({}));
    for answer in [reply(200).text("<html>log in</html>"), reply(200)] {
        let run = endpoint().expect(&format!("GET {PATH}"), answer).deliver(deliver, updated());
        assert_eq!(run.outcome.kind(), OutcomeKind::Retry, "{:?}", run.outcome);
    }
    for (status, kind) in [
        (401, OutcomeKind::Denied),
        (409, OutcomeKind::Retry),
        (429, OutcomeKind::Throttled),
        (500, OutcomeKind::Retry),
    ] {
        let run = endpoint().expect(&format!("GET {PATH}"), reply(status)).deliver(deliver, updated());
        assert_eq!(run.outcome.kind(), kind);
    }
}

#[test]
fn a_server_may_write_a_date_in_three_ways() {
    let expected = "1994-11-06T08:49:37Z".parse().ok();
    for text in
        ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
    {
        assert_eq!(http_date(text), expected, "{text}");
    }
    for text in ["", "1994-11-06T08:49:37Z", "Sun, 06 Nov 1994 08:49:37 +0200"] {
        assert_eq!(http_date(text), None, "{text}");
    }
}

#[test]
fn a_check_asks_whether_there_is_a_calendar() {
    let found = |kind: &str, privileges: &str| {
        let text = format!(
            "<multistatus xmlns='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav'><resourcetype>{kind}</resourcetype>\
             <current-user-privilege-set>{privileges}</current-user-privilege-set></multistatus>"
        );
        reply(207).text(&text)
    };
    for (made, answer, is_usable, expected) in [
        (
            false,
            found("<C:calendar/><collection/>", "<privilege><write/></privilege>"),
            true,
            "it is a calendar",
        ),
        (false, found("<C:calendar/>", ""), true, "it is a calendar"),
        (false, found("<C:calendar/>", "<privilege><read/></privilege>"), false, "may not write"),
        (false, found("<collection/>", ""), false, "it is no calendar"),
        (false, reply(404), false, "set `create-calendar = true`"),
        (true, reply(404), true, "made with the first appointment"),
        (false, reply(405), false, "speaks no CalDAV"),
        (false, reply(401), false, "401"),
        (false, reply(503), false, "503"),
    ] {
        settle(json!({ "create-calendar": made }));
        let run = endpoint().expect("PROPFIND /team/", answer).check(check);
        let (usable, text) = match run.outcome {
            Check::Usable(text) => (true, text),
            Check::Unusable(text) => (false, text),
        };
        assert!(usable == is_usable && text.contains(expected), "{text}");
        assert_eq!(run.requests[0].header("depth"), Some("0"));
    }
}
