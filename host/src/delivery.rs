//! One delivery: the attempt and its outcome, retry, breaker, deadline, conflict, flood guard. Decisions are pure;
//! `attempt` alone waits for what it is given to call.

pub(crate) mod attempt;
pub mod breaker;
pub mod conflict;
pub mod deadline;
pub mod flood;
pub(crate) mod next;
pub mod retry;
