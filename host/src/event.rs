//! An event: one Kafka record, read as a CloudEvent.
//!
//! In comes a [`Record`] as Kafka gave it, out goes an [`Event`], or a [`DecodeError`] that says what is wrong with it.
//! The record's bytes are shared, never copied.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::contract::TimestampMs;

/// Where a record was read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    pub topic: Arc<str>,
    pub partition: i32,
    pub offset: i64,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}/{}", self.topic, self.partition, self.offset)
    }
}

/// One Kafka record, untouched: what a dead letter must hold.
#[derive(Debug, Clone)]
pub struct Record {
    pub origin: Origin,
    /// When Kafka or the producer says it was written.
    pub timestamp: Option<TimestampMs>,
    pub key: Option<Bytes>,
    /// `None` is a tombstone.
    pub value: Option<Bytes>,
    /// In order; names may repeat, values may be null and need not be text.
    pub headers: Vec<(String, Option<Bytes>)>,
}

/// One event, in the words of CloudEvents 1.0.
#[derive(Debug, Clone)]
pub struct Event {
    pub id: String,
    pub source: String,
    /// CloudEvents' `type`.
    pub kind: String,
    pub subject: Option<String>,
    pub time: Option<TimestampMs>,
    pub key: Option<Bytes>,
    pub content_type: Option<String>,
    pub data: Option<Bytes>,
    pub attributes: Vec<(String, String)>,
    pub origin: Origin,
}
