//! Confluent's wire format, decoded by the schemas of a registry that fails, or means harm.
//!
//! A small server answers in its place, with paths, statuses and bodies as the registry's API documents them
//! (`GET /schemas/ids/ID`, `GET /subjects/SUBJECT/versions/VERSION`, error 40403). A real one is in `schema_registry_real`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use liaison::kafka::producer::Outgoing;
use liaison_tests::folder::Folder;
use liaison_tests::system::{Answer, Behaviour, System};
use liaison_tests::wait;
use serde_json::json;

use crate::fixture::{Config, Fixture, LIMIT, TOPIC, event, sorted, with_header};

const POLICY: &str = r#"{"type":"record","name":"Policy","namespace":"gov","fields":[{"name":"title","type":"string"},
    {"name":"updatedAt","type":{"type":"long","logicalType":"timestamp-millis"}},{"name":"unit","type":["null","gov.Unit"]}]}"#;
const UNIT: &str =
    r#"{"type":"record","name":"Unit","namespace":"gov","fields":[{"name":"number","type":"int"}]}"#;
const PROTO: &str = "syntax = \"proto3\";\nimport \"unit.proto\";\nmessage Other { }\nmessage Policy { string title = 1; Unit unit = 2; }";
const PROTO_UNIT: &str = "syntax = \"proto3\";\nmessage Unit { int32 number = 1; }";

/// What the registry's API answers to this path.
fn answered(path: &str) -> Answer {
    let reference = |name: &str, subject: &str| json!([{"name": name, "subject": subject, "version": 1}]);
    let body = match path.split('?').next().unwrap_or_default() {
        "/schemas/ids/1" => json!({"schema": POLICY, "references": reference("gov.Unit", "unit")}),
        "/subjects/unit/versions/1" => json!({"subject": "unit", "version": 1, "id": 11, "schema": UNIT}),
        "/schemas/ids/2" => {
            json!({"schemaType": "PROTOBUF", "schema": PROTO, "references": reference("unit.proto", "unit-proto")})
        }
        "/subjects/unit-proto/versions/1" => {
            json!({"subject": "unit-proto", "version": 1, "id": 12, "schemaType": "PROTOBUF", "schema": PROTO_UNIT})
        }
        "/schemas/ids/3" => json!({"schemaType": "JSON", "schema": "{\"type\":\"object\"}"}),
        "/schemas/ids/4" => json!({"schema": "{\"type\": \"nonsense\"}"}),
        // Each leads elsewhere as a path: there nobody says that there is no such subject.
        "/schemas/ids/5" => json!({"schema": POLICY, "references": reference("gov.Unit", "..")}),
        "/schemas/ids/6" => json!({"schema": POLICY, "references": reference("gov.Unit", "../unit?x=%2F")}),
        "/subjects/..%2Funit%3Fx=%252F/versions/1" => {
            return Answer::status(404).with_body(r#"{"error_code":40401,"message":"Subject not found"}"#);
        }
        "/schemas/ids/7" => json!({"schema": format!("\"{}\"", "x".repeat(5 << 20))}),
        "/schemas/ids/8" => json!({"schema": r#"{"type": "array", "items": "null"}"#}),
        "/versions/1" => {
            return Answer::status(404).with_body(r#"{"error_code":404,"message":"HTTP 404 Not Found"}"#);
        }
        _ => return Answer::status(404).with_body(r#"{"error_code":40403,"message":"Schema not found"}"#),
    };
    Answer::status(200).with_body(body.to_string())
}

fn registry() -> anyhow::Result<System> {
    System::start("schema-registry", Behaviour::from_fn(|request| answered(request.path)))
}

/// One that knows no schema until the switch is set: an id may be in a record before it is registered, or before a replica
/// has heard of it.
fn late_registry() -> anyhow::Result<(Arc<AtomicBool>, System)> {
    let is_there = Arc::new(AtomicBool::new(false));
    let there = is_there.clone();
    let behaviour = Behaviour::from_fn(move |request| match there.load(Ordering::Relaxed) {
        true => answered(request.path),
        false => answered("/schemas/ids/9"),
    });
    Ok((is_there, System::start("schema-registry", behaviour)?))
}

/// An event of this schema.
fn of(id: &str, schema: u32, data: &[u8]) -> Outgoing {
    let value = [&[0][..], &schema.to_be_bytes(), data].concat();
    Outgoing { value: Some(Bytes::from(value)), ..event(id, "k") }
}

fn avro(id: &str) -> Outgoing {
    // The title, 1,700,000,000,000 ms, and unit 7.
    let time = [0x80, 0xa0, 0xab, 0xfe, 0xf9, 0x62];
    of(id, 1, &[&[2 * u8::try_from(id.len()).expect("it is short")], id.as_bytes(), &time, &[2, 14]].concat())
}

fn kafka(registry: &System) -> String {
    format!("schema-registry = {{ url = \"{}\", timeout = \"5s\" }}", registry.url())
}

#[test]
fn records_of_all_three_kinds_are_delivered_as_json() -> anyhow::Result<()> {
    let registry = registry()?;
    let kafka = kafka(&registry);
    let fixture = Fixture::start(&Config { kafka: &kafka, ..Config::default() }, Behaviour::ok())?;
    let protobuf = of("proto", 2, b"\x02\x02\x0a\x05proto\x12\x02\x08\x07");
    let plain = event("plain", "k");
    fixture.produce([
        avro("avro"),
        protobuf,
        of("json", 3, br#"{"title": "json"}"#),
        plain,
        avro("again"),
    ])?;
    fixture.settled("delivered", 5)?;
    assert_eq!(
        fixture.delivered(),
        ["avro", "proto", "json", "plain", "again"],
        "the order of the key stays"
    );
    let ledger = fixture.system.ledger();
    let body = |index: usize| String::from_utf8_lossy(&ledger[index].body).into_owned();
    assert_eq!(body(0), r#"{"title":"avro","updatedAt":"2023-11-14T22:13:20Z","unit":{"number":7}}"#);
    assert_eq!(body(1), r#"{"title":"proto","unit":{"number":7}}"#);
    assert_eq!(body(2), r#"{"title": "json"}"#);
    assert_eq!(body(3), r#"{"id":"plain"}"#);
    assert!(ledger.iter().all(|entry| entry.headers["content-type"] == "application/json"));
    let asked: Vec<_> = registry.ledger().iter().map(|entry| entry.path.clone()).collect();
    assert_eq!(asked.len(), 5, "each schema is asked for once: {asked:?}");
    assert_eq!(fixture.metric("liaison_schema_registry_requests_total", &[("result", "found")]), 3.0);
    fixture.stop_without_dead_letters()
}

#[test]
fn a_record_that_is_wrong_is_a_dead_letter_as_it_was_and_others_go_on() -> anyhow::Result<()> {
    let registry = registry()?;
    let kafka = kafka(&registry);
    let fixture = Fixture::start(&Config { kafka: &kafka, ..Config::default() }, Behaviour::ok())?;
    let bad = [
        (of("short", 1, &[2]), "not what its schema 1 says: \"title\": it ends too early"),
        (of("nonsense", 4, b"x"), "of schema 4, which cannot be used"),
        (of("unknown", 9, b"x"), "of schema 9, which cannot be used: the registry has none"),
        (of("no-json", 3, b"{"), "not what its schema 3 says: it is no JSON"),
        (of("nowhere", 2, b"\x02\x0a"), "its schema has no message at [5]"),
        (of("up", 5, b"x"), "`gov.Unit` (.., version 1): no registry can be asked for such a subject"),
        (of("aside", 6, b"x"), "`gov.Unit` (../unit?x=%2F, version 1): the registry has none"),
        (of("huge", 7, b"x"), "of schema 7, which cannot be used: it is more than 4 MiB"),
        (of("bomb", 8, b"\xfe\xff\xff\xff\xff\xff\xff\x7f\x00"), "it is more than 8 MiB as JSON"),
        (of("beyond", u32::MAX, b"x"), "cannot be used: no registry has an id above 2147483647"),
    ];
    fixture.produce(bad.iter().map(|(record, _)| record.clone()).chain([avro("good")]))?;
    fixture.settled("delivered", 1)?;
    assert_eq!(fixture.requested(), ["good"]);
    for (letter, (record, said)) in fixture.dead_letters(bad.len())?.iter().zip(&bad) {
        assert_eq!((letter.reason()?, letter.header("liaison.stage")?), ("undecodable", "decode"));
        assert!(letter.message()?.contains(said), "{}\nand not\n{said}", letter.message()?);
        assert_eq!(
            (&letter.0.key, &letter.0.value),
            (&record.key, &record.value),
            "its bytes are as they were"
        );
        assert_eq!(letter.0.headers[..record.headers.len()], record.headers[..]);
    }
    let paths: Vec<_> = registry.ledger().iter().map(|entry| entry.path.clone()).collect();
    let known = |path: &String| path.starts_with("/schemas/ids/") || path.starts_with("/subjects/");
    assert!(paths.iter().all(known), "no name in a schema leads anywhere else: {paths:?}");
    fixture.host.stop()
}

#[test]
fn while_the_registry_is_away_events_wait_and_it_is_told() -> anyhow::Result<()> {
    let registry = registry()?;
    registry.refuse_connections()?;
    let kafka = kafka(&registry);
    let fixture = Fixture::start(&Config { kafka: &kafka, ..Config::default() }, Behaviour::ok())?;
    fixture.produce([avro("first"), event("second", "k"), avro("third")])?;
    let has_failed = |found: f64| found >= 2.0;
    let failed = [("result", "failed")];
    fixture.host.wait_for_metric(LIMIT, "liaison_schema_registry_requests_total", &failed, has_failed)?;
    assert!(!fixture.host.is_ready(), "it says that it is not ready");
    assert_eq!(fixture.requested(), [""; 0]);
    assert_eq!(fixture.metric("liaison_alerts_raised_total", &[]), 1.0);
    registry.accept_connections()?;
    fixture.settled("delivered", 3)?;
    assert_eq!(fixture.delivered(), ["first", "second", "third"], "nothing passed what waited");
    wait::until(LIMIT, "it to be ready", || fixture.host.is_ready())?;
    // What is known needs no registry.
    registry.refuse_connections()?;
    fixture.produce([avro("fourth")])?;
    fixture.settled("delivered", 4)?;
    fixture.stop_without_dead_letters()
}

#[test]
fn what_is_no_registrys_word_is_none_and_a_restart_goes_on_where_it_waited() -> anyhow::Result<()> {
    let is_well = Arc::new(AtomicBool::new(false));
    let well = is_well.clone();
    let registry = System::start(
        "schema-registry",
        Behaviour::from_fn(move |request| match well.load(Ordering::Relaxed) {
            // A proxy before it that has lost its way: not the registry's own 404.
            false => Answer::status(404).with_body("<html>no such page</html>"),
            true => answered(request.path),
        }),
    )?;
    let kafka = kafka(&registry);
    let fixture = Fixture::start(&Config { kafka: &kafka, ..Config::default() }, Behaviour::ok())?;
    fixture.produce([avro("waits")])?;
    let failed = [("result", "failed")];
    fixture
        .host
        .wait_for_metric(LIMIT, "liaison_schema_registry_requests_total", &failed, |found| found >= 1.0)?;
    let fixture = fixture.restarted()?;
    assert_eq!(fixture.requested(), [""; 0]);
    is_well.store(true, Ordering::Relaxed);
    fixture.settled("delivered", 1)?;
    assert_eq!(fixture.delivered(), ["waits"]);
    fixture.stop_without_dead_letters()
}

#[test]
fn a_credential_that_is_refused_is_waited_for_and_a_new_one_is_taken_from_its_file() -> anyhow::Result<()> {
    let folder = Folder::new("schema-registry")?;
    let file = folder.write("password", "word-4d1e-old")?;
    let registry = System::start(
        "schema-registry",
        Behaviour::from_fn(|request| match request.headers.get("authorization") {
            // `liaison:word-4d1e-new`
            Some(shown) if *shown == "Basic bGlhaXNvbjp3b3JkLTRkMWUtbmV3" => answered(request.path),
            shown => {
                let message = format!("not with {shown:?}, which is word-4d1e-old");
                Answer::status(401).with_body(json!({"error_code": 401, "message": message}).to_string())
            }
        }),
    )?;
    let kafka = format!(
        "schema-registry = {{ url = \"{}\", credential = {{ basic = {{ username = \"liaison\", password = {{ file = \"{}\" }} }} }} }}",
        registry.url(),
        file.display()
    );
    let fixture = Fixture::start(&Config { kafka: &kafka, ..Config::default() }, Behaviour::ok())?;
    fixture.produce([avro("waits")])?;
    wait::until(LIMIT, "it to say so", || !fixture.host.is_ready())?;
    let reasons = format!("{:?}", fixture.host.reasons());
    assert!(reasons.contains("status 401 Unauthorized"), "{reasons}");
    assert!(reasons.contains("not with") && reasons.contains("[secret]"), "{reasons}");
    assert!(!reasons.contains("word-4d1e") && !reasons.contains("bGlhaXNvbj"), "{reasons}");
    folder.write("password", "word-4d1e-new")?;
    fixture.settled("delivered", 1)?;
    fixture.stop_without_dead_letters()
}

#[test]
fn a_schema_that_a_replica_learns_late_is_waited_for() -> anyhow::Result<()> {
    let (is_there, registry) = late_registry()?;
    let kafka = kafka(&registry);
    let fixture = Fixture::start(&Config { kafka: &kafka, ..Config::default() }, Behaviour::ok())?;
    fixture.produce([avro("first"), event("second", "k")])?;
    registry.wait_for(3, LIMIT)?;
    assert_eq!(fixture.requested(), [""; 0]);
    is_there.store(true, Ordering::Relaxed);
    fixture.settled("delivered", 2)?;
    assert_eq!(fixture.delivered(), ["first", "second"], "nothing passed what waited");
    assert_eq!(fixture.metric("liaison_alerts_raised_total", &[]), 0.0, "the registry answered all the time");
    fixture.stop_without_dead_letters()
}

#[test]
fn what_is_known_to_be_unknown_is_asked_for_again_for_an_event_that_comes_later() -> anyhow::Result<()> {
    let (is_there, registry) = late_registry()?;
    let kafka = kafka(&registry);
    let fixture = Fixture::start(&Config { kafka: &kafka, ..Config::default() }, Behaviour::ok())?;
    fixture.produce([avro("too-early")])?;
    let letter = fixture.dead_letters(1)?.remove(0);
    assert!(letter.message()?.contains("of schema 1, which cannot be used: the registry has none"));
    is_there.store(true, Ordering::Relaxed);
    fixture.produce([avro("in-time")])?;
    fixture.settled("delivered", 1)?;
    assert_eq!(fixture.delivered(), ["in-time"]);
    fixture.dead_letters(1)?;
    fixture.host.stop()
}

#[test]
fn many_records_of_unknown_ids_are_asked_for_seldom_and_hold_up_others_for_a_moment_only()
-> anyhow::Result<()> {
    let registry = registry()?;
    let kafka = kafka(&registry);
    let fixture = Fixture::start(&Config { kafka: &kafka, ..Config::default() }, Behaviour::ok())?;
    let unknown = |number: u32| of("unknown", 100 + number % 3, b"x");
    fixture.produce((0..900).map(unknown).chain([avro("good")]))?;
    fixture.settled("delivered", 1)?;
    fixture.dead_letters(900)?;
    assert_eq!(fixture.delivered(), ["good"]);
    // Three ids, twice a second each at most, until the word has stood for 10 s; and what is behind an answer.
    let asked = registry.count();
    assert!(asked <= 100, "{asked} questions for 900 records of three unknown ids");
    fixture.host.stop()
}

#[test]
fn schemas_that_many_records_need_are_asked_for_side_by_side_and_not_all_at_once() -> anyhow::Result<()> {
    let asked = AtomicUsize::new(0);
    let registry = System::start(
        "schema-registry",
        Behaviour::from_fn(move |_| match asked.fetch_add(1, Ordering::Relaxed) {
            0..8 => Answer::silence(),
            _ => answered("/schemas/ids/3"),
        }),
    )?;
    let patience = Duration::from_secs(10);
    let kafka = format!("schema-registry = {{ url = \"{}\", timeout = \"10s\" }}", registry.url());
    let fixture = Fixture::start(&Config { kafka: &kafka, ..Config::default() }, Behaviour::ok())?;
    fixture.produce((1..=20).map(|id| of(&format!("e{id}"), id, b"{}")))?;
    fixture.settled("delivered", 20)?;
    let asked: Vec<_> = registry.ledger().iter().map(|entry| entry.received).collect();
    let later = |number: usize| asked[number].duration_since(asked[0]);
    assert!(later(7) < patience, "the eighth question came {:?} after the first", later(7));
    assert!(later(8) >= patience - Duration::from_secs(1), "the ninth came {:?} after the first", later(8));
    fixture.stop_without_dead_letters()
}

#[test]
fn what_is_decoded_to_much_and_not_wanted_is_taken_in_to_its_end() -> anyhow::Result<()> {
    let registry = registry()?;
    let kafka = kafka(&registry);
    let config = Config { kafka: &kafka, types: "[\"other\"]", ..Config::default() };
    let fixture = Fixture::start(&config, Behaviour::ok())?;
    // 50 kB of JSON each: many turns of the worker, and nothing else happens that would wake the subscription.
    fixture.produce((0..400).map(|number| of(&format!("e{number}"), 8, &[0xa0, 0x9c, 0x01, 0])))?;
    fixture.settled("filtered", 400)?;
    assert_eq!(fixture.requested(), [""; 0]);
    fixture.stop_without_dead_letters()
}

#[test]
fn only_records_of_the_topics_that_are_named_are_decoded() -> anyhow::Result<()> {
    let registry = registry()?;
    let kafka = kafka(&registry).replace(" }", ", topics = [\"other\"] }");
    let fixture = Fixture::start(&Config { kafka: &kafka, ..Config::default() }, Behaviour::ok())?;
    let binary = with_header(of("binary", 1, b"anything"), "x", "y");
    fixture.produce([binary.clone(), event("plain", "k")])?;
    fixture.settled("delivered", 2)?;
    assert_eq!(sorted(fixture.delivered()), ["binary", "plain"]);
    assert_eq!(Some(&fixture.system.ledger()[0].body), binary.value.as_ref());
    assert_eq!((registry.count(), TOPIC), (0, "policy-events"));
    fixture.stop_without_dead_letters()
}
