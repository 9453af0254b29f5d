//! One delivery: the attempt and its outcome, retry, deadline, conflict; what holds deliveries back: breaker, concurrency,
//! slots, rate, flood guard; and how well the SLA is kept over all of them. Decisions are pure; `attempt` alone waits for
//! what it is given to call, and `ask` says whether that is too much.

pub(crate) mod ask;
pub(crate) mod attempt;
pub(crate) mod batch;
pub mod breaker;
pub mod concurrency;
pub mod conflict;
pub mod deadline;
pub(crate) mod drain;
pub mod flood;
pub(crate) mod next;
pub(crate) mod objective;
pub mod rate;
pub mod retry;
pub mod slots;
