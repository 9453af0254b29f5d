//! Defaults of `[intake]`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::config::{EventTypes, Intake, IntakeLimits, KeySource, Plain, Route};

impl Intake {
    /// Served there, to nobody yet, and leading nowhere.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            limits: IntakeLimits::default(),
            clients: BTreeMap::new(),
            routes: Vec::new(),
            plain: Plain::default(),
            remember: 10_000,
        }
    }
}

impl Default for IntakeLimits {
    fn default() -> Self {
        Self {
            body_bytes: 1 << 20,
            events: 100,
            requests: 64,
            connections: 256,
            head_bytes: 16 << 10,
            read_timeout: Duration::from_secs(10),
            grace: Duration::from_secs(10),
        }
    }
}

impl Route {
    /// Events of every type to this topic, by the usual key.
    pub fn to(topic: &str) -> Self {
        Self {
            types: EventTypes::default(),
            topic: topic.to_owned(),
            key: vec![KeySource::PartitionKey, KeySource::Subject, KeySource::Id],
            schema: None,
        }
    }
}
