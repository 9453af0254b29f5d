//! Events that a plugin may meet one day, made from one that it takes. Pure.

use bytes::Bytes;
use serde_json::Value;

use super::trial::EventTrial;
use crate::event::Event;

/// Letters with marks, of several scripts, outside of the basic plane, and a mark that turns the direction.
const SCRIPTS: &str = " Ä\u{301}ß漢字 עברית \u{202e}🜚";
/// Bytes of a large event's data.
const LARGE_BYTES: usize = 1_000_000;
/// A name that no producer uses.
const UNKNOWN: &str = "x-liaison-unknown";

/// `None` where the event cannot be made into such a one, or is one already.
pub(super) fn changed(event: &Event, trial: EventTrial) -> Option<Event> {
    let data = event.data.as_ref();
    let json = data.and_then(|data| serde_json::from_slice::<Value>(data).ok());
    let mut event = event.clone();
    match trial {
        EventTrial::Tombstone => (event.data, event.content_type) = (data.map(|_| None)?, None),
        EventTrial::UnknownFields => {
            let mut json = json?;
            json.as_object_mut()?.insert(UNKNOWN.to_owned(), serde_json::json!({"deep": [1, null]}));
            event.data = Some(json.to_string().into());
        }
        EventTrial::NonAscii => {
            event.id.push_str(SCRIPTS);
            event.subject.iter_mut().for_each(|subject| subject.push_str(SCRIPTS));
            if let Some(mut json) = json {
                append_to_texts(&mut json);
                event.data = Some(json.to_string().into());
            }
        }
        EventTrial::Large => {
            let padding = "x".repeat(LARGE_BYTES.saturating_sub(data?.len()));
            event.data = Some(match json {
                Some(Value::Object(mut object)) => {
                    object.insert(UNKNOWN.to_owned(), padding.into());
                    Value::Object(object).to_string().into()
                }
                _ => padding.into(),
            });
        }
        EventTrial::NoJson => {
            json?;
            event.data = Some(Bytes::from_static(b"{\"cut off in the mid"));
        }
    }
    Some(event)
}

fn append_to_texts(value: &mut Value) {
    match value {
        Value::String(text) => text.push_str(SCRIPTS),
        Value::Array(values) => values.iter_mut().for_each(append_to_texts),
        Value::Object(map) => map.values_mut().for_each(append_to_texts),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(data: &str) -> Event {
        let text =
            format!(r#"{{"specversion":"1.0","id":"1","source":"/s","type":"t","subject":"s"{data}}}"#);
        Event::from_text(&text).unwrap()
    }

    #[test]
    fn each_kind_of_event_is_what_its_name_says() {
        let event = event(r#","data":{"a":["x"],"n":1}"#);
        let data = |trial| changed(&event, trial).unwrap().data;
        let json = |trial| serde_json::from_slice::<Value>(&data(trial).unwrap()).unwrap();
        assert_eq!(data(EventTrial::Tombstone), None);
        assert_eq!(json(EventTrial::UnknownFields)["a"], serde_json::json!(["x"]));
        assert!(json(EventTrial::UnknownFields)[UNKNOWN].is_object());
        assert_eq!(json(EventTrial::NonAscii)["a"][0], format!("x{SCRIPTS}"));
        assert_eq!(changed(&event, EventTrial::NonAscii).unwrap().subject, Some(format!("s{SCRIPTS}")));
        assert!((990_000..1_048_000).contains(&data(EventTrial::Large).unwrap().len()));
        assert_eq!(json(EventTrial::Large)["n"], 1);
        assert!(serde_json::from_slice::<Value>(&data(EventTrial::NoJson).unwrap()).is_err());
    }

    #[test]
    fn what_cannot_be_made_is_left_out() {
        let tombstone = event("");
        for trial in [EventTrial::Tombstone, EventTrial::UnknownFields, EventTrial::Large, EventTrial::NoJson]
        {
            assert!(changed(&tombstone, trial).is_none(), "{trial:?}");
        }
        assert!(changed(&tombstone, EventTrial::NonAscii).is_some());
        assert!(changed(&event(r#","data":[1]"#), EventTrial::UnknownFields).is_none());
    }
}
