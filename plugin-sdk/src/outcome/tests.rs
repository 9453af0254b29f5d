//! The table of outcomes that all SDKs share: what an answer means is the same in each language.

use serde::Deserialize;
use serde_json::{Map, Value, from_value, json};

use crate::failure::{Failure, Unanswered};
use crate::http::Http;
use crate::outcome::{Check, Delivery, Outcome, OutcomeKind};
use crate::raw::connector::liaison::plugin::effects::SqlErrorKind;
use crate::testing::{self, Reply};

/// `plugin-sdk/outcomes.json`, which the other SDKs read from there.
const TABLE: &str = include_str!("../../outcomes.json");
/// 1994-11-06T08:49:37Z.
const NOW_MS: u64 = 784_111_777_000;
/// A hundred years: no clock of a host counts on to there.
const FOR_EVER_MS: u64 = 100 * 365 * 86_400_000;

const URL: &str = "https://user:secret@host/a?key=secret";

fn table(part: &str) -> Value {
    let mut table: Value = serde_json::from_str(TABLE).expect("the table is JSON");
    table[part].take()
}

fn rows<T: for<'de> Deserialize<'de>>(part: &str) -> Vec<T> {
    from_value(table(part)).expect("the part of the table has this shape")
}

async fn by_http(_: &Delivery, http: &Http) -> Result<Outcome, Failure> {
    Ok(Outcome::from_response(&http.put(URL).send().await?))
}

async fn by_grpc(_: &Delivery, http: &Http) -> Result<Outcome, Failure> {
    Ok(Outcome::from_grpc(&http.grpc("/rooms.Rooms/Book").send().await?))
}

async fn by_sql(_: &Delivery, http: &Http) -> Result<Outcome, Failure> {
    http.sql("update a set b = $1").bind(1).run().await?;
    Ok(Outcome::delivered())
}

/// What comes of this reply to a request of this protocol.
fn outcome_of(protocol: &str, reply: impl Into<Reply>) -> Outcome {
    let event = testing::event("t").now_ms(NOW_MS);
    let endpoint = testing::endpoint();
    let run = match protocol {
        "http" => endpoint.expect(&format!("PUT {URL}"), reply).deliver(by_http, event),
        "grpc" => endpoint.expect("gRPC /rooms.Rooms/Book", reply).deliver(by_grpc, event),
        "sql" => endpoint.expect("SQL update a set b = $1", reply).deliver(by_sql, event),
        other => panic!("there is no protocol {other}"),
    };
    run.outcome
}

/// An outcome as the table writes it.
fn written(outcome: Outcome) -> Value {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("a record is text");
    let mut written = match outcome {
        Outcome::Delivered(receipt) => {
            json!({ "kind": "delivered", "external-id": receipt.external_id, "version": receipt.version })
        }
        Outcome::Skipped(reason) => json!({ "kind": "skipped", "reason": reason }),
        Outcome::Retry(retry) => json!({ "kind": "retry", "reason": retry.reason, "after-ms": retry.after }),
        Outcome::Throttled(retry) => {
            json!({ "kind": "throttled", "reason": retry.reason, "after-ms": retry.after })
        }
        Outcome::Denied(reason) => json!({ "kind": "denied", "reason": reason }),
        Outcome::Conflict(conflict) => json!({
            "kind": "conflict",
            "reason": conflict.reason,
            "version": conflict.version,
            "current": conflict.current.map(text),
        }),
        Outcome::Rejected(reason) => json!({ "kind": "rejected", "reason": reason }),
    };
    written.as_object_mut().expect("an outcome is an object").retain(|_, value| !value.is_null());
    written
}

fn body(reply: Reply, body: &Value) -> Reply {
    match body {
        Value::String(text) => reply.text(text),
        Value::Array(_) => reply.bytes(from_value::<Vec<u8>>(body.clone()).expect("a list of bytes")),
        _ => reply,
    }
}

fn http_reply(answer: &Value) -> Reply {
    let reply = testing::reply(from_value(answer["status"].clone()).expect("a status"));
    let headers: Option<Map<String, Value>> = from_value(answer["headers"].clone()).expect("headers");
    let reply = headers.unwrap_or_default().iter().fold(reply, |reply, (name, value)| {
        reply.header(name, value.as_str().expect("a header's value is text"))
    });
    body(reply, &answer["body"])
}

fn sql_kind(name: &str) -> SqlErrorKind {
    match name {
        "constraint" => SqlErrorKind::Constraint,
        "data" => SqlErrorKind::Data,
        "serialization" => SqlErrorKind::Serialization,
        "statement" => SqlErrorKind::Statement,
        "permission" => SqlErrorKind::Permission,
        "too-many-rows" => SqlErrorKind::TooManyRows,
        "unavailable" => SqlErrorKind::Unavailable,
        "other" => SqlErrorKind::Other,
        other => panic!("there is no kind {other}"),
    }
}

/// What a table of this kind calls an outcome.
fn kind(name: &str) -> OutcomeKind {
    from_value(json!(name)).expect("a kind of outcome")
}

#[test]
fn each_status_and_each_refusal_has_its_kind() {
    for (name, statuses) in rows_of_kinds::<u16>("http") {
        for status in statuses {
            assert_eq!(OutcomeKind::of_status(status), kind(&name), "{status}");
            assert_eq!(outcome_of("http", testing::reply(status)).kind(), kind(&name), "{status}");
        }
    }
    for (name, statuses) in rows_of_kinds::<u32>("grpc") {
        for status in statuses {
            assert_eq!(OutcomeKind::of_grpc_status(status), kind(&name), "{status}");
            assert_eq!(outcome_of("grpc", testing::grpc_reply(status)).kind(), kind(&name), "{status}");
        }
    }
    for (name, refusals) in rows_of_kinds::<String>("sql") {
        for refusal in refusals {
            assert_eq!(OutcomeKind::of_sql(sql_kind(&refusal)), kind(&name), "{refusal}");
            let refused = testing::sql_error(sql_kind(&refusal), "", "no");
            assert_eq!(outcome_of("sql", refused).kind(), kind(&name), "{refusal}");
        }
    }
}

fn rows_of_kinds<T: for<'de> Deserialize<'de>>(protocol: &str) -> Vec<(String, Vec<T>)> {
    let kinds: Map<String, Value> = from_value(table("kinds")[protocol].take()).expect("a table of kinds");
    let codes = |codes| from_value(codes).expect("a list of statuses");
    kinds.into_iter().map(|(kind, listed)| (kind, codes(listed))).collect()
}

#[test]
fn a_check_takes_what_answers_for_usable() {
    let check = async |http: &Http| -> Result<Check, Failure> {
        Ok(Check::from_response(&http.get("/health").send().await?))
    };
    for (list, is_usable) in [("usable", true), ("unusable", false)] {
        for status in from_value::<Vec<u16>>(table("checks")[list].take()).expect("a list of statuses") {
            let run = testing::endpoint().expect("GET /health", testing::reply(status)).check(check);
            assert_eq!(matches!(run.outcome, Check::Usable(_)), is_usable, "{status}");
        }
    }
}

#[test]
fn an_answer_becomes_an_outcome_with_all_that_it_tells() {
    for row in rows::<Value>("answers") {
        let found = if row["http"].is_object() {
            outcome_of("http", http_reply(&row["http"]))
        } else if row["grpc"].is_object() {
            let status = from_value(row["grpc"]["status"].clone()).expect("a status");
            let message = row["grpc"]["message"].as_str().unwrap_or_default();
            outcome_of("grpc", testing::grpc_reply(status).status_message(message))
        } else {
            let text = |name: &str| row["sql"][name].as_str().unwrap_or_default();
            outcome_of("sql", testing::sql_error(sql_kind(text("kind")), text("code"), text("message")))
        };
        assert_eq!(written(found), row["outcome"], "{row}");
    }
}

#[test]
fn what_is_told_of_a_conflict_is_a_record_and_no_message() {
    for row in rows::<Value>("records") {
        let reply = body(testing::reply(409), &row["body"]);
        let reply = match row["type"].as_str() {
            Some(media_type) => reply.header("content-type", media_type),
            None => reply,
        };
        let Outcome::Conflict(conflict) = outcome_of("http", reply) else { panic!("{row}") };
        assert_eq!(conflict.current.is_some(), row["is-current"] == json!(true), "{row}");
        if let (Some(current), Some(body)) = (conflict.current, row["body"].as_str()) {
            assert_eq!(current, body.as_bytes());
        }
    }
}

#[test]
fn what_was_asked_is_told_without_secrets() {
    for row in rows::<Value>("lines") {
        let text = |name: &str| row[name].as_str().expect("it is text").to_owned();
        let url = text("url");
        let deliver = async |_: &Delivery, http: &Http| -> Result<Outcome, Failure> {
            Ok(Outcome::from_response(&http.put(&url).send().await?))
        };
        let endpoint = testing::endpoint().expect(&format!("PUT {url}"), Unanswered::TimedOut);
        let run = endpoint.deliver(deliver, testing::event("t"));
        assert_eq!(run.outcome, Outcome::retry(format!("{} timed out", text("line"))));
    }
}

#[test]
fn a_wait_is_read_in_both_forms_and_passed_on() {
    for row in rows::<Value>("retry-after") {
        let value = row["value"].as_str().expect("a value is text");
        for status in [429, 503] {
            let outcome = outcome_of("http", testing::reply(status).header("retry-after", value));
            let (Outcome::Retry(retry) | Outcome::Throttled(retry)) = outcome else { panic!("{row}") };
            if row["for-ever"] == json!(true) {
                assert!(retry.after.is_some_and(|after| after > FOR_EVER_MS), "{row}");
            } else {
                assert_eq!(retry.after, row["after-ms"].as_u64(), "{row}");
            }
        }
    }
}

#[test]
fn what_is_exhausted_is_throttled_only_where_the_server_pushes_back() {
    for row in rows::<Value>("pushback") {
        let said = |status| {
            let reply = testing::grpc_reply(status);
            let named = [("grpc-retry-pushback-ms", "pushback"), ("grpc-status-details-bin", "details")];
            let reply = named.iter().fold(reply, |reply, (name, key)| match row[key].as_str() {
                Some(value) => reply.metadata(name, value),
                None => reply,
            });
            outcome_of("grpc", reply)
        };
        let after = row["after-ms"].as_u64();
        let exhausted = written(said(8));
        let expected = if after.is_some_and(|after| after > 0) { "throttled" } else { "retry" };
        assert_eq!(exhausted["kind"], expected, "{row}");
        assert_eq!(exhausted["after-ms"].as_u64(), after, "{row}");
        let unavailable = written(said(14));
        assert_eq!(unavailable["kind"], "retry", "{row}");
        assert_eq!(unavailable["after-ms"].as_u64(), after, "{row}");
    }
}

#[test]
fn what_has_no_answer_does_the_least_harm() {
    let asked = [
        ("http", "PUT https://host/a"),
        ("grpc", "gRPC /rooms.Rooms/Book"),
        ("sql", "SQL update a set b = $1"),
    ];
    for row in rows::<Value>("unanswered") {
        let detail = || row["detail"].as_str().unwrap_or_default().to_owned();
        for (protocol, request) in asked {
            if row["of"].as_array().is_some_and(|of| !of.contains(&json!(protocol))) {
                continue;
            }
            let why = match row["why"].as_str() {
                Some("connection") => Unanswered::Connection(detail()),
                Some("timed-out") => Unanswered::TimedOut,
                Some("other") => Unanswered::Other(detail()),
                Some("invalid") => Unanswered::Invalid(detail()),
                Some("too-large") => Unanswered::TooLarge(detail().parse().expect("a limit")),
                Some("unsupported") => Unanswered::Unsupported(detail()),
                Some("not-allowed") => Unanswered::NotAllowed(detail()),
                other => panic!("there is no failure {other:?}"),
            };
            let reason = match row["whole-reason"].as_str() {
                Some(reason) => reason.to_owned(),
                None => format!("{request} {}", row["reason"].as_str().expect("a reason")),
            };
            let expected = json!({ "kind": row["outcome"], "reason": reason });
            assert_eq!(written(outcome_of(protocol, why)), expected, "{row} of {protocol}");
        }
    }
}
