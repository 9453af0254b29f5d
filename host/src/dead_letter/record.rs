//! A dead letter, and what of it is written to Kafka.
//!
//! In comes the original record with what is known of its delivery, out go the headers of [`super::header`], and back.
//! Key, value and headers of the original are never touched: our headers stand behind its own, and only headers of the
//! same names, left by an earlier dead letter, give way to them. Writing and reading Kafka is not done here.

use std::borrow::Cow;

use bytes::Bytes;

use super::attempts::{Attempts, cut};
use super::conflict::Sides;
use super::header::{self, MESSAGE_BYTES, hex_text, sha256_of, time_of, time_text};
use super::reason::{Reason, Stage};
use super::recording::Recorded;
use crate::config::{ConnectorName, PluginName, SubscriptionName};
use crate::contract::TimestampMs;
use crate::event::{Origin, Record, RecordHeader};

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
    /// How often it was redriven and failed again.
    pub redrives: u32,
    /// The last attempt, as JSON of [`super::recording::Recorded`].
    pub recording: Option<Bytes>,
    /// Both sides of a conflict that a person decides, as JSON of [`super::conflict::Sides`].
    pub conflict: Option<Bytes>,
    /// It was too large for its topic: `record` is without its value and headers, which are at its origin.
    pub is_pointer: bool,
}

/// How much of a dead letter is written: the smaller it is, the smaller the topic's `max.message.bytes` may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Full,
    /// Without what the last attempt asked and was answered, and without the data of a conflict.
    WithoutRecording,
    /// Without the original too, but for its key and where it is: less than 12 KiB and the key.
    Pointer,
}

impl Shape {
    /// What to try when this one was too large.
    pub fn smaller(self) -> Option<Shape> {
        match self {
            Shape::Full => Some(Shape::WithoutRecording),
            Shape::WithoutRecording => Some(Shape::Pointer),
            Shape::Pointer => None,
        }
    }
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
    /// The letter in this shape.
    pub fn shaped(&self, shape: Shape) -> Cow<'_, DeadLetter> {
        // What a producer chose may be of any length.
        const CHOSEN_BYTES: usize = 256;
        let short = |text: &Option<String>| text.as_deref().map(|text| cut(text, CHOSEN_BYTES).to_owned());
        let without_recording = || DeadLetter {
            recording: self
                .recording
                .as_ref()
                .map(|_| Recorded::cut("the dead letter was too large for its topic")),
            conflict: self.sides().map(|sides| sides.without_data()),
            ..self.clone()
        };
        match shape {
            Shape::Full => Cow::Borrowed(self),
            Shape::WithoutRecording => Cow::Owned(without_recording()),
            Shape::Pointer => Cow::Owned(DeadLetter {
                record: Record { value: None, headers: Vec::new(), ..self.record.clone() },
                event_id: short(&self.event_id),
                event_type: short(&self.event_type),
                traceparent: short(&self.traceparent),
                conflict: self.sides().map(|sides| sides.outline()),
                is_pointer: true,
                ..without_recording()
            }),
        }
    }

    /// Both sides of a conflict, where they are there in a form that this host knows.
    pub fn sides(&self) -> Option<Sides> {
        Sides::from_json(self.conflict.as_deref()?).ok()
    }

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
        add_known(header::REDRIVES, (self.redrives > 0).then(|| self.redrives.to_string()));
        if let Some(recording) = &self.recording {
            headers.push((header::RECORDING.to_owned(), recording.clone()));
        }
        if let Some(conflict) = &self.conflict {
            headers.push((header::CONFLICT.to_owned(), conflict.clone()));
        }
        if self.is_pointer {
            headers.push((header::POINTER.to_owned(), Bytes::from(self.record.origin.to_string())));
        }
        headers
    }

    /// All headers of the dead letter's record: the original's, then [`DeadLetter::to_headers`].
    pub fn all_headers(&self) -> Vec<RecordHeader> {
        let originals = self.record.headers.iter().filter(|(name, _)| !is_ours(name)).cloned();
        let ours = self.to_headers().into_iter().map(|(name, value)| (name.into(), Some(value)));
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
            redrives: fields
                .find(header::REDRIVES, "a number", |text| text.parse().ok())?
                .unwrap_or_default(),
            recording: fields.bytes(header::RECORDING),
            conflict: fields.bytes(header::CONFLICT),
            is_pointer: fields.bytes(header::POINTER).is_some(),
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
    fn bytes(&self, header: &'static str) -> Option<Bytes> {
        let (_, value) = self.0.headers.iter().rev().find(|(name, _)| name == header)?;
        value.clone()
    }

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
pub(crate) mod tests;
