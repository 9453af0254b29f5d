//! The event channel over HTTP, as the host uses it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::{ClientName, EventTypes, SecretRef};

/// A server that takes events and writes them to Kafka.
#[derive(Debug, Clone, PartialEq)]
pub struct Intake {
    pub address: SocketAddr,
    pub limits: IntakeLimits,
    /// Who may send.
    pub clients: BTreeMap<ClientName, Client>,
    /// The first that has an event's type says where it goes.
    pub routes: Vec<Route>,
    /// What stands in where JSON that is no CloudEvent says nothing of itself.
    pub plain: Plain,
    /// Of so many of the latest events it is known what became of them; 0 remembers none.
    pub remember: usize,
}

/// What one request, and all of them together, may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntakeLimits {
    pub body_bytes: usize,
    /// Of one batch.
    pub events: usize,
    /// At work at the same time.
    pub requests: usize,
    /// Open at the same time.
    pub connections: usize,
    /// Request line and headers.
    pub head_bytes: usize,
    /// For the head to come, then for the body, and then for the answer to be taken.
    pub read_timeout: Duration,
    /// How long what is at work may go on at a shutdown.
    pub grace: Duration,
}

/// Who may send, and what.
#[derive(Debug, Clone, PartialEq)]
pub struct Client {
    pub token: SecretRef,
    pub types: EventTypes,
    /// That it may write to and ask about. `None`: wherever the routes lead, and all.
    pub topics: Option<Vec<String>>,
}

/// Where events of some types go.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    pub types: EventTypes,
    pub topic: String,
    /// The first that an event has is its Kafka key; without any it has none.
    pub key: Vec<KeySource>,
    /// A JSON Schema of the data.
    pub schema: Option<PathBuf>,
}

/// What a Kafka key is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySource {
    PartitionKey,
    Subject,
    Id,
    Source,
    Type,
}

/// Of JSON that is no CloudEvent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plain {
    pub kind: Option<String>,
    /// `None`: `/intake/` and the client's name.
    pub source: Option<String>,
}
