//! Events that a subscription gave up on, kept in Kafka with the evidence until a person decides.
//!
//! `record` and what it is made of turn a dead letter into a Kafka record and back, `store` reads them from their
//! topic, `mark` says that one is dealt with, `report` shows them. Nothing here decides what becomes a dead letter.

pub mod attempts;
pub mod header;
pub mod mark;
pub mod reason;
pub mod record;
pub mod report;
pub mod store;

pub use attempts::{Attempt, Attempts};
pub use reason::{Fault, Reason, Stage};
pub use record::{Blamed, DeadLetter};
