//! Records and schemas together, without a registry: what it would have answered is put into the cache.

use super::*;
use crate::event::Origin;
use crate::telemetry::Telemetry;

/// A registry that knows these schemas and answers nothing.
pub(crate) fn registry(schemas: &[(u32, &str, &str)], most: usize) -> SchemaRegistry {
    registry_of(None, schemas, most)
}

/// The same, for these topics alone.
pub(crate) fn registry_of(
    topics: Option<Vec<String>>,
    schemas: &[(u32, &str, &str)],
    most: usize,
) -> SchemaRegistry {
    let mut settings = config::SchemaRegistry::new("http://127.0.0.1:9/".parse().unwrap());
    (settings.cache, settings.topics) = (most, topics);
    let registry = SchemaRegistry::new(Some(&settings), Telemetry::new().schema_registry()).unwrap();
    let shared = registry.0.as_ref().unwrap();
    for (id, kind, text) in schemas {
        let kind = match *kind {
            "avro" => Kind::Avro,
            "protobuf" => Kind::Protobuf,
            "json" => Kind::Json,
            other => Kind::Other(other.to_owned()),
        };
        let found = Schema::of(Found { kind, text: (*text).to_owned(), references: Vec::new() });
        let schema = found.unwrap_or_else(Schema::Unusable);
        shared.cache().put(*id, Arc::new(schema), text.len(), most);
    }
    drop(shared.cache());
    registry
}

/// A record of this schema.
pub(crate) fn record(id: u32, data: &[u8]) -> Record {
    let value = [&[0][..], &id.to_be_bytes(), data].concat();
    Record {
        origin: Origin { topic: "t".into(), partition: 0, offset: 7 },
        timestamp: Some(1),
        key: None,
        value: Some(value.into()),
        headers: Vec::new(),
    }
}

pub(crate) const AVRO: &str = r#"{"type": "record", "name": "P", "fields": [{"name": "type", "type": "string"},
    {"name": "tags", "type": {"type": "map", "values": ["null", "long"]}}]}"#;
pub(crate) const PROTO: &str =
    "syntax = \"proto3\"; message P { string type = 1; repeated int32 n = 2; P p = 3; }";

fn rules() -> DecodeRules {
    DecodeRules { type_header: "type".to_owned() }
}

#[test]
fn a_record_in_the_wire_format_is_an_event_with_json_in_it() {
    let registry = registry(&[(1, "avro", AVRO), (2, "protobuf", PROTO), (3, "json", "{}")], 10);
    for (record, data) in [
        (record(1, b"\x06a.b\0"), r#"{"type":"a.b","tags":{}}"#),
        (record(2, b"\0\x0a\x03a.b"), r#"{"type":"a.b","n":[]}"#),
        (record(3, br#"{"type": "a.b", "n": 1.50}"#), r#"{"type": "a.b", "n": 1.50}"#),
    ] {
        let event = registry.event_if_known(&record, &rules()).unwrap().unwrap();
        assert_eq!((event.kind.as_str(), event.content_type.as_deref()), ("a.b", Some("application/json")));
        assert_eq!(event.data.as_deref().map(String::from_utf8_lossy).as_deref(), Some(data));
    }
}

#[test]
fn a_cloudevents_headers_stand_and_its_type_of_content_is_that_of_the_json() {
    let registry = registry(&[(1, "avro", AVRO)], 10);
    let mut record = record(1, b"\x06a.b\0");
    for (name, value) in [
        ("ce_specversion", "1.0"),
        ("ce_id", "e-1"),
        ("ce_source", "/s"),
        ("ce_type", "own"),
        ("content-type", "application/avro"),
    ] {
        record.headers.push((name.into(), Some(Bytes::copy_from_slice(value.as_bytes()))));
    }
    let event = registry.event_if_known(&record, &rules()).unwrap().unwrap();
    assert_eq!((event.kind.as_str(), event.id.as_str()), ("own", "e-1"));
    assert_eq!(event.content_type.as_deref(), Some("application/json"));
}

#[test]
fn a_content_type_that_says_json_stands_and_a_structured_cloudevent_is_read_as_one() {
    let registry = registry(&[(1, "avro", AVRO), (3, "json", "{}")], 10);
    let with_type = |record: Record, content_type: &str| {
        let header = ("Content-Type".into(), Some(Bytes::copy_from_slice(content_type.as_bytes())));
        Record { headers: vec![header], ..record }
    };
    let event = |record: &Record| registry.event_if_known(record, &rules()).unwrap();
    let structured = br#"{"specversion":"1.0","id":"e-1","source":"/s","type":"a.b","data":{"n":1.50}}"#;
    let read =
        event(&with_type(record(3, structured), "application/cloudevents+json; charset=utf-8")).unwrap();
    assert_eq!((read.id.as_str(), read.source.as_str(), read.kind.as_str()), ("e-1", "/s", "a.b"));
    assert_eq!(read.content_type.as_deref(), Some("application/json"));
    assert_eq!(read.data.as_deref(), Some(br#"{"n":1.50}"#.as_slice()));
    let batch = event(&with_type(record(3, b"[]"), "application/cloudevents-batch+json")).unwrap_err();
    assert!(batch.to_string().contains("batch of CloudEvents"), "{batch}");
    for (record, said, expected) in [
        (record(3, b"{}"), "application/vnd.agency+json", "application/vnd.agency+json"),
        (record(3, b"{}"), "application/octet-stream", "application/json"),
        (record(1, b"\x06a.b\0"), "application/avro", "application/json"),
    ] {
        assert_eq!(
            event(&with_type(record, said)).unwrap().content_type.as_deref(),
            Some(expected),
            "{said}"
        );
    }
}

#[test]
fn what_is_in_no_such_format_is_as_it_was_and_what_is_wrong_is_said() {
    let registry = registry(&[(1, "avro", AVRO), (4, "thrift", ""), (5, "avro", "{")], 10);
    let plain = Record { value: Some(Bytes::from_static(b"{\"type\": \"x\"}")), ..record(1, b"") };
    assert_eq!(registry.event_if_known(&plain, &rules()).unwrap().unwrap().kind, "x");
    assert_eq!(
        registry.event_if_known(&Record { value: None, ..plain }, &rules()).unwrap().unwrap().kind,
        "t"
    );
    for (record, said) in [
        (record(1, b"\x06a"), "the record is not what its schema 1 says: \"type\": it ends too early"),
        (record(4, b""), "the record is of schema 4, which cannot be used: its type is `thrift`"),
        (record(5, b""), "the record is of schema 5, which cannot be used"),
    ] {
        let error = registry.event_if_known(&record, &rules()).unwrap().unwrap_err().to_string();
        assert!(error.starts_with(said), "{error}");
    }
    assert!(registry.event_if_known(&record(9, b""), &rules()).is_none(), "nobody knows schema 9 yet");
    let none = SchemaRegistry::default();
    assert!(
        none.event_if_known(&record(9, b"x"), &rules()).unwrap().is_ok(),
        "without a registry it is just bytes"
    );
}

#[test]
fn the_cache_is_bounded_and_what_is_used_stays() {
    let schemas: Vec<_> = (0..4).map(|id| (id, "json", "{}")).collect();
    let registry = registry(&schemas, 3);
    let known = |id: u32| registry.look_up([&record(id, b"{}")]).is_some();
    assert_eq!([0, 1, 2, 3].map(known), [false, true, true, true]);
    assert!(known(1));
    let shared = registry.0.as_ref().unwrap();
    shared.cache().put(7, Arc::new(Schema::Json), 2, 3);
    assert_eq!([1, 2, 3, 7].map(known), [true, false, true, true]);
}

#[tokio::test]
async fn a_registry_that_does_not_answer_is_no_fault_of_the_record() {
    let registry = registry(&[], 10);
    let away = registry.event(&record(9, b""), &rules()).await.unwrap_err().to_string();
    assert!(away.starts_with("the schema registry at http://127.0.0.1:9/ gives no schema 9: "), "{away}");
}
