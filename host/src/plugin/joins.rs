//! `joiner` of `wit/` as the pool calls it: effects of several deliveries made one, and its reply made many.

use bumpalo::Bump;
use bytes::Bytes;
use wasmtime::Store;

use super::bindings::connector::exports::liaison::plugin::joiner;
use super::pool::{Mobile, World};
use super::sandbox::Guest;
use super::words::{self, Moment};
use crate::contract::{Effect, Joint, Reply};
use crate::telemetry::PluginFunction;

/// What the plugin is asked.
#[derive(Debug, Clone)]
pub(crate) enum JoinInput {
    Join(Vec<Effect>),
    Split { memo: Bytes, reply: Box<Reply> },
}

/// What it answers.
#[derive(Debug, PartialEq)]
pub(crate) enum JoinOutput {
    Joints(Vec<Joint>),
    /// `None`: one of them could be the answer to nothing.
    Replies(Option<Vec<Reply>>),
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
