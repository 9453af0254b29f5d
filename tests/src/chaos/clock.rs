//! One clock for all that is compared: milliseconds since 1970, as Kafka and the hosts count them.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Tells when an [`Instant`] was. The two clocks drift apart while the system's is set right, so both are looked at
/// twice, and what lies between is between.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    began: (Instant, SystemTime),
    ended: (Instant, SystemTime),
}

impl Clock {
    pub(super) fn start() -> Self {
        let now = (Instant::now(), SystemTime::now());
        Self { began: now, ended: now }
    }

    /// Looks at both clocks for the second time.
    pub(super) fn stop(&mut self) {
        self.ended = (Instant::now(), SystemTime::now());
    }

    pub(super) fn ms_of(&self, instant: Instant) -> u64 {
        let unix = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let steady = self.ended.0.duration_since(self.began.0).as_secs_f64();
        let (began, ended) = (unix(self.began.1), unix(self.ended.1));
        let pace = if steady > 0.0 { (ended - began) / steady } else { 1.0 };
        let since = instant.saturating_duration_since(self.began.0).as_secs_f64();
        ((began + since * pace) * 1_000.0) as u64
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_lies_between_two_looks_is_between() {
        let (instant, second) = (Instant::now(), Duration::from_secs(1));
        let unix = |seconds| UNIX_EPOCH + seconds * second;
        // The system's clock gained a second in ten.
        let clock = Clock { began: (instant, unix(100)), ended: (instant + 10 * second, unix(111)) };
        assert_eq!(clock.ms_of(instant), 100_000);
        assert_eq!(clock.ms_of(instant + 5 * second), 105_500);
        assert_eq!(clock.ms_of(instant + 10 * second), 111_000);
    }
}
