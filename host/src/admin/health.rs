//! Whether the host is ready: what keeps it from being so, each subject with its reason.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What is not ready, and why. Clones share it; a new one is ready.
///
/// Written when a state changes and read when an operator asks: never for an event.
#[derive(Debug, Clone, Default)]
pub struct Health {
    not_ready: Arc<Mutex<NotReady>>,
    /// Who speaks here; empty is the host as a whole.
    owner: Arc<str>,
}

/// By owner and subject, why.
type NotReady = BTreeMap<(Arc<str>, String), String>;

impl Health {
    pub fn new() -> Health {
        Health::default()
    }

    /// The same, with subjects that are this one's and can be [cleared](Self::clear) together.
    pub fn of(&self, owner: &str) -> Health {
        Health { not_ready: self.not_ready.clone(), owner: owner.into() }
    }

    /// Forgets all that this owner said: it is no more.
    pub fn clear(&self) {
        self.change(|not_ready| not_ready.retain(|(owner, _), _| *owner != self.owner));
    }

    /// Announces a subject that starts: not ready until it says so.
    pub fn register(&self, subject: &str) {
        self.set_not_ready(subject, "starting".to_owned());
    }

    pub fn set_not_ready(&self, subject: &str, reason: String) {
        self.change(|not_ready| not_ready.insert((self.owner.clone(), subject.to_owned()), reason));
    }

    pub fn set_ready(&self, subject: &str) {
        self.change(|not_ready| not_ready.remove(&(self.owner.clone(), subject.to_owned())));
    }

    /// Subject and reason of everything that is not ready; empty is ready.
    pub fn reasons(&self) -> BTreeMap<String, String> {
        let told = |((_, subject), reason): (&(Arc<str>, String), &String)| (subject.clone(), reason.clone());
        self.change(|not_ready| not_ready.iter().map(told).collect())
    }

    fn change<T>(&self, change: impl FnOnce(&mut NotReady) -> T) -> T {
        // Whole after any panic: each change is one call of the map.
        change(&mut self.not_ready.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
