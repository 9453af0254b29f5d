//! Instances between calls: one made before it is wanted, warm ones, and used ones until nobody waits for their end.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use prometheus_client::metrics::gauge::Gauge;
use wasmtime::Store;

use super::pool::World;
use super::sandbox::Guest;
use crate::config::Instances;

/// Instances kept for calls to come, and used ones kept until nobody waits for their end.
const MAX_KEPT: usize = 2;

pub(super) struct Instance<W: World> {
    pub(super) store: Store<Guest>,
    pub(super) exports: W::Exports,
    calls_left: u32,
    _alive: Alive,
}

pub(super) struct Kept<W: World> {
    /// Made before they are wanted, or warm.
    ready: RefCell<VecDeque<Instance<W>>>,
    /// To be thrown away, which takes as long as a small call.
    spent: RefCell<Vec<Instance<W>>>,
    was_used: Cell<bool>,
}

impl<W: World> Instance<W> {
    pub(super) fn new(store: Store<Guest>, exports: W::Exports, instances: Instances, alive: &Gauge) -> Self {
        let calls_left = match instances {
            Instances::Fresh => 1,
            Instances::Warm { calls } => calls,
        };
        Self { store, exports, calls_left, _alive: Alive::new(alive) }
    }
}

impl<W: World> Kept<W> {
    /// For a call that begins.
    pub(super) fn take(&self) -> Option<Instance<W>> {
        self.was_used.set(true);
        self.ready.borrow_mut().pop_front()
    }

    /// After a call that ended well.
    pub(super) fn keep(&self, mut instance: Instance<W>) {
        instance.calls_left = instance.calls_left.saturating_sub(1);
        let mut ready = self.ready.borrow_mut();
        let mut spent = self.spent.borrow_mut();
        if instance.calls_left > 0 && ready.len() < MAX_KEPT {
            ready.push_back(instance);
        } else if spent.len() < MAX_KEPT {
            spent.push(instance);
        }
    }

    /// One that no call has had.
    pub(super) fn add(&self, instance: Instance<W>) {
        self.ready.borrow_mut().push_back(instance);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ready.borrow().is_empty()
    }

    pub(super) fn throw_away(&self) {
        self.spent.take();
    }

    /// Throws away all if there was no call since this was said last.
    pub(super) fn rest(&self) {
        if !self.was_used.replace(false) {
            self.ready.take();
        }
    }
}

impl<W: World> Default for Kept<W> {
    fn default() -> Self {
        Self { ready: RefCell::default(), spent: RefCell::default(), was_used: Cell::new(false) }
    }
}

/// Is counted as long as it is there.
struct Alive(Gauge);

impl Alive {
    fn new(instances: &Gauge) -> Self {
        instances.inc();
        Self(instances.clone())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.dec();
    }
}
