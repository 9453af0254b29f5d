//! A case: an event, the settings of the plugin, what an endpoint answers, and what is expected of the plugin.
//!
//! `written` reads one from the JSON that a case file holds.

mod written;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use self::written::{content, duration};
use crate::config::Grant;
use crate::contract::{Failure, GrpcResponse, Resolution, SqlResponse, SqlValue, TimestampMs};
use crate::event::Event;

/// 2026-01-01T00:00:00Z: when attempts begin, as in the tests of the SDKs.
const NOW_MS: TimestampMs = 1_767_225_600_000;
/// Where a simulated endpoint is, if a case does not say.
const ENDPOINT: &str = "http://endpoint.example";

/// One case.
#[derive(Debug, Clone)]
pub struct Case {
    /// For a person: unique among the cases of a file.
    pub name: String,
    pub settings: Map<String, Value>,
    pub endpoint: Url,
    /// Origins beside the endpoint's own.
    pub allow: Vec<Grant>,
    /// Of the database that the endpoint is; empty: all.
    pub tables: Vec<String>,
    pub event: Event,
    pub delivery: DeliverySettings,
    /// In the order they are expected in.
    pub requests: Vec<Scripted>,
    pub expect: Expect,
    /// What the conformance kit takes for right beside its own rules, by the name of a trial.
    pub accept: BTreeMap<String, Vec<Ending>>,
}

/// What a connector is given beside the event.
#[derive(Debug, Clone)]
pub struct DeliverySettings {
    /// 1 for the first.
    pub attempt: u32,
    pub now: TimestampMs,
    pub deadline: Option<TimestampMs>,
    pub resolution: Option<Resolution>,
}

/// A request that is expected, and the reply to it.
#[derive(Debug, Clone)]
pub struct Scripted {
    /// `gRPC` for a call by gRPC, `SQL` for a transaction.
    pub method: String,
    /// Absolute; the statements of a transaction, each on one line, with `; ` between them.
    pub url: String,
    /// The step that asks it, from 1.
    pub round: u32,
    /// It need not be asked.
    pub is_optional: bool,
    /// These must be there; `None` is a header that must not.
    pub headers: BTreeMap<String, Option<String>>,
    /// `None`: whatever.
    pub body: Option<Content>,
    /// What is bound in each statement of a transaction; `None`: whatever.
    pub parameters: Option<Vec<Vec<SqlValue>>>,
    pub reply: ScriptedReply,
}

#[derive(Debug, Clone)]
pub struct ScriptedReply {
    pub answer: ScriptedAnswer,
    /// How long it takes, in virtual time.
    pub after: Duration,
}

#[derive(Debug, Clone)]
pub enum ScriptedAnswer {
    Http {
        status: u16,
        headers: Vec<(String, String)>,
        body: Bytes,
    },
    Grpc(GrpcResponse),
    /// Of statements that have no result here, nothing comes.
    Sql(SqlResponse),
    Failed(Failure),
}

/// What a body should be.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// The same value, however it is written.
    Json(Value),
    /// The same bytes.
    Bytes(Bytes),
}

/// How the plugin should end. What is `None` may be anything.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Expect {
    /// An outcome, `emitted`, `dropped`, or `fault`.
    pub outcome: Option<Ending>,
    pub reason: Option<String>,
    #[serde(default, with = "duration")]
    pub after: Option<Duration>,
    pub external_id: Option<String>,
    pub version: Option<String>,
    /// What a transformer makes of the event.
    pub emitted: Option<Vec<Emitted>>,
    /// All lines of the log, in order.
    pub log: Option<Vec<String>>,
}

/// How a plugin ends, without what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    Delivered,
    Skipped,
    Retry,
    Throttled,
    Denied,
    Conflict,
    Rejected,
    Emitted,
    Dropped,
    Fault,
}

/// An event that a transformer should emit. What is `None` may be anything.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Emitted {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub subject: Option<String>,
    #[serde(rename = "datacontenttype")]
    pub content_type: Option<String>,
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// It has no data.
    #[serde(default)]
    pub is_tombstone: bool,
    pub json: Option<Value>,
    pub text: Option<String>,
    pub base64: Option<String>,
}

/// A case that is not written as it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CaseError(pub(super) String);

impl Case {
    /// A case of this event alone, of which nothing is expected.
    pub fn of_event(event: Event, settings: Map<String, Value>) -> Self {
        Self {
            name: event.id.clone(),
            settings,
            endpoint: Url::parse(ENDPOINT).expect("a constant address is one"),
            allow: Vec::new(),
            tables: Vec::new(),
            event,
            delivery: DeliverySettings { attempt: 1, now: NOW_MS, deadline: None, resolution: None },
            requests: Vec::new(),
            expect: Expect::default(),
            accept: BTreeMap::new(),
        }
    }
}

impl DeliverySettings {
    /// A first attempt that begins now.
    pub(super) fn now() -> Self {
        let now = chrono::Utc::now().timestamp_millis();
        // To a tenth of a second, as the contract says.
        let now = u64::try_from(now).unwrap_or_default() / 100 * 100;
        Self { attempt: 1, now, deadline: None, resolution: None }
    }
}

impl Emitted {
    /// `Ok(None)`: whatever.
    pub(super) fn content(&self) -> Result<Option<Content>, String> {
        content(self.json.clone(), self.text.clone(), self.base64.clone())
    }
}
