//! How fast a system was asked after it came back: the rate then, at its peak and when it was full again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use liaison_tests::system::Entry;

const SECOND: Duration = Duration::from_secs(1);
/// The shortest that a rate is measured over.
const QUARTER: Duration = Duration::from_millis(250);

/// What was accepted since a moment.
pub(crate) struct Since<'a> {
    pub(crate) ledger: &'a [Arc<Entry>],
    pub(crate) up: Instant,
}

impl Since<'_> {
    /// Accepted requests a second, from so long after the moment on for so long.
    pub(crate) fn rate(&self, after: Duration, length: Duration) -> f64 {
        let from = self.up + after;
        let is_in = |entry: &&Arc<Entry>| {
            entry.is_accepted() && entry.received >= from && entry.received < from + length
        };
        self.ledger.iter().filter(is_in).count() as f64 / length.as_secs_f64()
    }

    /// The highest rate over a quarter of a second within the first of it.
    pub(crate) fn peak_of_the_first_second(&self) -> f64 {
        (0..16).map(|step| self.rate(step * SECOND / 16, QUARTER)).fold(0.0, f64::max)
    }

    /// When a quarter of a second had four fifths of this rate, looked for in the first five seconds.
    pub(crate) fn full_after(&self, steady: f64) -> Option<Duration> {
        let starts = (0..100).map(|step| step * SECOND / 20);
        let is_full = |after: &Duration| self.rate(*after, QUARTER) >= 0.8 * steady;
        starts
            .map(|after| after + QUARTER)
            .find(|end| is_full(&(*end - QUARTER)))
            .filter(|end| *end <= 5 * SECOND)
    }
}
