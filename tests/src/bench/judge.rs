//! Whether the host kept its promises: what arrived, against what was produced. Pure.
//!
//! The numbers beside [`crate::proof`], which names the events: here are too many to name.

use serde::Serialize;

use super::sink::Arrival;

/// Broken promises. All zero in a run that nobody disturbed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Faults {
    /// Never accepted, although they would have been.
    pub lost: usize,
    /// Accepted again.
    pub duplicates: usize,
    /// First accepted after a later one of their key.
    pub out_of_order: usize,
    /// Requests that are none of ours.
    pub strangers: usize,
}

impl Faults {
    pub fn any(self) -> bool {
        self != Faults::default()
    }

    /// Both together, for several runs.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            lost: self.lost + other.lost,
            duplicates: self.duplicates + other.duplicates,
            out_of_order: self.out_of_order + other.out_of_order,
            strangers: self.strangers + other.strangers,
        }
    }
}

/// Judges what arrived. `keys` has the key of each event, in the order produced; `is_poisoned` says of a key that its
/// events are never accepted.
pub fn judge(
    arrivals: &[Arrival],
    keys: &[u32],
    is_poisoned: impl Fn(u32) -> bool,
    strangers: usize,
) -> Faults {
    let mut faults = Faults { strangers, ..Faults::default() };
    let mut is_delivered = vec![false; keys.len()];
    let highest_key = keys.iter().copied().max().unwrap_or_default();
    // The latest event accepted so far, by key.
    let mut latest = vec![None; highest_key as usize + 1];
    for event in arrivals.iter().filter(|arrival| arrival.is_accepted).map(|arrival| arrival.event) {
        let Some(key) = keys.get(event as usize) else {
            faults.strangers += 1;
            continue;
        };
        if std::mem::replace(&mut is_delivered[event as usize], true) {
            faults.duplicates += 1;
            continue;
        }
        let latest = &mut latest[*key as usize];
        faults.out_of_order += usize::from(*latest > Some(event));
        *latest = (*latest).max(Some(event));
    }
    let wanted = keys.iter().map(|key| !is_poisoned(*key));
    faults.lost = wanted.zip(is_delivered).filter(|(wanted, delivered)| *wanted && !delivered).count();
    faults
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    /// Events 0, 2 and 4 have key 0, events 1 and 3 key 1.
    const KEYS: [u32; 5] = [0, 1, 0, 1, 0];

    fn judged(events: &[i32], poisoned: Option<u32>) -> Faults {
        let at = Instant::now();
        // A negative one is refused.
        let arrival = |event: &i32| Arrival {
            event: event.unsigned_abs(),
            at,
            took: Duration::ZERO,
            is_accepted: *event >= 0,
        };
        let arrivals: Vec<_> = events.iter().map(arrival).collect();
        judge(&arrivals, &KEYS, |key| Some(key) == poisoned, 0)
    }

    #[test]
    fn broken_promises_are_counted() {
        let none = Faults::default();
        for (events, poisoned, expected) in [
            (&[0, 1, 2, 3, 4][..], None, none),
            (&[1, 3, 0, 2, 4], None, none),
            (&[0, 1, -2, 3, 2, 4], None, none),
            (&[0, 1, 2, 3], None, Faults { lost: 1, ..none }),
            (&[0, -1, 2, -1, 4], Some(1), none),
            (&[0, -1, 4], Some(1), Faults { lost: 1, ..none }),
            (&[0, 1, 2, 0, 3, 4, 0], None, Faults { duplicates: 2, ..none }),
            (&[4, 1, 2, 3, 0], None, Faults { out_of_order: 2, ..none }),
            (&[0, 1, 2, 3, 4, 9], None, Faults { strangers: 1, ..none }),
        ] {
            assert_eq!(judged(events, poisoned), expected, "{events:?}");
        }
    }
}
