//! Who may change something: whoever shows the token.
//!
//! In comes what a request shows, out goes whether that is enough. The token is a secret by reference, which is read
//! again when its file changes, and may be another after a reload.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use http::HeaderValue;

use crate::config::secret::{Watched, bearer};

/// Closed to everybody until it is opened. Clones are the same door.
#[derive(Clone, Default)]
pub struct Door {
    token: Arc<Mutex<Option<Watched>>>,
}

/// Why somebody may not come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closed {
    /// There is no token that could be shown.
    ToAll,
    /// None was shown, or a wrong one.
    ToThis,
}

impl Door {
    /// Who shows this may come in from now on, and nobody else.
    pub fn open_to(&self, token: Option<Watched>) {
        *self.token() = token;
    }

    /// `shown` is the header `authorization`.
    pub(super) fn admits(&self, shown: Option<&HeaderValue>, now: Instant) -> Result<(), Closed> {
        let mut token = self.token();
        let token = token.as_mut().ok_or(Closed::ToAll)?;
        token.refresh(now);
        let shown = shown.and_then(|shown| bearer(shown.as_bytes())).ok_or(Closed::ToThis)?;
        if token.secret().is(shown) { Ok(()) } else { Err(Closed::ToThis) }
    }

    fn token(&self) -> std::sync::MutexGuard<'_, Option<Watched>> {
        // Whole after any panic: it is replaced as one.
        self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Door").field("has_token", &self.token().is_some()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SecretRef;

    #[test]
    fn only_the_token_itself_opens_it() {
        let file = std::env::temp_dir().join(format!("liaison-door-{}", std::process::id()));
        std::fs::write(&file, "a-token-of-some-length\n").unwrap();
        let (door, now) = (Door::default(), Instant::now());
        let shown = |text: &'static str| Some(HeaderValue::from_static(text));
        let right = shown("Bearer a-token-of-some-length");
        assert_eq!(door.admits(right.as_ref(), now), Err(Closed::ToAll));
        door.open_to(Some(Watched::read(&SecretRef::File(file.clone())).unwrap()));
        for (header, expected) in [
            (right.clone(), Ok(())),
            (shown("bearer  a-token-of-some-length "), Ok(())),
            (None, Err(Closed::ToThis)),
            (shown(""), Err(Closed::ToThis)),
            (shown("Bearer"), Err(Closed::ToThis)),
            (shown("Bearer "), Err(Closed::ToThis)),
            (shown("Bearer a-token-of-some-lengt"), Err(Closed::ToThis)),
            (shown("Bearer a-token-of-some-length!"), Err(Closed::ToThis)),
            (shown("Bearer A-token-of-some-length"), Err(Closed::ToThis)),
            (shown("Basic a-token-of-some-length"), Err(Closed::ToThis)),
            (shown("a-token-of-some-length"), Err(Closed::ToThis)),
        ] {
            assert_eq!(door.admits(header.as_ref(), now), expected, "{header:?}");
        }
        std::fs::write(&file, "another-token").unwrap();
        let later = now + std::time::Duration::from_secs(60);
        assert_eq!(door.clone().admits(right.as_ref(), later), Err(Closed::ToThis));
        assert_eq!(door.admits(shown("Bearer another-token").as_ref(), later), Ok(()));
        std::fs::remove_file(&file).unwrap();
        door.open_to(None);
        assert_eq!(door.admits(right.as_ref(), later), Err(Closed::ToAll));
    }
}
