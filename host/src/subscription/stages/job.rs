//! What goes into a turn of a delivery, and what comes out of it.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::served::Tally;
use super::turn::seed;
use super::versions::Past;
use crate::config::TransformerName;
use crate::contract::{Delivery, Fault, Resolution, TimestampMs};
use crate::dead_letter::Blamed;
use crate::delivery::attempt::Attempt;
use crate::event::Event;
use crate::journal::rounds::{Arguments, Recorded};
use crate::subscription::journal::{Journalled, Slot};

/// One turn of a delivery: what is missing of its transformation, and one attempt.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) event: Arc<Event>,
    /// What the transformers made of it, where they have been asked; the first of them is next.
    pub(crate) next: Option<Arc<Event>>,
    /// Which of several parts `next` is.
    pub(crate) part: Option<u32>,
    /// Others come after it.
    pub(crate) has_more_parts: bool,
    pub(crate) attempt: u32,
    pub(crate) now: TimestampMs,
    pub(crate) deadline: Option<TimestampMs>,
    pub(crate) resolution: Option<Resolution>,
    /// It failed in a plugin before.
    pub(crate) is_suspect: bool,
    /// What transformers on trial made of it was rejected: those before them are asked.
    pub(crate) by_live: bool,
    /// Ask the connector's `check` first.
    pub(crate) check_first: bool,
    pub(crate) attempt_timeout: Duration,
    /// When the turn began.
    pub(crate) began: Instant,
    /// The rate limit was asked for its first request.
    pub(crate) has_turn: bool,
    /// Where it is journalled, if it is, with what it was answered.
    pub(crate) journal: Option<Slot>,
    /// Others are under way beside it that it may share requests with.
    pub(crate) has_company: bool,
}

/// What came of a turn.
#[derive(Debug)]
pub(crate) enum Done {
    /// Transformed into these, in order; nothing was attempted. Where versions on trial took part, they are counted there.
    Transformed { parts: Vec<Event>, tried: Vec<Arc<Tally>> },
    /// A transformer drops it, and why.
    Dropped(String),
    /// A transformer can never transform it, and why.
    TransformRejected { stopped: Stopped, why: String },
    /// A transformer failed.
    TransformFault { stopped: Stopped, fault: Fault },
    /// The connector's check says that the external system is not usable, and why.
    NotUsable(String),
    Attempted {
        attempt: Attempt,
        idempotency_key: Arc<str>,
        /// What is journalled of it now.
        journalled: Option<Journalled>,
        /// Whose outcome it is, unless it is native.
        blamed: Option<Rc<Blamed>>,
    },
}

/// Where among the transformers a turn has ended.
#[derive(Debug)]
pub(crate) struct Stopped {
    pub(crate) transformer: TransformerName,
    /// Its plugin.
    pub(crate) blamed: Rc<Blamed>,
    /// What it was given.
    pub(crate) given: Arc<Event>,
}

impl Job {
    pub(super) fn past(&self) -> Past<'_> {
        let asked = self.journal.as_ref().and_then(Slot::asked);
        let is_first = self.attempt == 1 && self.resolution.is_none() && !self.check_first;
        match asked {
            Some(recorded) => Past::Asked(recorded.by.as_ref()),
            None if is_first => Past::None,
            None => Past::Tried,
        }
    }

    /// What the connector is given; what it was told before, where an attempt goes on from a journal.
    pub(super) fn delivery(
        &self,
        event: Arc<Event>,
        idempotency_key: &Arc<str>,
        recorded: Option<&Recorded>,
    ) -> Box<Delivery> {
        let arguments =
            recorded.map_or_else(|| self.arguments(idempotency_key), |recorded| recorded.arguments.clone());
        Box::new(Delivery {
            event,
            attempt: arguments.attempt,
            now: arguments.now,
            seed: arguments.seed,
            deadline: arguments.deadline,
            idempotency_key: idempotency_key.clone(),
            resolution: self.resolution.clone().or(arguments.resolution),
            rounds: Vec::new(),
        })
    }

    /// What the connector is told where no journal says otherwise.
    fn arguments(&self, idempotency_key: &str) -> Arguments {
        Arguments {
            attempt: self.attempt,
            now: self.now,
            seed: seed(idempotency_key, self.attempt),
            deadline: self.deadline,
            resolution: None,
        }
    }
}
