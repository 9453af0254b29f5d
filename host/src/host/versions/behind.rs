//! Threads that stand behind those who deliver.

/// How far, as `nice` counts it: they run on what is left, and a worker that wakes goes first.
const NICENESS: i32 = 10;

/// Puts the thread that calls this behind all others, for good.
pub(super) fn stand_behind() {
    // Of the thread alone, on Linux. Where it is not allowed, the thread competes.
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "a background thread does not stand behind deliveries");
    }
}
