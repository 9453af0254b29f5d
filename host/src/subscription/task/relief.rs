//! Room for the others, where events that wait behind failing ones have taken it.
//!
//! A key waits while its first event is tried again, and what waits counts against the bounds. So a few keys that always
//! fail would in time take all that may be held, and nothing would flow. Before that, when three quarters of the bounds
//! are taken and three quarters of that waits, a key gets no more than one attempt an event once it has shown that it
//! fails: its last event spent all attempts of its SLA, or this one has failed ten times. Each such event is a dead
//! letter, in the order of its key. The quarter that is left is far more than what is ever at work, so that the healthy
//! keys keep their pace. Failing by itself is shown by what succeeds beside it: while the system goes down, and before
//! the breaker knows, nothing is given up for it.

use std::time::Duration;

use tokio::time::Instant;

use super::Task;
use crate::dead_letter::{Reason, Stage};
use crate::delivery::breaker::State;
use crate::subscription::carried::Carried;
use crate::subscription::lanes::LaneId;
use crate::subscription::recordings::Kept;
use crate::subscription::witness::Last;

/// Failed attempts after which an event is not waited for while there is no room.
const HOPELESS: u32 = 10;
/// The next event of such a key is tried within this, divided by how many of the key wait: spread, so that failures do
/// not come in a row and look like an outage, and soon where many wait.
const SPREAD: Duration = Duration::from_secs(20);

impl Task {
    /// Gives up what is hopeless, where there is no room to wait for it.
    pub(super) fn relieve(&mut self, now: Instant) {
        // What the flood guard holds is not given up for this either.
        let may = !self.is_stopping && self.flood.shut_for(now).is_none();
        self.is_choked = may && self.is_nearly_full() && self.is_mostly_blocked();
        let last_success = self.share.breaker().last_success().filter(|_| self.is_choked);
        let Some(last_success) = last_success else { return };
        let is_shown = |carried: &Carried| carried.last_failure_at().is_some_and(|at| at < last_success);
        for lane in self.lanes.start_waiting(|carried| is_hopeless(carried) && is_shown(carried)) {
            self.give_room(lane);
        }
    }

    /// Keeps the last attempt of an event that may be given up before the next.
    pub(super) fn keep_recording(&mut self, lane: LaneId, last: Last<'_>) {
        let Some(carried) = self.lanes.head(lane) else { return };
        carried.recording = None;
        if is_hopeless(carried) {
            let json = self.witness.recorded(last, &carried.event);
            carried.recording = Some(self.recordings.keep(json));
        }
    }

    fn give_room(&mut self, lane: LaneId) {
        let why = "its key fails again and again, and events that wait behind such keys have taken nearly all of the \
                   subscription's bounds";
        let Some(carried) = self.lanes.head(lane) else { return };
        let stage = if carried.parts.is_some() { Stage::Deliver } else { Stage::Transform };
        let recording = carried.recording.as_ref().map(Kept::json);
        self.give_up(lane, stage, Reason::GaveUp, why.to_owned(), recording);
    }

    /// The event before it in its lane was given up.
    pub(super) fn follow_given_up(&mut self, lane: LaneId) {
        let Some(next) = self.lanes.head(lane) else { return };
        next.follows_given_up = true;
        if self.is_choked {
            let waiting = u32::try_from(self.lanes.length(lane)).unwrap_or(u32::MAX);
            self.lanes.wait(lane, Instant::now() + SPREAD.mul_f64(self.random.f64()) / waiting.max(1));
        }
    }

    pub(super) fn is_nearly_full(&self) -> bool {
        let bounds = &self.settings.bounds;
        is_most(self.partitions.unsettled(), bounds.events) || is_most(self.held_bytes(), bounds.bytes)
    }

    fn is_mostly_blocked(&self) -> bool {
        // While the system is down everything waits, and nothing is given up for it.
        let is_up = self.share.breaker().state() == State::Closed;
        is_up && is_most(self.lanes.blocked(), self.partitions.unsettled())
    }
}

/// Is it not waited for while there is no room?
fn is_hopeless(carried: &Carried) -> bool {
    carried.spent() >= HOPELESS || (carried.follows_given_up && carried.spent() > 0)
}

/// Three quarters or more.
fn is_most(part: usize, of: usize) -> bool {
    part >= of - of / 4
}
