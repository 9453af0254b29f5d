//! What comes out of the plugin, and that nothing else does.

use liaison_sdk::testing::{self, EventBuilder, event};
use serde_json::{Value, json};

use super::*;

const SALT: &str = "agency-salt-0001";
/// `p-17` under that salt, as `openssl dgst -sha256 -hmac` says.
const P17: &str = "9b05e5bcb59367e84d529809554ceffcf05af25ee520b41a65a53bbec679e482";

fn visit() -> EventBuilder {
    event("visit.planned")
        .subject("p-17")
        .attribute("tenant", "north")
        .attribute("traceparent", "00-1-2-01")
        .bytes(
            r#"{"id":"p-17","rank":1.50,"owner":{"name":"Ada","phone":"+49 30 1234567","note":null},
                "visits":[{"at":"10:00","who":"Bo","tags":["x"]},{"who":"Cy"},7,{"at":"11:00","at":"12:00"}]}"#,
            Some("application/json"),
        )
}

fn emitted(settings: Value, event: EventBuilder) -> Reshaped {
    testing::settings(settings);
    match testing::transform(transform, event) {
        Transformed::Emit(mut events) if events.len() == 1 => events.remove(0),
        other => panic!("{other:?}"),
    }
}

fn text(settings: Value, event: EventBuilder) -> String {
    String::from_utf8(emitted(settings, event).data.unwrap()).unwrap()
}

fn refused(settings: Value, event: EventBuilder) -> String {
    testing::settings(settings);
    match testing::transform(transform, event) {
        Transformed::Reject(reason) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_no_list_names_is_gone() {
    let keep = json!({ "keep": ["/rank", "/visits/*/at", "/owner/missing"] });
    let event = emitted(keep.clone(), visit());
    // Members come in their order, numbers with their digits; nothing is left of what had nothing to show.
    let expected = r#"{"rank":1.50,"visits":[{"at":"10:00"},{"at":"11:00","at":"12:00"}]}"#;
    assert_eq!(String::from_utf8(event.data.unwrap()).unwrap(), expected);
    assert_eq!((event.subject, event.attributes), (None, vec![]));
    assert_eq!(
        (event.type_.as_str(), event.content_type.as_deref()),
        ("visit.planned", Some("application/json"))
    );
    for (data, expected) in [(json!({ "secret": 1 }), "{}"), (json!(["secret", { "rank": 1 }]), "[]")] {
        assert_eq!(text(keep.clone(), visit().data(data)), expected);
    }
}

#[test]
fn a_part_that_is_kept_is_kept_as_it_is() {
    let data = |keep: Value| {
        text(json!({ "keep": keep }), event("t").bytes(r#"{"a": {"b":[ 1.0 ,{}]}, "c":{}}"#, None))
    };
    assert_eq!(data(json!(["/a"])), r#"{"a":{"b":[ 1.0 ,{}]}}"#);
    assert_eq!(data(json!(["/a/b/0", "/c"])), r#"{"a":{"b":[1.0]},"c":{}}"#);
    assert_eq!(data(json!(["/*"])), r#"{"a":{"b":[ 1.0 ,{}]},"c":{}}"#);
    assert_eq!(data(json!(["/c/x", "/a/b/1/y"])), "{}");
    assert_eq!(data(json!([])), "{}");
}

#[test]
fn without_a_list_to_keep_only_what_is_named_changes() {
    let event = emitted(
        json!({ "drop": ["/owner", "/visits/*/who", "/visits/1"], "hash": ["/id"], "salt": SALT }),
        visit(),
    );
    let expected = format!(
        r#"{{"id":"{P17}","rank":1.50,"visits":[{{"at":"10:00","tags":["x"]}},7,{{"at":"11:00","at":"12:00"}}]}}"#
    );
    assert_eq!(String::from_utf8(event.data.unwrap()).unwrap(), expected);
    assert_eq!((event.subject.as_deref(), event.attributes.len()), (Some("p-17"), 2));
}

#[test]
fn what_is_masked_or_hashed_is_kept_and_the_stronger_of_two_rules_holds() {
    let settings = json!({
        "keep": ["/owner"],
        "drop": ["/owner/name"],
        "mask": ["/owner/note", { "field": "/owner/phone", "show-last": 3 }, { "field": "/visits", "with": "" }],
        "hash": ["/id", "/owner/*"],
        "salt": SALT,
    });
    let expected = format!(r#"{{"id":"{P17}","owner":{{"phone":"***567","note":"***"}},"visits":""}}"#);
    assert_eq!(text(settings, visit()), expected);
}

#[test]
fn a_name_is_the_same_however_it_is_written() {
    let settings = json!({ "drop": ["/id"] });
    assert_eq!(
        text(settings, event("t").bytes(r#"{"\u0069d":"p-17","i\u0064":2,"x":"\ud83d\ude00"}"#, None)),
        r#"{"x":"\ud83d\ude00"}"#
    );
}

#[test]
fn numbers_and_booleans_are_hashed_by_their_text_and_null_stays() {
    let settings = json!({ "hash": ["/*"], "salt": SALT, "hash-by": "sha-256" });
    let hashed: Value = serde_json::from_str(&text(
        settings,
        event("t").data(json!({ "a": 1, "b": "1", "c": true, "d": null })),
    ))
    .unwrap();
    assert_eq!(hashed["a"], hashed["b"]);
    assert_eq!((hashed["c"].as_str().unwrap().len(), &hashed["d"]), (64, &Value::Null));
}

#[test]
fn subject_and_attributes_have_settings_of_their_own() {
    let attributes = |event: &Reshaped| -> Vec<String> {
        event.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect()
    };
    for (settings, subject, expected) in [
        (
            json!({ "keep": [], "subject": "keep", "attributes": { "keep": ["tenant"] } }),
            Some("p-17"),
            vec!["tenant=north"],
        ),
        (json!({ "subject": "drop" }), None, vec!["tenant=north", "traceparent=00-1-2-01"]),
        (json!({ "attributes": { "keep": ["tenant"] } }), Some("p-17"), vec!["tenant=north"]),
        (json!({ "attributes": { "drop": ["Traceparent"] } }), Some("p-17"), vec!["tenant=north"]),
        (
            json!({ "subject": "mask", "attributes": { "drop": ["traceparent"], "mask": ["*"] } }),
            Some("***"),
            vec!["tenant=***"],
        ),
        (
            json!({ "keep": ["/a"], "subject": "hash", "salt": SALT, "attributes": { "mask": ["tenant"] } }),
            Some(P17),
            vec!["tenant=***"],
        ),
    ] {
        let event = emitted(settings.clone(), visit());
        assert_eq!(
            (event.subject.as_deref(), attributes(&event)),
            (subject, expected.iter().map(|text| (*text).to_owned()).collect()),
            "{settings}"
        );
        let tombstone = emitted(settings, visit().tombstone());
        assert_eq!((tombstone.subject.as_deref(), &tombstone.data), (subject, &None));
    }
}

#[test]
fn what_cannot_be_redacted_is_not_let_through() {
    let drop = json!({ "drop": ["/id"] });
    for (data, expected) in [
        (&b"<id>p-17</id>"[..], "the event's data is not JSON (line 1, column 1)"),
        (b"{\"id\":\"p-17\"", "the event's data is not JSON (line 1, column 12)"),
        (b"\"p-17\"", "the event's data is neither a JSON object nor an array"),
        (b"", "the event's data is not JSON"),
        (b"\xff", "the event's data is not JSON"),
        (b"{\"a\":1} p-17", "the event's data is not JSON"),
        (b"{\"\\ud800\":1}", "the event's data is not JSON"),
    ] {
        let reason = refused(drop.clone(), event("t").bytes(data, None));
        assert!(reason.starts_with(expected) && !reason.contains("p-17"), "{reason}");
        testing::settings(json!({ "drop": ["/id"], "other-data": "drop" }));
        let dropped = testing::transform(transform, event("t").bytes(data, None));
        assert!(matches!(&dropped, Transformed::Drop(reason) if reason.starts_with(expected)), "{dropped:?}");
    }
    let hash = json!({ "hash": ["/visits/*"], "salt": SALT, "other-data": "drop" });
    assert_eq!(
        refused(hash, visit()),
        "at `/visits/*` the event's data has an object or array, and only a text, number or boolean can be hashed"
    );
}

#[test]
fn a_mistake_in_the_settings_lets_nothing_through() {
    for (settings, expected) in [
        (json!({}), "settings: nothing is redacted: name what to `keep`, `drop`, `mask` or `hash`"),
        (json!({ "subject": "keep", "attributes": {} }), "settings: nothing is redacted"),
        (json!({ "keep": ["id"] }), "settings: keep[0]: `id` is no JSON pointer"),
        (json!({ "drop": ["/a", "/a"] }), "settings: `/a` is named twice"),
        (json!({ "drop": ["/a"], "keep": ["/a"] }), "settings: `/a` is named twice"),
        (json!({ "hash": ["/a"] }), "settings: missing field `salt`"),
        (json!({ "subject": "hash" }), "settings: missing field `salt`"),
        (json!({ "attributes": { "hash": ["a"] } }), "settings: missing field `salt`"),
        (json!({ "hash": ["/a"], "salt": "short" }), "settings: salt: must have at least 16 characters"),
        (json!({ "drop": ["/a"], "salt": SALT }), "settings: salt: nothing is hashed"),
        (
            json!({ "hash": ["/a"], "hash-by": "md5", "salt": SALT }),
            "settings: hash-by: unknown variant `md5`",
        ),
        (json!({ "mask": [{ "show-last": 4 }] }), "settings: mask[0]: a JSON pointer, or a table of `field`"),
        (json!({ "attributes": { "keeps": [] } }), "settings: attributes.keeps: unknown field `keeps`"),
        (json!({ "kepe": ["/a"] }), "settings: kepe: unknown field `kepe`"),
    ] {
        let reason = refused(settings, visit());
        assert!(reason.starts_with(expected), "{reason}");
    }
}
