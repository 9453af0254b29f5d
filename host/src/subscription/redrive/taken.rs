//! What a person decided of a conflict: which dead letters can be resolved so, with what the connector is called, and
//! what follows if the external system has changed since.

use bytes::Bytes;
use serde::de::IgnoredAny;

use super::tries::Tried;
use super::turn::{Trouble, Turn};
use super::{End, RedriveError, Request, Run, Tray};
use crate::contract::{Conflict, Resolution};
use crate::dead_letter::conflict::{Sides, sha256_text};
use crate::dead_letter::listing::Waiting;
use crate::dead_letter::mark::state_name;
use crate::dead_letter::store::LetterId;
use crate::dead_letter::{Attempts, DeadLetter, Reason, Stage};
use crate::delivery::conflict::{self, Decision, Offer};
use crate::event::Event;

/// Which side of a conflict a person takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Take {
    /// The event is written over the version that the person saw.
    Source,
    /// The external system keeps what it holds.
    Target,
    /// This is written in the place of the event's data, over the version that the person saw. It is in the shape that
    /// the connector is given, after the transformers.
    Document(Bytes),
}

impl Take {
    /// Beside the mark of a letter that ended so.
    pub(super) fn note(&self) -> String {
        match self {
            Take::Source => "resolved: a person took the event".to_owned(),
            Take::Target => "resolved: a person took what the external system holds".to_owned(),
            Take::Document(data) => {
                let (bytes, sha256) = (data.len(), sha256_text(data));
                format!("resolved: a person wrote a document of {bytes} bytes, sha256 {sha256}")
            }
        }
    }
}

impl Tray {
    /// Says why what is asked for cannot be resolved, before anything is sent. The topic is held.
    pub(crate) async fn resolvable(&self, request: &Request, waiting: &Waiting) -> Result<(), RedriveError> {
        let Some(take) = &request.take else { return Ok(()) };
        let Some(id) = &request.selection.id else {
            return match take {
                Take::Source | Take::Target => Ok(()),
                Take::Document(_) => Err(RedriveError::Refused(
                    "one document is for one dead letter: name it by its ID".to_owned(),
                )),
            };
        };
        if waiting.letters.iter().any(|letter| letter.id == *id) {
            return Ok(());
        }
        self.refusal(id.clone()).await
    }

    async fn refusal(&self, id: LetterId) -> Result<(), RedriveError> {
        let letter = self.in_store(move |store| store.find(&id)).await?;
        let (id, reason) = (&letter.id, letter.letter.reason);
        let text = match letter.marks.last() {
            _ if reason != Reason::Conflict => {
                format!("{id} was given up as {}, not for a conflict: redrive or discard it", reason.name())
            }
            Some(mark) => {
                format!("{id} does not wait: it is {} already", state_name(Some(mark.resolution)))
            }
            None => format!("{id} does not wait"),
        };
        Err(RedriveError::Refused(text))
    }
}

impl Run<'_> {
    /// The end of a letter of which the external system's side was taken, and that is no part of an event.
    pub(super) fn target_end(&self, letter: &DeadLetter) -> Option<End> {
        (self.request.take == Some(Take::Target) && letter.part.is_none()).then(|| self.taken_by_target())
    }

    fn taken_by_target(&self) -> End {
        End::Superseded(Take::Target.note())
    }

    /// What the connector is called with for this part of the letter's event, of so many; nothing where nobody has decided.
    /// The error is the letter's end.
    pub(super) fn taken(
        &self,
        letter: &DeadLetter,
        (part, parts): (Option<u32>, usize),
        event: &Event,
    ) -> Result<Option<Resolution>, End> {
        let Some(take) = &self.request.take else { return Ok(None) };
        let first = letter.part.unwrap_or_default();
        if letter.part.is_some() != (parts > 1) || first as usize >= parts {
            let why = "the transformers make other parts of its event now: redrive it";
            return Err(End::Refused(why.to_owned()));
        }
        // Those after it were never tried.
        if part.unwrap_or_default() != first {
            return Ok(None);
        }
        let version = || {
            let unseen = "so that a change since then would be overwritten unseen; --force does so";
            self.version(letter).map_err(|why| End::Refused(format!("{why}, {unseen}")))
        };
        match take {
            Take::Source => Ok(Some(Resolution::Overwrite(version()?))),
            Take::Target => Err(self.taken_by_target()),
            Take::Document(data) => {
                if event.data.as_deref().is_some_and(is_json) && !is_json(data) {
                    let why = "what the event holds is JSON, and the document is none";
                    return Err(End::Refused(why.to_owned()));
                }
                Ok(Some(Resolution::Merged { data: data.clone(), version: version()? }))
            }
        }
    }

    /// The version that the person saw.
    fn version(&self, letter: &DeadLetter) -> Result<Option<String>, &'static str> {
        let sides = letter.sides();
        let why = match &sides {
            Some(Sides { version: Some(version), .. }) => return Ok(Some(version.clone())),
            Some(Sides { is_version_cut: true, .. }) => {
                "the version that the external system held is too long to be kept"
            }
            Some(_) => "the connector named no version of what the external system held",
            None => "it does not say what the external system held",
        };
        if self.request.force { Ok(None) } else { Err(why) }
    }

    /// Decides a conflict, which is noted. Where a person has decided, it is one of what came since.
    pub(super) fn decide(&self, turn: &Turn<'_, '_>, conflict: &Conflict, resolutions: u32) -> Decision {
        let policy = &self.plan.settings.conflict;
        let event = turn.delivered();
        let decision = match &turn.decided {
            None => conflict::decide(policy, Offer::of(event), conflict, resolutions),
            Some(Resolution::Overwrite(_)) => conflict::after_a_person(event.data.as_deref(), conflict),
            Some(Resolution::Merged { data, .. }) => conflict::after_a_person(Some(data), conflict),
        };
        self.plan.witness.decided(event, policy.name(), conflict, &decision);
        decision
    }

    /// What the connector is called with again, or the end of the letter.
    pub(super) fn decided(
        &self,
        turn: &Turn<'_, '_>,
        decision: Decision,
        conflict: &Conflict,
        tried: &Tried,
        evidence: &Attempts,
    ) -> Result<Resolution, End> {
        let message = match decision {
            Decision::Again(resolution) => return Ok(resolution),
            Decision::AlreadyThere if turn.decided.is_some() => return Err(End::Delivered),
            Decision::AlreadyThere => {
                return Err(End::Superseded("the external system holds the same already".to_owned()));
            }
            Decision::Superseded(why) => return Err(End::Superseded(why)),
            Decision::Manual(message) | Decision::Endless(message) => message,
        };
        let original = turn.letter.record.value.as_ref();
        let data = match &turn.decided {
            Some(Resolution::Merged { data, .. }) => Some(data),
            Some(Resolution::Overwrite(_)) | None => turn.delivered().data.as_ref(),
        };
        let sides = Sides::of(&self.plan.settings.conflict, data, original, conflict).to_json();
        let trouble =
            Trouble { stage: Stage::Deliver, reason: Reason::Conflict, message, conflict: Some(sides) };
        Err(turn.failed(self, trouble, evidence.clone(), Some(tried.last.borrow())))
    }
}

fn is_json(data: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(data).is_ok()
}
