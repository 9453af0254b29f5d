//! Effects of several deliveries performed as one, where the connector has a `batch` and its plugin can join them.
//!
//! To each delivery it looks as if its own effect had been performed: its reply is of that effect, and so are its journal,
//! its record and a replay. What is refused as one is performed again in halves, and at last by itself, so that nobody
//! fails for a neighbour.

use std::cell::Cell;
use std::rc::Rc;

use futures_util::future::{LocalBoxFuture, join, join_all};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::Stages;
use super::gather::{Gatherings, Member};
use super::turn::effect_key;
use super::versions::{ConnectorCalls, Version};
use crate::contract::{Delivery, Effect, Failure, Fault, Joint, Reply};
use crate::delivery::attempt::Place;
use crate::delivery::batch::{Meaning, check, means};
use crate::egress::Call;
use crate::plugin::{Calls, Joins};
use crate::telemetry::JointResult;

/// Where effects are gathered, and who joins them.
#[derive(Clone, Copy)]
pub(super) struct Joining<'a> {
    pub(super) gatherings: &'a Gatherings,
    pub(super) version: &'a Rc<Version<ConnectorCalls>>,
    pub(super) joins: &'a Calls<Joins>,
}

impl Stages {
    /// The reply to one effect, which may be performed with those of other deliveries.
    pub(super) async fn perform_joined(
        &self,
        joining: Joining<'_>,
        delivery: &Delivery,
        effect: &Effect,
        place: Place,
        until: &Cell<Instant>,
    ) -> Reply {
        let before = until.get();
        let key = effect_key(&delivery.idempotency_key, place);
        let traceparent = delivery.event.traceparent();
        let (member, answer) = Member::new(effect.clone(), key, traceparent, before);
        if let Some(number) = joining.gatherings.add(joining.version, member) {
            let members = joining.gatherings.gathered(number).await;
            self.perform_all(joining, members).await;
        }
        let (reply, waited) = answer.reply().await;
        // Of several effects that wait side by side the longest wait counts.
        until.set(until.get().max(before + waited));
        reply
    }

    /// Performs them as few effects, and answers each.
    fn perform_all<'a>(&'a self, joining: Joining<'a>, members: Vec<Member>) -> LocalBoxFuture<'a, ()> {
        Box::pin(async move {
            let (joints, rest) = match members.len() {
                0 | 1 => (Vec::new(), members),
                _ => joined(joining, members).await,
            };
            let joints =
                joints.into_iter().map(|(joint, members)| self.perform_joint(joining, joint, members));
            let rest = rest.into_iter().map(|member| self.perform_alone(member));
            join(join_all(joints), join_all(rest)).await;
        })
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
                match split(joining.joins, joint, reply, count).await {
                    Some(replies) => {
                        members.into_iter().zip(replies).for_each(|(member, reply)| member.of.answer(reply));
                    }
                    // Each asks again for what is done, and is told so.
                    None => {
                        drop(join_all(members.into_iter().map(|member| self.perform_alone(member))).await)
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
                over.into_iter().for_each(|member| member.of.answer(reply.clone()));
                if !others.is_empty() {
                    self.perform_all(joining, others).await;
                }
            }
            Meaning::Refused => {
                self.metrics.joint_requests[JointResult::Refused].inc();
                let second = members.split_off(count / 2);
                for half in [members, second] {
                    self.perform_all(joining, half).await;
                }
            }
        }
    }

    async fn perform_alone(&self, mut member: Member) {
        self.share.turn().await;
        member.of.goes(Instant::now());
        let call = Call {
            event_data: None,
            idempotency_key: Some(&member.of.idempotency_key),
            traceparent: member.of.traceparent.as_deref(),
            rounds: &[],
            deadline: member.of.until(),
        };
        let reply = self.exchange(&member.effect, &call).await;
        member.of.answer(reply);
    }
}

/// What the plugin makes of them: joint effects with their members, and those that are in none.
async fn joined(joining: Joining<'_>, members: Vec<Member>) -> (Vec<(Joint, Vec<Member>)>, Vec<Member>) {
    let (effects, askers): (Vec<_>, Vec<_>) =
        members.into_iter().map(|Member { effect, of }| (effect, of)).unzip();
    let (effects, joined) = joining.joins.join(effects).await;
    let joints = match joined.map(|joints| (check(&joints, &effects, &joining.version.calls.limits), joints)) {
        Ok((Ok(()), joints)) => joints,
        Ok((Err(why), _)) => {
            nonsense(joining.joins, why);
            Vec::new()
        }
        // It is counted, and each goes by itself.
        Err(_) => Vec::new(),
    };
    let members = effects.into_iter().zip(askers).map(|(effect, of)| Member { effect, of });
    let mut members: Vec<Option<Member>> = members.map(Some).collect();
    let mut groups = Vec::with_capacity(joints.len());
    for joint in joints {
        let own = joint.members.iter().filter_map(|member| members.get_mut(*member as usize)?.take());
        let own: Vec<Member> = own.collect();
        groups.push((joint, own));
    }
    (groups, members.into_iter().flatten().collect())
}

/// What each of so many members would have been answered; `None` where the plugin cannot tell.
async fn split(joins: &Calls<Joins>, joint: Joint, reply: Reply, count: usize) -> Option<Vec<Reply>> {
    match joins.split(joint.memo, reply).await {
        Ok(Some(replies)) if replies.len() == count => Some(replies),
        Ok(Some(replies)) => {
            nonsense(joins, format!("a reply split into {} for {count} members", replies.len()));
            None
        }
        Ok(None) => {
            nonsense(joins, "a reply that nothing is answered with".to_owned());
            None
        }
        Err(_) => None,
    }
}

fn nonsense(joins: &Calls<Joins>, why: String) {
    tracing::warn!(why, "a plugin cannot join what it asked for: each request goes by itself");
    joins.count(&Fault::Nonsense(why));
}

/// The same for the same members in the same order.
fn joint_key(members: &[Member]) -> String {
    let mut hash = Sha256::new();
    for member in members {
        hash.update(member.of.idempotency_key.as_bytes());
        hash.update([0]);
    }
    crate::plugin::hex(&hash.finalize()[..16])
}
