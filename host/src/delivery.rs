//! One delivery: the attempt and its outcome, retry, breaker, deadline, conflict. Decisions are pure; `attempt` alone
//! waits for what it is given to call.

pub(crate) mod attempt;
pub mod breaker;
pub mod conflict;
pub mod deadline;
pub(crate) mod next;
pub mod retry;
