//! What each form of record reads as, and that nothing a record holds can do harm.

use proptest::prelude::*;

use super::*;
use crate::event::Origin;

type Headers<'a> = &'a [(&'a str, &'a [u8])];

const STRUCTURED: (&str, &[u8]) = ("Content-Type", b"Application/CloudEvents+JSON; charset=utf-8");
const BINARY: [(&str, &[u8]); 4] =
    [("ce_specversion", b"1.0"), ("ce_id", b"42"), ("ce_source", b"/hr"), ("ce_type", b"policy.updated")];

fn record(headers: Headers<'_>, value: Option<&[u8]>) -> Record {
    Record {
        origin: Origin { topic: "policies".into(), partition: 3, offset: 14 },
        timestamp: Some(1_000),
        key: Some(Bytes::from_static(b"key")),
        value: value.map(Bytes::copy_from_slice),
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned().into(), Some(Bytes::copy_from_slice(value))))
            .collect(),
    }
}

fn decode(headers: Headers<'_>, value: Option<&[u8]>) -> Result<Event, DecodeError> {
    Event::decode(&record(headers, value), &DecodeRules { type_header: "event-type".to_owned() })
}

fn structured(value: &str) -> Result<Event, DecodeError> {
    decode(&[STRUCTURED], Some(value.as_bytes()))
}

fn attributes(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn a_binary_cloudevent_is_read_from_its_headers() {
    let mut headers = BINARY.to_vec();
    headers.extend([
        ("ce_subject", b"doc/1".as_slice()),
        ("CE_Time", b"2026-11-22T10:00:00.250+02:00"),
        ("ce_PartitionKey", b"p"),
        ("ce_traceparent", b"00-ab-cd-01"),
        ("content-type", b"text/plain"),
        ("X-Team", b"hr"),
        ("binary", b"\xff"),
    ]);
    let record = record(&headers, Some(b"hello"));
    let event = Event::decode(&record, &DecodeRules { type_header: String::new() }).unwrap();
    assert_eq!(
        (event.id.as_str(), event.source.as_str(), event.kind.as_str()),
        ("42", "/hr", "policy.updated")
    );
    assert_eq!(event.subject.as_deref(), Some("doc/1"));
    assert_eq!(event.time, Some(1_795_334_400_250));
    assert_eq!(event.content_type.as_deref(), Some("text/plain"));
    assert_eq!(event.key.as_deref(), Some(b"key".as_slice()));
    assert_eq!(
        event.attributes,
        attributes(&[("partitionkey", "p"), ("traceparent", "00-ab-cd-01"), ("x-team", "hr")])
    );
    assert_eq!(event.traceparent(), Some("00-ab-cd-01"));
    assert_eq!(event.data.unwrap().as_ptr(), record.value.unwrap().as_ptr(), "the payload is shared");
}

#[test]
fn a_structured_cloudevent_is_read_from_its_value() {
    let text = r#"{"specversion":"1.0","id":"a\u0062","source":"/hr","type":"t","Comexampleflag":true,"sequence":7,
        "subject":null,"time":"2026-11-22T10:00:00Z","data": {"n": 1.50, "b":[ ]}}"#;
    let record = record(&[STRUCTURED, ("x-team", b"hr"), ("ce_id", b"other")], Some(text.as_bytes()));
    let event = Event::decode(&record, &DecodeRules { type_header: String::new() }).unwrap();
    assert_eq!((event.id.as_str(), event.source.as_str(), event.kind.as_str()), ("ab", "/hr", "t"));
    assert_eq!(event.subject, None);
    assert_eq!(event.time, Some(1_795_341_600_000));
    assert_eq!(event.content_type.as_deref(), Some("application/json"));
    assert_eq!(
        event.attributes,
        attributes(&[("comexampleflag", "true"), ("sequence", "7"), ("x-team", "hr")])
    );
    let data = event.data.unwrap();
    assert_eq!(data, r#"{"n": 1.50, "b":[ ]}"#);
    assert!(record.value.unwrap().as_ptr_range().contains(&data.as_ptr()), "the payload is shared");
}

#[test]
fn structured_data_is_read_as_its_content_type_says() {
    for (members, expected) in [
        (r#""data":"text""#, Some(r#""text""#)),
        (r#""data":"text","datacontenttype":"application/json""#, Some(r#""text""#)),
        (r#""data":"text","datacontenttype":"text/plain""#, Some("text")),
        (r#""datacontenttype":"text/plain","data":"l1\nl2""#, Some("l1\nl2")),
        (r#""datacontenttype":"text/plain","data":[1 ]"#, Some("[1 ]")),
        (r#""data_base64":"aGk=","datacontenttype":"text/plain""#, Some("hi")),
        (r#""data":null"#, Some("null")),
        (r#""data":null,"data_base64":"aGk=""#, Some("hi")),
        (r#""data_base64":null"#, None),
        (r#""subject":"s""#, None),
    ] {
        let text = format!(r#"{{"specversion":"1.0","id":"1","source":"s","type":"t",{members}}}"#);
        let event = structured(&text).unwrap();
        assert_eq!(event.data.as_deref(), expected.map(str::as_bytes), "{members}");
    }
}

#[test]
fn json_is_implied_for_data_and_nothing_for_bytes() {
    for (members, expected) in [
        (r#""data":{"a":1}"#, Some("application/json")),
        (r#""data":"text""#, Some("application/json")),
        (r#""data_base64":"eyJhIjoxfQ==""#, None),
        (r#""data_base64":"eyJhIjoxfQ==","datacontenttype":"application/json""#, Some("application/json")),
    ] {
        let text = format!(r#"{{"specversion":"1.0","id":"1","source":"s","type":"t",{members}}}"#);
        let event = structured(&text).unwrap();
        assert_eq!(event.content_type.as_deref(), expected, "{members}");
    }
}

#[test]
fn a_record_that_is_no_cloudevent_is_named_by_where_it_was_read() {
    let event = decode(&[("X-Team", b"hr"), ("raw", b"\xff")], Some(b"free text")).unwrap();
    assert_eq!((event.id.as_str(), event.source.as_str()), ("policies/3/14", "/topics/policies"));
    assert_eq!((event.kind.as_str(), event.time), ("policies", Some(1_000)));
    assert_eq!((event.subject, event.content_type), (None, None));
    assert_eq!(event.attributes, attributes(&[("x-team", "hr")]));
    assert_eq!(event.data.as_deref(), Some(b"free text".as_slice()));
}

#[test]
fn the_type_of_a_plain_record_is_found_in_its_header_then_its_data_then_its_topic() {
    for (header, value, kind, content_type) in [
        (Some("from.header"), Some(r#"{"type":"from.data"}"#), "from.header", Some("application/json")),
        (Some(""), Some(r#"{"type":"from.data"}"#), "from.data", Some("application/json")),
        (None, Some(r#" {"a":[{}],"type":"from.d\u0061ta"}"#), "from.data", Some("application/json")),
        (None, Some(r#"{"type":""}"#), "policies", Some("application/json")),
        (None, Some(r#"{"type":7}"#), "policies", Some("application/json")),
        (None, Some(r#"{"type":"cut"#), "policies", Some("application/json")),
        (None, Some(r#"["type"]"#), "policies", Some("application/json")),
        (None, Some(""), "policies", None),
        (None, None, "policies", None),
    ] {
        let headers: Vec<_> = header.iter().map(|kind| ("event-type", kind.as_bytes())).collect();
        let event = decode(&headers, value.map(str::as_bytes)).unwrap();
        assert_eq!((event.kind.as_str(), event.content_type.as_deref()), (kind, content_type), "{value:?}");
    }
    let event = decode(&[("content-type", b"application/x")], Some(b"{}")).unwrap();
    assert_eq!(event.content_type.as_deref(), Some("application/x"));
}

#[test]
fn a_tombstone_has_no_data_in_any_form() {
    let structured = decode(&[STRUCTURED], None).unwrap();
    assert_eq!(
        (structured.id.as_str(), structured.data, structured.content_type),
        ("policies/3/14", None, None)
    );
    let binary = decode(&BINARY, None).unwrap();
    assert_eq!((binary.id.as_str(), binary.data, binary.time), ("42", None, Some(1_000)));
}

#[test]
fn what_is_wrong_with_a_record_is_said() {
    let whole =
        |member: &str| format!(r#"{{"specversion":"1.0","id":"1","source":"s","type":"t",{member}}}"#);
    for (text, expected) in [
        ("[]".to_owned(), "not a JSON object"),
        ("{".to_owned(), "not a JSON object"),
        ("{}".to_owned(), "has no `specversion`"),
        (r#"{"specversion":"0.3"}"#.to_owned(), "has specversion `0.3`: only `1.0`"),
        (r#"{"specversion":1.0}"#.to_owned(), "`specversion` is not a string"),
        (r#"{"specversion":"1.0","id":""}"#.to_owned(), "has no `id`, or an empty one"),
        (r#"{"specversion":"1.0","id":"1"}"#.to_owned(), "has no `source`"),
        (r#"{"specversion":"1.0","id":"1","source":"s"}"#.to_owned(), "has no `type`"),
        (whole(r#""time":"yesterday""#), "time `yesterday` is not an RFC 3339 time"),
        (whole(r#""time":"1969-12-31T23:59:59Z""#), "since 1970"),
        (whole(r#""data_base64":"%""#), "`data_base64` is not base64"),
        (whole(r#""data_base64":1"#), "`data_base64` is not a string"),
        (whole(r#""data_base64":"","data":1"#), "both `data` and `data_base64`"),
    ] {
        let error = structured(&text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
    let batch = decode(&[("content-type", b"application/cloudevents-batch+json")], Some(b"[]")).unwrap_err();
    assert!(batch.to_string().contains("for HTTP only"));
    let mut headers = BINARY.to_vec();
    headers[2].1 = b"\xff";
    assert_eq!(decode(&headers, None).unwrap_err().to_string(), "the header `ce_source` is not UTF-8");
    assert_eq!(
        decode(&BINARY[..2], None).unwrap_err().to_string(),
        "the CloudEvent has no `source`, or an empty one: the producer must set it"
    );
}

#[test]
fn many_headers_and_a_large_value_are_read() {
    let names: Vec<String> = (0..300).map(|number| format!("h{number}")).collect();
    let headers: Vec<_> = names.iter().map(|name| (name.as_str(), b"v".as_slice())).collect();
    let value = format!(r#"{{"pad":"{}","type":"t"}}"#, "x".repeat(1 << 20));
    let event = decode(&headers, Some(value.as_bytes())).unwrap();
    assert_eq!((event.kind.as_str(), event.attributes.len()), ("t", 300));
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..60),
        // Mostly well formed: what arbitrary bytes would never reach.
        r#"\{("(specversion|id|source|type|time|data|data_base64|x)":("1\.0"|"a"|null|1|\{\}|"\\u00e9"),?){0,8}\}"#
            .prop_map(String::into_bytes),
    ]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "(content-type|ce_(id|source|type|specversion|time|subject|x)|event-type|ce_|é|ceé)",
        any::<String>(),
    ]
}

fn header_value() -> impl Strategy<Value = Option<Vec<u8>>> {
    prop_oneof![
        Just(None),
        Just(Some(b"application/cloudevents+json".to_vec())),
        Just(Some(b"1.0".to_vec())),
        proptest::collection::vec(any::<u8>(), 0..20).prop_map(Some),
    ]
}

proptest! {
    #[test]
    fn decoding_never_panics_and_never_leaves_a_name_empty(
        headers in proptest::collection::vec((name(), header_value()), 0..8),
        value in proptest::option::of(bytes()),
    ) {
        let mut record = record(&[], value.as_deref());
        record.headers = headers.into_iter().map(|(name, value)| (name.into(), value.map(Bytes::from))).collect();
        if let Ok(event) = Event::decode(&record, &DecodeRules { type_header: "event-type".to_owned() }) {
            prop_assert!(!event.id.is_empty() && !event.source.is_empty() && !event.kind.is_empty());
            prop_assert!(event.data.is_none() || record.value.is_some());
        }
    }

    #[test]
    fn both_forms_read_as_the_same_event(
        id in ".{1,12}",
        kind in "[a-z.]{1,12}",
        subject in ".{1,12}",
        extension in ".{0,12}",
        time_ms in 0_i64..4_102_444_800_000,
        number in any::<i64>(),
    ) {
        let time = DateTime::from_timestamp_millis(time_ms).unwrap().to_rfc3339();
        let data = serde_json::json!({ "number": number }).to_string();
        let mut headers = BINARY.to_vec();
        headers[1].1 = id.as_bytes();
        headers[3].1 = kind.as_bytes();
        headers.extend([
            ("ce_subject", subject.as_bytes()),
            ("ce_time", time.as_bytes()),
            ("ce_extension", extension.as_bytes()),
            ("content-type", b"application/json".as_slice()),
        ]);
        let binary = decode(&headers, Some(data.as_bytes())).unwrap();
        let text = serde_json::to_string(&binary.as_cloudevent()).unwrap();
        let structured = structured(&text).unwrap();
        prop_assert_eq!(binary.time, u64::try_from(time_ms).ok());
        prop_assert_eq!(format!("{binary:?}"), format!("{structured:?}"));
    }
}
