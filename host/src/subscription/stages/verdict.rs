//! What an event says of a version on trial: that it passed, that it failed, or nothing. Pure but for the tally.
//!
//! A fault of the plugin and a rejection are failures, but only of a version that has them alone: the live version is
//! asked in its place, and where it fails or rejects as well it is the event that is wrong. What the external system did
//! (retry, throttled, denied) says nothing of the version, and neither does a host without room.

use super::served::Tally;
use crate::contract::{Fault, Outcome, Transformed};
use crate::telemetry::FaultKind;

/// Why the version before is asked too; `None` where this one's word stands.
pub(super) fn failure(result: &Result<Outcome, Fault>) -> Option<String> {
    match result {
        Ok(Outcome::Rejected(why)) => Some(format!("rejected: {why}")),
        Ok(
            Outcome::Delivered(_)
            | Outcome::Skipped(_)
            | Outcome::Conflict(_)
            | Outcome::Retry(_)
            | Outcome::Throttled(_)
            | Outcome::Denied(_),
        ) => None,
        Err(fault) => fault_of(fault),
    }
}

/// The same of a transformer.
pub(super) fn transform_failure(result: &Result<Transformed, Fault>) -> Option<String> {
    match result {
        Ok(Transformed::Reject(why)) => Some(format!("rejected: {why}")),
        Ok(Transformed::Emit(_) | Transformed::Drop(_)) => None,
        Err(fault) => fault_of(fault),
    }
}

/// Counts what the version on trial said, and nobody else was asked.
pub(super) fn judge_alone(tally: &Tally, result: &Result<Outcome, Fault>) {
    match result {
        Ok(Outcome::Delivered(_) | Outcome::Skipped(_) | Outcome::Conflict(_) | Outcome::Rejected(_)) => {
            tally.passed();
        }
        Ok(Outcome::Retry(_) | Outcome::Throttled(_) | Outcome::Denied(_)) | Err(_) => {}
    }
}

/// Counts what the version on trial failed on, by what the live one said in its place.
pub(super) fn judge_beside(tally: &Tally, why: &str, live: &Result<Outcome, Fault>) {
    match live {
        Ok(Outcome::Delivered(_) | Outcome::Skipped(_) | Outcome::Conflict(_)) => tally.failed(why),
        // It could not be asked whether it would have been the event.
        Ok(Outcome::Retry(_) | Outcome::Throttled(_) | Outcome::Denied(_)) => {}
        Ok(Outcome::Rejected(_)) => tally.passed(),
        Err(fault) => {
            if FaultKind::of(fault).is_some() {
                tally.passed();
            }
        }
    }
}

/// `None` where the host could not ask.
pub(super) fn fault_of(fault: &Fault) -> Option<String> {
    FaultKind::of(fault).map(|_| fault.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::served::Counts;
    use super::*;
    use crate::contract::{Receipt, Retry};

    type Ended = Result<Outcome, Fault>;

    fn retry() -> Ended {
        Ok(Outcome::Retry(Retry { after: None, reason: "503".into() }))
    }

    fn delivered() -> Ended {
        Ok(Outcome::Delivered(Receipt::default()))
    }

    fn rejected() -> Ended {
        Ok(Outcome::Rejected("no".into()))
    }

    fn trap() -> Ended {
        Err(Fault::Trap("unreachable".into()))
    }

    fn counted(judge: impl FnOnce(&Tally)) -> (u64, u64) {
        let tally = Tally::default();
        judge(&tally);
        let Counts { judged, failed } = tally.counts();
        (judged, failed)
    }

    #[test]
    fn faults_and_rejections_go_to_the_version_before_and_nothing_else_does() {
        let denied = Ok(Outcome::Denied("401".into()));
        for (result, goes) in [
            (rejected(), true),
            (trap(), true),
            (delivered(), false),
            (retry(), false),
            (denied, false),
            (Err(Fault::NoRoom), false),
            (Err(Fault::Unwritten("no broker".into())), false),
        ] {
            assert_eq!(failure(&result).is_some(), goes, "{result:?}");
        }
        let transformed = |result: Result<Transformed, Fault>| transform_failure(&result);
        assert_eq!(transformed(Ok(Transformed::Reject("no".into()))).as_deref(), Some("rejected: no"));
        assert!(transformed(Err(Fault::Trap("x".into()))).is_some());
        assert_eq!(transformed(Ok(Transformed::Drop("old".into()))), None);
    }

    #[test]
    fn a_failure_counts_where_the_version_before_does_better() {
        for (live, expected) in [
            (delivered(), (1, 1)),
            (rejected(), (1, 0)),
            (trap(), (1, 0)),
            (retry(), (0, 0)),
            (Err(Fault::NoRoom), (0, 0)),
        ] {
            assert_eq!(counted(|tally| judge_beside(tally, "trapped", &live)), expected, "{live:?}");
        }
    }

    #[test]
    fn an_outage_says_nothing_of_a_version() {
        for (result, expected) in [(delivered(), (1, 0)), (retry(), (0, 0)), (Err(Fault::NoRoom), (0, 0))] {
            assert_eq!(counted(|tally| judge_alone(tally, &result)), expected, "{result:?}");
        }
    }
}
