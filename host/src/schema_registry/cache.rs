//! The schemas that are known, as many as there is room for. Pure.
//!
//! An id never gets another schema, so what is here stays true: also that a schema cannot be used.

use std::collections::HashMap;
use std::sync::Arc;

use super::Schema;

/// All texts that the schemas kept in memory were made of.
pub(super) const MAX_BYTES: usize = 64 << 20;

#[derive(Debug, Default)]
pub(super) struct Cache {
    schemas: HashMap<u32, Cached>,
    uses: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Cached {
    schema: Arc<Schema>,
    /// The number of its latest use.
    used: u64,
    /// Of its texts.
    bytes: usize,
}

impl Cache {
    pub(super) fn get(&mut self, id: u32) -> Option<Arc<Schema>> {
        let Cached { schema, used, .. } = self.schemas.get_mut(&id)?;
        self.uses += 1;
        *used = self.uses;
        Some(schema.clone())
    }

    /// What was used least lately goes, until this one has room.
    pub(super) fn put(&mut self, id: u32, schema: Arc<Schema>, bytes: usize, most: usize) {
        self.remove(id);
        while self.schemas.len() >= most || (self.bytes + bytes > MAX_BYTES && !self.schemas.is_empty()) {
            let oldest = self.schemas.iter().min_by_key(|(_, cached)| cached.used).map(|(id, _)| *id);
            let Some(oldest) = oldest else { break };
            self.remove(oldest);
        }
        self.uses += 1;
        self.bytes += bytes;
        self.schemas.insert(id, Cached { schema, used: self.uses, bytes });
    }

    fn remove(&mut self, id: u32) {
        self.bytes -= self.schemas.remove(&id).map_or(0, |removed| removed.bytes);
    }
}
