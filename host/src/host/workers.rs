//! The threads that run subscriptions: each has a runtime of its own, so that a connector's load stays on one thread and
//! nothing in it is locked. Measured faster than a runtime that moves work between threads.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io;
use std::thread;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::LocalSet;

use crate::config::{ConnectorName, SubscriptionName};
use crate::subscription::{self, Share, SubscriptionError, SubscriptionPlan};

type Ended = (SubscriptionName, Result<(), SubscriptionError>);
type Planned = (SubscriptionName, SubscriptionPlan);

#[derive(Debug)]
pub(super) struct Workers {
    ended: mpsc::Receiver<Ended>,
}

impl Workers {
    /// Spreads the subscriptions over at most `count` threads, those of one connector on one, and starts them.
    pub(super) fn start(
        plans: Vec<Planned>,
        count: usize,
        stopped: &watch::Receiver<bool>,
    ) -> io::Result<Self> {
        let (sender, ended) = mpsc::channel(plans.len().max(1));
        let mut by_connector: BTreeMap<ConnectorName, Vec<Planned>> = BTreeMap::new();
        for plan in plans {
            by_connector.entry(plan.1.stages.connector_name.clone()).or_default().push(plan);
        }
        let loads = spread(by_connector.into_values().collect(), count);
        for (index, load) in loads.into_iter().enumerate() {
            let (sender, stopped) = (sender.clone(), stopped.clone());
            thread::Builder::new().name(format!("worker {index}")).spawn(move || {
                run_here(async move {
                    let runs = load.into_iter().flat_map(shared).map(|(name, plan, share)| {
                        let (sender, stopped) = (sender.clone(), stopped.clone());
                        async move {
                            // A task of its own, so that a panic in one is told and leaves the others running.
                            let run = tokio::task::spawn_local(subscription::run(plan, share, stopped));
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

/// Groups that stay together, spread over at most `count` threads: the largest first, each to the thread with the least.
fn spread<T>(mut groups: Vec<Vec<T>>, count: usize) -> Vec<Vec<Vec<T>>> {
    groups.sort_by_key(|group| Reverse(group.len()));
    let count = count.clamp(1, groups.len().max(1));
    let mut loads: Vec<Vec<Vec<T>>> = (0..count).map(|_| Vec::new()).collect();
    for group in groups {
        let least = loads.iter_mut().min_by_key(|load| load.iter().map(Vec::len).sum::<usize>());
        least.expect("there is a thread").push(group);
    }
    loads
}

/// The subscriptions of one connector, each with its share of it.
fn shared(plans: Vec<Planned>) -> Vec<(SubscriptionName, SubscriptionPlan, Share)> {
    let Some((_, SubscriptionPlan { stages, .. })) = plans.first() else { return Vec::new() };
    let metrics = stages.telemetry.connector(&stages.connector_name);
    let shares = Share::among(&stages.connector, metrics, plans.len());
    plans.into_iter().zip(shares).map(|((name, plan), share)| (name, plan, share)).collect()
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

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn groups_stay_together_and_the_load_is_even() {
        let groups = || vec![vec!["a"], vec!["b", "b", "b"], vec!["c"], vec!["d", "d"]];
        assert_eq!(spread(groups(), 1), [[vec!["b", "b", "b"], vec!["d", "d"], vec!["a"], vec!["c"]]]);
        let two = spread(groups(), 2);
        assert_eq!(two, [vec![vec!["b", "b", "b"], vec!["c"]], vec![vec!["d", "d"], vec!["a"]]]);
        assert_eq!(spread(groups(), 9).len(), 4);
        assert_eq!(spread(Vec::<Vec<u8>>::new(), 2), [Vec::<Vec<u8>>::new()]);
    }
}
