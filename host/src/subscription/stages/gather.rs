//! What deliveries under way ask for, gathered until it goes as one: by number, by size, by time, or because nothing more
//! can come.
//!
//! It lives on one worker thread. The first delivery of a gathering leads it: it waits until the gathering is closed,
//! performs it and answers all the others ([`super::joint`]). Nothing here performs anything.

use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::versions::{ConnectorCalls, Version};
use crate::config;
use crate::contract::{Effect, Reply};
use crate::delivery::ask::size;
use crate::delivery::batch::Extent;

/// All that is gathered in one subscription.
pub(super) struct Gatherings {
    settings: config::Batch,
    pub(super) extent: RefCell<Extent>,
    gatherings: RefCell<Vec<Gathering>>,
    next_number: Cell<u64>,
    /// Turns of deliveries that have begun and not ended.
    turns: Cell<usize>,
    /// Of them, those that wait: for a gathering, or for the external system.
    waiting: Cell<usize>,
    /// Somebody waits for what is gathered.
    is_hurried: Cell<bool>,
}

/// Effects that one version of the plugin asked for, and may join.
struct Gathering {
    number: u64,
    version: Rc<Version<ConnectorCalls>>,
    members: Vec<Member>,
    bytes: usize,
    /// It goes: nothing is added any more.
    is_closed: bool,
    leader: Option<Waker>,
}

/// One effect of one delivery.
pub(super) struct Member {
    pub(super) effect: Effect,
    pub(super) of: Asker,
}

/// The delivery of a member, which waits.
pub(super) struct Asker {
    pub(super) idempotency_key: Rc<str>,
    pub(super) traceparent: Option<String>,
    since: Instant,
    /// What its attempt had left then.
    left: Duration,
    until: Instant,
    answer: Rc<Answer>,
}

/// What a member's delivery waits for.
#[derive(Default)]
pub(super) struct Answer {
    /// With the effect, which is the delivery's again.
    reply: Cell<Option<(Effect, Reply)>>,
    /// From when it was added until the last request that was made for it.
    waited: Cell<Duration>,
    answered: Cell<Option<Instant>>,
    delivery: Cell<Option<Waker>>,
}

/// A turn of a delivery, counted for as long as it lives.
pub(super) struct Turn<'a> {
    gatherings: &'a Gatherings,
    /// Its effects that wait.
    effects: Cell<usize>,
}

/// An effect of a turn that waits, for as long as it lives.
pub(super) struct Waiting<'a>(&'a Turn<'a>);

impl Gatherings {
    pub(super) fn new(settings: config::Batch) -> Self {
        Self {
            settings,
            extent: RefCell::new(Extent::new(settings.events)),
            gatherings: RefCell::default(),
            next_number: Cell::default(),
            turns: Cell::default(),
            waiting: Cell::default(),
            is_hurried: Cell::default(),
        }
    }

    /// A turn has begun, and lasts for as long as this.
    pub(super) fn turn(&self) -> Turn<'_> {
        self.turns.update(|turns| turns + 1);
        Turn { gatherings: self, effects: Cell::default() }
    }

    /// Whether somebody waits for what is gathered: then it goes as soon as no turn can add to it.
    pub(super) fn set_hurried(&self, is_hurried: bool) {
        self.is_hurried.set(is_hurried);
    }

    /// Adds one effect. The number is that of a new gathering, which whoever gets it must lead.
    pub(super) fn add(&self, version: &Rc<Version<ConnectorCalls>>, member: Member) -> Option<u64> {
        let bytes = size(&member.effect).body;
        let mut gatherings = self.gatherings.borrow_mut();
        let open =
            |gathering: &&mut Gathering| !gathering.is_closed && Rc::ptr_eq(&gathering.version, version);
        let mut found = gatherings.iter_mut().find(open);
        if let Some(full) = found.take_if(|found| found.bytes + bytes > self.settings.bytes) {
            full.close();
        }
        let (gathering, number) = match found {
            Some(gathering) => (gathering, None),
            None => {
                let number = self.next_number.replace(self.next_number.get() + 1);
                gatherings.push(Gathering::new(number, version.clone()));
                (gatherings.last_mut()?, Some(number))
            }
        };
        gathering.bytes += bytes;
        gathering.members.push(member);
        if gathering.members.len() >= self.extent.borrow().now() || gathering.bytes >= self.settings.bytes {
            gathering.close();
        }
        number
    }

    /// Waits until the gathering goes; its members, the oldest first.
    pub(super) async fn gathered(&self, number: u64) -> Vec<Member> {
        let mut timer = pin!(sleep_until(Instant::now() + self.settings.wait));
        std::future::poll_fn(|context| {
            let mut gatherings = self.gatherings.borrow_mut();
            let Some(position) = gatherings.iter().position(|gathering| gathering.number == number) else {
                return Poll::Ready(Vec::new());
            };
            if gatherings[position].is_closed || timer.as_mut().poll(context).is_ready() {
                return Poll::Ready(gatherings.swap_remove(position).members);
            }
            gatherings[position].leader = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// No turn can go on by itself: what waits for nobody else goes. Ready when something does.
    pub(super) fn rest(&self) -> Poll<()> {
        if !self.is_hurried.get() || !self.all_wait() {
            return Poll::Pending;
        }
        let mut gatherings = self.gatherings.borrow_mut();
        let open: Vec<_> = gatherings.iter_mut().filter(|gathering| !gathering.is_closed).collect();
        if open.is_empty() {
            return Poll::Pending;
        }
        open.into_iter().for_each(Gathering::close);
        Poll::Ready(())
    }

    /// Is there no turn that could still ask for something?
    fn all_wait(&self) -> bool {
        self.turns.get() <= self.waiting.get()
    }
}

impl Gathering {
    fn new(number: u64, version: Rc<Version<ConnectorCalls>>) -> Self {
        Self { number, version, members: Vec::new(), bytes: 0, is_closed: false, leader: None }
    }

    fn close(&mut self) {
        self.is_closed = true;
        if let Some(leader) = self.leader.take() {
            leader.wake();
        }
    }
}

impl Member {
    /// Of a delivery whose attempt ends then, and what it waits for.
    pub(super) fn new(
        effect: Effect,
        idempotency_key: Rc<str>,
        traceparent: Option<&str>,
        until: Instant,
    ) -> (Self, Rc<Answer>) {
        let answer = Rc::<Answer>::default();
        let traceparent = traceparent.map(str::to_owned);
        let since = Instant::now();
        let left = until.saturating_duration_since(since);
        let of = Asker { idempotency_key, traceparent, since, left, until, answer: answer.clone() };
        (Self { effect, of }, answer)
    }

    pub(super) fn answer(self, reply: Reply, now: Instant) {
        let Asker { answer, .. } = self.of;
        answer.reply.set(Some((self.effect, reply)));
        answer.answered.set(Some(now));
        if let Some(delivery) = answer.delivery.take() {
            delivery.wake();
        }
    }
}

impl Asker {
    /// A request is made for it now, and not its first one if that was refused. What it waited until then, for company, for
    /// the rate limit or for its neighbours, does not count as time of its attempt.
    pub(super) fn goes(&mut self, now: Instant) {
        self.answer.waited.set(now.saturating_duration_since(self.since));
        self.until = now + self.left;
    }

    /// When its attempt is over.
    pub(super) fn until(&self) -> Instant {
        self.until
    }
}

impl Answer {
    /// The effect with its reply, and how long it was waited for others: before its request, and by who answers the others,
    /// after it.
    pub(super) async fn reply(&self) -> (Effect, Reply, Duration) {
        let reply = std::future::poll_fn(|context| match self.reply.take() {
            Some(reply) => Poll::Ready(reply),
            None => {
                self.delivery.set(Some(context.waker().clone()));
                Poll::Pending
            }
        });
        let (effect, reply) = reply.await;
        let after = self.answered.get().map_or(Duration::ZERO, |answered| answered.elapsed());
        (effect, reply, self.waited.get() + after)
    }
}

impl Turn<'_> {
    /// One of its effects waits for what is gathered or for the external system. However many do, it is one turn, and goes
    /// on when the last of them is answered.
    pub(super) fn waiting(&self) -> Waiting<'_> {
        if self.effects.replace(self.effects.get() + 1) == 0 {
            self.gatherings.waiting.update(|waiting| waiting + 1);
        }
        Waiting(self)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let Turn { gatherings, effects } = self.0;
        effects.set(effects.get() - 1);
        if effects.get() == 0 {
            gatherings.waiting.update(|waiting| waiting - 1);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.gatherings.turns.update(|turns| turns - 1);
    }
}

impl std::fmt::Debug for Gatherings {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Gatherings").field("settings", &self.settings).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_with_many_effects_waits_once() {
        let settings = config::Batch { events: 10, bytes: 1_024, wait: Duration::from_secs(1) };
        let gatherings = Gatherings::new(settings);
        assert!(gatherings.all_wait());
        let (one, other) = (gatherings.turn(), gatherings.turn());
        let (first, second, third) = (one.waiting(), one.waiting(), one.waiting());
        assert!(!gatherings.all_wait(), "the other one may add to what is gathered");
        let alone = other.waiting();
        assert!(gatherings.all_wait());
        drop(first);
        assert!(gatherings.all_wait(), "two of its effects are not answered");
        drop(second);
        drop(third);
        assert!(!gatherings.all_wait(), "it goes on");
        drop(alone);
        drop(one);
        assert!(!gatherings.all_wait());
        drop(other);
        assert!(gatherings.all_wait());
    }
}
