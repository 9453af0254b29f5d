//! Connectors in this process: for those who embed the host and reach a system without a sandbox.
//!
//! The same pure function as a plugin's, on the same way through the host; only the call is another.

use std::fmt;

use crate::contract::{CheckStep, Delivery, Reply, Step, TimestampMs};

/// A connector written in Rust and linked into the host.
///
/// It does no I/O: it answers what to do next, and is called again with the replies, as in `wit/connector.wit`. It must
/// not block, and must give the same answer to the same arguments.
pub trait NativeConnector: Send + Sync + fmt::Debug {
    /// What to do next with a delivery.
    fn deliver(&self, delivery: &Delivery) -> Step;

    /// What to do next to find out whether the external system is usable.
    fn check(&self, now: TimestampMs, rounds: &[Vec<Reply>]) -> CheckStep {
        let _ = (now, rounds);
        CheckStep::Usable("this connector has no check".into())
    }
}
