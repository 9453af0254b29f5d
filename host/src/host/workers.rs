//! The threads that run subscriptions: each has a runtime of its own, so that one subscription's load stays on one
//! thread and nothing in it is locked. Measured faster than a runtime that moves work between threads.

use std::io;
use std::thread;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::LocalSet;

use crate::config::SubscriptionName;
use crate::subscription::{self, SubscriptionError, SubscriptionPlan};

type Ended = (SubscriptionName, Result<(), SubscriptionError>);

#[derive(Debug)]
pub(super) struct Workers {
    ended: mpsc::Receiver<Ended>,
}

impl Workers {
    /// Spreads the subscriptions over at most `count` threads and starts them.
    pub(super) fn start(
        plans: Vec<(SubscriptionName, SubscriptionPlan)>,
        count: usize,
        stopped: &watch::Receiver<bool>,
    ) -> io::Result<Self> {
        let (sender, ended) = mpsc::channel(plans.len().max(1));
        let count = count.clamp(1, plans.len().max(1));
        let mut shares: Vec<Vec<_>> = (0..count).map(|_| Vec::new()).collect();
        for (index, plan) in plans.into_iter().enumerate() {
            shares[index % count].push(plan);
        }
        for (index, share) in shares.into_iter().enumerate() {
            let (sender, stopped) = (sender.clone(), stopped.clone());
            thread::Builder::new().name(format!("worker {index}")).spawn(move || {
                run_here(async move {
                    let runs = share.into_iter().map(|(name, plan)| {
                        let (sender, stopped) = (sender.clone(), stopped.clone());
                        async move {
                            // A task of its own, so that a panic in one is told and leaves the others running.
                            let run = tokio::task::spawn_local(subscription::run(plan, stopped));
                            let result =
                                run.await.unwrap_or_else(|error| Err(SubscriptionError::Panicked(error)));
                            drop(sender.send((name, result)).await);
                        }
                    });
                    futures_util::future::join_all(runs).await;
                });
            })?;
        }
        Ok(Self { ended })
    }

    /// The next subscription to end; `None` when all have.
    pub(super) async fn next(&mut self) -> Option<Ended> {
        self.ended.recv().await
    }

    /// Waits for all; the first failure, if there was one.
    pub(super) async fn all(mut self, first: Option<Ended>) -> Option<(SubscriptionName, SubscriptionError)> {
        let mut failure = None;
        let mut next = first;
        loop {
            if let Some((name, Err(error))) = next {
                if failure.is_some() {
                    tracing::error!(subscription = %name, %error, "a subscription failed");
                }
                failure.get_or_insert((name, error));
            }
            next = self.ended.recv().await;
            if next.is_none() {
                return failure;
            }
        }
    }
}

/// Runs a future that stays on one thread, on a thread made for it.
///
/// # Panics
/// When `make` does: its panic is carried over.
pub(super) async fn on_a_worker<I, O, F>(make: impl FnOnce(I) -> F + Send + 'static, input: I) -> O
where
    I: Send + 'static,
    O: Send + 'static,
    F: Future<Output = O>,
{
    let (sender, output) = oneshot::channel();
    let thread = thread::spawn(move || {
        run_here(async move {
            drop(sender.send(make(input).await));
        });
    });
    match output.await {
        Ok(output) => output,
        Err(_) => match thread.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(()) => unreachable!("the thread answers or panics"),
        },
    }
}

fn run_here(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a process that cannot make an event loop cannot do anything");
    LocalSet::new().block_on(&runtime, future);
}
