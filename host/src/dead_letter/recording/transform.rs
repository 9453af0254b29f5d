//! The last call of the transformer that ended a delivery: what it was given, and how it ended.
//!
//! A transformer's clock and random numbers follow from the event, so this is all that a replay needs beside the original
//! record. It has no secrets, and asks nothing of anybody who might echo one.

use serde::{Deserialize, Serialize};

use super::{reshaped, with};
use crate::contract::{Fault, Reshaped, Transformed, cut_reason};
use crate::event::Event;

/// One call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransformRecording {
    /// Its name in the configuration.
    pub transformer: String,
    /// What the transformers before it made of the event; `None` where it was given it as it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<Reshaped>,
    pub end: TransformEnd,
}

/// How a call ended. Only the last two end a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransformEnd {
    Emitted(Vec<Reshaped>),
    Dropped(String),
    Rejected(String),
    Fault(String),
}

impl TransformRecording {
    /// Of a call. `original` is the event before all transformers.
    pub fn of(transformer: &str, given: &Event, original: &Event, end: TransformEnd) -> Self {
        Self { transformer: transformer.to_owned(), given: reshaped(given, original), end }
    }

    /// What the transformer was given. `original` is the event before all transformers.
    pub fn given(&self, original: Event) -> Event {
        with(self.given.clone(), original)
    }
}

impl TransformEnd {
    pub fn of(result: Result<Transformed, Fault>) -> Self {
        match result {
            Ok(Transformed::Emit(parts)) => TransformEnd::Emitted(parts),
            Ok(Transformed::Drop(mut why)) => {
                cut_reason(&mut why);
                TransformEnd::Dropped(why)
            }
            Ok(Transformed::Reject(mut why)) => {
                cut_reason(&mut why);
                TransformEnd::Rejected(why)
            }
            Err(fault) => TransformEnd::Fault(fault.to_string()),
        }
    }
}
