//! Sessions of one database: those that are idle, and room for no more than the connector may have.
//!
//! Nothing is shared with another connector. Idle sessions are bounded in number and in age.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};

pub(super) struct Pool<S> {
    room: Semaphore,
    /// Longest idle first.
    idle: RefCell<VecDeque<(Instant, S)>>,
    idle_timeout: Duration,
    is_sweeping: Cell<bool>,
}

impl<S: 'static> Pool<S> {
    pub(super) fn new(connections: usize, idle_timeout: Duration) -> Rc<Self> {
        Rc::new(Self {
            room: Semaphore::new(connections.min(Semaphore::MAX_PERMITS)),
            idle: RefCell::default(),
            idle_timeout,
            is_sweeping: Cell::new(false),
        })
    }

    /// Waits until one more session may be at work.
    pub(super) async fn room(&self) -> SemaphorePermit<'_> {
        self.room.acquire().await.expect("the semaphore is never closed")
    }

    /// The latest idle one, so that those not needed grow old.
    pub(super) fn take(&self) -> Option<S> {
        self.idle.borrow_mut().pop_back().map(|(_, session)| session)
    }

    /// For those who have room: so there are never more than that.
    pub(super) fn keep(self: &Rc<Self>, session: S) {
        self.idle.borrow_mut().push_back((Instant::now(), session));
        if !self.is_sweeping.replace(true) {
            tokio::task::spawn_local(sweep(Rc::downgrade(self)));
        }
    }

    /// Closes what has been idle for too long, and says when to look again, if anything is left.
    fn close_idle(&self, now: Instant) -> Option<Instant> {
        let mut idle = self.idle.borrow_mut();
        while idle.front().is_some_and(|(since, _)| *since + self.idle_timeout <= now) {
            idle.pop_front();
        }
        let next = idle.front().map(|(since, _)| *since + self.idle_timeout);
        self.is_sweeping.set(next.is_some());
        next
    }
}

async fn sweep<S: 'static>(pool: Weak<Pool<S>>) {
    while let Some(next) = pool.upgrade().and_then(|pool| pool.close_idle(Instant::now())) {
        sleep_until(next).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::LocalSet;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn sessions_are_bounded_in_number_and_in_age() {
        LocalSet::new()
            .run_until(async {
                let pool = Pool::new(2, Duration::from_secs(30));
                let (one, two) = (pool.room().await, pool.room().await);
                assert!(tokio::time::timeout(Duration::from_secs(1), pool.room()).await.is_err());
                drop((one, two));
                pool.keep("first");
                sleep_until(Instant::now() + Duration::from_secs(20)).await;
                pool.keep("second");
                sleep_until(Instant::now() + Duration::from_secs(11)).await;
                assert_eq!(pool.idle.borrow().len(), 1);
                assert_eq!((pool.take(), pool.take()), (Some("second"), None));
                sleep_until(Instant::now() + Duration::from_secs(60)).await;
                assert!(!pool.is_sweeping.get(), "there is nothing to sweep");
            })
            .await;
    }
}
