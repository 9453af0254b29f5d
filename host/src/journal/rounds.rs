//! What an attempt was answered: what of it is kept, and what a later attempt is told of it. Pure.
//!
//! The rules, and why they are so, are in [`super`].

use sha2::{Digest as _, Sha256};

use crate::contract::{
    Content, Delivery, Effect, Fault, HttpResponse, Kept, Reply, Resolution, SqlResponse, TimestampMs,
};

/// What tells one request from another: the first half of its sha256.
pub(crate) type Digest = u128;

/// What one delivery was answered so far. Without rounds it starts over.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    /// Of the event and its part: an entry of another event is none.
    pub(crate) idempotency_key: String,
    pub(crate) arguments: Arguments,
    pub(crate) rounds: Vec<Vec<Answered>>,
}

/// What a connector was given beside the event and the replies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub(crate) attempt: u32,
    pub(crate) now: TimestampMs,
    pub(crate) seed: u64,
    pub(crate) deadline: Option<TimestampMs>,
    pub(crate) resolution: Option<Resolution>,
}

/// One effect: what was asked, and the reply where it is kept.
#[derive(Debug, Clone)]
pub(crate) struct Answered {
    pub(crate) asked: Digest,
    pub(crate) reply: Option<Reply>,
}

/// How an attempt came to its end, as far as that matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The connector has seen the last replies, and wants another attempt.
    Unhappy,
    /// The connector failed on the last replies.
    Fault,
}

impl Arguments {
    pub(crate) fn of(delivery: &Delivery) -> Self {
        Self {
            attempt: delivery.attempt,
            now: delivery.now,
            seed: delivery.seed,
            deadline: delivery.deadline,
            resolution: delivery.resolution.clone(),
        }
    }
}

impl Recorded {
    /// The memory it takes, nearly.
    pub(crate) fn bytes(&self) -> usize {
        let asked = self.rounds.iter().map(|round| round.len() * size_of::<Answered>()).sum::<usize>();
        asked + self.replies().map(|reply| reply.bytes() + reply.kept_bytes()).sum::<usize>()
    }

    fn replies(&self) -> impl Iterator<Item = &Reply> {
        self.rounds.iter().flatten().filter_map(|answered| answered.reply.as_ref())
    }
}

/// The replies that the journal holds to the next round, one an effect; nothing where it holds none of that round.
///
/// Fails if something else was asked and answered there, unless a new resolution explains it: then the journal is put
/// away.
pub(crate) fn recall(
    recorded: &mut Option<&Recorded>,
    delivery: &Delivery,
    effects: &[Effect],
) -> Result<Vec<Option<Reply>>, Fault> {
    let round = delivery.rounds.len();
    let Some((journal, answered)) = recorded.and_then(|journal| Some((journal, journal.rounds.get(round)?)))
    else {
        return Ok(Vec::new());
    };
    let is_same = answered.len() == effects.len()
        && answered.iter().zip(effects).all(|(answered, effect)| answered.asked == digest(effect));
    if is_same {
        return Ok(answered.iter().map(|answered| answered.reply.clone()).collect());
    }
    if journal.arguments.resolution != delivery.resolution {
        *recorded = None;
        return Ok(Vec::new());
    }
    Err(Fault::Changed(format!(
        "round {} of it was done, and the plugin now asks for something else there; put the old plugin back, or redrive \
         it to start over",
        round + 1
    )))
}

/// All rounds up to the last one that asked for a change, as they are: what an attempt that is cut off goes on from.
pub(crate) fn so_far(asked: &[Vec<Effect>], replies: &[Vec<Reply>]) -> Vec<Vec<Answered>> {
    let changing = asked.iter().rposition(|effects| effects.iter().any(changes));
    let end = changing.map_or(0, |last| last + 1);
    rounds(asked, replies).take(end).map(|round| round.answered(|_, _| true)).collect()
}

/// What an attempt that ended like this leaves to the next one; nothing if that starts over.
pub(crate) fn kept(asked: &[Vec<Effect>], replies: &[Vec<Reply>], end: End) -> Vec<Vec<Answered>> {
    let all: Vec<Round<'_>> = rounds(asked, replies).collect();
    let Some(last) = all.iter().rposition(Round::has_done) else { return Vec::new() };
    let is_complete = !all[last].has_undone();
    let is_refused = end == End::Unhappy && is_complete && last + 1 == all.len();
    let last = if is_refused {
        let before = &all[..last];
        match before.iter().rposition(Round::has_done) {
            Some(last) if !before.iter().any(Round::has_undone) => last,
            Some(_) | None => return Vec::new(),
        }
    } else {
        last
    };
    let mut kept: Vec<_> = all[..last].iter().map(|round| round.answered(|_, _| true)).collect();
    let is_kept = |effect: &Effect, reply: &Reply| is_complete || is_done(effect, reply);
    kept.push(all[last].answered(is_kept));
    kept
}

/// How many rounds and replies these are. Of what grew out of one attempt, more tells more.
pub(crate) fn extent(rounds: &[Vec<Answered>]) -> (usize, usize) {
    let replies = rounds.iter().flatten().filter(|answered| answered.reply.is_some());
    (rounds.len(), replies.count())
}

/// Did both ask for the same, as far as both go?
pub(crate) fn agree(one: &[Vec<Answered>], other: &[Vec<Answered>]) -> bool {
    let is_same = |one: &Vec<Answered>, other: &Vec<Answered>| {
        one.iter().map(|answered| answered.asked).eq(other.iter().map(|answered| answered.asked))
    };
    one.iter().zip(other).all(|(one, other)| is_same(one, other))
}

/// What one step asked for, and the replies.
#[derive(Clone, Copy)]
struct Round<'a> {
    asked: &'a [Effect],
    replies: &'a [Reply],
}

fn rounds<'a>(asked: &'a [Vec<Effect>], replies: &'a [Vec<Reply>]) -> impl Iterator<Item = Round<'a>> {
    asked.iter().zip(replies).map(|(asked, replies)| Round { asked, replies })
}

impl<'a> Round<'a> {
    fn pairs(self) -> impl Iterator<Item = (&'a Effect, &'a Reply)> {
        self.asked.iter().zip(self.replies)
    }

    fn has_done(&self) -> bool {
        self.pairs().any(|(effect, reply)| is_done(effect, reply))
    }

    /// A change was asked for, and is not done as far as we know.
    fn has_undone(&self) -> bool {
        self.pairs().any(|(effect, reply)| changes(effect) && !is_done(effect, reply))
    }

    fn answered(&self, is_kept: impl Fn(&Effect, &Reply) -> bool) -> Vec<Answered> {
        let answered = |(effect, reply): (&Effect, &Reply)| Answered {
            asked: digest(effect),
            reply: (is_kept(effect, reply) && !is_asked_again(effect, reply)).then(|| reply.clone()),
        };
        self.pairs().map(answered).collect()
    }
}

/// A body too large for a journal that was only read: a later attempt reads it again.
fn is_asked_again(effect: &Effect, reply: &Reply) -> bool {
    let is_large = |response: &HttpResponse| {
        matches!(response.kept, Some(Kept { content: Content::File(_) | Content::Lost, .. }))
    };
    !changes(effect) && matches!(reply, Reply::Http(response) if is_large(response))
}

/// May it change something there? The methods that may not are RFC 9110's safe ones.
fn changes(effect: &Effect) -> bool {
    match effect {
        Effect::Http(request) => !matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS" | "TRACE"),
        Effect::Grpc(_) => true,
        Effect::Sql(request) => !request.only_reads(),
    }
}

/// A change that was done.
fn is_done(effect: &Effect, reply: &Reply) -> bool {
    let is_taken = match reply {
        Reply::Http(response) => response.status < 400,
        Reply::Grpc(response) => response.status == 0,
        Reply::Sql(response) => matches!(response, SqlResponse::Done(_)),
        Reply::Failed(_) => false,
    };
    changes(effect) && is_taken
}

fn digest(effect: &Effect) -> Digest {
    let text = serde_json::to_vec(effect).expect("text, numbers and lists can always be written as JSON");
    let hash = Sha256::digest(text);
    hash[..size_of::<Digest>()].iter().fold(0, |digest, byte| digest << 8 | Digest::from(*byte))
}

#[cfg(test)]
pub(crate) mod tests;
