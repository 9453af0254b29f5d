//! `joiner` of `wit/` as the pool calls it: effects of several deliveries made one, and its reply made many.

use std::sync::Arc;

use bumpalo::Bump;
use bytes::Bytes;
use wasmtime::Store;

use super::bindings::connector::exports::liaison::plugin::joiner;
use super::calls::Calls;
use super::pool::{Mobile, World};
use super::sandbox::Guest;
use super::words::{self, Moment};
use crate::contract::{Effect, Fault, Joint, Reply};
use crate::telemetry::PluginFunction;

/// What the plugin is asked.
#[derive(Debug, Clone)]
pub(crate) enum JoinInput {
    /// Shared, because they may be many and go to another thread.
    Join(Arc<Vec<Effect>>),
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

/// More effects than this are joined beside the worker, which goes on with other deliveries: about what takes as long as to go
/// there.
const FEW: usize = 32;

/// What comes out of one has the form of what went in.
const OTHER: &str = "a call gives back its own input, and its output answers that";

impl Calls<Joins> {
    /// What fewer effects do the same, beside the effects themselves.
    pub(crate) async fn join(&self, effects: Vec<Effect>) -> (Vec<Effect>, Result<Vec<Joint>, Fault>) {
        // Alone in its call: what fails there fails for itself.
        let (JoinInput::Join(effects), joints) = self.call(JoinInput::Join(Arc::new(effects)), true).await
        else {
            unreachable!("{OTHER}")
        };
        let joints = joints.map(|output| match output {
            JoinOutput::Joints(joints) => joints,
            JoinOutput::Replies(_) => unreachable!("{OTHER}"),
        });
        (Arc::unwrap_or_clone(effects), joints)
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

impl Mobile for JoinInput {}

impl World for Joins {
    const FUNCTION: PluginFunction = PluginFunction::Join;

    type Input = JoinInput;
    type Output = JoinOutput;
    type Exports = joiner::Guest;

    /// It is given no time, and none is shown.
    fn moment(_: &JoinInput) -> Moment {
        Moment::ZERO
    }

    fn is_long(input: &JoinInput) -> bool {
        matches!(input, JoinInput::Join(effects) if effects.len() > FEW)
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
                JoinInput::Join(effects) => {
                    let effects: Vec<_> =
                        effects.iter().map(|effect| words::effect::lower(effect, &arena)).collect();
                    let joints = joiner.call_join(&mut *store, &effects).await?;
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
