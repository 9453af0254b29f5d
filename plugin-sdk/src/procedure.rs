//! Connectors that call procedures, as gRPC and SOAP do: a lookup, and a create, a write or a delete after it.
//!
//! A protocol says what a call is and what its answer means; this says which call comes next, when an event is too old,
//! and what becomes a conflict. It decides no conflict: the host's policy does, by what the external system holds.

use std::cmp::Ordering;

use serde::Deserialize;
use serde_json::Value;

use crate::failure::Failure;
use crate::outcome::{Delivery, Outcome, Receipt};
use crate::template::{Source, scalar};

/// What a procedure is called for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// To see what the external system holds.
    Lookup,
    /// To write what is not there yet.
    Create,
    Write,
    Delete,
}

/// What a call was answered.
#[derive(Debug)]
pub enum Answer {
    /// It was done; what came back, as JSON.
    Done(Value),
    /// What it is about is not there, and how that was said.
    Missing(String),
    /// What is there is another one, or is there already, and how that was said.
    Conflict(String),
    /// Anything else.
    Ended(Outcome),
}

/// When to look at what the external system holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// Before each change.
    #[default]
    Before,
    /// Only after the external system found a conflict itself.
    Conflict,
}

/// Which procedures there are, and where in data and answers things stand, as JSON pointers.
#[derive(Debug, Clone)]
pub struct Plan {
    pub lookup: Option<When>,
    pub has_create: bool,
    /// Events of these types delete, although they have data.
    pub deletes: Vec<String>,
    /// The version in the event's data and in what the external system holds: times (RFC 3339) or whole numbers.
    pub version: String,
    /// In a lookup's answer: what it holds, in the shape of the event's data. Empty: all of it.
    pub current: String,
    /// In an answer: what a change has to name, so that nothing else is overwritten.
    pub etag: Option<String>,
    /// In the answer to a change: what the external system calls it.
    pub external_id: Option<String>,
}

impl Plan {
    /// Does this event delete?
    pub fn is_deletion(&self, delivery: &Delivery) -> bool {
        delivery.data().is_none() || self.deletes.contains(&delivery.event.type_)
    }

    /// One attempt. `ask` makes a call and says what its answer means.
    ///
    /// # Errors
    ///
    /// What `ask` fails with, and what [`Source::data`] does.
    pub async fn deliver(
        &self,
        delivery: &Delivery,
        ask: impl AsyncFn(Role, &Source<'_>) -> Result<Answer, Failure>,
    ) -> Result<Outcome, Failure> {
        let is_deletion = self.is_deletion(delivery);
        let mut source = Source::new(delivery);
        let mut first = if is_deletion { Role::Delete } else { Role::Write };
        let mut was_missing = false;
        // Once the host has decided, it is known what is there, and that it is written over.
        if self.lookup == Some(When::Before) && delivery.resolution.is_none() {
            match ask(Role::Lookup, &source).await? {
                Answer::Done(found) => match self.held(found) {
                    Some(held) => match self.against(delivery, &source, held)? {
                        Against::Older(etag) => source = source.with_etag(etag),
                        Against::Ends(outcome) => return Ok(outcome),
                    },
                    None if is_deletion => return Ok(Outcome::skipped("there is nothing to delete")),
                    None => (first, was_missing) = (self.when_missing(), true),
                },
                Answer::Missing(why) if is_deletion => return Ok(Outcome::skipped(why)),
                Answer::Missing(_) => (first, was_missing) = (self.when_missing(), true),
                Answer::Conflict(why) => return Ok(Outcome::conflict(None, None, why)),
                Answer::Ended(outcome) => return Ok(outcome),
            }
        }
        let mut answer = ask(first, &source).await?;
        if let (Role::Write, true, Answer::Missing(_)) = (first, self.has_create, &answer) {
            answer = ask(Role::Create, &source).await?;
        }
        match answer {
            Answer::Done(answer) => Ok(Outcome::Delivered(self.receipt(&answer))),
            // It was not there, and now something is in the way: the next attempt sees what.
            Answer::Conflict(why) if was_missing => Ok(Outcome::retry(why)),
            Answer::Missing(_) if is_deletion => Ok(Outcome::delivered()),
            Answer::Missing(why) => Ok(Outcome::rejected(why)),
            Answer::Conflict(why) => self.conflict(delivery, source, why, ask).await,
            Answer::Ended(outcome) => Ok(outcome),
        }
    }

    fn when_missing(&self) -> Role {
        if self.has_create { Role::Create } else { Role::Write }
    }

    /// The external system found a conflict itself: with what it holds now, where that can be seen.
    async fn conflict(
        &self,
        delivery: &Delivery,
        source: Source<'_>,
        why: String,
        ask: impl AsyncFn(Role, &Source<'_>) -> Result<Answer, Failure>,
    ) -> Result<Outcome, Failure> {
        if self.lookup.is_none() {
            return Ok(Outcome::conflict(None, None, why));
        }
        let found = match ask(Role::Lookup, &source).await? {
            Answer::Done(found) => self.held(found),
            Answer::Ended(outcome @ (Outcome::Retry(_) | Outcome::Throttled(_) | Outcome::Denied(_))) => {
                return Ok(outcome);
            }
            Answer::Missing(_) => None,
            Answer::Conflict(_) | Answer::Ended(_) => return Ok(Outcome::conflict(None, None, why)),
        };
        // Somebody removed it in between, or it cannot be seen: the next attempt finds out.
        let Some(held) = found else { return Ok(Outcome::retry(why)) };
        let is_decided = delivery.resolution.is_some();
        match self.compare(delivery, &source, held)? {
            (held, Some(Ordering::Equal)) if !is_decided => Ok(already_there(held)),
            (held, _) => Ok(held.conflict(why)),
        }
    }

    /// What a lookup found; nothing where its answer holds none.
    fn held(&self, answer: Value) -> Option<Held> {
        let etag = self.text(&answer, self.etag.as_deref());
        let current = answer.pointer(&self.current).filter(|current| !is_nothing(current));
        current.cloned().map(|current| Held { current, etag })
    }

    fn against(&self, delivery: &Delivery, source: &Source<'_>, held: Held) -> Result<Against, Failure> {
        let pointer = &self.version;
        Ok(match self.compare(delivery, source, held)? {
            (held, Some(Ordering::Greater)) => Against::Older(held.etag),
            (held, Some(Ordering::Equal)) => Against::Ends(already_there(held)),
            (held, Some(Ordering::Less)) => {
                Against::Ends(held.conflict(format!("the external system holds a newer `{pointer}`")))
            }
            (held, None) => {
                Against::Ends(held.conflict(format!(
                    "the event's `{pointer}` cannot be compared with the one that is held"
                )))
            }
        })
    }

    /// How the event's version stands to the one that is held. A tombstone has none and comes after all; what is held
    /// without one comes before all.
    fn compare(
        &self,
        delivery: &Delivery,
        source: &Source<'_>,
        mut held: Held,
    ) -> Result<(Held, Option<Ordering>), Failure> {
        if delivery.data().is_none() {
            return Ok((held, Some(Ordering::Greater)));
        }
        let Some(there) = held.current.pointer_mut(&self.version).filter(|there| !there.is_null()) else {
            return Ok((held, Some(Ordering::Greater)));
        };
        let Some(own) = source.data()?.pointer(&self.version) else { return Ok((held, None)) };
        // Protocols without numbers, or with small ones only, write them as text: the host compares what it is given.
        if let (Value::Number(_), Value::String(text)) = (own, &*there)
            && let Ok(number) = text.parse::<i64>()
        {
            *there = number.into();
        }
        let ordering = order(own, there);
        Ok((held, ordering))
    }

    fn receipt(&self, answer: &Value) -> Receipt {
        let external_id = self.text(answer, self.external_id.as_deref());
        Receipt { external_id, version: self.text(answer, self.etag.as_deref()) }
    }

    fn text(&self, answer: &Value, pointer: Option<&str>) -> Option<String> {
        answer.pointer(pointer?).and_then(scalar).filter(|text| !text.is_empty())
    }
}

enum Against {
    /// What is held is older, and this names it.
    Older(Option<String>),
    Ends(Outcome),
}

/// What the external system holds.
struct Held {
    current: Value,
    etag: Option<String>,
}

impl Held {
    fn conflict(self, why: impl Into<String>) -> Outcome {
        Outcome::conflict(self.etag, Some(self.current.to_string().into_bytes()), why)
    }
}

fn already_there(held: Held) -> Outcome {
    let etag = held.etag.map(|etag| format!(", as version {etag}")).unwrap_or_default();
    Outcome::skipped(format!("already there{etag}"))
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// As the host compares: two whole numbers, or two instants. Nothing where they are neither.
fn order(one: &Value, other: &Value) -> Option<Ordering> {
    let whole = |value: &Value| value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from));
    if let (Some(one), Some(other)) = (whole(one), whole(other)) {
        return Some(one.cmp(&other));
    }
    let (one, other) = (one.as_str()?, other.as_str()?);
    match (instant(one), instant(other)) {
        (Some(one), Some(other)) => Some(one.cmp(&other)),
        _ => (one == other).then_some(Ordering::Equal),
    }
}

/// Seconds since 1970 and nanoseconds, of an RFC 3339 time.
fn instant(text: &str) -> Option<(i64, u32)> {
    let number = |range: std::ops::Range<usize>| {
        let digits = text.get(range)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<i64>().ok())?
    };
    let at =
        |index: usize, allowed: &[u8]| text.as_bytes().get(index).is_some_and(|byte| allowed.contains(byte));
    let separated = at(4, b"-") && at(7, b"-") && at(10, b"Tt ") && at(13, b":") && at(16, b":");
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let is_valid = separated
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    let mut rest = text.get(19..).filter(|_| is_valid)?;
    let mut nanoseconds = 0;
    if let Some(fraction) = rest.strip_prefix('.') {
        let length = fraction.bytes().take_while(u8::is_ascii_digit).count();
        let digits = fraction.get(..length.min(9)).filter(|digits| !digits.is_empty())?;
        nanoseconds = format!("{digits:0<9}").parse().ok()?;
        rest = &fraction[length..];
    }
    let offset = match (rest, rest.as_bytes()) {
        ("Z" | "z", _) => 0,
        (_, [sign @ (b'+' | b'-'), _, _, b':', _, _]) => {
            let part = |range| rest.get(range).and_then(|digits: &str| digits.parse::<i64>().ok());
            let seconds = part(1..3)? * 3600 + part(4..6)? * 60;
            if *sign == b'-' { -seconds } else { seconds }
        }
        _ => return None,
    };
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
    Some((seconds, nanoseconds))
}

/// Days since 1970-01-01 in the Gregorian calendar, with years that begin in March so that a leap day comes last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests;
