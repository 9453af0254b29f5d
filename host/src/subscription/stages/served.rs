//! Which versions of a plugin are served: what the host says to all who use it, and what they count for the host.
//!
//! Crosses threads. The host decides; here is only what it decided, and what it decides by.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::shadow::Shadow;
use crate::event::Event;
use crate::fnv::fnv_1a;
use crate::plugin::Plugin;
use crate::telemetry::{Label as _, ShadowResult};

/// Characters of a reason that are kept.
const MAX_REASON: usize = 300;
/// Differences that are kept.
const MAX_DIFFERENCES: usize = 5;

/// One plugin with its versions as they change. Those who subscribe see the latest.
pub(crate) type Line = watch::Sender<Served>;

/// What is served of a plugin now.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    /// The version that has the last word.
    pub(crate) live: Arc<Plugin>,
    pub(crate) trial: Option<Trial>,
}

/// A version that is to show what it is worth.
#[derive(Debug, Clone)]
pub(crate) struct Trial {
    pub(crate) plugin: Arc<Plugin>,
    pub(crate) part: Part,
    /// Where it is handed what the live version did.
    pub(crate) shadow: Option<Shadow>,
    pub(crate) tally: Arc<Tally>,
}

/// Which events a version on trial is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Those of the keys whose hash is below this: none for 0.
    Keys(u32),
    All,
}

/// What came of the events of a version on trial. Written by all workers.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    judged: AtomicU64,
    failed: AtomicU64,
    first_failure: Mutex<Option<String>>,
    shadowed: [AtomicU64; ShadowResult::ALL.len()],
    differences: Mutex<Vec<String>>,
}

/// How many events of a version on trial have shown something of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) judged: u64,
    pub(crate) failed: u64,
}

impl Served {
    /// One version, which nobody doubts.
    pub(crate) fn only(live: Arc<Plugin>) -> Self {
        Self { live, trial: None }
    }
}

impl Part {
    /// The given share of all keys, from 0 to 1.
    pub(crate) fn share(share: f64) -> Self {
        // A cast of a float saturates.
        Part::Keys((share * f64::from(u32::MAX)) as u32)
    }

    /// Does this event go to the version on trial? Those of one key all do, or none; one without a key goes by its id.
    pub(super) fn takes(self, event: &Event) -> bool {
        match self {
            Part::Keys(below) => place(event.key.as_deref().unwrap_or(event.id.as_bytes())) < below,
            Part::All => true,
        }
    }
}

impl Tally {
    /// An event ended as it should, or as it would have with the version before.
    pub(crate) fn passed(&self) {
        self.judged.fetch_add(1, Ordering::Relaxed);
    }

    /// An event failed that the version before did not fail on.
    pub(crate) fn failed(&self, why: &str) {
        self.spoiled(why);
        self.judged.fetch_add(1, Ordering::Relaxed);
    }

    /// A part of an event failed that is judged when it ends.
    pub(super) fn spoiled(&self, why: &str) {
        self.first_failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert_with(|| why.chars().take(MAX_REASON).collect());
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn counts(&self) -> Counts {
        // What failed already and has not ended yet is counted among all, so that the share is never above 1.
        let failed = self.failed.load(Ordering::Relaxed);
        Counts { judged: self.judged.load(Ordering::Relaxed).max(failed), failed }
    }

    pub(crate) fn first_failure(&self) -> Option<String> {
        self.first_failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Something that the live version did was repeated, or was to be.
    pub(crate) fn shadowed(&self, result: ShadowResult) {
        self.shadowed[result.position()].fetch_add(1, Ordering::Relaxed);
    }

    /// In what it differed. The first few are kept.
    pub(crate) fn differs(&self, text: &str) {
        let mut differences = self.differences.lock().unwrap_or_else(PoisonError::into_inner);
        if differences.len() < MAX_DIFFERENCES {
            differences.push(text.chars().take(MAX_REASON).collect());
        }
        drop(differences);
        self.shadowed(ShadowResult::Different);
    }

    pub(crate) fn shadow_count(&self, result: ShadowResult) -> u64 {
        self.shadowed[result.position()].load(Ordering::Relaxed)
    }

    pub(crate) fn differences(&self) -> Vec<String> {
        self.differences.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Where a key lies among all keys, the same on every host: FNV-1a, mixed so that the upper bits depend on all of it.
fn place(key: &[u8]) -> u32 {
    let hash = fnv_1a(key.iter().copied());
    let mixed = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    u32::try_from(mixed >> 32).expect("the upper half of 64 bits has 32")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_spread_evenly_and_a_larger_share_holds_the_smaller() {
        for (share, expected) in [(0.01, 100), (0.1, 1_000), (0.5, 5_000), (0.99, 9_900)] {
            let Part::Keys(below) = Part::share(share) else { panic!("a share is of keys") };
            let taken =
                (0..10_000).filter(|number| place(format!("key-{number}").as_bytes()) < below).count();
            assert!(taken.abs_diff(expected) < 200, "{taken} of 10000 for {share}");
        }
    }

    #[test]
    fn what_fails_is_counted_and_the_first_reason_is_kept() {
        let tally = Tally::default();
        tally.passed();
        tally.failed("first");
        tally.failed("second");
        assert_eq!(tally.counts(), Counts { judged: 3, failed: 2 });
        assert_eq!(tally.first_failure().as_deref(), Some("first"));
    }
}
