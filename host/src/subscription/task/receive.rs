//! How records come in: each becomes a delivery in its lane, or settles at once.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{Settles, Task};
use crate::config;
use crate::delivery::deadline::Deadline;
use crate::event::{Event, Record};
use crate::kafka::consumer::{Batch, Partition};
use crate::schema_registry::{ReadError, Schemas, WireError, event};
use crate::subscription::carried::{Carried, Place, record_bytes, unix_ms};
use crate::subscription::filter::Verdict;
use crate::subscription::journal::Journalled;
use crate::subscription::parked::{self, Opened};

/// How much is taken in before others of the worker have their turn: so many bytes, decoded ones too, and so long.
const TURN_BYTES: usize = 1 << 20;
const TURN: Duration = Duration::from_millis(5);
/// So many bytes from one look at the clock to the next, where no record counts for less than a KiB.
const CLOCK_BYTES: usize = 16 << 10;
const LEAST_BYTES: usize = 1 << 10;

/// What a record in the wire format was decoded to.
type Json = Result<Bytes, WireError>;

impl Task {
    /// Takes records in; `schemas` are those of the ones in the wire format.
    pub(in crate::subscription) fn receive(&mut self, batch: Batch, schemas: Schemas) {
        if let Some(journal) = self.journal.as_mut().filter(|journal| journal.is_reading()) {
            return journal.hold(batch, schemas);
        }
        self.kept.push_back((batch, schemas));
        if self.kept.len() == 1 {
            self.take();
        }
    }

    /// Takes in what there was no room or no time for, as far as there is now.
    pub(in crate::subscription) fn receive_kept(&mut self) {
        while self.has_space() && !self.kept.is_empty() && !self.is_turn_over() {
            self.take();
        }
    }

    /// Has so much been taken in that the others of this worker should have their turn?
    pub(in crate::subscription) fn is_turn_over(&self) -> bool {
        let (bytes, took) = self.taken_in;
        bytes >= TURN_BYTES || took >= TURN
    }

    /// The others had theirs.
    pub(in crate::subscription) fn begin_turn(&mut self) {
        self.taken_in = (0, Duration::ZERO);
    }

    fn take(&mut self) {
        let Some((batch, schemas)) = self.kept.pop_front() else { return };
        let rest = self.take_in(batch, &schemas);
        if !rest.records.is_empty() {
            self.kept.push_front((rest, schemas));
        }
    }

    /// All records, or those up to one that ended the turn, or whose data left no room: a small record may be decoded to a
    /// large one. Gives the rest. What is done counts for the turn, also where nothing of it is kept.
    fn take_in(&mut self, batch: Batch, schemas: &Schemas) -> Batch {
        let Batch { epoch, records } = batch;
        let (before, began, mut unclocked) = (self.taken_in.1, Instant::now(), 0);
        let mut records = records.into_iter();
        while !self.is_turn_over()
            && let Some(record) = records.next()
        {
            self.witness.metrics.received.inc();
            let json = schemas.json_of(&record).transpose();
            let is_decoded = json.is_some();
            let bytes = self.receive_record(record, json, epoch);
            self.taken_in.0 += bytes;
            unclocked += bytes.max(LEAST_BYTES);
            if unclocked >= CLOCK_BYTES {
                (self.taken_in.1, unclocked) = (before + began.elapsed(), 0);
            }
            if is_decoded && !self.has_space() {
                break;
            }
        }
        self.taken_in.1 = before + began.elapsed();
        Batch { epoch, records: records.collect() }
    }

    /// Gives how much there was to read, with what was decoded.
    fn receive_record(&mut self, mut record: Record, json: Option<Json>, epoch: u64) -> usize {
        let partition = Partition { topic: record.origin.topic.clone(), number: record.origin.partition };
        let decoded = json.as_ref().and_then(|json| json.as_ref().ok()).map_or(0, Bytes::len);
        let (offset, bytes) = (record.origin.offset, record_bytes(&record) + decoded);
        let Some(number) = self.partitions.receive(&partition, epoch, offset, bytes) else { return bytes };
        let place = Place { partition: number, offset, bytes };
        if !self.delays.contains_key(&*record.origin.topic) {
            self.receive_original(place, record, json, None);
            return bytes;
        }
        match parked::open(&mut record) {
            Ok(opened) => self.receive_original(place, record, json, Some(opened)),
            Err(error) => {
                let letter = self.witness.undecodable(record, &error);
                self.dead_letter(letter, Settles::Record(place));
            }
        }
        bytes
    }

    fn receive_original(&mut self, place: Place, record: Record, json: Option<Json>, opened: Option<Opened>) {
        let json = json.filter(|_| self.registry.is_for(&record.origin.topic)).transpose();
        let event = json.map_err(ReadError::from).and_then(|json| Ok(event(&record, json, &self.rules)?));
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                let letter = self.witness.undecodable(record, &error);
                return self.dead_letter(letter, Settles::Record(place));
            }
        };
        match self.filter.verdict(&event) {
            Verdict::Wanted => self.accept(place, record, event, opened),
            Verdict::Unwanted(_) => {
                self.partitions.settle(place.partition, place.offset, place.bytes);
                self.witness.filtered(&event);
            }
            Verdict::Failed(why) => {
                let letter = self.witness.filter_failed(record, &event, why);
                self.dead_letter(letter, Settles::Record(place));
            }
        }
    }

    fn accept(&mut self, place: Place, record: Record, event: Event, opened: Option<Opened>) {
        self.witness.received(&event);
        let sequence = self.share.next_sequence();
        // What was parked has no order, also where the configuration wants one by now: it waits for itself alone.
        let key = match (self.settings.ordering, &opened) {
            (config::Ordering::Key, None) => record.key.clone(),
            (config::Ordering::Key, Some(_)) | (config::Ordering::None, _) => None,
        };
        let sla = self.settings.sla.of(&event.kind);
        let deadline = record.timestamp.and_then(|written| Deadline::of(written, sla));
        let now = Instant::now();
        let mut carried = Carried::new(sequence, place, record, event, deadline, self.scales.weight(), now);
        let not_before = opened.map(|Opened { parked, evidence, journal }| {
            carried.unparked(&parked, evidence, now);
            // The system may have been found to be down while it was away.
            carried.refund(|failed_at| self.share.breaker().was_refundable(failed_at));
            if let Some((own, recorded)) = self.journal.as_mut().zip(journal) {
                let journalled = Journalled { recorded: Rc::new(recorded), is_written: false, by: None };
                own.keep(place.partition, place.offset, parked.part, journalled);
            }
            parked.not_before
        });
        if !self.has_transformers {
            let event = carried.event.clone();
            carried.transformed([event]);
        }
        let lane = self.lanes.push(place.partition, key, sequence, Box::new(carried));
        let wait_ms = not_before.map_or(0, |at| at.saturating_sub(unix_ms()));
        if wait_ms > 0 {
            self.wait_for_attempt(lane, now + Duration::from_millis(wait_ms), now);
        }
    }
}
