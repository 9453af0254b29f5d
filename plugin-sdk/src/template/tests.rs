//! Templates, filled with fields of events.

use serde_json::json;

use super::*;
use crate::outcome::{Merged, Resolution};
use crate::testing::{self, EventBuilder};

fn event() -> EventBuilder {
    let data = json!({ "title": "A & B", "seats": 7, "tags": ["x"], "none": null, "a/b": { "c": true } });
    testing::event("room.changed").id("e-1").subject("r/1").key("k").attribute("tenant", "north").data(data)
}

fn text(template: &str, delivery: EventBuilder) -> Result<String, Failure> {
    let delivery = delivery.into();
    let template = TextTemplate::try_from(template.to_owned()).unwrap();
    template.render(&Source::new(&delivery), |text| text.replace('&', "&amp;"))
}

fn built(template: Value, delivery: EventBuilder) -> Result<Value, Failure> {
    let delivery = delivery.into();
    serde_json::from_value::<JsonTemplate>(template).unwrap().build(&Source::new(&delivery))
}

#[test]
fn text_has_each_field_escaped() {
    for (template, expected) in [
        ("", ""),
        ("{id} {source} {type} {subject} {key}", "e-1 /test room.changed r/1 k"),
        ("{attributes.tenant}&{/title}/{/seats}{/a~1b/c}", "north&A &amp; B/7true"),
        ("{data}x", "the event has no `data`, which the settings ask for"),
        (
            "{/tags}x",
            "the event's data has no text, number or boolean at `/tags`, which the settings ask for",
        ),
        ("{/none}", "the event's data has no text, number or boolean at `/none`, which the settings ask for"),
        ("{etag}", "the event has no `etag`, which the settings ask for"),
    ] {
        let found = text(template, event()).unwrap_or_else(|failure| failure.to_string());
        assert_eq!(found, expected, "{template}");
    }
    assert_eq!(
        text("{key}", event().key([0xff])).unwrap_err().to_string(),
        "the event's key is not UTF-8 text"
    );
}

#[test]
fn a_template_can_be_looked_at_without_an_event() {
    let template = TextTemplate::try_from("<a>{id}{/b}</a>".to_owned()).unwrap();
    assert_eq!(template.with_each("x"), "<a>xx</a>");
}

#[test]
fn json_has_the_values_of_its_fields_and_leaves_out_what_is_not_there() {
    let template = json!({
        "all": "{data}", "seats": "{/seats}", "none": "{/none}", "missing": "{/missing}", "etag": "{etag}",
        "name": "rooms/{key}", "plain": "x", "deep": { "list": [1, "{/tags}", "{/missing}"] }, "yes": true,
    });
    let data: Value =
        serde_json::from_slice(&crate::outcome::Delivery::from(event()).event.data.unwrap()).unwrap();
    let expected = json!({
        "all": data, "seats": 7, "none": null, "name": "rooms/k", "plain": "x",
        "deep": { "list": [1, ["x"]] }, "yes": true,
    });
    assert_eq!(built(template, event()).unwrap(), expected);
    let gone = testing::event("t").tombstone();
    assert_eq!(built(json!({ "a": "{/seats}", "b": 1 }), gone.clone()).unwrap(), json!({ "b": 1 }));
    for (template, delivery, expected) in [
        ("{data}", gone, "the event has no data: it is a tombstone"),
        ("{subject}", testing::event("t"), "the event has no `subject`, which the settings ask for"),
        ("{data}", testing::event("t").bytes("<x/>", None), "the event's data is not JSON: expected value"),
    ] {
        let error = built(template.into(), delivery).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{template}: {error}");
    }
}

#[test]
fn what_was_merged_is_the_data_and_the_version_is_that_of_the_decision() {
    let merged = Merged { data: b"{\"seats\":8}".to_vec(), version: Some("v7".to_owned()) };
    let found = built(json!(["{/seats}", "{etag}"]), event().resolution(Resolution::Merged(merged)));
    assert_eq!(found.unwrap(), json!([8, "v7"]));
    let delivery = event().into();
    let source = Source::new(&delivery).with_etag(Some("v8".to_owned()));
    let template: JsonTemplate = serde_json::from_value(json!("{etag}")).unwrap();
    assert_eq!(template.build(&source).unwrap(), "v8");
}

#[test]
fn a_mistake_is_named() {
    for (template, expected) in [
        (json!("{id"), "`{id` has a `{` without its `}`"),
        (json!({ "a": ["{name}"] }), "a: `{name}` is no field of an event: use id, "),
        (json!("{attributes.}"), "`{attributes.}` is no field of an event"),
    ] {
        let error = serde_json::from_value::<JsonTemplate>(template).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}
