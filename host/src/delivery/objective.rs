//! How many events meet their deadline, and how fast those that do not use up what the SLA's objective allows. Pure.
//!
//! Counts are kept in memory, in a bounded number of buckets a window: they begin anew with the host, and a window is
//! right to a sixtieth of its length. Burn rates as in the Site Reliability Workbook, chapter 5: the share of missed
//! events over the share that may be missed; an alert wants a long window that says that it matters and a short one
//! that says that it still goes on.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::config;

/// Buckets of one window.
const BUCKETS: u32 = 60;
/// A window with fewer events says nothing: one late event in a quiet night is no trend.
const LEAST_EVENTS: u64 = 10;

/// The events of one type, as far as they had a deadline.
#[derive(Debug)]
pub(crate) struct Objective {
    settings: config::Objective,
    whole: Window,
    fast: BurnWindows,
    slow: BurnWindows,
}

/// Which of the two alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    Fast,
    Slow,
}

/// Burn rates over the two windows of a pace; 0 without events.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct BurnRates {
    pub(crate) long: f64,
    pub(crate) short: f64,
    /// Both are above the rate that is told, and stand on enough events.
    pub(crate) is_burning: bool,
}

#[derive(Debug)]
struct BurnWindows {
    settings: config::Burn,
    long: Window,
    short: Window,
}

/// What happened within a length of time up to now.
#[derive(Debug)]
struct Window {
    bucket: Duration,
    begin: Instant,
    /// The buckets with anything in them, oldest first, by their number since `begin`.
    buckets: VecDeque<(u128, Counts)>,
    total: Counts,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    met: u64,
    missed: u64,
}

impl Objective {
    pub(crate) fn new(settings: config::Objective, now: Instant) -> Self {
        let burn = |settings: config::Burn| BurnWindows {
            settings,
            long: Window::new(settings.window, now),
            short: Window::new(settings.short_window, now),
        };
        let whole = Window::new(settings.window, now);
        Self { settings, whole, fast: burn(settings.fast), slow: burn(settings.slow) }
    }

    /// An event met its deadline, or missed it. Once for each event.
    pub(crate) fn count(&mut self, is_met: bool, now: Instant) {
        let windows = [
            &mut self.whole,
            &mut self.fast.long,
            &mut self.fast.short,
            &mut self.slow.long,
            &mut self.slow.short,
        ];
        windows.into_iter().for_each(|window| window.count(is_met, now));
    }

    /// The share that met its deadline; `None` without events.
    pub(crate) fn attainment(&mut self, now: Instant) -> Option<f64> {
        self.whole.at(now).met_share()
    }

    pub(crate) fn burn(&mut self, pace: Pace, now: Instant) -> BurnRates {
        let allowed = 1.0 - self.settings.share;
        let windows = match pace {
            Pace::Fast => &mut self.fast,
            Pace::Slow => &mut self.slow,
        };
        let (long, short) = (windows.long.at(now), windows.short.at(now));
        let rate = |counts: Counts| counts.missed_share().unwrap_or_default() / allowed;
        let (long_rate, short_rate, told) = (rate(long), rate(short), windows.settings.rate);
        let is_enough = long.events().min(short.events()) >= LEAST_EVENTS;
        let is_burning = is_enough && long_rate > told && short_rate > told;
        BurnRates { long: long_rate, short: short_rate, is_burning }
    }
}

impl Window {
    fn new(length: Duration, begin: Instant) -> Self {
        let bucket = (length / BUCKETS).max(Duration::from_nanos(1));
        Self { bucket, begin, buckets: VecDeque::new(), total: Counts::default() }
    }

    fn count(&mut self, is_met: bool, now: Instant) {
        let number = self.number(now);
        self.forget(number);
        if self.buckets.back().is_none_or(|(newest, _)| *newest < number) {
            self.buckets.push_back((number, Counts::default()));
        }
        let Some((_, newest)) = self.buckets.back_mut() else { return };
        for counts in [newest, &mut self.total] {
            *if is_met { &mut counts.met } else { &mut counts.missed } += 1;
        }
    }

    fn at(&mut self, now: Instant) -> Counts {
        self.forget(self.number(now));
        self.total
    }

    fn number(&self, now: Instant) -> u128 {
        now.saturating_duration_since(self.begin).as_nanos() / self.bucket.as_nanos()
    }

    /// Lets go of what is further back than the window is long.
    fn forget(&mut self, newest: u128) {
        while let Some((_, counts)) =
            self.buckets.pop_front_if(|(number, _)| *number + u128::from(BUCKETS) <= newest)
        {
            self.total.met -= counts.met;
            self.total.missed -= counts.missed;
        }
    }
}

impl Counts {
    fn events(self) -> u64 {
        self.met + self.missed
    }

    fn met_share(self) -> Option<f64> {
        (self.events() > 0).then(|| self.met as f64 / self.events() as f64)
    }

    fn missed_share(self) -> Option<f64> {
        (self.events() > 0).then(|| self.missed as f64 / self.events() as f64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn objective(begin: Instant) -> Objective {
        Objective::new(config::Objective::default(), begin)
    }

    /// So many events a minute, of which so many miss their deadline.
    fn run(
        objective: &mut Objective,
        begin: Instant,
        minutes: std::ops::Range<u32>,
        events: u32,
        missed: u32,
    ) {
        for minute in minutes {
            for event in 0..events {
                objective.count(event >= missed, begin + MINUTE * minute);
            }
        }
    }

    #[test]
    fn attainment_is_the_share_that_met_the_deadline() {
        let now = Instant::now();
        let mut objective = objective(now);
        assert_eq!(objective.attainment(now), None);
        run(&mut objective, now, 0..1, 200, 3);
        assert_eq!(objective.attainment(now), Some(0.985));
        let later = now + config::Objective::default().window;
        assert_eq!(objective.attainment(later), None, "it is out of the window");
    }

    /// The table of the workbook for 99 %: which pace tells which error rate after how long.
    #[test]
    fn each_pace_tells_what_it_is_for() {
        // Minutes, and missed of 1,000 events in each.
        for (minutes, missed, fast, slow) in [
            (600, 0, false, false),
            (600, 10, false, false), // just what is allowed
            (600, 59, false, false), // 5.9 times
            (600, 61, false, true),  // 6.1 times
            (600, 143, false, true), // 14.3 times
            (600, 145, true, true),  // 14.5 times
            (600, 1000, true, true),
        ] {
            let begin = Instant::now();
            let mut objective = objective(begin);
            run(&mut objective, begin, 0..minutes, 1_000, missed);
            let now = begin + MINUTE * (minutes - 1);
            let found = [Pace::Fast, Pace::Slow].map(|pace| objective.burn(pace, now).is_burning);
            assert_eq!(found, [fast, slow], "{missed} missed for {minutes} minutes");
        }
    }

    #[test]
    fn the_short_window_ends_it_soon_and_the_long_one_ignores_a_blip() {
        let begin = Instant::now();
        let mut objective = objective(begin);
        run(&mut objective, begin, 0..60, 100, 0);
        // All fails for 3 minutes of an hour: 5 % of it, which is 5 times what is allowed.
        run(&mut objective, begin, 60..63, 100, 100);
        let blip = objective.burn(Pace::Fast, begin + MINUTE * 62);
        assert!(blip.short > 14.4 && blip.long < 14.4 && !blip.is_burning, "{blip:?}");
        run(&mut objective, begin, 63..75, 100, 100);
        assert!(objective.burn(Pace::Fast, begin + MINUTE * 74).is_burning);
        run(&mut objective, begin, 75..81, 100, 0);
        let over = objective.burn(Pace::Fast, begin + MINUTE * 80);
        assert!(over.long > 14.4 && over.short == 0.0 && !over.is_burning, "{over:?}");
    }

    #[test]
    fn a_few_events_are_no_trend() {
        let begin = Instant::now();
        let mut objective = objective(begin);
        run(&mut objective, begin, 0..1, 9, 9);
        let burn = objective.burn(Pace::Fast, begin);
        assert!(burn.long > 99.0 && !burn.is_burning, "{burn:?}");
        run(&mut objective, begin, 0..1, 1, 1);
        assert!(objective.burn(Pace::Fast, begin).is_burning);
    }

    proptest! {
        /// The window counts what is newer than its length, may or may not count one bucket's length more, and never
        /// keeps more than its buckets.
        #[test]
        fn a_window_is_right_to_a_bucket(events in prop::collection::vec((0..40u64, any::<bool>()), 1..300)) {
            let begin = Instant::now();
            let length = Duration::from_secs(600);
            let mut window = Window::new(length, begin);
            let mut now = begin;
            let mut all = Vec::new();
            for (seconds, is_met) in events {
                now += Duration::from_secs(seconds);
                window.count(is_met, now);
                all.push((now, is_met));
                let within = |length: Duration| {
                    let newer = all.iter().filter(|(at, _)| now.duration_since(*at) < length);
                    let missed = newer.clone().filter(|(_, is_met)| !is_met).count() as u64;
                    (newer.count() as u64, missed)
                };
                let found = window.at(now);
                let (least, most) = (within(length - length / BUCKETS), within(length));
                prop_assert!((least.0..=most.0).contains(&found.events()), "{found:?} {least:?} {most:?}");
                prop_assert!((least.1..=most.1).contains(&found.missed), "{found:?} {least:?} {most:?}");
                prop_assert!(window.buckets.len() <= BUCKETS as usize);
            }
        }
    }
}
