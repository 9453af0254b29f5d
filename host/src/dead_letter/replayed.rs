//! What came of a replay, beside what was recorded. Pure.

use super::header::hex_text;
use super::recording::{End, Recording, Round, TransformEnd, TransformRecording};
use super::store::LetterId;
use crate::contract::Effect;

/// What a dead letter recorded, run again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    pub id: LetterId,
    /// Of the plugin that gave the event up, if that was known.
    pub recorded_sha256: Option<[u8; 32]>,
    /// Of the plugin that ran now.
    pub sha256: [u8; 32],
    pub rerun: Rerun,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rerun {
    /// The connector's last attempt.
    Attempt {
        recorded: Box<Recording>,
        /// What it asked now, and was answered from the record.
        rounds: Vec<Round>,
        end: ReplayEnd,
    },
    /// The call of the transformer that ended it.
    Transform { recorded: TransformRecording, end: TransformEnd },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplayEnd {
    Ended(End),
    /// Its next step asks for these, and at least one of them was not asked in the recorded attempt.
    NotRecorded(Vec<Effect>),
}

impl Replayed {
    /// Is it the plugin that gave the event up? Then it must do the same again.
    pub fn is_same_plugin(&self) -> bool {
        self.recorded_sha256 == Some(self.sha256)
    }

    /// Are steps and end, written down, the same byte by byte?
    pub fn is_same(&self) -> bool {
        match &self.rerun {
            Rerun::Attempt { recorded, rounds, end: ReplayEnd::Ended(end) } => {
                bytes(&(rounds, end)) == bytes(&(&recorded.rounds, &recorded.end))
            }
            Rerun::Attempt { end: ReplayEnd::NotRecorded(_), .. } => false,
            Rerun::Transform { recorded, end } => bytes(end) == bytes(&recorded.end),
        }
    }

    /// Had a reply echoed a secret, which is struck out of what was recorded?
    pub fn is_struck(&self) -> bool {
        match &self.rerun {
            Rerun::Attempt { recorded, .. } => recorded.is_struck,
            Rerun::Transform { .. } => false,
        }
    }

    /// The first digits of the digest, enough to tell two versions apart.
    pub fn short_sha256(&self) -> String {
        hex_text(&self.sha256[..6])
    }
}

fn bytes(recorded: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(recorded).expect("a recording can always be written as JSON")
}
