//! What follows an attempt: the rules of delivery, outcome by outcome. Pure.
//!
//! In come the attempt's result, what the delivery has behind it, the SLA and who decides a conflict; out goes what to do.
//! The breaker is told before and asked here only by what it said.

use std::time::Duration;

use tokio::time::Instant;

use super::conflict::Decision;
use super::retry::{self, RetryVerdict};
use crate::config::Sla;
use crate::contract::{Conflict, Fault, Outcome};
use crate::dead_letter::{self, Reason};

/// Faults of a plugin on one event; the last of them ends it.
pub(crate) const MAX_FAULTS: u32 = 3;
/// Refusals of our credentials for one event while others are taken: then it is the event that may not be written.
pub(crate) const MAX_DENIALS: u32 = 5;
/// The longest that one answer may hold a connector back, whatever it asks for.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);
/// How long to wait when the plugin pool has no room, or Kafka does not take what must be kept.
const NO_ROOM: Duration = Duration::from_millis(50);

/// What a delivery has behind it, this attempt included.
#[derive(Debug, Clone, Copy)]
pub(crate) struct History {
    /// Attempts that count.
    pub(crate) attempts: u32,
    pub(crate) faults: u32,
    pub(crate) resolutions: u32,
    /// Since something else succeeded in between.
    pub(crate) denials: u32,
    pub(crate) first_attempt_at: Instant,
}

/// What to do next with a delivery.
#[derive(Debug, PartialEq)]
pub(crate) enum Next {
    /// The external system has it, or has nothing to do with it.
    Delivered,
    /// What was decided of this conflict.
    Decided(Decision, Conflict),
    /// Try again then.
    Retry { at: Instant },
    /// The external system wants no one before then.
    Throttle { until: Instant },
    /// The external system refuses our credentials; why.
    Denied(String),
    /// Give up.
    DeadLetter { reason: Reason, message: String },
}

/// Decides what follows. `jitter` goes from 0 to 1.
pub(crate) fn next(
    result: &Result<Outcome, Fault>,
    history: &History,
    sla: &Sla,
    decide: impl FnOnce(&Conflict) -> Decision,
    now: Instant,
    jitter: f64,
) -> Next {
    match result {
        Ok(Outcome::Delivered(_) | Outcome::Skipped(_)) => Next::Delivered,
        Ok(Outcome::Retry(wanted)) => retry_or_end(history, sla, wanted.after, &wanted.reason, now, jitter),
        Ok(Outcome::Throttled(wanted)) => {
            let after = wanted.after.unwrap_or_default();
            Next::Throttle { until: now + after.clamp(sla.initial_interval, LONGEST_WAIT) }
        }
        Ok(Outcome::Denied(why)) if history.denials >= MAX_DENIALS => Next::DeadLetter {
            reason: Reason::Rejected,
            message: format!("refused {MAX_DENIALS} times while other events were taken: {why}"),
        },
        Ok(Outcome::Denied(why)) => Next::Denied(why.clone()),
        Ok(Outcome::Conflict(conflict)) => Next::Decided(decide(conflict), conflict.clone()),
        Ok(Outcome::Rejected(why)) => Next::DeadLetter { reason: Reason::Rejected, message: why.clone() },
        Err(Fault::NoRoom | Fault::Unwritten(_)) => Next::Retry { at: now + NO_ROOM },
        Err(fault) if history.faults >= MAX_FAULTS => Next::DeadLetter {
            reason: Reason::Fault(dead_letter::Fault::of(fault)),
            message: fault.to_string(),
        },
        Err(fault) => retry_or_end(history, sla, None, &fault.to_string(), now, jitter),
    }
}

fn retry_or_end(
    history: &History,
    sla: &Sla,
    after: Option<Duration>,
    why: &str,
    now: Instant,
    jitter: f64,
) -> Next {
    let delay = retry::delay(sla, history.attempts.max(1), after, jitter);
    match retry::verdict(sla, history.attempts, history.first_attempt_at, now, delay) {
        RetryVerdict::Again { at } => Next::Retry { at },
        RetryVerdict::AttemptsSpent => Next::DeadLetter {
            reason: Reason::AttemptsSpent,
            message: format!("{} attempts failed; the last: {why}", history.attempts),
        },
        RetryVerdict::GaveUp => Next::DeadLetter {
            reason: Reason::GaveUp,
            message: format!("not delivered within {:?}; the last attempt: {why}", sla.give_up_after),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Receipt, Retry};

    fn history(attempts: u32, faults: u32, resolutions: u32, denials: u32) -> History {
        History { attempts, faults, resolutions, denials, first_attempt_at: Instant::now() }
    }

    fn retry(after: Option<Duration>) -> Retry {
        Retry { after, reason: "503".into() }
    }

    fn follow(result: Result<Outcome, Fault>, history: &History, now: Instant) -> Next {
        let decide = |conflict: &Conflict| Decision::Manual(conflict.reason.clone());
        next(&result, history, &Sla::default(), decide, now, 1.0)
    }

    fn reason(next: Next) -> Option<Reason> {
        match next {
            Next::DeadLetter { reason, .. } => Some(reason),
            _ => None,
        }
    }

    #[test]
    fn each_outcome_has_what_follows_it() {
        let now = Instant::now();
        let sla = Sla::default();
        let fresh = history(1, 0, 0, 1);
        let conflict = Conflict { version: Some("v2".into()), current: None, reason: "newer".into() };
        let after = Duration::from_secs(7);
        let cases = [
            (Ok(Outcome::Delivered(Receipt::default())), Next::Delivered),
            (Ok(Outcome::Skipped("same".into())), Next::Delivered),
            (Ok(Outcome::Retry(retry(None))), Next::Retry { at: now + sla.initial_interval }),
            (Ok(Outcome::Retry(retry(Some(after)))), Next::Retry { at: now + after }),
            (Ok(Outcome::Throttled(retry(Some(after)))), Next::Throttle { until: now + after }),
            (Ok(Outcome::Throttled(retry(None))), Next::Throttle { until: now + sla.initial_interval }),
            (Ok(Outcome::Denied("401".into())), Next::Denied("401".into())),
            (
                Ok(Outcome::Conflict(conflict.clone())),
                Next::Decided(Decision::Manual("newer".into()), conflict),
            ),
            (Err(Fault::NoRoom), Next::Retry { at: now + NO_ROOM }),
            (Err(Fault::Unwritten("no broker".into())), Next::Retry { at: now + NO_ROOM }),
            (Err(Fault::Trap("unreachable".into())), Next::Retry { at: now + sla.initial_interval }),
        ];
        for (result, expected) in cases {
            let text = format!("{result:?}");
            assert_eq!(follow(result, &fresh, now), expected, "{text}");
        }
    }

    #[test]
    fn each_limit_ends_in_a_dead_letter_of_its_reason() {
        let now = Instant::now();
        let spent = history(Sla::default().max_attempts, 0, 0, 0);
        let trap = Fault::Trap("unreachable".into());
        let cases: [(Result<Outcome, Fault>, History, Reason); 5] = [
            (Ok(Outcome::Rejected("never".into())), history(1, 0, 0, 0), Reason::Rejected),
            (Ok(Outcome::Retry(retry(None))), spent, Reason::AttemptsSpent),
            (
                Ok(Outcome::Retry(retry(Some(Sla::default().give_up_after * 2)))),
                history(1, 0, 0, 0),
                Reason::GaveUp,
            ),
            (Err(trap.clone()), history(3, MAX_FAULTS, 0, 0), Reason::Fault(dead_letter::Fault::of(&trap))),
            (Ok(Outcome::Denied("403".into())), history(1, 0, 0, MAX_DENIALS), Reason::Rejected),
        ];
        for (result, history, expected) in cases {
            let text = format!("{result:?}");
            assert_eq!(reason(follow(result, &history, now)), Some(expected), "{text}");
        }
    }
}
