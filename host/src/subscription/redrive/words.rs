//! What a redrive is asked for, and what it says.

use super::Take;
use crate::dead_letter::selection::Selection;
use crate::dead_letter::store::{LetterId, StoreError};
use crate::dead_letter::{DeadLetter, Reason};
use crate::kafka::client::KafkaError;
use crate::kafka::hold::HoldError;
use crate::subscription::filter::FilterError;
use crate::subscription::stages::StagesError;

/// What is to be sent again.
#[derive(Debug, Clone)]
pub struct Request {
    pub selection: Selection,
    /// What a person decided of these conflicts; without it they are sent as they are.
    pub take: Option<Take>,
    /// What a later event has overtaken too; and with `take` what the external system gave no version of.
    pub force: bool,
    /// Attempts a second, at most.
    pub rate: u32,
}

impl Request {
    /// Only a conflict can be decided.
    pub(crate) fn selected(&self) -> Selection {
        let mut selection = self.selection.clone();
        if self.take.is_some() {
            selection.reason = Some(Reason::Conflict);
        }
        selection
    }
}

/// What came of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    pub delivered: usize,
    /// The subscription does not want them, by its filter or a transformer.
    pub filtered: usize,
    /// A later event has overtaken them, or the external system holds something newer.
    pub superseded: usize,
    /// They failed again: each is a new dead letter.
    pub failed: usize,
    /// They wait on as they were.
    pub left: usize,
    /// They wait on as well: what a person decided cannot be done with them.
    pub refused: Vec<Refused>,
    /// Why the run ended before its end.
    pub stopped: Option<String>,
}

/// A letter that cannot be resolved as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub id: LetterId,
    pub why: String,
}

#[derive(Debug, thiserror::Error)]
pub enum RedriveError {
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Taken(#[from] HoldError),
    #[error(transparent)]
    Stages(#[from] StagesError),
    #[error(transparent)]
    Filter(#[from] FilterError),
    #[error("nobody can tell which dead letters are overtaken by later events: {0}")]
    Follow(String),
    #[error("{0}")]
    Refused(String),
    #[error("a task that read dead letters was stopped: the process is ending")]
    Stopped,
}

/// How one letter ended.
#[derive(Debug)]
pub(super) enum End {
    Delivered,
    /// It is not wanted, and why.
    Filtered(String),
    /// Why.
    Superseded(String),
    Failed(Box<DeadLetter>),
    /// What a person decided cannot be done with it, and why: it waits on.
    Refused(String),
    /// It waits on; the run is ending, or its original is gone.
    Left,
}
