//! What an appointment is known by: its UID, and the name of its resource, which is a function of that.

use liaison_sdk::prelude::*;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::marks::hex;
use crate::settings::{Settings, UidSource};

/// Longer names are cut off by some file systems.
const NAME_BYTES: usize = 120;
const HASHED: &str = "sha256-";

/// The UID of the appointment that an event is about: the same for all its events, and for ever.
pub(crate) fn of(settings: &Settings, delivery: &Delivery) -> Result<String, Failure> {
    let event = &delivery.event;
    let missing =
        |what: &str| Failure::Event(format!("the event has no {what}, which the setting `uid` asks for"));
    let text = match &settings.uid {
        UidSource::Key => event.key_text()?.ok_or_else(|| missing("key"))?.to_owned(),
        UidSource::Subject => event.subject.clone().ok_or_else(|| missing("subject"))?,
        UidSource::At(pointer) => {
            if delivery.data().is_none() {
                return Err(Failure::Event(
                    "the event has no data to take the UID from: where there are tombstones, set `uid` to `key` or `subject`".to_owned(),
                ));
            }
            let data: Value = delivery.json()?;
            match pointer.find(&data) {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Number(number)) => number.to_string(),
                _ => return Err(missing(&format!("text or number at `{}`", pointer.as_str()))),
            }
        }
    };
    if text.trim().is_empty() || text.chars().any(char::is_control) {
        return Err(Failure::Event(format!(
            "{text:?} cannot be a UID: it is empty or has a control character in it"
        )));
    }
    Ok(text + &settings.uid_suffix)
}

/// The name of the resource. A UID that is safe in any path is its own name, and any other is hashed: servers do not
/// agree on what becomes of a `/` or a space, however it is encoded.
pub(crate) fn resource_name(uid: &str) -> String {
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'@');
    let is_plain = uid.bytes().all(is_safe) && !uid.starts_with('.') && !uid.starts_with(HASHED);
    match is_plain && uid.len() <= NAME_BYTES {
        true => format!("{}.ics", encode_segment(uid)),
        false => format!("{HASHED}{}.ics", hex(&Sha256::digest(uid))),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use liaison_sdk::testing::{EventBuilder, event};
    use serde_json::json;

    use super::*;

    fn uid(settings: Value, event: EventBuilder) -> Result<String, String> {
        let settings = serde_json::from_value(settings).unwrap();
        of(&settings, &Delivery::from(event)).map_err(|failure| failure.to_string())
    }

    #[test]
    fn the_uid_is_what_the_setting_names() {
        let event = event("t").key("k-1").subject("s-1").data(json!({ "id": 7, "meta": { "ref": "süd/1" } }));
        for (settings, expected) in [
            (json!({}), "k-1"),
            (json!({ "uid": "subject" }), "s-1"),
            (json!({ "uid": "/id", "uid-suffix": "@training.example.gov" }), "7@training.example.gov"),
            (json!({ "uid": "/meta/ref" }), "süd/1"),
        ] {
            assert_eq!(uid(settings, event.clone()).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn an_event_that_names_no_appointment_says_what_is_missing() {
        for (settings, event, expected) in [
            (json!({}), event("t"), "the event has no key"),
            (json!({}), event("t").key([0xff]), "the event's key is not UTF-8"),
            (json!({}), event("t").key(" "), "cannot be a UID"),
            (json!({}), event("t").key("a\nb"), "cannot be a UID"),
            (json!({ "uid": "subject" }), event("t"), "the event has no subject"),
            (json!({ "uid": "/id" }), event("t"), "the event has no text or number at `/id`"),
            (json!({ "uid": "/id" }), event("t").tombstone(), "the event has no data to take the UID from"),
        ] {
            let error = uid(settings, event).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn no_two_uids_have_one_name_and_each_name_is_one_segment() {
        let hashed = resource_name("a/b").trim_end_matches(".ics").to_owned();
        let uids = ["a-1", "a-1@b.gov", "a/b", "a%2Fb", "a b", "..", ".a", "ü", &hashed, &"x".repeat(200)];
        let names: BTreeSet<_> = uids.iter().map(|uid| resource_name(uid)).collect();
        assert_eq!(names.len(), uids.len());
        assert!(names.iter().all(|name| name.len() < 130 && !name.contains('/')), "{names:?}");
        assert_eq!(
            (resource_name("a-1"), resource_name("a@b")),
            ("a-1.ics".to_owned(), "a%40b.ics".to_owned())
        );
    }
}
