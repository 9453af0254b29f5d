//! What a transformer makes of an event.
//!
//! The event is handed over, so what stays as it is moves on without being copied.

use serde::Serialize;

pub use crate::raw::connector::liaison::plugin::types::Event;
pub use crate::raw::transformer::exports::liaison::plugin::transformer::{Reshaped, Transformed};

use crate::failure::Failure;

impl Event {
    /// The event as it is, to be changed and emitted.
    pub fn reshaped(self) -> Reshaped {
        Reshaped {
            type_: self.type_,
            subject: self.subject,
            content_type: self.content_type,
            data: self.data,
            attributes: self.attributes,
        }
    }
}

impl Reshaped {
    /// With this data, as JSON.
    ///
    /// # Errors
    ///
    /// [`Failure::Event`] where the value has no form in JSON, such as a map whose keys are not text.
    pub fn json<T: Serialize + ?Sized>(mut self, data: &T) -> Result<Self, Failure> {
        let data = serde_json::to_vec(data);
        self.data = Some(data.map_err(|error| Failure::Event(format!("the new data: {error}")))?);
        self.content_type = Some("application/json".to_owned());
        Ok(self)
    }

    /// With this type.
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.type_ = kind.into();
        self
    }
}

impl Transformed {
    /// Deliver this instead.
    pub fn emit(reshaped: Reshaped) -> Self {
        Transformed::Emit(vec![reshaped])
    }

    /// Deliver nothing, and why.
    pub fn drop(reason: impl Into<String>) -> Self {
        Transformed::Drop(reason.into())
    }

    /// This event can never be transformed, and why: it goes to the dead letters.
    pub fn reject(reason: impl Into<String>) -> Self {
        Transformed::Reject(reason.into())
    }
}

impl<E: Into<Transformed>> From<Result<Transformed, E>> for Transformed {
    fn from(result: Result<Transformed, E>) -> Self {
        result.unwrap_or_else(Into::into)
    }
}

/// A batch, as the host gives it.
pub fn transform<R: Into<Transformed>>(events: Vec<Event>, author: impl Fn(Event) -> R) -> Vec<Transformed> {
    events.into_iter().map(|event| author(event).into()).collect()
}
