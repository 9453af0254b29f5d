//! What an external system received, in order, and waiting for it.

use std::hash::{DefaultHasher, Hasher};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method};

use super::behaviour::{Request, text};

/// How much of each request is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// All of it.
    Everything,
    /// No body and no headers but what has a field of its own: about 300 bytes a request.
    Outline,
}

/// One request, written before it was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When the whole of it was there.
    pub received: Instant,
    pub method: Method,
    /// Path and query, as sent.
    pub path: String,
    pub idempotency_key: Option<String>,
    /// The header `ce-id`.
    pub event_id: Option<String>,
    /// Empty in an outline.
    pub headers: HeaderMap,
    /// Empty in an outline.
    pub body: Bytes,
    pub body_bytes: usize,
    /// Equal for equal bodies, within one build of the harness.
    pub body_hash: u64,
    /// What it is about to be answered; `None` if there will be no answer. That the answer left, let alone arrived, is
    /// not known.
    pub status: Option<u16>,
}

impl Entry {
    /// Whether the external system says that it has it: any 2xx.
    pub fn is_accepted(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

/// Written by the server's thread, read by everybody. Waiters are woken only when what they wait for may be there, so
/// that waiting for the 200,000th request costs the others nothing.
#[derive(Debug)]
pub(super) struct Ledger {
    keep: Keep,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    entries: Vec<Arc<Entry>>,
    accepted: usize,
    /// The counts of received and accepted requests at which somebody must be woken.
    wake_at: usize,
    wake_at_accepted: usize,
}

impl Ledger {
    pub(super) fn new(keep: Keep) -> Self {
        let state =
            State { entries: Vec::new(), accepted: 0, wake_at: usize::MAX, wake_at_accepted: usize::MAX };
        Self { keep, state: Mutex::new(state), changed: Condvar::new() }
    }

    pub(super) fn write(&self, request: &Request<'_>, status: Option<u16>) {
        let entry = Arc::new(self.entry(request, status));
        let mut state = self.lock();
        state.accepted += usize::from(entry.is_accepted());
        state.entries.push(entry);
        if state.entries.len() >= state.wake_at || state.accepted >= state.wake_at_accepted {
            state.wake_at = usize::MAX;
            state.wake_at_accepted = usize::MAX;
            self.changed.notify_all();
        }
    }

    pub(super) fn entries(&self) -> Vec<Arc<Entry>> {
        self.lock().entries.clone()
    }

    pub(super) fn take(&self) -> Vec<Arc<Entry>> {
        let mut state = self.lock();
        state.accepted = 0;
        std::mem::take(&mut state.entries)
    }

    pub(super) fn count(&self) -> usize {
        self.lock().entries.len()
    }

    pub(super) fn accepted(&self) -> usize {
        self.lock().accepted
    }

    /// As [`Ledger::wait`] for a number of requests; the error is how many there are.
    pub(super) fn wait_for(&self, count: usize, limit: Duration) -> Result<(), usize> {
        let wait = self.wait(limit, |state| {
            state.wake_at = state.wake_at.min(count);
            state.entries.len() >= count
        });
        wait.map_err(|state| state.entries.len())
    }

    /// As [`Ledger::wait`] for a number of accepted requests; the error is how many there are.
    pub(super) fn wait_for_accepted(&self, count: usize, limit: Duration) -> Result<(), usize> {
        let wait = self.wait(limit, |state| {
            state.wake_at_accepted = state.wake_at_accepted.min(count);
            state.accepted >= count
        });
        wait.map_err(|state| state.accepted)
    }

    /// As [`Ledger::wait`] for any condition; the error is how many requests there are.
    pub(super) fn wait_until(
        &self,
        limit: Duration,
        mut condition: impl FnMut(&[Arc<Entry>]) -> bool,
    ) -> Result<(), usize> {
        let wait = self.wait(limit, |state| {
            state.wake_at = state.wake_at.min(state.entries.len() + 1);
            condition(&state.entries)
        });
        wait.map_err(|state| state.entries.len())
    }

    /// Blocks until the condition holds, which also says when it wants to be asked again. The error is the state at the
    /// end of the limit.
    fn wait(
        &self,
        limit: Duration,
        mut condition: impl FnMut(&mut State) -> bool,
    ) -> Result<(), MutexGuard<'_, State>> {
        let end = Instant::now() + limit;
        let mut state = self.lock();
        loop {
            if condition(&mut state) {
                return Ok(());
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(state);
            }
            state = self.changed.wait_timeout(state, left).expect("no holder panics").0;
        }
    }

    fn entry(&self, request: &Request<'_>, status: Option<u16>) -> Entry {
        let mut hasher = DefaultHasher::new();
        hasher.write(request.body);
        let (headers, body) = match self.keep {
            // Copied, for a slice would hold the whole read buffer of its connection.
            Keep::Everything => (request.headers.clone(), Bytes::copy_from_slice(request.body)),
            Keep::Outline => (HeaderMap::new(), Bytes::new()),
        };
        Entry {
            received: request.received,
            method: request.method.clone(),
            path: request.path.to_owned(),
            idempotency_key: text(request.headers, "idempotency-key").map(str::to_owned),
            event_id: text(request.headers, "ce-id").map(str::to_owned),
            headers,
            body,
            body_bytes: request.body.len(),
            body_hash: hasher.finish(),
            status,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }
}
