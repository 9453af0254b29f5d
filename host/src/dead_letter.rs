//! Events that a subscription gave up on, kept in Kafka with the evidence until a person decides.
//!
//! `record` and what it is made of turn a dead letter into a Kafka record and back, with its last attempt as a
//! `recording`, and both sides of a `conflict`; `store` reads them from their topic, `listing` and `selection` say which there are, `mark` that one is
//! dealt with, `replayed` what its last attempt comes to when it is
//! run again, `report` shows them, `file` takes one to another machine. Nothing here decides what becomes a dead letter, or sends one again.

pub mod attempts;
pub mod conflict;
pub mod file;
pub mod header;
pub mod listing;
pub mod mark;
pub mod reason;
pub mod record;
pub mod recording;
pub mod replayed;
pub mod report;
pub mod selection;
pub mod store;

pub use attempts::{Attempt, Attempts};
pub use reason::{Fault, Reason, Stage};
pub use record::{Blamed, DeadLetter};
