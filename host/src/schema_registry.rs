//! Events in Confluent's wire format, decoded to JSON by the schemas of a registry.
//!
//! ```text
//! record ─▶ schema's id ─▶ cache ─▶ JSON ─▶ the event's data
//!                            └─▶ registry (asked once an id; away: the records wait, and nothing is given up)
//! ```
//!
//! A record comes in, JSON goes out, or why there is none: that is the record's own fault and makes a dead letter of it,
//! its bytes as they were. A registry that does not answer is nobody's fault: [`SchemaRegistry::read`] says so, and who
//! asked waits. Avro, JSON Schema and Protobuf are known. Without `[kafka.schema-registry]` nothing is looked at.

mod avro;
mod cache;
mod client;
mod output;
mod protobuf;
mod wire;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use serde::de::IgnoredAny;

use self::avro::Avro;
use self::cache::Cache;
use self::client::{Client, Found, Kind};
use self::output::Output;
use self::protobuf::Protobuf;
use crate::config;
use crate::config::secret::SecretError;
use crate::event::{DecodeError, DecodeRules, Event, Record};
use crate::telemetry::{RegistryMetrics, RegistryResult};

/// A registry's schemas. Clones share them; the default has none and decodes nothing.
#[derive(Debug, Clone, Default)]
pub struct SchemaRegistry(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    settings: config::SchemaRegistry,
    /// `None`: it is never asked.
    client: Option<Client>,
    cache: Mutex<Cache>,
    metrics: RegistryMetrics,
}

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
    Unusable { why: String, since: Instant },
}

impl SchemaRegistry {
    /// # Errors
    /// When its secret or its certificates cannot be read.
    pub fn new(
        settings: Option<&config::SchemaRegistry>,
        metrics: &RegistryMetrics,
    ) -> Result<Self, RegistryError> {
        let Some(settings) = settings else { return Ok(Self::default()) };
        let shared = Shared {
            client: Some(Client::new(settings)?),
            settings: settings.clone(),
            cache: Mutex::default(),
            metrics: metrics.clone(),
        };
        Ok(Self(Some(Arc::new(shared))))
    }

    /// One that is never asked and knows no schema, for who only wants to know which records need any. Needs no secret.
    pub fn unasked(settings: Option<&config::SchemaRegistry>, metrics: &RegistryMetrics) -> Self {
        let shared = |settings: &config::SchemaRegistry| Shared {
            client: None,
            settings: settings.clone(),
            cache: Mutex::default(),
            metrics: metrics.clone(),
        };
        Self(settings.map(shared).map(Arc::new))
    }

    /// The schemas of these records, where all are known already.
    pub fn look_up<'a>(&self, records: impl IntoIterator<Item = &'a Record>) -> Option<Schemas> {
        let Some(shared) = &self.0 else { return Some(Schemas::default()) };
        let ids = ids(records);
        // The way of most records, which are in no such format.
        if ids.is_empty() {
            return Some(Schemas::default());
        }
        let (known, missing) = shared.known(&ids);
        missing.is_empty().then_some(known)
    }

    /// The same, and what is not known is asked for.
    ///
    /// # Errors
    /// When the registry does not answer. What it answered before that is known from now on.
    pub async fn read<'a>(&self, records: impl IntoIterator<Item = &'a Record>) -> Result<Schemas, Away> {
        let Some(shared) = &self.0 else { return Ok(Schemas::default()) };
        let (mut known, missing) = shared.known(&ids(records));
        for id in missing {
            known.0.insert(id, shared.fetch(id).await?);
        }
        Ok(known)
    }

    /// Are records of this topic decoded?
    pub fn is_for(&self, topic: &str) -> bool {
        let settings = self.0.as_ref().map(|shared| &shared.settings);
        settings.is_some_and(|settings| {
            settings.topics.as_ref().is_none_or(|topics| topics.iter().any(|one| one == topic))
        })
    }

    /// Whether the registry answers as one, and lets this host in; `None` where there is none to ask.
    pub async fn probe(&self) -> Option<Result<url::Url, String>> {
        let shared = self.0.as_ref()?;
        let answer = shared.client.as_ref()?.probe().await;
        Some(answer.map(|()| shared.settings.url.clone()))
    }

    /// The event of a record, whatever has to be asked for.
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
        let schemas = self.read([record]).await?;
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

/// The same record with JSON in it.
fn as_json(record: &Record, json: Bytes) -> Record {
    let is_type = |name: &str| {
        name.eq_ignore_ascii_case("content-type") || name.eq_ignore_ascii_case("ce_datacontenttype")
    };
    let mut headers: Vec<_> = record.headers.iter().filter(|(name, _)| !is_type(name)).cloned().collect();
    headers.push(("content-type".to_owned(), Some(Bytes::from_static(b"application/json"))));
    Record { value: Some(json), headers, ..record.clone() }
}

/// The ids of the schemas that these records name.
fn ids<'a>(records: impl IntoIterator<Item = &'a Record>) -> BTreeSet<u32> {
    let id = |record: &Record| wire::split(record.value.as_deref()?).map(|(id, _)| id);
    records.into_iter().filter_map(id).collect()
}

impl Shared {
    fn known(&self, ids: &BTreeSet<u32>) -> (Schemas, Vec<u32>) {
        let (mut known, mut missing) = (Schemas::default(), Vec::new());
        let mut cache = self.cache();
        for id in ids {
            match cache.get(*id, Instant::now()) {
                Some(schema) => drop(known.0.insert(*id, schema)),
                None => missing.push(*id),
            }
        }
        (known, missing)
    }

    async fn fetch(&self, id: u32) -> Result<Arc<Schema>, Away> {
        // Registries count in 32 bits with a sign, and answer to more as if they were none: it would be waited for.
        let found = match i32::try_from(id) {
            Ok(_) => self.ask(id).await?,
            Err(_) => Err(format!("no registry has an id above {}", i32::MAX)),
        };
        let bytes = found.as_ref().map_or(0, Found::bytes);
        // It takes as long as whoever wrote the schema wants, within its size: others' events go on meanwhile.
        let made = tokio::task::spawn_blocking(|| found.and_then(Schema::of)).await;
        let made = made.unwrap_or_else(|error| Err(format!("reading it failed: {error}")));
        let schema = made.unwrap_or_else(|why| {
            tracing::warn!(id, why, "a schema of the registry cannot be used: its records are dead letters");
            Schema::Unusable { why, since: Instant::now() }
        });
        let schema = Arc::new(schema);
        self.cache().put(id, schema.clone(), bytes, self.settings.cache);
        Ok(schema)
    }

    /// The schema, or why it cannot be used.
    async fn ask(&self, id: u32) -> Result<Result<Found, String>, Away> {
        let away = |why: String| Away { url: self.settings.url.clone(), id, why };
        let client = self.client.as_ref().ok_or_else(|| away("it is not asked here".to_owned()))?;
        let found = client.get(id).await.map_err(|why| {
            self.metrics.requests[RegistryResult::Failed].inc();
            away(why)
        })?;
        let result = if found.is_ok() { RegistryResult::Found } else { RegistryResult::Unknown };
        self.metrics.requests[result].inc();
        Ok(found)
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        // Whole after any panic: each change is one call of the map.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
            Schema::Unusable { why, .. } => return Err(why.clone()),
        }
        Ok(output.into_bytes())
    }
}

impl Schemas {
    /// The value of a record as JSON; `None` where it is in no wire format.
    pub fn json_of(&self, record: &Record) -> Result<Option<Bytes>, WireError> {
        let Some((id, data)) = record.value.as_deref().and_then(wire::split) else { return Ok(None) };
        let Some(schema) = self.0.get(&id) else { return Ok(None) };
        match &**schema {
            Schema::Unusable { why, .. } => Err(WireError::Schema { id, why: why.clone() }),
            usable @ (Schema::Avro(_) | Schema::Protobuf(_) | Schema::Json) => {
                usable.json(data).map(Some).map_err(|why| WireError::Data { id, why })
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
