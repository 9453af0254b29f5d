//! What is handed to a version that only shadows: attempts and transformations that have ended, as they are recorded.
//!
//! Handing over costs a copy, and where many wait already not even that: then what comes is dropped, and counted. Nobody
//! waits here for anything.

use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::sync::mpsc;

use super::served::Tally;
use crate::config::mask::Mask;
use crate::contract::{Fault, Transformed};
use crate::dead_letter::recording::{Recording, TransformEnd};
use crate::delivery::attempt::Attempt;
use crate::event::Event;
use crate::telemetry::{FaultKind, ShadowResult};

/// What may wait to be compared.
const WAITING: usize = 64;

/// Who uses a plugin, and how.
#[derive(Debug)]
pub(crate) struct User {
    /// The connector or transformer.
    pub(crate) name: String,
    pub(crate) settings: Map<String, Value>,
    /// Its secrets, which nothing that is shown may hold.
    pub(crate) mask: Mask,
}

/// Where a version is handed what the live one has done. Clones share it; when all are gone nothing more comes.
#[derive(Debug, Clone)]
pub(crate) struct Shadow {
    done: mpsc::Sender<Work>,
    tally: Arc<Tally>,
}

/// Something that the live version did.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) user: Arc<User>,
    /// Before the transformers, or before the one whose call it is.
    pub(crate) original: Event,
    pub(crate) done: Done,
}

#[derive(Debug)]
pub(crate) enum Done {
    Attempt(Box<Recording>),
    Transform(TransformEnd),
}

impl Shadow {
    /// The sender, and what comes out of it.
    pub(crate) fn new(tally: Arc<Tally>) -> (Self, mpsc::Receiver<Work>) {
        let (done, work) = mpsc::channel(WAITING);
        (Self { done, tally }, work)
    }

    /// An attempt has ended. `original` is its event before the transformers.
    pub(super) fn attempt(&self, user: &Arc<User>, original: &Event, attempt: &Attempt) {
        if attempt.result.as_ref().err().is_none_or(is_its_own) {
            self.hand(user, original, || {
                let Attempt { delivery, asked, result, .. } = attempt;
                // The version is given what the other was given; what is shown of it is struck.
                Done::Attempt(Box::new(Recording::of(delivery, asked, result, original, &Mask::default())))
            });
        }
    }

    /// A transformer has answered.
    pub(super) fn transform(&self, user: &Arc<User>, given: &Event, result: &Result<Transformed, Fault>) {
        if result.as_ref().err().is_none_or(is_its_own) {
            self.hand(user, given, || Done::Transform(TransformEnd::of(result.clone())));
        }
    }

    fn hand(&self, user: &Arc<User>, original: &Event, done: impl FnOnce() -> Done) {
        match self.done.try_reserve() {
            Ok(place) => place.send(Work { user: user.clone(), original: original.clone(), done: done() }),
            Err(_) => self.tally.shadowed(ShadowResult::Dropped),
        }
    }
}

/// What the host could not do says nothing that could be compared.
fn is_its_own(fault: &Fault) -> bool {
    FaultKind::of(fault).is_some()
}
