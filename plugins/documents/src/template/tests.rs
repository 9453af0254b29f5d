//! What becomes of a template: encoded, missing or refused.

use liaison_sdk::testing::event;
use serde_json::json;

use super::*;

fn with_source<T>(subject: &str, test: impl Fn(&Source<'_>) -> T) -> T {
    let event = event("t").subject(subject).key("k 1").attribute("tenant", "süd").into();
    let data = json!({ "policy": { "id": "ü#?%+", "rank": 3, "final": true }, "updatedAt": 7, "gone": null });
    test(&Source { event: &event, data: Some(data), version: &Pointer::updated_at() })
}

fn path(template: &str, subject: &str) -> Result<String, String> {
    let template = PathTemplate::try_from(template.to_owned())?;
    let render = |source: &Source<'_>| template.render(source).map(|path| path.url());
    with_source(subject, render).map_err(|failure| failure.to_string())
}

#[test]
fn each_name_of_a_path_is_encoded_and_stays_one() {
    for (template, expected) in [
        ("/a b/Übersicht.pdf", "/a%20b/%C3%9Cbersicht.pdf"),
        ("/{type}/{key}.pdf", "/t/k%201.pdf"),
        ("/{attributes.tenant}/{/policy/id}", "/s%C3%BCd/%C3%BC%23%3F%25%2B"),
        ("/{/policy/rank}-{/policy/final}/v{version}.pdf", "/3-true/v7.pdf"),
        ("/{subject}", "/%D7%A2%D7%91%E2%80%AE%20%F0%9F%9C%9A"),
    ] {
        assert_eq!(path(template, "עב\u{202e} 🜚").as_deref(), Ok(expected), "{template}");
    }
    let folders = PathTemplate::try_from("/a/b c/{key}".to_owned()).unwrap();
    let folders = with_source("", |source| folders.render(source).unwrap().folders());
    assert_eq!(folders, ["/a", "/a/b%20c"]);
}

#[test]
fn a_path_that_could_lead_elsewhere_is_refused() {
    for subject in ["..", ".", "", "a/b", "../b", "a\\b", "a\0b", "a\nb"] {
        assert!(path("/all/{subject}", subject).is_err(), "{subject:?}");
    }
    assert!(path("/all/{subject}{subject}", ".").unwrap_err().contains("another folder"));
    assert_eq!(path("/all/{subject}.pdf", "..").as_deref(), Ok("/all/...pdf"));
    for (template, expected) in [
        ("a", "`a` must begin with `/`"),
        ("/a//b", "`/a//b` has an empty name in it"),
        ("/a/", "`/a/` has an empty name in it"),
        ("/a/../b", "`/a/../b` would lead to another folder"),
        ("/{id", "`{id` has a `{` without its `}`"),
        ("/{name}", "`{name}` is no field of an event"),
        ("/{attributes.}", "`{attributes.}` is no field of an event"),
    ] {
        let error = path(template, "s").unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn a_field_that_is_not_there_is_named() {
    for (template, expected) in [
        ("/{/policy}", "the event's data has no text, number or boolean at `/policy`"),
        ("/{/gone}", "the event's data has no text, number or boolean at `/gone`"),
        ("/{attributes.x}", "the event has no `attributes.x`"),
    ] {
        let error = path(template, "s").unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    }
    let tombstone = event("t").tombstone().into();
    let version = Pointer::updated_at();
    let source = Source { event: &tombstone, data: None, version: &version };
    let template = PathTemplate::try_from("/{/policy/id}".to_owned()).unwrap();
    let error = template.render(&source).unwrap_err().to_string();
    assert_eq!(error, "the event is a tombstone and has no `/policy/id`, which the settings ask for");
}
