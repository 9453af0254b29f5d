//! The journal of a subscription: what its deliveries were answered, so that nothing that was done is done again.
//!
//! A connector of several calls (create a case, upload a file, book a date) may end between two of them: the host is
//! killed, the partition moves to another host, or the upload fails and is tried again. Without a journal the next
//! attempt begins with its first call. With `journal = true` it goes on from what was already answered: a connector is a
//! pure function, so handed the same arguments and the same replies it asks for the same things, up to the point where
//! the attempt before it ended.
//!
//! `rounds` decides what is kept and what a later attempt may use, `entry` is its form in Kafka, `store` reads and
//! writes the topic. Who owns which part of it, and when an entry goes, is the subscription's business.
//!
//! **When it is written.** Before an attempt performs a further round, all rounds up to the last one that asked for a
//! change (any method but `GET`, `HEAD`, `OPTIONS`, `TRACE`) are in the topic, acknowledged by every replica. A connector
//! that makes one call therefore never writes. If Kafka does not take the entry, the attempt ends there, counts nothing,
//! and is made again.
//!
//! **With which arguments.** `attempt`, `now`, `seed`, `deadline` and the conflict's resolution are in the entry, and
//! handed to the connector again with the replies. An attempt that goes on from a journal tells the connector the time
//! at which the first of its rounds was asked.
//!
//! **What of a failed attempt is kept for the next.** An attempt that was cut off goes on exactly where it was, failed
//! replies included. One that ended with an outcome that wants another attempt keeps its rounds up to the last change
//! that was done, which means answered below 400; a reply that failed (no connection, 429, 5xx, 401 …) is never the
//! answer for ever, the next attempt asks again. Of a round of several effects in which some failed, those that were
//! done are kept and the others asked again. Two cases stand out:
//! - the last round was done, and the connector wants another attempt all the same: it is not content with that answer
//!   ("busy, come back"), so this round is asked again;
//! - the same after an earlier change had failed: the connector has undone something, or found another way. What was
//!   kept may no longer hold, so the next attempt starts over.
//!
//! In doubt the journal is kept: what it holds too long ends as a dead letter that a person sees, what it forgets too
//! early is done twice.
//!
//! **If the connector asks for something else.** The entry holds a digest of each request. A plugin that was replaced,
//! or that is not a pure function, may now ask for something else in a round that was done. Neither of the two ways on
//! is safe by itself: the old replies answer other questions, and starting over does again what was done. So the attempt
//! fails ([`Fault::Changed`](crate::contract::Fault::Changed), logged and counted), and after three of them the event is
//! a dead letter: the subscription asked for nothing to be repeated, so a person decides, and a redrive starts over.
//! Putting the old plugin back in time lets it go on. The digest of the plugin itself does not matter: one that was
//! mended in a later call goes on from the earlier ones. Only when the conflict policy gave the connector a resolution
//! that it did not have before may it ask for something else: from there on the journal is not used.
//!
//! **Whose entry counts.** An entry's key is the place of its record, the part of it, and the *term* of the host that
//! had the partition: the time at which it was assigned, at least one more than any term in the journal. A host reads
//! the journal to its end before the deliveries of a new partition start, and takes the entry of the highest term. What
//! a former owner writes late is under a key of its own: it hides nothing, and goes when the event's offset is committed.
//!
//! **When it goes.** When the commit that covers the event is acknowledged, and not before: an event that is settled but
//! not committed comes again after a crash. What a crash leaves behind goes with the next owner's first commit.

pub(crate) mod entry;
pub(crate) mod rounds;
pub(crate) mod store;
