//! The limit before external systems of many kinds, simulated: what it costs healthy ones, and what it spares others.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use proptest::prelude::*;

use super::*;

const FLOOR: usize = 4;
const CEILING: usize = 64;

/// How an external system takes a request: seconds until its reply, and whether that is a failure. It is given when, in
/// seconds from the start, and how many requests are under way, this one included.
trait System: FnMut(f64, usize, &mut fastrand::Rng) -> (f64, bool) {}

impl<F: FnMut(f64, usize, &mut fastrand::Rng) -> (f64, bool)> System for F {}

/// Makes one anew for each simulation.
type Make = Box<dyn Fn() -> Box<dyn System>>;

/// What was seen in a simulation.
#[derive(Debug, Default)]
struct Seen {
    succeeded: u32,
    failed: u32,
    /// Of the last fifth of the time.
    late_succeeded: u32,
    late_seconds: f64,
    /// The limit at the end of each tenth of a second.
    limits: Vec<usize>,
}

/// A backlog without end, for so long.
fn simulate(concurrency: &mut Concurrency, seconds: f64, mut system: impl System) -> Seen {
    let origin = Instant::now();
    let mut random = fastrand::Rng::with_seed(7);
    let mut seen = Seen::default();
    // When a reply comes, when its request was sent, and whether it failed: in nanoseconds, so that they can be ordered.
    let mut replies: BinaryHeap<Reverse<(u64, u64, bool)>> = BinaryHeap::new();
    let mut now_ns = 0;
    while (now_ns as f64) < seconds * 1e9 {
        while replies.len() < concurrency.limit() {
            let (takes, is_failed) = system(now_ns as f64 / 1e9, replies.len() + 1, &mut random);
            replies.push(Reverse((now_ns + (takes * 1e9) as u64, now_ns, is_failed)));
        }
        let Some(Reverse((at_ns, sent_ns, is_failed))) = replies.pop() else { break };
        while seen.limits.len() < (at_ns / 100_000_000) as usize {
            seen.limits.push(concurrency.limit());
        }
        now_ns = at_ns;
        let took = Duration::from_nanos(at_ns - sent_ns);
        concurrency.replied(took, is_failed, origin + Duration::from_nanos(at_ns));
        let count = if is_failed { &mut seen.failed } else { &mut seen.succeeded };
        *count += 1;
        if now_ns as f64 > seconds * 0.8e9 && !is_failed {
            seen.late_succeeded += 1;
            seen.late_seconds += took.as_secs_f64();
        }
    }
    seen
}

fn adaptive() -> Concurrency {
    Concurrency::new(FLOOR, CEILING)
}

fn fixed() -> Concurrency {
    Concurrency::new(CEILING, CEILING)
}

/// One request after another, so many a second, and as long again for the way.
fn queue(rate: impl Fn(f64) -> f64, way: f64) -> impl System {
    let mut free_at: f64 = 0.0;
    move |now, _, _| {
        free_at = free_at.max(now) + 1.0 / rate(now);
        (free_at - now + way, false)
    }
}

#[test]
fn a_healthy_system_costs_no_throughput() {
    let exponential = |mean: f64, random: &mut fastrand::Rng| -mean * (1.0 - random.f64()).ln();
    let systems: [(&str, f64, Make); 11] = [
        ("1 ms", 0.999, Box::new(|| Box::new(|_, _, _| (0.001, false)))),
        ("5 ms", 0.999, Box::new(|| Box::new(|_, _, _| (0.005, false)))),
        ("0 to 5 ms", 0.999, Box::new(|| Box::new(|_, _, random| (random.f64() * 0.005, false)))),
        ("2 s", 0.999, Box::new(|| Box::new(|_, _, _| (2.0, false)))),
        (
            "50 ms, exponential",
            0.999,
            Box::new(move || Box::new(move |_, _, random| (exponential(0.05, random), false))),
        ),
        (
            "one in 100 a hundredfold",
            0.99,
            Box::new(|| Box::new(|_, _, random| (if random.u8(..) < 3 { 2.0 } else { 0.02 }, false))),
        ),
        (
            "half 10 ms, half 1 s",
            0.95,
            Box::new(|| Box::new(|_, _, random| (if random.bool() { 0.01 } else { 1.0 }, false))),
        ),
        ("one in 50 fails", 0.99, Box::new(|| Box::new(|_, _, random| (0.02, random.u8(..) < 5)))),
        ("this host is the limit", 0.999, Box::new(|| Box::new(queue(|_| 20_000.0, 0.0001)))),
        ("slower all day", 0.97, Box::new(|| Box::new(|now, _, _| (0.01 * 1.05_f64.powf(now), false)))),
        (
            "ten times slower from one moment on",
            0.9,
            Box::new(|| Box::new(|now, _, _| (if now < 10.0 { 0.02 } else { 0.2 }, false))),
        ),
    ];
    for (name, least, system) in systems {
        let all = simulate(&mut fixed(), 30.0, system()).succeeded;
        let seen = simulate(&mut adaptive(), 30.0, system());
        let ratio = f64::from(seen.succeeded) / f64::from(all);
        assert!(ratio >= least, "{name}: {ratio:.4} of what a fixed limit delivers; {:?}", seen.limits);
    }
}

#[test]
fn a_system_that_loses_its_strength_is_asked_less_and_gives_as_much() {
    let weak = || queue(|now| if now < 5.0 { 20_000.0 } else { 200.0 }, 0.01);
    let (before, after) = (simulate(&mut fixed(), 25.0, weak()), simulate(&mut adaptive(), 25.0, weak()));
    let mean = |seen: &Seen| seen.late_seconds / f64::from(seen.late_succeeded);
    assert!(mean(&before) > 0.3, "{}", mean(&before));
    assert!(mean(&after) < 0.1, "{} {:?}", mean(&after), after.limits);
    assert!(f64::from(after.late_succeeded) > 0.95 * f64::from(before.late_succeeded), "{after:?}");
}

#[test]
fn a_system_that_refuses_the_twentieth_request_is_asked_less() {
    let full = |_: f64, under_way: usize, _: &mut fastrand::Rng| match under_way {
        0..20 => (0.02, false),
        _ => (0.01, true),
    };
    let (before, after) = (simulate(&mut fixed(), 30.0, full), simulate(&mut adaptive(), 30.0, full));
    assert!(after.failed * 8 < before.failed, "{} and {}", after.failed, before.failed);
    assert!(f64::from(after.succeeded) > 0.75 * f64::from(before.succeeded), "{after:?}");
}

#[test]
fn after_an_outage_it_rises_from_the_floor_and_is_there_in_time() {
    for (latency, full_after) in [(0.001, 2.2), (0.02, 2.5), (0.1, 3.5), (0.5, 5.0)] {
        let mut concurrency = adaptive();
        simulate(&mut concurrency, 5.0, |_, _, _| (latency, false));
        concurrency.restart(Instant::now());
        assert_eq!(concurrency.limit(), FLOOR);
        let seen = simulate(&mut concurrency, 10.0, |_, _, _| (latency, false));
        let full_at = seen.limits.iter().position(|limit| *limit == CEILING).unwrap() as f64 / 10.0;
        assert!(full_at <= full_after, "{latency}: {full_at} s");
        assert!(seen.limits.is_sorted());
        assert!(seen.limits[9] <= CEILING * 3 / 4, "{latency}: {:?}", seen.limits);
    }
}

#[test]
fn a_limit_without_room_to_move_stays() {
    let mut concurrency = Concurrency::new(9, 8);
    concurrency.restart(Instant::now());
    simulate(&mut concurrency, 1.0, |_, _, _| (0.01, true));
    assert_eq!(concurrency.limit(), 8);
    assert_eq!(Concurrency::new(0, 0).limit(), 1);
}

proptest! {
    #[test]
    fn it_never_leaves_its_bounds(
        floor in 0_usize..100,
        ceiling in 0_usize..100,
        replies in proptest::collection::vec((0_u64..2_000, any::<bool>(), 0_u64..300, 0_u8..50), 0..400),
    ) {
        let mut concurrency = Concurrency::new(floor, ceiling);
        let (most, least) = (ceiling.max(1), floor.clamp(1, ceiling.max(1)));
        let mut now = Instant::now();
        for (took_ms, is_failed, wait_ms, act) in replies {
            now += Duration::from_millis(wait_ms);
            if act == 0 {
                concurrency.restart(now);
                prop_assert_eq!(concurrency.limit(), least);
            }
            concurrency.replied(Duration::from_millis(took_ms), is_failed, now);
            prop_assert!((least..=most).contains(&concurrency.limit()));
        }
    }
}
