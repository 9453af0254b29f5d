//! Events in Confluent's wire format, decoded to JSON by the schemas of a registry.
//!
//! ```text
//! record ─▶ schema's id ─▶ cache ─▶ JSON ─▶ the event's data
//!                            └─▶ registry (asked once an id; away, or has none yet: the records wait)
//! ```
//!
//! A record comes in, JSON goes out, or why there is none: that is the record's own fault and makes a dead letter of it,
//! its bytes as they were. A registry that does not answer is nobody's fault, and what it does not know one of its replicas
//! may learn in a moment: [`SchemaRegistry::read`] says so, and who asked waits. Avro, JSON Schema and Protobuf are known.
//! Without `[kafka.schema-registry]` nothing is looked at.

mod avro;
mod cache;
mod client;
mod output;
mod protobuf;
mod shared;
mod unknown;
mod wire;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde::de::IgnoredAny;
use tokio::time::Instant;

use self::avro::Avro;
use self::client::{Client, Found, Kind};
use self::output::Output;
use self::protobuf::Protobuf;
use self::shared::{Ids, Known, Shared};
use crate::config;
use crate::config::secret::SecretError;
use crate::event::{DecodeError, DecodeRules, Event, Record, is_json};
use crate::telemetry::RegistryMetrics;

/// A registry's schemas. Clones share them; the default has none and decodes nothing.
#[derive(Debug, Clone, Default)]
pub struct SchemaRegistry(Option<Arc<Shared>>);

/// The schemas of some records.
#[derive(Debug, Clone, Default)]
pub struct Schemas(HashMap<u32, Arc<Schema>>);

/// Why the registry cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("kafka.schema-registry.credential: {0}")]
    Secret(#[from] SecretError),
    #[error("kafka.schema-registry: {0}")]
    Client(String),
}

/// The registry does not answer, or not as one: it may later.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the schema registry at {url} gives no schema {id}: {why}")]
pub struct Away {
    url: url::Url,
    id: u32,
    why: String,
}

/// Why there are no schemas of some records yet.
#[derive(Debug, thiserror::Error)]
pub enum NotYet {
    #[error(transparent)]
    Away(#[from] Away),
    /// The registry answers, and does not have these.
    #[error("the schema registry does not know these schemas, or not yet: {0:?}")]
    Unknown(Vec<u32>),
}

/// Why a record in the wire format has no JSON. Reading it again gives the same answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WireError {
    #[error("the record is of schema {id}, which cannot be used: {why}")]
    Schema { id: u32, why: String },
    #[error("the record is not what its schema {id} says: {why}")]
    Data { id: u32, why: String },
}

/// Why a record is no event.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

#[derive(Debug)]
enum Schema {
    Avro(Avro),
    Protobuf(Protobuf),
    Json,
    Unusable(String),
}

impl SchemaRegistry {
    /// # Errors
    /// When its secret or its certificates cannot be read.
    pub fn new(
        settings: Option<&config::SchemaRegistry>,
        metrics: &RegistryMetrics,
    ) -> Result<Self, RegistryError> {
        let Some(settings) = settings else { return Ok(Self::default()) };
        Ok(Self(Some(Arc::new(Shared::new(settings, Some(Client::new(settings)?), metrics)))))
    }

    /// One that is never asked and knows no schema, for who only wants to know which records need any. Needs no secret.
    pub fn unasked(settings: Option<&config::SchemaRegistry>, metrics: &RegistryMetrics) -> Self {
        Self(settings.map(|settings| Arc::new(Shared::new(settings, None, metrics))))
    }

    /// The schemas of these records, where all are known already.
    pub fn look_up<'a>(&self, records: impl IntoIterator<Item = &'a Record>) -> Option<Schemas> {
        let Some(shared) = &self.0 else { return Some(Schemas::default()) };
        let ids = ids(records, Duration::ZERO);
        // The way of most records, which are in no such format.
        if ids.is_empty() {
            return Some(Schemas::default());
        }
        let Known { schemas, to_ask, to_wait } = shared.known(&ids);
        (to_ask.is_empty() && to_wait.is_empty()).then_some(schemas)
    }

    /// The same of records that are here since then, and what is not known is asked for.
    ///
    /// # Errors
    /// When the registry does not answer, or does not have one of them and may still get it: to be asked again in a moment.
    /// What it answered before that is known from now on.
    pub async fn read<'a>(
        &self,
        records: impl IntoIterator<Item = &'a Record>,
        since: Instant,
    ) -> Result<Schemas, NotYet> {
        let Some(shared) = &self.0 else { return Ok(Schemas::default()) };
        let mut ids = ids(records, since.elapsed());
        let Known { mut schemas, to_ask, .. } = shared.known(&ids);
        schemas.0.extend(shared.fetch(&to_ask).await?.0);
        ids.retain(|id, _| !schemas.0.contains_key(id));
        // That there is none of the rest may count by now.
        let rest = shared.known(&ids);
        schemas.0.extend(rest.schemas.0);
        let missing = [rest.to_ask, rest.to_wait].concat();
        if missing.is_empty() { Ok(schemas) } else { Err(NotYet::Unknown(missing)) }
    }

    /// The same for who waits for nothing: that there is no such schema is believed at once.
    async fn read_now(&self, record: &Record) -> Result<Schemas, Away> {
        let Some(shared) = &self.0 else { return Ok(Schemas::default()) };
        let Known { mut schemas, to_ask, to_wait } = shared.known(&ids([record], Duration::ZERO));
        let mut missing = [to_ask, to_wait].concat();
        shared.heard(&mut missing, &mut schemas);
        schemas.0.extend(shared.fetch(&missing).await?.0);
        missing.retain(|id| !schemas.0.contains_key(id));
        shared.heard(&mut missing, &mut schemas);
        Ok(schemas)
    }

    /// Are records of this topic decoded?
    pub fn is_for(&self, topic: &str) -> bool {
        let settings = self.0.as_ref().map(|shared| &shared.settings);
        settings.is_some_and(|settings| {
            settings.topics.as_ref().is_none_or(|topics| topics.iter().any(|one| one == topic))
        })
    }

    /// May this record be in the wire format at all? So says its first byte.
    pub fn may_be_for(record: &Record) -> bool {
        record.value.as_deref().and_then(wire::split).is_some()
    }

    /// Whether the registry answers as one, and lets this host in; `None` where there is none to ask.
    pub async fn probe(&self) -> Option<Result<url::Url, String>> {
        let shared = self.0.as_ref()?;
        let answer = shared.client.as_ref()?.probe().await;
        Some(answer.map(|()| shared.settings.url.clone()))
    }

    /// The event of a record, whatever has to be asked for. Waits for no schema that the registry does not have: who calls
    /// this keeps the record.
    ///
    /// # Errors
    /// When the registry does not answer; within, why the record is none.
    pub async fn event(
        &self,
        record: &Record,
        rules: &DecodeRules,
    ) -> Result<Result<Event, ReadError>, Away> {
        if !self.is_for(&record.origin.topic) {
            return Ok(Event::decode(record, rules).map_err(ReadError::from));
        }
        let schemas = self.read_now(record).await?;
        Ok(schemas.json_of(record).map_err(ReadError::from).and_then(|json| Ok(event(record, json, rules)?)))
    }

    /// The same without asking: `None` where its schema is not known.
    pub fn event_if_known(&self, record: &Record, rules: &DecodeRules) -> Option<Result<Event, ReadError>> {
        if !self.is_for(&record.origin.topic) {
            return Some(Event::decode(record, rules).map_err(ReadError::from));
        }
        let schemas = self.look_up([record])?;
        Some(
            schemas.json_of(record).map_err(ReadError::from).and_then(|json| Ok(event(record, json, rules)?)),
        )
    }
}

/// The event of a record whose value is this JSON, decoded; `None`: the value is as it is.
pub fn event(record: &Record, json: Option<Bytes>, rules: &DecodeRules) -> Result<Event, DecodeError> {
    match json {
        Some(json) => Event::decode(&as_json(record, json), rules),
        None => Event::decode(record, rules),
    }
}

/// The same record with JSON in it. A content type that says JSON stands, for it is true: so does that of a structured
/// CloudEvent, which is read as one.
fn as_json(record: &Record, json: Bytes) -> Record {
    let is_type = |name: &str| {
        name.eq_ignore_ascii_case("content-type") || name.eq_ignore_ascii_case("ce_datacontenttype")
    };
    let says_json = |value: &Option<Bytes>| {
        value.as_deref().and_then(|value| str::from_utf8(value).ok()).is_some_and(is_json)
    };
    let mut headers = record.headers.clone();
    headers.retain(|(name, value)| !is_type(name) || says_json(value));
    if !headers.iter().any(|(name, _)| is_type(name)) {
        headers.push(("content-type".into(), Some(Bytes::from_static(b"application/json"))));
    }
    Record { value: Some(json), headers, ..record.clone() }
}

/// The ids of the schemas that these records name, which are here for so long.
fn ids<'a>(records: impl IntoIterator<Item = &'a Record>, here: Duration) -> Ids {
    let mut ids = Ids::new();
    let mut now = None;
    for record in records {
        let Some((id, _)) = record.value.as_deref().and_then(wire::split) else { continue };
        let now = *now.get_or_insert_with(|| SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default());
        let written = record.timestamp.map(Duration::from_millis);
        let age = written.map_or(here, |written| now.saturating_sub(written).max(here));
        ids.entry(id).and_modify(|youngest| *youngest = age.min(*youngest)).or_insert(age);
    }
    ids
}

impl Schema {
    fn of(found: Found) -> Result<Self, String> {
        match found.kind {
            Kind::Avro => {
                let references: Vec<_> = found.references.into_iter().map(|(_, text)| text).collect();
                Avro::parse(&found.text, &references).map(Schema::Avro)
            }
            Kind::Protobuf => Protobuf::parse(&found.text, found.references).map(Schema::Protobuf),
            Kind::Json => Ok(Schema::Json),
            Kind::Other(kind) => {
                Err(format!("its type is `{kind}`: Avro, JSON Schema and Protobuf are known"))
            }
        }
    }

    fn json(&self, data: &[u8]) -> Result<Bytes, String> {
        let mut output = Output::default();
        match self {
            Schema::Avro(avro) => avro.decode(data, &mut output)?,
            Schema::Protobuf(protobuf) => protobuf.decode(data, &mut output)?,
            Schema::Json => {
                serde_json::from_slice::<IgnoredAny>(data)
                    .map_err(|error| format!("it is no JSON: {error}"))?;
                output.raw(data)?;
            }
            Schema::Unusable(why) => return Err(why.clone()),
        }
        Ok(output.into_bytes())
    }
}

impl Schemas {
    fn put_unusable(&mut self, id: u32, why: String) {
        self.0.insert(id, Arc::new(Schema::Unusable(why)));
    }

    /// The value of a record as JSON; `None` where it is in no wire format.
    pub fn json_of(&self, record: &Record) -> Result<Option<Bytes>, WireError> {
        let Some((id, data)) = record.value.as_deref().and_then(wire::split) else { return Ok(None) };
        let Some(schema) = self.0.get(&id) else { return Ok(None) };
        match &**schema {
            Schema::Unusable(why) => Err(WireError::Schema { id, why: why.clone() }),
            usable @ (Schema::Avro(_) | Schema::Protobuf(_) | Schema::Json) => {
                usable.json(data).map(Some).map_err(|why| WireError::Data { id, why })
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
