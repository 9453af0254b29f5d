//! What the stages do once, outside of the task: a connector's check, and the delivery of one event now.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Connector, Done, Job, Stages};
use crate::config;
use crate::contract::{CheckStep, Effect, Fault, Outcome, Reply, TimestampMs};
use crate::delivery::attempt::perform_round;
use crate::egress::Call;
use crate::event::Event;
use crate::plugin::CheckInput;

/// Steps that a check may take, and the time it may take.
const CHECK_STEPS: u32 = 8;
pub(crate) const CHECK_TIME: Duration = Duration::from_secs(10);

/// How an event ended that was delivered at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncEnd {
    Delivered,
    /// There was nothing to deliver, and why.
    Skipped(String),
    Failed(String),
}

impl Stages {
    /// Asks the connector whether the external system is usable; how that was seen, or why not.
    pub(crate) async fn check(&self, now: TimestampMs) -> Result<String, String> {
        let until = Cell::new(Instant::now() + CHECK_TIME);
        let mut rounds = Vec::new();
        for _ in 0..CHECK_STEPS {
            let (step, so_far) = self.check_step(now, rounds).await;
            rounds = so_far;
            let effects = match step.map_err(|fault| fault.to_string())? {
                CheckStep::Perform(effects) => effects,
                CheckStep::Usable(how) => return Ok(how),
                CheckStep::Unusable(why) => return Err(why),
            };
            let perform = async |effect: Effect, _| {
                self.wait_turn(false, &until).await;
                let call = Call {
                    event_data: None,
                    idempotency_key: None,
                    traceparent: None,
                    rounds: &rounds,
                    deadline: until.get(),
                };
                let reply = self.gateway.perform(&effect, &call).await;
                (effect, reply)
            };
            let (_, replies) = perform_round(effects, &[], &until, perform).await;
            rounds.push(replies);
        }
        Err(format!("the connector's check has no answer after {CHECK_STEPS} steps"))
    }

    async fn check_step(
        &self,
        now: TimestampMs,
        rounds: Vec<Vec<Reply>>,
    ) -> (Result<CheckStep, Fault>, Vec<Vec<Reply>>) {
        match &self.connector {
            // A version on trial does not decide whether the external system is usable.
            Connector::Plugin(versions) => {
                let (input, step) = versions.live().calls.check.call(CheckInput { now, rounds }, false).await;
                (step, input.rounds)
            }
            Connector::Native(native) => (Ok(native.check(now, &rounds)), rounds),
        }
    }

    /// Delivers an event now, with one attempt a part: for `liaison sync`. The first failure is the end; a part
    /// that is skipped is not.
    pub(crate) async fn deliver_now(&self, event: Event, sla: &config::Sla, now: TimestampMs) -> SyncEnd {
        let event = Arc::new(event);
        let parts = match self.parts(&event).await {
            Ok(parts) => parts,
            Err(end) => return end,
        };
        let count = parts.len();
        let mut skipped = Vec::new();
        for (part, next) in (0..).zip(parts) {
            let mut job = Job {
                event: event.clone(),
                next: Some(next),
                part: (count > 1).then_some(part),
                has_more_parts: false,
                attempt: 1,
                now,
                deadline: None,
                resolution: None,
                is_suspect: false,
                by_live: false,
                check_first: false,
                attempt_timeout: sla.attempt_timeout,
                began: Instant::now(),
                has_turn: false,
                journal: None,
                has_company: false,
            };
            let Done::Attempted { attempt, .. } = self.carry(&mut job).await else {
                return SyncEnd::Failed("the connector was not asked".to_owned());
            };
            match end(attempt.result) {
                SyncEnd::Delivered => {}
                SyncEnd::Skipped(why) => skipped.push(why),
                failed @ SyncEnd::Failed(_) => return failed,
            }
        }
        if skipped.len() == count { SyncEnd::Skipped(skipped.join("; ")) } else { SyncEnd::Delivered }
    }

    /// What the transformers make of an event; without any, the event itself.
    async fn parts(&self, event: &Arc<Event>) -> Result<Vec<Arc<Event>>, SyncEnd> {
        if !self.has_transformers() {
            return Ok(vec![event.clone()]);
        }
        match self.transform(event.clone(), false, false).await {
            Done::Transformed { parts, .. } => Ok(parts.into_iter().map(Arc::new).collect()),
            Done::Dropped(why) => Err(SyncEnd::Skipped(why)),
            Done::TransformRejected { why, .. } => Err(SyncEnd::Failed(why)),
            Done::TransformFault { fault, .. } => Err(SyncEnd::Failed(fault.to_string())),
            Done::NotUsable(_) | Done::Attempted { .. } => Ok(Vec::new()),
        }
    }
}

fn end(result: Result<Outcome, Fault>) -> SyncEnd {
    match result {
        Ok(Outcome::Delivered(_)) => SyncEnd::Delivered,
        Ok(Outcome::Skipped(why)) => SyncEnd::Skipped(why),
        Ok(Outcome::Retry(retry) | Outcome::Throttled(retry)) => SyncEnd::Failed(retry.reason),
        Ok(Outcome::Denied(why) | Outcome::Rejected(why)) => SyncEnd::Failed(why),
        Ok(Outcome::Conflict(conflict)) => SyncEnd::Failed(conflict.reason),
        Err(fault) => SyncEnd::Failed(fault.to_string()),
    }
}
