//! The versions of transformers on trial that made what is delivered of one event, until it is known whether they made it
//! well. Pure but for their tallies.
//!
//! A transformer that answers has not shown much: what it emits may be nothing that the connector can deliver. So what it
//! emitted is judged by its end. Where the connector rejects it, the versions before make it anew, and deliver in the same
//! way: if that goes well the new ones have failed, and if it is rejected as well it is the event that is wrong.

use std::sync::Arc;

use super::stages::served::Tally;

/// Who made it; nobody on trial, most of the time.
#[derive(Debug, Default)]
pub(crate) struct Makers {
    tallies: Vec<Arc<Tally>>,
    /// Why the connector rejected what they made: the versions before have made it anew.
    rejected: Option<String>,
}

impl Makers {
    /// These have made it.
    pub(crate) fn made(&mut self, tallies: Vec<Arc<Tally>>) {
        self.tallies.extend(tallies);
    }

    /// The connector rejects it. True where the versions before are to make it anew.
    pub(crate) fn rejected(&mut self, why: &str) -> bool {
        let is_first = self.rejected.is_none() && !self.tallies.is_empty();
        if is_first {
            self.rejected = Some(why.to_owned());
        }
        is_first
    }

    /// Are the versions before asked in their place?
    pub(crate) fn are_replaced(&self) -> bool {
        self.rejected.is_some()
    }

    /// The event ended as it should.
    pub(crate) fn ended_well(&mut self) {
        let Self { tallies, rejected } = std::mem::take(self);
        for tally in tallies {
            match &rejected {
                Some(why) => tally.failed(&format!("the connector rejected what it emitted: {why}")),
                None => tally.passed(),
            }
        }
    }

    /// It is given up. Where what the versions before made is rejected too, that is the event's own fault; anything else says
    /// nothing of them.
    pub(crate) fn ended_badly(&mut self, is_rejected: bool) {
        let Self { tallies, rejected } = std::mem::take(self);
        if is_rejected && rejected.is_some() {
            tallies.iter().for_each(|tally| tally.passed());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::stages::served::Counts;
    use super::*;

    /// What is counted of one that made an event which came to this.
    fn counted(end: impl FnOnce(&mut Makers)) -> (u64, u64) {
        let tally = Arc::new(Tally::default());
        let mut makers = Makers::default();
        makers.made(vec![tally.clone()]);
        end(&mut makers);
        // Once, whatever comes later.
        makers.ended_well();
        let Counts { judged, failed } = tally.counts();
        (judged, failed)
    }

    #[test]
    fn one_on_trial_is_judged_by_what_becomes_of_what_it_made() {
        assert_eq!(counted(|makers| makers.ended_well()), (1, 0));
        let replaced = |makers: &mut Makers| {
            assert!(makers.rejected("no such room") && makers.are_replaced());
            assert!(!makers.rejected("no such room"), "the versions before are asked once");
        };
        assert_eq!(
            counted(|makers| {
                replaced(makers);
                makers.ended_well();
            }),
            (1, 1)
        );
        for (is_rejected, judged) in [(true, 1), (false, 0)] {
            assert_eq!(
                counted(|makers| {
                    replaced(makers);
                    makers.ended_badly(is_rejected);
                }),
                (judged, 0)
            );
            assert_eq!(counted(|makers| makers.ended_badly(is_rejected)), (0, 0), "nobody else was asked");
        }
        assert!(!Makers::default().rejected("nobody is on trial"));
    }
}
