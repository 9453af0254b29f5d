//! What the consumer and Kafka do: records, rebalances, answers to commits, and the end of the host.

use std::sync::mpsc::sync_channel;

use tokio::time::Instant;

use super::kafka::Answer;
use super::{Model, PARTITIONS, Written, partition_of};
use crate::event::Record;
use crate::kafka::consumer::{Control, Partition};
use crate::subscription::task::tests::world::{World, make_due, parked, record};

impl Model {
    /// An event of this key; in the delay topic, one that was parked by an earlier configuration.
    pub(super) fn produce(&mut self, number: usize, key: usize) {
        let partition = partition_of(number);
        let log = self.kafka.log(&partition);
        let offset = i64::try_from(log.records.len()).unwrap();
        let id = format!("{partition}/{offset}");
        let is_parked = number == PARTITIONS;
        let record = match is_parked {
            true => parked(offset, &id, &format!("k{key}"), 60_000),
            false => {
                in_partition(record(&partition.topic, offset, &id, &format!("k{key}")), partition.number)
            }
        };
        log.records.push(record);
        self.events.push(Written { id, partition, key: (!is_parked).then_some(key) });
    }

    pub(super) fn receive(&mut self, partition: &Partition, count: usize, due: u8) {
        let epoch = self.kafka.epoch;
        let log = self.kafka.log(partition);
        let Some(fetched) = log.fetched.filter(|_| !log.is_paused) else { return };
        if !self.world.task.has_room() {
            return;
        }
        let mut records: Vec<_> = log.records.iter().skip(fetched).take(count).cloned().collect();
        log.fetched = Some(fetched + records.len());
        if *partition == partition_of(PARTITIONS) {
            let is_due = |(index, _): &(usize, &mut Record)| due >> index & 1 == 1;
            records.iter_mut().enumerate().filter(is_due).for_each(|(_, record)| make_due(record));
        }
        self.world.receive(epoch, records);
    }

    pub(super) fn answer(&mut self, index: usize) {
        if self.kafka.answers.is_empty() {
            return;
        }
        let Answer { positions, error } = self.kafka.answers.swap_remove(index % self.kafka.answers.len());
        self.world.task.control(Control::Committed { positions, error }, Instant::now());
    }

    pub(super) fn assign(&mut self, partition: &Partition) {
        if self.kafka.log(partition).fetched.is_some() {
            return;
        }
        let (epoch, assigned) = self.kafka.assign(partition);
        let partitions = vec![assigned];
        self.world.task.control(Control::Assigned { epoch, partitions }, Instant::now());
        let number = self.world.task.partitions.number(partition).expect("it was just assigned");
        self.numbers.insert(number, partition.clone());
    }

    pub(super) fn revoke(&mut self, partition: &Partition) {
        if self.kafka.log(partition).fetched.is_none() {
            return;
        }
        self.kafka.epoch += 1;
        let (sender, receiver) = sync_channel(1);
        let partitions = vec![partition.clone()];
        let revoked = Control::Revoked { epoch: self.kafka.epoch, partitions, positions: sender };
        self.world.task.control(revoked, Instant::now());
        self.revoking = Some((partition.clone(), receiver));
    }

    pub(super) fn lose(&mut self, partition: &Partition, is_back: bool) {
        if self.kafka.log(partition).fetched.is_none() {
            return;
        }
        self.kafka.epoch += 1;
        self.kafka.unassign(partition, true);
        let lost = Control::Lost { epoch: self.kafka.epoch, partitions: vec![partition.clone()] };
        self.world.task.control(lost, Instant::now());
        if is_back {
            self.assign(partition);
        }
    }

    /// The host is killed, and another begins with what Kafka has.
    pub(super) fn crash(&mut self, is_parked: bool) {
        for (_, _, parcel) in std::mem::take(&mut self.parcels) {
            if is_parked {
                self.write_parked(parcel.outgoing);
            }
        }
        for log in self.kafka.logs.values_mut() {
            log.fetched = None;
            log.settled.clear();
        }
        self.kafka.answers.clear();
        self.turns.clear();
        self.letters.clear();
        self.revoking = None;
        self.numbers.clear();
        self.last_success = None;
        self.world = World::new(&self.plan);
    }
}

fn in_partition(mut record: Record, partition: i32) -> Record {
    record.origin.partition = partition;
    record
}
