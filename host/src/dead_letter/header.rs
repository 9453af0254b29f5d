//! The headers of a dead letter: their names, and how values become text and back.
//!
//! Names and meaning follow Kafka Connect (KIP-298) and Kafka's own dead-letter queues (KIP-1191), so that their tools
//! read our dead letters; what those do not know is under `liaison.`. All values are UTF-8 text.
//!
//! | header | holds |
//! |---|---|
//! | `__connect.errors.topic`, `.partition`, `.offset` | where the original was read |
//! | `__connect.errors.connector.name` | the connector |
//! | `__connect.errors.task.id` | always `0`: a subscription is one task |
//! | `__connect.errors.stage` | `VALUE_CONVERTER`, `TRANSFORMATION` or `TASK_PUT` |
//! | `__connect.errors.class.name` | the plugin that gave up, else `liaison` |
//! | `__connect.errors.exception.class.name` | `liaison.` and the reason |
//! | `__connect.errors.exception.message` | what was said, cut at 1 KiB |
//! | `__dlq.errors.group` | the consumer group |
//! | `__dlq.errors.delivery.count` | all attempts |
//! | `__dlq.errors.message` | the reason and what was said, cut at 1 KiB |
//! | `liaison.version` | the host's version |
//! | `liaison.subscription` | the subscription that gave up |
//! | `liaison.stage` | `decode`, `filter`, `transform` or `deliver` |
//! | `liaison.reason` | a name of [`super::Reason`] |
//! | `liaison.plugin`, `liaison.plugin.sha256` | the plugin at work, and its content in hexadecimal |
//! | `liaison.event.id`, `liaison.event.type` | the event, if the record could be read as one |
//! | `liaison.part` | which of several events that a transformer made of the original, from 0 |
//! | `liaison.idempotency-key` | what was sent with every attempt |
//! | `liaison.attempts` | JSON of at most 4 KiB, see [`super::Attempts::to_json`] |
//! | `liaison.timestamp` | the original record's own timestamp |
//! | `liaison.first-seen-at`, `liaison.dead-lettered-at` | when the delivery began and ended |
//! | `liaison.deadline` | the SLA's deadline |
//! | `liaison.traceparent` | the trace of the delivery (W3C Trace Context) |
//! | `liaison.redrives` | how often it was redriven and failed again |
//! | `liaison.recording` | the last attempt, or a transformer's last call: JSON of at most 256 KiB, see [`super::recording`] |
//! | `liaison.conflict` | both sides of a conflict that a person decides: JSON of at most 64 KiB, see [`super::conflict`] |
//! | `liaison.pointer` | where the original is, if it was too large: then the letter is without its value and headers |
//!
//! Times are RFC 3339 in UTC with milliseconds. Optional headers are left out, never empty.

use std::time::Duration;

use chrono::{DateTime, Datelike, SecondsFormat, Utc};

use crate::contract::TimestampMs;

/// The most bytes of a message.
pub const MESSAGE_BYTES: usize = 1024;

macro_rules! headers {
    ($($constant:ident = $name:literal;)*) => {
        $(pub const $constant: &str = $name;)*
        /// Every name above: a dead letter's own headers replace those of the original.
        pub const ALL: &[&str] = &[$($name),*];
    };
}

headers! {
    TOPIC = "__connect.errors.topic";
    PARTITION = "__connect.errors.partition";
    OFFSET = "__connect.errors.offset";
    CONNECTOR = "__connect.errors.connector.name";
    TASK = "__connect.errors.task.id";
    CONNECT_STAGE = "__connect.errors.stage";
    CLASS = "__connect.errors.class.name";
    EXCEPTION_CLASS = "__connect.errors.exception.class.name";
    EXCEPTION_MESSAGE = "__connect.errors.exception.message";
    GROUP = "__dlq.errors.group";
    DELIVERY_COUNT = "__dlq.errors.delivery.count";
    DLQ_MESSAGE = "__dlq.errors.message";
    VERSION = "liaison.version";
    SUBSCRIPTION = "liaison.subscription";
    STAGE = "liaison.stage";
    REASON = "liaison.reason";
    PLUGIN = "liaison.plugin";
    PLUGIN_SHA256 = "liaison.plugin.sha256";
    EVENT_ID = "liaison.event.id";
    EVENT_TYPE = "liaison.event.type";
    PART = "liaison.part";
    IDEMPOTENCY_KEY = "liaison.idempotency-key";
    ATTEMPTS = "liaison.attempts";
    TIMESTAMP = "liaison.timestamp";
    FIRST_SEEN_AT = "liaison.first-seen-at";
    DEAD_LETTERED_AT = "liaison.dead-lettered-at";
    DEADLINE = "liaison.deadline";
    TRACEPARENT = "liaison.traceparent";
    REDRIVES = "liaison.redrives";
    RECORDING = "liaison.recording";
    CONFLICT = "liaison.conflict";
    POINTER = "liaison.pointer";
}

/// RFC 3339, or plain milliseconds beyond the year 9999.
pub fn time_text(at: TimestampMs) -> String {
    i64::try_from(at)
        .ok()
        .and_then(DateTime::<Utc>::from_timestamp_millis)
        .filter(|time| time.year() <= 9999)
        .map_or_else(|| at.to_string(), |time| time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// Reads what [`time_text`] wrote.
pub fn time_of(text: &str) -> Option<TimestampMs> {
    text.parse().ok().or_else(|| {
        let time = DateTime::parse_from_rfc3339(text).ok()?;
        TimestampMs::try_from(time.timestamp_millis()).ok()
    })
}

/// Lower-case hexadecimal.
pub fn hex_text(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Reads a sha256 in hexadecimal.
pub fn sha256_of(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[index * 2..index * 2 + 2], 16).ok()?;
    }
    Some(bytes)
}

/// A length of time for a person, in whole milliseconds.
pub(super) fn duration_text(milliseconds: u64) -> String {
    humantime::format_duration(Duration::from_millis(milliseconds)).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_rfc_3339_in_utc() {
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_700_000_000_123, "2023-11-14T22:13:20.123Z"),
            (u64::MAX, "18446744073709551615"),
        ];
        for (at, text) in cases {
            assert_eq!(time_text(at), text);
            assert_eq!(time_of(text), Some(at));
        }
        assert_eq!(time_of("yesterday"), None);
        assert_eq!(time_of("1969-12-31T23:59:59Z"), None);
    }

    #[test]
    fn a_sha256_is_64_hexadecimal_digits() {
        assert_eq!(sha256_of(&"0f".repeat(32)), Some([15; 32]));
        for wrong in ["", "0f", &"0g".repeat(32), &"é".repeat(32), &"+f".repeat(32)] {
            assert_eq!(sha256_of(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn every_time_leads_back(at in any::<u64>()) {
            prop_assert_eq!(time_of(&time_text(at)), Some(at));
        }

        #[test]
        fn every_sha256_leads_back(bytes in any::<[u8; 32]>()) {
            prop_assert_eq!(sha256_of(&hex_text(&bytes)), Some(bytes));
        }
    }
}
