//! The user and the password that a database is logged in to with, as the password is now.
//!
//! Every password that is read is made known to the mask.

use std::cell::RefCell;
use std::time::Instant;

use crate::config::mask::Mask;
use crate::config::secret::{Secret, Watched};
use crate::config::{Credential, Egress};
use crate::egress::EgressError;

/// A database user.
pub(super) struct Login {
    pub(super) username: String,
    password: RefCell<Watched>,
    mask: Mask,
}

impl Login {
    pub(super) fn new(settings: &Egress, mask: &Mask) -> Result<Self, EgressError> {
        let (username, password) = match &settings.credential {
            Some(Credential::Basic { username, password }) => (username, password),
            None
            | Some(
                Credential::Bearer(_)
                | Credential::Header { .. }
                | Credential::OAuth2(_)
                | Credential::Aws(_),
            ) => {
                return Err(EgressError::Login);
            }
        };
        let watched = Watched::read(password)?;
        mask.learn_password(username, watched.secret());
        Ok(Self { username: username.clone(), password: RefCell::new(watched), mask: mask.clone() })
    }

    /// The password as it is now.
    pub(super) fn current(&self) -> Secret {
        let mut password = self.password.borrow_mut();
        if password.refresh(Instant::now()) {
            self.changed(&password);
        }
        password.secret().clone()
    }

    /// Another one than this, which was refused; `None` where there is none.
    pub(super) fn other_than(&self, refused: &Secret) -> Option<Secret> {
        let mut password = self.password.borrow_mut();
        if password.refresh_now(Instant::now()) {
            self.changed(&password);
        }
        Some(password.secret().clone()).filter(|secret| secret != refused)
    }

    fn changed(&self, password: &Watched) {
        self.mask.learn_password(&self.username, password.secret());
        tracing::info!(secret = %password.reference(), "a rotated secret is in use");
    }
}
