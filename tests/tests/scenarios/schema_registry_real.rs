//! Confluent's wire format against a real registry: Apicurio Registry, by the API of Confluent's that it has.
//!
//! The data behind the ids was recorded from Confluent's own serializers (confluent-kafka 2.16.1 for Python, with this same
//! registry), so that nobody here wrote both ends. What fails on purpose is in `schema_registry`.

use std::sync::OnceLock;

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use liaison::kafka::producer::Outgoing;
use liaison_tests::certificates::{Authority, LOOPBACK};
use liaison_tests::folder::Folder;
use liaison_tests::schema_registry::SchemaRegistry;
use liaison_tests::system::Behaviour;
use liaison_tests::{is_quick, say_skipped, wait};
use serde_json::{Value, json};

use crate::command::Program;
use crate::fixture::{Config, Fixture, LIMIT, event};

const UNIT: &str = r#"{"type": "record", "name": "Unit", "namespace": "gov", "fields": [{"name": "number", "type": "int"}]}"#;
const POLICY: &str = r#"{"type": "record", "name": "Policy", "namespace": "gov", "fields": [
    {"name": "title", "type": "string"},
    {"name": "updatedAt", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "unit", "type": ["null", "gov.Unit"], "default": null},
    {"name": "fee", "type": {"type": "bytes", "logicalType": "decimal", "precision": 60, "scale": 2}},
    {"name": "day", "type": {"type": "int", "logicalType": "date"}},
    {"name": "tags", "type": {"type": "map", "values": "string"}},
    {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["OPEN", "SHUT"]}},
    {"name": "rates", "type": {"type": "array", "items": "double"}}]}"#;
const PROTO_UNIT: &str = "syntax = \"proto3\";\npackage gov;\nmessage Unit { int32 number = 1; }";
const PROTO: &str = r#"syntax = "proto3";
package gov;
import "gov/unit.proto";
import "google/protobuf/timestamp.proto";
message Other { string name = 1; }
message Policy {
  message Part { int32 number = 1; }
  string title = 1;
  google.protobuf.Timestamp updated_at = 2;
  gov.Unit unit = 3;
  repeated Part parts = 4;
}"#;
/// The same two files as that serializer registers them: their descriptors, in base64.
const SERIALIZED_UNIT: &str = "Cg5nb3YvdW5pdC5wcm90bxIDZ292IhYKBFVuaXQSDgoGbnVtYmVyGAEgASgFYgZwcm90bzM=";
const SERIALIZED: &str = concat!(
    "Cgxwb2xpY3kucHJvdG8SA2dvdhoOZ292L3VuaXQucHJvdG8aH2dvb2dsZS9wcm90b2J1Zi90aW1lc3RhbXAucHJvdG8iFQoFT3RoZXISDAoEbmFt",
    "ZRgBIAEoCSKZAQoGUG9saWN5Eg0KBXRpdGxlGAEgASgJEi4KCnVwZGF0ZWRfYXQYAiABKAsyGi5nb29nbGUucHJvdG9idWYuVGltZXN0YW1wEhcK",
    "BHVuaXQYAyABKAsyCS5nb3YuVW5pdBIfCgVwYXJ0cxgEIAMoCzIQLmdvdi5Qb2xpY3kuUGFydBoWCgRQYXJ0Eg4KBm51bWJlchgBIAEoBWIGcHJv",
    "dG8z"
);
const JSON_SCHEMA: &str = r#"{"$schema": "http://json-schema.org/draft-07/schema#", "title": "Policy", "type": "object", "properties": {"title": {"type": "string"}}}"#;

/// What the serializers wrote behind the id.
const AVRO_DATA: &str = "086176726f80a0abfef962020e24fe95316f5200aa14cbdc866aa9176f5fc5dfc0b8020202610262000204000000000000e03f000000000000f0bf00";
const PROTO_DATA: &str = "02020a0570726f746f12060880e2cfaa061a0208072202080122020802";
const OTHER_DATA: &str = "000a056669727374";
const PART_DATA: &str = "0402000809";
const JSON_DATA: &str = "7b227469746c65223a226a736f6e227d";
const BYTES_DATA: &str = "6162";

/// The registry that these scenarios share, with its schemas: a start takes seconds.
struct Shared {
    registry: SchemaRegistry,
    avro: u32,
    proto: u32,
    serialized: u32,
    json: u32,
    bytes: u32,
}

fn shared() -> anyhow::Result<&'static Shared> {
    static SHARED: OnceLock<Result<Shared, String>> = OnceLock::new();
    let shared = SHARED.get_or_init(|| start().map_err(|error| format!("{error:#}")));
    shared.as_ref().map_err(|error| anyhow!("the schema registry did not start: {error}"))
}

fn start() -> anyhow::Result<Shared> {
    let registry = SchemaRegistry::start()?;
    // Subjects as people have them, and as they should not.
    registry.register("gov/unit", "AVRO", UNIT, &[])?;
    registry.register("50% off?/../unit.proto", "PROTOBUF", PROTO_UNIT, &[])?;
    registry.register("gov/unit.proto", "PROTOBUF", SERIALIZED_UNIT, &[])?;
    let unit = [("gov/unit.proto", "50% off?/../unit.proto")];
    Ok(Shared {
        avro: registry.register("avro-value", "AVRO", POLICY, &[("gov.Unit", "gov/unit")])?,
        proto: registry.register("proto-value", "PROTOBUF", PROTO, &unit)?,
        serialized: registry.register(
            "serialized-value",
            "PROTOBUF",
            SERIALIZED,
            &[("gov/unit.proto", "gov/unit.proto")],
        )?,
        json: registry.register("json-value", "JSON", JSON_SCHEMA, &[])?,
        bytes: registry.register("bytes-value", "AVRO", "{\"type\": \"bytes\"}", &[])?,
        registry,
    })
}

/// An event whose value is of this schema.
fn of(id: &str, schema: u32, data: &str) -> Outgoing {
    let byte = |at: usize| u8::from_str_radix(&data[at..at + 2], 16).expect("it was recorded in hexadecimal");
    let data: Vec<u8> = (0..data.len()).step_by(2).map(byte).collect();
    let value = [&[0][..], &schema.to_be_bytes(), &data].concat();
    Outgoing { value: Some(Bytes::from(value)), ..event(id, "k") }
}

fn kafka(registry: &SchemaRegistry) -> String {
    format!("schema-registry = {{ url = \"{}\", timeout = \"2s\" }}", registry.url())
}

fn is_left_out(test: &str) -> bool {
    if is_quick() {
        say_skipped(test, "needs a real schema registry");
    }
    is_quick()
}

#[test]
fn what_confluents_serializers_write_is_delivered_as_json_by_a_real_registry() -> anyhow::Result<()> {
    if is_left_out("what_confluents_serializers_write_is_delivered_as_json_by_a_real_registry") {
        return Ok(());
    }
    let Shared { registry, avro, proto, serialized, json, bytes } = shared()?;
    let kafka = kafka(registry);
    let fixture = Fixture::start(&Config { kafka: &kafka, ..Config::default() }, Behaviour::ok())?;
    let policy = json!({
        "title": "proto", "updatedAt": "2023-11-14T22:13:20Z", "unit": {"number": 7},
        "parts": [{"number": 1}, {"number": 2}],
    });
    let expected = [
        (
            of("avro", *avro, AVRO_DATA),
            json!({
                "title": "avro", "updatedAt": "2023-11-14T22:13:20Z", "unit": {"number": 7},
                "fee": "-1234567890123456789012345678901234567890.25", "day": "2024-10-04", "tags": {"a": "b"},
                "kind": "SHUT", "rates": [0.5, -1.0],
            }),
        ),
        (of("proto", *proto, PROTO_DATA), policy.clone()),
        (of("first", *proto, OTHER_DATA), json!({"name": "first"})),
        (of("nested", *proto, PART_DATA), json!({"number": 9})),
        (of("serialized", *serialized, PROTO_DATA), policy),
        (of("json", *json, JSON_DATA), json!({"title": "json"})),
        (of("bytes", *bytes, BYTES_DATA), json!("YWI=")),
    ];
    fixture.produce(expected.iter().map(|(record, _)| record.clone()))?;
    fixture.settled("delivered", 7)?;
    let ids = ["avro", "proto", "first", "nested", "serialized", "json", "bytes"];
    assert_eq!(fixture.delivered(), ids, "the order of the key stays");
    for (entry, (_, expected)) in fixture.system.ledger().iter().zip(&expected) {
        assert_eq!(&serde_json::from_slice::<Value>(&entry.body)?, expected);
    }
    assert_eq!(fixture.metric("liaison_schema_registry_requests_total", &[("result", "found")]), 5.0);
    fixture.stop_without_dead_letters()
}

#[test]
fn what_a_real_registry_does_not_know_is_a_dead_letter_and_holds_up_nobody() -> anyhow::Result<()> {
    if is_left_out("what_a_real_registry_does_not_know_is_a_dead_letter_and_holds_up_nobody") {
        return Ok(());
    }
    let Shared { registry, avro, proto, .. } = shared()?;
    let kafka = kafka(registry);
    let fixture = Fixture::start(&Config { kafka: &kafka, ..Config::default() }, Behaviour::ok())?;
    let bad = [
        (of("unknown", 900_000, "00"), "of schema 900000, which cannot be used: the registry has none"),
        (
            of("most", i32::MAX as u32, "00"),
            "of schema 2147483647, which cannot be used: the registry has none",
        ),
        // Of these the registry says something else: that it has no such page.
        (of("beyond", 1 << 31, "00"), "cannot be used: no registry has an id above 2147483647"),
        (of("all", u32::MAX, "00"), "cannot be used: no registry has an id above 2147483647"),
        (of("short", *avro, "08"), "\"title\": it ends too early"),
        (of("nowhere", *proto, "020a"), "its schema has no message at [5]"),
    ];
    let good = of("good", *avro, AVRO_DATA);
    fixture.produce(bad.iter().map(|(record, _)| record.clone()).chain([good]))?;
    fixture.settled("delivered", 1)?;
    assert_eq!(fixture.requested(), ["good"]);
    for (letter, (record, said)) in fixture.dead_letters(bad.len())?.iter().zip(&bad) {
        assert_eq!((letter.reason()?, letter.header("liaison.stage")?), ("undecodable", "decode"));
        assert!(letter.message()?.contains(said), "{}\nand not\n{said}", letter.message()?);
        assert_eq!(letter.0.value, record.value, "its bytes are as they were");
    }
    assert!(fixture.host.is_ready());
    fixture.host.stop()
}

#[test]
fn while_a_real_registry_is_frozen_events_wait_and_then_go_on() -> anyhow::Result<()> {
    if is_left_out("while_a_real_registry_is_frozen_events_wait_and_then_go_on") {
        return Ok(());
    }
    // One of its own, so that nobody else waits for it.
    let mut registry = SchemaRegistry::start()?;
    registry.register("gov/unit", "AVRO", UNIT, &[])?;
    let avro = registry.register("avro-value", "AVRO", POLICY, &[("gov.Unit", "gov/unit")])?;
    registry.freeze()?;
    let kafka = kafka(&registry);
    let fixture = Fixture::start(&Config { kafka: &kafka, ..Config::default() }, Behaviour::ok())?;
    fixture.produce([of("first", avro, AVRO_DATA), event("second", "k")])?;
    let failed = [("result", "failed")];
    fixture
        .host
        .wait_for_metric(LIMIT, "liaison_schema_registry_requests_total", &failed, |found| found >= 1.0)?;
    assert!(!fixture.host.is_ready(), "it says that it is not ready");
    assert_eq!(fixture.requested(), [""; 0]);
    registry.thaw()?;
    fixture.settled("delivered", 2)?;
    assert_eq!(fixture.delivered(), ["first", "second"], "nothing passed what waited");
    wait::until(LIMIT, "it to be ready", || fixture.host.is_ready())?;
    fixture.stop_without_dead_letters()
}

/// What `check --live` says of the registry.
fn checked(fixture: &Fixture, kafka: &str) -> anyhow::Result<String> {
    let config = Config { kafka, ..Config::default() };
    let ended = Program::new(&config.text(fixture.broker.bootstrap(), &fixture.system.url())?)?
        .run("check --live")?;
    let line = ended.out.lines().find(|line| line.starts_with("schema registry"));
    Ok(line.with_context(|| format!("nothing is said of it: {ended:#?}"))?.to_owned())
}

#[test]
fn check_live_asks_a_real_registry() -> anyhow::Result<()> {
    if is_left_out("check_live_asks_a_real_registry") {
        return Ok(());
    }
    let Shared { registry, .. } = shared()?;
    let fixture = Fixture::start(&Config::default(), Behaviour::ok())?;
    let there = checked(&fixture, &kafka(registry))?;
    assert!(there.contains(&format!("ok      {}", registry.url())), "{there}");
    let nowhere =
        checked(&fixture, &format!("schema-registry = {{ url = \"{}/nowhere\" }}", registry.url()))?;
    assert!(nowhere.contains("failed  HTTP request to schema registry failed with status 404"), "{nowhere}");
    fixture.stop_without_dead_letters()
}

#[test]
fn a_real_registry_is_trusted_by_its_certificate() -> anyhow::Result<()> {
    if is_left_out("a_real_registry_is_trusted_by_its_certificate") {
        return Ok(());
    }
    let folder = Folder::new("schema-registry-trust")?;
    let (authority, other) = (Authority::new("agency")?, Authority::new("other")?);
    let registry = SchemaRegistry::start_secured(&authority.certify(&LOOPBACK)?)?;
    let fixture = Fixture::start(&Config::default(), Behaviour::ok())?;
    let by = |authority: &Authority| {
        let file = authority.write(&folder)?;
        let kafka =
            format!("schema-registry = {{ url = \"{}\", ca-file = \"{}\" }}", registry.url(), file.display());
        checked(&fixture, &kafka)
    };
    let trusted = by(&authority)?;
    assert!(trusted.contains("ok      https://127.0.0.1:"), "{trusted}");
    let stranger = by(&other)?;
    assert!(stranger.contains("failed  ") && stranger.contains("invalid peer certificate"), "{stranger}");
    fixture.stop_without_dead_letters()
}
