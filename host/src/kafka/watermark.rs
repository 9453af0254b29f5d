//! The low watermark of a partition, as the latest fetch told it: a look into librdkafka's memory, not a question to a
//! broker.

use std::ffi::CString;

use rdkafka::bindings::rd_kafka_get_watermark_offsets;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::IsError as _;

/// The offset of the oldest record that the broker still has; `None` before the first fetch.
#[expect(unsafe_code, reason = "rdkafka has no safe form of rd_kafka_get_watermark_offsets")]
pub(super) fn known_low<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    partition: i32,
) -> Option<i64> {
    let topic = CString::new(topic).ok()?;
    let (mut low, mut high) = (-1, -1);
    // SAFETY: `consumer` keeps the client alive; the topic is a C string and the numbers are ours for the whole call.
    let code = unsafe {
        let client = consumer.client().native_ptr();
        rd_kafka_get_watermark_offsets(client, topic.as_ptr(), partition, &raw mut low, &raw mut high)
    };
    (!code.is_error() && low >= 0).then_some(low)
}
