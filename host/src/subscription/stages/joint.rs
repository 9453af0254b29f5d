//! Effects of several deliveries performed as one, where the connector has a `batch` and its plugin can join them.
//!
//! To each delivery it looks as if its own effect had been performed: its reply is of that effect, and so are its journal,
//! its record and a replay. What is refused as one is performed again in halves, and at last by itself, so that nobody
//! fails for a neighbour.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use futures_util::future::{LocalBoxFuture, join, join_all};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::Stages;
use super::gather::{Gatherings, Member};
use super::served::Tally;
use super::turn::effect_key;
use super::verdict::fault_of;
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
    /// Where that version is on trial: who joins in its place if it cannot, and where it is counted.
    pub(super) trial: Option<&'a OnTrial>,
}

/// The live version beside one on trial, and what came of that one.
pub(super) type OnTrial = (Rc<Version<ConnectorCalls>>, Arc<Tally>);

impl Stages {
    /// One effect with the reply to it, which may be performed with those of other deliveries.
    pub(super) async fn perform_joined(
        &self,
        joining: Joining<'_>,
        delivery: &Delivery,
        effect: Effect,
        place: Place,
        until: &Cell<Instant>,
    ) -> (Effect, Reply) {
        let before = until.get();
        let key = effect_key(&delivery.idempotency_key, place);
        let traceparent = delivery.event.traceparent();
        let (member, answer) = Member::new(effect, key, traceparent, before);
        if let Some(number) = joining.gatherings.add(joining.version, member) {
            let members = joining.gatherings.gathered(number).await;
            self.perform_all(joining, members).await;
        }
        let (effect, reply, waited) = answer.reply().await;
        // Of several effects that wait side by side the longest wait counts.
        until.set(until.get().max(before + waited));
        (effect, reply)
    }

    /// Performs them as few effects, and answers each.
    fn perform_all<'a>(&'a self, joining: Joining<'a>, members: Vec<Member>) -> LocalBoxFuture<'a, ()> {
        Box::pin(async move {
            let (by, joints, rest) = match members.len() {
                0 | 1 => (joining, Vec::new(), members),
                _ => joined(joining, members).await,
            };
            let joints = joints.into_iter().map(|(joint, members)| self.perform_joint(by, joint, members));
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
                match joining.split(joint, reply, count).await {
                    Ok(replies) => {
                        let now = Instant::now();
                        let answered = members.into_iter().zip(replies);
                        answered.for_each(|(member, reply)| member.answer(reply, now));
                    }
                    // Each asks again for what is done, and is told so.
                    Err(why) => {
                        joining.blame(count, why);
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
                over.into_iter().for_each(|member| member.answer(reply.clone(), now));
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
        member.answer(reply, Instant::now());
    }
}

impl<'a> Joining<'a> {
    /// By the live version.
    fn live(&self) -> Option<Self> {
        let (version, _) = self.trial?;
        let joins = version.calls.joins.as_ref()?;
        Some(Self { version, joins, trial: None, ..*self })
    }

    /// What fewer effects do the same, if that makes sense. The error is why not, as far as it is the plugin's fault.
    async fn join(&self, effects: Vec<Effect>) -> (Vec<Effect>, Result<Vec<Joint>, Option<String>>) {
        let (effects, joined) = self.joins.join(effects).await;
        let joined = match joined {
            Ok(joints) => match check(&joints, &effects, &self.version.calls.limits) {
                Ok(()) => Ok(joints),
                Err(why) => Err(Some(self.nonsense(why))),
            },
            Err(fault) => Err(fault_of(&fault)),
        };
        (effects, joined)
    }

    /// What each of so many members would have been answered. The error is as that of [`join`](Self::join).
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
        tracing::warn!(why, "a plugin cannot join what it asked for: each request goes by itself");
        self.joins.count(&Fault::Nonsense(why.clone()));
        why
    }

    /// So many events were not joined for this fault: that counts against a version on trial.
    fn blame(&self, events: usize, why: Option<String>) {
        if let (Some((_, tally)), Some(why)) = (self.trial, why) {
            (0..events).for_each(|_| tally.spoiled(&format!("it cannot join what it asked for: {why}")));
        }
    }
}

/// What the plugin makes of them: joint effects with their members, and those that are in none; and who splits the replies.
/// Where a version on trial cannot do it the live one does.
async fn joined(
    joining: Joining<'_>,
    members: Vec<Member>,
) -> (Joining<'_>, Vec<(Joint, Vec<Member>)>, Vec<Member>) {
    let (effects, askers): (Vec<_>, Vec<_>) =
        members.into_iter().map(|Member { effect, of }| (effect, of)).unzip();
    let (mut by, (mut effects, mut joined)) = (joining, joining.join(effects).await);
    if let (Err(why), Some(live)) = (&joined, joining.live()) {
        let (given_back, again) = live.join(effects).await;
        if again.is_ok() {
            joining.blame(given_back.len(), why.clone());
        }
        (by, effects, joined) = (live, given_back, again);
    }
    // Where nobody can, each goes by itself.
    let joints = joined.unwrap_or_default();
    let members = effects.into_iter().zip(askers).map(|(effect, of)| Member { effect, of });
    let mut members: Vec<Option<Member>> = members.map(Some).collect();
    let mut groups = Vec::with_capacity(joints.len());
    for joint in joints {
        let own = joint.members.iter().filter_map(|member| members.get_mut(*member as usize)?.take());
        let own: Vec<Member> = own.collect();
        groups.push((joint, own));
    }
    (by, groups, members.into_iter().flatten().collect())
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
