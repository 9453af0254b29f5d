//! Each form over HTTP, what becomes of it in Kafka, and what is refused.

use http::HeaderValue;

use super::*;

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

const BINARY: [(&str, &str); 4] =
    [("ce-specversion", "1.0"), ("ce-id", "e-1"), ("ce-source", "/s"), ("ce-type", "policy.updated")];

fn binary(more: &[(&'static str, &str)], body: &'static str) -> Result<Incoming, IncomingError> {
    Incoming::from_binary(&headers(&[&BINARY[..], more].concat()), Bytes::from_static(body.as_bytes()))
}

fn structured(text: &str) -> Result<Incoming, IncomingError> {
    Incoming::from_structured(&Bytes::copy_from_slice(text.as_bytes()))
}

fn written(incoming: &Incoming) -> Vec<(&str, &str)> {
    let headers = incoming.headers.iter();
    headers.map(|(name, value)| (name.as_ref(), str::from_utf8(value.as_ref().unwrap()).unwrap())).collect()
}

fn said(result: Result<Incoming, IncomingError>) -> String {
    result.expect_err("it is no event").to_string()
}

#[test]
fn a_binary_event_is_the_same_in_kafka() {
    let more = [
        ("ce-time", "2026-11-14T22:13:20.123456+01:00"),
        ("ce-subject", "\"caf%C3%A9 \\\"x\\\"\""),
        ("ce-traceparent", "00-1-2-01"),
        ("content-type", "application/json"),
        ("x-other", "not an attribute"),
    ];
    let incoming = binary(&more, r#"{"a": 1.50}"#).unwrap();
    let mut found = written(&incoming);
    found.sort_unstable();
    assert_eq!(
        found,
        [
            ("ce_id", "e-1"),
            ("ce_source", "/s"),
            ("ce_specversion", "1.0"),
            ("ce_subject", "café \"x\""),
            ("ce_time", "2026-11-14T22:13:20.123456+01:00"),
            ("ce_traceparent", "00-1-2-01"),
            ("ce_type", "policy.updated"),
            ("content-type", "application/json"),
        ]
    );
    assert_eq!(incoming.value.as_deref(), Some(br#"{"a": 1.50}"#.as_slice()));
    assert_eq!((incoming.event.id.as_str(), incoming.event.kind.as_str()), ("e-1", "policy.updated"));
}

#[test]
fn a_structured_event_is_the_same_in_kafka() {
    let text = r#"{"specversion":"1.0","id":"e-1","source":"/s","type":"t","subject":null,"number":7,"flag":true,
        "data":{"a": 1.50, "big": 12345678901234567890123}}"#;
    let incoming = structured(text).unwrap();
    assert_eq!(
        written(&incoming),
        [
            ("ce_specversion", "1.0"),
            ("ce_id", "e-1"),
            ("ce_source", "/s"),
            ("ce_type", "t"),
            ("ce_number", "7"),
            ("ce_flag", "true"),
            ("content-type", "application/json"),
        ]
    );
    assert_eq!(incoming.value.as_deref(), Some(br#"{"a": 1.50, "big": 12345678901234567890123}"#.as_slice()));
}

#[test]
fn data_is_what_its_type_says() {
    for (members, content_type, value) in [
        (r#""data": "text""#, Some("application/json"), Some("\"text\"")),
        (r#""datacontenttype": "text/plain", "data": "a\nb""#, Some("text/plain"), Some("a\nb")),
        (r#""datacontenttype": "text/plain", "data": 7"#, Some("text/plain"), Some("7")),
        (r#""data_base64": "eHk=""#, None, Some("xy")),
        (r#""datacontenttype": "application/x", "data_base64": "eHk=""#, Some("application/x"), Some("xy")),
        (r#""data": null"#, Some("application/json"), Some("null")),
        (r#""data": null, "data_base64": "eHk=""#, None, Some("xy")),
        (r#""data_base64": null"#, None, None),
        (r#""datacontenttype": "text/plain""#, None, None),
    ] {
        let text = format!(r#"{{"specversion":"1.0","id":"1","source":"/s","type":"t",{members}}}"#);
        let incoming = structured(&text).unwrap();
        assert_eq!(incoming.event.content_type.as_deref(), content_type, "{members}");
        assert_eq!(incoming.value.as_deref(), value.map(str::as_bytes), "{members}");
    }
}

#[test]
fn an_event_without_data_is_a_tombstone_and_one_with_nothing_in_it_is_none() {
    assert_eq!(binary(&[], "").unwrap().value, None);
    assert_eq!(binary(&[("content-type", "text/plain")], "").unwrap().value.as_deref(), Some(b"".as_slice()));
}

#[test]
fn what_is_no_event_is_said() {
    for (result, expected) in [
        (structured("[]"), "the event is not a JSON object"),
        (structured(r#"{"data":{"type":"t"}}"#), "has no `specversion`"),
        (structured("{}"), "has no `specversion`"),
        (structured(r#"{"specversion":"1.0","id":"1","source":"/s"}"#), "the CloudEvent has no `type`"),
        (structured(r#"{"specversion":"0.3","id":"1","source":"/s","type":"t"}"#), "has specversion `0.3`"),
        (structured(r#"{"specversion":"1.0","id":7,"source":"/s","type":"t"}"#), "`id` is not a string"),
        (structured(r#"{"id":"1","id":"2"}"#), "the attribute `id` comes twice"),
        (structured(r#"{"x":{}}"#), "the attribute `x` is an object or a list"),
        (structured(r#"{"Foo_bar":"1"}"#), "`Foo_bar` is no name of an attribute"),
        (structured(r#"{"x":"a\nb"}"#), "the attribute `x` holds a control character"),
        (structured(r#"{"data":1,"data_base64":"eA=="}"#), "has both `data` and `data_base64`"),
        (structured(r#"{"data_base64":"-"}"#), "`data_base64` is not base64"),
        (
            structured(r#"{"specversion":"1.0","datacontenttype":"Application/CloudEvents+json","data":{}}"#),
            "a CloudEvent itself",
        ),
        (binary(&[("ce-id", "again")], ""), "the attribute `id` comes twice"),
        (binary(&[("ce-x", "a%0Ab")], ""), "the attribute `x` holds a control character"),
        (binary(&[("ce-x", "%ff")], ""), "the header `ce-x` is not UTF-8"),
        (
            binary(&[("ce-datacontenttype", "text/plain")], "x"),
            "`datacontenttype` is said by the header Content-Type",
        ),
        (binary(&[("ce-my-name", "x")], ""), "`my-name` is no name of an attribute"),
        (binary(&[("ce-time", "yesterday")], ""), "time `yesterday` is not an RFC 3339 time"),
        (binary(&[("content-type", "application/json")], "{"), "the data says that it is JSON, and is not"),
    ] {
        let text = said(result);
        assert!(text.contains(expected), "{text}\nand not\n{expected}");
    }
}

#[test]
fn an_event_of_very_many_attributes_is_refused_before_they_are_compared() {
    let event = |count: usize| {
        let more: String = (0..count).map(|number| format!(r#","a{number}":1"#)).collect();
        let text = format!(r#"{{"specversion":"1.0","id":"1","source":"/s","type":"t"{more}}}"#);
        Incoming::from_structured(&Bytes::from(text))
    };
    assert_eq!(event(96).unwrap().headers.len(), 100);
    assert!(matches!(event(97), Err(IncomingError::TooManyAttributes)));
    assert!(matches!(event(100_000), Err(IncomingError::TooManyAttributes)));
}

#[test]
fn a_batch_is_taken_whole_or_not() {
    let one = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","data":[1]}"#;
    let batch = |text: &str, most| Incoming::from_batch(&Bytes::copy_from_slice(text.as_bytes()), most);
    assert_eq!(batch("[]", 1).unwrap().len(), 0);
    let two = format!("[{one}, {}]", one.replace("\"1\"", "\"2\""));
    let ids: Vec<_> = batch(&two, 2).unwrap().into_iter().map(|incoming| incoming.event.id).collect();
    assert_eq!(ids, ["1", "2"]);
    assert!(matches!(batch(&two, 1), Err((1, IncomingError::TooMany { count: 2, most: 1 }))));
    assert!(matches!(batch(&format!("[{one}, 7]"), 2), Err((1, IncomingError::NotAnObject(_)))));
    assert!(matches!(batch("{}", 2), Err((0, IncomingError::NotABatch(_)))));
}

#[test]
fn other_json_becomes_the_data_of_an_event() {
    let attributes = || PlainAttributes { id: "1".into(), source: "/s".into(), ..PlainAttributes::default() };
    let plain = |attributes, body: &'static str| {
        Incoming::from_plain(attributes, "application/json", Bytes::from_static(body.as_bytes()))
    };
    let kind = |attributes, body| plain(attributes, body).map(|incoming| incoming.event.kind);
    let usual = || PlainAttributes { kind: Some("usual".into()), ..attributes() };
    assert_eq!(kind(usual(), "{}").unwrap(), "usual");
    assert_eq!(kind(usual(), r#"{"type":"own"}"#).unwrap(), "own");
    let given = PlainAttributes { given_kind: Some("given".into()), ..usual() };
    assert_eq!(kind(given, r#"{"type":"own"}"#).unwrap(), "given");
    assert!(matches!(kind(attributes(), "{}"), Err(IncomingError::NoType)));
    assert!(matches!(kind(usual(), "{"), Err(IncomingError::DataNotJson(_))));
    let full = PlainAttributes { subject: Some("s".into()), partition_key: Some("p".into()), ..usual() };
    let event = plain(full, "[1]").unwrap().event;
    assert_eq!((event.subject.as_deref(), event.attribute("partitionkey")), (Some("s"), Some("p")));
}

#[test]
fn the_key_is_the_first_that_there_is() {
    use KeySource::{Id, PartitionKey, Source, Subject, Type};
    let usual = [PartitionKey, Subject, Id];
    let key = |more: &[(&'static str, &str)], sources: &[KeySource]| {
        binary(more, "").unwrap().key(sources).map(|key| String::from_utf8(key.to_vec()).unwrap())
    };
    assert_eq!(key(&[("ce-partitionkey", "p"), ("ce-subject", "s")], &usual).as_deref(), Some("p"));
    assert_eq!(key(&[("ce-subject", "s")], &usual).as_deref(), Some("s"));
    assert_eq!(key(&[], &usual).as_deref(), Some("e-1"));
    assert_eq!(key(&[], &[Type]).as_deref(), Some("policy.updated"));
    assert_eq!(key(&[], &[Source]).as_deref(), Some("/s"));
    assert_eq!(key(&[], &[Subject]), None);
}
