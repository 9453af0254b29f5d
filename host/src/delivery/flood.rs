//! The flood guard of one subscription: may this event be given up, or would most of them be?
//!
//! Pure: what ended and `now` come in, verdicts and changes go out. When most deliveries of a window would become dead
//! letters it is not the events that are wrong: the guard shuts, nothing more is given up, and nothing starts but one
//! probe at a time, first after the window's length and then later and later. A probe that is delivered opens it again.
//!
//! A record that is no event, or that the subscription's filter fails on, is no delivery and passes: nothing that is
//! mended outside makes it one, and whoever writes such records must not stop what others wrote.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::config;

/// Parts of the window: what leaves it does so in steps of this.
const PARTS: u32 = 60;
/// The longest wait between two probes, in windows.
const LONGEST_WAIT: u32 = 8;
/// Failed probes that are remembered.
const FAILED_PROBES: usize = 64;

/// What follows when an event would become a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    GiveUp,
    /// It waits instead. `is_new`: the guard has shut with it.
    Hold {
        is_new: bool,
    },
}

/// The guard of one subscription.
#[derive(Debug)]
pub struct FloodGuard {
    settings: config::FloodGuard,
    /// What ended in the window, oldest first.
    parts: VecDeque<Part>,
    /// `None` while open.
    shut: Option<Shut>,
}

/// What ended in one part of the window.
#[derive(Debug)]
struct Part {
    began: Instant,
    delivered: u32,
    given_up: u32,
}

#[derive(Debug)]
struct Shut {
    since: Instant,
    next_probe: Instant,
    /// The event that may start, whatever it takes to its end.
    probe: Option<u64>,
    failed: u32,
    /// The events that failed as probes, oldest first.
    failed_probes: VecDeque<u64>,
}

impl FloodGuard {
    pub fn new(settings: config::FloodGuard) -> Self {
        Self { settings, parts: VecDeque::new(), shut: None }
    }

    /// An event was delivered, or found to need nothing. `true` if the guard has opened with it.
    pub fn delivered(&mut self, event: u64, now: Instant) -> bool {
        self.part(now).delivered += 1;
        let is_probe = self.shut.as_ref().is_some_and(|shut| shut.probe == Some(event));
        if is_probe {
            self.shut = None;
            // What shut it does not shut it again.
            self.parts.clear();
        }
        is_probe
    }

    /// An event would become a dead letter.
    pub fn would_give_up(&mut self, event: u64, now: Instant) -> Verdict {
        if let Some(shut) = &mut self.shut {
            shut.held(event, self.settings.window, now);
            return Verdict::Hold { is_new: false };
        }
        self.part(now).given_up += 1;
        if !self.is_flood() {
            return Verdict::GiveUp;
        }
        self.shut = Some(Shut {
            since: now,
            next_probe: now + self.settings.window,
            probe: None,
            failed: 0,
            failed_probes: VecDeque::from([event]),
        });
        Verdict::Hold { is_new: true }
    }

    /// An event has left without an end that says anything. If it was the probe, another may be it at once.
    pub fn abandoned(&mut self, event: u64, now: Instant) {
        if let Some(shut) = self.shut.as_mut().filter(|shut| shut.probe == Some(event)) {
            shut.probe = None;
            shut.next_probe = now;
        }
    }

    /// When this event may start, if not now. Ask only when it would: it becomes the probe if one is due.
    pub fn waits_until(&mut self, event: u64, now: Instant) -> Option<Instant> {
        let shut = self.shut.as_mut()?;
        if shut.probe == Some(event) {
            return None;
        }
        if now < shut.next_probe {
            return Some(shut.next_probe);
        }
        // One that takes too long is followed by another.
        shut.probe = Some(event);
        shut.next_probe = now + shut.wait(self.settings.window);
        None
    }

    /// While shut: should another event than this be chosen to start, if there is one? The probe goes on, and one that
    /// has failed is followed by another.
    pub fn avoids(&self, event: u64) -> bool {
        self.shut.as_ref().is_some_and(|shut| match shut.probe {
            Some(probe) => probe != event,
            None => shut.failed_probes.contains(&event),
        })
    }

    #[cfg(test)]
    pub(crate) fn probe(&self) -> Option<u64> {
        self.shut.as_ref()?.probe
    }

    /// For how long it has been shut.
    pub fn shut_for(&self, now: Instant) -> Option<Duration> {
        self.shut.as_ref().map(|shut| now.saturating_duration_since(shut.since))
    }

    /// Dead letters and all deliveries of the window.
    pub fn counts(&self) -> (u32, u32) {
        let given_up = self.parts.iter().map(|part| part.given_up).sum();
        (given_up, given_up + self.parts.iter().map(|part| part.delivered).sum::<u32>())
    }

    fn is_flood(&self) -> bool {
        let (given_up, all) = self.counts();
        let config::FloodGuard { is_on, minimum, share, .. } = self.settings;
        is_on && given_up >= minimum && f64::from(given_up) >= share * f64::from(all)
    }

    /// The part of the window that is now; what has left the window is forgotten.
    fn part(&mut self, now: Instant) -> &mut Part {
        let window = self.settings.window;
        while self.parts.front().is_some_and(|part| now.saturating_duration_since(part.began) >= window) {
            self.parts.pop_front();
        }
        let is_over = |part: &Part| now.saturating_duration_since(part.began) >= window / PARTS;
        if self.parts.back().is_none_or(is_over) {
            self.parts.push_back(Part { began: now, delivered: 0, given_up: 0 });
        }
        self.parts.back_mut().expect("one was just pushed if there was none")
    }
}

impl Shut {
    fn held(&mut self, event: u64, window: Duration, now: Instant) {
        if self.probe != Some(event) {
            return;
        }
        self.probe = None;
        self.failed = self.failed.saturating_add(1);
        self.next_probe = now + self.wait(window);
        if self.failed_probes.len() == FAILED_PROBES {
            self.failed_probes.pop_front();
        }
        self.failed_probes.push_back(event);
    }

    /// Twice as long after each probe that failed.
    fn wait(&self, window: Duration) -> Duration {
        window.saturating_mul(2_u32.saturating_pow(self.failed).min(LONGEST_WAIT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn guard(minimum: u32, share: f64) -> FloodGuard {
        FloodGuard::new(config::FloodGuard { is_on: true, window: 60 * SECOND, minimum, share })
    }

    /// The verdict on the last of so many events, of which each `d` is delivered and each `x` would be given up.
    fn after(guard: &mut FloodGuard, ends: &str, now: Instant) -> Option<Verdict> {
        let end = |(event, end)| match end {
            'x' => Some(guard.would_give_up(event, now)),
            _ => {
                guard.delivered(event, now);
                None
            }
        };
        (0..).zip(ends.chars()).map(end).last().flatten()
    }

    #[test]
    fn it_shuts_when_most_of_enough_would_be_given_up() {
        let now = Instant::now();
        let shut = Some(Verdict::Hold { is_new: true });
        for (minimum, share, ends, expected) in [
            (3, 0.5, "xx", Some(Verdict::GiveUp)),
            (3, 0.5, "xxx", shut),
            (3, 0.5, "dddxx", Some(Verdict::GiveUp)),
            (3, 0.5, "dddxxx", shut),
            (3, 0.5, "ddddxxx", Some(Verdict::GiveUp)),
            (3, 1.0, "dxxxxxx", Some(Verdict::GiveUp)),
            (1, 1.0, "x", shut),
            (3, 0.5, "xxxx", Some(Verdict::Hold { is_new: false })),
        ] {
            assert_eq!(after(&mut guard(minimum, share), ends, now), expected, "{minimum} {share} {ends}");
        }
        let off = config::FloodGuard { is_on: false, window: SECOND, minimum: 1, share: 0.1 };
        assert_eq!(after(&mut FloodGuard::new(off), "xxxx", now), Some(Verdict::GiveUp));
    }

    #[test]
    fn what_is_older_than_the_window_does_not_count() {
        let begin = Instant::now();
        let mut guard = guard(3, 0.5);
        assert_eq!(after(&mut guard, "xx", begin), Some(Verdict::GiveUp));
        assert_eq!(guard.would_give_up(9, begin + 60 * SECOND), Verdict::GiveUp);
        assert_eq!(guard.counts(), (1, 1));
        // A long time takes no more memory than a window.
        for second in 0..10_000 {
            guard.delivered(1, begin + second * SECOND);
        }
        assert!(guard.parts.len() <= PARTS as usize + 1, "{}", guard.parts.len());
    }

    #[test]
    fn shut_nothing_starts_but_a_probe_and_each_failed_one_makes_the_wait_longer() {
        let mut now = Instant::now();
        let mut guard = guard(1, 0.5);
        assert_eq!(guard.waits_until(7, now), None);
        assert_eq!(guard.would_give_up(0, now), Verdict::Hold { is_new: true });
        assert!(guard.avoids(0) && !guard.avoids(1));
        for (probe, windows) in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 8)] {
            let due = now + windows * 60 * SECOND;
            assert_eq!(guard.waits_until(probe, now), Some(due), "{probe}");
            now = due;
            assert_eq!(guard.waits_until(probe, now), None);
            // Its further turns are its own, and no other's.
            assert_eq!(guard.waits_until(probe, now), None);
            assert!(guard.waits_until(99, now).is_some());
            assert!(guard.avoids(99) && !guard.avoids(probe));
            // What was in flight when it shut says nothing.
            assert_eq!(guard.would_give_up(98, now), Verdict::Hold { is_new: false });
            assert!(!guard.delivered(97, now));
            assert_eq!(guard.would_give_up(probe, now), Verdict::Hold { is_new: false });
            assert!(guard.avoids(probe));
        }
        assert!(guard.shut_for(now).is_some());
    }

    #[test]
    fn a_probe_that_is_delivered_opens_it_and_the_count_begins_anew() {
        let now = Instant::now();
        let mut guard = guard(2, 0.5);
        assert_eq!(after(&mut guard, "xx", now), Some(Verdict::Hold { is_new: true }));
        let due = now + 60 * SECOND;
        assert_eq!(guard.waits_until(5, due), None);
        assert!(guard.delivered(5, due));
        assert_eq!((guard.shut_for(due), guard.waits_until(6, due)), (None, None));
        assert_eq!(after(&mut guard, "x", due), Some(Verdict::GiveUp));
        assert_eq!(after(&mut guard, "x", due), Some(Verdict::Hold { is_new: true }));
    }

    #[test]
    fn a_probe_that_left_is_followed_by_another_at_once() {
        let now = Instant::now();
        let mut guard = guard(1, 0.5);
        guard.would_give_up(0, now);
        let due = now + 60 * SECOND;
        guard.abandoned(0, now);
        assert_eq!(guard.waits_until(1, now), Some(due), "nothing was probed yet");
        assert_eq!(guard.waits_until(1, due), None);
        guard.abandoned(2, due);
        assert!(guard.waits_until(2, due).is_some(), "another is the probe");
        guard.abandoned(1, due);
        assert!(!guard.avoids(1));
        assert_eq!(guard.waits_until(2, due), None);
    }

    #[test]
    fn a_probe_that_never_ends_is_followed_by_another() {
        let now = Instant::now();
        let mut guard = guard(1, 0.5);
        guard.would_give_up(0, now);
        let due = now + 60 * SECOND;
        assert_eq!(guard.waits_until(1, due), None);
        assert_eq!(guard.waits_until(2, due), Some(due + 60 * SECOND));
        assert_eq!(guard.waits_until(2, due + 60 * SECOND), None);
    }
}
