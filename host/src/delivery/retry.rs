//! When a delivery that failed is tried again, and when it is given up.
//!
//! Pure: the SLA, what was spent and `now` come in, a time or the end goes out. Nothing waits here.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::Sla;

/// What follows a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryVerdict {
    Again {
        at: Instant,
    },
    /// The SLA's `max-attempts` are used up.
    AttemptsSpent,
    /// The next attempt would begin after the SLA's `give-up-after`.
    GaveUp,
}

/// How long to wait after this many failed attempts, 1 being the first.
///
/// The interval is `initial-interval` × `multiplier`^(attempt − 1), at most `max-interval`; the wait lies between half
/// of it and all of it ("equal jitter"), `jitter` going from 0 to 1, so that deliveries which failed together do not
/// come back together. What the external system asked for (`after`) is the least, even beyond `max-interval`: only
/// `give-up-after` bounds it.
pub fn delay(sla: &Sla, attempt: u32, after: Option<Duration>, jitter: f64) -> Duration {
    let interval = interval(sla, attempt);
    let jitter = if (0.0..=1.0).contains(&jitter) { jitter } else { 1.0 };
    let jittered = interval.saturating_sub(interval.mul_f64((1.0 - jitter) / 2.0));
    jittered.max(after.unwrap_or_default())
}

/// Whether a delivery that waits this long may be tried again.
pub fn verdict(
    sla: &Sla,
    attempts_spent: u32,
    first_attempt_at: Instant,
    now: Instant,
    delay: Duration,
) -> RetryVerdict {
    if attempts_spent >= sla.max_attempts {
        return RetryVerdict::AttemptsSpent;
    }
    let at = now.checked_add(delay);
    let waited = at.map(|at| at.saturating_duration_since(first_attempt_at));
    match (at, waited) {
        (Some(at), Some(waited)) if waited <= sla.give_up_after => RetryVerdict::Again { at },
        _ => RetryVerdict::GaveUp,
    }
}

/// In floating point, where the power grows to infinity and stays there: a shift or an integer product would wrap to
/// nothing after enough attempts, and the external system would be hammered exactly when it is down.
fn interval(sla: &Sla, attempt: u32) -> Duration {
    let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
    let growth = sla.multiplier.max(1.0).powi(exponent).min(f64::MAX);
    let seconds = (sla.initial_interval.as_secs_f64() * growth).min(sla.max_interval.as_secs_f64());
    Duration::try_from_secs_f64(seconds).unwrap_or(sla.max_interval).min(sla.max_interval)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn sla() -> Sla {
        Sla {
            max_attempts: 6,
            initial_interval: 2 * SECOND,
            multiplier: 2.0,
            max_interval: 60 * SECOND,
            attempt_timeout: 10 * SECOND,
            deadline: None,
            give_up_after: 3600 * SECOND,
            ..Sla::default()
        }
    }

    #[test]
    fn the_wait_grows_from_the_initial_to_the_maximum_interval() {
        for (attempt, jitter, seconds) in [
            (0, 1.0, 2.0),
            (1, 1.0, 2.0),
            (1, 0.0, 1.0),
            (1, 0.5, 1.5),
            (2, 1.0, 4.0),
            (5, 1.0, 32.0),
            (6, 1.0, 60.0),
            (6, 0.0, 30.0),
            (u32::MAX, 1.0, 60.0),
            (3, f64::NAN, 8.0),
        ] {
            assert_eq!(
                delay(&sla(), attempt, None, jitter),
                Duration::from_secs_f64(seconds),
                "{attempt} {jitter}"
            );
        }
    }

    #[test]
    fn what_the_system_asked_for_is_the_least() {
        assert_eq!(delay(&sla(), 1, Some(SECOND / 2), 1.0), 2 * SECOND);
        assert_eq!(delay(&sla(), 1, Some(300 * SECOND), 1.0), 300 * SECOND);
        assert_eq!(delay(&sla(), 1, Some(Duration::MAX), 1.0), Duration::MAX);
    }

    #[test]
    fn a_delivery_ends_when_its_attempts_or_its_time_are_spent() {
        let first = Instant::now();
        let now = first + 1800 * SECOND;
        for (spent, delay, expected) in [
            (1, 2 * SECOND, RetryVerdict::Again { at: now + 2 * SECOND }),
            (5, 1800 * SECOND, RetryVerdict::Again { at: now + 1800 * SECOND }),
            (5, 1801 * SECOND, RetryVerdict::GaveUp),
            (5, Duration::MAX, RetryVerdict::GaveUp),
            (6, 2 * SECOND, RetryVerdict::AttemptsSpent),
            (7, Duration::MAX, RetryVerdict::AttemptsSpent),
        ] {
            assert_eq!(verdict(&sla(), spent, first, now, delay), expected, "{spent} {delay:?}");
        }
    }

    #[test]
    fn each_of_ten_thousand_waits_is_within_its_bounds_and_none_is_shorter_than_the_one_before() {
        let slas = [
            sla(),
            Sla { multiplier: 1.0, ..sla() },
            Sla { multiplier: 1.0001, max_interval: Duration::MAX, ..sla() },
            Sla { multiplier: f64::MAX, max_interval: Duration::MAX, ..sla() },
            Sla { initial_interval: Duration::ZERO, ..sla() },
            Sla {
                initial_interval: Duration::from_nanos(1),
                max_interval: 365 * 24 * 3600 * SECOND,
                ..sla()
            },
            Sla { initial_interval: 90 * SECOND, ..sla() },
        ];
        for sla in slas {
            let mut before = Duration::ZERO;
            for attempt in 1..=10_000 {
                let [least, middle, most] = [0.0, 0.5, 1.0].map(|jitter| delay(&sla, attempt, None, jitter));
                assert!(most >= before && most <= sla.max_interval, "{attempt}: {most:?} of {sla:?}");
                assert!(least <= middle && middle <= most && least >= most / 2, "{attempt} of {sla:?}");
                assert!(
                    least >= (sla.initial_interval / 2).min(sla.max_interval / 2),
                    "{attempt} of {sla:?}"
                );
                before = most;
            }
        }
    }

    proptest! {
        #[test]
        fn the_wait_never_wraps_and_never_leaves_its_bounds(
            attempt in prop_oneof![0_u32..100, any::<u32>()],
            initial_ms in 1_u64..100_000,
            factor in 1_u64..1_000,
            multiplier in prop_oneof![1.0..10.0_f64, any::<f64>()],
            jitter in 0.0..=1.0_f64,
        ) {
            let sla = Sla {
                initial_interval: Duration::from_millis(initial_ms),
                max_interval: Duration::from_millis(initial_ms * factor),
                multiplier,
                ..sla()
            };
            let delay = delay(&sla, attempt, None, jitter);
            prop_assert!(delay >= sla.initial_interval / 2);
            prop_assert!(delay <= sla.max_interval);
        }

        #[test]
        fn the_wait_never_shrinks_with_more_attempts(attempt in 0_u32..u32::MAX, jitter in 0.0..=1.0_f64) {
            prop_assert!(delay(&sla(), attempt, None, jitter) <= delay(&sla(), attempt + 1, None, jitter));
        }
    }
}
