//! What an answer means, status by status.

use super::*;
use crate::failure::Failure;
use crate::testing;

async fn deliver(_delivery: &Delivery, http: &Http) -> Result<Outcome, Failure> {
    Ok(Outcome::from_response(&http.put("https://user:secret@host/a?key=secret").send().await?))
}

fn outcome_of(reply: testing::Reply) -> Outcome {
    let endpoint = testing::endpoint().expect("PUT https://user:secret@host/a?key=secret", reply);
    endpoint.deliver(deliver, testing::event("policy.updated").now_ms(784_111_777_000)).outcome
}

#[test]
fn each_status_has_its_kind() {
    use OutcomeKind::{Conflict, Delivered, Denied, Rejected, Retry, Skipped, Throttled};
    for (kind, statuses) in [
        (Delivered, &[200, 201, 202, 204, 226, 299][..]),
        (Skipped, &[304]),
        (Denied, &[401, 403, 407]),
        (Retry, &[408, 425, 500, 502, 503, 504, 507, 599]),
        (Throttled, &[429]),
        (Conflict, &[409, 412]),
        (Rejected, &[100, 300, 301, 302, 307, 308, 400, 404, 410, 413, 422, 428, 501, 505, 600]),
    ] {
        for status in statuses {
            assert_eq!(OutcomeKind::of_status(*status), kind, "{status}");
        }
    }
}

#[test]
fn an_answer_becomes_an_outcome_with_all_that_it_tells() {
    let created = testing::reply(201).header("location", "/a/7").header("etag", "\"7\"");
    let receipt = Receipt { external_id: Some("/a/7".into()), version: Some("\"7\"".into()) };
    assert_eq!(outcome_of(created), Outcome::Delivered(receipt));
    assert_eq!(outcome_of(testing::reply(204)), Outcome::delivered());

    assert_eq!(
        outcome_of(testing::reply(412).header("etag", "\"8\"").text("{\"title\": \"theirs\"}")),
        Outcome::conflict(
            Some("\"8\"".into()),
            Some(b"{\"title\": \"theirs\"}".to_vec()),
            "PUT https://host/a answered 412 Precondition Failed"
        ),
    );
    assert_eq!(
        outcome_of(testing::reply(307).header("location", "https://elsewhere")),
        Outcome::rejected("PUT https://host/a answered 307: redirects are not followed"),
    );
    assert_eq!(
        outcome_of(testing::reply(422).text(&format!("no\n\u{7}title {}", "x".repeat(300)))),
        Outcome::rejected(format!(
            "PUT https://host/a answered 422 Unprocessable Content: no title {}…",
            "x".repeat(190)
        )),
    );
}

#[test]
fn what_is_told_of_a_conflict_is_a_record_and_no_message() {
    let problem = r#"{"type":"about:blank","status":409,"updatedAt":"2026-05-01T12:00:00Z"}"#;
    let record = r#" {"updatedAt": 1.0} "#;
    for (content_type, body, has_current) in [
        (None, record, true),
        (Some("application/json"), record, true),
        (Some("Application/JSON; charset=utf-8"), record, true),
        (Some("application/vnd.policy+json"), record, true),
        (Some("application/json"), "[1]", true),
        (Some("application/problem+json"), problem, false),
        (Some("application/problem+json; charset=utf-8"), problem, false),
        (Some("text/html"), record, false),
        (Some("text/html"), "<html>", false),
        (None, "<html>", false),
        (None, "theirs", false),
        (Some("application/json"), "\"the version is another\"", false),
        (Some("application/json"), "null", false),
        (Some("application/json"), "", false),
        (Some("application/json"), "{", false),
    ] {
        let reply = testing::reply(409).text(body);
        let reply = match content_type {
            Some(content_type) => reply.header("content-type", content_type),
            None => reply,
        };
        let Outcome::Conflict(conflict) = outcome_of(reply) else { panic!("{body}") };
        let expected = has_current.then(|| body.as_bytes().to_vec());
        assert_eq!(conflict.current, expected, "{content_type:?} {body}");
    }
}

#[test]
fn a_wait_is_read_in_both_forms() {
    let reason = "PUT https://host/a answered 503 Service Unavailable";
    for (value, seconds) in [
        ("120", Some(120)),
        (" 0 ", Some(0)),
        ("Sun, 06 Nov 1994 08:49:40 GMT", Some(3)),
        ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0)),
        ("99999999999999999999", Some(u64::MAX / 1000)),
        ("soon", None),
        ("-1", None),
    ] {
        let after = seconds.map(|seconds| seconds * 1000);
        let outcome = outcome_of(testing::reply(503).header("retry-after", value));
        assert_eq!(outcome, Outcome::Retry(Retry { after, reason: reason.into() }), "{value}");
    }
    assert_eq!(
        outcome_of(testing::reply(429).header("retry-after", "2")),
        Outcome::throttled(Some(Duration::from_secs(2)), "PUT https://host/a answered 429 Too Many Requests"),
    );
}
