//! Cases as they are written, and their mistakes.

use serde_json::json;

use super::*;
use crate::contract::{SqlErrorKind, SqlResponse, SqlValue};
use crate::rehearsal::case::ScriptedAnswer;

#[test]
fn a_case_has_a_default_for_all_it_does_not_care_about() {
    let case = Case::from_json(json!({"event": {"type": "t", "subject": "s"}}), "first").unwrap();
    assert_eq!((case.name.as_str(), case.endpoint.as_str()), ("first", "http://endpoint.example/"));
    assert_eq!((case.event.id.as_str(), case.event.source.as_str()), ("1", "/test"));
    assert_eq!(case.event.key.as_deref(), Some(&b"s"[..]));
    assert_eq!((case.event.data, case.delivery.attempt, case.delivery.now), (None, 1, NOW_MS));
}

#[test]
fn requests_are_numbered_by_round_and_resolved_against_the_endpoint() {
    let request = |call: &str| json!({"expect": call, "reply": {"status": 200}});
    let mut same_round = request("GET https://other.example/b");
    same_round["round"] = 1.into();
    let case = json!({
        "endpoint": "https://h/api/", "event": {"type": "t"},
        "request": [request("GET /a?b"), same_round, request("PUT ?q")],
    });
    let case = Case::from_json(case, "").unwrap();
    let seen: Vec<_> = case.requests.iter().map(|asked| (asked.round, asked.url.as_str())).collect();
    assert_eq!(seen, [(1, "https://h/api/a?b"), (1, "https://other.example/b"), (2, "https://h/api/?q")]);
}

#[test]
fn a_transaction_is_its_statements_its_values_and_its_answer() {
    let request = json!({
        "expect": "SQL insert into t (a)\n  values ($1);\n select a from t", "parameters": [["x"], []],
        "reply": {"results": [{"affected": 1}, {"columns": ["a"], "rows": [["x"]]}]},
    });
    let with = |request: Value| {
        let case = json!({"endpoint": "sqlite:///r.db", "tables": ["t"], "event": {"type": "t"}, "request": [request]});
        Case::from_json(case, "")
    };
    let case = with(request).unwrap();
    let [asked] = &case.requests[..] else { panic!("one request") };
    assert_eq!(asked.url, "insert into t (a) values ($1); select a from t");
    assert_eq!(asked.parameters, Some(vec![vec![SqlValue::Text("x".to_owned())], vec![]]));
    let ScriptedAnswer::Sql(SqlResponse::Done(results)) = &asked.reply.answer else { panic!("it is done") };
    assert_eq!((results[0].affected, results[1].rows.len()), (1, 1));
    let refused = |reply: Value| with(json!({"expect": "SQL select 1", "reply": reply}));
    let case = refused(json!({"sql-error": {"kind": "constraint", "constraint": "named"}})).unwrap();
    let ScriptedAnswer::Sql(SqlResponse::Error(error)) = &case.requests[0].reply.answer else {
        panic!("it is refused")
    };
    assert_eq!((error.kind, error.constraint.as_deref()), (SqlErrorKind::Constraint, Some("named")));
    for reply in [json!({"status": 200}), json!({"results": [], "text": "x"}), json!({})] {
        let error = refused(reply).unwrap_err().to_string();
        assert!(error.starts_with("request 1: reply: give a `results` or `sql-error`"), "{error}");
    }
}

#[test]
fn a_mistake_is_named_with_its_place() {
    let with = |request: Value| json!({"event": {"type": "t"}, "request": [request]});
    for (case, expected) in [
        (json!({}), "missing field `event`"),
        (json!({"event": {}}), "event: the event has a `specversion`, but is no CloudEvent 1.0: "),
        (json!({"event": {"type": "t"}, "nonsense": 1}), "nonsense: unknown field `nonsense`"),
        (json!({"event": {"type": "t"}, "endpoint": "ftp://h"}), "endpoint: `ftp` is not spoken here"),
        (json!({"event": {"type": "t"}, "delivery": {"now": "noon"}}), "delivery.now: `noon` is no time"),
        (json!({"event": {"type": "t"}, "expect": {"outcome": "fine"}}), "expect.outcome: unknown variant"),
        (with(json!({"expect": "PUT", "reply": {"status": 200}})), "request 1: `PUT` is no call"),
        (with(json!({"expect": "PUT /", "reply": {"status": 7}})), "request 1: reply: 7 is no HTTP status"),
        (with(json!({"expect": "PUT /", "reply": {}})), "request 1: reply: give a `status`"),
        (
            with(json!({"expect": "PUT /", "json": 1, "text": "", "reply": {"status": 200}})),
            "request 1: give a body as one of",
        ),
        (with(json!({"expect": "PUT /", "reply": {"status": "x"}})), "request[0].reply.status: "),
        (
            with(json!({"expect": "gRPC /a.B/C", "reply": {"status": 200}})),
            "request 1: reply: give a `grpc-status`",
        ),
        (with(json!({"expect": "PUT /", "reply": {"grpc-status": 0}})), "request 1: reply: give a `status`"),
        (
            with(json!({"expect": "SQL select 1", "reply": {"results": []}})),
            "request 1: SQL is asked of a database",
        ),
        (
            with(json!({"expect": "PUT /", "parameters": [], "reply": {"status": 200}})),
            "request 1: parameters: are of SQL",
        ),
        (json!({"event": {"type": "t"}, "tables": ["t"]}), "tables: are of a database"),
    ] {
        let error = Case::from_json(case.clone(), "").unwrap_err().to_string();
        assert!(error.starts_with(expected), "{case}: {error}");
    }
}
