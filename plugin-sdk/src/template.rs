//! Text and JSON with fields of the event in them, such as `urn:room:{subject}` or `{ "name": "{key}", "seats": "{/seats}" }`.
//!
//! A template is a setting: it is parsed once an instance, and a field that no event has is a mistake in the settings. A
//! field that this event does not have rejects the event: a request that misses a part would change something else.
//!
//! | field | is | in |
//! |---|---|---|
//! | `{id}`, `{source}`, `{type}`, `{subject}` | the event's | all |
//! | `{key}` | the Kafka key, as text | all |
//! | `{attributes.NAME}` | an extension attribute or a record header | all |
//! | `{/policy/id}` | a part of the data, by its JSON pointer (RFC 6901) | all |
//! | `{data}` | all of the data, which is JSON | [`TextTemplate`], [`JsonTemplate`] |
//! | `{etag}` | the version that the external system holds, where it is known | [`TextTemplate`], [`JsonTemplate`] |
//! | `{found/id}` | a part of the record that a lookup has found | [`PathTemplate`] |

mod field;
mod json;
mod path;
mod text;
mod uses;

use std::cell::OnceCell;

use serde_json::Value;

pub use self::json::JsonTemplate;
pub use self::path::PathTemplate;
pub use self::text::{FieldTemplate, TextTemplate};
pub use self::uses::Uses;
use crate::failure::Failure;
use crate::outcome::Delivery;
use crate::transform::Event;

/// Where the fields of a template are found.
#[derive(Debug)]
pub struct Source<'delivery> {
    event: &'delivery Event,
    data: Option<&'delivery [u8]>,
    found: Option<&'delivery [u8]>,
    etag: Option<String>,
    json: OnceCell<Value>,
}

impl<'delivery> Source<'delivery> {
    /// The event, with what is to be written ([`Delivery::data`]) over which version ([`Delivery::version`]).
    pub fn new(delivery: &'delivery Delivery) -> Self {
        Self {
            event: &delivery.event,
            data: delivery.data(),
            found: None,
            etag: delivery.version().map(str::to_owned),
            json: OnceCell::new(),
        }
    }

    /// The same, with this as `{etag}`.
    #[must_use]
    pub fn with_etag(self, etag: Option<String>) -> Self {
        Self { etag, ..self }
    }

    /// The same, with this JSON for `{found/…}`.
    #[must_use]
    pub fn with_found(self, found: Option<&'delivery [u8]>) -> Self {
        Self { found, ..self }
    }

    /// The data as they are; nothing for a tombstone.
    pub fn bytes(&self) -> Option<&'delivery [u8]> {
        self.data
    }

    /// The data as JSON, read once.
    ///
    /// # Errors
    ///
    /// [`Failure::Event`] where there is none (a tombstone), or it is not JSON.
    pub fn data(&self) -> Result<&Value, Failure> {
        if let Some(json) = self.json.get() {
            return Ok(json);
        }
        let data =
            self.data.ok_or_else(|| Failure::Event("the event has no data: it is a tombstone".to_owned()))?;
        let json = crate::json::parse(data).map_err(Failure::not_json)?;
        Ok(self.json.get_or_init(|| json))
    }
}

#[cfg(test)]
mod tests;
