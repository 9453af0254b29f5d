//! What a plugin reads of an event beside its fields.

use serde::Deserialize;

use crate::failure::Failure;
use crate::json;
use crate::transform::Event;

impl Event {
    /// The data as JSON, read now.
    ///
    /// # Errors
    ///
    /// [`Failure::Event`] where there is no data (a tombstone), or it is not JSON of this shape.
    pub fn json<'event, T: Deserialize<'event>>(&'event self) -> Result<T, Failure> {
        let data = self.data.as_deref();
        let data =
            data.ok_or_else(|| Failure::Event("the event has no data: it is a tombstone".to_owned()))?;
        json::parse(data).map_err(|error| Failure::Event(format!("the event's data: {error}")))
    }

    /// The first extension attribute or header of this name, which is lower case.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// True where what the key or the subject names is gone.
    pub fn is_tombstone(&self) -> bool {
        self.data.is_none()
    }
}
