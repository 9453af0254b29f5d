//! What the latest results say of an external system: is it down, or are some events bad?
//!
//! Results go in, one answer comes out. Memory is bounded: one streak and a ring of results.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::FailureKind;

/// Results that are remembered.
const RESULTS: usize = 64;
/// How far back results count.
const WINDOW: Duration = Duration::from_secs(10);
/// The fewest results in the window that say anything.
const FEWEST_RESULTS: usize = 20;
/// The fewest events that must have failed in the window: fewer may be bad events.
const FEWEST_EVENTS: usize = 5;

#[derive(Debug, Clone)]
pub(super) struct Evidence {
    /// Failures in a row that say that the system is down.
    enough: u32,
    streak: Streak,
    /// Oldest first.
    results: VecDeque<Seen>,
}

/// Failures without a success between.
#[derive(Debug, Clone, Default)]
struct Streak {
    failures: u32,
    /// Failed connections without any other result between.
    connections: u32,
    first_event: Option<u64>,
    is_of_many_events: bool,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    at: Instant,
    /// The event, if it failed.
    failed: Option<u64>,
}

impl Evidence {
    pub(super) fn new(enough: u32) -> Evidence {
        Evidence {
            enough: enough.max(1),
            streak: Streak::default(),
            results: VecDeque::with_capacity(RESULTS),
        }
    }

    pub(super) fn succeeded(&mut self, now: Instant) {
        self.streak = Streak::default();
        self.remember(Seen { at: now, failed: None });
    }

    pub(super) fn failed(&mut self, event: u64, kind: FailureKind, now: Instant) {
        let streak = &mut self.streak;
        streak.failures = streak.failures.saturating_add(1);
        streak.connections = match kind {
            FailureKind::Connection => streak.connections.saturating_add(1),
            FailureKind::Unavailable => 0,
        };
        streak.is_of_many_events |= *streak.first_event.get_or_insert(event) != event;
        self.remember(Seen { at: now, failed: Some(event) });
    }

    /// Enough failures in a row, of two events at least or of connections alone; or, among many results, half failed.
    pub(super) fn says_down(&self, now: Instant) -> bool {
        let Streak { failures, connections, is_of_many_events, .. } = self.streak;
        (failures >= self.enough && is_of_many_events)
            || connections >= self.enough
            || self.is_half_failing(now)
    }

    pub(super) fn clear(&mut self) {
        self.streak = Streak::default();
        self.results.clear();
    }

    fn remember(&mut self, seen: Seen) {
        if self.results.len() == RESULTS {
            self.results.pop_front();
        }
        self.results.push_back(seen);
    }

    fn is_half_failing(&self, now: Instant) -> bool {
        let fewest = (self.enough as usize).saturating_mul(4).clamp(FEWEST_RESULTS, RESULTS);
        let mut results = 0;
        let mut failures = 0;
        let mut events = [0; FEWEST_EVENTS];
        let mut distinct = 0;
        for seen in self.results.iter().rev() {
            if now.saturating_duration_since(seen.at) > WINDOW {
                break;
            }
            results += 1;
            let Some(event) = seen.failed else { continue };
            failures += 1;
            if distinct < FEWEST_EVENTS && !events[..distinct].contains(&event) {
                events[distinct] = event;
                distinct += 1;
            }
        }
        results >= fewest && failures * 2 >= results && distinct == FEWEST_EVENTS
    }
}
