//! Standard Webhooks 1.0.0: a message that is signed with keys that are never sent.
//!
//! In goes a message that has a `webhook-id`, out it comes with the time of this attempt and a signature of both and of its
//! body, one for each key: while a key is replaced the receiver takes either. A message without an id, as of a check,
//! delivers nothing and is not signed. Keys in files are followed.

use std::cell::{Cell, RefCell};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use http::Method;
use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::EgressError;
use super::credential::{Generation, sensitive};
use super::message::Message;
use super::outgoing::Outgoing;
use crate::config::SecretRef;
use crate::config::mask::Mask;
use crate::config::secret::Watched;
use crate::config::webhook_key::WebhookKey;
use crate::contract::Failure;

/// The same on every attempt: a receiver knows a repetition by it.
const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
pub(super) const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// The keys as they are now.
pub(super) struct WebhookSigner {
    keys: RefCell<Vec<WatchedKey>>,
    generation: Cell<Generation>,
    mask: Mask,
}

struct WatchedKey {
    watched: Watched,
    key: WebhookKey,
}

impl WebhookSigner {
    /// Reads the keys now, so that a mistake is found before anything is consumed.
    pub(super) fn new(secrets: &[SecretRef], mask: Mask) -> Result<Self, EgressError> {
        let read = |secret: &SecretRef| {
            let watched = Watched::read(secret)?;
            mask.learn(watched.secret());
            let key = WebhookKey::read(watched.secret().expose())
                .map_err(|why| EgressError::WebhookKey { place: secret.to_string(), why })?;
            Ok(WatchedKey { watched, key })
        };
        let keys = secrets.iter().map(read).collect::<Result<_, EgressError>>()?;
        Ok(Self { keys: RefCell::new(keys), generation: Cell::default(), mask })
    }

    /// Signs it with the keys as they are now.
    pub(super) fn sign(&self, message: &mut Message) -> Result<(), Failure> {
        self.follow(|watched| watched.refresh(Instant::now()));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.sign_at(message, now)
    }

    /// Signs it anew if there are other keys by now than it was signed with; false where there are none.
    pub(super) fn sign_with_others(&self, message: &mut Message) -> Result<bool, Failure> {
        self.follow(|watched| watched.refresh_now(Instant::now()));
        if !self.generation.get().is_after(message) {
            return Ok(false);
        }
        self.sign(message).map(|()| true)
    }

    fn follow(&self, is_other: impl Fn(&mut Watched) -> bool) {
        let mut is_changed = false;
        for key in self.keys.borrow_mut().iter_mut() {
            if is_other(&mut key.watched) {
                is_changed |= key.changed(&self.mask);
            }
        }
        if is_changed {
            self.generation.update(Generation::next);
        }
    }

    fn sign_at(&self, message: &mut Message, now_seconds: u64) -> Result<(), Failure> {
        let Some(id) = message.headers().get(&ID) else { return Ok(()) };
        let id = id.to_str().ok().filter(|id| !id.is_empty() && !id.contains('.'));
        let id = id.ok_or_else(|| {
            Failure::Invalid(
                "header `webhook-id`: must be text without a full stop, which parts what is signed"
                    .to_owned(),
            )
        })?;
        let Outgoing::Bytes(body) = message.body() else {
            let why = "body: it is kept in a file, and what a webhook signs must fit in memory";
            return Err(Failure::Invalid(why.to_owned()));
        };
        let keys = self.keys.borrow();
        let signatures: Vec<_> = keys.iter().map(|key| key.key.sign(id, now_seconds, body)).collect();
        let value = sensitive(signatures.join(" ")).expect("base64 is what a header may carry");
        message.headers_mut().insert(TIMESTAMP, HeaderValue::from(now_seconds));
        message.headers_mut().insert(SIGNATURE, value);
        self.generation.get().mark(message);
        Ok(())
    }
}

impl WatchedKey {
    /// Takes over what was read. What is no key leaves the one before in use, and is said.
    fn changed(&mut self, mask: &Mask) -> bool {
        let secret = self.watched.secret();
        mask.learn(secret);
        let place = self.watched.reference();
        match WebhookKey::read(secret.expose()) {
            Ok(key) => {
                self.key = key;
                tracing::info!(secret = %place, "a rotated secret is in use");
                true
            }
            Err(why) => {
                let error = EgressError::WebhookKey { place: place.to_string(), why };
                tracing::warn!(%error, "a rotated secret cannot be used; the one before stays in use");
                false
            }
        }
    }
}

/// Gives a message that changes something the id of its delivery, where the plugin gave it none.
pub(super) fn add_id(headers: &mut HeaderMap, method: &Method, idempotency_key: Option<&str>) {
    if let Some(value) = idempotency_key.and_then(|key| HeaderValue::from_str(key).ok())
        && !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
        && !headers.contains_key(ID)
    {
        headers.insert(ID, value);
    }
}

#[cfg(test)]
mod tests;
