//! What came of a replay, beside what was recorded. Pure.

use super::header::hex_text;
use super::recording::{End, Recording, Round};
use super::store::LetterId;
use crate::contract::Effect;

/// The last attempt of a dead letter, run again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    pub id: LetterId,
    pub recorded: Recording,
    /// Of the plugin that gave the event up, if that was known.
    pub recorded_sha256: Option<[u8; 32]>,
    /// Of the plugin that ran now.
    pub sha256: [u8; 32],
    /// What it asked now, and was answered from the record.
    pub rounds: Vec<Round>,
    pub end: ReplayEnd,
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
        let ReplayEnd::Ended(end) = &self.end else { return false };
        let bytes = |rounds: &[Round], end: &End| {
            serde_json::to_vec(&(rounds, end)).expect("a recording can always be written as JSON")
        };
        bytes(&self.rounds, end) == bytes(&self.recorded.rounds, &self.recorded.end)
    }

    /// The first digits of the digest, enough to tell two versions apart.
    pub fn short_sha256(&self) -> String {
        hex_text(&self.sha256[..6])
    }
}
