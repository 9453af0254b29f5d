//! When the breaker opens and closes, and what must hold whatever happens.

use proptest::prelude::*;

use super::outage::wait;
use super::*;

const SECOND: Duration = Duration::from_secs(1);
/// The jitter that changes nothing.
const NO_JITTER: f64 = 0.5;

fn breaker() -> Breaker {
    Breaker::new(config::Breaker {
        failures: 5,
        probe_interval: SECOND,
        max_probe_interval: 60 * SECOND,
        max_denied_interval: 600 * SECOND,
        pause_after: 30 * SECOND,
    })
}

fn failure(event: u64, kind: FailureKind, began: Instant) -> Failure {
    Failure { event, kind, retry_after: None, began, failed_before: None }
}

fn fail(breaker: &mut Breaker, event: u64, kind: FailureKind, now: Instant) -> Option<Change> {
    breaker.failed(&failure(event, kind, now), now, NO_JITTER)
}

fn unavailable(breaker: &mut Breaker, event: u64, now: Instant) -> Option<Change> {
    fail(breaker, event, FailureKind::Unavailable, now)
}

fn opened(reason: Reason, until: Instant) -> Option<Change> {
    Some(Change::Opened { reason, until })
}

fn open(now: Instant) -> Breaker {
    let mut breaker = breaker();
    assert_eq!(breaker.trip(now, NO_JITTER), opened(Reason::Unavailable, now + SECOND));
    breaker
}

#[test]
fn failures_in_a_row_of_two_events_open_it() {
    let now = Instant::now();
    let mut breaker = breaker();
    for _ in 0..4 {
        assert_eq!(unavailable(&mut breaker, 1, now), None);
    }
    assert_eq!(breaker.may_start(2, now), Permit::Yes);
    assert_eq!(unavailable(&mut breaker, 2, now), opened(Reason::Unavailable, now + SECOND));
    assert_eq!(breaker.may_start(3, now), Permit::WaitUntil(now + SECOND));
    assert_eq!((breaker.state(), breaker.reason()), (State::Open, Some(Reason::Unavailable)));
}

#[test]
fn one_event_that_always_fails_does_not_open_it() {
    let now = Instant::now();
    let mut breaker = breaker();
    for _ in 0..1_000 {
        assert_eq!(unavailable(&mut breaker, 1, now), None);
    }
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn events_that_fail_while_others_succeed_do_not_open_it() {
    let start = Instant::now();
    let later = start + 2 * SECOND;
    for (kind, success, opens) in [
        (FailureKind::Unavailable, Some(start + SECOND), false),
        (FailureKind::Unavailable, Some(start), true),
        (FailureKind::Unavailable, None, true),
        (FailureKind::Connection, Some(start + SECOND), true),
    ] {
        let mut breaker = breaker();
        if let Some(success) = success {
            breaker.succeeded(success);
        }
        for event in 0..20 {
            let again = Failure { failed_before: Some(start), ..failure(event, kind, later) };
            breaker.failed(&again, later, NO_JITTER);
        }
        assert_eq!(breaker.state() == State::Open, opens, "{kind:?} {success:?}");
    }
}

#[test]
fn failed_connections_of_one_event_open_it() {
    let now = Instant::now();
    let mut breaker = breaker();
    for kind in [
        FailureKind::Connection,
        FailureKind::Connection,
        FailureKind::Unavailable,
        FailureKind::Connection,
        FailureKind::Connection,
        FailureKind::Connection,
        FailureKind::Connection,
    ] {
        assert_eq!(fail(&mut breaker, 1, kind, now), None);
    }
    assert!(fail(&mut breaker, 1, FailureKind::Connection, now).is_some());
}

#[test]
fn half_of_many_results_failing_opens_it() {
    let now = Instant::now();
    for (distinct, apart, expected) in
        [(5, SECOND / 10, true), (4, SECOND / 10, false), (5, 2 * SECOND, false)]
    {
        let mut breaker = breaker();
        let mut at = now;
        let mut has_opened = false;
        for round in 0..40 {
            breaker.succeeded(at);
            has_opened |= unavailable(&mut breaker, round % distinct, at).is_some();
            at += apart;
            if has_opened {
                assert!(round >= 9, "20 results are the fewest");
                break;
            }
        }
        assert_eq!(has_opened, expected, "{distinct} events, {apart:?} apart");
    }
}

#[test]
fn a_success_closes_it_and_clears_the_record() {
    let now = Instant::now();
    let mut breaker = breaker();
    for event in 0..5 {
        unavailable(&mut breaker, event, now);
    }
    assert_eq!(breaker.succeeded(now), Some(Change::Closed));
    assert_eq!(breaker.may_start(9, now), Permit::Yes);
    let later = now + SECOND;
    assert_eq!(breaker.succeeded(later), None);
    for event in 0..4 {
        assert_eq!(unavailable(&mut breaker, event, later), None);
    }
}

#[test]
fn stragglers_of_a_past_outage_do_not_open_it_again() {
    let now = Instant::now();
    let mut breaker = open(now);
    breaker.succeeded(now + SECOND);
    for event in 0..50 {
        let straggler = failure(event, FailureKind::Connection, now);
        assert_eq!(breaker.failed(&straggler, now + 2 * SECOND, NO_JITTER), None);
    }
}

#[test]
fn one_probe_at_a_time_with_growing_waits_between() {
    let mut now = Instant::now();
    let mut breaker = open(now);
    let start = now;
    for seconds in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
        let until = now + seconds * SECOND;
        assert_eq!(breaker.may_start(1, now), Permit::WaitUntil(until));
        now = until;
        assert_eq!(breaker.may_start(1, now), Permit::Probe);
        assert_eq!(breaker.state(), State::HalfOpen);
        assert_eq!(breaker.may_start(2, now), Permit::No);
        assert_eq!(unavailable(&mut breaker, 2, now), None, "no probe: it decides nothing");
        assert_eq!(breaker.state(), State::HalfOpen);
        assert_eq!(unavailable(&mut breaker, 1, now), None);
    }
    assert_eq!(breaker.open_for(now), Some(now - start));
    now += 60 * SECOND;
    assert_eq!(breaker.may_start(1, now), Permit::Probe);
    assert_eq!(breaker.succeeded(now), Some(Change::Closed));
    assert_eq!(breaker.open_for(now), None);
}

#[test]
fn the_wait_has_jitter_and_honours_what_the_system_asked_for() {
    let settings = breaker().settings;
    for (failed, after, jitter, expected_ms) in [
        (0, None, 0.0, 800),
        (0, None, 1.0, 1_200),
        (u32::MAX, None, 0.5, 60_000),
        (0, Some(300 * SECOND), 0.5, 300_100),
        (0, Some(300 * SECOND), 0.0, 300_000),
        (9, Some(SECOND), 0.5, 60_000),
        (0, Some(Duration::MAX), 0.5, 86_400_100),
        (0, None, f64::NAN, 1_200),
    ] {
        let waits = wait(&settings, Reason::Unavailable, failed, after, jitter);
        assert_eq!(waits, Duration::from_millis(expected_ms));
    }
    // A refusal lasts until a person has acted: who refuses us is asked ever more rarely.
    let refused = |failed| wait(&settings, Reason::Denied, failed, None, NO_JITTER);
    assert_eq!((refused(6), refused(9), refused(40)), (64 * SECOND, 512 * SECOND, 600 * SECOND));
    let now = Instant::now();
    let mut breaker = open(now);
    let asked = Failure { retry_after: Some(90 * SECOND), ..failure(2, FailureKind::Unavailable, now) };
    breaker.failed(&asked, now, NO_JITTER);
    assert_eq!(
        breaker.may_start(1, now),
        Permit::WaitUntil(now + 90 * SECOND),
        "a straggler's word counts too"
    );
}

#[test]
fn an_event_that_failed_as_a_probe_is_known() {
    let mut now = Instant::now();
    let mut breaker = open(now);
    for event in 0..70 {
        now += 100 * SECOND;
        assert!(!breaker.has_failed_as_probe(event));
        assert_eq!(breaker.may_start(event, now), Permit::Probe);
        unavailable(&mut breaker, event, now);
        assert!(breaker.has_failed_as_probe(event));
    }
    assert!(!breaker.has_failed_as_probe(0), "only the latest are remembered");
    breaker.succeeded(now);
    assert!(!breaker.has_failed_as_probe(69));
}

#[test]
fn throttling_delays_starts_and_needs_no_probe() {
    let now = Instant::now();
    let mut breaker = breaker();
    breaker.throttled(1, now + 5 * SECOND, now);
    breaker.throttled(2, now + 3 * SECOND, now);
    assert_eq!((breaker.state(), breaker.open_for(now)), (State::Closed, None));
    assert_eq!(breaker.may_start(1, now), Permit::WaitUntil(now + 5 * SECOND));
    assert_eq!(breaker.may_start(1, now + 5 * SECOND), Permit::Yes);
    breaker.throttled(1, now + 1_000_000 * SECOND, now);
    assert_eq!(breaker.may_start(1, now), Permit::WaitUntil(now + LONGEST_WAIT));
}

#[test]
fn a_throttled_probe_is_followed_by_another() {
    let now = Instant::now();
    let mut breaker = open(now);
    assert_eq!(breaker.may_start(1, now + SECOND), Permit::Probe);
    breaker.throttled(1, now + 9 * SECOND, now + SECOND);
    assert_eq!(breaker.may_start(2, now + 2 * SECOND), Permit::WaitUntil(now + 9 * SECOND));
    assert_eq!(breaker.may_start(2, now + 9 * SECOND), Permit::Probe);
}

#[test]
fn refused_credentials_open_it_at_once_until_a_check_passes() {
    let now = Instant::now();
    let mut breaker = breaker();
    assert_eq!(breaker.denied(1, now, NO_JITTER), opened(Reason::Denied, now + SECOND));
    assert_eq!(breaker.denied(2, now, NO_JITTER), None);
    assert_eq!(breaker.may_start(1, now + SECOND), Permit::Probe);
    breaker.probe_check_failed(now + SECOND, NO_JITTER);
    assert_eq!(breaker.may_start(1, now + SECOND), Permit::WaitUntil(now + 3 * SECOND));
    assert_eq!(breaker.may_start(1, now + 3 * SECOND), Permit::Probe);
    assert_eq!(breaker.denied(1, now + 3 * SECOND, NO_JITTER), None);
    assert_eq!(breaker.may_start(1, now + 3 * SECOND), Permit::WaitUntil(now + 7 * SECOND));
    assert_eq!(breaker.reason(), Some(Reason::Denied));
    assert_eq!(breaker.succeeded(now + 4 * SECOND), Some(Change::Closed));
}

#[test]
fn an_abandoned_probe_makes_room_for_another_at_once() {
    let now = Instant::now();
    let mut breaker = open(now);
    let now = now + SECOND;
    assert_eq!(breaker.may_start(1, now), Permit::Probe);
    breaker.probe_abandoned(2, now);
    assert_eq!(breaker.may_start(2, now), Permit::No);
    breaker.probe_abandoned(1, now);
    assert_eq!(breaker.may_start(2, now), Permit::Probe);
}

#[test]
fn attempts_since_the_last_success_are_refunded_while_it_is_open() {
    let now = Instant::now();
    let mut breaker = breaker();
    breaker.succeeded(now);
    assert!(!breaker.is_refundable(now + SECOND), "closed");
    breaker.trip(now + 2 * SECOND, NO_JITTER);
    assert!(breaker.is_refundable(now + SECOND));
    assert!(!breaker.is_refundable(now));
    breaker.succeeded(now + 3 * SECOND);
    assert!(!breaker.is_refundable(now + 4 * SECOND));
}

#[test]
fn exhausted_deliveries_are_held_while_nothing_succeeds() {
    let now = Instant::now();
    let mut breaker = breaker();
    assert!(breaker.holds_exhausted(now), "nothing ever succeeded");
    breaker.succeeded(now + SECOND);
    assert!(!breaker.holds_exhausted(now), "others were delivered since: it is the event");
    assert!(breaker.holds_exhausted(now + 2 * SECOND));
    assert!(breaker.trip(now + 3 * SECOND, NO_JITTER).is_some());
    assert_eq!(breaker.trip(now + 3 * SECOND, NO_JITTER), None);
}

#[derive(Debug, Clone)]
enum Act {
    Start(u64),
    Succeed,
    Fail(u64, bool, Option<u64>),
    Throttle(u64, u64),
    Deny(u64),
    CheckFails,
    Abandon(u64),
    Trip,
    Wait(u64),
}

fn act() -> impl Strategy<Value = Act> {
    let event = 0_u64..6;
    prop_oneof![
        6 => event.clone().prop_map(Act::Start),
        1 => Just(Act::Succeed),
        6 => (event.clone(), any::<bool>(), proptest::option::of(0_u64..100_000)).prop_map(|(event, kind, after)| Act::Fail(event, kind, after)),
        1 => (event.clone(), 0_u64..100_000).prop_map(|(event, after)| Act::Throttle(event, after)),
        1 => event.clone().prop_map(Act::Deny),
        1 => Just(Act::CheckFails),
        1 => event.prop_map(Act::Abandon),
        1 => Just(Act::Trip),
        4 => (0_u64..100_000).prop_map(Act::Wait),
    ]
}

fn perform(breaker: &mut Breaker, act: &Act, now: Instant, jitter: f64) -> Option<Change> {
    match *act {
        Act::Start(_) | Act::Wait(_) => None,
        Act::Succeed => breaker.succeeded(now),
        Act::Fail(event, is_connection, after) => {
            let kind = if is_connection { FailureKind::Connection } else { FailureKind::Unavailable };
            let retry_after = after.map(Duration::from_millis);
            breaker.failed(&Failure { retry_after, ..failure(event, kind, now) }, now, jitter)
        }
        Act::Throttle(event, after) => {
            breaker.throttled(event, now + Duration::from_millis(after), now);
            None
        }
        Act::Deny(event) => breaker.denied(event, now, jitter),
        Act::CheckFails => {
            breaker.probe_check_failed(now, jitter);
            None
        }
        Act::Abandon(event) => {
            breaker.probe_abandoned(event, now);
            None
        }
        Act::Trip => breaker.trip(now, jitter),
    }
}

/// A breaker beside what is known of it from outside.
#[derive(Debug, Clone)]
struct Watched {
    breaker: Breaker,
    now: Instant,
    probe: Option<u64>,
    last_success: Option<Instant>,
}

impl Watched {
    fn new(failures: u32) -> Watched {
        let settings = config::Breaker { failures, ..breaker().settings };
        Watched { breaker: Breaker::new(settings), now: Instant::now(), probe: None, last_success: None }
    }

    /// Performs an act, and checks what must hold then.
    fn perform(&mut self, act: &Act, jitter: f64) {
        let was_closed = self.breaker.state() == State::Closed;
        let change = perform(&mut self.breaker, act, self.now, jitter);
        match *act {
            Act::Wait(length_ms) => self.now += Duration::from_millis(length_ms),
            Act::Start(event) => match self.breaker.may_start(event, self.now) {
                Permit::Probe => assert_eq!(self.probe.replace(event), None, "a second probe"),
                Permit::No => assert!(self.probe.is_some(), "nothing to wait for"),
                Permit::WaitUntil(until) => assert!(until > self.now),
                Permit::Yes => assert!(was_closed, "a start while it is open"),
            },
            Act::Succeed => {
                (self.probe, self.last_success) = (None, Some(self.now));
                assert_eq!(self.breaker.state(), State::Closed);
            }
            Act::CheckFails => self.probe = None,
            Act::Fail(event, ..) | Act::Throttle(event, _) | Act::Deny(event) | Act::Abandon(event) => {
                self.probe = self.probe.filter(|probe| *probe != event);
            }
            Act::Trip => {}
        }
        let state = self.breaker.state();
        assert_eq!(state == State::HalfOpen, self.probe.is_some());
        assert_eq!(change == Some(Change::Closed), !was_closed && state == State::Closed);
        if let Some(Change::Opened { until, .. }) = change {
            assert!(was_closed && until > self.now);
        }
        // While it is open an attempt that fails now is given back, unless something has succeeded since.
        let fails_later = self.last_success.is_none_or(|success| self.now > success);
        assert_eq!(self.breaker.is_refundable(self.now), state != State::Closed && fails_later);
    }

    /// It is not stuck: when the probe that is under way has ended, waiting as told leads to a start.
    fn check_way_on(mut self) {
        if let Some(probe) = self.probe {
            self.breaker.probe_abandoned(probe, self.now);
        }
        for _ in 0..2 {
            if let Permit::WaitUntil(until) = self.breaker.may_start(0, self.now) {
                assert!(until <= self.now + LONGEST_WAIT + 60 * SECOND);
                self.now = until;
            }
        }
        // One that was permitted above is the probe by now.
        let permit = self.breaker.may_start(0, self.now);
        assert!(matches!(permit, Permit::Yes | Permit::Probe) || self.breaker.state() == State::HalfOpen);
        self.breaker.succeeded(self.now);
        assert_eq!(self.breaker.may_start(1, self.now + LONGEST_WAIT), Permit::Yes);
    }
}

/// Every sequence of so many of these acts, each beginning shared by all that follow.
fn try_all(watched: &Watched, acts: &[Act], length: usize, tried: &mut usize) {
    for act in acts {
        let mut next = watched.clone();
        next.perform(act, NO_JITTER);
        *tried += 1;
        if length > 1 {
            try_all(&next, acts, length - 1, tried);
        } else {
            next.check_way_on();
        }
    }
}

#[test]
fn every_short_sequence_leaves_one_probe_and_a_way_on() {
    let acts = [
        Act::Start(1),
        Act::Start(2),
        Act::Succeed,
        Act::Fail(1, false, None),
        Act::Fail(2, true, Some(1_500)),
        Act::Throttle(1, 700),
        Act::Deny(2),
        Act::CheckFails,
        Act::Abandon(1),
        Act::Trip,
        Act::Wait(1_000),
    ];
    let mut tried = 0;
    try_all(&Watched::new(2), &acts, 5, &mut tried);
    assert_eq!(tried, (1..=5).map(|length| 11_usize.pow(length)).sum::<usize>());
    // Longer, of those that lead through its states.
    let acts =
        [Act::Start(1), Act::Start(2), Act::Succeed, Act::Fail(1, false, None), Act::Trip, Act::Wait(1_000)];
    try_all(&Watched::new(1), &acts, 7, &mut tried);
}

proptest! {
    #[test]
    fn there_is_never_more_than_one_probe_and_always_a_way_on(
        acts in proptest::collection::vec((act(), 0.0..=1.0_f64), 0..120),
    ) {
        let mut watched = Watched::new(5);
        for (act, jitter) in &acts {
            watched.perform(act, *jitter);
        }
        watched.check_way_on();
    }

    #[test]
    fn one_in_a_hundred_events_failing_never_opens_it(
        failing in proptest::collection::vec(any::<bool>(), 1..50),
        burst in 1_usize..4,
    ) {
        let mut breaker = breaker();
        let mut now = Instant::now();
        for (round, is_failing) in failing.iter().enumerate() {
            for _ in 0..99 {
                now += Duration::from_millis(1);
                prop_assert_eq!(breaker.succeeded(now), None);
            }
            for attempt in 0..burst {
                if *is_failing {
                    prop_assert_eq!(unavailable(&mut breaker, (round * 10 + attempt) as u64, now), None);
                }
            }
        }
    }
}
