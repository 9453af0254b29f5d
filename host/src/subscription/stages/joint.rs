//! Deliveries done by few effects, where the connector has a `batch` and its plugin can join them.
//!
//! To whoever looks at a delivery it is as if its own effect had been performed: its reply is of that effect, and so are its
//! journal, its record and a replay. What is refused as one is performed again in halves, and at last by itself, so that nobody
//! fails for a neighbour.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{LocalBoxFuture, join, join_all};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::Stages;
use super::gather::{Answered, Gatherings, Member};
use super::served::Tally;
use super::turn::effect_key;
use super::verdict::fault_of;
use super::versions::{ConnectorCalls, Version};
use crate::contract::{Delivery, Effect, Failure, Fault, Joint, Reply};
use crate::delivery::attempt::Place;
use crate::delivery::batch::{Meaning, check, is_too_large, means};
use crate::egress::Call;
use crate::plugin::{Calls, Joins};
use crate::telemetry::JointResult;

/// Where deliveries are gathered, and who joins them.
#[derive(Clone, Copy)]
pub(super) struct Joining<'a> {
    pub(super) gatherings: &'a Gatherings,
    pub(super) version: &'a Rc<Version<ConnectorCalls>>,
    pub(super) joins: &'a Calls<Joins>,
    /// Where that version is on trial: who joins in its place if it cannot, and where it is counted.
    pub(super) trial: Option<&'a OnTrial>,
}

/// The live version beside one on trial, and what came of that one.
pub(super) type OnTrial = (Rc<Version<ConnectorCalls>>, Arc<Tally>);

/// Why nothing was joined.
enum Unjoined {
    /// A call in which the plugin failed. One of many may be to blame, or that they are so many.
    Fault(String),
    /// What came out makes no sense.
    Nonsense(String),
    /// It is not the plugin's fault.
    Host,
}

/// How often a batch, its halves and theirs are joined anew when the plugin fails on them. Then each goes by itself: a plugin
/// that always fails takes its time for each of them.
const FAULTS: u32 = 3;

impl Stages {
    /// A delivery, done with others if its plugin can join them. `effect` is its own one, where it has asked for that already;
    /// its attempt has so much `left` from `since` on.
    pub(super) async fn joined(
        &self,
        joining: Joining<'_>,
        delivery: Box<Delivery>,
        effect: Option<Effect>,
        since: Instant,
        left: Duration,
    ) -> Answered {
        let (member, answer) = Member::new(delivery, effect, since, left);
        if let Some(number) = joining.gatherings.add(joining.version, member) {
            // One of many does this.
            Box::pin(async {
                let members = joining.gatherings.gathered(number).await;
                self.perform_all(joining, members, 0).await;
            })
            .await;
        }
        answer.answered().await
    }

    /// Does them by as few effects as may be, and answers each. They were in so many batches on which the plugin failed.
    fn perform_all<'a>(
        &'a self,
        joining: Joining<'a>,
        members: Vec<Member>,
        faults: u32,
    ) -> LocalBoxFuture<'a, ()> {
        Box::pin(async move {
            if members.len() < 2 {
                return self.perform_each(members).await;
            }
            let (by, members, joined) = joining.joined(members).await;
            let joints = match joined {
                Ok(joints) => joints,
                Err(Unjoined::Fault(_)) if members.len() > 2 && faults < FAULTS => {
                    joining.gatherings.extent.borrow_mut().was_too_much(members.len());
                    return self.perform_halves(joining, members, faults + 1).await;
                }
                Err(_) => return self.perform_each(members).await,
            };
            if joints.is_empty() {
                joining.gatherings.joined_none(members.len());
            }
            let (joints, rest) = distributed(joints, members);
            let joints = joints.into_iter().map(|(joint, members)| self.perform_joint(by, joint, members));
            join(join_all(joints), self.perform_each(rest)).await;
        })
    }

    async fn perform_halves(&self, joining: Joining<'_>, mut members: Vec<Member>, faults: u32) {
        let second = members.split_off(members.len() / 2);
        for half in [members, second] {
            self.perform_all(joining, half, faults).await;
        }
    }

    async fn perform_each(&self, members: Vec<Member>) {
        join_all(members.into_iter().map(|member| self.perform_alone(member))).await;
    }

    async fn perform_joint(&self, joining: Joining<'_>, joint: Joint, mut members: Vec<Member>) {
        self.share.turn().await;
        let now = Instant::now();
        members.iter_mut().for_each(|member| member.of.goes(now));
        let Some(deadline) = members.iter().map(|member| member.of.until()).min() else { return };
        let key = joint_key(&members);
        let call =
            Call { event_data: None, idempotency_key: Some(&key), traceparent: None, rounds: &[], deadline };
        let (reply, count) = (self.exchange(&joint.effect, &call).await, members.len());
        match means(&reply) {
            Meaning::Done => {
                joining.gatherings.extent.borrow_mut().was_done(count);
                self.metrics.joint_requests[JointResult::Done].inc();
                self.metrics.joined_requests.inc_by(count as u64);
                match joining.split(joint, reply, count).await {
                    Ok(replies) => {
                        let now = Instant::now();
                        let answered = members.into_iter().zip(replies);
                        answered.for_each(|(member, reply)| member.answer(Some(reply), now));
                    }
                    // Each asks again for what is done, and is told so.
                    Err(why) => {
                        joining.blame(count, why);
                        self.perform_each(members).await;
                    }
                }
            }
            Meaning::Shared => {
                self.metrics.joint_requests[JointResult::Failed].inc();
                let is_late = reply == Reply::Failed(Failure::TimedOut);
                if is_late {
                    joining.gatherings.extent.borrow_mut().was_too_much(count);
                }
                // It was over with the time of whoever had the least: the others have some left.
                let now = Instant::now();
                let (others, over): (Vec<_>, Vec<_>) =
                    members.into_iter().partition(|member| is_late && member.of.until() > now);
                let may_go_on = !over.is_empty();
                over.into_iter().for_each(|member| member.answer(Some(reply.clone()), now));
                if may_go_on {
                    return self.perform_all(joining, others, 0).await;
                }
                // It ended before anybody's time did, by a time-out of its own.
                others.into_iter().for_each(|member| member.answer(Some(reply.clone()), now));
            }
            Meaning::Refused => {
                self.metrics.joint_requests[JointResult::Refused].inc();
                if is_too_large(&reply) {
                    joining.gatherings.extent.borrow_mut().was_too_much(count);
                }
                self.perform_halves(joining, members, 0).await;
            }
        }
    }

    /// Its own effect by itself; where that is not known, whoever waits for it goes by itself.
    async fn perform_alone(&self, mut member: Member) {
        let Some(effect) = &member.effect else {
            let now = Instant::now();
            member.of.goes(now);
            return member.answer(None, now);
        };
        self.share.turn().await;
        member.of.goes(Instant::now());
        let key = own_key(&member.delivery);
        let call = Call {
            event_data: None,
            idempotency_key: Some(&key),
            traceparent: member.delivery.event.traceparent(),
            rounds: &[],
            deadline: member.of.until(),
        };
        let reply = self.exchange(effect, &call).await;
        member.answer(Some(reply), Instant::now());
    }
}

impl<'a> Joining<'a> {
    /// By the live version.
    fn live(&self) -> Option<Self> {
        let (version, _) = self.trial?;
        let joins = version.calls.joins.as_ref()?;
        Some(Self { version, joins, trial: None, ..*self })
    }

    /// What the plugin makes of them; and who splits the replies. Where a version on trial cannot do it the live one does.
    async fn joined(self, members: Vec<Member>) -> (Self, Vec<Member>, Result<Vec<Joint>, Unjoined>) {
        let (deliveries, askers): (Vec<_>, Vec<_>) =
            members.into_iter().map(|Member { delivery, effect, of }| (delivery, (effect, of))).unzip();
        let (mut by, (mut deliveries, mut joined)) = (self, self.join(deliveries).await);
        // What the other one has begun is its own.
        let are_new = deliveries.iter().all(|delivery| delivery.rounds.is_empty());
        if let (Err(why), Some(live)) = (&joined, self.live().filter(|_| are_new)) {
            let again;
            (deliveries, again) = live.join(deliveries).await;
            if again.is_ok() {
                self.blame(deliveries.len(), why.of_the_plugin());
            }
            (by, joined) = (live, again);
        }
        let members = deliveries.into_iter().zip(askers);
        let members = members.map(|(delivery, (effect, of))| Member { delivery, effect, of });
        (by, members.collect(), joined)
    }

    async fn join(
        &self,
        deliveries: Vec<Box<Delivery>>,
    ) -> (Vec<Box<Delivery>>, Result<Vec<Joint>, Unjoined>) {
        let (deliveries, joined) = self.joins.join(deliveries).await;
        let joined = match joined {
            Ok(joints) => match check(&joints, deliveries.len(), &self.version.calls.limits) {
                Ok(()) => Ok(joints),
                Err(why) => Err(Unjoined::Nonsense(self.nonsense(why))),
            },
            Err(fault) => Err(fault_of(&fault).map_or(Unjoined::Host, Unjoined::Fault)),
        };
        (deliveries, joined)
    }

    /// What each of so many members would have been answered. The error is why not, as far as it is the plugin's fault.
    async fn split(&self, joint: Joint, reply: Reply, count: usize) -> Result<Vec<Reply>, Option<String>> {
        match self.joins.split(joint.memo, reply).await {
            Ok(Some(replies)) if replies.len() == count => Ok(replies),
            Ok(Some(replies)) => {
                Err(Some(self.nonsense(format!("a reply split into {} for {count} members", replies.len()))))
            }
            Ok(None) => Err(Some(self.nonsense("a reply that nothing is answered with".to_owned()))),
            Err(fault) => Err(fault_of(&fault)),
        }
    }

    fn nonsense(&self, why: String) -> String {
        tracing::warn!(why, "a plugin cannot join what it was given: each delivery goes by itself");
        self.joins.count(&Fault::Nonsense(why.clone()));
        why
    }

    /// So many events were not joined for this fault: that counts against a version on trial.
    fn blame(&self, events: usize, why: Option<String>) {
        if let (Some((_, tally)), Some(why)) = (self.trial, why) {
            (0..events).for_each(|_| tally.spoiled(&format!("it cannot join what it was given: {why}")));
        }
    }
}

impl Unjoined {
    fn of_the_plugin(&self) -> Option<String> {
        match self {
            Self::Fault(why) | Self::Nonsense(why) => Some(why.clone()),
            Self::Host => None,
        }
    }
}

/// Each joint effect with its members, and those that are of none.
fn distributed(joints: Vec<Joint>, members: Vec<Member>) -> (Vec<(Joint, Vec<Member>)>, Vec<Member>) {
    let mut members: Vec<Option<Member>> = members.into_iter().map(Some).collect();
    let mut groups = Vec::with_capacity(joints.len());
    for joint in joints {
        let own = joint.members.iter().filter_map(|member| members.get_mut(*member as usize)?.take());
        let own: Vec<Member> = own.collect();
        groups.push((joint, own));
    }
    (groups, members.into_iter().flatten().collect())
}

/// The key of what settles a delivery now.
fn own_key(delivery: &Delivery) -> Arc<str> {
    effect_key(&delivery.idempotency_key, Place { round: delivery.rounds.len(), position: 0 })
}

/// The same for the same members in the same order.
fn joint_key(members: &[Member]) -> String {
    let mut hash = Sha256::new();
    for member in members {
        hash.update(own_key(&member.delivery).as_bytes());
        hash.update([0]);
    }
    crate::plugin::hex(&hash.finalize()[..16])
}
