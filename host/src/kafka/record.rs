//! Makes a [`Record`] of what librdkafka fetched.
//!
//! In comes a borrowed message, out goes a record that owns its bytes. It runs once for every event on the consumer
//! thread, so key, value and header values are copied into one buffer and shared from there.

use std::borrow::Cow;
use std::ffi::CStr;
use std::sync::Arc;

use bytes::Bytes;
use rdkafka::bindings::{rd_kafka_header_get_all, rd_kafka_headers_t, rd_kafka_message_headers};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::types::RDKafkaRespErr;

use crate::event::{Origin, Record, RecordHeader};

/// Names that many events have: none of them is a text of its own in each record.
const NAMES: [&str; 10] = [
    "ce_id",
    "ce_source",
    "ce_specversion",
    "ce_type",
    "ce_subject",
    "ce_time",
    "ce_traceparent",
    "ce_tracestate",
    "content-type",
    "traceparent",
];

/// Copies a message. `topic` is its topic, cached by the caller.
///
/// A header name that is not UTF-8 gets replacement characters; one with a NUL byte ends there, as librdkafka's does.
pub(crate) fn record_from(message: &BorrowedMessage<'_>, topic: Arc<str>) -> Record {
    let headers = Headers::of(message);
    let values = || headers.iter().filter_map(|(_, value)| value);
    let parts = || message.key().into_iter().chain(message.payload()).chain(values());
    let mut buffer = Vec::with_capacity(parts().map(<[u8]>::len).sum());
    parts().for_each(|part| buffer.extend_from_slice(part));
    let mut rest = Bytes::from(buffer);
    let mut take = |part: &[u8]| rest.split_to(part.len());
    Record {
        origin: Origin { topic, partition: message.partition(), offset: message.offset() },
        timestamp: message.timestamp().to_millis().and_then(|millis| u64::try_from(millis).ok()),
        // In the order in which they were put there.
        key: message.key().map(&mut take),
        value: message.payload().map(&mut take),
        headers: headers.all(take),
    }
}

fn header_name(native: &CStr) -> Cow<'static, str> {
    match NAMES.iter().find(|known| known.as_bytes() == native.to_bytes()) {
        Some(known) => Cow::Borrowed(known),
        None => Cow::Owned(native.to_string_lossy().into_owned()),
    }
}

/// The headers of one message.
///
/// rdkafka's own `Headers` panics on a name that is not UTF-8, and a producer's mistake must not end the consumer
/// thread: so the names are read from librdkafka directly.
struct Headers<'a> {
    native: *const rd_kafka_headers_t,
    count: usize,
    message: std::marker::PhantomData<&'a [u8]>,
}

impl<'a> Headers<'a> {
    #[expect(unsafe_code, reason = "rdkafka's safe reading panics on a header name that is not UTF-8")]
    fn of(message: &'a BorrowedMessage<'_>) -> Self {
        let mut native = std::ptr::null_mut();
        // SAFETY: the message is alive as long as it is borrowed. librdkafka parses its headers at the first call,
        // keeps them in the message and frees them with it.
        let error = unsafe { rd_kafka_message_headers(message.ptr(), &raw mut native) };
        let present = error == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR && !native.is_null();
        // SAFETY: no error and not null: the pointer is to the message's own headers.
        let count = if present { unsafe { rdkafka::bindings::rd_kafka_header_cnt(native) } } else { 0 };
        Headers { native, count, message: std::marker::PhantomData }
    }

    fn all(&self, mut take: impl FnMut(&[u8]) -> Bytes) -> Vec<RecordHeader> {
        let mut headers = Vec::with_capacity(self.count);
        headers.extend(self.iter().map(|(name, value)| (header_name(name), value.map(&mut take))));
        headers
    }

    fn iter(&self) -> impl Iterator<Item = (&'a CStr, Option<&'a [u8]>)> {
        (0..self.count).map_while(|index| self.get(index))
    }

    #[expect(unsafe_code, reason = "rdkafka's safe reading panics on a header name that is not UTF-8")]
    fn get(&self, index: usize) -> Option<(&'a CStr, Option<&'a [u8]>)> {
        let (mut name, mut value, mut length) = (std::ptr::null(), std::ptr::null(), 0);
        // SAFETY: `index` is below the count, so `native` is the headers of the message that `'a` borrows.
        let error = unsafe {
            rd_kafka_header_get_all(self.native, index, &raw mut name, &raw mut value, &raw mut length)
        };
        if error != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            return None;
        }
        // SAFETY: librdkafka ends the name with NUL and keeps name and value until the message is freed.
        let name = unsafe { CStr::from_ptr(name) };
        // SAFETY: a value that is not null has `length` bytes, as above.
        let value =
            (!value.is_null()).then(|| unsafe { std::slice::from_raw_parts(value.cast::<u8>(), length) });
        Some((name, value))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rdkafka::consumer::{BaseConsumer, Consumer};
    use rdkafka::message::{Header, OwnedHeaders};
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
    use rdkafka::{ClientConfig, Offset, TopicPartitionList};

    use super::*;
    use crate::kafka::embedded::Embedded;

    /// Sends one record through a broker and reads it back.
    fn round_trip(record: BaseRecord<'_, [u8], [u8]>) -> Record {
        let broker = Embedded::start(&[("events", 1)]).unwrap();
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", broker.bootstrap()).set("group.id", "test");
        let producer: BaseProducer = config.create().unwrap();
        assert!(producer.send(record).is_ok());
        producer.flush(Duration::from_secs(20)).unwrap();
        let consumer: BaseConsumer = config.create().unwrap();
        let mut assignment = TopicPartitionList::new();
        assignment.add_partition_offset("events", 0, Offset::Beginning).unwrap();
        consumer.assign(&assignment).unwrap();
        let message = consumer.poll(Duration::from_secs(20)).expect("a record").unwrap();
        record_from(&message, "events".into())
    }

    fn text(bytes: &[u8]) -> Option<Bytes> {
        Some(Bytes::copy_from_slice(bytes))
    }

    #[test]
    fn key_value_timestamp_and_headers_arrive_as_they_were_sent() {
        let headers = OwnedHeaders::new()
            .insert(Header { key: "type", value: Some("policy.updated".as_bytes()) })
            .insert(Header { key: "null", value: None::<&[u8]> })
            .insert(Header { key: "empty", value: Some(b"".as_slice()) })
            .insert(Header { key: "type", value: Some([0xff, 0].as_slice()) })
            .insert(Header { key: "ce_type", value: Some(b"t".as_slice()) });
        let record = round_trip(
            BaseRecord::to("events")
                .key(b"k-1".as_slice())
                .payload(b"{}".as_slice())
                .timestamp(1_700_000_000_123)
                .headers(headers),
        );
        assert_eq!(record.origin, Origin { topic: "events".into(), partition: 0, offset: 0 });
        assert_eq!((record.key, record.value), (text(b"k-1"), text(b"{}")));
        assert_eq!(record.timestamp, Some(1_700_000_000_123));
        let expected = [
            ("type".into(), text(b"policy.updated")),
            ("null".into(), None),
            ("empty".into(), text(b"")),
            ("type".into(), text(&[0xff, 0])),
            ("ce_type".into(), text(b"t")),
        ];
        assert_eq!(record.headers, expected);
        assert!(matches!(record.headers[4].0, Cow::Borrowed(_)), "a name that many events have");
    }

    #[test]
    fn nothing_and_empty_are_told_apart() {
        let record = round_trip(BaseRecord::to("events"));
        assert_eq!((record.key, record.value, record.headers.len()), (None, None, 0));
        let record = round_trip(BaseRecord::to("events").key(b"".as_slice()).payload(b"".as_slice()));
        assert_eq!((record.key, record.value), (text(b""), text(b"")));
    }

    #[test]
    #[expect(unsafe_code, reason = "the safe API takes only names that are UTF-8")]
    fn a_header_name_that_is_not_utf_8_is_no_panic() {
        let headers = OwnedHeaders::new();
        let native = std::ptr::from_ref(headers.as_borrowed()).cast_mut().cast::<rd_kafka_headers_t>();
        // SAFETY: `as_borrowed` is a cast of the native pointer, which `headers` owns and keeps alive.
        let error = unsafe {
            rdkafka::bindings::rd_kafka_header_add(native, c"n\xff".as_ptr(), 2, c"v".as_ptr().cast(), 1)
        };
        assert_eq!(error, RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR);
        let record = round_trip(BaseRecord::to("events").headers(headers));
        assert_eq!(record.headers, [("n\u{fffd}".into(), text(b"v"))]);
    }
}
