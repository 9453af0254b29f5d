//! How often a connector may ask its external system: one request an interval on average, with a burst after a pause.
//!
//! Pure: `now` comes in, a turn or the time of the next one goes out. The algorithm (GCRA) is the `governor` crate's.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

use crate::config::RateLimit;

/// The longest interval: a slip in a number must not take a connector out for ever.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

pub struct Rate {
    limiter: RateLimiter<NotKeyed, InMemoryState, Told, NoOpMiddleware<Duration>>,
    clock: Told,
    origin: Instant,
}

/// The time since the origin as it was told last: a clock that never looks by itself.
#[derive(Debug, Clone, Default)]
struct Told(Rc<Cell<Duration>>);

impl Clock for Told {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.get()
    }
}

impl Rate {
    pub fn new(settings: RateLimit, now: Instant) -> Rate {
        let interval = settings.interval.clamp(Duration::from_nanos(1), LONGEST);
        let quota = Quota::with_period(interval).expect("an interval that is not zero makes a quota");
        let clock = Told::default();
        let limiter = RateLimiter::direct_with_clock(quota.allow_burst(settings.burst), clock.clone());
        Rate { limiter, clock, origin: now }
    }

    /// Takes a turn for one request, or says when there will be one.
    pub fn take(&self, now: Instant) -> Result<(), Instant> {
        self.clock.0.set(now.saturating_duration_since(self.origin));
        self.limiter.check().map_err(|not_yet| self.origin + not_yet.earliest_possible())
    }
}

impl fmt::Debug for Rate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Rate").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use proptest::prelude::*;

    use super::*;

    fn rate(interval_ms: u64, burst: u32, now: Instant) -> Rate {
        let burst = NonZeroU32::new(burst).unwrap();
        Rate::new(RateLimit { interval: Duration::from_millis(interval_ms), burst }, now)
    }

    #[test]
    fn a_burst_goes_at_once_and_then_one_an_interval() {
        let start = Instant::now();
        let rate = rate(100, 3, start);
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!([rate.take(at(0)), rate.take(at(0)), rate.take(at(0))], [Ok(()); 3]);
        for (now_ms, expected) in [
            (0, Err(at(100))),
            (99, Err(at(100))),
            (100, Ok(())),
            (100, Err(at(200))),
            (450, Ok(())),
            (450, Ok(())),
            (450, Ok(())),
            (450, Err(at(550))),
        ] {
            assert_eq!(rate.take(at(now_ms)), expected, "at {now_ms} ms");
        }
    }

    #[test]
    fn an_interval_that_means_nothing_is_one_that_works() {
        let start = Instant::now();
        for (interval, expected) in [(Duration::ZERO, Duration::from_nanos(1)), (Duration::MAX, LONGEST)] {
            let rate = Rate::new(RateLimit { interval, burst: NonZeroU32::MIN }, start);
            assert_eq!(rate.take(start), Ok(()));
            assert_eq!(rate.take(start), Err(start + expected));
        }
    }

    proptest! {
        #[test]
        fn no_window_holds_more_than_its_share_and_a_burst(
            interval_ms in 1_u64..50,
            burst in 1_u32..10,
            waits_ms in proptest::collection::vec(0_u64..40, 1..200),
        ) {
            let start = Instant::now();
            let rate = rate(interval_ms, burst, start);
            let mut now = start;
            let mut taken = Vec::new();
            for wait in waits_ms {
                now += Duration::from_millis(wait);
                match rate.take(now) {
                    Ok(()) => taken.push(now),
                    Err(until) => {
                        prop_assert!(until > now && until <= now + Duration::from_millis(interval_ms));
                        prop_assert_eq!(rate.take(until), Ok(()), "it is as good as its word");
                        taken.push(until);
                        now = until;
                    }
                }
            }
            for (first, from) in taken.iter().enumerate() {
                for (last, to) in taken.iter().enumerate().skip(first) {
                    let share = to.duration_since(*from).as_millis() as u64 / interval_ms;
                    let taken_between = (last - first) as u64;
                    prop_assert!(taken_between <= share + u64::from(burst));
                }
            }
        }
    }
}
