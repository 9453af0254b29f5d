//! As many letters as may be in memory, in the lanes they go in.

use std::collections::{BTreeMap, HashMap};

use super::{RedriveError, Run};
use crate::config;
use crate::dead_letter::DeadLetter;
use crate::dead_letter::listing::Summary;
use crate::dead_letter::store::{LetterId, Store, StoreError};

/// Letters that are in memory at the same time, and what they may take together.
const LOADED: usize = 10_000;
const LOADED_BYTES: usize = 64 << 20;

impl Run<'_> {
    pub(super) async fn load(
        &self,
        letters: &[Summary],
    ) -> Result<HashMap<LetterId, DeadLetter>, RedriveError> {
        let mut partitions: BTreeMap<i32, Vec<LetterId>> = BTreeMap::new();
        for letter in letters {
            partitions.entry(letter.id.partition).or_default().push(letter.id.clone());
        }
        let load = move |store: Store<'_>| {
            let mut loaded = HashMap::new();
            for mut ids in partitions.into_values() {
                ids.sort();
                for (id, letter) in store.load(&ids)? {
                    match store.resolved(letter) {
                        Ok(letter) => drop(loaded.insert(id, letter)),
                        Err(error @ StoreError::Gone(_)) => tracing::error!(letter = %id, %error, "left"),
                        Err(error) => return Err(error),
                    }
                }
            }
            Ok(loaded)
        };
        self.tray.in_store(load).await
    }

    /// The letters of each key, in their order; one without a key by itself.
    pub(super) fn lanes(
        &self,
        letters: &[Summary],
        mut loaded: HashMap<LetterId, DeadLetter>,
    ) -> Vec<Vec<(Summary, Option<DeadLetter>)>> {
        let mut lanes: Vec<Vec<_>> = Vec::new();
        let mut by_key = HashMap::new();
        for letter in letters {
            let entry = (letter.clone(), loaded.remove(&letter.id));
            let key = match (self.plan.settings.ordering, &letter.key) {
                (config::Ordering::Key, Some(key)) => {
                    Some((letter.origin.topic.clone(), letter.origin.partition, key))
                }
                (config::Ordering::Key, None) | (config::Ordering::None, _) => None,
            };
            let lane = match key {
                Some(key) => *by_key.entry(key).or_insert(lanes.len()),
                None => lanes.len(),
            };
            match lanes.get_mut(lane) {
                Some(lane) => lane.push(entry),
                None => lanes.push(vec![entry]),
            }
        }
        lanes
    }
}

/// How many of the first may be in memory together: one at least.
pub(super) fn loadable(letters: &[Summary]) -> usize {
    let mut bytes = 0;
    let fits = |letter: &&Summary| {
        bytes += letter.bytes;
        bytes <= LOADED_BYTES
    };
    letters.iter().take(LOADED).take_while(fits).count().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dead_letter::listing::tests::summary;

    #[test]
    fn no_more_is_loaded_than_fits_and_one_always_is() {
        let of = |bytes: usize, count: usize| vec![Summary { bytes, ..summary() }; count];
        for (bytes, count, expected) in
            [(1, 3, 3), (1, LOADED + 1, LOADED), (LOADED_BYTES / 4, 9, 4), (LOADED_BYTES + 1, 2, 1)]
        {
            assert_eq!(loadable(&of(bytes, count)), expected, "{bytes} {count}");
        }
    }
}
