//! Reshapes events with a jq expression.
//!
//! In comes an event, out go as many as the expression yields from its data: none drops it. The expression is
//! compiled once an instance. A tombstone has no data to reshape and goes on as it is.

mod program;

use liaison_sdk::prelude::*;
use serde::Deserialize;

use crate::program::Program;

liaison_sdk::transformer!(transform);

/// How many events one may become.
const MAX_EVENTS: usize = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    jq: Program,
    /// The type of every event that comes out.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// The subject of every event that comes out.
    subject: Option<String>,
}

fn transform(event: Event) -> Result<Transformed, Failure> {
    let settings = settings::<Settings>()?;
    let Some(data) = &event.data else {
        return Ok(Transformed::emit(renamed(event.reshaped(), &settings)));
    };
    let outputs = settings.jq.run(data, &event, MAX_EVENTS).map_err(Failure::Event)?;
    if outputs.is_empty() {
        return Ok(Transformed::drop("the jq expression yields nothing"));
    }
    let mut pattern = renamed(event.reshaped(), &settings);
    pattern.data = None;
    pattern.content_type = Some("application/json".to_owned());
    Ok(Transformed::Emit(copies(pattern, outputs)))
}

fn renamed(mut event: Reshaped, settings: &Settings) -> Reshaped {
    if let Some(kind) = &settings.kind {
        event.type_.clone_from(kind);
    }
    if settings.subject.is_some() {
        event.subject.clone_from(&settings.subject);
    }
    event
}

/// One event for each output. The last is the pattern itself, so one output copies nothing.
fn copies(pattern: Reshaped, mut outputs: Vec<Vec<u8>>) -> Vec<Reshaped> {
    let last = outputs.pop();
    let mut events = Vec::with_capacity(outputs.len() + 1);
    events.extend(outputs.into_iter().map(|data| Reshaped { data: Some(data), ..pattern.clone() }));
    events.push(Reshaped { data: last, ..pattern });
    events
}

#[cfg(test)]
mod tests {
    use liaison_sdk::testing::{self, EventBuilder, event};
    use serde_json::{Value, json};

    use super::*;

    fn policy() -> EventBuilder {
        event("policy.updated")
            .id("e1")
            .subject("p")
            .key("k")
            .time_ms(1_767_225_600_000)
            .attribute("tenant", "a")
            .data(json!({
                "title": "A", "tags": ["x", "y"], "big": 1,
            }))
    }

    fn emitted(settings: Value, event: EventBuilder) -> Vec<Reshaped> {
        testing::settings(settings);
        match testing::transform(transform, event) {
            Transformed::Emit(events) => events,
            other => panic!("{other:?}"),
        }
    }

    fn reason(settings: Value, event: EventBuilder) -> String {
        testing::settings(settings);
        match testing::transform(transform, event) {
            Transformed::Drop(reason) | Transformed::Reject(reason) => reason,
            Transformed::Emit(events) => panic!("{events:?}"),
        }
    }

    fn data(event: &Reshaped) -> Value {
        serde_json::from_slice(event.data.as_deref().unwrap()).unwrap()
    }

    #[test]
    fn each_output_is_an_event_that_keeps_all_but_the_data() {
        let events = emitted(json!({ "jq": "{title, tag: .tags[]}" }), policy());
        let expected = [json!({ "title": "A", "tag": "x" }), json!({ "title": "A", "tag": "y" })];
        assert_eq!(events.iter().map(data).collect::<Vec<_>>(), expected);
        for event in &events {
            assert_eq!((event.type_.as_str(), event.subject.as_deref()), ("policy.updated", Some("p")));
            assert_eq!(event.attributes, [("tenant".to_owned(), "a".to_owned())]);
            assert_eq!(event.content_type.as_deref(), Some("application/json"));
        }
    }

    #[test]
    fn the_expression_sees_the_event() {
        let events = emitted(json!({ "jq": "$event" }), policy());
        assert_eq!(
            data(&events[0]),
            json!({
                "id": "e1", "source": "/test", "type": "policy.updated", "subject": "p", "time": 1_767_225_600_000_u64, "key": "k",
                "attributes": { "tenant": "a" },
            })
        );
        let events =
            emitted(json!({ "jq": "[$event.subject, $event.key, $event.time]" }), event("t").key([0xff]));
        assert_eq!(data(&events[0]), json!([null, null, null]));
    }

    #[test]
    fn numbers_keep_their_digits() {
        let text = br#"{"big":123456789012345678901234567890,"price":1.10}"#;
        let events = emitted(json!({ "jq": "." }), event("t").bytes(*text, None));
        assert_eq!(events[0].data.as_deref(), Some(&text[..]));
    }

    #[test]
    fn type_and_subject_are_replaced() {
        let settings = json!({ "jq": ".", "type": "calendar.changed", "subject": "c" });
        for event in [policy(), policy().tombstone()] {
            let events = emitted(settings.clone(), event);
            assert_eq!(
                (events[0].type_.as_str(), events[0].subject.as_deref()),
                ("calendar.changed", Some("c"))
            );
        }
    }

    #[test]
    fn a_tombstone_goes_on_as_it_is() {
        let events = emitted(json!({ "jq": "empty" }), policy().tombstone());
        assert_eq!((events.len(), &events[0].data), (1, &None));
    }

    #[test]
    fn no_output_drops_the_event() {
        let reason = reason(json!({ "jq": "select(.title == \"B\")" }), policy());
        assert_eq!(reason, "the jq expression yields nothing");
    }

    #[test]
    fn what_cannot_be_reshaped_is_rejected_with_the_reason() {
        for (jq, event, expected) in [
            (".title.x", policy(), "the jq expression: cannot index"),
            ("error(\"no owner\")", policy(), "the jq expression: no owner"),
            (".title, halt", policy(), "the jq expression halts"),
            ("range(1001)", policy(), "the jq expression yields more than 1000 events"),
            ("{(.tags): 1}", policy(), "the jq expression yields something that is not JSON"),
            ("\"\\(range(99999))\" | error", policy(), "the jq expression: 0"),
            (".", event("t").bytes("<x/>", None), "the event's data is not JSON"),
        ] {
            let reason = reason(json!({ "jq": jq }), event);
            assert!(reason.starts_with(expected), "{jq}: {reason}");
        }
    }

    #[test]
    fn a_bad_expression_names_the_setting_and_the_place() {
        for (jq, expected) in [
            (".a | | .b", "settings: jq: expected "),
            ("{a: (1}", "settings: jq: expected closing parenthesis at `}`"),
            ("nosuch(1)", "settings: jq: `nosuch` is no known filter"),
            ("$title", "settings: jq: `$title` is no known variable"),
            ("import \"a\" as a; .", "settings: jq: "),
        ] {
            let reason = reason(json!({ "jq": jq }), policy());
            assert!(reason.starts_with(expected), "{jq}: {reason}");
        }
    }
}
