//! What the stages do once, outside of the task: a connector's check, and the delivery of one event now.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Connector, Done, Job, Stages};
use crate::config;
use crate::contract::{CheckStep, Effect, Failure, Fault, Outcome, Reply, TimestampMs};
use crate::egress::Call;
use crate::event::Event;
use crate::plugin::CheckInput;

/// Steps that a check may take, and the time it may take.
const CHECK_STEPS: u32 = 8;
const CHECK_TIME: Duration = Duration::from_secs(10);

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
        let until = Instant::now() + CHECK_TIME;
        let mut rounds = Vec::new();
        for _ in 0..CHECK_STEPS {
            let (step, so_far) = self.check_step(now, rounds).await;
            rounds = so_far;
            let effects = match step.map_err(|fault| fault.to_string())? {
                CheckStep::Perform(effects) => effects,
                CheckStep::Usable(how) => return Ok(how),
                CheckStep::Unusable(why) => return Err(why),
            };
            let mut replies = Vec::with_capacity(effects.len());
            for effect in &effects {
                replies.push(self.perform_check(effect, &rounds, until).await);
            }
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
            Connector::Plugin { check, .. } => {
                let (input, step) = check.call(CheckInput { now, rounds }, false).await;
                (step, input.rounds)
            }
            Connector::Native(native) => (Ok(native.check(now, &rounds)), rounds),
        }
    }

    async fn perform_check(&self, effect: &Effect, rounds: &[Vec<Reply>], until: Instant) -> Reply {
        let call =
            Call { event_data: None, idempotency_key: None, traceparent: None, rounds, deadline: until };
        match effect {
            Effect::Http(request) => self.gateway.perform(request, &call).await,
            Effect::Grpc => Reply::Failed(Failure::Unsupported("gRPC".into())),
            Effect::Sql => Reply::Failed(Failure::Unsupported("SQL".into())),
        }
    }

    /// Delivers an event now, with one attempt a part: for `liaison sync`. The first bad end is the end.
    pub(crate) async fn deliver_now(&self, event: Event, sla: &config::Sla, now: TimestampMs) -> SyncEnd {
        let event = Rc::new(event);
        let parts = if self.has_transformers() {
            match self.transform(event.clone(), false).await {
                Done::Transformed(parts) => parts.into_iter().map(Rc::new).collect(),
                Done::Dropped(why) => return SyncEnd::Skipped(why),
                Done::TransformRejected { why, .. } => return SyncEnd::Failed(why),
                Done::TransformFault { fault, .. } => return SyncEnd::Failed(fault.to_string()),
                Done::NotUsable(_) | Done::Attempted { .. } => Vec::new(),
            }
        } else {
            vec![event.clone()]
        };
        let count = parts.len();
        for (part, next) in (0..).zip(parts) {
            let job = Job {
                event: event.clone(),
                next: Some(next),
                part: (count > 1).then_some(part),
                attempt: 1,
                now,
                deadline: None,
                resolution: None,
                is_suspect: false,
                check_first: false,
                attempt_timeout: sla.attempt_timeout,
            };
            if let Done::Attempted { attempt, .. } = self.carry(job).await
                && let Some(end) = bad_end(attempt.result)
            {
                return end;
            }
        }
        SyncEnd::Delivered
    }
}

fn bad_end(result: Result<Outcome, Fault>) -> Option<SyncEnd> {
    match result {
        Ok(Outcome::Delivered(_)) => None,
        Ok(Outcome::Skipped(why)) => Some(SyncEnd::Skipped(why)),
        Ok(Outcome::Retry(retry) | Outcome::Throttled(retry)) => Some(SyncEnd::Failed(retry.reason)),
        Ok(Outcome::Denied(why) | Outcome::Rejected(why)) => Some(SyncEnd::Failed(why)),
        Ok(Outcome::Conflict(conflict)) => Some(SyncEnd::Failed(conflict.reason)),
        Err(fault) => Some(SyncEnd::Failed(fault.to_string())),
    }
}
