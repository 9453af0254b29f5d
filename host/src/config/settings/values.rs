//! The small values of the file: durations, sizes, counts, and the few keys that take more than one form.
//!
//! Text in, a value out, or what was expected. Each describes itself to the JSON Schema.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

/// A length of time such as `"500ms"` or `"1h 30m"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) struct DurationText(Duration);

/// A number of bytes: an integer, or text such as `"64MiB"` or `"1MB"`. At least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) struct ByteSize(u64);

/// A whole number of at least `LEAST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) struct Count<const LEAST: u32>(u32);

/// Text, or `false` for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) enum TextOrFalse {
    Text(String),
    False,
}

/// The value of a librdkafka property: text, a whole number or a boolean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) struct PropertyText(pub(in crate::config) String);

/// A list of `host:port`, or `"embedded"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) enum BrokersSetting {
    Embedded,
    At(Vec<String>),
}

impl From<DurationText> for Duration {
    fn from(duration: DurationText) -> Self {
        duration.0
    }
}

impl From<ByteSize> for u64 {
    fn from(size: ByteSize) -> Self {
        size.0
    }
}

impl From<ByteSize> for usize {
    fn from(size: ByteSize) -> Self {
        Self::try_from(size.0).unwrap_or(Self::MAX)
    }
}

impl<const LEAST: u32> From<Count<LEAST>> for u32 {
    fn from(count: Count<LEAST>) -> Self {
        count.0
    }
}

impl<const LEAST: u32> From<Count<LEAST>> for usize {
    fn from(count: Count<LEAST>) -> Self {
        Self::try_from(count.0).unwrap_or(Self::MAX)
    }
}

impl<'de> Deserialize<'de> for DurationText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Scalar {
            expecting: "a duration such as \"500ms\", \"2s\" or \"15m\"",
            text: |text| humantime::parse_duration(text).ok().map(Self),
            integer: |_| None,
            boolean: |_| None,
        })
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Scalar {
            expecting: "a size of at least one byte such as \"64MiB\", \"1MB\" or 4096",
            text: |text| parse_bytes(text).filter(|bytes| *bytes > 0).map(Self),
            integer: |bytes| u64::try_from(bytes).ok().filter(|bytes| *bytes > 0).map(Self),
            boolean: |_| None,
        })
    }
}

impl<'de, const LEAST: u32> Deserialize<'de> for Count<LEAST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Scalar {
            expecting: if LEAST == 0 {
                "a whole number from 0 to 4294967295"
            } else {
                "a whole number from 1 to 4294967295"
            },
            text: |_| None,
            integer: |count| u32::try_from(count).ok().filter(|count| *count >= LEAST).map(Self),
            boolean: |_| None,
        })
    }
}

impl<'de> Deserialize<'de> for TextOrFalse {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Scalar {
            expecting: "text, or false for none",
            text: |text| Some(Self::Text(text.to_owned())),
            integer: |_| None,
            boolean: |value| (!value).then_some(Self::False),
        })
    }
}

impl<'de> Deserialize<'de> for PropertyText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Scalar {
            expecting: "text, a whole number or a boolean",
            text: |text| Some(Self(text.to_owned())),
            integer: |value| Some(Self(value.to_string())),
            boolean: |value| Some(Self(value.to_string())),
        })
    }
}

impl<'de> Deserialize<'de> for BrokersSetting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Brokers;

        impl<'de> Visitor<'de> for Brokers {
            type Value = BrokersSetting;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list such as [\"kafka-1:9092\"], or \"embedded\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                match text {
                    "embedded" => Ok(BrokersSetting::Embedded),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
                let mut brokers = Vec::new();
                while let Some(broker) = sequence.next_element()? {
                    brokers.push(broker);
                }
                Ok(BrokersSetting::At(brokers))
            }
        }

        deserializer.deserialize_any(Brokers)
    }
}

/// Reads one scalar; a form that gives `None` is refused with what was expected.
struct Scalar<T> {
    expecting: &'static str,
    text: fn(&str) -> Option<T>,
    integer: fn(i64) -> Option<T>,
    boolean: fn(bool) -> Option<T>,
}

impl<T> Visitor<'_> for Scalar<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.expecting)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.text)(text).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }

    fn visit_i64<E: Error>(self, integer: i64) -> Result<T, E> {
        (self.integer)(integer).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Signed(integer), &self))
    }

    fn visit_bool<E: Error>(self, boolean: bool) -> Result<T, E> {
        (self.boolean)(boolean).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Bool(boolean), &self))
    }
}

/// Bytes of a whole number with a unit, as in `64MiB`; `None` for anything else and for what does not fit.
fn parse_bytes(text: &str) -> Option<u64> {
    let end = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at(end);
    let factor = match unit.trim_start() {
        "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// Each value's schema stands where it is used, so that an editor shows it without a detour.
macro_rules! describe {
    ($($type:ty, $name:literal, $schema:tt;)*) => {$(
        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )*};
}

describe! {
    DurationText, "Duration", { "type": "string", "pattern": "^\\s*(\\d+\\s*[a-z]+\\s*)+$", "examples": ["500ms", "2s", "15m"] };
    ByteSize, "ByteSize", { "type": ["string", "integer"], "minimum": 1, "pattern": "^\\d+ *([kKMG]?B|[KMG]iB)$", "examples": ["64MiB", "1MB", 4096] };
    Count<0>, "CountFrom0", { "type": "integer", "minimum": 0, "maximum": u32::MAX };
    Count<1>, "CountFrom1", { "type": "integer", "minimum": 1, "maximum": u32::MAX };
    TextOrFalse, "TextOrFalse", { "anyOf": [{ "type": "string" }, { "const": false }] };
    PropertyText, "Property", { "type": ["string", "integer", "boolean"] };
    BrokersSetting, "Brokers", { "anyOf": [{ "const": "embedded" }, { "type": "array", "items": { "type": "string" }, "minItems": 1 }] };
}

#[cfg(test)]
mod tests {
    use super::parse_bytes;

    #[test]
    fn sizes_take_decimal_and_binary_units() {
        for (text, bytes) in [
            ("1B", Some(1)),
            ("1kB", Some(1_000)),
            ("1KB", Some(1_000)),
            ("2 MB", Some(2_000_000)),
            ("3GB", Some(3_000_000_000)),
            ("4KiB", Some(4_096)),
            ("64MiB", Some(67_108_864)),
            ("1GiB", Some(1_073_741_824)),
            ("64", None),
            ("MiB", None),
            ("-1MiB", None),
            ("1.5MiB", None),
            ("1mib", None),
            ("99999999999GiB", None),
            ("", None),
        ] {
            assert_eq!(parse_bytes(text), bytes, "{text:?}");
        }
    }
}
