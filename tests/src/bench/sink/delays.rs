//! Answers that wait for their time, given out by a thread that sleeps until the next: some 50 µs late, where a
//! runtime's timer rounds up to a millisecond.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Instant;

use tokio::net::TcpStream;

/// One answer.
#[derive(Debug)]
pub(super) struct Delayed {
    pub(super) at: Instant,
    /// Which arrival it answers.
    pub(super) arrival: usize,
    pub(super) answer: &'static [u8],
    pub(super) stream: Arc<TcpStream>,
}

impl PartialEq for Delayed {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Delayed {}

impl PartialOrd for Delayed {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Delayed {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.arrival).cmp(&(other.at, other.arrival))
    }
}

/// All that wait, the soonest first.
#[derive(Debug, Default)]
pub(super) struct Delays {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    heap: BinaryHeap<Reverse<Delayed>>,
    is_closed: bool,
}

impl Delays {
    pub(super) fn add(&self, delayed: Delayed) {
        let mut waiting = self.lock();
        let is_first = waiting.heap.peek().is_none_or(|Reverse(first)| delayed < *first);
        waiting.heap.push(Reverse(delayed));
        drop(waiting);
        if is_first {
            self.changed.notify_one();
        }
    }

    /// Blocks until the next one's time has come; `None` when nothing will be waited for any more.
    pub(super) fn next(&self) -> Option<Delayed> {
        let mut waiting = self.lock();
        loop {
            if waiting.is_closed {
                return None;
            }
            let now = Instant::now();
            let left = waiting.heap.peek().map(|Reverse(first)| first.at.saturating_duration_since(now));
            waiting = match left {
                Some(left) if left.is_zero() => return waiting.heap.pop().map(|Reverse(first)| first),
                Some(left) => self.changed.wait_timeout(waiting, left).expect("no holder panics").0,
                None => self.changed.wait(waiting).expect("no holder panics"),
            };
        }
    }

    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().expect("no holder panics")
    }
}
