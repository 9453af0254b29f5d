//! The commit shim: an asynchronous commit whose answer arrives, and metadata that may be anything.
//!
//! `rd_kafka_commit` in its asynchronous form gives its answer to nobody (rust-rdkafka #856). Through
//! `rd_kafka_commit_queue` it goes to the consumer's own queue, where the next poll calls `commit_callback`.

use std::slice;

use rdkafka::bindings::{
    rd_kafka_commit_queue, rd_kafka_queue_destroy, rd_kafka_queue_get_consumer, rd_kafka_topic_partition_t,
};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{IsError as _, KafkaError, KafkaResult};
use rdkafka::topic_partition_list::TopicPartitionList;

/// Commits exactly these offsets. `Ok` means asked for; the answer comes to `commit_callback`.
#[expect(unsafe_code, reason = "rdkafka has no safe form of rd_kafka_commit_queue")]
pub(super) fn commit_async<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    offsets: &TopicPartitionList,
) -> KafkaResult<()> {
    let client = consumer.client().native_ptr();
    // SAFETY: `consumer` keeps the client alive, and the list is only read. The queue is ours until it is destroyed,
    // which drops our reference to it and not the consumer's.
    let code = unsafe {
        let queue = rd_kafka_queue_get_consumer(client);
        let code = rd_kafka_commit_queue(client, offsets.ptr(), queue, None, std::ptr::null_mut());
        rd_kafka_queue_destroy(queue);
        code
    };
    if code.is_error() { Err(KafkaError::ConsumerCommit(code.into())) } else { Ok(()) }
}

/// The commit metadata of each element of the list, in its order. Empty where there is none, or none that is text.
#[expect(
    unsafe_code,
    reason = "rdkafka's `metadata` panics on bytes that are no text, and anybody may commit such"
)]
pub(super) fn metadata_of(list: &TopicPartitionList) -> Vec<String> {
    if list.count() == 0 {
        return Vec::new();
    }
    // SAFETY: the list keeps its elements, of which there are `count`, alive and unchanged while it is borrowed.
    let elements = unsafe { slice::from_raw_parts((*list.ptr()).elems, list.count()) };
    let text = |element: &rd_kafka_topic_partition_t| {
        if element.metadata.is_null() {
            return String::new();
        }
        // SAFETY: an element owns its metadata, which is that many bytes.
        let bytes = unsafe { slice::from_raw_parts(element.metadata.cast::<u8>(), element.metadata_size) };
        String::from_utf8(bytes.to_vec()).unwrap_or_default()
    };
    elements.iter().map(text).collect()
}
