//! A dead letter, and what of it is written to Kafka.
//!
//! In comes the original record with what is known of its delivery, out go the headers of [`super::header`], and back.
//! Key, value and headers of the original are never touched: our headers stand behind its own, and only headers of the
//! same names, left by an earlier dead letter, give way to them. Writing and reading Kafka is not done here.

use bytes::Bytes;

use super::attempts::{Attempts, cut};
use super::header::{self, MESSAGE_BYTES, hex_text, sha256_of, time_of, time_text};
use super::reason::{Reason, Stage};
use crate::config::{ConnectorName, PluginName, SubscriptionName};
use crate::contract::TimestampMs;
use crate::event::{Origin, Record};

/// An event that a subscription gave up on, with the evidence.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// The original as it was read.
    pub record: Record,
    pub subscription: SubscriptionName,
    /// The consumer group.
    pub group: String,
    pub connector: ConnectorName,
    /// The plugin at work, if one was.
    pub plugin: Option<Blamed>,
    /// The version of the host that gave up.
    pub host_version: String,
    pub stage: Stage,
    pub reason: Reason,
    /// What was said, for a person. Cut at 1 KiB when written.
    pub message: String,
    /// `None` if the record could not be read as an event; so are the next two.
    pub event_id: Option<String>,
    pub event_type: Option<String>,
    pub idempotency_key: Option<String>,
    /// Which of several events that a transformer made of the original, from 0.
    pub part: Option<u32>,
    pub attempts: Attempts,
    /// When the delivery began.
    pub first_seen_at: TimestampMs,
    pub dead_lettered_at: TimestampMs,
    pub deadline: Option<TimestampMs>,
    /// The trace of the delivery.
    pub traceparent: Option<String>,
}

/// A plugin and its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blamed {
    pub plugin: PluginName,
    pub sha256: [u8; 32],
}

/// Why a record is no dead letter of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeadLetterError {
    #[error("{origin} is no dead letter of this host: it has no header {header}")]
    Missing { origin: Origin, header: &'static str },
    #[error("{origin} cannot be read as a dead letter: its header {header} is not {expected}")]
    Malformed { origin: Origin, header: &'static str, expected: &'static str },
}

impl DeadLetter {
    /// The headers that this dead letter adds, in the order of [`header::ALL`]; what is not known is left out.
    pub fn to_headers(&self) -> Vec<(String, Bytes)> {
        let mut headers = Vec::with_capacity(header::ALL.len());
        let mut add = |name: &str, value: String| headers.push((name.to_owned(), Bytes::from(value)));
        let message = cut(&self.message, MESSAGE_BYTES);
        let plugin = self.plugin.as_ref();
        add(header::TOPIC, self.record.origin.topic.to_string());
        add(header::PARTITION, self.record.origin.partition.to_string());
        add(header::OFFSET, self.record.origin.offset.to_string());
        add(header::CONNECTOR, self.connector.to_string());
        add(header::TASK, "0".to_owned());
        add(header::CONNECT_STAGE, self.stage.connect_name().to_owned());
        add(header::CLASS, plugin.map_or("liaison".to_owned(), |blamed| blamed.plugin.to_string()));
        add(header::EXCEPTION_CLASS, format!("liaison.{}", self.reason.name()));
        add(header::EXCEPTION_MESSAGE, message.to_owned());
        add(header::GROUP, self.group.clone());
        add(header::DELIVERY_COUNT, self.attempts.count().to_string());
        let summary = format!("{}: {message}", self.reason.name());
        add(header::DLQ_MESSAGE, cut(&summary, MESSAGE_BYTES).to_owned());
        add(header::VERSION, self.host_version.clone());
        add(header::SUBSCRIPTION, self.subscription.to_string());
        add(header::STAGE, self.stage.name().to_owned());
        add(header::REASON, self.reason.name().to_owned());
        let mut add_known = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                add(name, value);
            }
        };
        add_known(header::PLUGIN, plugin.map(|blamed| blamed.plugin.to_string()));
        add_known(header::PLUGIN_SHA256, plugin.map(|blamed| hex_text(&blamed.sha256)));
        add_known(header::EVENT_ID, self.event_id.clone());
        add_known(header::EVENT_TYPE, self.event_type.clone());
        add_known(header::PART, self.part.map(|part| part.to_string()));
        add_known(header::IDEMPOTENCY_KEY, self.idempotency_key.clone());
        add_known(header::ATTEMPTS, Some(self.attempts.to_json()));
        add_known(header::TIMESTAMP, self.record.timestamp.map(time_text));
        add_known(header::FIRST_SEEN_AT, Some(time_text(self.first_seen_at)));
        add_known(header::DEAD_LETTERED_AT, Some(time_text(self.dead_lettered_at)));
        add_known(header::DEADLINE, self.deadline.map(time_text));
        add_known(header::TRACEPARENT, self.traceparent.clone());
        headers
    }

    /// All headers of the dead letter's record: the original's, then [`DeadLetter::to_headers`].
    pub fn all_headers(&self) -> Vec<(String, Option<Bytes>)> {
        let originals = self.record.headers.iter().filter(|(name, _)| !is_ours(name)).cloned();
        let ours = self.to_headers().into_iter().map(|(name, value)| (name, Some(value)));
        originals.chain(ours).collect()
    }

    /// Reads a record of a dead-letter topic. Gives the original back as it was, but for headers of our names.
    pub fn from_record(letter: Record) -> Result<DeadLetter, DeadLetterError> {
        let fields = Fields(&letter);
        // First: without it the record is not ours at all.
        let subscription = SubscriptionName::new(fields.text(header::SUBSCRIPTION)?);
        let plugin = match (
            fields.name(header::PLUGIN)?,
            fields.find(header::PLUGIN_SHA256, "a sha256", sha256_of)?,
        ) {
            (Some(plugin), Some(sha256)) => Some(Blamed { plugin: PluginName::new(plugin), sha256 }),
            (None, _) | (_, None) => None,
        };
        let attempts = |text: &str| Attempts::from_json(text.as_bytes()).ok();
        let origin = Origin {
            topic: fields.text(header::TOPIC)?.into(),
            partition: fields.number(header::PARTITION)?,
            offset: fields.number(header::OFFSET)?,
        };
        Ok(DeadLetter {
            subscription,
            group: fields.text(header::GROUP)?.to_owned(),
            connector: ConnectorName::new(fields.text(header::CONNECTOR)?),
            plugin,
            host_version: fields.text(header::VERSION)?.to_owned(),
            stage: fields.get(header::STAGE, "a stage", Stage::named)?,
            reason: fields.get(header::REASON, "a reason", Reason::named)?,
            message: fields.text(header::EXCEPTION_MESSAGE)?.to_owned(),
            event_id: fields.name(header::EVENT_ID)?.map(str::to_owned),
            event_type: fields.name(header::EVENT_TYPE)?.map(str::to_owned),
            idempotency_key: fields.name(header::IDEMPOTENCY_KEY)?.map(str::to_owned),
            part: fields.find(header::PART, "a number", |text| text.parse().ok())?,
            attempts: fields.get(header::ATTEMPTS, "a list of attempts", attempts)?,
            first_seen_at: fields.get(header::FIRST_SEEN_AT, "a time", time_of)?,
            dead_lettered_at: fields.get(header::DEAD_LETTERED_AT, "a time", time_of)?,
            deadline: fields.find(header::DEADLINE, "a time", time_of)?,
            traceparent: fields.name(header::TRACEPARENT)?.map(str::to_owned),
            record: Record {
                origin,
                timestamp: fields.find(header::TIMESTAMP, "a time", time_of)?,
                headers: letter.headers.iter().filter(|(name, _)| !is_ours(name)).cloned().collect(),
                key: letter.key.clone(),
                value: letter.value.clone(),
            },
        })
    }
}

fn is_ours(name: &str) -> bool {
    header::ALL.contains(&name)
}

/// Reads headers by name. Of several with one name the last counts: ours stand behind the original's.
struct Fields<'a>(&'a Record);

impl<'a> Fields<'a> {
    fn find<T>(
        &self,
        header: &'static str,
        expected: &'static str,
        read: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<Option<T>, DeadLetterError> {
        let found = self.0.headers.iter().rev().find(|(name, _)| name == header);
        let Some((_, Some(value))) = found else {
            return Ok(None);
        };
        match std::str::from_utf8(value).ok().and_then(read) {
            Some(value) => Ok(Some(value)),
            None => Err(DeadLetterError::Malformed { origin: self.0.origin.clone(), header, expected }),
        }
    }

    fn get<T>(
        &self,
        header: &'static str,
        expected: &'static str,
        read: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<T, DeadLetterError> {
        let missing = || DeadLetterError::Missing { origin: self.0.origin.clone(), header };
        self.find(header, expected, read)?.ok_or_else(missing)
    }

    fn name(&self, header: &'static str) -> Result<Option<&'a str>, DeadLetterError> {
        self.find(header, "text", Some)
    }

    fn text(&self, header: &'static str) -> Result<&'a str, DeadLetterError> {
        self.get(header, "text", Some)
    }

    fn number<T: std::str::FromStr>(&self, header: &'static str) -> Result<T, DeadLetterError> {
        self.get(header, "a number", |text| text.parse().ok())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::super::reason::Fault;
    use super::*;

    fn bytes(text: &str) -> Bytes {
        Bytes::copy_from_slice(text.as_bytes())
    }

    pub(crate) fn letter() -> DeadLetter {
        let mut attempts = Attempts::default();
        attempts.push(1_700_000_001_000, Duration::from_millis(12), "retry", "503 Service Unavailable");
        attempts.push(1_700_000_003_000, Duration::from_millis(9), "rejected", "400: no such room");
        DeadLetter {
            record: Record {
                origin: Origin { topic: "policy-events".into(), partition: 3, offset: 42 },
                timestamp: Some(1_700_000_000_000),
                key: Some(bytes("policy-7")),
                value: Some(bytes(r#"{"room":"B12"}"#)),
                headers: vec![
                    ("ce_id".to_owned(), Some(bytes("e-1"))),
                    ("flag".to_owned(), None),
                    ("binary".to_owned(), Some(Bytes::from_static(&[0xff, 0x00]))),
                ],
            },
            subscription: SubscriptionName::new("calendar"),
            group: "liaison-calendar".to_owned(),
            connector: ConnectorName::new("training-calendar"),
            plugin: Some(Blamed { plugin: PluginName::new("rest"), sha256: [0xab; 32] }),
            host_version: "0.1.0".to_owned(),
            stage: Stage::Deliver,
            reason: Reason::Rejected,
            message: "400: no such room".to_owned(),
            event_id: Some("e-1".to_owned()),
            event_type: Some("policy.updated".to_owned()),
            idempotency_key: Some("key-1".to_owned()),
            part: Some(2),
            attempts,
            first_seen_at: 1_700_000_000_500,
            dead_lettered_at: 1_700_000_003_010,
            deadline: Some(1_700_000_900_000),
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        }
    }

    fn as_record(letter: &DeadLetter) -> Record {
        Record {
            origin: Origin { topic: "calendar-dead-letters".into(), partition: 0, offset: 9 },
            timestamp: Some(1_700_000_003_011),
            key: letter.record.key.clone(),
            value: letter.record.value.clone(),
            headers: letter.all_headers(),
        }
    }

    fn assert_same(left: &DeadLetter, right: &DeadLetter) {
        assert_eq!(format!("{left:?}"), format!("{right:?}"));
    }

    const ATTEMPTS: &str = concat!(
        r#"{"count":2,"omitted":0,"attempts":["#,
        r#"{"number":1,"at_ms":1700000001000,"duration_ms":12,"outcome":"retry","reason":"503 Service Unavailable"},"#,
        r#"{"number":2,"at_ms":1700000003000,"duration_ms":9,"outcome":"rejected","reason":"400: no such room"}]}"#
    );

    #[test]
    fn every_header_holds_what_its_name_says() {
        let expected = [
            ("__connect.errors.topic", "policy-events"),
            ("__connect.errors.partition", "3"),
            ("__connect.errors.offset", "42"),
            ("__connect.errors.connector.name", "training-calendar"),
            ("__connect.errors.task.id", "0"),
            ("__connect.errors.stage", "TASK_PUT"),
            ("__connect.errors.class.name", "rest"),
            ("__connect.errors.exception.class.name", "liaison.rejected"),
            ("__connect.errors.exception.message", "400: no such room"),
            ("__dlq.errors.group", "liaison-calendar"),
            ("__dlq.errors.delivery.count", "2"),
            ("__dlq.errors.message", "rejected: 400: no such room"),
            ("liaison.version", "0.1.0"),
            ("liaison.subscription", "calendar"),
            ("liaison.stage", "deliver"),
            ("liaison.reason", "rejected"),
            ("liaison.plugin", "rest"),
            ("liaison.plugin.sha256", &"ab".repeat(32)),
            ("liaison.event.id", "e-1"),
            ("liaison.event.type", "policy.updated"),
            ("liaison.part", "2"),
            ("liaison.idempotency-key", "key-1"),
            ("liaison.attempts", ATTEMPTS),
            ("liaison.timestamp", "2023-11-14T22:13:20.000Z"),
            ("liaison.first-seen-at", "2023-11-14T22:13:20.500Z"),
            ("liaison.dead-lettered-at", "2023-11-14T22:13:23.010Z"),
            ("liaison.deadline", "2023-11-14T22:28:20.000Z"),
            ("liaison.traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ];
        let expected: Vec<_> = expected.map(|(name, value)| (name.to_owned(), bytes(value))).into();
        assert_eq!(letter().to_headers(), expected);
        let names: Vec<String> = expected.into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, header::ALL);
    }

    #[test]
    fn what_is_not_known_has_no_header() {
        let undecodable = DeadLetter {
            plugin: None,
            stage: Stage::Decode,
            reason: Reason::Undecodable,
            event_id: None,
            event_type: None,
            idempotency_key: None,
            part: None,
            attempts: Attempts::default(),
            deadline: None,
            traceparent: None,
            ..letter()
        };
        let headers = undecodable.to_headers();
        let value =
            |name: &str| headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone());
        for absent in ["plugin", "plugin.sha256", "event.id", "event.type", "part", "deadline", "traceparent"]
        {
            assert_eq!(value(&format!("liaison.{absent}")), None, "{absent}");
        }
        assert_eq!(value(header::CONNECT_STAGE), Some(bytes("VALUE_CONVERTER")));
        assert_eq!(value(header::CLASS), Some(bytes("liaison")));
        assert_eq!(value(header::DELIVERY_COUNT), Some(bytes("0")));
        assert_same(&DeadLetter::from_record(as_record(&undecodable)).unwrap(), &undecodable);
    }

    #[test]
    fn the_original_is_untouched_and_its_headers_come_first() {
        let letter = letter();
        let record = as_record(&letter);
        assert_eq!(record.headers[..3], letter.record.headers[..]);
        assert_eq!(record.headers.len(), 3 + header::ALL.len());
        assert_same(&DeadLetter::from_record(record).unwrap(), &letter);
    }

    #[test]
    fn a_dead_letter_that_dies_again_carries_only_the_new_evidence() {
        let mut second = letter();
        second.record.headers = as_record(&letter()).headers;
        second.reason = Reason::Fault(Fault::Memory);
        second.part = None;
        let headers = second.all_headers();
        let all = |wanted: &str| -> Vec<_> { headers.iter().filter(|(name, _)| name == wanted).collect() };
        assert_eq!(all(header::REASON), [&(header::REASON.to_owned(), Some(bytes("fault-memory")))]);
        assert_eq!(all(header::PART), Vec::<&(String, Option<Bytes>)>::new());
        assert_eq!(headers[..3], letter().record.headers[..]);
        assert_eq!(headers.len(), 3 + header::ALL.len() - 1);
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let headers = DeadLetter { message: "é".repeat(2000), ..letter() }.to_headers();
        let value = |name: &str| &headers.iter().find(|(found, _)| found == name).unwrap().1;
        assert_eq!(value(header::EXCEPTION_MESSAGE), "é".repeat(512).as_bytes());
        assert_eq!(value(header::DLQ_MESSAGE), format!("rejected: {}", "é".repeat(507)).as_bytes());
    }

    #[test]
    fn foreign_and_broken_records_are_refused_by_the_header_at_fault() {
        let refused = |change: &dyn Fn(&mut Record)| {
            let mut record = as_record(&letter());
            change(&mut record);
            DeadLetter::from_record(record).unwrap_err().to_string()
        };
        assert_eq!(
            refused(&|record| record.headers.retain(|(name, _)| name != header::REASON)),
            "calendar-dead-letters/0/9 is no dead letter of this host: it has no header liaison.reason"
        );
        for (header, value, expected) in [
            (header::PARTITION, "three", "a number"),
            (header::REASON, "mood", "a reason"),
            (header::STAGE, "TASK_PUT", "a stage"),
            (header::ATTEMPTS, "[]", "a list of attempts"),
            (header::DEADLINE, "soon", "a time"),
            (header::PLUGIN_SHA256, "ab", "a sha256"),
        ] {
            assert_eq!(
                refused(&|record| record.headers.push((header.to_owned(), Some(bytes(value))))),
                format!(
                    "calendar-dead-letters/0/9 cannot be read as a dead letter: its header {header} is not {expected}"
                )
            );
        }
    }

    proptest! {
        #[test]
        fn any_original_comes_back_as_it_was(
            key in prop::option::of(prop::collection::vec(any::<u8>(), 0..20)),
            value in prop::option::of(prop::collection::vec(any::<u8>(), 0..20)),
            headers in prop::collection::vec(("\\PC{1,9}", prop::option::of("\\PC{0,9}")), 0..5),
            origin in ("[a-z.]{1,9}", any::<i32>(), any::<i64>()),
            timestamp in prop::option::of(any::<u64>()),
            message in "\\PC{0,200}",
        ) {
            let mut before = letter();
            before.record = Record {
                origin: Origin { topic: origin.0.as_str().into(), partition: origin.1, offset: origin.2 },
                timestamp,
                key: key.map(Bytes::from),
                value: value.map(Bytes::from),
                headers: headers.into_iter().map(|(name, value)| (name, value.map(Bytes::from))).collect(),
            };
            before.message = message;
            let after = DeadLetter::from_record(as_record(&before)).unwrap();
            prop_assert_eq!(format!("{after:?}"), format!("{before:?}"));
        }
    }
}
