//! Whether a plugin's calls run on the worker of its subscription or aside, by the CPU time they have taken there.
//!
//! Pure: what calls took and `now` in, a place out. A call that no tick of the epoch finds running took nothing, as far as
//! this cares, so that nothing has to be measured for it. One that a tick finds is taken to have had a whole slice, which on
//! a busy machine may be wrong: as long as anything is owed, calls are measured. Each may take [`ALLOWED`] on average, and
//! [`AN_INPUT`] for each of its inputs. What it takes more is owed, and who owes too much, or outlasts its turn, has its calls
//! made aside for [`REST`] times as long, and longer each time: by being slow a plugin takes so little of a worker's time that
//! its neighbours' p99 does not show it.

use std::time::{Duration, Instant};

/// What a call may take on average of its worker's time.
const ALLOWED: Duration = Duration::from_millis(1);
/// And as much more for each of its inputs: about what a good plugin needs for an event.
const AN_INPUT: Duration = Duration::from_micros(10);
/// What may be owed.
const CREDIT: Duration = Duration::from_millis(25);
/// For how many times what was taken calls are made aside. A hundred would be just what the slowest hundredth of the
/// neighbours' events feels.
const REST: u32 = 400;
/// How long calls are made aside the first time, if not longer; it doubles with each time that follows at once.
const SHORTEST: Duration = Duration::from_secs(4);
/// What it doubles to.
const LONGEST: Duration = Duration::from_secs(64);

#[derive(Debug, Default)]
pub(super) struct Account {
    owed: Duration,
    aside: Option<Aside>,
}

#[derive(Debug, Clone, Copy)]
struct Aside {
    until: Instant,
    length: Duration,
}

impl Account {
    /// Calls are made aside. `now` is asked for only where that may be.
    pub(super) fn is_aside(&self, now: impl FnOnce() -> Instant) -> bool {
        self.aside.is_some_and(|aside| now() < aside.until)
    }

    /// What the next call takes is to be measured.
    pub(super) fn is_in_doubt(&self) -> bool {
        !self.owed.is_zero()
    }

    /// The making of an instance took so much of the worker's time. Quick as it may be, it says nothing of the calls.
    pub(super) fn made(&mut self, cpu_time: Duration, now: impl FnOnce() -> Instant) {
        self.owed += cpu_time;
        if self.owed > CREDIT {
            self.send_aside(now());
        }
    }

    /// A call on the worker with so many inputs took so much of its time.
    pub(super) fn ran(&mut self, inputs: usize, cpu_time: Duration, now: impl FnOnce() -> Instant) {
        let allowed = ALLOWED + AN_INPUT * u32::try_from(inputs).unwrap_or(u32::MAX);
        self.owed = (self.owed + cpu_time).saturating_sub(allowed);
        if self.owed > CREDIT {
            self.send_aside(now());
        } else if cpu_time <= allowed && self.owed.is_zero() {
            self.aside = None;
        }
    }

    /// A call was given up because it outlasted its turn, after so long: a guest stops at its next branch or call, and one
    /// instruction may fill all of its memory.
    pub(super) fn outlasted(&mut self, took: Duration, now: Instant) {
        self.owed = self.owed.max(took);
        self.send_aside(now);
    }

    fn send_aside(&mut self, now: Instant) {
        let length = self.aside.map_or(SHORTEST, |aside| (aside.length * 2).min(LONGEST));
        let length = length.max(std::mem::take(&mut self.owed) * REST);
        self.aside = Some(Aside { until: now + length, length });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::engine::EPOCH;
    use super::*;

    /// What may be on a worker before the account says no: what is owed, a call that comes on top, and one that is given
    /// up after two ticks.
    const AT_MOST: Duration = Duration::from_millis(25 + 10 + 10);

    #[derive(Debug, Clone, Copy)]
    enum Happens {
        /// A call that sees so many ticks, or outlasts its turn with the second.
        Call {
            ticks: u32,
        },
        Wait {
            ms: u64,
        },
    }

    fn happens() -> impl Strategy<Value = Happens> {
        prop_oneof![
            4 => Just(Happens::Call { ticks: 0 }),
            2 => Just(Happens::Call { ticks: 1 }),
            1 => Just(Happens::Call { ticks: 2 }),
            2 => (0_u64..3_000).prop_map(|ms| Happens::Wait { ms }),
        ]
    }

    proptest! {
        #[test]
        fn nobody_takes_more_of_a_worker_than_is_allowed(story in prop::collection::vec(happens(), 1..2_000)) {
            let begin = Instant::now();
            let (mut now, mut account) = (begin, Account::default());
            let (mut taken, mut allowed) = (Duration::ZERO, Duration::ZERO);
            for happens in story {
                match happens {
                    Happens::Wait { ms } => now += Duration::from_millis(ms),
                    Happens::Call { .. } if account.is_aside(|| now) => {}
                    Happens::Call { ticks: 2 } => {
                        taken += EPOCH * 2;
                        account.outlasted(EPOCH * 2, now);
                    }
                    Happens::Call { ticks } => {
                        taken += EPOCH * ticks;
                        allowed += ALLOWED + AN_INPUT;
                        account.ran(1, EPOCH * ticks, || now);
                    }
                }
            }
            let times = now.duration_since(begin).as_millis().div_ceil(SHORTEST.as_millis()) + 1;
            prop_assert!(taken <= allowed + AT_MOST * u32::try_from(times).unwrap());
        }

        #[test]
        fn a_call_that_no_tick_finds_is_never_made_aside(calls in 0_u32..10_000) {
            let mut account = Account::default();
            for _ in 0..calls {
                account.ran(1, Duration::ZERO, || unreachable!("no clock is read"));
                prop_assert!(!account.is_aside(|| unreachable!("nor here")));
            }
        }
    }

    #[test]
    fn who_is_slow_again_and_again_stays_aside_for_longer_and_comes_back_with_the_first_quick_call() {
        let (mut now, mut account) = (Instant::now(), Account::default());
        for seconds in [4, 8, 16, 32, 64, 64] {
            account.outlasted(EPOCH * 2, now);
            now += Duration::from_secs(seconds);
            assert!(account.is_aside(|| now - Duration::from_millis(1)) && !account.is_aside(|| now));
        }
        account.ran(1, Duration::ZERO, || now);
        account.outlasted(EPOCH * 2, now);
        assert!(!account.is_aside(|| now + SHORTEST));
    }

    #[test]
    fn who_outlasts_its_turn_by_far_stays_aside_for_as_much_longer() {
        let (now, mut account) = (Instant::now(), Account::default());
        account.outlasted(Duration::from_millis(300), now);
        let rest = Duration::from_secs(120);
        assert!(
            account.is_aside(|| now + rest - Duration::from_millis(1)) && !account.is_aside(|| now + rest)
        );
    }

    #[test]
    fn making_instances_is_paid_for_and_forgives_nothing() {
        let (now, mut account) = (Instant::now(), Account::default());
        account.outlasted(EPOCH, now);
        account.made(Duration::ZERO, || now);
        account.outlasted(EPOCH, now);
        assert!(account.is_aside(|| now + SHORTEST));
        let mut account = Account::default();
        (0..6).for_each(|_| account.made(EPOCH, || now));
        assert!(account.is_aside(|| now));
    }

    #[test]
    fn a_call_with_many_inputs_may_take_longer() {
        let (now, mut account) = (Instant::now(), Account::default());
        (0..1_000).for_each(|_| account.ran(100, ALLOWED * 2, || now));
        assert!(!account.is_aside(|| now) && !account.is_in_doubt());
        (0..1_000).for_each(|_| account.ran(1, ALLOWED * 2, || now));
        assert!(account.is_aside(|| now));
    }

    #[test]
    fn calls_just_below_a_turn_are_found_out_after_a_few() {
        let (now, mut account) = (Instant::now(), Account::default());
        let calls = (1..).find(|_| {
            account.ran(1, EPOCH, || now);
            account.is_aside(|| now)
        });
        assert_eq!(calls, Some(7));
    }
}
