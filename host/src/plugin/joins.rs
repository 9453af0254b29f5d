//! `joiner` of `wit/` as the pool calls it: what several deliveries need as fewer effects, and the reply to one made many.

use std::sync::Arc;

use bumpalo::Bump;
use bytes::Bytes;
use wasmtime::Store;

use super::bindings::connector::exports::liaison::plugin::joiner;
use super::calls::Calls;
use super::pool::World;
use super::sandbox::Guest;
use super::words::{self, Moment};
use crate::contract::{Delivery, Fault, Joint, Reply};
use crate::telemetry::PluginFunction;

/// What the plugin is asked.
#[derive(Debug, Clone)]
pub(crate) enum JoinInput {
    /// Shared, because they may be many and go to another thread.
    Join(Arc<Vec<Box<Delivery>>>),
    Split {
        memo: Bytes,
        reply: Box<Reply>,
    },
}

/// What it answers.
#[derive(Debug, PartialEq)]
pub(crate) enum JoinOutput {
    Joints(Vec<Joint>),
    /// `None`: one of them could be the answer to nothing.
    Replies(Option<Vec<Reply>>),
}

/// More deliveries than this are joined beside the worker, which goes on with others: about what takes as long as to go
/// there.
const FEW: usize = 32;

/// What comes out of one has the form of what went in.
const OTHER: &str = "a call gives back its own input, and its output answers that";

impl Calls<Joins> {
    /// What fewer effects do the same, beside the deliveries themselves.
    pub(crate) async fn join(
        &self,
        deliveries: Vec<Box<Delivery>>,
    ) -> (Vec<Box<Delivery>>, Result<Vec<Joint>, Fault>) {
        // Alone in its call: what fails there fails for itself.
        let input = JoinInput::Join(Arc::new(deliveries));
        let (JoinInput::Join(deliveries), joints) = self.call(input, true).await else {
            unreachable!("{OTHER}")
        };
        let joints = joints.map(|output| match output {
            JoinOutput::Joints(joints) => joints,
            JoinOutput::Replies(_) => unreachable!("{OTHER}"),
        });
        (Arc::unwrap_or_clone(deliveries), joints)
    }

    /// What each of its members would have been answered; `None` where that could be the answer to nothing.
    pub(crate) async fn split(&self, memo: Bytes, reply: Reply) -> Result<Option<Vec<Reply>>, Fault> {
        match self.call(JoinInput::Split { memo, reply: Box::new(reply) }, true).await.1? {
            JoinOutput::Replies(replies) => Ok(replies),
            JoinOutput::Joints(_) => unreachable!("{OTHER}"),
        }
    }
}

/// `joiner.join` and `joiner.split`
#[derive(Debug)]
pub(crate) struct Joins;

impl World for Joins {
    const FUNCTION: PluginFunction = PluginFunction::Join;

    type Input = JoinInput;
    type Output = JoinOutput;
    type Exports = joiner::Guest;

    /// That of the latest delivery; a reply has none.
    fn moment(input: &JoinInput) -> Moment {
        match input {
            JoinInput::Join(deliveries) => {
                let latest = deliveries.iter().max_by_key(|delivery| delivery.now);
                latest.map_or(Moment::ZERO, |latest| Moment { now: latest.now, seed: latest.seed })
            }
            JoinInput::Split { .. } => Moment::ZERO,
        }
    }

    fn is_long(input: &JoinInput) -> bool {
        matches!(input, JoinInput::Join(deliveries) if deliveries.len() > FEW)
    }

    async fn call(
        joiner: &joiner::Guest,
        store: &mut Store<Guest>,
        inputs: &[JoinInput],
    ) -> wasmtime::Result<Vec<JoinOutput>> {
        let mut outputs = Vec::with_capacity(inputs.len());
        let arena = Bump::new();
        for input in inputs {
            outputs.push(match input {
                JoinInput::Join(deliveries) => {
                    let deliveries: Vec<_> =
                        deliveries.iter().map(|delivery| words::delivery(delivery, &arena)).collect();
                    let joints = joiner.call_join(&mut *store, &deliveries).await?;
                    JoinOutput::Joints(joints.into_iter().map(words::lift_joint).collect())
                }
                JoinInput::Split { memo, reply } => {
                    let reply = words::reply::lower(reply, &arena);
                    let replies = joiner.call_split(&mut *store, memo, reply).await?;
                    JoinOutput::Replies(replies.into_iter().map(words::reply::lift).collect())
                }
            });
        }
        Ok(outputs)
    }
}
