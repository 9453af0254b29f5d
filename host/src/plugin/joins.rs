//! `joiner` of `wit/` as the pool calls it: effects of several deliveries made one, and its reply made many.

use bytes::Bytes;
use wasmtime::{Engine, Store};

use super::bindings::joiner;
use super::pool::World;
use super::sandbox::Guest;
use super::words::{self, Moment};
use crate::contract::{Effect, Joint, Reply};
use crate::telemetry::PluginFunction;

pub(super) type JoinerPre = joiner::JoinerPluginPre<Guest>;

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

impl World for Joins {
    const FUNCTION: PluginFunction = PluginFunction::Join;

    type Input = JoinInput;
    type Parcel = JoinInput;
    type Output = JoinOutput;
    type Pre = JoinerPre;
    type Bindings = joiner::JoinerPlugin;

    /// It is given no time, and none is shown.
    fn moment(_: &JoinInput) -> Moment {
        Moment::ZERO
    }

    fn pack(input: &JoinInput) -> JoinInput {
        input.clone()
    }

    fn unpack(parcel: JoinInput) -> JoinInput {
        parcel
    }

    async fn instantiate(pre: &JoinerPre, store: &mut Store<Guest>) -> wasmtime::Result<Self::Bindings> {
        pre.instantiate_async(store).await
    }

    async fn call(
        bindings: &Self::Bindings,
        store: &mut Store<Guest>,
        inputs: &[JoinInput],
    ) -> wasmtime::Result<Vec<JoinOutput>> {
        let mut outputs = Vec::with_capacity(inputs.len());
        let joiner = bindings.liaison_plugin_joiner();
        for input in inputs {
            outputs.push(match input {
                JoinInput::Join(effects) => {
                    let effects: Vec<_> = effects.iter().map(words::joiner::lower_effect).collect();
                    let joints = joiner.call_join(&mut *store, &effects).await?;
                    JoinOutput::Joints(joints.into_iter().map(words::joiner::lift_joint).collect())
                }
                JoinInput::Split { memo, reply } => {
                    let reply = words::joiner::lower_reply(reply);
                    let replies = joiner.call_split(&mut *store, memo, &reply).await?;
                    JoinOutput::Replies(replies.into_iter().map(words::joiner::lift_reply).collect())
                }
            });
        }
        Ok(outputs)
    }

    fn pre_engine(pre: &JoinerPre) -> &Engine {
        pre.engine()
    }
}
