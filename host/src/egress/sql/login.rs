//! The user and the password that a database is logged in to with, as the password is now.
//!
//! Every password that is read is made known to the mask.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::Ended;
use crate::config::mask::Mask;
use crate::config::secret::{Secret, Watched};
use crate::config::{Credential, Egress};
use crate::contract::Failure;
use crate::egress::EgressError;

/// The class of SQLSTATE that says so.
const NOT_AUTHORIZED: &str = "28";

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
                | Credential::Aws(_)
                | Credential::WsSecurity(_)
                | Credential::StandardWebhooks(_),
            ) => {
                return Err(EgressError::Login);
            }
        };
        let watched = Watched::read(password)?;
        mask.learn_password(username, watched.secret());
        Ok(Self { username: username.clone(), password: RefCell::new(watched), mask: mask.clone() })
    }

    /// Logs in to the server of this name within `limit`: with the password as it is now, and if that is refused and there
    /// is another one by now, once more with that.
    pub(super) async fn enter<S>(
        &self,
        server: &str,
        limit: Duration,
        log_in: impl AsyncFn(&Secret) -> Result<S, Ended>,
    ) -> Result<S, Ended> {
        let entering = async {
            let password = self.current();
            let entered = log_in(&password).await;
            let is_refused =
                matches!(&entered, Err(Ended::Refused(error)) if error.code.starts_with(NOT_AUTHORIZED));
            match is_refused.then(|| self.other_than(&password)).flatten() {
                Some(other) => log_in(&other).await,
                None => entered,
            }
        };
        timeout(limit, entering).await.unwrap_or_else(|_| {
            Err(Failure::Connection(format!("{server} did not answer within {limit:?}")).into())
        })
    }

    /// The password as it is now.
    fn current(&self) -> Secret {
        let mut password = self.password.borrow_mut();
        if password.refresh(Instant::now()) {
            self.changed(&password);
        }
        password.secret().clone()
    }

    /// Another one than this, which was refused; `None` where there is none.
    fn other_than(&self, refused: &Secret) -> Option<Secret> {
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
