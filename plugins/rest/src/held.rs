//! What the external system holds, and how the event stands to it.

use liaison_sdk::etag;
use liaison_sdk::failure::Failure;
use liaison_sdk::http::Response;
use liaison_sdk::outcome::{Delivery, Outcome};
use liaison_sdk::patch;
use liaison_sdk::pointer::Pointer;
use liaison_sdk::text::fnv_1a;
use liaison_sdk::version::{self, Offered, Version};
use serde_json::Value;

use crate::settings::{BodyKind, Settings, Upsert};

/// A record as it was looked up.
#[derive(Debug)]
pub(crate) struct Held {
    /// Nothing where the answer holds no JSON.
    pub(crate) record: Option<Value>,
    etag: Option<String>,
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
    /// What is to be compared or patched must be JSON; what is to be deleted may be anything.
    pub(crate) fn new(settings: &Settings, reply: &Response, is_deletion: bool) -> Result<Self, Failure> {
        let record = settings.shape.held(reply.body());
        let is_compared = settings.upsert != Upsert::Put && settings.version.is_some();
        let is_read = is_compared || matches!(settings.body, BodyKind::Patch(..));
        if record.is_none() && is_read && !is_deletion {
            let at = settings.shape.at();
            let place = if at.is_empty() { String::new() } else { format!(" at `{at}`") };
            return Err(Failure::Reply(format!("{}, and its body has no JSON{place}", reply.summary())));
        }
        let etag = reply.header("etag").map(str::to_owned);
        Ok(Self { record, etag, answer: reply.body().to_vec() })
    }

    /// What a write can be bound to. What has none was looked up immediately before.
    pub(crate) fn if_match(&self) -> Option<&str> {
        etag::if_match(self.etag.as_deref())
    }

    /// Nothing had to be written.
    pub(crate) fn already_there(&self) -> Outcome {
        let version = self.etag.as_ref().map(|etag| format!(", as version {etag}")).unwrap_or_default();
        Outcome::skipped(format!("already there{version}"))
    }

    /// What the host's policy decides upon.
    pub(crate) fn conflict(self, settings: &Settings, reason: impl Into<String>) -> Outcome {
        let version = self.name(settings);
        let current = self.record.map(|record| settings.shape.current(record).to_string().into_bytes());
        let current = current.or_else(|| Some(self.answer).filter(|answer| !answer.is_empty()));
        Outcome::conflict(Some(version), current, reason)
    }

    /// What names this state of the record, so that a decision is written over no other: its ETag, else its version, else a
    /// mark of what is in it.
    fn name(&self, settings: &Settings) -> String {
        let version = || self.version(settings).map(|version| version.as_str().to_owned());
        self.etag.clone().or_else(version).unwrap_or_else(|| match &self.record {
            Some(record) => mark(record.to_string().as_bytes()),
            None => mark(&self.answer),
        })
    }

    fn version(&self, settings: &Settings) -> Option<Version> {
        let current = settings.shape.current(self.record.clone()?);
        Version::of(settings.version.as_ref()?.find(&current))
    }

    pub(crate) fn standing(&self, settings: &Settings, delivery: &Delivery) -> Result<Standing, Failure> {
        if delivery.resolution.is_some() {
            return Ok(self.standing_to_decision(settings, delivery.version()));
        }
        let (Some(pointer), held @ Some(_)) = (&settings.version, self.version(settings)) else {
            return Ok(Standing::Free);
        };
        let offered = match delivery.data() {
            None => Offered::tombstone(delivery.event.time),
            Some(data) => Offered::record(&serde_json::from_slice(data).map_err(not_comparable)?, pointer),
        };
        let standing = offered.against(held.as_ref());
        Ok(match standing.objection() {
            Some(why) => Standing::Conflict(why),
            None if standing != version::Standing::Equal => Standing::Free,
            None if self.has_all(settings, delivery, pointer)? => Standing::AlreadyThere,
            None => Standing::Conflict(version::OTHER),
        })
    }

    /// What the host has decided upon must still be there. Where the decision names no version, it is good for a record
    /// that has none either: another one is told to the host first.
    fn standing_to_decision(&self, settings: &Settings, decided: Option<&str>) -> Standing {
        let is_there = match decided {
            Some(decided) => etag::is_same(decided, &self.name(settings)),
            None => self.etag.is_none() && self.version(settings).is_none(),
        };
        match (is_there, decided) {
            (true, _) => Standing::Free,
            (false, Some(_)) => Standing::Conflict(version::CHANGED),
            (false, None) => {
                Standing::Conflict("it was decided what to write over the record, and not over which version")
            }
        }
    }

    /// Is all that the event says in it, however its version is written there: `12:00+02:00` is `10:00Z`? Of a form nobody
    /// can tell, and its version says enough.
    fn has_all(&self, settings: &Settings, delivery: &Delivery, pointer: &Pointer) -> Result<bool, Failure> {
        let (Some(data), Some(record)) = (delivery.data(), &self.record) else { return Ok(true) };
        match &settings.body {
            BodyKind::Data | BodyKind::Patch(..) => {}
            BodyKind::None | BodyKind::Form(_) | BodyKind::Multipart(..) => return Ok(true),
        }
        let event: Value = serde_json::from_slice(data).map_err(Failure::not_json)?;
        let mut current = settings.shape.current(record.clone());
        if let (Some(place), Some(ours)) = (pointer.find_mut(&mut current), pointer.find(&event)) {
            *place = ours.clone();
        }
        let wanted = settings.shape.wanted(data)?;
        Ok(settings.shape.part_of(&current).is_some_and(|held| patch::is_held(held, &wanted)))
    }
}

/// What an answer says that the system holds, where it is that: in the event's shape, with its version.
pub(crate) fn answered_conflict(settings: &Settings, reply: &Response) -> Outcome {
    let pointer = settings.version_of_answers();
    let record = reply.current(None).and_then(|body| settings.shape.held(body));
    let current = record.map(|record| settings.shape.current(record));
    let current = current.filter(|current| pointer.is_none_or(|pointer| pointer.find(current).is_some()));
    let version =
        current.as_ref().zip(pointer).and_then(|(current, pointer)| Version::of(pointer.find(current)));
    let version = version.map(|version| version.as_str().to_owned());
    let named = reply.header("etag").map(str::to_owned).or(version);
    Outcome::conflict(named, current.map(|current| current.to_string().into_bytes()), reply.summary())
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn not_comparable(error: serde_json::Error) -> Failure {
    Failure::Event(format!(
        "the event's data is not JSON, so that nothing tells whether the record is newer: {error}; with `version = false` \
         it is written over whatever is there"
    ))
}

/// A short name of these bytes, the same wherever and whenever it is made.
fn mark(bytes: &[u8]) -> String {
    format!("content {:016x}", fnv_1a(bytes))
}
