//! One connector as all of its subscriptions share it: breaker, concurrency, slots and rate limit.
//!
//! They live on one worker thread, so nothing here is locked. A [`Share`] is one subscription's part of it. What it
//! does there wakes the others where that lets them go on. It decides nothing: that is for the parts in `delivery`.

use std::cell::{Ref, RefCell};
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use super::checked::Checks;
use super::stages::CHECK_TIME;
use crate::config;
use crate::delivery::breaker::{Breaker, Permit, State as BreakerState};
use crate::delivery::concurrency::Concurrency;
use crate::delivery::rate::Rate;
use crate::delivery::slots::Slots;
use crate::telemetry::{self, ConnectorMetrics};

/// How soon a delivery asks again that may not start before requests which stand in line.
const BEHIND_LINE: Duration = Duration::from_millis(5);

/// One subscription's part of its connector.
#[derive(Debug, Clone)]
pub(crate) struct Share {
    connector: Rc<Shared>,
    index: usize,
}

#[derive(Debug)]
struct Shared {
    state: RefCell<State>,
    /// Requests of attempts that have begun stand in line here for the rate limit; nothing new starts before them.
    line: Mutex<()>,
    metrics: ConnectorMetrics,
}

#[derive(Debug)]
struct State {
    breaker: Breaker,
    concurrency: Concurrency,
    slots: Slots,
    rate: Option<Rate>,
    /// The rate limit lets nothing start before then.
    held_until: Option<Instant>,
    /// By their index among the slots.
    users: Vec<User>,
    next_sequence: u64,
    /// How often the breaker has opened.
    outages: u64,
    checks: Checks,
}

/// What the others know of a subscription.
#[derive(Debug, Default)]
struct User {
    waker: Option<Waker>,
    /// It has an event to probe with that has not failed as a probe.
    can_probe: bool,
    /// The latest event that it was let probe with.
    probe: Option<u64>,
}

impl Share {
    /// All of this connector, for the first of its subscriptions.
    pub(crate) fn new(settings: &config::Connector, metrics: ConnectorMetrics) -> Share {
        let state = State {
            breaker: Breaker::new(settings.breaker),
            concurrency: Concurrency::new(settings.concurrency_floor, settings.concurrency),
            slots: Slots::new(1, settings.concurrency),
            rate: settings.rate_limit.map(|limit| Rate::new(limit, Instant::now())),
            held_until: None,
            users: vec![User::default()],
            next_sequence: 0,
            outages: 0,
            checks: Checks::new(settings.breaker, Instant::now()),
        };
        let connector = Rc::new(Shared { state: RefCell::new(state), line: Mutex::new(()), metrics });
        Share { connector, index: 0 }
    }

    /// A part of the same connector for one more subscription. Those of the others are smaller from now on.
    pub(crate) fn join(&self) -> Share {
        let state = &mut *self.connector.state.borrow_mut();
        let index = state.slots.join();
        if index == state.users.len() {
            state.users.push(User::default());
        }
        Share { connector: self.connector.clone(), index }
    }

    /// The subscription has ended, whatever it had at work: its part is the others'.
    pub(crate) fn leave(self, now: Instant) {
        let state = &mut *self.connector.state.borrow_mut();
        if let Some(event) = std::mem::take(&mut state.users[self.index]).probe {
            // Nobody else would ever say how it ended.
            state.breaker.probe_abandoned(event, now);
        }
        state.slots.leave(self.index);
        state.wake_others(self.index);
    }

    /// A number that no other event of the connector has, higher than those before.
    pub(crate) fn next_sequence(&self) -> u64 {
        let mut state = self.connector.state.borrow_mut();
        state.next_sequence += 1;
        state.next_sequence
    }

    /// May this event start? If so, it has a slot until [`end`](Self::end), and a turn for its first request if it
    /// `needs_turn`. If it may not, ask again then, or when woken.
    pub(crate) fn ask(&self, event: u64, needs_turn: bool, now: Instant) -> Permit {
        let state = &mut *self.connector.state.borrow_mut();
        state.slots.set_waiting(self.index, true);
        let has_slot = state.slots.may_start(self.index, state.concurrency.limit());
        if !has_slot || state.is_probe_of_others(self.index, event) {
            return Permit::No;
        }
        let permit = state.breaker.may_start(event, now);
        match permit {
            Permit::WaitUntil(_) | Permit::No => return permit,
            Permit::Yes | Permit::Probe => {}
        }
        if needs_turn && state.rate.is_some() {
            // The others wait for the same moment; of them the next is woken when this one has started.
            if permit == Permit::Yes && !state.slots.is_next(self.index) {
                return Permit::No;
            }
            if let Err(until) = self.connector.first_turn(state, now) {
                state.breaker.probe_abandoned(event, now);
                return Permit::WaitUntil(until);
            }
        }
        state.slots.start(self.index);
        state.users[self.index].can_probe = false;
        if permit == Permit::Probe {
            state.users[self.index].probe = Some(event);
        }
        state.wake_next(self.index);
        permit
    }

    /// A delivery that was started is no longer at work.
    pub(crate) fn end(&self) {
        let mut state = self.connector.state.borrow_mut();
        state.slots.end(self.index);
        state.wake_next(self.index);
    }

    /// There is nothing to start: what is free is for others.
    pub(crate) fn wants_nothing(&self) {
        let mut state = self.connector.state.borrow_mut();
        state.slots.set_waiting(self.index, false);
        state.wake_next(self.index);
        if std::mem::take(&mut state.users[self.index].can_probe) {
            state.wake_others(self.index);
        }
    }

    /// Deliveries of this subscription at work.
    pub(crate) fn at_work(&self) -> usize {
        self.connector.state.borrow().slots.of(self.index)
    }

    pub(crate) fn has_rate_limit(&self) -> bool {
        self.connector.state.borrow().rate.is_some()
    }

    /// Waits until one more request may go. Says for how long.
    pub(crate) async fn turn(&self) -> Duration {
        if !self.has_rate_limit() {
            return Duration::ZERO;
        }
        let began = Instant::now();
        let _first_in_line = self.connector.line.lock().await;
        loop {
            let turn = self.connector.state.borrow().turn(Instant::now());
            let Err(until) = turn else { return began.elapsed() };
            self.connector.metrics.rate_limit_waits.inc();
            sleep_until(until).await;
        }
    }

    /// A request was answered after so long, or failed.
    pub(crate) fn replied(&self, took: Duration, is_failed: bool, now: Instant) {
        let mut state = self.connector.state.borrow_mut();
        state.concurrency.replied(took, is_failed, now);
        state.wake_next(self.index);
    }

    /// The breaker, to be asked.
    pub(crate) fn breaker(&self) -> Ref<'_, Breaker> {
        Ref::map(self.connector.state.borrow(), |state| &state.breaker)
    }

    /// Tells the breaker something.
    pub(crate) fn tell<T>(&self, now: Instant, what: impl FnOnce(&mut Breaker) -> T) -> T {
        let state = &mut *self.connector.state.borrow_mut();
        let before = state.breaker.state();
        let answer = what(&mut state.breaker);
        let after = state.breaker.state();
        if before != after {
            if before == BreakerState::Closed {
                state.outages += 1;
                self.connector.metrics.breaker_opened.inc();
            }
            if after == BreakerState::Closed {
                state.concurrency.restart(now);
            }
            state.wake_others(self.index);
        }
        answer
    }

    /// How often the breaker has opened, whoever opened it.
    pub(crate) fn outages(&self) -> u64 {
        self.connector.state.borrow().outages
    }

    /// When the connector's check is to be asked; `None` if it is not any more.
    pub(crate) fn check_due(&self) -> Option<Instant> {
        self.connector.state.borrow().checks.due()
    }

    /// Is this subscription to ask it now? Not while the breaker is open, which tells why, and probes by itself.
    pub(crate) fn begins_check(&self, now: Instant) -> bool {
        let state = &mut *self.connector.state.borrow_mut();
        let begins = state.checks.begin(now, now + 2 * CHECK_TIME);
        let is_closed = state.breaker.state() == BreakerState::Closed;
        if begins && !is_closed {
            state.checks.end(false, now);
        }
        begins && is_closed
    }

    /// The connector's check has answered.
    pub(crate) fn checked(&self, is_usable: bool, now: Instant) {
        self.connector.state.borrow_mut().checks.end(is_usable, now);
        self.connector.metrics.unusable.set(i64::from(!is_usable));
    }

    /// Wakes this subscription by it when another lets it go on.
    pub(crate) fn listen(&self, waker: &Waker) {
        let state = &mut *self.connector.state.borrow_mut();
        let known = &mut state.users[self.index].waker;
        if !known.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *known = Some(waker.clone());
        }
    }

    /// Shows how it stands.
    pub(crate) fn levels(&self) {
        let state = self.connector.state.borrow();
        let metrics = &self.connector.metrics;
        metrics.set_breaker_state(match state.breaker.state() {
            BreakerState::Closed => telemetry::BreakerState::Closed,
            BreakerState::HalfOpen => telemetry::BreakerState::HalfOpen,
            BreakerState::Open => telemetry::BreakerState::Open,
        });
        metrics.concurrency_limit.set(i64::try_from(state.concurrency.limit()).unwrap_or(i64::MAX));
    }
}

impl Shared {
    /// A turn for the first request of a delivery: behind those of deliveries that have begun.
    fn first_turn(&self, state: &mut State, now: Instant) -> Result<(), Instant> {
        let has_line = self.line.try_lock().is_err();
        let turn = if has_line { Err(now + BEHIND_LINE) } else { state.turn(now) };
        if let Err(until) = turn {
            // Asked again before that time it is the same wait.
            if state.held_until.is_none_or(|held| now >= held) {
                self.metrics.rate_limit_waits.inc();
            }
            state.held_until = Some(until);
        }
        turn
    }
}

impl State {
    fn turn(&self, now: Instant) -> Result<(), Instant> {
        self.rate.as_ref().map_or(Ok(()), |rate| rate.take(now))
    }

    /// Has this event failed as a probe, and another subscription has one that has not?
    fn is_probe_of_others(&mut self, index: usize, event: u64) -> bool {
        if self.breaker.state() == BreakerState::Closed {
            return false;
        }
        let has_failed = self.breaker.has_failed_as_probe(event);
        self.users[index].can_probe = !has_failed;
        has_failed && self.users.iter().any(|user| user.can_probe)
    }

    /// Wakes the one that a free slot is for, unless it is the one that runs.
    fn wake_next(&self, running: usize) {
        if self.users.len() > 1
            && let Some(next) = self.slots.next(self.concurrency.limit())
            && next != running
        {
            self.users[next].wake();
        }
    }

    fn wake_others(&self, running: usize) {
        let others = self.users.iter().enumerate().filter(|(index, _)| *index != running);
        others.for_each(|(_, user)| user.wake());
    }
}

impl User {
    fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests;
