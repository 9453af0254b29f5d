//! Records that are found by a query.

use super::*;

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
