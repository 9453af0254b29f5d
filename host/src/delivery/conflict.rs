//! Who wins when the external system holds something newer or different.
//!
//! Pure: the policy, the event's data and time and what the connector reported come in, the decision goes out. Where the two
//! cannot be compared or merged a person decides: nothing is guessed and nothing is overwritten. Where both say the same
//! there is nothing to decide, whatever the policy.

mod json;
mod merge;

use std::cmp::Ordering;

use bytes::Bytes;
use chrono::{DateTime, FixedOffset};
use memchr::memmem;
use serde_json::Value;

use crate::config::mask::STRUCK;
use crate::config::{ConflictPolicy, Owners};
use crate::contract::{Conflict, Resolution, TimestampMs};
use crate::event::Event;

/// Answers to a conflict with another conflict; after the last of them a person decides.
pub const MAX_RESOLUTIONS: u32 = 5;

/// What of an event a conflict with it is decided by.
#[derive(Debug, Clone, Copy)]
pub struct Offer<'a> {
    /// `None` for a tombstone.
    pub data: Option<&'a [u8]>,
    /// When it happened: a tombstone has no other version.
    pub time: Option<TimestampMs>,
}

impl<'a> Offer<'a> {
    /// Of an event as the connector is given it.
    pub fn of(event: &'a Event) -> Self {
        Self { data: event.data.as_deref(), time: event.time }
    }
}

/// What follows a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The external system keeps what it holds: the event settles, with this reason.
    Superseded(String),
    /// The external system holds what the event says, or would be made to say: the event settles.
    AlreadyThere,
    /// The connector is called again with this.
    Again(Resolution),
    /// A person decides: the event becomes a dead letter, with this reason.
    Manual(String),
    /// The same, because the external system changed at every try.
    Endless(String),
}

/// Decides by the subscription's policy, of an event that was answered with so many conflicts before.
pub fn decide(policy: &ConflictPolicy, offer: Offer<'_>, conflict: &Conflict, resolutions: u32) -> Decision {
    let event_data = offer.data;
    if is_there(event_data, conflict) {
        return Decision::AlreadyThere;
    }
    let decision = match policy {
        ConflictPolicy::SourceWins => overwrite(conflict),
        ConflictPolicy::TargetWins => Decision::Superseded("the external system wins by policy".to_owned()),
        ConflictPolicy::Manual => {
            Decision::Manual(format!("a person decides by policy: {}", conflict.reason))
        }
        ConflictPolicy::NewestWins { version } => newest_wins(version, offer, conflict)
            .unwrap_or_else(|reason| undecided("cannot tell which is newer", &reason, conflict)),
        ConflictPolicy::Merge { owners, version } => merged(owners, version.as_deref(), event_data, conflict)
            .unwrap_or_else(|reason| undecided("cannot merge", &reason, conflict)),
    };
    match decision {
        Decision::Again(_) if resolutions >= MAX_RESOLUTIONS => Decision::Endless(format!(
            "the external system changed at each of {MAX_RESOLUTIONS} tries: {}",
            conflict.reason
        )),
        decision => decision,
    }
}

/// A person decides. Where nobody says what the external system holds, the connector's reason tells the rest: it may be
/// gone.
fn undecided(cannot: &str, reason: &str, conflict: &Conflict) -> Decision {
    Decision::Manual(match conflict.current {
        Some(_) => format!("{cannot}: {reason}"),
        None => format!("{cannot}: {reason}: {}", conflict.reason),
    })
}

/// Decides where a person has decided before, and the external system has changed since. `written` is what was to be
/// written.
pub fn after_a_person(written: Option<&[u8]>, conflict: &Conflict) -> Decision {
    if is_there(written, conflict) {
        return Decision::AlreadyThere;
    }
    Decision::Manual(format!("the external system has changed since a person decided: {}", conflict.reason))
}

/// Does the external system hold just this? Then the answer to an earlier try was lost, or another did the same.
fn is_there(data: Option<&[u8]>, conflict: &Conflict) -> bool {
    matches!((data, &conflict.current), (Some(data), Some(current)) if json::is_same(data, current))
}

/// The error says why a person decides.
fn newest_wins(pointer: &str, offer: Offer<'_>, conflict: &Conflict) -> Result<Decision, String> {
    let current = conflict.current.as_ref();
    let event = match offer.data {
        Some(event) => compare(pointer, Some(event), current)?,
        None => compare_tombstone(pointer, offer.time, current)?,
    };
    Ok(match event {
        Ordering::Greater => overwrite(conflict),
        Ordering::Equal => Decision::AlreadyThere,
        Ordering::Less => Decision::Superseded(newer(pointer)),
    })
}

/// A tombstone holds no version, and its time stands for it. Never equal: what was written at that very time was there
/// before it was gone.
fn compare_tombstone(
    pointer: &str,
    time: Option<TimestampMs>,
    current: Option<&Bytes>,
) -> Result<Ordering, String> {
    let time = time.ok_or("the event is a tombstone without a time")?;
    let current = value_at(pointer, "what the external system holds", current.map(Bytes::as_ref))?;
    let held_at = instant(&current).ok_or_else(|| {
        format!(
            "the event is a tombstone, whose version is its time, and at `{pointer}` is {current}, no RFC 3339 time"
        )
    })?;
    // The time of an event has no more than milliseconds.
    let is_late = i128::from(held_at.timestamp_millis()) > i128::from(time);
    Ok(if is_late { Ordering::Less } else { Ordering::Greater })
}

fn newer(pointer: &str) -> String {
    format!("the external system holds a newer `{pointer}`")
}

fn overwrite(conflict: &Conflict) -> Decision {
    Decision::Again(Resolution::Overwrite(conflict.version.clone()))
}

/// The error says why a person decides.
fn merged(
    owners: &Owners,
    version: Option<&str>,
    event_data: Option<&[u8]>,
    conflict: &Conflict,
) -> Result<Decision, String> {
    let event = event_data.ok_or("the event has no data: it is a tombstone")?;
    let current =
        conflict.current.as_ref().ok_or("the connector does not say what the external system holds")?;
    // What is written back would hold the mark in the secret's place.
    if memmem::find(current, STRUCK.as_bytes()).is_some() {
        return Err(
            "the external system holds a secret of the connector in it, which is struck out".to_owned()
        );
    }
    if let Some(pointer) = version
        && is_older(pointer, event, current)?
    {
        return Ok(Decision::Superseded(newer(pointer)));
    }
    let data = merge::merge(owners, event, current)?;
    if json::is_same(&data, current) {
        return Ok(Decision::AlreadyThere);
    }
    let (data, version) = (data.into(), conflict.version.clone());
    Ok(Decision::Again(Resolution::Merged { data, version }))
}

/// Was the event overtaken by another of the source's? What the source never wrote to holds nothing to compare with.
fn is_older(pointer: &str, event: &[u8], current: &Bytes) -> Result<bool, String> {
    let is_missing = serde_json::from_slice::<Value>(current)
        .is_ok_and(|held| held.pointer(pointer).is_none_or(Value::is_null));
    Ok(!is_missing && compare(pointer, Some(event), Some(current))? == Ordering::Less)
}

fn compare(pointer: &str, event_data: Option<&[u8]>, current: Option<&Bytes>) -> Result<Ordering, String> {
    let event = value_at(pointer, "the event", event_data)?;
    let current = value_at(pointer, "what the external system holds", current.map(Bytes::as_ref))?;
    if let (Some(event), Some(current)) = (integer(&event), integer(&current)) {
        return Ok(event.cmp(&current));
    }
    if let (Some(event), Some(current)) = (instant(&event), instant(&current)) {
        return Ok(event.cmp(&current));
    }
    if event.is_string() && event == current {
        return Ok(Ordering::Equal);
    }
    Err(format!("at `{pointer}` are {event} and {current}, not two RFC 3339 times or two integers"))
}

fn value_at(pointer: &str, whose: &str, data: Option<&[u8]>) -> Result<Value, String> {
    let data = data.ok_or_else(|| format!("{whose} has no data to compare"))?;
    let mut json: Value =
        serde_json::from_slice(data).map_err(|error| format!("{whose} is not JSON: {error}"))?;
    match json.pointer_mut(pointer) {
        None | Some(Value::Null) => Err(format!("{whose} has nothing at `{pointer}`")),
        Some(Value::Array(_) | Value::Object(_)) => {
            Err(format!("{whose} has no single value at `{pointer}`"))
        }
        Some(value @ (Value::Bool(_) | Value::Number(_) | Value::String(_))) => Ok(value.take()),
    }
}

fn integer(value: &Value) -> Option<i128> {
    value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from))
}

/// Compared as instants: `12:00+02:00` is `10:00Z`.
fn instant(value: &Value) -> Option<DateTime<FixedOffset>> {
    DateTime::parse_from_rfc3339(value.as_str()?).ok()
}

#[cfg(test)]
mod tests;
