//! What the library's own encoder writes, as JSON; and bytes that are no datum.

use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use serde_json::json;

use super::logical::{decimal, uuid};
use super::*;

fn decoded(schema: &str, datum: &[u8]) -> Result<serde_json::Value, String> {
    let mut output = Output::default();
    Avro::parse(schema, &[])?.decode(datum, &mut output)?;
    Ok(serde_json::from_slice(&output.into_bytes()).expect("what is written is JSON"))
}

/// As the library encodes it, and as it is decoded here.
fn round(schema: &str, value: Value) -> serde_json::Value {
    let parsed = Schema::parse_str(schema).unwrap();
    let datum = GenericDatumWriter::builder(&parsed).build().unwrap().write_value_to_vec(value).unwrap();
    decoded(schema, &datum).unwrap()
}

#[test]
fn each_type_has_its_json() {
    let fixed = |size: usize| format!(r#"{{"type": "fixed", "name": "F", "size": {size}}}"#);
    let logical = |of: &str, logical: &str| format!(r#"{{"type": "{of}", "logicalType": "{logical}"}}"#);
    for (schema, value, expected) in [
        ("\"null\"".to_owned(), Value::Null, json!(null)),
        ("\"boolean\"".to_owned(), Value::Boolean(true), json!(true)),
        ("\"int\"".to_owned(), Value::Int(i32::MIN), json!(i32::MIN)),
        ("\"long\"".to_owned(), Value::Long(i64::MAX), json!(i64::MAX)),
        ("\"float\"".to_owned(), Value::Float(0.1), json!(0.1)),
        ("\"double\"".to_owned(), Value::Double(-2.5e300), json!(-2.5e300)),
        ("\"double\"".to_owned(), Value::Double(f64::NAN), json!("NaN")),
        ("\"float\"".to_owned(), Value::Float(f32::NEG_INFINITY), json!("-Infinity")),
        (
            r#"{"type": "array", "items": "bytes"}"#.to_owned(),
            Value::Array(vec![Value::Bytes(vec![0, 255])]),
            json!(["AP8="]),
        ),
        ("\"string\"".to_owned(), Value::String("a\"\n\u{e9}".to_owned()), json!("a\"\n\u{e9}")),
        (fixed(2), Value::Fixed(2, vec![1, 2]), json!("AQI=")),
        (logical("int", "date"), Value::Date(20_000), json!("2024-10-04")),
        // Years that RFC 3339 has no form for.
        (logical("int", "date"), Value::Date(i32::MAX / 100), json!(i32::MAX / 100)),
        (
            logical("long", "timestamp-millis"),
            Value::TimestampMillis(300_000_000_000_000),
            json!(300_000_000_000_000_i64),
        ),
        (logical("int", "time-millis"), Value::TimeMillis(3_723_004), json!("01:02:03.004")),
        (logical("long", "timestamp-millis"), Value::TimestampMillis(-1), json!("1969-12-31T23:59:59.999Z")),
        (
            logical("long", "timestamp-micros"),
            Value::TimestampMicros(1_000_001),
            json!("1970-01-01T00:00:01.000001Z"),
        ),
        (logical("long", "timestamp-millis"), Value::TimestampMillis(i64::MAX), json!(i64::MAX)),
        (
            logical("long", "local-timestamp-millis"),
            Value::LocalTimestampMillis(0),
            json!("1970-01-01T00:00:00"),
        ),
        (
            r#"{"type": "enum", "name": "E", "symbols": ["OPEN", "SHUT"]}"#.to_owned(),
            Value::Enum(1, "SHUT".to_owned()),
            json!("SHUT"),
        ),
        (
            r#"{"type": "array", "items": "int"}"#.to_owned(),
            Value::Array(vec![Value::Int(1), Value::Int(-1)]),
            json!([1, -1]),
        ),
        (
            r#"{"type": "map", "values": "int"}"#.to_owned(),
            Value::Map([("a".to_owned(), Value::Int(1))].into()),
            json!({"a": 1}),
        ),
        (
            r#"["null", "string"]"#.to_owned(),
            Value::Union(1, Box::new(Value::String("x".to_owned()))),
            json!("x"),
        ),
    ] {
        assert_eq!(round(&schema, value), expected, "{schema}");
    }
}

#[test]
fn records_hold_others_and_themselves() {
    let schema = r#"{"type": "record", "name": "Unit", "namespace": "gov.agency", "fields": [
        {"name": "name", "type": "string"},
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["OFFICE", "FIELD"]}},
        {"name": "other", "type": "Kind"},
        {"name": "parent", "type": ["null", "Unit"]},
        {"name": "below", "type": {"type": "array", "items": "gov.agency.Unit"}}]}"#;
    let unit = |name: &str, parent: Value| {
        Value::Record(vec![
            ("name".to_owned(), Value::String(name.to_owned())),
            ("kind".to_owned(), Value::Enum(0, "OFFICE".to_owned())),
            ("other".to_owned(), Value::Enum(1, "FIELD".to_owned())),
            ("parent".to_owned(), parent),
            ("below".to_owned(), Value::Array(Vec::new())),
        ])
    };
    let value = unit("a", Value::Union(1, Box::new(unit("b", Value::Union(0, Box::new(Value::Null))))));
    let inner = json!({"name": "b", "kind": "OFFICE", "other": "FIELD", "parent": null, "below": []});
    let expected = json!({"name": "a", "kind": "OFFICE", "other": "FIELD", "parent": inner, "below": []});
    assert_eq!(round(schema, value), expected);
}

#[test]
fn a_type_may_hold_itself_many_times() {
    let list = r#"{"type": "record", "name": "L", "fields": [{"name": "next", "type": ["null", "L"]}]}"#;
    let mut found = &decoded(list, &[[2; 60].as_slice(), &[0]].concat()).unwrap();
    for _ in 0..60 {
        found = &found["next"];
    }
    assert_eq!(*found, json!({"next": null}));
}

#[test]
fn bytes_that_are_the_whole_schema_have_no_length() {
    assert_eq!(decoded("\"bytes\"", &[0, 255]).unwrap(), json!("AP8="));
    assert_eq!(decoded("\"bytes\"", &[]).unwrap(), json!(""));
}

#[test]
fn a_schema_may_refer_to_others() {
    let schema = r#"{"type": "record", "name": "Policy", "namespace": "gov", "fields": [
        {"name": "unit", "type": "gov.Unit"}, {"name": "again", "type": "gov.Unit"}]}"#;
    let unit =
        r#"{"type": "record", "name": "Unit", "namespace": "gov", "fields": [{"name": "n", "type": "int"}]}"#;
    let avro = Avro::parse(schema, &[unit.to_owned()]).unwrap();
    let mut output = Output::default();
    avro.decode(&[2, 4], &mut output).unwrap();
    assert_eq!(output.into_bytes(), r#"{"unit":{"n":1},"again":{"n":2}}"#);
    assert!(Avro::parse(schema, &[]).is_err());
}

#[test]
fn decimals_and_the_like_lose_nothing() {
    for (bytes, scale, expected) in [
        (&[0x04, 0xd2][..], 2, "12.34"),
        (&[0xfb, 0x2e], 2, "-12.34"),
        (&[0x07], 3, "0.007"),
        (&[], 2, "0.00"),
        (&[0x7f], 0, "127"),
        (&[0x80], 0, "-128"),
        (&[0x7f; 16], 4, "16947396313317327396019049076013554.0607"),
        // More digits than 128 bits have, and few of them in many bytes.
        (
            &[
                0xfc, 0x5f, 0x85, 0x27, 0xba, 0x79, 0x4f, 0x66, 0x41, 0xe3, 0x30, 0xe1, 0x9a, 0x3d, 0x6f,
                0xff, 0xff,
            ],
            2,
            "-12341614268140452695598061174331822571.53",
        ),
        (&[[0xff; 26].as_slice(), &[0xfb, 0x2e]].concat(), 2, "-12.34"),
        (&[0x80], 9, "-0.000000128"),
    ] {
        assert_eq!(decimal(bytes, scale).unwrap(), expected);
    }
    assert!(decimal(&[0; 65], 0).is_err());
    assert!(decimal(&[0], 155).is_err());
    assert_eq!(uuid(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef), "01234567-89ab-cdef-0123-456789abcdef");
}

#[test]
fn what_is_no_datum_is_said_and_bounded() {
    let record = r#"{"type": "record", "name": "R", "fields": [{"name": "a", "type": "string"}]}"#;
    let list = r#"{"type": "record", "name": "L", "fields": [{"name": "next", "type": ["null", "L"]}]}"#;
    let nulls = r#"{"type": "array", "items": "null"}"#;
    let endless = [&[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f][..], &[0]].concat();
    for (schema, datum, said) in [
        (record, &[][..], "\"a\": it ends too early"),
        (record, &[4, b'x'], "\"a\": it ends too early"),
        (record, &[2, 0xff], "\"a\": a string is not UTF-8"),
        (record, &[1], "\"a\": -1 is no length"),
        (record, &[2, b'x', 0], "1 bytes are left"),
        ("\"int\"", &[0xff, 0xff, 0xff, 0xff, 0xff, 0x0f], "is no int"),
        ("\"boolean\"", &[2], "2 is no boolean"),
        (r#"["null", "int"]"#, &[4], "a union has no variant 2"),
        (list, &[2; 10_000], "nested deeper than 64"),
        (nulls, &endless, "it is more than 8 MiB as JSON"),
    ] {
        let error = decoded(schema, datum).unwrap_err();
        assert!(error.contains(said), "{error}\nand not\n{said}");
    }
    assert!(decoded(r#"{"type": "record"}"#, &[]).is_err());
    assert!(
        decoded(r#"{"type": "bytes", "logicalType": "big-decimal"}"#, &[0])
            .unwrap_err()
            .contains("big-decimal")
    );
}
