//! Two subscriptions of one connector: what one does there, the other hears of.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use super::*;
use crate::config::{ConnectorName, PluginName, RateLimit};
use crate::delivery::breaker::{Change, Failure, FailureKind};
use crate::telemetry::Telemetry;

const NO_JITTER: f64 = 0.5;
const SECOND: Duration = Duration::from_secs(1);

/// How often somebody was woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Two shares of a connector like this, and how often each subscription was woken.
fn pair(change: impl FnOnce(&mut config::Connector)) -> ([Share; 2], [Arc<Woken>; 2]) {
    let endpoint = "http://calendar.example.gov/".parse().unwrap();
    let mut connector = config::Connector::new(PluginName::new("rest"), endpoint);
    connector.breaker.failures = 1;
    change(&mut connector);
    let metrics = Telemetry::new().connector(&ConnectorName::new("calendar"));
    let first = Share::new(&connector, metrics);
    let second = first.join();
    let shares = [first, second];
    let woken: [Arc<Woken>; 2] = Default::default();
    for (share, woken) in shares.iter().zip(&woken) {
        share.listen(&woken.clone().into());
    }
    (shares, woken)
}

/// Was it, since this was asked last?
fn was_woken(woken: &Woken) -> bool {
    woken.0.swap(0, Ordering::Relaxed) > 0
}

fn fail(share: &Share, event: u64, now: Instant) -> Option<Change> {
    let kind = FailureKind::Connection;
    let failure = Failure { event, kind, retry_after: None, began: now, failed_before: None };
    share.tell(now, |breaker| breaker.failed(&failure, now, NO_JITTER))
}

#[test]
fn what_one_finds_down_holds_the_other_and_its_recovery_wakes_it() {
    let ([one, other], [_, woken]) = pair(|_| {});
    let now = Instant::now();
    assert_eq!((other.ask(1, false, now), other.outages()), (Permit::Yes, 0));
    assert!(matches!(fail(&one, 2, now), Some(Change::Opened { .. })));
    assert_eq!((was_woken(&woken), other.outages()), (true, 1));
    let until = now + SECOND;
    assert_eq!(other.ask(3, false, now), Permit::WaitUntil(until));
    assert_eq!((one.ask(4, false, until), other.ask(3, false, until)), (Permit::Probe, Permit::No));
    assert_eq!(one.tell(until, |breaker| breaker.succeeded(until)), Some(Change::Closed));
    assert_eq!((was_woken(&woken), other.outages()), (true, 1));
    assert_eq!(other.ask(3, false, until), Permit::Yes);
}

#[test]
fn after_an_outage_both_begin_at_the_floor() {
    let ([one, other], _) = pair(|connector| connector.concurrency_floor = 3);
    let now = Instant::now();
    fail(&one, 1, now);
    one.tell(now, |breaker| breaker.succeeded(now));
    let started = (0..10).filter(|event| [&one, &other][event % 2].ask(9, false, now) == Permit::Yes);
    assert_eq!(started.count(), 3);
}

#[test]
fn an_event_that_failed_as_a_probe_leaves_the_next_probe_to_the_other_subscription() {
    let ([one, other], [woken, _]) = pair(|_| {});
    let mut now = Instant::now();
    fail(&one, 1, now);
    assert!(matches!(other.ask(2, false, now), Permit::WaitUntil(_)));
    now += SECOND;
    assert_eq!(one.ask(1, false, now), Permit::Probe);
    fail(&one, 1, now);
    one.end();
    now += 2 * SECOND;
    assert_eq!(one.ask(1, false, now), Permit::No, "the other has one that has not failed");
    was_woken(&woken);
    other.wants_nothing();
    assert!(was_woken(&woken));
    assert_eq!(one.ask(1, false, now), Permit::Probe);
}

#[test]
fn a_slot_that_one_frees_is_the_others_who_waits() {
    let ([one, other], [_, woken]) =
        pair(|connector| (connector.concurrency, connector.concurrency_floor) = (1, 1));
    let now = Instant::now();
    assert_eq!((one.ask(1, false, now), other.ask(2, false, now)), (Permit::Yes, Permit::No));
    assert_eq!((one.at_work(), other.at_work()), (1, 0));
    one.end();
    assert!(was_woken(&woken));
    assert_eq!(one.ask(3, false, now), Permit::No);
    assert_eq!(other.ask(2, false, now), Permit::Yes);
}

#[test]
fn one_that_ends_leaves_its_slots_and_its_probe_to_the_others() {
    let ([one, other], [_, woken]) =
        pair(|connector| (connector.concurrency, connector.concurrency_floor) = (2, 1));
    let mut now = Instant::now();
    assert_eq!((one.ask(1, false, now), one.ask(2, false, now)), (Permit::Yes, Permit::Yes));
    fail(&one, 1, now);
    one.end();
    now += SECOND;
    assert_eq!((one.ask(1, false, now), other.ask(3, false, now)), (Permit::Probe, Permit::No));
    was_woken(&woken);
    one.leave(now);
    assert!(was_woken(&woken));
    assert_eq!((other.ask(3, false, now), other.at_work()), (Permit::Probe, 1));
}

#[test]
fn the_turns_of_a_rate_limit_go_round() {
    let interval = Duration::from_millis(100);
    let limit = RateLimit { interval, burst: NonZeroU32::MIN };
    let ([one, other], [_, woken]) = pair(|connector| connector.rate_limit = Some(limit));
    let start = Instant::now();
    assert_eq!(one.ask(1, true, start), Permit::Yes);
    one.end();
    for turn in 1..5 {
        let now = start + turn * interval;
        let (first, second) = if turn % 2 == 0 { (&one, &other) } else { (&other, &one) };
        let early = now - interval / 2;
        assert_eq!(first.ask(1, true, early), Permit::WaitUntil(now));
        assert_eq!(second.ask(2, true, early), Permit::No, "it has just had one");
        was_woken(&woken);
        assert_eq!(first.ask(1, true, now), Permit::Yes);
        first.end();
        assert_eq!(was_woken(&woken), turn % 2 == 0);
    }
}

#[tokio::test(start_paused = true)]
async fn requests_in_line_go_before_deliveries_that_have_not_begun() {
    let interval = Duration::from_millis(100);
    let limit = RateLimit { interval, burst: NonZeroU32::MIN };
    let ([one, other], _) = pair(|connector| connector.rate_limit = Some(limit));
    let start = Instant::now();
    assert_eq!(one.ask(1, true, start), Permit::Yes);
    assert_eq!(other.ask(2, true, start), Permit::WaitUntil(start + interval));
    assert_eq!(other.ask(2, false, start), Permit::Yes, "it asks nothing");
    let further = async {
        let waits = futures_util::future::join(one.turn(), one.turn()).await;
        assert_eq!(waits, (interval, 2 * interval));
    };
    let begin = async {
        tokio::task::yield_now().await;
        assert_eq!(other.ask(3, true, start), Permit::WaitUntil(start + BEHIND_LINE));
    };
    futures_util::future::join(further, begin).await;
    let now = start + 3 * interval;
    assert_eq!(other.ask(3, true, now), Permit::Yes);
}
