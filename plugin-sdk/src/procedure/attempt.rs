//! One attempt: which call follows which, and what comes of it.

use super::held::{Held, Standing, named, text_at};
use super::{Answer, Call, Calls, Lookup, Role, When};
use crate::failure::Failure;
use crate::outcome::{Delivery, Outcome, Receipt};
use crate::template::{Source, Uses};
use crate::version;

struct Attempt<'attempt, C, A> {
    calls: &'attempt Calls<C>,
    delivery: &'attempt Delivery,
    ask: A,
    /// The call of an event that deletes.
    delete: Option<&'attempt C>,
    /// The version that the host decided to write over, where the external system can be held to it.
    decided: Option<&'attempt str>,
}

/// What a lookup has found.
enum Looked {
    /// And how that was said.
    Nothing(String),
    Held(Held),
    /// It did not say.
    Ended(Outcome),
}

/// What is known before a change.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    NotSeen,
    Seen,
    Nothing,
}

impl<C: Call> Calls<C> {
    /// One attempt. `ask` makes a call and says what its answer means.
    ///
    /// # Errors
    ///
    /// What `ask` fails with, what [`Source::data`] does, and [`Failure::Event`] for an event that deletes where nothing is
    /// set for that.
    pub async fn deliver(
        &self,
        delivery: &Delivery,
        ask: impl AsyncFn(Role, &C, &Source<'_>) -> Result<Answer, Failure>,
    ) -> Result<Outcome, Failure> {
        let deletes = delivery.data().is_none() || self.deletes.contains(&delivery.event.type_);
        if deletes && self.delete.is_none() {
            let why = "the event deletes, and the settings have no `delete` to call for that";
            return Err(Failure::Event(why.to_owned()));
        }
        let delete = self.delete.as_ref().filter(|_| deletes);
        let decided = named(delivery.version()).filter(|_| self.etag.is_some());
        Attempt { calls: self, delivery, ask, delete, decided }.run().await
    }

    fn write_of(&self, kind: &str) -> &C {
        self.types.get(kind).unwrap_or(&self.write)
    }
}

impl<C: Call, A: AsyncFn(Role, &C, &Source<'_>) -> Result<Answer, Failure>> Attempt<'_, C, A> {
    async fn run(&self) -> Result<Outcome, Failure> {
        let source = Source::new(self.delivery).with_etag(self.decided.map(str::to_owned));
        let Some(lookup) = self.calls.lookup.as_ref().filter(|lookup| self.must_look(lookup)) else {
            return self.change(source, Before::NotSeen).await;
        };
        match self.look(lookup, &source).await? {
            Looked::Ended(outcome) => Ok(outcome),
            Looked::Nothing(why) if self.delete.is_some() => Ok(Outcome::skipped(why)),
            Looked::Nothing(why) => match self.gone(&why) {
                Some(conflict) => Ok(conflict),
                None => self.change(source.with_etag(None), Before::Nothing).await,
            },
            Looked::Held(held) => match self.standing(&held, &source)? {
                Standing::Free => self.change(source.with_etag(held.etag), Before::Seen).await,
                Standing::AlreadyThere => Ok(held.already_there()),
                Standing::Conflict(why) => Ok(held.conflict(why)),
            },
        }
    }

    /// What becomes of a decision where nothing is there, as was said so.
    fn gone(&self, why: &str) -> Option<Outcome> {
        version::gone(self.delivery, why).filter(|_| self.delete.is_none())
    }

    /// A decision is never written without a look: it is the external system's, which is told what is written over, or
    /// ours.
    fn must_look(&self, lookup: &Lookup<C>) -> bool {
        match self.delivery.resolution {
            Some(_) => self.decided.is_none() || !self.uses().etag,
            None => lookup.when == When::Before,
        }
    }

    /// What the change is made of.
    fn uses(&self) -> Uses {
        self.delete.unwrap_or_else(|| self.calls.write_of(&self.delivery.event.type_)).uses()
    }

    fn standing(&self, held: &Held, source: &Source<'_>) -> Result<Standing, Failure> {
        if self.delivery.resolution.is_some() {
            return Ok(match held.is_version(self.delivery.version()) {
                true => Standing::Free,
                false => Standing::Conflict(version::CHANGED.to_owned()),
            });
        }
        held.standing(&self.calls.version, self.delivery, source, &self.uses(), self.delete.is_some())
    }

    /// A lookup that gave no answer delivers nothing, whatever its answer means to a change.
    async fn look(&self, lookup: &Lookup<C>, source: &Source<'_>) -> Result<Looked, Failure> {
        let shows_nothing = |why: &str| {
            Looked::Ended(Outcome::rejected(format!("the lookup does not show what is there: {why}")))
        };
        Ok(match (self.ask)(Role::Lookup, &lookup.call, source).await? {
            Answer::Done(answer) => match Held::find(self.calls, self.delivery, source, &answer) {
                Some(held) => Looked::Held(held),
                None => Looked::Nothing("the lookup finds nothing".to_owned()),
            },
            Answer::Missing(why) => Looked::Nothing(why),
            // Nothing was written that could be in conflict.
            Answer::Conflict(why) => Looked::Ended(Outcome::retry(why)),
            Answer::Ended(Outcome::Conflict(conflict)) => Looked::Ended(Outcome::retry(conflict.reason)),
            Answer::Ended(Outcome::Delivered(_)) => {
                shows_nothing("the settings count its answer as delivered")
            }
            Answer::Ended(Outcome::Skipped(why)) => shows_nothing(&why),
            Answer::Ended(outcome) => Looked::Ended(outcome),
        })
    }

    async fn change(&self, mut source: Source<'_>, before: Before) -> Result<Outcome, Failure> {
        let write = self.calls.write_of(&self.delivery.event.type_);
        let create = self.calls.create.as_ref();
        let (role, call) = match (self.delete, create, before) {
            (Some(delete), ..) => (Role::Delete, delete),
            (None, Some(create), Before::Nothing) => (Role::Create, create),
            (None, ..) => (Role::Write, write),
        };
        let mut was_missing = before == Before::Nothing;
        let mut answer = (self.ask)(role, call, &source).await?;
        if let Answer::Missing(why) = &answer
            && let Some(conflict) = self.gone(why)
        {
            return Ok(conflict);
        }
        if let (Role::Write, Some(create), Answer::Missing(_)) = (role, create, &answer) {
            (source, was_missing) = (source.with_etag(None), true);
            answer = (self.ask)(Role::Create, create, &source).await?;
        }
        match answer {
            Answer::Done(answer) => Ok(Outcome::Delivered(Receipt {
                external_id: text_at(self.calls.external_id.as_ref(), &answer),
                version: text_at(self.calls.etag.as_ref(), &answer),
            })),
            // It was not there, and now something is in the way: the next attempt sees what.
            Answer::Conflict(why) if was_missing => Ok(Outcome::retry(why)),
            Answer::Conflict(why) => self.refused(source, why).await,
            Answer::Missing(_) if self.delete.is_some() => Ok(Outcome::delivered()),
            // It was there a moment ago: the next attempt finds what has become of it.
            Answer::Missing(why) if before == Before::Seen && !was_missing => Ok(Outcome::retry(why)),
            Answer::Missing(why) => Ok(Outcome::rejected(why)),
            Answer::Ended(outcome) => Ok(outcome),
        }
    }

    /// The external system found a conflict itself: with what it holds now, where that can be seen.
    async fn refused(&self, source: Source<'_>, why: String) -> Result<Outcome, Failure> {
        let Some(lookup) = &self.calls.lookup else { return Ok(Outcome::conflict(None, None, why)) };
        let held = match self.look(lookup, &source).await? {
            Looked::Held(held) => held,
            // Somebody removed it in between: the next attempt finds out, unless it was decided upon.
            Looked::Nothing(missing) => {
                return Ok(self.gone(&missing).unwrap_or_else(|| Outcome::retry(why)));
            }
            Looked::Ended(outcome @ (Outcome::Retry(_) | Outcome::Throttled(_) | Outcome::Denied(_))) => {
                return Ok(outcome);
            }
            Looked::Ended(_) => return Ok(Outcome::conflict(None, None, why)),
        };
        let is_decided = self.delivery.resolution.is_some();
        match is_decided || self.standing(&held, &source)? != Standing::AlreadyThere {
            true => Ok(held.conflict(why)),
            false => Ok(held.already_there()),
        }
    }
}
