//! Makes one document of two without knowing what both were before: each field is its owner's.
//!
//! Pure. What the external system holds stays, but for the fields that are the source's and that the event has: those
//! are written over it as a JSON merge patch (RFC 7396). So `null` in the event removes a field, a field that the event
//! does not have stays, objects are merged and lists are replaced as a whole. What the target owns is never changed.
//!
//! Where that cannot be had, because a value of the one would take the place of an object in which the other owns
//! something, nothing is merged. Merging the outcome with the same event again changes nothing.

use std::collections::BTreeMap;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use super::json::{MAX_DEPTH, Members, document, is_null};
use crate::config::{Owner, Owners};

/// The document made of what the external system holds and of the event; the error says why there is none.
pub(super) fn merge(owners: &Owners, event: &[u8], current: &[u8]) -> Result<Vec<u8>, String> {
    let event = object("the event", event)?;
    let current = object("what the external system holds", current)?;
    let root = Node::of(owners);
    let place = Place { node: Some(&root), owner: owners.default, pointer: String::new(), depth: 0 };
    let merged = place.merged(Some(current), Some(event))?;
    serde_json::to_vec(&merged).map_err(|error| error.to_string())
}

fn object<'a>(whose: &str, data: &'a [u8]) -> Result<&'a RawValue, String> {
    let value = document(data).map_err(|error| format!("{whose} is not JSON: {error}"))?;
    if value.get().starts_with('{') { Ok(value) } else { Err(format!("{whose} is no JSON object")) }
}

/// The owners as a tree: a step of a pointer is a level.
#[derive(Default)]
struct Node {
    owner: Option<Owner>,
    fields: BTreeMap<String, Node>,
}

impl Node {
    fn of(owners: &Owners) -> Self {
        let mut root = Node::default();
        for (pointer, owner) in &owners.fields {
            let steps = pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~"));
            let mut node = &mut root;
            for step in steps {
                node = node.fields.entry(step).or_default();
            }
            node.owner = Some(*owner);
        }
        root
    }
}

/// What a merged value consists of.
enum Part<'a> {
    /// As it was written.
    Whole(&'a RawValue),
    Object(Vec<(String, Part<'a>)>),
}

/// A field of both documents.
struct Place<'o> {
    /// Whose it is and what is in it, where that is said for itself.
    node: Option<&'o Node>,
    owner: Owner,
    pointer: String,
    depth: usize,
}

impl<'o> Place<'o> {
    fn field(&self, name: &str) -> Place<'o> {
        let node = self.node.and_then(|node| node.fields.get(name));
        let step = name.replace('~', "~0").replace('/', "~1");
        Place {
            node,
            owner: node.and_then(|node| node.owner).unwrap_or(self.owner),
            pointer: format!("{}/{step}", self.pointer),
            depth: self.depth + 1,
        }
    }

    /// Is it of one owner, with all that is in it?
    fn is_whole(&self) -> bool {
        self.node.is_none_or(|node| node.fields.is_empty())
    }

    /// What becomes of it; `None` where it is not there any more.
    fn merged<'a>(
        &self,
        current: Option<&'a RawValue>,
        event: Option<&'a RawValue>,
    ) -> Result<Option<Part<'a>>, String> {
        let Some(event) = event else { return Ok(current.map(Part::Whole)) };
        if self.depth >= MAX_DEPTH {
            return Err(format!("the documents are nested more than {MAX_DEPTH} levels deep"));
        }
        if self.is_whole() {
            return match self.owner {
                Owner::Target => Ok(current.map(Part::Whole)),
                Owner::Source => patched(current, event, self.depth),
            };
        }
        match Members::of(event) {
            Some(event) => self.merged_object(current, &event),
            None => self.merged_value(current, event),
        }
    }

    /// The event has an object where both own something.
    fn merged_object<'a>(
        &self,
        current: Option<&'a RawValue>,
        event: &Members<'a>,
    ) -> Result<Option<Part<'a>>, String> {
        let held = match current.filter(|current| !is_null(current)) {
            None => Members(Vec::new()),
            Some(value) => match Members::of(value) {
                Some(members) => members,
                None if self.owner == Owner::Source => Members(Vec::new()),
                // The target's own value would have to give way to an object.
                None if self.has(event, Owner::Source)? => return Err(self.clash()),
                None => return Ok(current.map(Part::Whole)),
            },
        };
        let (held_names, said) = (held.by_name(), event.by_name());
        let mut parts = Vec::with_capacity(held.0.len());
        for (name, value) in &held.0 {
            let part = self.field(name).merged(Some(value), said.get(name.as_str()).copied())?;
            parts.extend(part.map(|part| (name.clone(), part)));
        }
        for (name, value) in event.0.iter().filter(|(name, _)| !held_names.contains_key(name.as_str())) {
            let part = self.field(name).merged(None, Some(value))?;
            parts.extend(part.map(|part| (name.clone(), part)));
        }
        let is_there = current.is_some_and(|current| !is_null(current));
        if parts.is_empty() && !is_there && !self.pointer.is_empty() {
            return Ok(current.map(Part::Whole));
        }
        Ok(Some(Part::Object(parts)))
    }

    /// The event has another value, or null, where both own something.
    fn merged_value<'a>(
        &self,
        current: Option<&'a RawValue>,
        event: &'a RawValue,
    ) -> Result<Option<Part<'a>>, String> {
        if self.owner == Owner::Target {
            return Ok(current.map(Part::Whole));
        }
        let held = current.and_then(Members::of);
        if held.is_some_and(|held| self.has(&held, Owner::Target).unwrap_or(true)) {
            return Err(self.clash());
        }
        Ok((!is_null(event)).then_some(Part::Whole(event)))
    }

    /// Is there a value among these members that is this owner's?
    fn has(&self, members: &Members<'_>, owner: Owner) -> Result<bool, String> {
        if self.depth >= MAX_DEPTH {
            return Err(format!("the documents are nested more than {MAX_DEPTH} levels deep"));
        }
        for (name, value) in members.0.iter().filter(|(_, value)| !is_null(value)) {
            let field = self.field(name);
            let is_in = match Members::of(value).filter(|_| !field.is_whole()) {
                Some(members) => field.has(&members, owner)?,
                None => field.owner == owner,
            };
            if is_in {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn clash(&self) -> String {
        format!(
            "at `{}` one of the two has an object and the other has none, and each owns a part of it",
            self.pointer
        )
    }
}

/// RFC 7396, section 2, of a value that is there or not.
fn patched<'a>(
    current: Option<&'a RawValue>,
    patch: &'a RawValue,
    depth: usize,
) -> Result<Option<Part<'a>>, String> {
    if depth >= MAX_DEPTH {
        return Err(format!("the documents are nested more than {MAX_DEPTH} levels deep"));
    }
    let Some(patch_members) = Members::of(patch) else {
        return Ok((!is_null(patch)).then_some(Part::Whole(patch)));
    };
    let held = current.and_then(Members::of).unwrap_or(Members(Vec::new()));
    let (names, patches) = (held.by_name(), patch_members.by_name());
    let mut parts = Vec::with_capacity(held.0.len());
    for (name, value) in &held.0 {
        let part = match patches.get(name.as_str()) {
            Some(patch) => patched(Some(value), patch, depth + 1)?,
            None => Some(Part::Whole(value)),
        };
        parts.extend(part.map(|part| (name.clone(), part)));
    }
    for (name, patch) in patch_members.0.iter().filter(|(name, _)| !names.contains_key(name.as_str())) {
        parts.extend(patched(None, patch, depth + 1)?.map(|part| (name.clone(), part)));
    }
    Ok(Some(Part::Object(parts)))
}

impl Serialize for Part<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Part::Whole(value) => value.serialize(serializer),
            Part::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (name, part) in members {
                    map.serialize_entry(name, part)?;
                }
                map.end()
            }
        }
    }
}

#[cfg(test)]
mod tests;
