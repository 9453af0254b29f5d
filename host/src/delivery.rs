//! One delivery: the attempt and its outcome, retry, deadline, conflict; and what holds all deliveries of a connector
//! back: breaker, concurrency, slots, rate. Decisions are pure; `attempt` alone waits for what it is given to call.

pub(crate) mod attempt;
pub mod breaker;
pub mod concurrency;
pub mod conflict;
pub mod deadline;
pub(crate) mod next;
pub mod rate;
pub mod retry;
pub mod slots;
