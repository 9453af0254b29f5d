//! How far a version on trial has come, and what becomes of it. Pure.
//!
//! ```text
//! shadow (none) ─▶ canary (some keys) ─▶ watched (all events) ─▶ live
//!    └────────────────┴──────────────────────┴─▶ rolled back: too many of its events failed
//! ```
//!
//! In come the counts of its events and `now`, out goes what to do. Once nothing has failed for long it is live; until so
//! many events as the configuration wants have shown something of it, it stays watched, for the version before costs
//! nothing while it waits.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::config;
use crate::subscription::stages::served::Counts;

/// Counts that are kept of one window.
const SAMPLES: u32 = 20;

#[derive(Debug)]
pub(super) struct Rollout {
    settings: config::Rollout,
    phase: Phase,
    /// When the phase began, and what was counted before.
    since: Instant,
    before: Counts,
    /// Earlier counts, oldest first: the first is as old as the window, or older than any of this trial.
    earlier: VecDeque<(Instant, Counts)>,
}

/// What a version on trial is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing but what the live version has done already, to repeat it.
    Shadow,
    /// The events of some keys.
    Canary,
    /// All events.
    Watched,
}

/// What to do with a version on trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Stay,
    Enter(Phase),
    Accept,
    /// So many of the window's events failed.
    RollBack(Counts),
}

impl Rollout {
    pub(super) fn new(settings: config::Rollout, now: Instant) -> Self {
        let before = Counts::default();
        let phase = match settings.shadow {
            Duration::ZERO => after_shadow(&settings),
            _ => Phase::Shadow,
        };
        Self { settings, phase, since: now, before, earlier: VecDeque::from([(now, Counts::default())]) }
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    /// Decides by what was counted since the trial began.
    pub(super) fn look(&mut self, counts: Counts, now: Instant) -> Verdict {
        let recent = self.recent(counts, now);
        let is_enough = |judged: u64| judged >= u64::from(self.settings.min_events);
        if is_enough(recent.judged) && share(recent) > self.settings.max_failures {
            return Verdict::RollBack(recent);
        }
        let lasted = now.saturating_duration_since(self.since);
        let of_phase =
            Counts { judged: counts.judged - self.before.judged, failed: counts.failed - self.before.failed };
        match self.phase {
            Phase::Shadow if lasted >= self.settings.shadow => {
                self.enter(after_shadow(&self.settings), counts, now)
            }
            Phase::Canary if lasted >= self.settings.canary_for => self.enter(Phase::Watched, counts, now),
            // Where events are few, a window never holds enough of them: then all of the phase decide.
            Phase::Watched if lasted >= self.settings.window && is_enough(of_phase.judged) => {
                match share(of_phase) > self.settings.max_failures {
                    true => Verdict::RollBack(of_phase),
                    false => Verdict::Accept,
                }
            }
            Phase::Shadow | Phase::Canary | Phase::Watched => Verdict::Stay,
        }
    }

    fn enter(&mut self, phase: Phase, counts: Counts, now: Instant) -> Verdict {
        (self.phase, self.since, self.before) = (phase, now, counts);
        Verdict::Enter(phase)
    }

    /// What was counted within the window.
    fn recent(&mut self, counts: Counts, now: Instant) -> Counts {
        let window = self.settings.window;
        let is_over = |at: &Instant| now.saturating_duration_since(*at) >= window;
        while self.earlier.get(1).is_some_and(|(at, _)| is_over(at)) {
            self.earlier.pop_front();
        }
        let is_due = |(at, _): &(Instant, Counts)| now.saturating_duration_since(*at) >= apart(window);
        if self.earlier.back().is_none_or(is_due) {
            self.earlier.push_back((now, counts));
        }
        let before = self.earlier.front().map_or(Counts::default(), |(_, counts)| *counts);
        Counts { judged: counts.judged - before.judged, failed: counts.failed - before.failed }
    }
}

fn after_shadow(settings: &config::Rollout) -> Phase {
    if settings.canary.is_some() { Phase::Canary } else { Phase::Watched }
}

fn apart(window: Duration) -> Duration {
    window / SAMPLES
}

fn share(counts: Counts) -> f64 {
    // Counts of events are far below what a float cannot hold.
    counts.failed as f64 / counts.judged.max(1) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WINDOW: Duration = Duration::from_secs(10);
    const CANARY: Duration = Duration::from_secs(60);

    fn settings() -> config::Rollout {
        config::Rollout {
            window: WINDOW,
            max_failures: 0.1,
            min_events: 10,
            canary: None,
            canary_for: CANARY,
            shadow: Duration::ZERO,
        }
    }

    fn counts(judged: u64, failed: u64) -> Counts {
        Counts { judged, failed }
    }

    #[test]
    fn a_good_version_is_watched_for_the_window_and_then_live() {
        let begin = Instant::now();
        let mut rollout = Rollout::new(settings(), begin);
        for (second, judged, expected) in [
            (0, 0, Verdict::Stay),
            (5, 1_000, Verdict::Stay),
            (9, 2_000, Verdict::Stay),
            (10, 3_000, Verdict::Accept),
        ] {
            let now = begin + Duration::from_secs(second);
            assert_eq!(rollout.look(counts(judged, judged / 100), now), expected, "second {second}");
        }
    }

    #[test]
    fn few_events_decide_nothing_however_long_it_takes() {
        let begin = Instant::now();
        let mut rollout = Rollout::new(settings(), begin);
        let later = begin + WINDOW * 100;
        assert_eq!(rollout.look(counts(9, 9), begin + WINDOW / 2), Verdict::Stay);
        assert_eq!(rollout.look(counts(9, 9), later), Verdict::Stay);
        assert_eq!(rollout.look(counts(10, 9), later), Verdict::RollBack(counts(10, 9)), "they are enough");
        let mut rollout = Rollout::new(settings(), begin);
        assert_eq!(rollout.look(counts(9, 0), later), Verdict::Stay);
        assert_eq!(rollout.look(counts(10, 1), later + WINDOW), Verdict::Accept);
    }

    #[test]
    fn more_failures_than_their_share_within_the_window_roll_it_back() {
        let begin = Instant::now();
        let mut rollout = Rollout::new(settings(), begin);
        assert_eq!(rollout.look(counts(10, 1), begin), Verdict::Stay);
        assert_eq!(rollout.look(counts(10, 2), begin), Verdict::RollBack(counts(10, 2)));
        // What went well long ago does not make up for what fails now.
        let mut rollout = Rollout::new(config::Rollout { canary: Some(0.5), ..settings() }, begin);
        for second in 0..40 {
            let now = begin + Duration::from_secs(second);
            assert_eq!(rollout.look(counts(second * 100, 0), now), Verdict::Stay);
        }
        let now = begin + Duration::from_secs(40);
        let Verdict::RollBack(recent) = rollout.look(counts(4_200, 200), now) else {
            panic!("200 of the last 1,200 failed");
        };
        assert_eq!(recent.failed, 200);
        assert!((1_200..1_500).contains(&recent.judged), "{recent:?}");
    }

    #[test]
    fn a_canary_goes_first() {
        let begin = Instant::now();
        let mut rollout = Rollout::new(config::Rollout { canary: Some(0.1), ..settings() }, begin);
        assert_eq!(rollout.phase(), Phase::Canary);
        assert_eq!(rollout.look(counts(50, 0), begin + CANARY / 2), Verdict::Stay);
        assert_eq!(rollout.look(counts(100, 0), begin + CANARY), Verdict::Enter(Phase::Watched));
        assert_eq!(rollout.look(counts(200, 0), begin + CANARY + WINDOW / 2), Verdict::Stay);
        assert_eq!(rollout.look(counts(300, 0), begin + CANARY + WINDOW), Verdict::Accept);
    }

    #[test]
    fn a_shadow_comes_before_the_canary_and_what_it_shows_accepts_nothing() {
        let begin = Instant::now();
        let shadow = Duration::from_secs(600);
        let mut rollout = Rollout::new(config::Rollout { shadow, ..settings() }, begin);
        assert_eq!(rollout.look(counts(5_000, 0), begin + shadow / 2), Verdict::Stay);
        assert_eq!(rollout.look(counts(9_000, 0), begin + shadow), Verdict::Enter(Phase::Watched));
        assert_eq!(rollout.look(counts(9_009, 0), begin + shadow + WINDOW), Verdict::Stay);
        assert_eq!(rollout.look(counts(9_010, 0), begin + shadow + WINDOW), Verdict::Accept);
        let mut rollout = Rollout::new(config::Rollout { shadow, canary: Some(0.1), ..settings() }, begin);
        assert_eq!(rollout.look(counts(20, 0), begin), Verdict::Stay);
        assert_eq!(rollout.look(counts(30, 10), begin), Verdict::RollBack(counts(30, 10)));
        assert_eq!(rollout.look(counts(30, 0), begin + shadow), Verdict::Enter(Phase::Canary));
    }

    proptest! {
        /// Whatever comes: a version without failures is never rolled back, one that is accepted was watched for the
        /// window, phases only go forward, and what is kept is bounded.
        #[test]
        fn only_failures_roll_back_and_only_time_accepts(
            canary in any::<bool>(),
            steps in prop::collection::vec((0..4_000_u64, 0..50_u64, 0..50_u64), 1..120),
        ) {
            let begin = Instant::now();
            let canary = canary.then_some(0.2);
            let mut rollout = Rollout::new(config::Rollout { canary, ..settings() }, begin);
            let (mut now, mut total, mut watched_since) = (begin, counts(0, 0), begin);
            for (milliseconds, passed, failed) in steps {
                now += Duration::from_millis(milliseconds);
                total = counts(total.judged + passed + failed, total.failed + failed);
                let before = rollout.phase();
                match rollout.look(total, now) {
                    Verdict::Stay => prop_assert_eq!(rollout.phase(), before),
                    Verdict::Enter(phase) => {
                        prop_assert_eq!((before, phase), (Phase::Canary, Phase::Watched));
                        watched_since = now;
                    }
                    Verdict::Accept => {
                        prop_assert!(now - watched_since >= WINDOW && total.judged >= 10);
                        return Ok(());
                    }
                    Verdict::RollBack(recent) => {
                        prop_assert!(recent.failed > 0 && recent.failed <= total.failed);
                        prop_assert!(recent.judged >= 10 && share(recent) > 0.1);
                        return Ok(());
                    }
                }
                prop_assert!(rollout.earlier.len() <= SAMPLES as usize + 2);
            }
        }
    }
}
