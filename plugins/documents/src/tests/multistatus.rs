//! A multi-status answer, of which a part failed.

use super::*;

fn part(status: &str) -> Reply {
    reply(207).text(&format!(
        "<multistatus xmlns='DAV:'><response><href>/a</href><status>HTTP/1.1 204 No Content</status></response>\
         <response><href>/a/b/p.pdf</href><status>HTTP/1.1 {status}</status></response></multistatus>"
    ))
}

#[test]
fn a_removal_of_which_a_part_failed_is_none() {
    webdav(json!({}));
    for (status, kind) in [
        ("423 Locked", OutcomeKind::Retry),
        ("424 Failed Dependency", OutcomeKind::Retry),
        ("503 Service Unavailable", OutcomeKind::Retry),
        ("403 Forbidden", OutcomeKind::Denied),
        ("400 Bad Request", OutcomeKind::Rejected),
        ("404 Not Found", OutcomeKind::Delivered),
        ("204 No Content", OutcomeKind::Delivered),
    ] {
        let run = endpoint()
            .expect("PROPFIND /a/b/p.pdf", held(6, ZEROS))
            .expect("GET /a/b/p.pdf", reply(200).text("%PDF"))
            .expect("DELETE /a/b/p.pdf", part(status))
            .deliver(deliver, policy().tombstone());
        assert_eq!(run.outcome.kind(), kind, "{status}: {:?}", run.outcome);
    }
}

#[test]
fn a_write_of_which_a_part_failed_is_none() {
    webdav(json!({}));
    let begun = || {
        endpoint()
            .expect("PROPFIND /a/b/p.pdf", reply(404))
            .expect("GET /a/b/p.pdf", reply(404))
            .expect("GET https://files/p", reply(200).text("%PDF"))
    };
    let run = begun().expect("PUT /a/b/p.pdf", part("507 Insufficient Storage")).deliver(deliver, policy());
    let reason = "PUT /a/b/p.pdf answered 207: a part of it was refused with 507";
    assert_eq!(run.outcome, Outcome::retry(reason));
    let run = begun()
        .expect("PUT /a/b/p.pdf", reply(409))
        .expect("MKCOL /a/b/", part("403 Forbidden"))
        .deliver(deliver, policy());
    assert_eq!(run.outcome.kind(), OutcomeKind::Denied);
}

#[test]
fn a_part_that_failed_behind_one_that_did_not_is_seen() {
    webdav(json!({}));
    let run = endpoint()
        .expect("PROPFIND /a/b/p.pdf", held(6, ZEROS))
        .expect("GET /a/b/p.pdf", reply(200).text("%PDF"))
        .expect("PROPPATCH /a/b/p.pdf", part("507 Insufficient Storage"))
        .deliver(deliver, policy());
    let reason = "PROPPATCH /a/b/p.pdf answered 207: a property was refused with 507";
    assert_eq!(run.outcome, Outcome::retry(reason));
}

#[test]
fn properties_that_are_not_told_are_not_taken_for_missing_ones() {
    webdav(json!({}));
    for (status, kind) in [
        ("500 Internal Server Error", OutcomeKind::Retry),
        ("423 Locked", OutcomeKind::Retry),
        ("403 Forbidden", OutcomeKind::Denied),
    ] {
        let text = format!(
            "<multistatus xmlns='DAV:' xmlns:l='urn:liaison:delivery'><response><propstat><prop><getetag>\"e\"</getetag></prop>\
             <status>HTTP/1.1 200 OK</status></propstat><propstat><prop><l:version/><l:sha256/></prop>\
             <status>HTTP/1.1 {status}</status></propstat></response></multistatus>"
        );
        for event in [policy(), policy().tombstone()] {
            let run = endpoint()
                .expect("PROPFIND /a/b/p.pdf", reply(207).text(&text))
                .expect("GET /a/b/p.pdf", reply(200).text("%PDF"))
                .deliver(deliver, event);
            assert_eq!(run.outcome.kind(), kind, "{status}: {:?}", run.outcome);
        }
    }
}
