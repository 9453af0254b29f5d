//! Which request of a function that runs again and again belongs to which recorded reply.
//!
//! A request takes the next place of the current round when it is first polled, and never has its reply in
//! the same pass. After each pass the round ends: if the host has recorded its replies, they become available
//! and the function is polled again; if not, the round's requests are the next step. So a place depends on
//! the function alone, and not on how much was recorded, and joined branches that ask for more than one thing
//! keep theirs.

use std::fmt;

use crate::raw::connector::liaison::plugin::effects::{Effect, Reply};

/// A round, and a position in it, both from 0.
pub(crate) type Place = (u32, u32);

/// All that one attempt asked and was answered, up to the current pass.
#[derive(Debug)]
pub(crate) struct Rounds {
    /// Rounds that have not come yet in this run of the function.
    recorded: std::vec::IntoIter<Vec<Reply>>,
    /// Rounds that have; an answer is taken once.
    answered: Vec<Vec<Option<(Effect, Reply)>>>,
    /// The current round.
    asked: Vec<Effect>,
    /// What it asks delivers the event.
    settles: bool,
}

impl Rounds {
    pub(crate) fn new(recorded: Vec<Vec<Reply>>) -> Self {
        Self { recorded: recorded.into_iter(), answered: Vec::new(), asked: Vec::new(), settles: false }
    }

    /// Takes the next place of the current round.
    pub(crate) fn ask(&mut self, effect: Effect) -> Place {
        let place = (index(self.answered.len()), index(self.asked.len()));
        self.asked.push(effect);
        place
    }

    /// What the current round asks delivers the event, if it is one thing alone.
    pub(crate) fn settles(&mut self) {
        self.settles = true;
    }

    /// Does the round that is asked now deliver the event?
    pub(crate) fn is_settling(&self) -> bool {
        self.settles
    }

    /// What was asked there and what came of it, once its round has ended.
    pub(crate) fn answer(&mut self, (round, position): Place) -> Option<(Effect, Reply)> {
        self.answered.get_mut(round as usize)?.get_mut(position as usize)?.take()
    }

    /// Ends a round after a pass that left the function waiting: `None` to poll it again, else what to ask
    /// the host.
    pub(crate) fn end_round(&mut self) -> Result<Option<Vec<Effect>>, Fault> {
        if self.asked.is_empty() {
            return Err(Fault::Foreign);
        }
        let asked = std::mem::take(&mut self.asked);
        let Some(replies) = self.recorded.next() else {
            return Ok(Some(asked));
        };
        self.settles = false;
        if asked.len() != replies.len() {
            return Err(Fault::Changed {
                round: self.answered.len(),
                asked: asked.len(),
                recorded: replies.len(),
            });
        }
        self.answered.push(asked.into_iter().zip(replies).map(Some).collect());
        Ok(None)
    }

    /// The function has ended with this request, whose reply ends the attempt.
    pub(crate) fn last(&mut self, effect: Effect) -> Result<Last, Fault> {
        let round = self.answered.len();
        let Some(mut replies) = self.recorded.next() else {
            return Ok(Last::Asked(effect));
        };
        let recorded = replies.len();
        match replies.pop() {
            Some(reply) if recorded == 1 => {
                self.answered.push(Vec::new());
                self.end()?;
                Ok(Last::Answered(effect, reply, (index(round), 0)))
            }
            Some(_) | None => Err(Fault::Changed { round, asked: 1, recorded }),
        }
    }

    /// The function has ended: it must have come as far as it did before.
    pub(crate) fn end(&mut self) -> Result<(), Fault> {
        match self.recorded.next() {
            Some(replies) => {
                Err(Fault::Changed { round: self.answered.len(), asked: 0, recorded: replies.len() })
            }
            None => Ok(()),
        }
    }
}

fn index(length: usize) -> u32 {
    u32::try_from(length).expect("requests fit in memory, each with more than one byte")
}

/// A request that the function has ended with.
#[derive(Debug)]
pub(crate) enum Last {
    Asked(Effect),
    Answered(Effect, Reply, Place),
}

/// A plugin's function that cannot be run in steps: a mistake of its author.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It waits for something that is no request.
    Foreign,
    /// Run again, it does not ask what it asked before.
    Changed { round: usize, asked: usize, recorded: usize },
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Foreign => formatter.write_str(
                "plugin fault: it awaits something that is no request of `http`; only requests, `join` and `join_all` can \
                 be awaited",
            ),
            Fault::Changed { round, asked, recorded } => write!(
                formatter,
                "plugin fault: run again with the same arguments, it makes {asked} requests in round {round} where it \
                 made {recorded} before; what it asks must depend on its arguments and the replies alone",
            ),
        }
    }
}
