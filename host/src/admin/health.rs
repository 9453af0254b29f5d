//! Whether the host is ready: what keeps it from being so, each subject with its reason.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What is not ready, and why. Clones share it; a new one is ready.
///
/// Written when a state changes and read when an operator asks: never for an event.
#[derive(Debug, Clone, Default)]
pub struct Health {
    not_ready: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Health {
    pub fn new() -> Health {
        Health::default()
    }

    /// Announces a subject that starts: not ready until it says so.
    pub fn register(&self, subject: &str) {
        self.set_not_ready(subject, "starting".to_owned());
    }

    pub fn set_not_ready(&self, subject: &str, reason: String) {
        self.change(|not_ready| not_ready.insert(subject.to_owned(), reason));
    }

    pub fn set_ready(&self, subject: &str) {
        self.change(|not_ready| not_ready.remove(subject));
    }

    /// Subject and reason of everything that is not ready; empty is ready.
    pub fn reasons(&self) -> BTreeMap<String, String> {
        self.change(|not_ready| not_ready.clone())
    }

    fn change<T>(&self, change: impl FnOnce(&mut BTreeMap<String, String>) -> T) -> T {
        // Whole after any panic: each change is one call of the map.
        change(&mut self.not_ready.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
