//! What a connector's own check says of its external system while the host runs, such as that a column rounds the
//! versions which are kept in it: no delivery need ever fail of that.
//!
//! It is asked when the connector starts, beside its deliveries, and again until the system is usable. What it says is
//! told and holds nothing back: a check may ask for a right that no delivery needs. What deliveries meet is the breaker's.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::carried::unix_ms;
use super::share::Share;
use super::stages::Stages;
use super::witness::Witness;
use crate::config;

/// When a connector's check is asked next, by whichever of its subscriptions comes first. Pure.
#[derive(Debug)]
pub(super) struct Checks {
    /// `None` once the system was found usable.
    due: Option<Instant>,
    /// From an answer to the next question: doubles up to `longest`.
    wait: Duration,
    longest: Duration,
}

impl Checks {
    /// The first is due now. The next ones come as seldom as a system is probed that refuses us, for this lasts as long:
    /// until a person has mended something.
    pub(super) fn new(settings: config::Breaker, now: Instant) -> Self {
        Self { due: Some(now), wait: settings.probe_interval, longest: settings.max_denied_interval }
    }

    /// When to ask; `None` if nobody has to ask any more.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Is whoever comes now to ask? Then nobody else is until this time.
    pub(super) fn begin(&mut self, now: Instant, until: Instant) -> bool {
        let is_due = self.due.is_some_and(|due| due <= now);
        if is_due {
            self.due = Some(until);
        }
        is_due
    }

    /// Nothing was asked, or the answer was this.
    pub(super) fn end(&mut self, is_usable: bool, now: Instant) {
        self.due = (!is_usable).then(|| now + self.wait);
        self.wait = (self.wait * 2).min(self.longest);
    }
}

/// Asks and tells for as long as it is polled.
pub(super) async fn watch(stages: &Stages, share: &Share, witness: &Witness) -> Infallible {
    while let Some(due) = share.check_due() {
        sleep_until(due).await;
        if !share.begins_check(Instant::now()) {
            continue;
        }
        let answer = stages.check(unix_ms()).await;
        share.checked(answer.is_ok(), Instant::now());
        witness.checked(answer);
    }
    std::future::pending().await
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn one_asks_at_a_time_ever_more_seldom_until_it_is_usable() {
        let settings = config::Breaker {
            probe_interval: SECOND,
            max_denied_interval: 3 * SECOND,
            ..config::Breaker::default()
        };
        let mut now = Instant::now();
        let mut checks = Checks::new(settings, now);
        for wait in [1, 2, 3, 3] {
            let until = now + 60 * SECOND;
            assert!(checks.begin(now, until));
            assert!(!checks.begin(now, until), "another asks already");
            assert_eq!(checks.due(), Some(until), "it may never answer");
            checks.end(false, now);
            assert_eq!(checks.due(), Some(now + wait * SECOND));
            now += wait * SECOND;
        }
        assert!(checks.begin(now, now + SECOND));
        checks.end(true, now);
        assert_eq!(checks.due(), None);
        assert!(!checks.begin(now + 60 * SECOND, now + 61 * SECOND));
    }
}
