//! What is kept of an attempt, by tables of rounds.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;

use super::*;
use crate::contract::{
    Body, Content, Failure, GrpcRequest, GrpcResponse, HttpRequest, HttpResponse, Kept, SqlRequest,
    SqlResponse, SqlResult, SqlStatement, SqlValue,
};
use crate::event::{Event, Origin};

pub(crate) fn delivery(rounds: usize, resolution: Option<Resolution>) -> Delivery {
    let event = Event {
        id: "1".into(),
        source: "/tests".into(),
        kind: "t".into(),
        subject: None,
        time: None,
        key: None,
        content_type: None,
        data: None,
        attributes: Vec::new(),
        origin: Origin { topic: "t".into(), partition: 0, offset: 0 },
    };
    Delivery {
        event: Arc::new(event),
        attempt: 2,
        now: 1_700_000_000_000,
        seed: u64::MAX,
        deadline: Some(1_700_000_001_000),
        idempotency_key: "key".into(),
        resolution,
        rounds: vec![Vec::new(); rounds],
    }
}

pub(crate) fn effect(text: &str) -> Effect {
    let (method, url) = text.split_once(' ').unwrap();
    Effect::from(HttpRequest {
        method: method.into(),
        url: url.into(),
        headers: Vec::new(),
        body: Body::None,
        timeout: None,
        keep_body: false,
    })
}

/// 0 is no answer.
pub(crate) fn reply(status: u16) -> Reply {
    if status == 0 {
        return Reply::Failed(Failure::TimedOut);
    }
    Reply::from(HttpResponse { status, headers: HeaderMap::new(), body: Bytes::new(), kept: None })
}

/// Rounds such as `POST /a 201 + PUT /b 503`.
fn read(rounds: &[&str]) -> (Vec<Vec<Effect>>, Vec<Vec<Reply>>) {
    let one = |text: &str| {
        let (asked, status) = text.rsplit_once(' ').unwrap();
        (effect(asked), reply(status.parse().unwrap()))
    };
    rounds.iter().map(|round| round.split(" + ").map(one).unzip()).unzip()
}

/// The statuses that are kept, a list a round; `-` is asked again.
fn shown(rounds: &[Vec<Answered>]) -> Vec<String> {
    let status = |answered: &Answered| match &answered.reply {
        None => "-".to_owned(),
        Some(Reply::Http(response)) => response.status.to_string(),
        Some(Reply::Grpc(response)) => format!("grpc-{}", response.status),
        Some(Reply::Sql(response)) => response.to_string(),
        Some(Reply::Failed(_)) => "0".to_owned(),
    };
    rounds.iter().map(|round| round.iter().map(status).collect::<Vec<_>>().join(" ")).collect()
}

const CREATED: &str = "POST /cases 201";

#[test]
fn a_failed_reply_is_asked_again_and_what_was_done_before_is_not() {
    let cases: [(&[&str], &[&str]); 12] = [
        (&["PUT /a 503"], &[]),
        (&["GET /a 200", "PUT /a 503"], &[]),
        (&[CREATED, "PUT /file 503"], &["201"]),
        (&[CREATED, "PUT /file 0"], &["201"]),
        (&[CREATED, "PUT /file 401"], &["201"]),
        (&["GET /cases 404", CREATED, "PUT /file 503"], &["404", "201"]),
        (&[CREATED, "GET /cases/1 200", "PUT /file 429"], &["201"]),
        (&[CREATED, "GET /status 503"], &["201"]),
        (&[CREATED, "GET /status 200"], &["201"]),
        // Its own second try failed too.
        (&[CREATED, "PUT /file 503", "PUT /file 503"], &["201"]),
        // Its own second try went through, and then the booking failed.
        (&[CREATED, "PUT /file 503", "PUT /file 200", "POST /dates 503"], &["201", "503", "200"]),
        (&["POST /a 201 + POST /b 503 + GET /c 200"], &["201 - -"]),
    ];
    for (rounds, expected) in cases {
        let (asked, replies) = read(rounds);
        assert_eq!(shown(&kept(&asked, &replies, End::Unhappy)), expected, "{rounds:?}");
    }
}

#[test]
fn an_answer_that_the_connector_is_not_content_with_is_asked_again() {
    let busy: &[&str] = &[CREATED, "POST /dates 200"];
    let undone: &[&str] = &[CREATED, "PUT /file 503", "DELETE /cases/1 204"];
    for (rounds, end, expected) in [
        (busy, End::Unhappy, &["201"][..]),
        (busy, End::Fault, &["201", "200"]),
        (&[CREATED], End::Unhappy, &[]),
        (&[CREATED], End::Fault, &["201"]),
        // It has undone what it began.
        (undone, End::Unhappy, &[]),
        (undone, End::Fault, &["201", "503", "204"]),
    ] {
        let (asked, replies) = read(rounds);
        assert_eq!(shown(&kept(&asked, &replies, end)), expected, "{rounds:?} {end:?}");
    }
}

#[test]
fn an_attempt_that_is_cut_off_goes_on_exactly_where_it_was() {
    for (rounds, expected) in [
        (&["GET /a 200"][..], &[][..]),
        (&["GET /a 200", CREATED, "GET /a 200"], &["200", "201"]),
        (&[CREATED, "PUT /file 503"], &["201", "503"]),
        (&["POST /a 201 + POST /b 0"], &["201 0"]),
    ] {
        let (asked, replies) = read(rounds);
        assert_eq!(shown(&so_far(&asked, &replies)), expected, "{rounds:?}");
    }
}

fn recorded(rounds: &[&str]) -> Recorded {
    let (asked, replies) = read(rounds);
    Recorded {
        idempotency_key: "key".into(),
        arguments: Arguments::of(&delivery(0, None)),
        rounds: kept(&asked, &replies, End::Fault),
    }
}

fn statuses(replies: &[Option<Reply>]) -> Vec<Option<u16>> {
    let status = |reply: &Reply| match reply {
        Reply::Http(response) => response.status,
        reply @ (Reply::Grpc(_) | Reply::Sql(_)) => panic!("{reply:?}"),
        Reply::Failed(_) => 0,
    };
    replies.iter().map(|reply| reply.as_ref().map(status)).collect()
}

#[test]
fn a_large_body_that_was_only_read_is_read_again() {
    let kept = || Kept { length: 1 << 30, sha256: [0; 32], content: Content::Lost };
    let large = |status| {
        Reply::from(HttpResponse {
            status,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            kept: Some(kept()),
        })
    };
    let asked = [vec![effect("GET /document"), effect("POST /a")], vec![effect("POST /b")]];
    let replies = [vec![large(200), large(201)], vec![reply(201)]];
    assert_eq!(shown(&so_far(&asked, &replies)), ["- 201", "201"]);
}

#[test]
fn a_grpc_call_is_a_change_that_is_done_when_it_is_ok() {
    let call = || {
        let (metadata, message) = (Vec::new(), Bytes::from_static(b"ask"));
        Effect::from(GrpcRequest { method: "/a.B/C".into(), metadata, message, timeout: None })
    };
    let answer = |status| {
        let (metadata, message) = (vec![("a".into(), "b".into())], Some(Bytes::from_static(b"\xff")));
        Reply::from(GrpcResponse { status, status_message: "said".into(), metadata, message })
    };
    for (statuses, expected) in
        [([0, 14], &["grpc-0"][..]), ([14, 0], &["grpc-14", "grpc-0"]), ([14, 14], &[])]
    {
        let asked = [vec![call()], vec![call()]];
        let replies = statuses.map(|status| vec![answer(status)]);
        let rounds = kept(&asked, &replies, End::Fault);
        assert_eq!(shown(&rounds), expected, "{statuses:?}");
        let arguments = Arguments::of(&delivery(0, None));
        let before = Recorded { idempotency_key: "key".into(), arguments, rounds };
        let after = Recorded::from_json(&before.to_json()).unwrap();
        assert_eq!(format!("{:?}", after.rounds), format!("{:?}", before.rounds));
    }
}

#[test]
fn a_transaction_that_was_committed_is_done_and_what_only_reads_is_asked_again() {
    let ask = |sql: &str| {
        let parameters = vec![SqlValue::Bytes(Bytes::from_static(b"\xff"))];
        let statements = vec![SqlStatement { sql: sql.to_owned(), parameters }];
        Effect::Sql(SqlRequest { statements, timeout: None })
    };
    let rows = vec![vec![SqlValue::Null, SqlValue::Integer(7)]];
    let result = SqlResult { affected: 1, columns: vec!["a".to_owned(), "b".to_owned()], rows };
    let done = || Reply::Sql(SqlResponse::Done(vec![result.clone()]));
    let asked = [vec![ask("select 1")], vec![ask("update a set b = ?")], vec![effect("GET /a")]];
    let replies = [vec![done()], vec![done()], vec![reply(200)]];
    let rounds = so_far(&asked, &replies);
    assert_eq!(shown(&rounds[1..2]), ["committed, 1 rows changed, 1 rows given"]);
    let arguments = Arguments::of(&delivery(0, None));
    let before = Recorded { idempotency_key: "key".into(), arguments, rounds };
    let after = Recorded::from_json(&before.to_json()).unwrap();
    assert_eq!(format!("{:?}", after.rounds), format!("{:?}", before.rounds));
}

#[test]
fn what_was_done_is_recalled_for_the_same_request_alone() {
    let journal = recorded(&[CREATED, "PUT /a 200 + PUT /b 503"]);
    let ask = |round, resolution: Option<Resolution>, effects: &[&str]| {
        let mut recorded = Some(&journal);
        let effects: Vec<_> = effects.iter().map(|text| effect(text)).collect();
        let recalled = recall(&mut recorded, &delivery(round, resolution), &effects);
        recalled.map(|replies| (statuses(&replies), recorded.is_some()))
    };
    assert_eq!(ask(0, None, &["POST /cases"]), Ok((vec![Some(201)], true)));
    assert_eq!(ask(1, None, &["PUT /a", "PUT /b"]), Ok((vec![Some(200), None], true)));
    assert_eq!(ask(2, None, &["POST /dates"]), Ok((vec![], true)));
    for changed in [&["POST /case"][..], &["PUT /cases"], &["POST /cases", "PUT /b"]] {
        assert!(matches!(ask(0, None, changed), Err(Fault::Changed(_))), "{changed:?}");
        let resolution = Some(Resolution::Overwrite(None));
        assert_eq!(ask(0, resolution, changed), Ok((vec![], false)));
    }
}
