//! The settings of a connector that uses this plugin: read and checked once an instance.

mod written;

use std::collections::BTreeMap;

use liaison_sdk::outcome::OutcomeKind;
use liaison_sdk::pointer::Pointer;
use liaison_sdk::statuses::{HttpStatus, Statuses};
use liaison_sdk::template::{FieldTemplate, PathTemplate};
use serde::{Deserialize, Deserializer};

use self::written::Written;
use crate::body::{Fields, FilePart};
use crate::shape::Shape;

/// The settings as used. The README describes each.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) upsert: Upsert,
    pub(crate) method: String,
    pub(crate) delete_method: String,
    pub(crate) path: PathTemplate,
    pub(crate) create: Create,
    pub(crate) lookup: Option<Lookup>,
    pub(crate) headers: BTreeMap<String, FieldTemplate>,
    /// True where `headers` says what the body is.
    pub(crate) has_content_type: bool,
    pub(crate) body: BodyKind,
    pub(crate) shape: Shape,
    /// Where event and record hold their version, and may be compared by it.
    pub(crate) version: Option<Pointer>,
    /// The settings name that place.
    pub(crate) is_version_named: bool,
    pub(crate) gone: Gone,
    /// A record in conflict is asked for: the answer that says so does not hold it.
    pub(crate) looks_up_conflicts: bool,
    pub(crate) statuses: Statuses<HttpStatus>,
    pub(crate) check_path: Option<String>,
}

/// How a record gets to the system, whether it has it already or not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Upsert {
    /// One request does both.
    #[default]
    Put,
    /// It is created; where it is there already it is changed.
    PostThenPatch,
    /// It is looked up, and then created or changed.
    LookupFirst,
}

/// The request that creates a record.
#[derive(Debug)]
pub(crate) struct Create {
    pub(crate) method: String,
    /// Where it is not the record's own path.
    pub(crate) path: Option<PathTemplate>,
    pub(crate) headers: BTreeMap<String, FieldTemplate>,
}

/// The request that finds a record by something else than its path.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lookup {
    pub(crate) path: PathTemplate,
    /// Where in the answer the records are; the whole of it by default.
    pub(crate) results: Option<Pointer>,
}

/// What the request carries.
#[derive(Debug)]
pub(crate) enum BodyKind {
    None,
    /// The event's data, or a part of them, as it is.
    Data,
    Form(Fields),
    Multipart(Fields, Vec<FilePart>),
    /// What makes of what the system holds what it should hold. What it has beside the event's members stays, or only
    /// what is named here.
    Patch(Patch, Option<Vec<Pointer>>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patch {
    Json,
    Merge,
}

/// What 410 means in answer to an event with data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gone {
    /// As any other status.
    AsStatus,
    Kind(OutcomeKind),
    /// The record is created anew.
    Create,
}

impl Settings {
    /// One request is all, and nothing follows from its answer but the outcome.
    pub(crate) fn is_one_request(&self) -> bool {
        self.upsert == Upsert::Put && self.gone != Gone::Create && !self.looks_up_conflicts
    }

    /// The same of a deletion.
    pub(crate) fn is_one_deletion(&self) -> bool {
        self.lookup.is_none() && !self.looks_up_conflicts && !self.compares_tombstones()
    }

    /// Where an answer that holds a record has its version. Where records are only ever put, the usual place need not be
    /// one of theirs.
    pub(crate) fn version_of_answers(&self) -> Option<&Pointer> {
        self.version.as_ref().filter(|_| self.is_version_named || self.upsert != Upsert::Put)
    }

    /// Is a record looked at before it is deleted? A tombstone that is older deletes nothing.
    pub(crate) fn compares_tombstones(&self) -> bool {
        self.upsert != Upsert::Put && self.version.is_some()
    }

    /// Is what the system holds needed to change it?
    pub(crate) fn needs_held(&self) -> bool {
        self.version.is_some() || self.lookup.is_some() || matches!(self.body, BodyKind::Patch(..))
    }
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Written::deserialize(deserializer)?.checked().map_err(serde::de::Error::custom)
    }
}

/// True for the headers that make a write depend on what is there (RFC 9110, 13.1).
pub(crate) fn is_precondition(header: &str) -> bool {
    ["if-match", "if-none-match", "if-unmodified-since"].iter().any(|name| header.eq_ignore_ascii_case(name))
}
