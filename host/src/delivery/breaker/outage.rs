//! One outage of a connector's system: its probes, and the waits between them. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::Reason;
use crate::config;

/// The longest that anything asked for by the external system, or configured, holds a connector back: a slip in a
/// header must not take it out for ever.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

/// Failed probes that are remembered.
const FAILED_PROBES: usize = 64;

#[derive(Debug, Clone)]
pub(super) struct Outage {
    pub(super) since: Instant,
    pub(super) reason: Reason,
    pub(super) phase: Phase,
    /// Probes and checks that failed.
    failed: u32,
    /// The events of the latest of them, oldest first.
    failed_probes: VecDeque<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Waiting { until: Instant },
    Probing { event: u64 },
}

impl Outage {
    /// It begins; the first probe may start at the time that is given with it.
    pub(super) fn begin(
        settings: &config::Breaker,
        reason: Reason,
        retry_after: Option<Duration>,
        now: Instant,
        jitter: f64,
    ) -> (Self, Instant) {
        let until = now + wait(settings, reason, 0, retry_after, jitter);
        let phase = Phase::Waiting { until };
        (Self { since: now, reason, phase, failed: 0, failed_probes: VecDeque::new() }, until)
    }

    /// A probe or a check has failed.
    pub(super) fn wait_longer(
        &mut self,
        settings: &config::Breaker,
        retry_after: Option<Duration>,
        now: Instant,
        jitter: f64,
    ) {
        self.failed = self.failed.saturating_add(1);
        let wait = wait(settings, self.reason, self.failed, retry_after, jitter);
        self.phase = Phase::Waiting { until: now + wait };
    }

    /// This event has failed as a probe.
    pub(super) fn remember(&mut self, event: u64) {
        self.failed_probes.retain(|earlier| *earlier != event);
        if self.failed_probes.len() == FAILED_PROBES {
            self.failed_probes.pop_front();
        }
        self.failed_probes.push_back(event);
    }

    pub(super) fn has_failed_as_probe(&self, event: u64) -> bool {
        self.failed_probes.contains(&event)
    }
}

/// The wait before the next probe: doubles with each failed one, ± 20 %, and never less than the system asked for. Of
/// many hosts that were asked to come back at one time, each comes a little later than that by its own jitter.
pub(super) fn wait(
    settings: &config::Breaker,
    reason: Reason,
    failed: u32,
    retry_after: Option<Duration>,
    jitter: f64,
) -> Duration {
    let longest = match reason {
        Reason::Unavailable => settings.max_probe_interval,
        Reason::Denied => settings.max_denied_interval,
    };
    let factor = 1_u32.checked_shl(failed).unwrap_or(u32::MAX);
    let interval = settings.probe_interval.saturating_mul(factor).min(longest).min(LONGEST_WAIT);
    let jitter = if (0.0..=1.0).contains(&jitter) { jitter } else { 1.0 };
    let asked = retry_after.map(|after| after.min(LONGEST_WAIT) + interval.mul_f64(0.2 * jitter));
    interval.mul_f64(0.8 + 0.4 * jitter).max(asked.unwrap_or_default())
}
