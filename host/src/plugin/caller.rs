//! One call of a plugin, where it belongs: on the worker, or aside.
//!
//! In comes a batch of inputs, out goes one result an input. What is known to be long goes aside. What any other call costs its
//! worker goes into the account, and the account says where the next one is made. A call that outlasts its turn is made again
//! aside, from the beginning: a plugin is a pure function.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::account::Account;
use super::aside::Seat;
use super::engine::EPOCH;
use super::observer::CpuTime;
use super::pool::{Plan, Pool, Turns, World};
use crate::contract::Fault;

pub(super) struct Caller<W: World> {
    pub(super) pool: Pool<W>,
    account: RefCell<Account>,
    seat: RefCell<Option<Rc<Seat<W>>>>,
}

impl<W: World> Caller<W> {
    pub(super) fn new(plan: Plan<W>) -> Self {
        // Who tries a plugin out has nobody beside it, and a clock of its own.
        let turns = if plan.label.observer.is_some() { Turns::InSlices } else { Turns::One };
        Self { pool: Pool::new(plan, turns), account: RefCell::default(), seat: RefCell::default() }
    }

    /// One result an input, in order.
    pub(super) async fn call(&self, inputs: &[W::Input]) -> Vec<Result<W::Output, Fault>> {
        if !self.is_aside() && !self.is_long(inputs) {
            let (began, measured) = (Instant::now(), self.measured());
            let called = self.pool.call_batch(inputs).await;
            if let Some(cpu_time) = self.taken(measured.as_ref()) {
                self.account.borrow_mut().ran(inputs.len(), cpu_time, Instant::now);
            }
            match called {
                Ok(outputs) => return outputs,
                Err(_) => {
                    self.account.borrow_mut().outlasted(began.elapsed(), Instant::now());
                    let label = &self.pool.plan.label;
                    let (plugin, user) = (&label.plugin, &label.user);
                    tracing::info!(plugin, user, "a call takes long: for a while calls are made aside");
                }
            }
        }
        self.call_aside(inputs).await
    }

    /// Makes the next instance while nobody waits.
    pub(super) async fn tend(&self) {
        if !self.is_aside() {
            let measured = self.measured();
            self.pool.tend().await;
            if let Some(cpu_time) = self.taken(measured.as_ref()) {
                self.account.borrow_mut().made(cpu_time, Instant::now);
            }
        }
    }

    /// Lets go of instances that nobody has used since this was said last.
    pub(super) fn rest(&self) {
        self.pool.rest();
        // Who waits for a call there holds it too.
        self.seat.borrow_mut().take_if(|seat| Rc::strong_count(seat) == 1 && !seat.was_used());
    }

    fn is_aside(&self) -> bool {
        self.account.borrow().is_aside(Instant::now)
    }

    /// Where there is somebody to be held up by it.
    fn is_long(&self, inputs: &[W::Input]) -> bool {
        self.pool.has_one_turn() && inputs.iter().any(W::is_long)
    }

    fn measured(&self) -> Option<CpuTime> {
        self.account.borrow().is_in_doubt().then(CpuTime::now)
    }

    /// What was just done took of the worker; `None` where there is nobody to take it from.
    fn taken(&self, measured: Option<&CpuTime>) -> Option<Duration> {
        let ticks = self.pool.take_ticks();
        self.pool.has_one_turn().then(|| measured.map_or(EPOCH * ticks, CpuTime::elapsed))
    }

    async fn call_aside(&self, inputs: &[W::Input]) -> Vec<Result<W::Output, Fault>> {
        let outputs = match self.seat() {
            Some(seat) => seat.call(inputs).await,
            None => None,
        };
        outputs.unwrap_or_else(|| {
            self.seat.take();
            inputs.iter().map(|_| Err(Fault::NoRoom)).collect()
        })
    }

    fn seat(&self) -> Option<Rc<Seat<W>>> {
        let mut seat = self.seat.borrow_mut();
        if seat.is_none() {
            match Seat::take(&self.pool.plan) {
                Ok(taken) => *seat = Some(Rc::new(taken)),
                Err(error) => tracing::error!(%error, "cannot start a thread for calls that take long"),
            }
        }
        seat.clone()
    }
}
