//! Keeps the journal of one delivery while it is attempted: what is written before which round, and what at the end.
//!
//! The rules are [`crate::journal`]'s; here they meet the producer. A write that fails is told to people once, until one
//! succeeds again.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::admin::Health;
use crate::alert::AlertKind;
use crate::contract::{Delivery, Effect, Fault, Outcome};
use crate::delivery::attempt::Attempt;
use crate::journal::entry::Key;
use crate::journal::rounds::{Answered, Arguments, End, Recorded, agree, extent, kept, so_far};
use crate::journal::store::outgoing;
use crate::kafka::producer::{ProduceError, Producer};
use crate::subscription::Witness;
use crate::subscription::journal::{Journalled, Slot};

/// How long the write at the end of an attempt may take. If it fails, the next attempt writes before it goes on.
const LAST_WRITE: Duration = Duration::from_secs(5);

/// Where a subscription's journal is written.
#[derive(Debug)]
pub(crate) struct Writer {
    producer: Arc<Producer>,
    topic: String,
    witness: Witness,
    health: Health,
    is_failing: Cell<bool>,
}

/// Keeps the journal of one delivery during one attempt.
#[derive(Debug)]
pub(super) struct Scribe<'a> {
    writer: &'a Writer,
    key: &'a Key,
    /// The sha256 of the plugin that asks now.
    by: Option<[u8; 32]>,
    /// What the attempt goes on from.
    recorded: Option<&'a Recorded>,
    latest: RefCell<Option<Journalled>>,
    /// Something was performed that `recorded` does not hold.
    is_news: Cell<bool>,
}

impl Writer {
    pub(crate) fn new(producer: Arc<Producer>, topic: String, witness: Witness, health: Health) -> Self {
        Self { producer, topic, witness, health, is_failing: Cell::new(false) }
    }

    /// For the delivery with this idempotency key, attempted `by` a plugin; what another delivery left in its slot is
    /// not looked at.
    pub(super) fn scribe<'a>(
        &'a self,
        slot: &'a Slot,
        idempotency_key: &str,
        by: Option<[u8; 32]>,
    ) -> Scribe<'a> {
        let journalled =
            slot.journalled.as_ref().filter(|found| found.recorded.idempotency_key == idempotency_key);
        let recorded = journalled.map(|found| &*found.recorded).filter(|found| !found.rounds.is_empty());
        if recorded.is_some() {
            self.witness.metrics.journal_resumed.inc();
        }
        Scribe {
            writer: self,
            key: &slot.key,
            by,
            recorded,
            latest: RefCell::new(journalled.cloned()),
            is_news: Cell::new(false),
        }
    }

    /// Whether the topic holds the entry now.
    async fn write(&self, key: &Key, recorded: &Recorded, until: Instant) -> Result<bool, Fault> {
        let sent = timeout_at(until, self.producer.send(outgoing(&self.topic, key, Some(recorded)))).await;
        let why = match sent {
            Ok(Ok(_)) => {
                self.witness.metrics.journal_written.inc();
                if self.is_failing.take() {
                    self.health.set_ready(&self.subject());
                }
                return Ok(true);
            }
            // To give up what is half done would be certain harm; that it is repeated after a crash only may be.
            Ok(Err(error @ ProduceError::TooLarge { .. })) => {
                self.witness.metrics.journal_failed.inc();
                tracing::warn!(%key, %error, "a delivery goes on without its journal");
                return Ok(false);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "Kafka has not acknowledged it in time".to_owned(),
        };
        self.failed(&why);
        Err(Fault::Unwritten(why))
    }

    fn failed(&self, why: &str) {
        self.witness.metrics.journal_failed.inc();
        let subject = self.subject();
        let message = format!("{subject} cannot be written: {why}; its deliveries wait");
        self.health.set_not_ready(&subject, message.clone());
        if !self.is_failing.replace(true) {
            self.witness.raise(AlertKind::ProduceFailing, message, None);
        }
    }

    fn subject(&self) -> String {
        format!("journal of {}", self.witness.subscription)
    }
}

impl<'a> Scribe<'a> {
    pub(super) fn recorded(&self) -> Option<&'a Recorded> {
        self.recorded
    }

    /// Before a round that performs something: what came before it is in the topic when this returns.
    pub(super) async fn keep(
        &self,
        delivery: &Delivery,
        asked: &[Vec<Effect>],
        until: Instant,
    ) -> Result<(), Fault> {
        self.is_news.set(true);
        let rounds = so_far(asked, &delivery.rounds);
        let latest = self.latest.borrow().clone();
        match latest {
            None if rounds.is_empty() => Ok(()),
            // Of a round that is partly known, the journal tells more than what came before it.
            Some(latest)
                if extent(&rounds) <= extent(&latest.recorded.rounds)
                    && agree(&rounds, &latest.recorded.rounds) =>
            {
                if latest.is_written {
                    Ok(())
                } else {
                    self.write(latest.recorded, until).await
                }
            }
            Some(_) | None => self.write(recorded_of(delivery, rounds), until).await,
        }
    }

    /// After the attempt: what is journalled of the delivery now.
    pub(super) async fn end(self, attempt: &Attempt, has_more_parts: bool) -> Option<Journalled> {
        let left = if self.is_news.get() { left(attempt, has_more_parts) } else { None };
        if let Some(rounds) = left {
            let is_there = match &*self.latest.borrow() {
                None => rounds.is_empty(),
                Some(Journalled { recorded, is_written, .. }) => {
                    *is_written
                        && extent(&rounds) == extent(&recorded.rounds)
                        && agree(&rounds, &recorded.rounds)
                }
            };
            if !is_there {
                // That it failed is told, and the next attempt writes before it goes on.
                let until = Instant::now() + LAST_WRITE;
                drop(self.write(recorded_of(&attempt.delivery, rounds), until).await);
            }
        }
        self.latest.into_inner()
    }

    async fn write(&self, recorded: Rc<Recorded>, until: Instant) -> Result<(), Fault> {
        let by = self.by;
        self.latest.replace(Some(Journalled { recorded: recorded.clone(), is_written: false, by }));
        let is_written = self.writer.write(self.key, &recorded, until).await?;
        self.latest.replace(Some(Journalled { recorded, is_written, by }));
        Ok(())
    }
}

/// What an attempt that has performed something leaves in the journal; `None`: what is there.
fn left(attempt: &Attempt, has_more_parts: bool) -> Option<Vec<Vec<Answered>>> {
    let (asked, replies) = (&attempt.asked, &attempt.delivery.rounds);
    match &attempt.result {
        // The parts before the last one come again if the host is killed now.
        Ok(Outcome::Delivered(_) | Outcome::Skipped(_)) if has_more_parts => Some(so_far(asked, replies)),
        Ok(Outcome::Delivered(_) | Outcome::Skipped(_) | Outcome::Rejected(_)) | Err(Fault::Changed(_)) => {
            None
        }
        Ok(Outcome::Retry(_) | Outcome::Throttled(_) | Outcome::Denied(_) | Outcome::Conflict(_)) => {
            Some(kept(asked, replies, End::Unhappy))
        }
        Err(Fault::NoRoom | Fault::Unwritten(_)) => Some(so_far(asked, replies)),
        Err(
            Fault::Trap(_)
            | Fault::CpuTime(_)
            | Fault::WallTime(_)
            | Fault::Stack(_)
            | Fault::Memory(_)
            | Fault::TableElements(_)
            | Fault::Handles(_)
            | Fault::HostCalls(_)
            | Fault::ResultSize(_)
            | Fault::Steps(_)
            | Fault::Effects { .. }
            | Fault::RequestHead { .. }
            | Fault::RequestBody { .. }
            | Fault::WrongLength { .. }
            | Fault::Inconsistent(_)
            | Fault::Nonsense(_),
        ) => Some(kept(asked, replies, End::Fault)),
    }
}

fn recorded_of(delivery: &Delivery, rounds: Vec<Vec<Answered>>) -> Rc<Recorded> {
    let idempotency_key = delivery.idempotency_key.to_string();
    Rc::new(Recorded { idempotency_key, arguments: Arguments::of(delivery), rounds })
}
