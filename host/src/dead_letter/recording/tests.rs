//! What is recorded reads back as it was, holds no secret, and never takes more than its bound.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::config::mask::tests::mask_of;
use crate::contract::{Body, Conflict, HttpRequest, Retry, SqlRequest, Transformed};
use crate::event::Origin;

pub(crate) fn event(kind: &str) -> Event {
    Event {
        id: "e-1".to_owned(),
        source: "/tests".to_owned(),
        kind: kind.to_owned(),
        subject: None,
        time: Some(5),
        key: Some(Bytes::from_static(b"key")),
        content_type: Some("application/json".to_owned()),
        data: Some(Bytes::from_static(b"{}")),
        attributes: vec![("traceparent".to_owned(), "00-1-2-01".to_owned())],
        origin: Origin { topic: "t".into(), partition: 0, offset: 1 },
    }
}

fn put(url: &str, body: Body) -> Effect {
    Effect::from(HttpRequest {
        method: "PUT".to_owned(),
        url: url.to_owned(),
        headers: vec![("x".to_owned(), "y".to_owned())],
        body,
        timeout: Some(Duration::from_secs(2)),
        keep_body: false,
    })
}

fn answered(status: u16, body: &'static [u8], kept: Option<[u8; 32]>) -> Reply {
    let headers = HeaderMap::from_iter([(http::header::ETAG, HeaderValue::from_static("\"1\""))]);
    let (body, content) = match kept {
        None => (Bytes::from_static(body), Content::Lost),
        Some(_) => (Bytes::new(), Content::Memory(Bytes::from_static(body))),
    };
    let kept = kept.map(|sha256| Kept { length: 5, sha256, content });
    Reply::from(HttpResponse { status, headers, body, kept })
}

fn delivery(event: Event, rounds: Vec<Vec<Reply>>) -> Delivery {
    Delivery {
        event: event.into(),
        attempt: 3,
        now: 1_700_000_000_100,
        seed: u64::MAX,
        deadline: Some(9),
        idempotency_key: "key-1".into(),
        resolution: Some(Resolution::Overwrite(Some("v7".to_owned()))),
        rounds,
    }
}

fn asked() -> Vec<Vec<Effect>> {
    vec![
        vec![put("/a", Body::EventData), Effect::Sql(SqlRequest { statements: Vec::new(), timeout: None })],
        vec![
            put("/b", Body::OfReply { round: 0, position: 0 }),
            put("/c", Body::Bytes(Bytes::from_static(&[0xff]))),
        ],
    ]
}

fn replies() -> Vec<Vec<Reply>> {
    vec![
        vec![answered(200, b"{\"a\": 1}", None), Reply::Failed(Failure::Unsupported("gRPC".to_owned()))],
        vec![answered(200, b"12345", Some([7; 32])), Reply::Failed(Failure::TimedOut)],
    ]
}

fn retry() -> Result<Outcome, Fault> {
    Ok(Outcome::Retry(Retry { after: Some(Duration::from_millis(1500)), reason: "503".to_owned() }))
}

fn read(json: &[u8]) -> Recording {
    match Recorded::from_json(json).unwrap() {
        Recorded::Whole(recording) => *recording,
        other @ (Recorded::Transform(_) | Recorded::Cut(_)) => panic!("{other:?}"),
    }
}

#[test]
fn a_recording_reads_back_and_gives_the_delivery_again() {
    let reshaped = Event { kind: "other".to_owned(), data: None, ..event("t") };
    for given in [event("t"), reshaped] {
        let delivery = delivery(given, replies());
        let recording = Recording::of(&delivery, &asked(), &retry(), &event("t"), &Mask::default());
        let back = read(&Recorded::from(recording.clone()).to_json());
        assert_eq!(back, recording);
        assert_eq!(back.reshaped.is_some(), delivery.event.kind == "other");
        let again = back.delivery(event("t"));
        let begun = Delivery { rounds: Vec::new(), ..delivery };
        assert_eq!(format!("{again:?}"), format!("{begun:?}"));
        for (round, replies) in back.rounds.iter().zip(replies()) {
            let given: Vec<_> = round.answered.iter().map(|answer| answer.reply().unwrap()).collect();
            // Of what stayed with the host, the guest sees no more than this.
            let seen = |replies: &[Reply]| replies.iter().map(Answer::of).collect::<Vec<_>>();
            assert_eq!(seen(&given), seen(&replies));
        }
    }
}

#[test]
fn the_json_is_what_a_person_can_read() {
    let delivery = delivery(event("t"), replies());
    let recording = Recording::of(&delivery, &asked(), &retry(), &event("t"), &Mask::default());
    let json: serde_json::Value = serde_json::from_slice(&Recorded::from(recording).to_json()).unwrap();
    for (pointer, expected) in [
        ("/whole/attempt", json!(3)),
        ("/whole/seed", json!(u64::MAX)),
        ("/whole/resolution", json!({"overwrite": "v7"})),
        (
            "/whole/rounds/0/asked/0/http",
            json!({"method": "PUT", "url": "/a", "headers": [["x", "y"]], "body": "event-data", "timeout": 2000,
                "keep_body": false}),
        ),
        ("/whole/rounds/1/asked/1/http/body", json!({"bytes": {"base64": "/w=="}})),
        (
            "/whole/rounds/0/answered/0/http",
            json!({"status": 200, "headers": [["etag", "\"1\""]], "body": {"bytes": "{\"a\": 1}"}}),
        ),
        ("/whole/rounds/1/answered/0/http/body", json!({"kept": {"length": 5, "sha256": "07".repeat(32)}})),
        ("/whole/rounds/1/answered/1/failed", json!("timed-out")),
        ("/whole/end/outcome/retry", json!({"after": 1500, "reason": "503"})),
        ("/whole/is_struck", json!(false)),
    ] {
        assert_eq!(json.pointer(pointer), Some(&expected), "{pointer}");
    }
    assert_eq!(json.pointer("/whole/reshaped"), None);
}

#[test]
fn what_a_transformer_was_given_reads_back() {
    let reshaped = Event { kind: "other".to_owned(), data: None, ..event("t") };
    for given in [event("t"), reshaped] {
        let end = TransformEnd::of(Ok(Transformed::Reject("no title".to_owned())));
        let recording = TransformRecording::of("split", &given, &event("t"), end);
        assert_eq!(recording.given.is_some(), given.kind == "other");
        let json = Recorded::from(recording.clone()).to_json();
        assert_eq!(Recorded::from_json(&json).unwrap(), recording.clone().into());
        assert_eq!(format!("{:?}", recording.given(event("t"))), format!("{given:?}"));
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(json.pointer("/transform/end"), Some(&json!({"rejected": "no title"})));
    }
}

#[test]
fn a_secret_that_comes_back_is_struck_out_wherever_it_went() {
    let mask = mask_of("hush");
    let echo =
        vec![vec![answered(401, b"you sent hush", None)], vec![Reply::Failed(Failure::Other("hush".into()))]];
    let asked =
        vec![vec![put("/hush", Body::Bytes(Bytes::from_static(b"\xffhush")))], vec![put("/x", Body::None)]];
    for result in [
        Ok(Outcome::Denied("hush".to_owned())),
        Ok(Outcome::Conflict(crate::contract::Conflict {
            version: Some("hush".to_owned()),
            current: Some(Bytes::from_static(b"hush")),
            reason: "hush".to_owned(),
        })),
        Err(Fault::Trap("hush".to_owned())),
    ] {
        let delivery = delivery(event("t"), echo.clone());
        let recording = Recording::of(&delivery, &asked, &result, &event("t"), &mask);
        assert!(recording.is_struck);
        let text = String::from_utf8(Recorded::from(recording).to_json().to_vec()).unwrap();
        assert!(!text.contains("hush") && !text.contains("aHVz"), "{text}");
        let mut result = result;
        strike_result(&mut result, &mask);
        assert!(!format!("{result:?}").contains("hush"), "{result:?}");
    }
    let silent = delivery(event("t"), Vec::new());
    let recording = Recording::of(&silent, &[], &retry(), &event("t"), &mask);
    assert!(!recording.is_struck);
}

#[test]
fn a_long_reason_is_cut_and_leaves_no_part_of_a_secret() {
    let mask = mask_of("hush");
    // The secret is before the cut, upon it, and behind it; and so is half a letter.
    for before in [1000, 1001, 1021, 1022, 1023, 1024] {
        let said = format!("{}hush{}", "x".repeat(before), "é".repeat(600));
        let retry = || Retry { after: None, reason: said.clone() };
        let conflict = || Conflict { version: None, current: None, reason: said.clone() };
        for outcome in [
            Outcome::Skipped(said.clone()),
            Outcome::Retry(retry()),
            Outcome::Throttled(retry()),
            Outcome::Denied(said.clone()),
            Outcome::Conflict(conflict()),
            Outcome::Rejected(said.clone()),
        ] {
            let mut result = Ok(outcome);
            strike_result(&mut result, &mask);
            let (Outcome::Skipped(why)
            | Outcome::Denied(why)
            | Outcome::Rejected(why)
            | Outcome::Retry(Retry { reason: why, .. })
            | Outcome::Throttled(Retry { reason: why, .. })
            | Outcome::Conflict(Conflict { reason: why, .. })) = result.unwrap()
            else {
                panic!("it was no receipt")
            };
            assert_eq!(why.len(), 1024 - usize::from(before == 1001), "{before}");
            assert!(!why.contains('h') && !why.contains('u'), "{why}");
        }
    }
}

#[test]
fn what_a_transformer_says_is_cut() {
    let said = || "x".repeat(2000);
    let cut = "x".repeat(1024);
    assert_eq!(TransformEnd::of(Ok(Transformed::Drop(said()))), TransformEnd::Dropped(cut.clone()));
    assert_eq!(TransformEnd::of(Ok(Transformed::Reject(said()))), TransformEnd::Rejected(cut));
}

#[test]
fn what_is_too_large_is_cut_and_says_so() {
    let large = Reply::from(HttpResponse {
        status: 200,
        headers: HeaderMap::new(),
        body: vec![b'x'; RECORDING_BYTES].into(),
        kept: None,
    });
    let delivery = delivery(event("t"), vec![vec![large]]);
    let asked = [vec![put("/a", Body::None)]];
    let recording = Recording::of(&delivery, &asked, &retry(), &event("t"), &Mask::default());
    let json = Recorded::from(recording).to_json();
    assert_eq!(Recorded::from_json(&json).unwrap(), Recorded::Cut("it takes more than 256 KiB".to_owned()));
}

#[test]
fn an_answer_that_somebody_changed_is_no_reply() {
    let kept = |length, sha256: &str| AnswerBody::Kept { length, sha256: sha256.to_owned() };
    let bytes = AnswerBody::Bytes(Bytes::new());
    for (headers, body) in [
        (vec![("a b".to_owned(), String::new())], bytes.clone()),
        (vec![("a".to_owned(), "\n".to_owned())], bytes),
        (vec![], kept(1, &"0g".repeat(32))),
        (vec![], kept(1, "07")),
    ] {
        assert!(Answer::Http { status: 200, headers, body }.reply().is_none());
    }
}
