//! How an event stands to what a calendar holds: which of the two is newer, what somebody else changed, and what of that
//! the host is shown. Pure.

use std::cmp::Ordering;

use jiff::Timestamp;
use liaison_sdk::etag;
use liaison_sdk::prelude::*;
use liaison_sdk::version::{Standing, Version};

use crate::component::Component;
use crate::current::{self, Style};
use crate::decide::{Held, Step};
use crate::field::Field;
use crate::marks::Marks;
use crate::settings::ByOthers;
use crate::task::{Intent, Task};

const NANOSECONDS: i128 = 1_000_000_000;

impl Task<'_> {
    /// To the event that was written last. Where events have no versions, each is newer than the one before.
    pub(crate) fn standing(&self, marks: &Marks) -> Standing {
        match &self.settings.version {
            Some(_) => self.offered.against(marks.version.as_ref()),
            None => Standing::Newer,
        }
    }

    /// Why the event may not be written, or what is held removed: somebody else changed these fields, or the event is
    /// not newer.
    pub(crate) fn objection(&self, event: &Component, marks: &Marks, fields: &[Field]) -> Option<String> {
        let foreign = fields.iter().find(|field| marks.is_foreign(**field, event));
        let by_others = foreign.map(|field| {
            format!("somebody else changed the {} of the appointment in the calendar", field.name())
        });
        by_others.or_else(|| match self.standing(marks) {
            Standing::Equal => {
                Some("the calendar holds this version already, with another content".to_owned())
            }
            standing => standing.objection().map(str::to_owned),
        })
    }

    /// Why a decision of the host's may not be carried out: it was made over something else than what is held now.
    pub(crate) fn not_as_decided(&self, held: &Held) -> Option<String> {
        let reason = match self.delivery.version() {
            Some(version) if etag::is_same(version, &held.version) => return None,
            Some(_) => "the appointment was changed again since the conflict was decided",
            None => "the conflict was decided without saying over which version of the appointment",
        };
        Some(reason.to_owned())
    }

    /// The version that the appointment has after this event: a merge with an older one makes it no older.
    pub(crate) fn version_after(&self, marks: &Marks) -> Option<Version> {
        let known = marks.version.as_ref();
        let (Some(offered), Some(_)) = (self.offered.version(), &self.settings.version) else {
            return known.cloned();
        };
        let is_merged = matches!(self.delivery.resolution, Some(Resolution::Merged(_)));
        let order = known.and_then(|known| offered.compare(known));
        let stays = match &self.data {
            // The time of a tombstone is a version only beside another time.
            None => order != Some(Ordering::Greater),
            Some(_) => is_merged && order == Some(Ordering::Less),
        };
        if stays { known } else { Some(offered) }.cloned()
    }

    /// For the host to decide. In dispute are these fields, or all that somebody else changed.
    pub(crate) fn conflict(
        &self,
        held: &Held,
        event: &Component,
        marks: &Marks,
        changes: &[Field],
        reason: &str,
    ) -> Step {
        let foreign = |fields: &[Field]| -> Vec<Field> {
            fields.iter().copied().filter(|field| marks.is_foreign(*field, event)).collect()
        };
        let mut disputed = foreign(changes);
        if disputed.is_empty() {
            disputed = foreign(&Field::ALL);
        }
        let version = self.held_version(held, event, marks, &disputed);
        let mut style = Style::of(self.settings, self.data.as_ref());
        // Else an event that cancels by its type alone would be taken for what is there already.
        style.says_status = self.intent != Intent::Write;
        let current = current::json(self.settings, &self.uid, event, version.as_ref(), style);
        Step::Settle(Outcome::conflict(Some(held.version.clone()), Some(current), reason))
    }

    /// The version of what is held, as the host is to see it: that of the event that was written last, or the time at
    /// which somebody else changed what is in dispute. Nothing where neither says which of the two is newer.
    fn held_version(
        &self,
        held: &Held,
        event: &Component,
        marks: &Marks,
        disputed: &[Field],
    ) -> Option<Version> {
        let known = marks.version.as_ref();
        if disputed.is_empty() {
            return known.cloned();
        }
        // Whether somebody's change is removed with the rest is for a person.
        self.data.as_ref()?;
        let is_newer = self.standing(marks) == Standing::Newer;
        let offered = self.offered.version().filter(|_| is_newer);
        let are_times = known.into_iter().chain(offered).all(|version| version.instant().is_some());
        let times = disputed.iter().map(|field| marks.changed_at(*field, event, held.modified));
        let changed = times.collect::<Option<Vec<_>>>().and_then(|times| times.into_iter().max());
        match changed.filter(|_| are_times && self.settings.changes_by_others == ByOthers::Dated) {
            None => known.filter(|_| !is_newer).cloned(),
            // Of two changes of one second nobody can say which was later: neither is newer.
            Some(changed) if offered.is_some_and(|offered| second(offered) == whole_second(changed)) => {
                offered.cloned()
            }
            Some(changed) if known.is_some_and(|known| second(known) >= whole_second(changed)) => {
                known.cloned()
            }
            Some(changed) => Version::of(Some(&changed.to_string().into())),
        }
    }
}

/// A calendar's times have no finer ones.
fn second(version: &Version) -> Option<i128> {
    version.instant().map(|instant| instant.div_euclid(NANOSECONDS))
}

fn whole_second(time: Timestamp) -> Option<i128> {
    Some(time.as_nanosecond().div_euclid(NANOSECONDS))
}

#[cfg(test)]
mod tests;
