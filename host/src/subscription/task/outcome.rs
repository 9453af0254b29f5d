//! What follows when a turn of a delivery has ended: the rules of delivery are asked, and obeyed.

use std::sync::Arc;

use tokio::time::Instant;

use super::Task;
use crate::contract::{Conflict, Fault, Outcome};
use crate::dead_letter::conflict::Sides;
use crate::dead_letter::recording::TransformEnd;
use crate::dead_letter::{Reason, Stage};
use crate::delivery::breaker::{Change, Failure, FailureKind};
use crate::delivery::conflict::{self, Decision, Offer};
use crate::delivery::next::{self, Next};
use crate::subscription::lanes::LaneId;
use crate::subscription::stages::Done;
use crate::subscription::witness::Last;
use crate::telemetry::Settlement;

impl Task {
    pub(in crate::subscription) fn finish(&mut self, lane: LaneId, done: Done, now: Instant) {
        self.share.end();
        let Some(carried) = self.lanes.head(lane) else { return };
        let (sequence, was_probe) = (carried.sequence, std::mem::take(&mut carried.is_probe));
        let is_attempt = matches!(done, Done::Attempted { .. } | Done::NotUsable(_));
        if was_probe && !is_attempt {
            self.share.tell(now, |breaker| breaker.probe_abandoned(sequence, now));
        }
        match done {
            Done::Transformed { parts, tried } => {
                carried.makers.made(tried);
                carried.transformed(parts.into_iter().map(Arc::new));
                self.go_on(lane);
            }
            Done::Dropped(why) => {
                tracing::debug!(event = %carried.record.origin, why, "a transformer dropped an event");
                self.settle(lane, Settlement::Filtered);
            }
            Done::TransformRejected { stopped, why } => {
                carried.blamed = Some(stopped.blamed.clone());
                let end = TransformEnd::Rejected(why.clone());
                let recording = self.witness.recorded(Last::Transform(&stopped, &end), &carried.event);
                self.give_up(lane, Stage::Transform, Reason::TransformRejected, why, Some(recording))
            }
            Done::TransformFault { stopped, fault } => {
                carried.blamed = Some(stopped.blamed.clone());
                let end = TransformEnd::Fault(fault.to_string());
                self.after(lane, &Err(fault), Last::Transform(&stopped, &end), now)
            }
            Done::NotUsable(mut why) => {
                self.witness.said(&mut why);
                tracing::debug!(why, "the check says that the external system is not usable");
                let jitter = self.random.f64();
                self.share.tell(now, |breaker| breaker.probe_check_failed(now, jitter));
                self.go_on(lane);
            }
            Done::Attempted { mut attempt, idempotency_key, journalled, blamed } => {
                self.witness.strike(&mut attempt.result);
                carried.blamed = blamed;
                carried.idempotency_key = Some(idempotency_key);
                if let Some((journal, journalled)) = self.journal.as_mut().zip(journalled) {
                    journal.keep(carried.place.partition, carried.place.offset, carried.part, journalled);
                }
                let began = carried.began;
                self.witness.attempted(&attempt, now.saturating_duration_since(began));
                let retry_after = match &attempt.result {
                    Ok(Outcome::Retry(retry)) => retry.after,
                    _ => None,
                };
                let is_down = matches!(attempt.result, Ok(Outcome::Retry(_)));
                let failure = attempt.trouble.filter(|_| is_down);
                let failed_before = carried.last_doubtful();
                let failure =
                    failure.map(|kind| Failure { event: sequence, kind, retry_after, began, failed_before });
                carried.attempted(&attempt.result, failure.is_some(), now);
                self.witness.goes_on(carried, &attempt.result);
                self.tell_breaker(sequence, &attempt.result, failure.as_ref(), was_probe, now);
                self.after(lane, &attempt.result, Last::Attempt(&attempt), now);
            }
        }
    }

    /// What an attempt says of the external system as a whole.
    fn tell_breaker(
        &mut self,
        sequence: u64,
        result: &Result<Outcome, Fault>,
        failure: Option<&Failure>,
        was_probe: bool,
        now: Instant,
    ) {
        let jitter = self.random.f64();
        let change = match result {
            Ok(Outcome::Delivered(_) | Outcome::Skipped(_) | Outcome::Conflict(_) | Outcome::Rejected(_)) => {
                self.share.tell(now, |breaker| breaker.succeeded(now))
            }
            Ok(Outcome::Denied(why)) => {
                let change = self.share.tell(now, |breaker| breaker.denied(sequence, now, jitter));
                return self.breaker_changed(change, why);
            }
            Ok(Outcome::Retry(_)) if failure.is_some() => failure
                .and_then(|failure| self.share.tell(now, |breaker| breaker.failed(failure, now, jitter))),
            // Whatever keeps a probe from its end, the next one waits longer and is another event.
            Ok(Outcome::Retry(retry)) if was_probe => {
                let (kind, retry_after) = (FailureKind::Unavailable, retry.after);
                let failure = Failure { event: sequence, kind, retry_after, began: now, failed_before: None };
                self.share.tell(now, |breaker| breaker.failed(&failure, now, jitter))
            }
            Ok(Outcome::Retry(_) | Outcome::Throttled(_)) | Err(_) => {
                if was_probe && !matches!(result, Ok(Outcome::Throttled(_))) {
                    self.share.tell(now, |breaker| breaker.probe_abandoned(sequence, now));
                }
                None
            }
        };
        let why = match result {
            Ok(Outcome::Retry(retry)) => &retry.reason,
            Ok(Outcome::Denied(why)) => why,
            Ok(
                Outcome::Delivered(_)
                | Outcome::Skipped(_)
                | Outcome::Throttled(_)
                | Outcome::Conflict(_)
                | Outcome::Rejected(_),
            )
            | Err(_) => "",
        };
        self.breaker_changed(change, why);
    }

    fn breaker_changed(&mut self, change: Option<Change>, why: &str) {
        if let Some(change) = change {
            self.share.levels();
            self.witness.breaker_changed(change, why);
        }
    }

    /// What failed because the system is down costs no attempt, and goes first when it is up again.
    pub(super) fn refund(&mut self) {
        let outages = self.share.outages();
        if outages != self.outages {
            self.outages = outages;
            let breaker = self.share.breaker();
            self.lanes.call(|carried| carried.refund(|failed_at| breaker.is_refundable(failed_at)));
        }
    }

    /// Does what the rules say follows.
    fn after(&mut self, lane: LaneId, result: &Result<Outcome, Fault>, last: Last<'_>, now: Instant) {
        let jitter = self.random.f64();
        let Some(carried) = self.lanes.head(lane) else { return };
        if last.stage() == Stage::Transform {
            carried.attempted(result, false, now);
        }
        if matches!(result, Ok(Outcome::Denied(_))) {
            carried.denied(self.share.breaker().last_success(), now);
        }
        carried.refund(|failed_at| self.share.breaker().is_refundable(failed_at));
        let event = carried.next_part().unwrap_or_else(|| carried.event.clone());
        let sla = self.settings.sla.of(&event.kind);
        let is_conflict = matches!(result, Ok(Outcome::Conflict(_)));
        let history = carried.history(is_conflict);
        let policy = &self.settings.conflict;
        let decide =
            |conflict: &Conflict| conflict::decide(policy, Offer::of(&event), conflict, history.resolutions);
        let sequence = carried.sequence;
        match next::next(result, &history, sla, decide, now, jitter) {
            Next::Delivered => self.part_done(lane, Settlement::Delivered),
            Next::Decided(decision, conflict) => self.decided(lane, decision, &conflict, last),
            Next::Retry { at } => {
                self.keep_recording(lane, last);
                self.wait_for_attempt(lane, at, now);
            }
            Next::Throttle { until } => {
                self.share.tell(now, |breaker| breaker.throttled(sequence, until, now));
                self.wait(lane, until);
            }
            Next::Denied(_) => self.wait(lane, now),
            Next::DeadLetter { reason, message } => self.given_up(lane, (reason, message), result, last, now),
        }
    }

    /// Gives an event up, unless it is the system's fault that it failed, or the event can be made anew.
    fn given_up(
        &mut self,
        lane: LaneId,
        (reason, message): (Reason, String),
        result: &Result<Outcome, Fault>,
        last: Last<'_>,
        now: Instant,
    ) {
        let Some(carried) = self.lanes.head(lane) else { return };
        // A plugin that fails says nothing of the system.
        let is_spent = reason == Reason::AttemptsSpent && result.is_ok();
        let first_failure_at = carried.first_failure_at().filter(|_| is_spent);
        if first_failure_at.is_some_and(|at| self.share.breaker().holds_exhausted(at)) {
            let jitter = self.random.f64();
            let change = self.share.tell(now, |breaker| breaker.trip(now, jitter));
            let why = "an event spent its attempts, and nothing else has succeeded since";
            self.breaker_changed(change, why);
            return self.wait(lane, now);
        }
        // Nothing is given up because a system is down: it is tried again when the breaker lets it.
        if reason == Reason::GaveUp && self.share.breaker().open_for(now).is_some() {
            return self.wait(lane, now);
        }
        // What a journal holds is of what it was made into before.
        let is_rejected = matches!(result, Ok(Outcome::Rejected(_)));
        if is_rejected && self.journal.is_none() && carried.make_anew(&message) {
            return self.go_on(lane);
        }
        let recording = self.witness.recorded(last, &carried.event);
        self.give_up(lane, last.stage(), reason, message, Some(recording));
    }

    /// Does what was decided of a conflict.
    fn decided(&mut self, lane: LaneId, decision: Decision, conflict: &Conflict, last: Last<'_>) {
        let Some(carried) = self.lanes.head(lane) else { return };
        let event = carried.next_part().unwrap_or_else(|| carried.event.clone());
        let policy = &self.settings.conflict;
        self.witness.decided(&event, policy.name(), conflict, &decision);
        match decision {
            Decision::Superseded(_) | Decision::AlreadyThere => self.part_done(lane, Settlement::Superseded),
            Decision::Again(resolution) => {
                carried.resolve(resolution);
                self.go_on(lane);
            }
            Decision::Manual(message) | Decision::Endless(message) => {
                let original = carried.record.value.as_ref();
                let sides = Sides::of(policy, event.data.as_ref(), original, conflict).to_json();
                carried.leave_to_a_person(sides);
                let recording = self.witness.recorded(last, &carried.event);
                self.give_up(lane, Stage::Deliver, Reason::Conflict, message, Some(recording));
            }
        }
    }

    /// Nothing more is to be done for one part; the event settles with the last of them.
    fn part_done(&mut self, lane: LaneId, settlement: Settlement) {
        let Some(carried) = self.lanes.head(lane) else { return };
        if carried.next_after_delivered() {
            self.go_on(lane);
        } else {
            self.settle(lane, settlement);
        }
    }

    pub(super) fn wait(&mut self, lane: LaneId, until: Instant) {
        if self.may_go_on(lane) {
            self.lanes.wait(lane, until);
        }
    }

    pub(super) fn go_on(&mut self, lane: LaneId) {
        if self.may_go_on(lane) {
            self.lanes.again(lane);
        }
    }

    /// A delivery that is not settled when its partition leaves is left to whoever reads the partition next.
    pub(super) fn may_go_on(&mut self, lane: LaneId) -> bool {
        let Some(carried) = self.lanes.head(lane) else { return false };
        let may = !self.is_stopping && self.partitions.is_staying(carried.place.partition);
        if !may {
            let dropped = self.lanes.abandon(lane);
            self.left(&dropped, Instant::now());
        }
        may
    }
}
