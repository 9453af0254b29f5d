//! What is under way beside the task of a subscription, and what of it happens next.
//!
//! Turns of deliveries, letters on their way to Kafka, chores, and batches whose schemas are being read: all of them are
//! polled here, in the order of their importance, with what the consumer says and the time. It decides nothing: the task says
//! what begins, and hears what has ended.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use futures_util::StreamExt as _;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, Sleep, sleep_until};

use super::SubscriptionPlan;
use super::chores::Chore;
use super::lanes::LaneId;
use super::schemas::Reading;
use super::stages::{Done, Stages};
use super::task::{Settles, Task};
use crate::kafka::consumer::{Batch, Consumer, Control};
use crate::schema_registry::Schemas;

/// What can happen.
pub(super) enum Happened {
    Turns(Vec<(LaneId, Done)>),
    Acknowledged(Settles),
    Chore(Chore),
    Control(Control),
    /// With the schemas of those that need any.
    Records(Batch, Schemas),
    Tick,
    Shutdown,
    ConsumerGone,
}

/// `T` is a turn, `L` a letter on its way.
pub(super) struct Work<'a, T, L> {
    pub(super) turns: FuturesUnordered<T>,
    pub(super) letters: FuturesUnordered<L>,
    pub(super) chores: FuturesUnordered<LocalBoxFuture<'a, Chore>>,
    reading: Reading<'a>,
    patience: Patience,
    rest: Rest,
    timer: Pin<Box<Sleep>>,
}

impl<T, L> Default for Work<'_, T, L> {
    fn default() -> Self {
        Self {
            turns: FuturesUnordered::new(),
            letters: FuturesUnordered::new(),
            chores: FuturesUnordered::new(),
            reading: Reading::default(),
            patience: Patience::default(),
            rest: Rest::default(),
            timer: Box::pin(sleep_until(Instant::now())),
        }
    }
}

impl<'a, T, L> Work<'a, T, L>
where
    T: Future<Output = (LaneId, Done)>,
    L: Future<Output = Settles>,
{
    /// A tick happens at this time, if nothing else does before.
    pub(super) fn wake_at(&mut self, at: Instant) {
        if self.timer.deadline() != at {
            self.timer.as_mut().reset(at);
        }
    }

    /// The next thing that happens.
    pub(super) fn poll(
        &mut self,
        plan: &'a SubscriptionPlan,
        stages: &Stages,
        task: &mut Task,
        consumer: &mut Consumer,
        context: &mut Context<'_>,
    ) -> Poll<Happened> {
        if let Poll::Ready(ended) = poll_turns(stages, &mut self.turns, &mut self.patience, context) {
            return Poll::Ready(Happened::Turns(ended));
        }
        if let Poll::Ready(Some(settles)) = self.letters.poll_next_unpin(context) {
            return Poll::Ready(Happened::Acknowledged(settles));
        }
        if let Poll::Ready(Some(chore)) = self.chores.poll_next_unpin(context) {
            return Poll::Ready(Happened::Chore(chore));
        }
        if let Poll::Ready(control) = consumer.controls.poll_recv(context) {
            return Poll::Ready(control.map_or(Happened::ConsumerGone, Happened::Control));
        }
        if task.is_turn_over() {
            if self.rest.poll(context).is_pending() {
                return Poll::Pending;
            }
            task.begin_turn();
            return Poll::Ready(Happened::Tick);
        }
        if let Poll::Ready((batch, schemas)) = self.reading.poll(plan, context, |context| {
            if task.has_room() { consumer.batches.poll_recv(context) } else { Poll::Pending }
        }) {
            return Poll::Ready(Happened::Records(batch, schemas));
        }
        self.timer.as_mut().poll(context).map(|()| Happened::Tick)
    }
}

/// A turn for the other subscriptions of the worker.
#[derive(Default)]
struct Rest {
    is_begun: bool,
}

impl Rest {
    /// Pending, and then ready: in between the others have run.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.is_begun = !self.is_begun;
        if !self.is_begun {
            return Poll::Ready(());
        }
        // It wakes this task behind them.
        pin!(tokio::task::yield_now()).poll(context)
    }
}

/// How many deliveries waited for a plugin call when the event loop was last asked for news.
#[derive(Default)]
struct Patience {
    waited: usize,
}

/// All turns that have ended. Plugin calls start only when no delivery can go on without one, and when the event loop
/// brings no more that could go with them: that makes batches, which is most of what a fresh instance a call costs.
fn poll_turns<F: Future<Output = (LaneId, Done)>>(
    stages: &Stages,
    turns: &mut FuturesUnordered<F>,
    patience: &mut Patience,
    context: &mut Context<'_>,
) -> Poll<Vec<(LaneId, Done)>> {
    let mut ended = Vec::new();
    loop {
        while let Poll::Ready(Some(turn)) = turns.poll_next_unpin(context) {
            ended.push(turn);
        }
        if !ended.is_empty() {
            return Poll::Ready(ended);
        }
        let waiting = stages.waiting_with_room();
        if waiting > patience.waited && waiting < turns.len() {
            patience.waited = waiting;
            // Wakes this task after the event loop has looked for replies that are there by now.
            if pin!(tokio::task::yield_now()).poll(context).is_pending() {
                return Poll::Pending;
            }
        }
        patience.waited = 0;
        if stages.poll_calls(context).is_pending() {
            return Poll::Pending;
        }
    }
}
