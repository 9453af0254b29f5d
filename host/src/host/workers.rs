//! The threads that run subscriptions: each has a runtime of its own, so that a connector's load stays on one thread and
//! nothing in it is locked. Measured faster than a runtime that moves work between threads.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io;
use std::thread;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;
use tokio::time::Instant;

use crate::config::{ConnectorName, SubscriptionName};
use crate::subscription::{self, Share, SubscriptionError, SubscriptionPlan};

/// Starts on their way to one thread, and ends on their way back.
const QUEUE: usize = 64;

type Ended = (SubscriptionName, Result<(), SubscriptionError>);
pub(super) type Planned = (SubscriptionName, SubscriptionPlan);

/// The threads with their subscriptions. Dropped, it has all of them end.
#[derive(Debug)]
pub(super) struct Workers {
    threads: Vec<mpsc::Sender<Start>>,
    running: BTreeMap<SubscriptionName, Running>,
    ends: mpsc::Sender<Ended>,
    ended: mpsc::Receiver<Ended>,
}

/// A subscription is no more.
#[derive(Debug)]
pub(super) struct End {
    pub(super) name: SubscriptionName,
    pub(super) result: Result<(), SubscriptionError>,
    /// Or did it end by itself?
    pub(super) was_told: bool,
    pub(super) connector: ConnectorName,
    /// No other subscription here has that connector.
    pub(super) is_last: bool,
}

#[derive(Debug)]
struct Running {
    connector: ConnectorName,
    thread: usize,
    /// Gone when it was told to stop.
    stop: Option<oneshot::Sender<()>>,
}

/// What a thread is told.
#[derive(Debug)]
struct Start {
    name: SubscriptionName,
    plan: Box<SubscriptionPlan>,
    /// Ready, or its other end gone, when the subscription is to end.
    stop: oneshot::Receiver<()>,
}

impl Workers {
    pub(super) fn new() -> Self {
        let (ends, ended) = mpsc::channel(QUEUE);
        Self { threads: Vec::new(), running: BTreeMap::new(), ends, ended }
    }

    /// Starts subscriptions, spread over at most `count` threads: those of one connector are on one. None of them runs.
    pub(super) async fn start(&mut self, plans: Vec<Planned>, count: usize) -> io::Result<()> {
        let mut by_connector: BTreeMap<ConnectorName, Vec<Planned>> = BTreeMap::new();
        for plan in plans {
            by_connector.entry(plan.1.stages.connector_name.clone()).or_default().push(plan);
        }
        let mut groups: Vec<_> = by_connector.into_iter().collect();
        groups.sort_by_key(|(_, group)| Reverse(group.len()));
        for (connector, group) in groups {
            let thread = self.place(&connector, count);
            if thread == self.threads.len() {
                self.threads.push(worker(thread, self.ends.clone())?);
            }
            for (name, plan) in group {
                let (tell, stop) = oneshot::channel();
                let running = Running { connector: connector.clone(), thread, stop: Some(tell) };
                self.running.insert(name.clone(), running);
                let start = Start { name, plan: Box::new(plan), stop };
                let sent = self.threads[thread].send(start).await;
                sent.map_err(|_| io::Error::other("it has ended by itself"))?;
            }
        }
        Ok(())
    }

    /// Tells one to finish what is in flight and to end. Nothing happens if it does not run, or was told already.
    pub(super) fn stop(&mut self, name: &SubscriptionName) {
        if let Some(running) = self.running.get_mut(name) {
            drop(running.stop.take());
        }
    }

    /// The next subscription to end. Pending for as long as none does.
    pub(super) async fn next(&mut self) -> End {
        let (name, result) = self.ended.recv().await.expect("a sender is held here");
        let running = self.running.remove(&name);
        let Running { connector, stop, .. } = running.expect("what ends was started here");
        let is_last = !self.running.values().any(|running| running.connector == connector);
        End { name, result, was_told: stop.is_none(), connector, is_last }
    }

    /// Tells all of them.
    pub(super) fn stop_all(&mut self) {
        self.running.values_mut().for_each(|running| drop(running.stop.take()));
    }

    /// As `next`; `None` when none runs.
    pub(super) async fn last(&mut self) -> Option<End> {
        if self.running.is_empty() { None } else { Some(self.next().await) }
    }

    /// The thread for subscriptions of this connector: the one that it is on, else the one with the least to do.
    fn place(&self, connector: &ConnectorName, count: usize) -> usize {
        let mut all = self.running.values();
        if let Some(running) = all.find(|running| running.connector == *connector) {
            return running.thread;
        }
        let mut loads = vec![0; self.threads.len()];
        self.running.values().for_each(|running| loads[running.thread] += 1);
        least(&loads, count)
    }
}

/// The position of the least of the first `count` loads. Those that are not there yet are nothing.
fn least(loads: &[usize], count: usize) -> usize {
    let load_of = |position: &usize| loads.get(*position).copied().unwrap_or_default();
    let positions = 0..count.clamp(1, loads.len() + 1);
    positions.min_by_key(load_of).expect("there is a first")
}

/// Starts a thread that runs what it is told to, and ends when nobody tells it anything any more.
fn worker(index: usize, ends: mpsc::Sender<Ended>) -> io::Result<mpsc::Sender<Start>> {
    let (sender, starts) = mpsc::channel(QUEUE);
    let name = format!("worker {index}");
    thread::Builder::new().name(name).spawn(move || run_here(work(starts, ends)))?;
    Ok(sender)
}

async fn work(mut starts: mpsc::Receiver<Start>, ends: mpsc::Sender<Ended>) {
    let mut shares: BTreeMap<SubscriptionName, (ConnectorName, Share)> = BTreeMap::new();
    let mut runs = FuturesUnordered::new();
    // Beside the others, for whoever listens may be telling this thread something.
    let mut reports = FuturesUnordered::new();
    let mut is_open = true;
    while is_open || !runs.is_empty() || !reports.is_empty() {
        tokio::select! {
            start = starts.recv(), if is_open => match start {
                Some(Start { name, plan, stop }) => {
                    let share = share_of(&shares, &plan);
                    shares.insert(name.clone(), (plan.stages.connector_name.clone(), share.clone()));
                    runs.push(run(name, *plan, share, stop));
                }
                None => is_open = false,
            },
            Some(ended) = runs.next() => {
                if let Some((_, share)) = shares.remove(&ended.0) {
                    share.leave(Instant::now());
                }
                reports.push(ends.send(ended));
            }
            // Nobody listens where the host was dropped.
            Some(_) = reports.next() => {}
        }
    }
}

/// Its part of the connector, which it shares with those of its subscriptions that are here.
fn share_of(shares: &BTreeMap<SubscriptionName, (ConnectorName, Share)>, plan: &SubscriptionPlan) -> Share {
    let stages = &plan.stages;
    match shares.values().find(|(connector, _)| *connector == stages.connector_name) {
        Some((_, share)) => share.join(),
        None => Share::new(&stages.connector, stages.telemetry.connector(&stages.connector_name)),
    }
}

async fn run(
    name: SubscriptionName,
    plan: SubscriptionPlan,
    share: Share,
    stop: oneshot::Receiver<()>,
) -> Ended {
    let stop = async move { drop(stop.await) };
    // A task of its own, so that a panic in one is told and leaves the others running.
    let run = tokio::task::spawn_local(subscription::run(plan, share, stop));
    (name, run.await.unwrap_or_else(|error| Err(SubscriptionError::Panicked(error))))
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

pub(super) fn run_here(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a process that cannot make an event loop cannot do anything");
    LocalSet::new().block_on(&runtime, future);
}

#[cfg(test)]
mod tests {
    use super::least;

    #[test]
    fn the_thread_with_the_least_to_do_is_next_and_there_are_no_more_than_may_be() {
        for (loads, count, expected) in [
            (&[][..], 4, 0),
            (&[], 0, 0),
            (&[1], 1, 0),
            (&[1], 2, 1),
            (&[0], 2, 0),
            (&[3, 1, 2], 3, 1),
            (&[3, 1, 2], 9, 3),
            // There were more before: they get nothing new.
            (&[3, 4, 0], 2, 0),
        ] {
            assert_eq!(least(loads, count), expected, "{loads:?} {count}");
        }
    }
}
