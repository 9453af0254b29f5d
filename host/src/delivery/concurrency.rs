//! How many deliveries of a connector may be at work at the same time, as its external system bears it.
//!
//! Pure: how long each reply took and whether it was a failure come in, with `now`; the limit goes out. It lies between
//! a floor and a ceiling and begins at the ceiling. A window in which one reply in ten fails lowers it by a part, and so
//! do two in which most replies take more than twice what is usual; each other raises it by the time it took: additive
//! increase, multiplicative decrease (Chiu and Jain 1989). After an outage it begins at the floor, so that a system that
//! has just come back is not overrun.
//!
//! A reply that is slow although less is asked is not slow because of us: then slow is the new usual, so that a system
//! that is slow by nature, or by the day's work, costs no throughput.

use std::time::Duration;

use tokio::time::Instant;

/// A window is at least so long, and has so many replies or lasts so long.
const WINDOW: Duration = Duration::from_millis(100);
const FEWEST: u32 = 10;
const LONGEST_WINDOW: Duration = Duration::from_secs(1);
/// From the floor to the ceiling while all is well. It at most doubles in a window.
const RAMP: Duration = Duration::from_secs(2);
/// What is left of the limit after a bad window.
const DECREASE: f64 = 0.7;
/// More than the usual time this often, and by this much, is slow: less than that is noise, of this host's as well.
const SLOW: f64 = 2.0;
const SLACK_SECONDS: f64 = 0.010;
/// Slow replies that take more than so much longer than in the window before still grow: how slow it is, is not known.
const STEADY: f64 = 1.1;
/// Less of the time than this after the limit was lowered, and it was lowered rightly.
const BETTER: f64 = 0.9;
/// How far the usual time follows a window with most replies above it, and one with most below.
const RISE: f64 = 1.02;
const FALL: f64 = 0.9;

#[derive(Debug)]
pub struct Concurrency {
    floor: f64,
    ceiling: f64,
    limit: f64,
    window: Window,
    /// Seconds that a reply usually takes.
    usual: Option<f64>,
    /// What replies took on average in the window before, if it was slow.
    slow_at: Option<f64>,
    /// The same when the limit was lowered last because they were slow.
    lowered_at: Option<f64>,
    /// Requests sent before then speak of another limit.
    changed: Option<Instant>,
}

/// What was heard since the last judgement.
#[derive(Debug, Default)]
struct Window {
    began: Option<Instant>,
    replies: u32,
    failed: u32,
    slow: u32,
    /// Took longer than usual, slow or not.
    longer: u32,
    seconds: f64,
}

impl Concurrency {
    pub fn new(floor: usize, ceiling: usize) -> Concurrency {
        let (floor, ceiling) = (floor.max(1) as f64, ceiling.max(1) as f64);
        Concurrency {
            floor: floor.min(ceiling),
            ceiling,
            limit: ceiling,
            window: Window::default(),
            usual: None,
            slow_at: None,
            lowered_at: None,
            changed: None,
        }
    }

    /// The limit now.
    pub fn limit(&self) -> usize {
        self.limit as usize
    }

    /// A reply came after so long, or none did.
    pub fn replied(&mut self, took: Duration, is_failed: bool, now: Instant) {
        if self.floor >= self.ceiling || self.changed.is_some_and(|changed| now < changed + took) {
            return;
        }
        let seconds = took.as_secs_f64();
        let window = &mut self.window;
        let began = *window.began.get_or_insert(now);
        window.replies += 1;
        window.failed += u32::from(is_failed);
        window.seconds += seconds;
        if let Some(usual) = self.usual {
            window.longer += u32::from(seconds > usual);
            window.slow += u32::from(seconds > usual * SLOW + SLACK_SECONDS);
        }
        let lasted = now.saturating_duration_since(began);
        if lasted >= LONGEST_WINDOW || (lasted >= WINDOW && window.replies >= FEWEST) {
            self.judge(lasted, now);
        }
    }

    /// The external system is back after an outage.
    pub fn restart(&mut self, now: Instant) {
        self.limit = self.floor;
        (self.slow_at, self.lowered_at) = (None, None);
        self.changed = Some(now);
        self.window = Window::default();
    }

    fn judge(&mut self, lasted: Duration, now: Instant) {
        let window = std::mem::replace(&mut self.window, Window { began: Some(now), ..Window::default() });
        let says_much = window.replies >= FEWEST;
        let average = window.seconds / f64::from(window.replies);
        let usual = *self.usual.get_or_insert(average);
        if says_much && window.failed * 10 > window.replies {
            return self.lower(now);
        }
        if says_much && window.slow * 3 > window.replies * 2 {
            let is_steady = self.slow_at.replace(average).is_some_and(|before| average < before * STEADY);
            if !is_steady {
                return;
            }
            let is_ours = self.lowered_at.is_none_or(|before| average < before * BETTER);
            if is_ours && self.limit > self.floor {
                self.lowered_at = Some(average);
                return self.lower(now);
            }
            self.usual = Some(average);
        } else {
            // Below the ceiling it follows only down: what is longer there may be our doing.
            let rise = if self.limit < self.ceiling { 1.0 } else { RISE };
            self.usual = Some(usual * if window.longer * 2 > window.replies { rise } else { FALL });
        }
        (self.slow_at, self.lowered_at) = (None, None);
        let grown = (self.ceiling - self.floor) * lasted.div_duration_f64(RAMP);
        self.limit = (self.limit + grown).min(self.limit * 2.0).min(self.ceiling);
    }

    fn lower(&mut self, now: Instant) {
        self.limit = (self.limit * DECREASE).max(self.floor);
        self.slow_at = None;
        self.changed = Some(now);
        self.window = Window::default();
    }
}

#[cfg(test)]
mod tests;
