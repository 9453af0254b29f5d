//! How bytes and lengths of time stand in the JSON of what is recorded: text as text, other bytes as
//! `{"base64": "…"}`, time in milliseconds. What was written reads back as it was, byte for byte.

use std::borrow::Cow;
use std::time::Duration;

use ::bytes::Bytes;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written<'a> {
    Text(Cow<'a, str>),
    Other { base64: String },
}

impl<'a> Written<'a> {
    fn of(value: &'a [u8]) -> Self {
        match std::str::from_utf8(value) {
            Ok(text) => Self::Text(text.into()),
            Err(_) => Self::Other { base64: STANDARD.encode(value) },
        }
    }

    fn bytes<E: de::Error>(self) -> Result<Bytes, E> {
        match self {
            Self::Text(text) => Ok(text.into_owned().into()),
            Self::Other { base64 } => STANDARD.decode(base64).map(Bytes::from).map_err(E::custom),
        }
    }
}

pub(crate) mod bytes {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(value: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        Written::of(value).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        Written::deserialize(deserializer)?.bytes()
    }
}

pub(crate) mod optional_bytes {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(value: &Option<Bytes>, serializer: S) -> Result<S::Ok, S::Error> {
        value.as_deref().map(Written::of).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Bytes>, D::Error> {
        Option::<Written<'_>>::deserialize(deserializer)?.map(Written::bytes).transpose()
    }
}

pub(crate) mod milliseconds {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(
        value: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        value.map(milliseconds).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_millis))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct All {
        #[serde(with = "bytes")]
        one: Bytes,
        #[serde(with = "optional_bytes", default)]
        other: Option<Bytes>,
        #[serde(with = "milliseconds", default)]
        time: Option<Duration>,
    }

    #[test]
    fn what_is_written_reads_back_as_it_was() {
        let text = Bytes::from_static("{ \"é\": 1.0 }\n".as_bytes());
        let binary = Bytes::from_static(&[0xff, 0]);
        for (all, expected) in [
            (
                All { one: text, other: None, time: None },
                json!({"one": "{ \"é\": 1.0 }\n", "other": null, "time": null}),
            ),
            (
                All { one: Bytes::new(), other: Some(binary), time: Some(Duration::from_millis(1500)) },
                json!({"one": "", "other": {"base64": "/wA="}, "time": 1500}),
            ),
        ] {
            let json = serde_json::to_string(&all).unwrap();
            assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap(), expected);
            assert_eq!(serde_json::from_str::<All>(&json).unwrap(), all);
        }
    }

    #[test]
    fn broken_base64_is_refused() {
        let broken = r#"{"one": {"base64": "?"}}"#;
        assert!(serde_json::from_str::<All>(broken).unwrap_err().to_string().contains("Invalid symbol"));
    }
}
