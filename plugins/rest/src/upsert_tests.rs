//! The patterns of more than one request, against an endpoint that follows a script.

use liaison_sdk::failure::Unanswered;
use liaison_sdk::outcome::Merged;
use liaison_sdk::testing::{self, EventBuilder, Reply, endpoint, event, reply};
use serde_json::{Value, json};

use super::*;

const OLD: &str = "2026-05-01T12:00:01Z";
const NEW: &str = "2026-05-01T12:00:02Z";

fn policy(at: &str) -> EventBuilder {
    event("policy.updated").subject("7").data(json!({ "title": "ours", "updatedAt": at }))
}

/// A record with this ETag.
fn held(at: &str, title: &str) -> Reply {
    reply(200).header("etag", "\"3\"").json(&json!({ "id": 9, "title": title, "updatedAt": at }))
}

fn delivered(version: &str) -> Outcome {
    Outcome::Delivered(Receipt { external_id: None, version: Some(version.into()) })
}

fn conflict(outcome: Outcome) -> (Option<String>, Value, String) {
    match outcome {
        Outcome::Conflict(conflict) => {
            let current =
                serde_json::from_slice(&conflict.current.unwrap_or_else(|| b"null".to_vec())).unwrap();
            (conflict.version, current, conflict.reason)
        }
        other => panic!("{other:?}"),
    }
}

fn reason(outcome: Outcome) -> String {
    match outcome {
        Outcome::Rejected(reason) => reason,
        Outcome::Retry(retry) => retry.reason,
        other => panic!("{other:?}"),
    }
}

fn lookup_first(more: Value) {
    let mut settings =
        json!({ "upsert": "lookup-first", "path": "/policies/{subject}", "headers": { "X-A": "b" } });
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    testing::settings(settings);
}

#[test]
fn what_is_looked_up_and_not_there_is_created_if_nothing_is_there() {
    lookup_first(json!({}));
    let run = endpoint()
        .expect("GET /policies/7", reply(404))
        .expect("PUT /policies/7", reply(201).header("etag", "\"1\""))
        .deliver(deliver, policy(NEW));
    assert_eq!(run.outcome, delivered("\"1\""));
    let (get, put) = (&run.requests[0], &run.requests[1]);
    assert_eq!((get.header("x-a"), get.header("content-type")), (Some("b"), None));
    assert_eq!((put.header("if-none-match"), put.header("x-a")), (Some("*"), Some("b")));

    lookup_first(
        json!({ "create-path": "/policies", "create-headers": { "Prefer": "return=minimal", "x-a": "c" } }),
    );
    let run = endpoint()
        .expect("GET /policies/7", reply(404))
        .expect("POST /policies", reply(201).header("location", "/policies/7"))
        .deliver(deliver, policy(NEW));
    assert_eq!(
        run.outcome,
        Outcome::Delivered(Receipt { external_id: Some("/policies/7".into()), version: None })
    );
    let post = &run.requests[1];
    assert_eq!(
        (post.header("if-none-match"), post.header("prefer"), post.header("x-a")),
        (None, Some("return=minimal"), Some("c"))
    );
}

#[test]
fn what_is_older_is_changed_over_the_version_that_was_looked_up() {
    lookup_first(json!({}));
    let run = endpoint()
        .expect("GET /policies/7", held(OLD, "theirs"))
        .expect("PUT /policies/7", reply(200).header("etag", "\"4\""))
        .deliver(deliver, policy(NEW));
    assert_eq!((run.outcome, run.requests[1].header("if-match")), (delivered("\"4\""), Some("\"3\"")));

    // A weak tag matches nothing, and where none is given there is none to name.
    let record = json!({ "updatedAt": OLD });
    for answer in [reply(200).json(&record), reply(200).header("etag", "W/\"3\"").json(&record)] {
        let run = endpoint()
            .expect("GET /policies/7", answer)
            .expect("PUT /policies/7", reply(204))
            .deliver(deliver, policy(NEW));
        assert_eq!(run.requests[1].header("if-match"), None);
    }
}

#[test]
fn what_is_not_older_is_left_to_the_host() {
    lookup_first(json!({}));
    for (found, why) in [
        (held(NEW, "theirs"), "/policies/7: the record is newer than the event"),
        (held(OLD, "theirs"), "/policies/7: the record has the event's version and is another"),
    ] {
        let run = endpoint().expect("GET /policies/7", found).deliver(deliver, policy(OLD));
        let (version, current, reason) = conflict(run.outcome);
        assert_eq!(
            (version.as_deref(), current["title"].as_str(), reason.as_str()),
            (Some("\"3\""), Some("theirs"), why)
        );
    }
    let odd = reply(200).json(&json!({ "updatedAt": 7 }));
    let run = endpoint().expect("GET /policies/7", odd).deliver(deliver, policy(OLD));
    assert_eq!(conflict(run.outcome).2, "/policies/7: the versions of record and event cannot be compared");
    // The same again is there already, however its version is written there.
    let elsewhere = held("2026-05-01T14:00:01+02:00", "ours");
    let run = endpoint().expect("GET /policies/7", elsewhere).deliver(deliver, policy(OLD));
    assert_eq!(run.outcome, delivered("\"3\""));
    let run = endpoint().expect("GET /policies/7", held(OLD, "ours")).deliver(deliver, policy(OLD));
    assert_eq!(run.outcome, delivered("\"3\""));
}

#[test]
fn a_conflict_has_the_shape_of_the_event() {
    lookup_first(json!({ "body": "/policy", "wrap": "/data", "version": "/policy/at" }));
    let event = event("t").subject("7").data(json!({ "policy": { "at": 1 } }));
    let run = endpoint()
        .expect("GET /policies/7", reply(200).json(&json!({ "data": { "at": 2, "x": 1 } })))
        .deliver(deliver, event.clone());
    assert_eq!(conflict(run.outcome).1, json!({ "policy": { "at": 2, "x": 1 } }));
    let run = endpoint()
        .expect("GET /policies/7", reply(200).json(&json!({ "data": { "at": 0 } })))
        .expect("PUT /policies/7", reply(200))
        .deliver(deliver, event);
    assert_eq!(run.requests[1].json(), json!({ "data": { "at": 1 } }));
    assert_eq!(run.requests[1].header("content-type"), Some("application/json"));
}

#[test]
fn who_was_first_is_looked_up_again() {
    lookup_first(json!({}));
    for status in [409, 412] {
        let run = endpoint()
            .expect("GET /policies/7", held(OLD, "theirs"))
            .expect("PUT /policies/7", reply(status))
            .expect("GET /policies/7", held(NEW, "changed"))
            .deliver(deliver, policy(NEW));
        let (version, current, reason) = conflict(run.outcome);
        assert_eq!((version.as_deref(), &current["title"]), (Some("\"3\""), &json!("changed")));
        assert!(reason.starts_with(&format!("PUT /policies/7 answered {status} ")), "{reason}");
    }
    // Created by somebody else in between; or deleted, and then the next attempt creates it.
    let run = endpoint()
        .expect("GET /policies/7", reply(404))
        .expect("PUT /policies/7", reply(412))
        .expect("GET /policies/7", held(NEW, "theirs"))
        .deliver(deliver, policy(NEW));
    assert_eq!(conflict(run.outcome).1["title"], "theirs");
    let changing = |status: u16| {
        endpoint().expect("GET /policies/7", held(OLD, "theirs")).expect("PUT /policies/7", reply(status))
    };
    for script in [changing(404), changing(412).expect("GET /policies/7", reply(404))] {
        assert!(matches!(script.deliver(deliver, policy(NEW)).outcome, Outcome::Retry(_)));
    }
}

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
    let merged = Merged { data: br#"{"title":"both"}"#.to_vec(), version: None };
    let run = endpoint()
        .expect("GET /policies/7", held(NEW, "theirs"))
        .expect("PUT /policies/7", reply(204))
        .deliver(deliver, policy(OLD).resolution(Resolution::Merged(merged)));
    assert_eq!(run.requests[1].json(), json!({ "title": "both" }));
}

#[test]
fn what_is_posted_and_there_is_changed() {
    let settings =
        json!({ "upsert": "post-then-patch", "path": "/policies/{subject}", "create-path": "/policies" });
    testing::settings(settings.clone());
    let run = endpoint().expect("POST /policies", reply(201)).deliver(deliver, policy(NEW));
    assert_eq!(run.outcome, Outcome::delivered());
    let run = endpoint()
        .expect("POST /policies", reply(409))
        .expect("GET /policies/7", held(OLD, "theirs"))
        .expect("PATCH /policies/7", reply(200))
        .deliver(deliver, policy(NEW));
    assert_eq!((run.outcome, run.requests[2].header("if-match")), (Outcome::delivered(), Some("\"3\"")));
    let run = endpoint()
        .expect("POST /policies", reply(409))
        .expect("GET /policies/7", held(OLD, "ours"))
        .deliver(deliver, policy(OLD));
    assert_eq!(run.outcome, delivered("\"3\""));
    // After a conflict it is known to be there.
    let run = endpoint()
        .expect("GET /policies/7", held(NEW, "theirs"))
        .expect("PATCH /policies/7", reply(200))
        .deliver(deliver, policy(OLD).resolution(Resolution::Overwrite(None)));
    assert_eq!(run.outcome, Outcome::delivered());
    let run = endpoint().expect("POST /policies", reply(422)).deliver(deliver, policy(OLD));
    assert!(matches!(run.outcome, Outcome::Rejected(_)));

    let mut unseen = settings;
    unseen["version"] = json!(false);
    unseen["method"] = json!("PUT");
    testing::settings(unseen);
    let run = endpoint()
        .expect("POST /policies", reply(409))
        .expect("PUT /policies/7", reply(204))
        .deliver(deliver, policy(NEW));
    assert_eq!((run.outcome, run.requests[1].header("if-match")), (Outcome::delivered(), None));
}

fn by_query() -> Value {
    json!({
        "create-path": "/policies",
        "path": "/policies/{found/id}",
        "lookup": { "path": "/policies?number={subject}", "results": "/items" },
    })
}

#[test]
fn a_record_is_found_by_a_query_that_finds_one() {
    lookup_first(by_query());
    let items = |items: Value| reply(200).header("etag", "\"of the list\"").json(&json!({ "items": items }));
    for found in [items(json!([])), items(json!(null)), reply(200).json(&json!({})), reply(404)] {
        let run = endpoint()
            .expect("GET /policies?number=7", found)
            .expect("POST /policies", reply(201))
            .deliver(deliver, policy(NEW));
        assert_eq!(run.outcome, Outcome::delivered());
    }
    for found in [items(json!([{ "id": 9 }])), items(json!({ "id": "9" }))] {
        let run = endpoint()
            .expect("GET /policies?number=7", found)
            .expect("GET /policies/9", held(OLD, "theirs"))
            .expect("PUT /policies/9", reply(204))
            .deliver(deliver, policy(NEW));
        assert_eq!(run.requests[2].header("if-match"), Some("\"3\""));
    }
    let several = items(json!([{ "id": 9 }, { "id": 10 }]));
    let run = endpoint().expect("GET /policies?number=7", several).deliver(deliver, policy(NEW));
    let expected = "GET /policies answered 200 OK with 2 records: a lookup must find one at most";
    assert!(reason(run.outcome).starts_with(expected));
    for (found, why) in [
        (items(json!("x")), "has neither a list nor a record where the results are to be"),
        (reply(200).text("<html>"), "its body is not JSON: "),
        (items(json!([{}])), "the record that was found has no text, number or boolean at `/id`"),
    ] {
        let run = endpoint().expect("GET /policies?number=7", found).deliver(deliver, policy(NEW));
        let reason = reason(run.outcome);
        assert!(reason.contains(why), "{reason}");
    }
}

#[test]
fn a_tombstone_deletes_what_a_query_finds() {
    lookup_first(by_query());
    let gone = || event("t").subject("7").tombstone();
    let items = |items: Value| reply(200).json(&json!({ "items": items }));
    let run = endpoint().expect("GET /policies?number=7", items(json!([]))).deliver(deliver, gone());
    assert_eq!(run.outcome, Outcome::delivered());
    for status in [204, 404, 410] {
        let run = endpoint()
            .expect("GET /policies?number=7", items(json!([{ "id": 9 }])))
            .expect("DELETE /policies/9", reply(status))
            .deliver(deliver, gone());
        assert_eq!(run.outcome, Outcome::delivered());
    }
    let over = gone().resolution(Resolution::Overwrite(Some("\"3\"".into())));
    let run = endpoint()
        .expect("GET /policies?number=7", items(json!([{ "id": 9 }])))
        .expect("DELETE /policies/9", reply(204))
        .deliver(deliver, over);
    assert_eq!(run.requests[1].header("if-match"), Some("\"3\""));
    // By its path nothing has to be looked up.
    lookup_first(json!({}));
    let run = endpoint().expect("DELETE /policies/7", reply(204)).deliver(deliver, gone());
    assert_eq!(run.outcome, Outcome::delivered());
}

#[test]
fn a_patch_is_made_of_what_is_held_and_what_should_be() {
    let patched = |settings: Value, found: Reply| {
        lookup_first(settings);
        let run = endpoint()
            .expect("GET /policies/7", found)
            .expect("PATCH /policies/7", reply(200))
            .deliver(deliver, policy(NEW));
        let request = run.requests.into_iter().nth(1).unwrap();
        (request.header("content-type").unwrap().to_owned(), request.json())
    };
    let title = json!({ "op": "replace", "path": "/title", "value": "ours" });
    let time = json!({ "op": "replace", "path": "/updatedAt", "value": NEW });
    assert_eq!(
        patched(json!({ "body": "json-patch" }), held(OLD, "theirs")),
        ("application/json-patch+json".to_owned(), json!([title, time]))
    );
    let untagged = reply(200).json(&json!({ "title": "theirs", "updatedAt": OLD }));
    let test = |path: &str, value: &str| json!({ "op": "test", "path": path, "value": value });
    assert_eq!(
        patched(json!({ "body": "json-patch" }), untagged).1,
        json!([test("/title", "theirs"), title, test("/updatedAt", OLD), time])
    );
    let (kind, patch) = patched(json!({ "body": "merge-patch", "patch-keeps": [] }), held(OLD, "ours"));
    assert_eq!(
        (kind.as_str(), patch),
        ("application/merge-patch+json", json!({ "id": null, "updatedAt": NEW }))
    );
    let (_, patch) =
        patched(json!({ "body": "merge-patch", "patch-keeps": ["/id", "/none/there"] }), held(OLD, "ours"));
    assert_eq!(patch, json!({ "updatedAt": NEW }));
    let wrapped =
        reply(200).header("etag", "\"3\"").json(&json!({ "data": { "title": "theirs", "updatedAt": NEW } }));
    let (_, patch) = patched(json!({ "body": "json-patch", "wrap": "/data", "version": false }), wrapped);
    assert_eq!(patch, json!([{ "op": "replace", "path": "/data/title", "value": "ours" }]));

    // Where nothing differs nothing is asked; and a record that is created is sent whole.
    lookup_first(json!({ "body": "json-patch", "version": false }));
    let run = endpoint().expect("GET /policies/7", held(NEW, "ours")).deliver(deliver, policy(NEW));
    assert_eq!(run.outcome, delivered("\"3\""));
    let run = endpoint()
        .expect("GET /policies/7", reply(404))
        .expect("PUT /policies/7", reply(201))
        .deliver(deliver, policy(NEW));
    assert_eq!(run.requests[1].header("content-type"), Some("application/json"));
}

#[test]
fn what_is_gone_means_what_the_settings_say() {
    for (gone, expected) in [
        (json!({}), OutcomeKind::Rejected),
        (json!({ "gone": "rejected" }), OutcomeKind::Rejected),
        (json!({ "gone": "skipped" }), OutcomeKind::Skipped),
        (json!({ "gone": "delivered" }), OutcomeKind::Delivered),
        (json!({ "statuses": { "410": "retry" } }), OutcomeKind::Retry),
    ] {
        lookup_first(gone.clone());
        let run = endpoint().expect("GET /policies/7", reply(410)).deliver(deliver, policy(NEW));
        assert_eq!(run.outcome.kind(), expected, "{gone}");
        let mut put = json!({ "path": "/p" });
        put.as_object_mut().unwrap().extend(gone.as_object().unwrap().clone());
        testing::settings(put);
        let run = endpoint().expect("PUT /p", reply(410)).deliver(deliver, policy(NEW));
        assert_eq!(run.outcome.kind(), expected, "{gone}");
    }
    lookup_first(json!({ "gone": "create" }));
    let run = endpoint()
        .expect("GET /policies/7", reply(410))
        .expect("PUT /policies/7", reply(201))
        .deliver(deliver, policy(NEW));
    assert_eq!(run.outcome, Outcome::delivered());
    testing::settings(json!({ "path": "/p", "gone": "create", "create-path": "/new" }));
    let run =
        endpoint().expect("PUT /p", reply(410)).expect("POST /new", reply(201)).deliver(deliver, policy(NEW));
    assert_eq!(run.outcome, Outcome::delivered());
    let run =
        endpoint().expect("PUT /p", reply(410)).expect("POST /new", reply(410)).deliver(deliver, policy(NEW));
    assert_eq!(run.outcome.kind(), OutcomeKind::Rejected);
}

#[test]
fn a_lookup_that_is_not_answered_writes_nothing() {
    lookup_first(json!({ "statuses": { "404": "skipped", "400": "delivered" } }));
    for (answer, kind) in [
        (reply(401), OutcomeKind::Denied),
        (reply(429), OutcomeKind::Throttled),
        (reply(503), OutcomeKind::Retry),
        (reply(409), OutcomeKind::Retry),
        (reply(304), OutcomeKind::Rejected),
        (reply(400), OutcomeKind::Rejected),
        (reply(301), OutcomeKind::Rejected),
        (reply(200).text("<html>"), OutcomeKind::Retry),
        (Unanswered::TimedOut.into(), OutcomeKind::Retry),
    ] {
        let run = endpoint().expect("GET /policies/7", answer.clone()).deliver(deliver, policy(NEW));
        assert_eq!(run.outcome.kind(), kind, "{answer:?}");
    }
}

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
    // A condition for what is to be created is none for what is to be deleted.
    let run = endpoint().expect("DELETE /p", reply(204)).deliver(deliver, event("t").tombstone());
    assert_eq!(run.requests[0].header("if-none-match"), None);
}

#[test]
fn forms_carry_the_data_or_what_is_named() {
    use liaison_sdk::raw::connector::liaison::plugin::effects::{Body, HttpRequest};
    let body = |request: &HttpRequest| match &request.body {
        Body::Bytes(bytes) => String::from_utf8(bytes.clone()).unwrap(),
        other => panic!("{other:?}"),
    };
    let sent = |settings: Value| {
        testing::settings(settings);
        let data = json!({ "title": "A & B", "n": 1.5, "no": null, "tags": ["x", null, true], "file": "JVBERi0=", "o": { "p": 1 } });
        let run = endpoint().expect("POST /p", reply(201)).deliver(deliver, event("t").id("e").data(data));
        run.requests.into_iter().next().unwrap()
    };
    let form =
        sent(json!({ "path": "/p", "method": "POST", "body": "form", "headers": { "Content-Type": "x/y" } }));
    assert_eq!(body(&form), "file=JVBERi0%3D&n=1.5&o=%7B%22p%22%3A1%7D&tags=x&tags=true&title=A+%26+B");
    let types: Vec<_> =
        form.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("content-type")).collect();
    assert_eq!(types, [&("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned())]);
    let form = sent(
        json!({ "path": "/p", "method": "POST", "body": "form", "fields": { "a": "{/title}!", "b": "{id}" } }),
    );
    assert_eq!(body(&form), "a=A+%26+B%21&b=e");

    let form = sent(json!({
        "path": "/p", "method": "POST", "body": "multipart", "fields": { "title": "{/title}" },
        "files": [
            { "name": "doc", "file-name": "{id}.pdf", "content-type": "application/pdf", "content": "/file" },
            { "name": "note", "file-name": "n.txt", "content": "/title", "encoding": "text" },
        ],
    }));
    let text = body(&form);
    assert!(form.header("content-type").unwrap().starts_with("multipart/form-data; boundary="), "{form:?}");
    for part in [
        "name=\"title\"\r\n\r\nA & B\r\n",
        "name=\"doc\"; filename=\"e.pdf\"\r\nContent-Type: application/pdf\r\n\r\n%PDF-\r\n",
        "name=\"note\"; filename=\"n.txt\"\r\nContent-Type: application/octet-stream\r\n\r\nA & B\r\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let form = sent(
        json!({ "path": "/p", "method": "POST", "body": "multipart", "files": [{ "name": "all", "file-name": "a", "content": "data" }] }),
    );
    assert!(body(&form).contains("\r\n\r\n{\"file\":") && !body(&form).contains("name=\"title\""));
}

#[test]
fn a_form_that_cannot_be_made_rejects_the_event() {
    for (settings, data, expected) in [
        (json!({ "body": "form" }), json!([1]), "the event's data is not a JSON object, whose members"),
        (
            json!({ "body": "form", "fields": { "a": "{/x}" } }),
            json!({}),
            "the event's data has no text, number or boolean at `/x`",
        ),
        (
            json!({ "body": "multipart", "files": [{ "name": "a", "file-name": "a", "content": "/f" }] }),
            json!({}),
            "the event's data has no text at `/f`, which is to be a file",
        ),
        (
            json!({ "body": "multipart", "files": [{ "name": "a", "file-name": "a", "content": "/f" }] }),
            json!({ "f": "%" }),
            "the event's data has at `/f` what is no base64: ",
        ),
    ] {
        let mut settings = settings;
        settings["path"] = json!("/p");
        testing::settings(settings);
        let reason = reason(endpoint().deliver(deliver, event("t").data(data)).outcome);
        assert!(reason.starts_with(expected), "{reason}");
    }
}

#[test]
fn settings_that_contradict_each_other_are_named() {
    for (settings, expected) in [
        (json!({ "upsert": "post" }), "settings: upsert: unknown variant `post`"),
        (
            json!({ "upsert": "post-then-patch" }),
            "settings: missing field `create-path`: `post-then-patch` posts",
        ),
        (json!({ "create-path": "/a" }), "settings: create-path: with `upsert = \"put\"` nothing is created"),
        (json!({ "create-headers": {} }), "settings: create-headers: with `upsert"),
        (json!({ "gone": "create" }), "settings: gone: `create` needs `create-path`"),
        (
            json!({ "gone": "skipped", "statuses": { "410": "retry" } }),
            "settings: gone: `statuses` says of 410",
        ),
        (json!({ "lookup": { "path": "/a" } }), "settings: lookup: `upsert = \"put\"` looks nothing up"),
        (
            json!({ "path": "/{found/id}" }),
            "settings: path: `{found/…}` is a field of the record that `lookup` finds",
        ),
        (
            json!({ "upsert": "lookup-first", "lookup": { "path": "/{found/id}" } }),
            "settings: `{found/…}` stands in `path` alone",
        ),
        (
            json!({ "headers": { "a": "{found/id}" } }),
            "settings: headers.a: `{found/id}`: `{found/…}` stands in `path` alone",
        ),
        (json!({ "body": "json-patch" }), "settings: body: a patch is made from what the system holds"),
        (json!({ "fields": {} }), "settings: fields: is for a body of `form` or `multipart`"),
        (json!({ "body": "form", "files": [] }), "settings: files: is for a body of `multipart`"),
        (json!({ "patch-keeps": [] }), "settings: patch-keeps: is for a body of `json-patch`"),
        (json!({ "body": "form", "wrap": "/a" }), "settings: wrap: is for a body of JSON"),
        (json!({ "wrap": "a" }), "settings: wrap: `a` is no JSON pointer"),
        (json!({ "version": true }), "settings: version: must be a JSON pointer or `false`"),
        (json!({ "version": "at" }), "settings: version: a JSON pointer such as `/updatedAt`, or `false`"),
    ] {
        let mut settings = settings;
        if settings.get("path").is_none() {
            settings["path"] = json!("/p");
        }
        testing::settings(settings);
        let outcome = endpoint().deliver(deliver, policy(NEW)).outcome;
        assert!(
            matches!(&outcome, Outcome::Denied(reason) if reason.starts_with(expected)),
            "{expected}: {outcome:?}"
        );
    }
}
