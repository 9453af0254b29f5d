//! The egress gateway: performs the HTTP requests of one connector in one subscription.
//!
//! ```text
//! request as data ─▶ origin (granted?) ─▶ message (checked, credential added) ─▶ pool ─▶ dial (address checked) ─▶ reply
//! ```
//!
//! In comes a request as the plugin wrote it, out goes a reply. It follows no redirect, knows no proxy, retries nothing
//! that was written, and decides nothing about the event: that is for the plugin and the delivery rules.

mod address;
mod dial;
mod error;
mod exchange;
mod grant;
mod message;
mod origin;
mod pool;
mod secret;
mod sent;
mod spelling;
#[cfg(test)]
mod tests;
mod tls;

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, timeout_at};

pub use self::error::EgressError;
pub use self::sent::Sent;

use self::dial::{Dialer, Names};
use self::message::Composer;
use self::origin::Grants;
use self::pool::Pool;
use crate::config::Egress;
use crate::contract::{Failure, HttpRequest, HttpResponse, Reply};

/// The way out of one connector in one subscription: its grants, its credential and its connections.
///
/// It lives on one thread: [`Gateway::perform`] must be called within a `tokio` `LocalSet` or local runtime.
pub struct Gateway {
    composer: Composer,
    pool: Rc<Pool>,
}

/// Time-outs beyond it are cut, so that adding one to now cannot overflow.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// What one request is part of.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The data of the event that is being delivered; `None` for a tombstone and for a check.
    pub event_data: Option<&'a Bytes>,
    /// Sent with each method but GET, HEAD and OPTIONS, unless the plugin gave that header.
    pub idempotency_key: Option<&'a str>,
    /// Sent unless the plugin gave that header (W3C Trace Context).
    pub traceparent: Option<&'a str>,
    /// The replies of this attempt so far.
    pub rounds: &'a [Vec<Reply>],
    /// When the attempt is over.
    pub deadline: Instant,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Gateway").finish_non_exhaustive()
    }
}

impl Gateway {
    /// Reads the credential and the CA file now, so that a mistake is found before anything is consumed. Connects to
    /// nothing.
    ///
    /// # Errors
    ///
    /// When the secret or the CA file cannot be read, or an origin cannot be reached by HTTP.
    pub fn new(settings: &Egress) -> Result<Self, EgressError> {
        let dialer = Dialer {
            allow_networks: settings.allow_networks.clone(),
            connect_timeout: settings.connect_timeout,
            names: Names::System,
        };
        let grants = Grants::new(settings)?;
        Ok(Self {
            composer: Composer::new(settings)?,
            pool: Pool::new(grants, dialer, settings.idle_timeout.min(LONGEST), settings.max_reply_bytes),
        })
    }

    /// Checks and performs one request. What goes wrong is a [`Reply::Failed`]. Dropped before it is done, it closes
    /// the connection it was using (an HTTP/2 one is shared: there it resets the stream).
    pub async fn perform(&self, request: &HttpRequest, call: &Call<'_>) -> Reply {
        match self.attempt(request, call).await {
            Ok(response) => Reply::Http(response),
            Err(failure) => Reply::Failed(failure),
        }
    }

    async fn attempt(&self, request: &HttpRequest, call: &Call<'_>) -> Result<HttpResponse, Failure> {
        let grants = &self.pool.grants;
        let method = message::method(&request.method)?;
        let target = grants.target(&method, &request.url)?;
        let index = target.origin;
        let message = self.composer.compose(request, call, grants.origin(index), method, target)?;
        let now = Instant::now();
        let own_end = request.timeout.and_then(|timeout| now.checked_add(timeout));
        let end = own_end.map_or(call.deadline, |end| end.min(call.deadline));
        if end <= now {
            return Err(Failure::TimedOut);
        }
        let response =
            timeout_at(end, self.pool.exchange(index, message)).await.map_err(|_| Failure::TimedOut)??;
        let (head, body) = response.into_parts();
        let kept = request.keep_body.then(|| Sha256::digest(&body).into());
        Ok(HttpResponse { status: head.status.as_u16(), headers: head.headers, body, kept })
    }
}
