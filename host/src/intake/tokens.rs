//! The tokens of the clients: who shows one is that client.
//!
//! They are secrets by reference, read again when their files change. A token that may be guessed, or is another client's,
//! is not taken up: the one before stays.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::IntakeError;
use crate::config::secret::{Secret, SecretError, Watched};
use crate::config::{Client, ClientName};

/// In the order of the clients.
#[derive(Debug, Default)]
pub(super) struct Tokens(Mutex<Vec<Watched>>);

impl Tokens {
    /// Reads all of them.
    ///
    /// # Errors
    /// When one cannot be used, or two clients have the same.
    pub(super) fn read(clients: &BTreeMap<ClientName, Client>) -> Result<Self, IntakeError> {
        let mut tokens: Vec<(&ClientName, Watched)> = Vec::with_capacity(clients.len());
        for (name, settings) in clients {
            let token = Watched::token(&settings.token)
                .map_err(|source| IntakeError::Token { client: name.clone(), source })?;
            if let Some((first, _)) = tokens.iter().find(|(_, known)| known.secret() == token.secret()) {
                return Err(IntakeError::SameToken { first: (*first).clone(), second: name.clone() });
            }
            tokens.push((name, token));
        }
        Ok(Self(Mutex::new(tokens.into_iter().map(|(_, token)| token).collect())))
    }

    /// The client who shows this, by its place among them.
    pub(super) fn owner(&self, shown: &[u8], now: Instant) -> Option<usize> {
        // Whole after any panic: each token is replaced as one.
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for index in 0..tokens.len() {
            refresh(&mut tokens, index, now);
        }
        // All of them are looked at: how long it takes tells nothing of which it is.
        let tokens = tokens.iter().enumerate();
        tokens.fold(None, |found, (index, token)| if token.secret().is(shown) { Some(index) } else { found })
    }
}

/// Takes up what stands in the file of one, unless it is the token of another.
fn refresh(tokens: &mut [Watched], index: usize, now: Instant) {
    let (before, rest) = tokens.split_at_mut(index);
    let Some((token, after)) = rest.split_first_mut() else { return };
    let reference = token.reference().clone();
    let is_its_own = |secret: &Secret| {
        let mut others = before.iter().chain(&*after);
        match others.any(|other| other.secret() == secret) {
            true => Err(SecretError::NotItsOwn(reference)),
            false => Ok(()),
        }
    };
    token.refresh_if(now, is_its_own);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::{EventTypes, SecretRef};

    const LOOKED_AGAIN: Duration = Duration::from_secs(1);

    #[test]
    fn a_client_is_known_by_a_token_that_is_long_and_its_own() {
        let folder = std::env::temp_dir().join(format!("liaison-tokens-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
        let clients = ["core", "portal"].map(|name| {
            write(name, &format!("{name}-token-0123456789"));
            let token = SecretRef::File(folder.join(name));
            (ClientName::new(name), Client { token, types: EventTypes::default(), topics: None })
        });
        let tokens = Tokens::read(&BTreeMap::from(clients)).unwrap();
        let mut now = Instant::now();
        let mut owner = |shown: &str| {
            now += LOOKED_AGAIN;
            tokens.owner(shown.as_bytes(), now)
        };
        assert_eq!(owner("core-token-0123456789"), Some(0));
        assert_eq!(owner("portal-token-0123456789"), Some(1));
        for refused in ["", "short", "core-token-0123456789"] {
            write("portal", refused);
            assert_eq!(owner("portal-token-0123456789"), Some(1), "{refused:?}");
            assert_eq!(owner("short"), None);
            assert_eq!(owner("core-token-0123456789"), Some(0));
        }
        write("portal", "portal-another-token");
        assert_eq!(owner("portal-another-token"), Some(1));
        assert_eq!(owner("portal-token-0123456789"), None);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
