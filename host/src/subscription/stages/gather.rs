//! Deliveries that may share a request, gathered until they go as one: by number, by size, by time, or because nothing more
//! can come.
//!
//! It lives on one worker thread. The first delivery of a gathering leads it: it waits until the gathering is closed,
//! performs it and answers all the others ([`super::joint`]). Nothing here performs anything.

use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep_until};

use super::versions::{ConnectorCalls, Version};
use crate::config;
use crate::contract::{Delivery, Effect, Reply};
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
    /// It was said that nothing is joined.
    has_warned: Cell<bool>,
}

/// Deliveries whose own effects one version of the plugin may join.
struct Gathering {
    number: u64,
    version: Rc<Version<ConnectorCalls>>,
    members: Vec<Member>,
    bytes: usize,
    /// It goes: nothing is added any more.
    is_closed: bool,
    leader: Option<Waker>,
}

/// One delivery, with its own effect where it has asked for that already.
pub(super) struct Member {
    pub(super) delivery: Box<Delivery>,
    pub(super) effect: Option<Effect>,
    pub(super) of: Asker,
}

/// Who waits for a member.
pub(super) struct Asker {
    since: Instant,
    /// What its attempt had left then.
    left: Duration,
    until: Instant,
    waited: Duration,
    answer: Rc<Answer>,
}

/// What whoever has added a member waits for.
#[derive(Default)]
pub(super) struct Answer {
    answered: Cell<Option<Answered>>,
    asker: Cell<Option<Waker>>,
}

/// A delivery that was a member, and what came of its own effect.
pub(super) struct Answered {
    pub(super) delivery: Box<Delivery>,
    pub(super) effect: Option<Effect>,
    /// `None`: nothing was done for it, and it goes by itself.
    pub(super) reply: Option<Reply>,
    /// From when it was added until the last request that was made for it.
    waited: Duration,
    at: Instant,
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
            has_warned: Cell::default(),
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

    /// Adds one delivery. The number is that of a new gathering, which whoever gets it must lead.
    pub(super) fn add(&self, version: &Rc<Version<ConnectorCalls>>, member: Member) -> Option<u64> {
        let bytes = member.bytes();
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

    /// The plugin has joined none of so many. Of as many as there may be that is said, once.
    pub(super) fn joined_none(&self, count: usize) {
        if count >= self.settings.events && !self.has_warned.replace(true) {
            tracing::warn!(
                events = count,
                "the plugin joins none of the deliveries that it is given, so that each waits in vain: leave `batch` out"
            );
        }
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
    /// Of an attempt that has so much left from then on, and what it waits for.
    pub(super) fn new(
        delivery: Box<Delivery>,
        effect: Option<Effect>,
        since: Instant,
        left: Duration,
    ) -> (Self, Rc<Answer>) {
        let answer = Rc::<Answer>::default();
        let of = Asker { since, left, until: since + left, waited: Duration::ZERO, answer: answer.clone() };
        (Self { delivery, effect, of }, answer)
    }

    /// What the plugin is given of it: its data, and what it was answered so far.
    fn bytes(&self) -> usize {
        let Delivery { event, rounds, .. } = &*self.delivery;
        let replies = rounds.iter().flatten().map(Reply::bytes);
        event.data.as_ref().map_or(0, Bytes::len) + replies.sum::<usize>()
    }

    /// Its own effect was answered with this, or it is to go by itself.
    pub(super) fn answer(self, reply: Option<Reply>, now: Instant) {
        let Self { delivery, effect, of: Asker { waited, answer, .. } } = self;
        answer.answered.set(Some(Answered { delivery, effect, reply, waited, at: now }));
        if let Some(asker) = answer.asker.take() {
            asker.wake();
        }
    }
}

impl Asker {
    /// A request is made for it now, and not its first one if that was refused. What it waited until then, for company, for
    /// the rate limit or for its neighbours, does not count as time of its attempt.
    pub(super) fn goes(&mut self, now: Instant) {
        self.waited = now.saturating_duration_since(self.since);
        self.until = now + self.left;
    }

    /// When its attempt is over.
    pub(super) fn until(&self) -> Instant {
        self.until
    }
}

impl Answer {
    pub(super) async fn answered(&self) -> Answered {
        std::future::poll_fn(|context| match self.answered.take() {
            Some(answered) => Poll::Ready(answered),
            None => {
                self.asker.set(Some(context.waker().clone()));
                Poll::Pending
            }
        })
        .await
    }
}

impl Answered {
    /// How long it was waited for others: before its request, and by who answers the others, after it.
    pub(super) fn waited(&self) -> Duration {
        self.waited + self.at.elapsed()
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
    use std::sync::Arc;

    use crate::contract::{Content, HttpResponse, Kept};
    use crate::journal::rounds::tests::delivery;

    #[tokio::test(start_paused = true)]
    async fn what_a_member_waits_for_others_is_no_time_of_its_attempt() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let (mut member, answer) = Member::new(Box::new(delivery(0, None)), None, start, 10 * second);
        tokio::time::advance(3 * second).await;
        member.of.goes(Instant::now());
        assert_eq!(member.of.until(), start + 13 * second);
        // Its request.
        tokio::time::advance(2 * second).await;
        member.answer(None, Instant::now());
        tokio::time::advance(second).await;
        let answered = answer.answered().await;
        assert!(answered.reply.is_none() && answered.effect.is_none(), "it goes by itself");
        assert_eq!((&*answered.delivery.event.id, answered.waited()), ("1", 4 * second));
    }

    #[test]
    fn a_member_counts_for_its_data_and_for_what_it_was_answered() {
        let (data, body) = (Bytes::from_static(b"{}"), Bytes::from_static(b"what was looked up"));
        let headers = [(http::header::ETAG, "7".parse().unwrap())].into_iter().collect();
        // The plugin is not given what is kept.
        let kept = Some(Kept { length: 18, sha256: [0; 32], content: Content::Memory(body.clone()) });
        let reply = Reply::from(HttpResponse { status: 200, headers, body: body.clone(), kept });
        let mut delivery = Box::new(delivery(0, None));
        Arc::get_mut(&mut delivery.event).unwrap().data = Some(data);
        delivery.rounds = vec![vec![reply.clone()], vec![reply]];
        let (member, _) = Member::new(delivery, None, Instant::now(), Duration::ZERO);
        assert_eq!(member.bytes(), 2 + 2 * ("etag7".len() + body.len()));
    }

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
