//! The plugin against a repository that follows a script. A body that stays with the host has a sha256 of zeros there.

use liaison_sdk::failure::Unanswered;
use liaison_sdk::outcome::Merged;
use liaison_sdk::raw::connector::liaison::plugin::effects::{Body, HttpRequest};
use liaison_sdk::testing::{self, EventBuilder, Reply, endpoint, event, reply};
use serde_json::json;

use super::*;

mod decisions;
mod multistatus;
mod sources;

const ZEROS: &str = "0000000000000000000000000000000000000000000000000000000000000000";
const DONE: &str = "<d:multistatus xmlns:d='DAV:'><d:response><d:href>/</d:href><d:propstat><d:prop/>\
                    <d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response></d:multistatus>";

fn webdav(more: serde_json::Value) {
    let mut settings = json!({
        "target": "webdav",
        "path": "/a/b/{key}.pdf",
        "document": { "url": "/url", "sha256": "/sha256" },
        "metadata": { "title": "{/title}" },
    });
    let more = more.as_object().unwrap().clone();
    settings.as_object_mut().unwrap().extend(more);
    testing::settings(settings);
}

fn policy() -> EventBuilder {
    event("policy.updated").key("p").data(json!({
        "title": "A", "updatedAt": 7, "url": "https://files/p", "sha256": ZEROS,
    }))
}

/// Properties of a document of this version.
fn held(version: u32, sha256: &str) -> Reply {
    let text = format!(
        "<multistatus xmlns='DAV:'><response><href>/a/b/p.pdf</href><propstat><prop><getetag>\"e\"</getetag>\
         <getlastmodified>Sat, 28 Nov 2026 09:49:09 GMT</getlastmodified><l:version xmlns:l='urn:liaison:delivery'>{version}</l:version>\
         <l:sha256 xmlns:l='urn:liaison:delivery'>{sha256}</l:sha256><title xmlns='urn:liaison:document'>T</title></prop>\
         <status>HTTP/1.1 200 OK</status></propstat></response></multistatus>"
    );
    reply(207).text(&text)
}

fn conflict(outcome: Outcome) -> (Option<String>, serde_json::Value, String) {
    let Outcome::Conflict(conflict) = outcome else { panic!("{outcome:?}") };
    (conflict.version, serde_json::from_slice(&conflict.current.unwrap()).unwrap(), conflict.reason)
}

/// What the host is told to decide upon, where this is held: of an older event than any.
fn version_of(held: Reply) -> String {
    let older = json!({ "updatedAt": -1, "url": "https://files/p", "sha256": "f".repeat(64) });
    let run = endpoint()
        .expect("PROPFIND /a/b/p.pdf", held)
        .expect("GET /a/b/p.pdf", reply(200).text("%PDF"))
        .deliver(deliver, policy().data(older));
    conflict(run.outcome).0.unwrap()
}

#[test]
fn missing_folders_are_made_from_the_innermost_outwards() {
    webdav(json!({}));
    let run = endpoint()
        .expect("PROPFIND /a/b/p.pdf", reply(404))
        .expect("GET /a/b/p.pdf", reply(404))
        .expect("GET https://files/p", reply(200).text("%PDF"))
        .expect("PUT /a/b/p.pdf", reply(409))
        .expect("MKCOL /a/b/", reply(409))
        .expect("MKCOL /a/", reply(201))
        .expect("MKCOL /a/b/", reply(201))
        .expect("PUT /a/b/p.pdf", reply(201).header("etag", "\"0\""))
        .expect("PROPPATCH /a/b/p.pdf", reply(207).text(DONE))
        .expect("PUT /a/b/p.pdf", reply(204).header("etag", "\"1\""))
        .expect("GET /a/b/p.pdf", reply(200).text("%PDF"))
        .expect("PROPPATCH /a/b/p.pdf", reply(207).text(DONE))
        .deliver(deliver, policy());
    let receipt = Receipt { external_id: Some("/a/b/p.pdf".into()), version: Some("\"1\"".into()) };
    assert_eq!(run.outcome, Outcome::Delivered(receipt));
    assert_eq!(run.rounds, [2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
    let [empty, _, whole, ..] = &run.requests[7..] else { panic!("{:?}", run.requests) };
    assert_eq!((&empty.body, empty.header("if-none-match")), (&Body::Bytes(Vec::new()), Some("*")));
    // It does not pass through here.
    assert_eq!((&whole.body, whole.header("if-match")), (&Body::OfReply((1, 0)), Some("\"0\"")));
}

#[test]
fn folders_that_cannot_be_made_end_the_attempt() {
    webdav(json!({ "path": "/1/2/3/4/5/6/7/8/{key}" }));
    let begun = |path: &str| {
        endpoint()
            .expect(&format!("PROPFIND {path}"), reply(404))
            .expect(&format!("GET {path}"), reply(404))
            .expect("GET https://files/p", reply(200).text("%PDF"))
            .expect(&format!("PUT {path}"), reply(409))
    };
    let mut deep = begun("/1/2/3/4/5/6/7/8/p");
    for folder in ["/1/2/3/4/5/6/7/8/", "/1/2/3/4/5/6/7/", "/1/2/3/4/5/6/", "/1/2/3/4/5/"] {
        deep = deep.expect(&format!("MKCOL {folder}"), reply(409));
    }
    let outcome = deep.deliver(deliver, policy()).outcome;
    assert!(
        matches!(&outcome, Outcome::Retry(retry) if retry.reason.contains("many of its folders")),
        "{outcome:?}"
    );

    webdav(json!({ "path": "/1/{key}" }));
    let outcome = begun("/1/p").expect("MKCOL /1/", reply(409)).deliver(deliver, policy()).outcome;
    assert!(
        matches!(&outcome, Outcome::Denied(why) if why.contains("the endpoint's own folder")),
        "{outcome:?}"
    );

    webdav(json!({ "path": "/1/2/{key}" }));
    let outcome = begun("/1/2/p")
        .expect("MKCOL /1/2/", reply(409))
        .expect("MKCOL /1/", reply(405))
        .expect("MKCOL /1/2/", reply(409))
        .deliver(deliver, policy())
        .outcome;
    assert!(matches!(&outcome, Outcome::Rejected(why) if why.contains("a document is where")), "{outcome:?}");
}

#[test]
fn what_came_meanwhile_is_looked_at_again() {
    webdav(json!({}));
    let refused = || {
        endpoint()
            .expect("PROPFIND /a/b/p.pdf", held(6, ZEROS))
            .expect("GET /a/b/p.pdf", reply(200).text("%PDF"))
    };
    // Another version of the same content: nothing but what is beside it is written.
    let run = refused().expect("PROPPATCH /a/b/p.pdf", reply(207).text(DONE)).deliver(deliver, policy());
    assert!(matches!(run.outcome, Outcome::Delivered(_)), "{:?}", run.outcome);

    let over = policy().resolution(Resolution::Overwrite(Some(version_of(held(6, ZEROS)))));
    let begun = |held: Reply| {
        endpoint()
            .expect("PROPFIND /a/b/p.pdf", held)
            .expect("GET /a/b/p.pdf", reply(200).text("%PDF"))
            .expect("GET https://files/p", reply(200).text("%PDF"))
            .expect("PROPPATCH /a/b/p.pdf", reply(207).text(DONE))
            .expect("PUT /a/b/p.pdf", reply(412))
            .expect("PROPPATCH /a/b/p.pdf", reply(207).text(DONE))
    };
    let run = begun(held(6, ZEROS))
        .expect("PROPFIND /a/b/p.pdf", held(9, ZEROS))
        .expect("GET /a/b/p.pdf", reply(200).text("%PDF"))
        .deliver(deliver, over.clone());
    assert_eq!(run.requests[4].header("if-match"), Some("\"e\""));
    assert_eq!(run.requests[3].header("if-match"), Some("\"e\""), "it is marked if it is still that");
    assert!(body(&run.requests[3]).contains(&format!("<l:pending>{ZEROS} 4 7</l:pending>")), "it is marked");
    assert!(body(&run.requests[5]).contains("<remove><prop><l:pending/>"), "and is not ours after all");
    let (version, current, reason) = conflict(run.outcome);
    assert_eq!(version, Some(version_of(held(9, ZEROS))));
    assert_eq!(current, json!({ "updatedAt": 9, "title": "T", "sha256": ZEROS }));
    assert_eq!(reason, "/a/b/p.pdf: it holds version 9, which is newer than 7");

    let run = begun(held(6, ZEROS))
        .expect("PROPFIND /a/b/p.pdf", reply(404))
        .expect("GET /a/b/p.pdf", reply(404))
        .deliver(deliver, over);
    assert_eq!(run.outcome, Outcome::retry("/a/b/p.pdf: it comes and goes"));
}

fn body(request: &HttpRequest) -> String {
    let Body::Bytes(body) = &request.body else { panic!("{request:?}") };
    String::from_utf8_lossy(body).into_owned()
}

#[test]
fn what_an_attempt_left_half_written_is_no_one_elses() {
    webdav(json!({}));
    let ones = "1".repeat(64);
    let marked = |version: u32| {
        let text = format!(
            "<multistatus xmlns='DAV:' xmlns:l='urn:liaison:delivery'><response><propstat><prop><getetag>\"h\"</getetag>\
             <l:version>{version}</l:version><l:sha256>{ones}</l:sha256><l:pending>{ones}</l:pending></prop>\
             <status>HTTP/1.1 200 OK</status></propstat></response></multistatus>"
        );
        reply(207).text(&text)
    };
    let empty = "<multistatus xmlns='DAV:'><response><propstat><prop><getcontentlength>0</getcontentlength></prop>\
                 <status>HTTP/1.1 200 OK</status></propstat></response></multistatus>";
    let newer =
        || policy().data(json!({ "updatedAt": 7, "url": "https://files/p", "sha256": "2".repeat(64) }));
    // An older version, the same one by a decision of the host, and one that only began.
    let decided = newer().resolution(Resolution::Overwrite(Some("\"d\"".into())));
    for (found, event) in [(marked(6), newer()), (marked(7), decided), (reply(207).text(empty), newer())] {
        let run = endpoint()
            .expect("PROPFIND /a/b/p.pdf", found)
            .expect("GET /a/b/p.pdf", reply(200).text("%P"))
            .expect("GET https://files/p", reply(200).text("%PDF"))
            .deliver(deliver, event);
        // Fetched to be written: only the checksum, which is zeros here, is in its way.
        let is_written = matches!(&run.outcome, Outcome::Rejected(why) if why.contains("its sha256 is"));
        assert!(is_written, "{:?}", run.outcome);
    }
    let run = endpoint()
        .expect("PROPFIND /a/b/p.pdf", marked(8))
        .expect("GET /a/b/p.pdf", reply(200).text("%P"))
        .deliver(deliver, newer());
    assert_eq!(run.outcome.kind(), OutcomeKind::Conflict, "an older event does not go on with a newer one");
}

#[test]
fn a_change_by_someone_else_has_its_time_for_a_version_where_versions_are_times() {
    webdav(json!({}));
    let ones = "1".repeat(64);
    for (at, version) in [(json!(9), None), (json!("2026-01-01T00:00:00Z"), Some("2026-11-28T09:49:09.000Z"))]
    {
        let event =
            policy().data(json!({ "updatedAt": at, "url": "https://files/p", "sha256": "2".repeat(64) }));
        // The record says otherwise than what is there, which is all zeros.
        let run = endpoint()
            .expect("PROPFIND /a/b/p.pdf", held(6, &ones))
            .expect("GET /a/b/p.pdf", reply(200).text("%PDF"))
            .deliver(deliver, event);
        let reason = match version {
            None => "/a/b/p.pdf: someone else has changed it since",
            Some(_) => "/a/b/p.pdf: it holds version 6, which cannot be compared with 2026-01-01T00:00:00Z",
        };
        let (_, current, found) = conflict(run.outcome);
        assert_eq!((current["updatedAt"].as_str(), found.as_str()), (version, reason));
        assert_eq!(current["sha256"], ZEROS);
    }
}

#[test]
fn what_was_merged_is_written_over_its_version() {
    webdav(json!({ "verify": "answer" }));
    let data = json!({ "title": "M", "updatedAt": 8, "url": "https://files/m", "sha256": ZEROS });
    let merged = Merged { data: data.to_string().into_bytes(), version: Some(version_of(held(6, ZEROS))) };
    let run = endpoint()
        .expect("PROPFIND /a/b/p.pdf", held(6, ZEROS))
        .expect("GET /a/b/p.pdf", reply(200).text("%PDF"))
        .expect("GET https://files/m", reply(200).text("%PDF"))
        .expect("PROPPATCH /a/b/p.pdf", reply(207).text(DONE))
        .expect("PUT /a/b/p.pdf", reply(204))
        .expect("PROPPATCH /a/b/p.pdf", reply(207).text(DONE))
        .deliver(deliver, policy().resolution(Resolution::Merged(merged)));
    assert!(matches!(run.outcome, Outcome::Delivered(_)), "{:?}", run.outcome);
    assert_eq!(run.requests[4].header("if-match"), Some("\"e\""));
    let body = body(&run.requests[5]);
    assert!(body.contains(">M</m:title>") && body.contains("<l:version>8</l:version>"), "{body}");
}

#[test]
fn a_fault_of_the_network_or_an_answer_that_is_none_is_tried_again() {
    webdav(json!({ "compare": "record" }));
    for answer in [
        Unanswered::TimedOut.into(),
        reply(503),
        reply(207).text("<html><body>Please log in"),
        reply(207).text("<multistatus xmlns='DAV:'/>"),
        reply(207).text("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"),
        reply(200),
        reply(423),
    ] {
        let run = endpoint().expect("PROPFIND /a/b/p.pdf", answer).deliver(deliver, policy());
        assert!(matches!(run.outcome, Outcome::Retry(_)), "{:?}", run.outcome);
    }
    for (status, kind) in
        [(401, OutcomeKind::Denied), (429, OutcomeKind::Throttled), (405, OutcomeKind::Rejected)]
    {
        let run = endpoint().expect("PROPFIND /a/b/p.pdf", reply(status)).deliver(deliver, policy());
        assert_eq!(run.outcome.kind(), kind, "{status}");
    }
    let folder = "<multistatus xmlns='DAV:'><response><propstat><prop><resourcetype><collection/></resourcetype></prop>\
                  <status>HTTP/1.1 200 OK</status></propstat></response></multistatus>";
    let run = endpoint().expect("PROPFIND /a/b/p.pdf", reply(207).text(folder)).deliver(deliver, policy());
    assert_eq!(run.outcome, Outcome::rejected("PROPFIND /a/b/p.pdf answered 207: it is a folder"));
}

#[test]
fn a_mistake_in_the_settings_pauses_and_names_the_key() {
    let good = json!({ "target": "s3", "path": "/{key}", "document": { "inline": "/content" } });
    for (key, value, expected) in [
        ("target", json!("ftp"), "settings: target: unknown variant `ftp`, expected `webdav` or `s3`"),
        ("path", json!("a"), "settings: path: `a` must begin with `/`"),
        ("path", json!("/{nothing}"), "settings: path: `{nothing}` is no field of an event"),
        ("document", json!({}), "settings: document: give `inline`, `url` or both"),
        ("document", json!({ "url": "url" }), "settings: document.url: `url` is no JSON pointer"),
        ("version", json!("at"), "settings: version: `at` is no JSON pointer"),
        ("keep-versions", json!("/v/{key}"), "settings: keep-versions: without `{version}` in it"),
        ("metadata", json!({ "Title": "a" }), "settings: metadata: `Title` is no name"),
        ("metadata", json!({ "liaison-version": "a" }), "settings: metadata: `liaison-version` is no name"),
        ("headers", json!({ "If-Match": "*" }), "settings: headers: `If-Match` is set by the plugin"),
        ("namespace", json!("urn:x"), "settings: namespace: only WebDAV has namespaces"),
        ("paht", json!("/a"), "settings: paht: unknown field `paht`"),
    ] {
        let mut settings = good.clone();
        settings[key] = value;
        testing::settings(settings);
        let outcome = endpoint().deliver(deliver, policy()).outcome;
        assert!(
            matches!(&outcome, Outcome::Denied(why) if why.starts_with(expected)),
            "{expected}: {outcome:?}"
        );
        assert!(matches!(endpoint().check(check).outcome, Check::Unusable(_)));
    }
}

#[test]
fn a_check_asks_for_the_folder_or_the_bucket() {
    webdav(json!({}));
    for (status, is_usable) in [(207, true), (404, false), (405, false), (401, false), (503, false)] {
        let run = endpoint().expect("PROPFIND /", reply(status)).check(check);
        assert_eq!(matches!(run.outcome, Check::Usable(_)), is_usable, "{status}");
    }
    testing::settings(json!({ "target": "s3", "path": "/{key}", "document": { "inline": "/content" } }));
    for (status, is_usable) in [(200, true), (404, false), (403, false), (500, false)] {
        let run = endpoint().expect("HEAD ", reply(status)).check(check);
        assert_eq!(matches!(run.outcome, Check::Usable(_)), is_usable, "{status}");
    }
}
