//! Partitions and positions as the host has them, to and from librdkafka's lists.

use std::fmt;
use std::sync::Arc;

use rdkafka::Offset;
use rdkafka::topic_partition_list::{TopicPartitionList, TopicPartitionListElem};

use super::commit::metadata_of;

/// A partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Partition {
    pub(crate) topic: Arc<str>,
    pub(crate) number: i32,
}

impl fmt::Display for Partition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.topic, self.number)
    }
}

/// Where a partition's group is to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) partition: Partition,
    /// The next offset to be consumed.
    pub(crate) offset: i64,
    /// Text that Kafka keeps beside it for whoever has the partition next, at most 4,096 bytes.
    pub(crate) metadata: String,
}

pub(super) fn list(partitions: &[Partition]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        list.add_partition(&partition.topic, partition.number);
    }
    list
}

pub(super) fn offsets(positions: &[Position]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(positions.len());
    for Position { partition, offset, metadata } in positions {
        list.add_partition_offset(&partition.topic, partition.number, Offset::Offset(*offset))
            .expect("a partition number that came from Kafka");
        if !metadata.is_empty()
            && let Some(mut element) = list.find_partition(&partition.topic, partition.number)
        {
            element.set_metadata(metadata);
        }
    }
    list
}

/// rdkafka's `elements` panics on an empty list.
pub(super) fn partitions(list: &TopicPartitionList) -> Vec<Partition> {
    if list.count() == 0 {
        return Vec::new();
    }
    let partition = |element: TopicPartitionListElem<'_>| Partition {
        topic: element.topic().into(),
        number: element.partition(),
    };
    list.elements().into_iter().map(partition).collect()
}

/// Those of a list that Kafka did not refuse: it may take some of a commit and not others.
pub(super) fn positions(list: &TopicPartitionList) -> Vec<Position> {
    let offsets =
        partitions(list).into_iter().zip(if list.count() == 0 { Vec::new() } else { list.elements() });
    let beside = metadata_of(list);
    let position = |((partition, element), metadata): ((_, TopicPartitionListElem<'_>), _)| {
        element.error().ok()?;
        Some(Position { partition, offset: element.offset().to_raw()?, metadata })
    };
    offsets.zip(beside).filter_map(position).collect()
}
