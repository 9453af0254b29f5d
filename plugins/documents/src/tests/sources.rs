//! Where a document is fetched from: what it refuses is no word of the repository, and a page is no document.

use super::*;

fn asked() -> testing::Endpoint {
    endpoint().expect("PROPFIND /a/b/p.pdf", reply(404)).expect("GET /a/b/p.pdf", reply(404))
}

#[test]
fn what_a_source_refuses_is_not_blamed_on_the_repository() {
    webdav(json!({}));
    for status in [401, 403, 404, 407, 408, 409, 412, 425, 429, 500, 503, 204, 206] {
        let run = asked().expect("GET https://files/p", reply(status)).deliver(deliver, policy());
        let Outcome::Retry(retry) = &run.outcome else { panic!("{status}: {:?}", run.outcome) };
        let expected = format!("the document could not be fetched: GET https://files/p answered {status}");
        assert!(retry.reason.starts_with(&expected), "{}", retry.reason);
    }
    for status in [400, 410, 302, 422] {
        let run = asked().expect("GET https://files/p", reply(status)).deliver(deliver, policy());
        assert!(
            matches!(&run.outcome, Outcome::Rejected(why) if why.contains("GET https://files/p answered")),
            "{status}: {:?}",
            run.outcome
        );
    }
    for status in [429, 503, 403] {
        let slow = reply(status).header("retry-after", "30");
        let run = asked().expect("GET https://files/p", slow).deliver(deliver, policy());
        let Outcome::Retry(retry) = &run.outcome else { panic!("{:?}", run.outcome) };
        assert_eq!(retry.after, Some(30_000), "{status}");
    }
    // The repository's own word is one.
    let run = endpoint()
        .expect("PROPFIND /a/b/p.pdf", reply(401))
        .expect("GET /a/b/p.pdf", reply(401))
        .deliver(deliver, policy());
    assert_eq!(run.outcome.kind(), OutcomeKind::Denied);
}

/// An event whose document nothing vouches for.
fn unvouched() -> EventBuilder {
    webdav(json!({ "document": { "url": "/url" } }));
    policy().data(json!({ "title": "A", "updatedAt": 7, "url": "https://files/p" }))
}

#[test]
fn a_page_to_log_in_by_is_no_document() {
    let event = unvouched();
    for content_type in ["text/html", "Text/HTML; charset=utf-8", "application/xhtml+xml"] {
        let page = || reply(200).text("<!doctype html>").header("content-type", content_type);
        let run = asked()
            .expect("GET https://files/p", page())
            .expect("GET https://files/p", page())
            .deliver(deliver, event.clone());
        let Outcome::Retry(retry) = &run.outcome else { panic!("{:?}", run.outcome) };
        let expected = "GET https://files/p answered 200 OK: it is ";
        assert!(retry.reason.starts_with(expected), "{}", retry.reason);
        assert!(
            retry.reason.ends_with("and no application/pdf: a page to log in by, or an error"),
            "{}",
            retry.reason
        );
    }
    // It says that it is a PDF, or nothing at all, and is none.
    for content_type in ["application/pdf", "application/octet-stream", "application/json"] {
        let bytes = |text: &str| reply(206).text(text).header("content-type", content_type);
        let run = asked()
            .expect("GET https://files/p", reply(200).text("...").header("content-type", content_type))
            .expect("GET https://files/p", bytes("<!doctype html><title>Please log in"))
            .deliver(deliver, event.clone());
        let reason = "GET https://files/p answered 200 OK: it is no application/pdf: it begins with \"<!doctype html><title>Please log in\"";
        assert_eq!(run.outcome, Outcome::rejected(reason));
        assert_eq!(run.requests[3].header("range"), Some("bytes=0-1023"));
    }
}

#[test]
fn a_document_is_taken_by_its_first_bytes_or_by_its_checksum() {
    let event = unvouched();
    // All of it, where the source knows no ranges; and what is too much for a plugin to look at.
    for (content_type, head) in [
        ("application/octet-stream", reply(206).text("%PDF-1.7")),
        ("application/pdf", reply(200).text("%PDF-1.7\n...")),
        ("application/pdf", Unanswered::TooLarge(1).into()),
        ("application/pdf", reply(416)),
    ] {
        let run = asked()
            .expect("GET https://files/p", reply(200).text("%PDF").header("content-type", content_type))
            .expect("GET https://files/p", head)
            .expect("PUT /a/b/p.pdf", reply(423))
            .deliver(deliver, event.clone());
        assert_eq!(run.outcome, Outcome::retry("PUT /a/b/p.pdf answered 423"), "it is to be written");
    }
    webdav(json!({}));
    let run = asked()
        .expect("GET https://files/p", reply(200).text("%PDF").header("content-type", "text/html"))
        .expect("PUT /a/b/p.pdf", reply(423))
        .deliver(deliver, policy());
    assert_eq!(run.outcome, Outcome::retry("PUT /a/b/p.pdf answered 423"), "the event vouches for it");
    // The checksum of something else: a page.
    let other = json!({ "updatedAt": 7, "url": "https://files/p", "sha256": "1".repeat(64) });
    let run = asked()
        .expect("GET https://files/p", reply(200).text("<html>").header("content-type", "text/html"))
        .deliver(deliver, policy().data(other));
    assert_eq!(run.outcome.kind(), OutcomeKind::Retry);
}

#[test]
fn a_document_in_the_event_is_what_it_is_said_to_be() {
    webdav(json!({ "document": { "inline": "/content" } }));
    // <html>
    let run = endpoint().deliver(deliver, policy().data(json!({ "updatedAt": 7, "content": "PGh0bWw+" })));
    let reason = "the event's document: it is no application/pdf: it begins with \"<html>\"";
    assert_eq!(run.outcome, Outcome::rejected(reason));
    webdav(json!({ "document": { "inline": "/content" }, "content-type": "text/html" }));
    let run = asked()
        .expect("PUT /a/b/p.pdf", reply(423))
        .deliver(deliver, policy().data(json!({ "updatedAt": 7, "content": "PGh0bWw+" })));
    assert_eq!(run.outcome.kind(), OutcomeKind::Retry);
}
