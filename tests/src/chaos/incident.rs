//! A fault as it happened: when, and what may be delivered again because of it. Pure.

use super::fault::Fault;

/// One fault of a run.
#[derive(Debug, Clone)]
pub struct Incident {
    pub fault: Fault,
    pub began_ms: u64,
    /// When its cause was gone.
    pub over_ms: u64,
    /// When everything that Kafka had by then was delivered; `None` if that did not come, with what is known of it.
    pub recovered_ms: Result<u64, String>,
    pub may_repeat: MayRepeat,
}

/// What the promise allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MayRepeat {
    /// Not one: hosts end in order or not at all, and the systems are well or say clearly that they are not.
    Nothing,
    /// What this host had in flight, and what it had settled since the last commit that Kafka took.
    Killed { host: usize, at_ms: u64, again_ms: u64 },
    /// Where Kafka gave a partition to another host while its owner could not be asked: what Kafka did not know to be
    /// settled at that moment. Where no partition changed hands, nothing.
    HandedOver,
    /// An answer that is lost on its way does not tell whether the system has the event: each attempt that ended without
    /// one may be made again. `before` were so many already.
    Unanswered { host: usize, before: u64, attempts: u64 },
}
