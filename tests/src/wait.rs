//! Waiting for a condition with a limit: never for a time alone.
//!
//! What can wake its waiter, as a ledger can, has a wait of its own; these are for what can only be looked at.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;
use tokio::time::MissedTickBehavior;

const TICK: Duration = Duration::from_millis(10);

/// Blocks until the condition holds. Fails after `limit`, naming `what` was waited for.
pub fn until(limit: Duration, what: &str, mut condition: impl FnMut() -> bool) -> anyhow::Result<()> {
    until_some(limit, what, || condition().then_some(()))
}

/// Blocks until there is a value, and gives it. Fails after `limit`, naming `what` was waited for.
pub fn until_some<T>(limit: Duration, what: &str, mut value: impl FnMut() -> Option<T>) -> anyhow::Result<T> {
    let end = Instant::now() + limit;
    loop {
        // Looked at once more after the limit: a slow machine may have slept through it.
        let is_over = Instant::now() >= end;
        if let Some(value) = value() {
            return Ok(value);
        }
        if is_over {
            bail!("{what}: not within {limit:?}");
        }
        thread::park_timeout(TICK);
    }
}

/// As [`until`], without blocking the thread.
pub async fn until_async(
    limit: Duration,
    what: &str,
    mut condition: impl AsyncFnMut() -> bool,
) -> anyhow::Result<()> {
    let end = tokio::time::Instant::now() + limit;
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let is_over = ticks.tick().await >= end;
        if condition().await {
            return Ok(());
        }
        if is_over {
            bail!("{what}: not within {limit:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_until_the_condition_holds() {
        let mut looks = 0;
        let done = until(Duration::from_secs(10), "the third look", || {
            looks += 1;
            looks == 3
        });
        assert!(done.is_ok());
        assert_eq!(looks, 3);
    }

    #[test]
    fn gives_the_value_it_waited_for() {
        assert_eq!(until_some(Duration::ZERO, "a value", || Some(7)).unwrap(), 7);
    }

    #[test]
    fn says_what_did_not_happen() {
        let error = until(Duration::from_millis(20), "readiness", || false).unwrap_err();
        assert_eq!(error.to_string(), "readiness: not within 20ms");
    }

    #[tokio::test(start_paused = true)]
    async fn the_asynchronous_wait_has_a_limit_too() {
        let begun = tokio::time::Instant::now();
        let error = until_async(Duration::from_secs(5), "readiness", async || false).await.unwrap_err();
        assert_eq!(error.to_string(), "readiness: not within 5s");
        assert!(begun.elapsed() < Duration::from_millis(5_100));
        let mut looks = 0;
        let third = async || {
            looks += 1;
            looks == 3
        };
        until_async(Duration::from_secs(5), "the third look", third).await.unwrap();
        assert_eq!(looks, 3);
    }
}
