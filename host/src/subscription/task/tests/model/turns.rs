//! Turns of deliveries, from their start until what they ended in has settled.

use tokio::time::Instant;

use super::acts::How;
use super::{Model, PARTITIONS, Written, partition_of};
use crate::config::Ordering;
use crate::contract::{Fault, Outcome, Retry};
use crate::delivery::breaker::FailureKind;
use crate::kafka::consumer::Partition;
use crate::kafka::producer::Outgoing;
use crate::subscription::lanes::LaneId;
use crate::subscription::stages::{Done, Job};
use crate::subscription::task::tests::world::{attempted, delivered, failed, read_back, stopped, trapped};
use crate::subscription::task::{Parcel, Sent, Settles};

impl Model {
    pub(super) fn start(&mut self) {
        let Some((lane, job)) = self.world.start() else { return };
        let (partition, offset) = self.place(lane);
        assert!(!self.turns.iter().any(|(_, _, (other, _))| *other == lane), "{lane:?} is at work twice");
        let is_known = self.kafka.log(&partition).known.contains(&offset);
        assert!(!is_known, "{partition}/{offset} starts again, and Kafka knew that it is settled");
        if job.next.is_some() && self.attempted.insert(job.event.id.clone()) {
            self.check_order(&job.event.id);
        }
        self.turns.push((partition, offset, (lane, job)));
    }

    /// Before an event is attempted first, all before it of its key have ended.
    pub(super) fn check_order(&self, id: &str) {
        if self.plan.settings.ordering == Ordering::None {
            return;
        }
        let this = self.events.iter().find(|event| event.id == *id).expect("an event of the model");
        let Some(key) = this.key else { return };
        let of_key = |event: &&Written| event.partition == this.partition && event.key == Some(key);
        let before = self.events.iter().filter(of_key).take_while(|event| event.id != *id);
        for before in before {
            assert!(self.ended.contains(&before.id), "{id} goes before {}", before.id);
        }
    }

    pub(super) fn end(&mut self, index: usize, how: How) {
        if self.turns.is_empty() {
            return;
        }
        let (partition, offset, (lane, job)) = self.turns.swap_remove(index % self.turns.len());
        let now = Instant::now();
        let done = match job.next {
            None => self.transformed(&job, how),
            Some(_) if job.check_first && matches!(how, How::Denied) => Done::NotUsable("no".to_owned()),
            Some(_) => attempt(&job, how),
        };
        let is_last = matches!(how, How::Delivered) && job.next.is_some() && !job.has_more_parts;
        if is_last || matches!(done, Done::Dropped(_)) {
            self.ended(&partition, offset, lane, &job.event.id);
        }
        if job.next.is_some() {
            match how {
                How::Delivered | How::Rejected => self.last_success = Some(now),
                How::Fails
                | How::SystemFails
                | How::Denied
                | How::Throttled
                | How::Traps
                | How::FindsNoRoom => {}
            }
        }
        if matches!(how, How::Fails | How::SystemFails | How::Traps) {
            self.failed_at.insert(job.event.id.clone(), now);
        }
        let outages = self.world.task.share.outages();
        self.world.end(lane, done);
        let says_down = job.next.is_some() && matches!(how, How::Fails | How::SystemFails | How::Denied);
        assert!(says_down || self.world.task.share.outages() == outages, "{how:?} says that it is down");
    }

    /// How a turn of the transformers ends: in two parts, dropped, or given up.
    pub(super) fn transformed(&self, job: &Job, how: How) -> Done {
        match how {
            How::Rejected => Done::TransformRejected { stopped: stopped(job), why: "never".to_owned() },
            How::Traps => {
                Done::TransformFault { stopped: stopped(job), fault: Fault::Trap("unreachable".to_owned()) }
            }
            How::FindsNoRoom => Done::TransformFault { stopped: stopped(job), fault: Fault::NoRoom },
            How::Throttled => Done::Dropped("not for us".to_owned()),
            How::Delivered | How::Fails | How::SystemFails | How::Denied => {
                Done::Transformed { parts: vec![(*job.event).clone(); 2], tried: Vec::new() }
            }
        }
    }

    fn ended(&mut self, partition: &Partition, offset: i64, lane: LaneId, id: &str) {
        self.done(partition, offset, lane);
        self.ended.insert(id.to_owned());
    }

    /// The task settles it, unless its lane is gone.
    fn done(&mut self, partition: &Partition, offset: i64, lane: LaneId) {
        let is_settled = self.world.task.lanes.head(lane).is_some();
        let log = self.kafka.log(partition);
        log.done.insert(offset);
        if is_settled {
            log.settled.insert(offset);
        }
    }

    pub(super) fn acknowledge(&mut self, index: usize) {
        if self.letters.is_empty() {
            return;
        }
        let (partition, offset, (settles, id)) = self.letters.swap_remove(index % self.letters.len());
        let Settles::Lane(lane) = settles else { panic!("all records can be read") };
        self.ended(&partition, offset, lane, &id);
        self.world.task.acknowledged(settles);
    }

    pub(super) fn park(&mut self, index: usize, is_refused: bool) {
        if self.parcels.is_empty() {
            return;
        }
        let (partition, offset, parcel) = self.parcels.swap_remove(index % self.parcels.len());
        let Parcel { outgoing, lane, at, .. } = parcel;
        if is_refused {
            return self.world.task.parked(Sent::Refused { lane, at });
        }
        let topic = outgoing.topic.clone();
        self.write_parked(outgoing);
        self.done(&partition, offset, lane);
        self.world.task.parked(Sent::Parked { lane, topic });
    }

    pub(super) fn write_parked(&mut self, outgoing: Outgoing) {
        let log = self.kafka.log(&partition_of(PARTITIONS));
        let offset = i64::try_from(log.records.len()).unwrap();
        log.records.push(read_back(outgoing, 0, offset));
    }
}

fn attempt(job: &Job, how: How) -> Done {
    let retry = || Retry { after: None, reason: "wait".to_owned() };
    match how {
        How::Delivered => delivered(job),
        How::Fails => failed(job, None),
        How::SystemFails => failed(job, Some(FailureKind::Unavailable)),
        How::Throttled => attempted(job, Ok(Outcome::Throttled(retry())), None),
        How::Denied => attempted(job, Ok(Outcome::Denied("401".to_owned())), None),
        How::Rejected => attempted(job, Ok(Outcome::Rejected("never".to_owned())), None),
        How::Traps => trapped(job),
        How::FindsNoRoom => attempted(job, Err(Fault::NoRoom), None),
    }
}
