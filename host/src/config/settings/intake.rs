//! `[intake]` as people write it.
//!
//! Form alone, as in `settings`; secrets are only ever named here.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{ByteSize, Count, DurationText, SecretSettings};

/// An event channel over HTTP: `POST /events` writes to Kafka, `GET /events/ID` says what became of an event.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct IntakeSettings {
    /// The address and port it is served at, without TLS: beyond this machine it belongs behind a proxy.
    #[schemars(required)]
    pub(in crate::config) address: Option<String>,
    /// Who may send, each under a name of its own.
    #[serde(default)]
    #[schemars(required)]
    pub(in crate::config) clients: BTreeMap<String, ClientSettings>,
    /// Where events go: the first that has an event's type.
    #[serde(default)]
    #[schemars(required)]
    pub(in crate::config) routes: Vec<RouteSettings>,
    /// What stands in where JSON that is no CloudEvent says nothing of itself.
    #[serde(default)]
    pub(in crate::config) plain: PlainSettings,
    /// The largest body of a request.
    pub(in crate::config) max_body: Option<ByteSize>,
    /// The most events in one batch.
    pub(in crate::config) max_events: Option<Count<1>>,
    /// The most requests at work at the same time; further ones are answered 429.
    pub(in crate::config) max_requests: Option<Count<1>>,
    /// The most connections at the same time; further ones wait.
    pub(in crate::config) max_connections: Option<Count<1>>,
    /// The largest request line with its headers: from 8 KiB to 1 MiB.
    pub(in crate::config) max_head: Option<ByteSize>,
    /// How long the head of a request may take to come, then its body, and then its answer to be taken.
    pub(in crate::config) read_timeout: Option<DurationText>,
    /// How long what is at work may go on at a shutdown.
    pub(in crate::config) grace: Option<DurationText>,
    /// Of how many of the latest events it is remembered what became of them; 0 remembers none.
    pub(in crate::config) remember: Option<Count<0>>,
}

/// Who may send, and what.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct ClientSettings {
    /// What it shows, as a bearer token: 16 characters at least.
    #[schemars(required)]
    pub(in crate::config) token: Option<SecretSettings>,
    /// The event types it may send and ask about, `*` standing for any text. Default: all.
    pub(in crate::config) types: Option<Vec<String>>,
    /// The topics it may write to, and ask about events in. Default: wherever the routes lead, and all.
    pub(in crate::config) topics: Option<Vec<String>>,
}

/// Where events of some types go.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct RouteSettings {
    /// The event types, `*` standing for any text. Default: all.
    pub(in crate::config) types: Option<Vec<String>>,
    /// The topic they are written to.
    #[schemars(required)]
    pub(in crate::config) topic: Option<String>,
    /// What the Kafka key is made of: the first of these that an event has. Empty: no key.
    pub(in crate::config) key: Option<Vec<KeySetting>>,
    /// A JSON Schema that their data must have; a relative file is looked for beside this file. Default: none.
    pub(in crate::config) schema: Option<PathBuf>,
}

/// What a Kafka key is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum KeySetting {
    /// The extension attribute of CloudEvents.
    Partitionkey,
    /// What the event is about.
    Subject,
    /// The event's own.
    Id,
    /// Where it comes from.
    Source,
    /// Its type.
    Type,
}

/// Of JSON that is no CloudEvent.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct PlainSettings {
    /// The type of what says none. Default: none, and it is refused.
    #[serde(rename = "type")]
    pub(in crate::config) kind: Option<String>,
    /// The source of what says none. Default: `/intake/` and the client's name.
    pub(in crate::config) source: Option<String>,
}
