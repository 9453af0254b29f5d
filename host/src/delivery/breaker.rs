//! The circuit breaker of one connector: may a delivery of any of its subscriptions start, and is the external system down?
//!
//! Pure: results and `now` come in, permits and changes go out. Random numbers come in too (`jitter`, from 0 to 1).
//! Nothing is dead-lettered because a system is down: while the breaker is open, nothing starts but one probe at a
//! time, and what failed since the last success costs no attempt.
//!
//! ```text
//!            evidence, denied, trip                 may_start, after the wait
//!   closed ─────────────────────────▶ open ─────────────────────────────────▶ half-open (one probe)
//!     ▲                                ▲  probe failed: a longer wait            │
//!     │                                └─────────────────────────────────────────┤
//!     └──────────────── any success ─────────────────────────────────────────────┘
//! ```

mod evidence;
mod outage;

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::config;
use evidence::Evidence;
use outage::{LONGEST_WAIT, Outage, Phase};

/// Outages that are over and remembered.
const PAST: usize = 16;

/// Whether a delivery may start now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    Yes,
    /// As the only one: its result decides. Whoever is given this must report the result or give the probe up.
    Probe,
    /// Not before then.
    WaitUntil(Instant),
    /// Not before something else has ended: the probe that is under way, or a delivery whose slot it may have.
    No,
}

/// Why the breaker is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    Unavailable,
    /// Our credentials are refused: the connector's `check` must pass before an event is tried.
    Denied,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Closed,
    HalfOpen,
    Open,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Opened { reason: Reason, until: Instant },
    Closed,
}

/// Of what kind a failure was that may be the external system's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// No connection, a broken one, or a time-out: no event causes this.
    Connection,
    /// The system answered that it cannot (5xx): an event may cause this.
    Unavailable,
}

/// One attempt that failed.
#[derive(Debug, Clone, Copy)]
pub struct Failure {
    /// A number that no other event of the connector has.
    pub event: u64,
    pub kind: FailureKind,
    pub retry_after: Option<Duration>,
    /// When the attempt began.
    pub began: Instant,
    /// When the attempt of this event before it failed in such a way.
    pub failed_before: Option<Instant>,
}

#[derive(Debug, Clone)]
pub struct Breaker {
    settings: config::Breaker,
    evidence: Evidence,
    /// `None` while closed.
    outage: Option<Outage>,
    throttled_until: Option<Instant>,
    last_success: Option<Instant>,
    last_closed: Option<Instant>,
    /// The latest outages that are over, oldest first.
    past: VecDeque<Past>,
}

/// An outage that is over: what failed in it was the system's fault.
#[derive(Debug, Clone, Copy)]
struct Past {
    /// When something succeeded last before it.
    last_success: Option<Instant>,
    closed: Instant,
}

impl Breaker {
    pub fn new(settings: config::Breaker) -> Breaker {
        Breaker {
            settings,
            evidence: Evidence::new(settings.failures),
            outage: None,
            throttled_until: None,
            last_success: None,
            last_closed: None,
            past: VecDeque::new(),
        }
    }

    /// May this event's next attempt start? Ask only when it would: `Probe` makes it the probe.
    pub fn may_start(&mut self, event: u64, now: Instant) -> Permit {
        if let Some(until) = self.throttled_until {
            if now < until {
                return Permit::WaitUntil(until);
            }
            self.throttled_until = None;
        }
        let Some(outage) = &mut self.outage else {
            return Permit::Yes;
        };
        match outage.phase {
            Phase::Probing { .. } => Permit::No,
            Phase::Waiting { until } if now < until => Permit::WaitUntil(until),
            Phase::Waiting { .. } => {
                outage.phase = Phase::Probing { event };
                Permit::Probe
            }
        }
    }

    /// Has this event failed as a probe since the breaker opened? Then probe with another if there is one: were an
    /// event that fails by itself the only probe ever, it would hold a healthy system closed to all others.
    pub fn has_failed_as_probe(&self, event: u64) -> bool {
        self.outage.as_ref().is_some_and(|outage| outage.has_failed_as_probe(event))
    }

    /// The external system answered as a working one does: delivered, skipped, conflict or rejected.
    pub fn succeeded(&mut self, now: Instant) -> Option<Change> {
        let last_success = self.last_success.replace(now);
        self.evidence.succeeded(now);
        self.outage.take()?;
        if self.past.len() == PAST {
            self.past.pop_front();
        }
        self.past.push_back(Past { last_success, closed: now });
        self.last_closed = Some(now);
        self.evidence.clear();
        Some(Change::Closed)
    }

    /// The external system could not be reached or could not answer.
    pub fn failed(&mut self, failure: &Failure, now: Instant, jitter: f64) -> Option<Change> {
        let Some(outage) = &mut self.outage else {
            // What began before the last outage ended still speaks of that outage.
            if self.last_closed.is_some_and(|closed| failure.began <= closed) || self.is_of_event(failure) {
                return None;
            }
            self.evidence.failed(failure.event, failure.kind, now);
            let is_down = self.evidence.says_down(now);
            return is_down.then(|| self.open(Reason::Unavailable, failure.retry_after, now, jitter));
        };
        if (outage.phase == Phase::Probing { event: failure.event }) {
            outage.remember(failure.event);
            outage.wait_longer(&self.settings, failure.retry_after, now, jitter);
        } else if let (Phase::Waiting { until }, Some(after)) = (&mut outage.phase, failure.retry_after) {
            *until = (*until).max(now + after.min(LONGEST_WAIT));
        }
        None
    }

    /// The external system asks everyone to wait until then. No failure, and nothing is probed: starts are delayed.
    pub fn throttled(&mut self, event: u64, until: Instant, now: Instant) {
        let until = until.min(now + LONGEST_WAIT);
        self.throttled_until = self.throttled_until.max(Some(until));
        if let Some(outage) = &mut self.outage
            && outage.phase == (Phase::Probing { event })
        {
            outage.phase = Phase::Waiting { until };
        }
    }

    /// The external system refuses our credentials.
    pub fn denied(&mut self, event: u64, now: Instant, jitter: f64) -> Option<Change> {
        let Some(outage) = &mut self.outage else {
            return Some(self.open(Reason::Denied, None, now, jitter));
        };
        outage.reason = Reason::Denied;
        if (outage.phase == Phase::Probing { event }) {
            outage.remember(event);
            outage.wait_longer(&self.settings, None, now, jitter);
        }
        None
    }

    /// The connector's `check`, run in place of or before the probe, says that the system is not usable.
    pub fn probe_check_failed(&mut self, now: Instant, jitter: f64) {
        if let Some(outage) = &mut self.outage
            && matches!(outage.phase, Phase::Probing { .. })
        {
            outage.wait_longer(&self.settings, None, now, jitter);
        }
    }

    /// The probe ended without a word from the external system: its partition was revoked, its plugin failed. Another
    /// may probe at once.
    pub fn probe_abandoned(&mut self, event: u64, now: Instant) {
        if let Some(outage) = &mut self.outage
            && outage.phase == (Phase::Probing { event })
        {
            outage.phase = Phase::Waiting { until: now };
        }
    }

    /// A delivery has spent its attempts on failures that may be the system's, the first of them then. If nothing has
    /// succeeded since, event and system cannot be told apart: [`trip`](Self::trip), and hold the event.
    pub fn holds_exhausted(&self, first_failure_at: Instant) -> bool {
        self.last_success.is_none_or(|success| success < first_failure_at)
    }

    /// Opens without further evidence.
    pub fn trip(&mut self, now: Instant, jitter: f64) -> Option<Change> {
        self.outage.is_none().then(|| self.open(Reason::Unavailable, None, now, jitter))
    }

    /// Is an attempt that failed then to be given back? It is while the system counts as down.
    pub fn is_refundable(&self, failed_at: Instant) -> bool {
        self.outage.is_some() && self.last_success.is_none_or(|success| failed_at > success)
    }

    /// The same for an attempt of an event that may not have been here when the system was found to be down: also of an
    /// outage that is over.
    pub fn was_refundable(&self, failed_at: Instant) -> bool {
        let is_of = |past: &Past| {
            failed_at <= past.closed && past.last_success.is_none_or(|success| failed_at > success)
        };
        self.is_refundable(failed_at) || self.past.iter().any(is_of)
    }

    /// When the external system last answered as a working one does.
    pub fn last_success(&self) -> Option<Instant> {
        self.last_success
    }

    /// How long it has not been closed.
    pub fn open_for(&self, now: Instant) -> Option<Duration> {
        self.outage.as_ref().map(|outage| now.saturating_duration_since(outage.since))
    }

    pub fn reason(&self) -> Option<Reason> {
        self.outage.as_ref().map(|outage| outage.reason)
    }

    pub fn state(&self) -> State {
        match self.outage.as_ref().map(|outage| outage.phase) {
            None => State::Closed,
            Some(Phase::Waiting { .. }) => State::Open,
            Some(Phase::Probing { .. }) => State::HalfOpen,
        }
    }

    /// An event that failed, fails again, and in between others succeeded: that speaks of the event, not of the system.
    /// Else a few keys that always fail would look like an outage whenever nothing else is to be delivered.
    fn is_of_event(&self, failure: &Failure) -> bool {
        let others_succeed =
            failure.failed_before.zip(self.last_success).is_some_and(|(failed, success)| success > failed);
        match failure.kind {
            FailureKind::Unavailable => others_succeed,
            FailureKind::Connection => false,
        }
    }

    fn open(&mut self, reason: Reason, retry_after: Option<Duration>, now: Instant, jitter: f64) -> Change {
        let (outage, until) = Outage::begin(&self.settings, reason, retry_after, now, jitter);
        self.outage = Some(outage);
        Change::Opened { reason, until }
    }
}

#[cfg(test)]
mod tests;
