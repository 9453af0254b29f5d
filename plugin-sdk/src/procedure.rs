//! Connectors that call procedures, as gRPC and SOAP do: a lookup, and a create, a write or a delete after it.
//!
//! A protocol says what a call is and what its answer means; this says which call comes next, when an event is too old,
//! and what becomes a conflict. It decides no conflict: the host's policy does, by what the external system holds.
//!
//! Both protocols have the same settings of calls ([`Calls`]), beside their own.

mod attempt;
mod calls;
mod held;
mod sameness;

use serde::Deserialize;
use serde_json::Value;

pub use self::calls::{Calls, Lookup};

use crate::outcome::Outcome;
use crate::template::Uses;

/// What a procedure is called for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// To see what the external system holds.
    Lookup,
    /// To write what is not there yet.
    Create,
    Write,
    Delete,
}

/// One call of a protocol, as the settings describe it.
pub trait Call {
    /// What of an event its request is made of.
    fn uses(&self) -> Uses;
}

/// What a call was answered.
#[derive(Debug)]
pub enum Answer {
    /// It was done; what came back, as JSON.
    Done(Value),
    /// What it is about is not there, and how that was said.
    Missing(String),
    /// What is there is another one, or is there already, and how that was said.
    Conflict(String),
    /// Anything else.
    Ended(Outcome),
}

/// When to look at what the external system holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// Before each change.
    #[default]
    Before,
    /// Only after the external system found a conflict itself, and before a decision that it cannot hold to a version.
    Conflict,
}

#[cfg(test)]
mod tests;
