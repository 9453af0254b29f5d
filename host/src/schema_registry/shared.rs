//! What all clones of a registry share: what is known of ids, and who asks for the rest.
//!
//! In come ids, out go their schemas, or that the registry has none. A few are asked for side by side; where the registry
//! keeps answering that it has none, the next question waits.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::stream::{StreamExt as _, TryStreamExt as _, iter};
use tokio::time::Instant;

use super::cache::Cache;
use super::client::{Client, Found, Lacking};
use super::unknown::{Unknown, Word};
use super::{Away, Schema, Schemas};
use crate::config;
use crate::telemetry::{RegistryMetrics, RegistryResult};

/// Questions on their way at once, for one batch of records.
const AT_ONCE: usize = 8;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) settings: config::SchemaRegistry,
    /// `None`: it is never asked.
    pub(super) client: Option<Client>,
    metrics: RegistryMetrics,
    cache: Mutex<Cache>,
    unknown: Mutex<Unknown>,
}

/// Ids, each with the age of its youngest record.
pub(super) type Ids = BTreeMap<u32, Duration>;

/// What of some ids is known.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) schemas: Schemas,
    /// The registry may have these.
    pub(super) to_ask: Vec<u32>,
    /// It had none of these just now.
    pub(super) to_wait: Vec<u32>,
}

impl Shared {
    pub(super) fn new(
        settings: &config::SchemaRegistry,
        client: Option<Client>,
        metrics: &RegistryMetrics,
    ) -> Self {
        Self {
            settings: settings.clone(),
            client,
            metrics: metrics.clone(),
            cache: Mutex::default(),
            unknown: Mutex::default(),
        }
    }

    pub(super) fn known(&self, ids: &Ids) -> Known {
        let (mut known, now) = (Known::default(), Instant::now());
        let mut cache = self.cache();
        for (id, age) in ids {
            if let Some(schema) = cache.get(*id) {
                known.schemas.0.insert(*id, schema);
                continue;
            }
            match self.unknown().word(*id, *age, now) {
                Word::Ask => known.to_ask.push(*id),
                Word::Wait => known.to_wait.push(*id),
                Word::None(why) => known.schemas.put_unusable(*id, why),
            }
        }
        known
    }

    /// What was heard of these last, that there is none; the rest is left.
    pub(super) fn heard(&self, ids: &mut Vec<u32>, schemas: &mut Schemas) {
        let (unknown, now) = (self.unknown(), Instant::now());
        ids.retain(|id| match unknown.heard(*id, now) {
            Some(why) => {
                schemas.put_unusable(*id, why);
                false
            }
            None => true,
        });
    }

    /// Asks for all of these: what the registry has none of is left out, and known as that.
    pub(super) async fn fetch(&self, ids: &[u32]) -> Result<Schemas, Away> {
        let each = iter(ids.iter().copied()).map(|id| async move { Ok((id, self.fetch_one(id).await?)) });
        let found: Vec<_> = each.buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(Schemas(found.into_iter().filter_map(|(id, schema)| Some((id, schema?))).collect()))
    }

    async fn fetch_one(&self, id: u32) -> Result<Option<Arc<Schema>>, Away> {
        // Registries count in 32 bits with a sign, and answer to more as if they were none: it would be waited for.
        let found = match i32::try_from(id) {
            Ok(_) => self.ask(id).await?,
            Err(_) => Err(Lacking::Unusable(format!("no registry has an id above {}", i32::MAX))),
        };
        let found = match found {
            Ok(found) => Ok(found),
            Err(Lacking::Unusable(why)) => Err(why),
            Err(Lacking::Unknown(why)) => {
                if self.unknown().hear(id, why.clone(), Instant::now()) {
                    tracing::warn!(id, why, "the schema registry does not know a schema, or not yet");
                }
                return Ok(None);
            }
        };
        let bytes = found.as_ref().map_or(0, Found::bytes);
        // It takes as long as whoever wrote the schema wants, within its size: others' events go on meanwhile.
        let made = tokio::task::spawn_blocking(|| found.and_then(Schema::of)).await;
        let made = made.unwrap_or_else(|error| Err(format!("reading it failed: {error}")));
        let schema = Arc::new(made.unwrap_or_else(|why| {
            tracing::warn!(id, why, "a schema of the registry cannot be used: its records are dead letters");
            Schema::Unusable(why)
        }));
        self.cache().put(id, schema.clone(), bytes, self.settings.cache);
        self.unknown().forget(id);
        Ok(Some(schema))
    }

    /// The schema, or why it cannot be used.
    async fn ask(&self, id: u32) -> Result<Result<Found, Lacking>, Away> {
        let away = |why: String| Away { url: self.settings.url.clone(), id, why };
        let client = self.client.as_ref().ok_or_else(|| away("it is not asked here".to_owned()))?;
        loop {
            let now = Instant::now();
            let wait = self.unknown().wait(now);
            if wait.is_zero() {
                break;
            }
            tokio::time::sleep_until(now + wait).await;
        }
        let found = client.get(id).await.map_err(|why| {
            self.metrics.requests[RegistryResult::Failed].inc();
            away(why)
        })?;
        let result = if found.is_ok() { RegistryResult::Found } else { RegistryResult::Unknown };
        self.metrics.requests[result].inc();
        Ok(found)
    }

    pub(super) fn cache(&self) -> MutexGuard<'_, Cache> {
        // Whole after any panic: each change is one call of the map.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unknown(&self) -> MutexGuard<'_, Unknown> {
        self.unknown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
