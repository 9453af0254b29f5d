//! What the external system holds, and how the event stands to it.

use std::cmp::Ordering;

use liaison_sdk::failure::Failure;
use liaison_sdk::http::Response;
use liaison_sdk::outcome::{Delivery, Outcome, Receipt};
use liaison_sdk::{patch, version};
use serde_json::Value;

use crate::pointer::Pointer;
use crate::settings::{BodyKind, Settings};

/// A record as it was looked up.
#[derive(Debug)]
pub(crate) struct Held {
    /// Nothing where the answer holds no JSON.
    pub(crate) record: Option<Value>,
    pub(crate) etag: Option<String>,
    answer: Vec<u8>,
}

/// May the event be written over what is held?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Free,
    AlreadyThere,
    /// The host decides, and why.
    Conflict(&'static str),
}

impl Held {
    pub(crate) fn new(settings: &Settings, reply: &Response) -> Result<Self, Failure> {
        let record = settings.shape.held(reply.body());
        if record.is_none() && (settings.version.is_some() || matches!(settings.body, BodyKind::Patch(..))) {
            let at = settings.shape.at();
            let place = if at.is_empty() { String::new() } else { format!(" at `{at}`") };
            return Err(Failure::Reply(format!("{}, and its body has no JSON{place}", reply.summary())));
        }
        let etag = reply.header("etag").map(str::to_owned);
        Ok(Self { record, etag, answer: reply.body().to_vec() })
    }

    /// What a condition can be made of: a weak tag matches nothing (RFC 9110, 13.1.1).
    pub(crate) fn strong_etag(&self) -> Option<&str> {
        self.etag.as_deref().filter(|etag| !etag.starts_with("W/"))
    }

    /// Nothing had to be written.
    pub(crate) fn already_there(&self) -> Outcome {
        Outcome::Delivered(Receipt { external_id: None, version: self.etag.clone() })
    }

    /// What the host's policy decides upon.
    pub(crate) fn conflict(self, settings: &Settings, reason: impl Into<String>) -> Outcome {
        let current = self.record.map(|record| settings.shape.current(record).to_string().into_bytes());
        let current = current.or_else(|| Some(self.answer).filter(|answer| !answer.is_empty()));
        Outcome::conflict(self.etag, current, reason)
    }

    pub(crate) fn standing(&self, settings: &Settings, delivery: &Delivery) -> Result<Standing, Failure> {
        if delivery.resolution.is_some() {
            // What the host has decided upon must still be there; without a version nothing tells.
            let is_other = delivery.version().is_some_and(|version| self.etag.as_deref() != Some(version));
            return Ok(match is_other {
                true => {
                    Standing::Conflict("the record has changed since it was decided what to write over it")
                }
                false => Standing::Free,
            });
        }
        let (Some(pointer), Some(record), Some(data)) = (&settings.version, &self.record, delivery.data())
        else {
            return Ok(Standing::Free);
        };
        let Ok(event) = serde_json::from_slice::<Value>(data) else { return Ok(Standing::Free) };
        let mut current = settings.shape.current(record.clone());
        let (Some(ours), Some(theirs)) = (pointer.find(&event), pointer.find(&current)) else {
            return Ok(Standing::Free);
        };
        Ok(match version::compare(ours, theirs) {
            Some(Ordering::Greater) => Standing::Free,
            Some(Ordering::Less) => Standing::Conflict("the record is newer than the event"),
            // However it is written there: `12:00+02:00` is `10:00Z`.
            Some(Ordering::Equal) => match is_all_in(settings, data, set(&mut current, pointer, ours))? {
                true => Standing::AlreadyThere,
                false => Standing::Conflict("the record has the event's version and is another"),
            },
            None => Standing::Conflict("the versions of record and event cannot be compared"),
        })
    }
}

/// The document with this value there, where it has one.
fn set<'value>(document: &'value mut Value, pointer: &Pointer, value: &Value) -> &'value Value {
    if let Some(place) = document.pointer_mut(&pointer.to_string()) {
        *place = value.clone();
    }
    document
}

/// Is all that the event says in this, which has the shape of an event? Of a form nobody can tell, and its version says
/// enough.
fn is_all_in(settings: &Settings, data: &[u8], current: &Value) -> Result<bool, Failure> {
    match &settings.body {
        BodyKind::Data | BodyKind::Patch(..) => {
            let wanted = settings.shape.wanted(data)?;
            Ok(settings.shape.part_of(current).is_some_and(|held| patch::is_held(held, &wanted)))
        }
        BodyKind::None | BodyKind::Form(_) | BodyKind::Multipart(..) => Ok(true),
    }
}
