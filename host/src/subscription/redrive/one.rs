//! One dead letter on its way again: what the subscription's task does with an event, without a lane of its own.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::tries::{Tried, TriedLast, Tries};
use super::turn::{Place, Trouble, Turn, again, job};
use super::{End, Run};
use crate::config;
use crate::contract::{Conflict, Outcome};
use crate::dead_letter::listing::Summary;
use crate::dead_letter::recording::TransformEnd;
use crate::dead_letter::{Attempts, DeadLetter, Reason, Stage};
use crate::delivery::attempt::Attempt;
use crate::delivery::breaker::Failure;
use crate::delivery::next::{self, Next};
use crate::event::Event;
use crate::subscription::filter::Verdict;
use crate::subscription::stages::Done;
use crate::subscription::unix_ms;
use crate::subscription::witness::Last;

/// Somebody waits for the command: what takes longer becomes a dead letter again, or ends the run.
const PATIENCE: Duration = Duration::from_secs(300);

/// What came of a turn.
enum Turned {
    Parts(Vec<Event>),
    Ended(End),
}

impl Run<'_> {
    pub(super) async fn one<'a>(&'a self, summary: &Summary, letter: &DeadLetter, place: &Place<'a>) -> End {
        if self.stopped.borrow().is_some() {
            return End::Left;
        }
        if let Some(end) = self.target_end(letter).or_else(|| self.overtaken_end(summary)) {
            return end;
        }
        let event = match self.plan.registry.event(&letter.record, &self.rules).await {
            // It is no fault of the letter, nor of those behind it.
            Err(away) => {
                self.stop(away.to_string());
                return End::Left;
            }
            Ok(Ok(event)) => Arc::new(event),
            Ok(Err(error)) => {
                let new = self.plan.witness.letter(
                    letter.record.clone(),
                    Stage::Decode,
                    Reason::Undecodable,
                    error.to_string(),
                );
                return End::Failed(Box::new(again(letter, new)));
            }
        };
        match self.filter.verdict(&event) {
            Verdict::Wanted => self.deliver(summary, letter, event, place).await,
            Verdict::Unwanted(by) => End::Filtered(format!("by the subscription's {by}")),
            Verdict::Failed(why) => {
                let turn =
                    Turn { summary, letter, event: &event, place, next: None, part: None, decided: None };
                let (stage, reason) = (Stage::Filter, Reason::FilterFailed);
                let trouble = Trouble { stage, reason, message: why, conflict: None };
                turn.failed(self, trouble, Attempts::default(), None)
            }
        }
    }

    /// The parts that were not delivered before, in order.
    async fn deliver<'a>(
        &'a self,
        summary: &Summary,
        letter: &DeadLetter,
        event: Arc<Event>,
        place: &Place<'a>,
    ) -> End {
        let parts = if self.stages.has_transformers() {
            let (next, part, decided) = (None, None, None);
            let turn = Turn { summary, letter, event: &event, place, next, part, decided };
            match self.turn(&turn).await {
                Turned::Parts(parts) => parts.into_iter().map(Arc::new).collect(),
                Turned::Ended(end) => return end,
            }
        } else {
            vec![event.clone()]
        };
        let mut end = End::Delivered;
        let count = parts.len();
        // Of fewer parts than there were, nobody can tell which were delivered.
        let first = letter.part.filter(|part| (*part as usize) < count).unwrap_or_default();
        for (part, next) in (0..).zip(parts).filter(|(part, _)| *part >= first) {
            let part = (count > 1).then_some(part);
            let decided = match self.taken(letter, (part, count), &next) {
                Ok(decided) => decided,
                Err(superseded @ End::Superseded(_)) => {
                    end = superseded;
                    continue;
                }
                Err(end) => return end,
            };
            let turn = Turn { summary, letter, event: &event, place, next: Some(next), part, decided };
            match self.turn(&turn).await {
                Turned::Ended(End::Delivered) | Turned::Parts(_) => {}
                Turned::Ended(superseded @ End::Superseded(_)) => end = superseded,
                Turned::Ended(end @ (End::Filtered(_) | End::Failed(_) | End::Refused(_) | End::Left)) => {
                    return end;
                }
            }
        }
        end
    }

    /// One turn with the SLA's retries.
    async fn turn<'a>(&'a self, turn: &Turn<'_, 'a>) -> Turned {
        let kind = turn.next.as_ref().map_or(&turn.event.kind, |event| &event.kind);
        let sla = self.plan.settings.sla.of(kind);
        let sla = config::Sla { give_up_after: sla.give_up_after.min(PATIENCE), ..*sla };
        let mut tries = Tries::new(turn.decided.clone());
        loop {
            if let Err(end) = self.start(turn).await {
                return Turned::Ended(end);
            }
            let tried = match self.tried(turn, &mut tries, &sla).await {
                Ok(tried) => tried,
                Err(turned) => return turned,
            };
            let now = Instant::now();
            let history = tries.history_for(&tried.result);
            let jitter = self.random.borrow_mut().f64();
            let decide = |conflict: &Conflict| self.decide(turn, conflict, history.resolutions);
            match next::next(&tried.result, &history, &sla, decide, now, jitter) {
                Next::Delivered => return Turned::Ended(End::Delivered),
                Next::Decided(decision, conflict) => {
                    match self.decided(turn, decision, &conflict, &tried, &tries.evidence) {
                        Ok(resolution) => tries.resolution = Some(resolution),
                        Err(end) => return Turned::Ended(end),
                    }
                }
                Next::Retry { at } => {
                    // Others go on meanwhile.
                    drop(turn.place.take());
                    self.wait_until(at).await;
                }
                Next::Throttle { until } if until > now + PATIENCE => {
                    self.stop("the external system asks everyone to wait".to_owned());
                }
                Next::Throttle { until } => self.pace.borrow_mut().hold_until(until),
                Next::Denied(why) => self.stop(format!("the external system refuses our credentials: {why}")),
                // What failed because the system is down waits on as it was.
                Next::DeadLetter { .. } if self.stopped.borrow().is_some() => {
                    return Turned::Ended(End::Left);
                }
                Next::DeadLetter { reason, message } => {
                    let last = tried.last.borrow();
                    let stage = match last {
                        Last::Attempt(_) => Stage::Deliver,
                        Last::Transform(..) => Stage::Transform,
                    };
                    let trouble = Trouble { stage, reason, message, conflict: None };
                    return Turned::Ended(turn.failed(self, trouble, tries.evidence, Some(last)));
                }
            }
        }
    }

    /// Waits for its place among the others; the error is an end that has come before it.
    async fn start<'a>(&'a self, turn: &Turn<'_, 'a>) -> Result<(), End> {
        // Whoever keeps one while waiting for another may wait for ever.
        drop(turn.place.take());
        let Ok(permit) = self.room.acquire().await else { return Err(End::Left) };
        turn.place.replace(Some(permit));
        let now = Instant::now();
        // Transformers send nothing.
        let at = if turn.next.is_some() { self.pace.borrow_mut().next(now) } else { now };
        if !self.wait_until(at).await {
            return Err(End::Left);
        }
        // What has come while it waited counts too.
        self.overtaken_end(turn.summary).map_or(Ok(()), Err)
    }

    /// The end of a letter that a later event has overtaken.
    fn overtaken_end(&self, letter: &Summary) -> Option<End> {
        if self.request.force {
            return None;
        }
        match self.overtaken.by(letter) {
            Ok(by) => by.map(|by| End::Superseded(format!("by {by}"))),
            Err(error) => {
                self.stop(error.to_string());
                Some(End::Left)
            }
        }
    }

    /// One try, noted; the error is what needs no decision.
    async fn tried(
        &self,
        turn: &Turn<'_, '_>,
        tries: &mut Tries,
        sla: &config::Sla,
    ) -> Result<Tried, Turned> {
        let (began, began_ms) = (Instant::now(), unix_ms());
        let done = self.stages.carry(&mut job(turn, tries, sla)).await;
        let tried = match done {
            Done::Transformed { parts, .. } => return Err(Turned::Parts(parts)),
            Done::Dropped(why) => {
                return Err(Turned::Ended(End::Filtered(format!("a transformer drops it: {why}"))));
            }
            Done::TransformRejected { stopped, why } => {
                let end = TransformEnd::Rejected(why.clone());
                let (stage, reason) = (Stage::Transform, Reason::TransformRejected);
                let trouble = Trouble { stage, reason, message: why, conflict: None };
                let last = Some(Last::Transform(&stopped, &end));
                return Err(Turned::Ended(turn.failed(self, trouble, tries.evidence.clone(), last)));
            }
            Done::TransformFault { stopped, fault } => {
                let end = TransformEnd::Fault(fault.to_string());
                Tried { result: Err(fault), last: TriedLast::Transform(stopped, end) }
            }
            // Nobody asked for the check.
            Done::NotUsable(_) => return Err(Turned::Ended(End::Left)),
            Done::Attempted { mut attempt, .. } => {
                self.plan.witness.strike(&mut attempt.result);
                self.tell_breaker(turn, &attempt, began, tries.failed_at);
                tries.failed_at = attempt.trouble.map(|_| Instant::now());
                Tried { result: attempt.result.clone(), last: TriedLast::Attempt(attempt) }
            }
        };
        tries.note(&tried.result, began_ms, began.elapsed());
        Ok(tried)
    }

    /// Ends the run when the external system is down: what is left is not worth an attempt.
    fn tell_breaker(
        &self,
        turn: &Turn<'_, '_>,
        attempt: &Attempt,
        began: Instant,
        failed_before: Option<Instant>,
    ) {
        let now = Instant::now();
        let mut breaker = self.breaker.borrow_mut();
        match (&attempt.result, attempt.trouble) {
            (Ok(Outcome::Retry(retry)), Some(kind)) => {
                // It is enough to tell one from several.
                let event = turn.letter.record.origin.offset.unsigned_abs();
                let failure = Failure { event, kind, retry_after: retry.after, began, failed_before };
                if breaker.failed(&failure, now, 0.0).is_some() {
                    self.stop(format!("the external system is down: {}", retry.reason));
                }
            }
            (
                Ok(Outcome::Delivered(_) | Outcome::Skipped(_) | Outcome::Conflict(_) | Outcome::Rejected(_)),
                _,
            ) => {
                breaker.succeeded(now);
            }
            (Ok(Outcome::Retry(_) | Outcome::Throttled(_) | Outcome::Denied(_)) | Err(_), _) => {}
        }
    }
}
