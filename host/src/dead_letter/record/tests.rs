//! A dead letter is written and read back, its original untouched.

use std::time::Duration;

use proptest::prelude::*;

use super::super::conflict::tests::sides;
use super::super::reason::Fault;
use super::*;

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

pub(crate) fn letter() -> DeadLetter {
    let mut attempts = Attempts::default();
    attempts.push(1_700_000_001_000, Duration::from_millis(12), "retry", "503 Service Unavailable");
    attempts.push(1_700_000_003_000, Duration::from_millis(9), "rejected", "400: no such room");
    DeadLetter {
        record: Record {
            origin: Origin { topic: "policy-events".into(), partition: 3, offset: 42 },
            timestamp: Some(1_700_000_000_000),
            key: Some(bytes("policy-7")),
            value: Some(bytes(r#"{"room":"B12"}"#)),
            headers: vec![
                ("ce_id".into(), Some(bytes("e-1"))),
                ("flag".into(), None),
                ("binary".into(), Some(Bytes::from_static(&[0xff, 0x00]))),
            ],
        },
        subscription: SubscriptionName::new("calendar"),
        group: "liaison-calendar".to_owned(),
        connector: ConnectorName::new("training-calendar"),
        plugin: Some(Blamed { plugin: PluginName::new("rest"), sha256: [0xab; 32] }),
        host_version: "0.1.0".to_owned(),
        stage: Stage::Deliver,
        reason: Reason::Rejected,
        message: "400: no such room".to_owned(),
        event_id: Some("e-1".to_owned()),
        event_type: Some("policy.updated".to_owned()),
        idempotency_key: Some("key-1".to_owned()),
        part: Some(2),
        attempts,
        first_seen_at: 1_700_000_000_500,
        dead_lettered_at: 1_700_000_003_010,
        deadline: Some(1_700_000_900_000),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        redrives: 2,
        recording: Some(Recorded::cut("a test")),
        conflict: Some(sides().to_json()),
        is_pointer: false,
    }
}

fn as_record(letter: &DeadLetter) -> Record {
    Record {
        origin: Origin { topic: "calendar-dead-letters".into(), partition: 0, offset: 9 },
        timestamp: Some(1_700_000_003_011),
        key: letter.record.key.clone(),
        value: letter.record.value.clone(),
        headers: letter.all_headers(),
    }
}

fn assert_same(left: &DeadLetter, right: &DeadLetter) {
    assert_eq!(format!("{left:?}"), format!("{right:?}"));
}

const ATTEMPTS: &str = concat!(
    r#"{"count":2,"omitted":0,"attempts":["#,
    r#"{"number":1,"at_ms":1700000001000,"duration_ms":12,"outcome":"retry","reason":"503 Service Unavailable"},"#,
    r#"{"number":2,"at_ms":1700000003000,"duration_ms":9,"outcome":"rejected","reason":"400: no such room"}]}"#
);

#[test]
fn every_header_holds_what_its_name_says() {
    let conflict = sides().to_json();
    let expected = [
        ("__connect.errors.topic", "policy-events"),
        ("__connect.errors.partition", "3"),
        ("__connect.errors.offset", "42"),
        ("__connect.errors.connector.name", "training-calendar"),
        ("__connect.errors.task.id", "0"),
        ("__connect.errors.stage", "TASK_PUT"),
        ("__connect.errors.class.name", "rest"),
        ("__connect.errors.exception.class.name", "liaison.rejected"),
        ("__connect.errors.exception.message", "400: no such room"),
        ("__dlq.errors.group", "liaison-calendar"),
        ("__dlq.errors.delivery.count", "2"),
        ("__dlq.errors.message", "rejected: 400: no such room"),
        ("liaison.version", "0.1.0"),
        ("liaison.subscription", "calendar"),
        ("liaison.stage", "deliver"),
        ("liaison.reason", "rejected"),
        ("liaison.plugin", "rest"),
        ("liaison.plugin.sha256", &"ab".repeat(32)),
        ("liaison.event.id", "e-1"),
        ("liaison.event.type", "policy.updated"),
        ("liaison.part", "2"),
        ("liaison.idempotency-key", "key-1"),
        ("liaison.attempts", ATTEMPTS),
        ("liaison.timestamp", "2023-11-14T22:13:20.000Z"),
        ("liaison.first-seen-at", "2023-11-14T22:13:20.500Z"),
        ("liaison.dead-lettered-at", "2023-11-14T22:13:23.010Z"),
        ("liaison.deadline", "2023-11-14T22:28:20.000Z"),
        ("liaison.traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("liaison.redrives", "2"),
        ("liaison.recording", r#"{"cut":"a test"}"#),
        ("liaison.conflict", std::str::from_utf8(&conflict).unwrap()),
        ("liaison.pointer", "policy-events/3/42"),
    ];
    let expected: Vec<_> = expected.map(|(name, value)| (name.to_owned(), bytes(value))).into();
    assert_eq!(DeadLetter { is_pointer: true, ..letter() }.to_headers(), expected);
    let names: Vec<String> = expected.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, header::ALL);
}

#[test]
fn what_is_not_known_has_no_header() {
    let undecodable = DeadLetter {
        plugin: None,
        stage: Stage::Decode,
        reason: Reason::Undecodable,
        event_id: None,
        event_type: None,
        idempotency_key: None,
        part: None,
        attempts: Attempts::default(),
        deadline: None,
        traceparent: None,
        redrives: 0,
        recording: None,
        conflict: None,
        ..letter()
    };
    let headers = undecodable.to_headers();
    let value = |name: &str| headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone());
    for absent in [
        "plugin",
        "plugin.sha256",
        "event.id",
        "event.type",
        "part",
        "deadline",
        "traceparent",
        "redrives",
        "recording",
        "conflict",
        "pointer",
    ] {
        assert_eq!(value(&format!("liaison.{absent}")), None, "{absent}");
    }
    assert_eq!(value(header::CONNECT_STAGE), Some(bytes("VALUE_CONVERTER")));
    assert_eq!(value(header::CLASS), Some(bytes("liaison")));
    assert_eq!(value(header::DELIVERY_COUNT), Some(bytes("0")));
    assert_same(&DeadLetter::from_record(as_record(&undecodable)).unwrap(), &undecodable);
}

#[test]
fn the_original_is_untouched_and_its_headers_come_first() {
    let letter = letter();
    let record = as_record(&letter);
    assert_eq!(record.headers[..3], letter.record.headers[..]);
    assert_eq!(record.headers.len(), 3 + header::ALL.len() - 1);
    assert_same(&DeadLetter::from_record(record).unwrap(), &letter);
}

#[test]
fn a_dead_letter_that_dies_again_carries_only_the_new_evidence() {
    let mut second = letter();
    second.record.headers = as_record(&letter()).headers;
    second.reason = Reason::Fault(Fault::Memory);
    second.part = None;
    let headers = second.all_headers();
    let all = |wanted: &str| -> Vec<_> { headers.iter().filter(|(name, _)| name == wanted).collect() };
    assert_eq!(all(header::REASON), [&(header::REASON.into(), Some(bytes("fault-memory")))]);
    assert_eq!(all(header::PART), Vec::<&RecordHeader>::new());
    assert_eq!(headers[..3], letter().record.headers[..]);
    assert_eq!(headers.len(), 3 + header::ALL.len() - 2);
}

#[test]
fn a_smaller_shape_says_what_it_leaves_out_and_where_it_is() {
    let large = DeadLetter {
        event_id: Some("x".repeat(100_000)),
        event_type: Some("x".repeat(100_000)),
        traceparent: Some("x".repeat(100_000)),
        message: "x".repeat(100_000),
        ..letter()
    };
    let read = |shape| DeadLetter::from_record(as_record(&large.shaped(shape))).unwrap();
    let second = read(Shape::WithoutRecording);
    assert_eq!(second.record.value, letter().record.value);
    let cut = Recorded::cut("the dead letter was too large for its topic");
    assert_eq!((&second.recording, second.is_pointer), (&Some(cut.clone()), false));
    let held = |letter: &DeadLetter| letter.sides().unwrap().held.content.unwrap();
    assert!(held(&second).is_cut && held(&second).data.is_empty());
    assert_eq!(
        (second.sides().unwrap().owners, second.sides().unwrap().version),
        (sides().owners, sides().version)
    );
    let pointer = read(Shape::Pointer);
    assert_eq!((&pointer.recording, pointer.is_pointer), (&Some(cut), true));
    assert_eq!((&pointer.record.key, &pointer.record.value), (&letter().record.key, &None));
    let outline = pointer.sides().unwrap();
    assert_eq!((outline.owners, outline.version), (None, sides().version));
    assert_eq!((pointer.record.headers.len(), &pointer.record.origin), (0, &letter().record.origin));
    let headers = large.shaped(Shape::Pointer).all_headers();
    let bytes: usize =
        headers.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, Bytes::len)).sum();
    assert!(bytes < 12 << 10, "{bytes}");
    assert_eq!(Shape::Full.smaller().and_then(Shape::smaller).and_then(Shape::smaller), None);
}

#[test]
fn a_long_message_is_cut_between_characters() {
    let headers = DeadLetter { message: "é".repeat(2000), ..letter() }.to_headers();
    let value = |name: &str| &headers.iter().find(|(found, _)| found == name).unwrap().1;
    assert_eq!(value(header::EXCEPTION_MESSAGE), "é".repeat(512).as_bytes());
    assert_eq!(value(header::DLQ_MESSAGE), format!("rejected: {}", "é".repeat(507)).as_bytes());
}

#[test]
fn foreign_and_broken_records_are_refused_by_the_header_at_fault() {
    let refused = |change: &dyn Fn(&mut Record)| {
        let mut record = as_record(&letter());
        change(&mut record);
        DeadLetter::from_record(record).unwrap_err().to_string()
    };
    assert_eq!(
        refused(&|record| record.headers.retain(|(name, _)| name != header::REASON)),
        "calendar-dead-letters/0/9 is no dead letter of this host: it has no header liaison.reason"
    );
    for (header, value, expected) in [
        (header::PARTITION, "three", "a number"),
        (header::REASON, "mood", "a reason"),
        (header::STAGE, "TASK_PUT", "a stage"),
        (header::ATTEMPTS, "[]", "a list of attempts"),
        (header::DEADLINE, "soon", "a time"),
        (header::PLUGIN_SHA256, "ab", "a sha256"),
    ] {
        assert_eq!(
            refused(&|record| record.headers.push((header.into(), Some(bytes(value))))),
            format!(
                "calendar-dead-letters/0/9 cannot be read as a dead letter: its header {header} is not {expected}"
            )
        );
    }
}

proptest! {
    #[test]
    fn any_original_comes_back_as_it_was(
        key in prop::option::of(prop::collection::vec(any::<u8>(), 0..20)),
        value in prop::option::of(prop::collection::vec(any::<u8>(), 0..20)),
        headers in prop::collection::vec(("\\PC{1,9}", prop::option::of("\\PC{0,9}")), 0..5),
        origin in ("[a-z.]{1,9}", any::<i32>(), any::<i64>()),
        timestamp in prop::option::of(any::<u64>()),
        message in "\\PC{0,200}",
    ) {
        let mut before = letter();
        before.record = Record {
            origin: Origin { topic: origin.0.as_str().into(), partition: origin.1, offset: origin.2 },
            timestamp,
            key: key.map(Bytes::from),
            value: value.map(Bytes::from),
            headers: headers.into_iter().map(|(name, value)| (name.into(), value.map(Bytes::from))).collect(),
        };
        before.message = message;
        let after = DeadLetter::from_record(as_record(&before)).unwrap();
        prop_assert_eq!(format!("{after:?}"), format!("{before:?}"));
    }
}
