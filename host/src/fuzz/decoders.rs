//! The decoders, each with good input and with what must hold of what it takes.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};

use super::fuzz;
use crate::config::{Config, KeySource};
use crate::contract::{Failure, HttpResponse, Reply};
use crate::dead_letter::record::tests::letter;
use crate::dead_letter::recording::{RECORDING_BYTES, Recorded};
use crate::dead_letter::{Attempts, DeadLetter, attempts, file, header, mark};
use crate::event::{DecodeRules, Event, Incoming, Origin, PlainAttributes, Record};
use crate::journal::entry::Key;
use crate::journal::rounds::{self, Answered, Arguments};
use crate::schema_registry::tests::{AVRO, PROTO, record as wire, registry};
use crate::subscription::metadata;
use crate::subscription::parked::{Parked, open, seal};

fn as_record(headers: &[(&str, &str)], value: Option<&[u8]>) -> Record {
    let header = |(name, value): &(&str, &str)| {
        ((*name).to_owned().into(), Some(Bytes::copy_from_slice(value.as_bytes())))
    };
    Record {
        origin: Origin { topic: "t".into(), partition: 0, offset: 7 },
        timestamp: Some(1_700_000_000_000),
        key: Some("key".into()),
        value: value.map(Bytes::copy_from_slice),
        headers: headers.iter().map(header).collect(),
    }
}

fn value(bytes: &[u8]) -> Record {
    as_record(&[], Some(bytes))
}

fn of(record: &Record) -> &[u8] {
    record.value.as_deref().unwrap_or_default()
}

fn events() -> Vec<Record> {
    let binary = [
        ("ce_specversion", "1.0"),
        ("ce_id", "e-1"),
        ("ce_source", "/s"),
        ("ce_type", "t"),
        ("ce_time", "2023-11-14T22:13:20.123Z"),
        ("ce_traceparent", "00-1-2-01"),
        ("content-type", "application/json"),
    ];
    let structured =
        br#"{"specversion":"1.0","id":"e-1","source":"/s","type":"t","time":"2023-11-14T22:13:20Z",
        "subject":"x","datacontenttype":"application/json","number":7,"data":{"type":"u","list":[1,2,"z"]}}"#;
    let encoded = br#"{"specversion":"1.0","id":"e-2","source":"/s","type":"t","data_base64":"AAEC"}"#;
    let kind = [("content-type", "application/cloudevents+json; charset=utf-8")];
    vec![
        as_record(&binary, Some(br#"{"a":[1,{"b":null}]}"#)),
        as_record(&kind, Some(structured)),
        as_record(&kind, Some(encoded)),
        as_record(&[("content-type", "application/cloudevents-batch+json")], Some(b"[]")),
        as_record(&[("type", "policy.updated")], Some(br#"{"type":"policy.updated"}"#)),
        as_record(&[], None),
    ]
}

#[test]
fn events_are_read_without_a_panic_and_what_is_written_of_them_reads_back() {
    let rules = DecodeRules { type_header: "type".to_owned() };
    fuzz("event", &events(), |record| {
        let Ok(event) = Event::decode(record, &rules) else { return };
        assert!(!event.id.is_empty() && !event.kind.is_empty() && !event.source.is_empty());
        let text = serde_json::to_string(&event.as_cloudevent()).expect("an event can be written");
        let kind = [("content-type", "application/cloudevents+json")];
        let again = Event::decode(&as_record(&kind, Some(text.as_bytes())), &rules);
        let again = again.unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(
            (&again.id, &again.kind, &again.source),
            (&event.id, &event.kind, &event.source),
            "{text}"
        );
        if let Some(at) = event.time.filter(|at| header::time_text(*at).ends_with('Z')) {
            assert_eq!(again.time, Some(at), "{text}");
        }
    });
}

#[test]
fn records_in_the_wire_format_are_decoded_to_json_within_bounds() {
    let rules = DecodeRules { type_header: "type".to_owned() };
    let registry = registry(&[(1, "avro", AVRO), (2, "protobuf", PROTO), (3, "json", "{}")], 10);
    let seeds = [
        wire(1, b"\x06a.b\x02\x02n\x02\x08\0"),
        wire(2, b"\0\x0a\x03a.b\x12\x02\x01\x02\x1a\x02\x0a\0"),
        wire(3, br#"{"type": "a.b", "n": [1]}"#),
    ];
    for seed in &seeds {
        registry.event_if_known(seed, &rules).expect("its schema is known").expect("a seed is an event");
    }
    fuzz("wire format", &seeds, |record| {
        let Some(schemas) = registry.look_up([record]) else { return };
        let Ok(Some(json)) = schemas.json_of(record) else { return };
        serde_json::from_slice::<serde::de::IgnoredAny>(&json).expect("what is written is JSON");
        assert!(json.len() <= 8 << 20);
    });
}

/// Headers of HTTP that are none are left out: no client can send them.
fn as_headers(record: &Record) -> HeaderMap {
    let headers = record.headers.iter().filter_map(|(name, value)| {
        let name = name.replace("ce_", "ce-").parse::<http::HeaderName>().ok()?;
        Some((name, HeaderValue::from_bytes(value.as_deref()?).ok()?))
    });
    headers.collect()
}

#[test]
fn events_over_http_are_read_without_a_panic_and_as_a_subscription_reads_them() {
    let rules = DecodeRules { type_header: "type".to_owned() };
    let check = |incoming: &Incoming| {
        let origin = Origin { topic: "t".into(), partition: 0, offset: 7 };
        let (value, headers) = (incoming.value.clone(), incoming.headers.clone());
        let record = Record { origin, timestamp: None, key: incoming.key(&[KeySource::Id]), value, headers };
        let event = Event::decode(&record, &rules).expect("what was just taken");
        assert_eq!(
            (&event.id, &event.source, &event.kind),
            (&incoming.event.id, &incoming.event.source, &incoming.event.kind)
        );
        assert_eq!(event.data, incoming.value);
    };
    let mut seeds = events();
    let structured = seeds[1].value.clone().expect("it has one");
    seeds.push(value(&[b"[".as_slice(), &structured, b",", &structured, b"]"].concat()));
    fuzz("event over HTTP", &seeds, |record| {
        let body = record.value.clone().unwrap_or_default();
        Incoming::from_binary(&as_headers(record), body.clone()).iter().for_each(check);
        Incoming::from_structured(&body).iter().for_each(check);
        Incoming::from_batch(&body, 3).iter().flatten().for_each(check);
        let attributes =
            PlainAttributes { id: "1".to_owned(), source: "/s".to_owned(), ..PlainAttributes::default() };
        Incoming::from_plain(attributes, "application/json", body).iter().for_each(check);
    });
}

#[test]
fn commit_metadata_is_read_as_ranges_in_order() {
    let seeds = [
        metadata::encode(10, &[12..15, 16..17, 1_000..5_000]),
        metadata::encode(0, &[1..2]),
        metadata::encode(i64::MAX - 9, &[i64::MAX - 7..i64::MAX - 2]),
    ];
    fuzz("commit metadata", &seeds.map(|text| value(text.as_bytes())), |record| {
        let text = String::from_utf8_lossy(of(record));
        let ranges = metadata::decode(&text, i64::MAX);
        let is_apart = ranges.is_sorted_by(|one, next| one.end < next.start);
        assert!(is_apart && ranges.iter().all(|range| range.start < range.end), "{ranges:?}");
    });
}

#[test]
fn attempts_keep_to_their_bounds() {
    let mut seed = Attempts::default();
    for number in 0..40 {
        seed.push(number, Duration::from_millis(number), "retry", "503 \u{e9}\n");
    }
    fuzz("attempts", &[value(seed.to_json().as_bytes())], |record| {
        let Ok(mut read) = Attempts::from_json(of(record)) else { return };
        assert!(read.kept().len() <= attempts::KEPT && read.to_json().len() <= attempts::JSON_BYTES);
        read.push(0, Duration::ZERO, "retry", "503");
        assert!(read.kept().len() <= attempts::KEPT && read.count() as usize >= read.kept().len());
    });
}

#[test]
fn parked_events_are_opened_as_they_can_be_parked_again() {
    let originals = events();
    let parked = originals.iter().take(1).map(|original| {
        let parked = Parked {
            topic: "t".to_owned(),
            partition: 0,
            offset: 7,
            timestamp: original.timestamp,
            not_before: 1_700_000_060_000,
            first_seen_at: 1,
            first_attempt_at: 2,
            first_failure_at: Some(3),
            attempts: 4,
            doubtful: vec![5, 6],
            faults: 1,
            part: 2,
            is_late: true,
        };
        let journal = journalled();
        let sealed = seal("delay", original, &parked, &Attempts::default(), Some(&journal));
        Record { headers: sealed.headers, value: sealed.value, key: sealed.key, ..original.clone() }
    });
    fuzz("parked event", &parked.collect::<Vec<_>>(), |record| {
        let mut original = record.clone();
        match open(&mut original) {
            Err(_) => assert_eq!(format!("{original:?}"), format!("{record:?}")),
            Ok(opened) => {
                let journal = opened.journal.as_ref();
                let sealed = seal("delay", &original, &opened.parked, &opened.evidence, journal);
                let mut again = Record { headers: sealed.headers, ..original.clone() };
                let reopened = open(&mut again).expect("what was just written");
                assert_eq!(format!("{again:?}"), format!("{original:?}"));
                assert_eq!(reopened.parked, opened.parked);
            }
        }
    });
}

#[test]
fn dead_letters_are_read_as_they_are_written() {
    let written = |letter: &DeadLetter| Record {
        origin: Origin { topic: "letters".into(), partition: 0, offset: 3 },
        timestamp: Some(1),
        key: letter.record.key.clone(),
        value: letter.record.value.clone(),
        headers: letter.all_headers(),
    };
    fuzz("dead letter", &[written(&letter())], |record| {
        let Ok(letter) = DeadLetter::from_record(record.clone()) else { return };
        let again = DeadLetter::from_record(written(&letter)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(again.all_headers(), letter.all_headers());
    });
}

#[test]
fn marks_are_read_as_they_are_written() {
    let mark = mark::Mark {
        offset: 7,
        resolution: mark::Resolution::Discarded,
        at: 1_700_000_000_000,
        note: Some("twice".to_owned()),
    };
    let seed = Record { headers: mark.to_headers(), ..as_record(&[], None) };
    fuzz("mark", &[seed], |record| {
        let Some(mark) = mark::Mark::from_record(record) else { return };
        let again = Record { headers: mark.to_headers(), ..record.clone() };
        let again = mark::Mark::from_record(&again).expect("what was just written");
        assert_eq!(again.to_headers(), mark.to_headers());
    });
}

#[test]
fn recordings_are_read_as_they_are_written() {
    let whole = br#"{"whole":{"attempt":3,"now_ms":1,"seed":18446744073709551615,"idempotency_key":"k","rounds":[{"asked":
        [{"http":{"method":"PUT","url":"/a","headers":[["x","y"]],"body":"event-data","timeout":2000,"keep_body":false}}],
        "answered":[{"http":{"status":200,"headers":[["etag","1"]],"body":{"bytes":"{}"}}}]}],
        "end":{"outcome":{"retry":{"after":1500,"reason":"503"}}},"is_struck":false}}"#;
    let transform = br#"{"transform":{"transformer":"split","end":{"rejected":"no title"}}}"#;
    let seeds = [value(whole), value(transform), value(&Recorded::cut("a test"))];
    for seed in &seeds {
        Recorded::from_json(of(seed)).expect("a seed is a recording");
    }
    fuzz("recording", &seeds, |record| {
        let Ok(recorded) = Recorded::from_json(of(record)) else { return };
        let json = recorded.to_json();
        assert!(json.len() <= RECORDING_BYTES);
        assert_eq!(Recorded::from_json(&json).expect("what was just written"), recorded);
        if let Recorded::Whole(recording) = recorded {
            for answer in recording.rounds.iter().flat_map(|round| &round.answered) {
                drop(answer.reply());
            }
        }
    });
}

fn journalled() -> rounds::Recorded {
    let failed = Answered { asked: 7, reply: Some(Reply::Failed(Failure::TimedOut)) };
    let headers = HeaderMap::from_iter([(http::header::LOCATION, HeaderValue::from_static("/cases/7"))]);
    let response = HttpResponse { status: 201, headers, body: Bytes::from_static(b"{}"), kept: None };
    let answered = Answered { asked: u128::MAX, reply: Some(Reply::from(response)) };
    rounds::Recorded {
        idempotency_key: "key".into(),
        arguments: Arguments::of(&rounds::tests::delivery(0, None)),
        rounds: vec![vec![failed], vec![answered]],
    }
}

#[test]
fn entries_of_the_journal_are_read_as_they_are_written() {
    let seed = Record { key: Some("t/3/42/0/1700000000000".into()), ..value(&journalled().to_json()) };
    fuzz("journal entry", &[seed], |record| {
        let key = String::from_utf8_lossy(record.key.as_deref().unwrap_or_default());
        if let Ok(key) = key.parse::<Key>() {
            assert_eq!(key.to_string().parse::<Key>().expect("what was just written"), key);
        }
        let Ok(entry) = rounds::Recorded::from_json(of(record)) else { return };
        let json = entry.to_json();
        let again = rounds::Recorded::from_json(&json).expect("what was just written");
        assert_eq!(again.to_json(), json);
    });
}

#[test]
fn letters_in_files_and_times_are_read_without_a_panic() {
    let seeds = [value(br#"{"written":{"id":"s/0/1","headers":[]}}"#), value(b"2023-11-14T22:13:20.123Z")];
    fuzz("letter in a file", &seeds, |record| {
        let text = String::from_utf8_lossy(of(record));
        drop(file::from_json(&text));
        if let Some(at) = header::time_of(&text) {
            assert_eq!(header::time_of(&header::time_text(at)), Some(at));
        }
    });
}

#[test]
fn a_configuration_is_taken_or_each_mistake_is_said() {
    let example = include_bytes!("../../liaison.example.toml");
    let small = b"[plugins.rest]\npath = \"p\"\n[connectors.c]\nplugin = \"rest\"\nendpoint = \"https://c.example/\"\n\
        [subscriptions.s]\nconnector = \"c\"\ntopics = [\"t\"]\n[sla.default]\nmax-attempts = 3\n";
    fuzz("configuration", &[value(small), value(example)], |record| {
        let text = String::from_utf8_lossy(of(record));
        if let Err(errors) = Config::from_toml(&text, Path::new("/nowhere")) {
            assert!(!errors.to_string().is_empty());
        }
    });
}
