//! Which properties of librdkafka belong to one kind of client only.
//!
//! The configuration has one table for all clients; a property that is none of a client's own makes librdkafka complain
//! in the log at each of its starts.

/// What a client is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientKind {
    Consumer,
    Producer,
    /// Asks and changes what the cluster is set to. To librdkafka it is a producer.
    Admin,
}

impl ClientKind {
    /// Does the property mean something to this kind of client?
    pub(crate) fn takes(self, property: &str) -> bool {
        match self {
            ClientKind::Consumer => !PRODUCER.contains(&property),
            ClientKind::Producer => !CONSUMER.contains(&property),
            ClientKind::Admin => !CONSUMER.contains(&property) && !PRODUCER.contains(&property),
        }
    }
}

/// Marked `C` in librdkafka's CONFIGURATION.md, 2.12.
const CONSUMER: [&str; 29] = [
    "auto.commit.enable",
    "auto.commit.interval.ms",
    "auto.offset.reset",
    "check.crcs",
    "consume.callback.max.messages",
    "coordinator.query.interval.ms",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.partition.eof",
    "fetch.error.backoff.ms",
    "fetch.max.bytes",
    "fetch.message.max.bytes",
    "fetch.min.bytes",
    "fetch.queue.backoff.ms",
    "fetch.wait.max.ms",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "group.protocol.type",
    "group.remote.assignor",
    "heartbeat.interval.ms",
    "isolation.level",
    "max.partition.fetch.bytes",
    "max.poll.interval.ms",
    "offset.store.method",
    "partition.assignment.strategy",
    "queued.max.messages.kbytes",
    "queued.min.messages",
    "session.timeout.ms",
];

/// Marked `P` there.
const PRODUCER: [&str; 27] = [
    "acks",
    "batch.num.messages",
    "batch.size",
    "compression.codec",
    "compression.level",
    "compression.type",
    "delivery.report.only.error",
    "delivery.timeout.ms",
    "enable.gapless.guarantee",
    "enable.idempotence",
    "linger.ms",
    "message.send.max.retries",
    "message.timeout.ms",
    "msg_order_cmp",
    "partitioner",
    "produce.offset.report",
    "queue.buffering.backpressure.threshold",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "queue.buffering.max.ms",
    "queuing.strategy",
    "request.required.acks",
    "request.timeout.ms",
    "retries",
    "sticky.partitioning.linger.ms",
    "transaction.timeout.ms",
    "transactional.id",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_property_goes_to_the_clients_that_know_it() {
        for (property, consumer, producer, admin) in [
            ("security.protocol", true, true, true),
            ("session.timeout.ms", true, false, false),
            ("auto.offset.reset", true, false, false),
            ("linger.ms", false, true, false),
            ("message.max.bytes", true, true, true),
        ] {
            let takers = [ClientKind::Consumer, ClientKind::Producer, ClientKind::Admin]
                .map(|kind| kind.takes(property));
            assert_eq!(takers, [consumer, producer, admin], "{property}");
        }
        let both: BTreeSet<_> = CONSUMER.iter().filter(|name| PRODUCER.contains(name)).collect();
        assert_eq!(both, BTreeSet::new());
    }
}
