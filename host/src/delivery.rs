//! One delivery: the attempt and its outcome, retry, breaker, deadline, conflict; and how well the SLA is kept over all
//! of them. Decisions are pure; `attempt` alone waits for what it is given to call.

pub(crate) mod attempt;
pub mod breaker;
pub mod conflict;
pub mod deadline;
pub(crate) mod drain;
pub(crate) mod next;
pub(crate) mod objective;
pub mod retry;
