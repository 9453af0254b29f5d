//! When the next delivery may start, so that no more than so many start in a second. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// Gives out times to start, evenly spread.
#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    next: Instant,
}

impl Pace {
    /// So many a second, from now on.
    pub(super) fn new(rate: u32, now: Instant) -> Self {
        Self { interval: Duration::from_secs(1) / rate.max(1), next: now }
    }

    /// When the next one may start: what was not used is not made up for.
    pub(super) fn next(&mut self, now: Instant) -> Instant {
        let at = self.next.max(now);
        self.next = at + self.interval;
        at
    }

    /// None starts before then.
    pub(super) fn hold_until(&mut self, until: Instant) {
        self.next = self.next.max(until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_are_evenly_spread_and_never_made_up_for() {
        let now = Instant::now();
        let ms = Duration::from_millis;
        let mut pace = Pace::new(10, now);
        assert_eq!([pace.next(now), pace.next(now), pace.next(now)], [now, now + ms(100), now + ms(200)]);
        let later = now + ms(5_000);
        assert_eq!([pace.next(later), pace.next(later)], [later, later + ms(100)]);
        pace.hold_until(later + ms(900));
        assert_eq!([pace.next(later), pace.next(later)], [later + ms(900), later + ms(1_000)]);
    }
}
