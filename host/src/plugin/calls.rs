//! Many callers, few calls: inputs that are ready at the same time go into a plugin together.
//!
//! A caller awaits [`Calls::call`]; the task that owns them all polls [`Calls::poll`] when its callers have nothing more
//! to do, and that is what makes batches: large under load, one at a time when there is little to do.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;

use super::caller::Caller;
use super::pool::{Plan, World};
use crate::contract::Fault;

/// Calls under way at the same time. A second one starts only while a first one computes for longer than a slice.
const MAX_RUNNING: usize = 4;

pub(crate) struct Calls<W: World> {
    caller: Rc<Caller<W>>,
    batch: usize,
    waiting: RefCell<VecDeque<Waiting<W>>>,
    running: RefCell<FuturesUnordered<LocalBoxFuture<'static, ()>>>,
    /// Somebody was answered since the last poll.
    has_answered: Rc<Cell<bool>>,
    /// Woken when an input comes while nothing polls.
    owner: RefCell<Option<Waker>>,
    /// What [`prepare`](Self::prepare) wanted is there.
    is_ready: Rc<Cell<bool>>,
}

struct Waiting<W: World> {
    input: W::Input,
    /// It failed before: it goes alone, so that it cannot take others with it.
    is_suspect: bool,
    answer: Rc<Answer<W>>,
}

/// An input with what came of it.
type Answered<W> = (<W as World>::Input, Result<<W as World>::Output, Fault>);

struct Answer<W: World> {
    ready: Cell<Option<Answered<W>>>,
    caller: Cell<Option<Waker>>,
}

impl<W: World> Calls<W> {
    pub(super) fn new(plan: Plan<W>, batch: usize) -> Self {
        Self {
            caller: Rc::new(Caller::new(plan)),
            batch,
            waiting: RefCell::default(),
            running: RefCell::default(),
            has_answered: Rc::default(),
            owner: RefCell::default(),
            is_ready: Rc::default(),
        }
    }

    /// Makes an instance before it is wanted, driven as calls are; [`is_ready`](Self::is_ready) says when it is made.
    pub(crate) fn prepare(&self) {
        let (caller, is_ready) = (self.caller.clone(), self.is_ready.clone());
        self.running.borrow_mut().push(Box::pin(async move {
            caller.tend().await;
            is_ready.set(true);
        }));
        if let Some(owner) = self.owner.borrow_mut().take() {
            owner.wake();
        }
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.is_ready.get()
    }

    /// Another version stands by for what this one fails on.
    pub(crate) fn set_on_trial(&self, is_on_trial: bool) {
        self.caller.pool.plan.is_on_trial.store(is_on_trial, Ordering::Relaxed);
    }

    /// Calls the plugin with `input`, perhaps with others beside it, and gives the input back with the result.
    pub(crate) async fn call(&self, input: W::Input, is_suspect: bool) -> Answered<W> {
        let answer = Rc::new(Answer { ready: Cell::new(None), caller: Cell::new(None) });
        self.waiting.borrow_mut().push_back(Waiting { input, is_suspect, answer: answer.clone() });
        if let Some(owner) = self.owner.borrow_mut().take() {
            owner.wake();
        }
        std::future::poll_fn(|context| match answer.ready.take() {
            Some(ready) => Poll::Ready(ready),
            None => {
                answer.caller.set(Some(context.waker().clone()));
                Poll::Pending
            }
        })
        .await
    }

    /// Counts a fault that only its caller could see.
    pub(crate) fn count(&self, fault: &Fault) {
        self.caller.pool.count(fault);
    }

    /// How many inputs wait, if they are less than a whole batch; else none.
    pub(crate) fn waiting_with_room(&self) -> usize {
        let waiting = self.waiting.borrow().len();
        if waiting < self.batch { waiting } else { 0 }
    }

    /// Starts calls with all that waits and drives them. Ready when some callers were answered, so that the owner polls
    /// them before it comes back; pending when there is nothing to do.
    pub(crate) fn poll(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut running = self.running.borrow_mut();
        loop {
            while running.len() < self.most_running() && !self.waiting.borrow().is_empty() {
                running.push(self.start());
            }
            match Pin::new(&mut *running).poll_next_unpin(context) {
                Poll::Ready(Some(())) => {}
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        *self.owner.borrow_mut() = Some(context.waker().clone());
        if self.has_answered.take() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// A version on trial that loops is found out after one call's time, and not when several have shared theirs.
    fn most_running(&self) -> usize {
        if self.caller.pool.plan.is_on_trial() { 1 } else { MAX_RUNNING }
    }

    /// Lets go of instances that nobody has used since this was said last.
    pub(crate) fn rest(&self) {
        self.caller.rest();
    }

    fn start(&self) -> LocalBoxFuture<'static, ()> {
        let (inputs, answers) = self.next_batch();
        let (caller, has_answered) = (self.caller.clone(), self.has_answered.clone());
        Box::pin(async move {
            let outputs = caller.call(&inputs).await;
            for ((input, output), answer) in inputs.into_iter().zip(outputs).zip(answers) {
                answer.ready.set(Some((input, output)));
                if let Some(caller) = answer.caller.take() {
                    caller.wake();
                }
            }
            has_answered.set(true);
            // What was answered goes on its way before time is spent on the next call.
            tokio::task::yield_now().await;
            caller.tend().await;
        })
    }

    /// The oldest inputs that may share a call: of one moment, and a suspect alone.
    fn next_batch(&self) -> (Vec<W::Input>, Vec<Rc<Answer<W>>>) {
        let mut waiting = self.waiting.borrow_mut();
        let size = shared(&waiting, self.batch);
        waiting.drain(..size).map(|waiting| (waiting.input, waiting.answer)).unzip()
    }
}

fn shared<W: World>(waiting: &VecDeque<Waiting<W>>, batch: usize) -> usize {
    let Some(first) = waiting.front() else { return 0 };
    if first.is_suspect {
        return 1;
    }
    let now = W::moment(&first.input).now;
    waiting
        .iter()
        .take(batch)
        .take_while(|next| !next.is_suspect && W::moment(&next.input).now == now)
        .count()
}

impl<W: World> std::fmt::Debug for Calls<W> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Calls").field("pool", &self.caller.pool).finish_non_exhaustive()
    }
}
