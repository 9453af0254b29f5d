//! The egress gateway: performs the effects of one connector in one subscription.
//!
//! ```text
//! request as data ─▶ origin (granted?) ─▶ message (checked, credential added) ─▶ pool ─▶ dial (address checked) ─▶ reply
//! ```
//!
//! HTTP and gRPC go this way; `sql` is the way to a database.
//!
//! In comes a request as the plugin wrote it, out goes a reply. It follows no redirect, knows no proxy, retries nothing
//! that was written, and decides nothing about the event: that is for the plugin and the delivery rules.

mod address;
mod aws;
mod credential;
mod dial;
mod error;
mod exchange;
mod grant;
mod grpc;
mod message;
mod oauth;
mod origin;
mod outgoing;
mod pool;
mod sent;
mod spelling;
mod spool;
mod sql;
mod standard_webhooks;
#[cfg(test)]
mod tests;
mod tls;
mod ws_security;

use std::fmt;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use tokio::time::{Instant, timeout_at};

pub use self::error::EgressError;
pub use self::sent::Sent;
pub(crate) use self::sent::{GRPC, SQL};

use self::credential::Credentials;
use self::dial::{Dialer, Names};
use self::exchange::{Intake, Received, ReceivedBody};
use self::message::{Composer, Message};
use self::origin::{Grants, OriginIndex};
use self::pool::{Pool, Protocol};
use self::sql::Sql;
use crate::config::mask::{Mask, STRUCK};
use crate::config::{Database, Egress};
use crate::contract::{
    Delivery, Effect, Failure, GrpcRequest, GrpcResponse, HttpRequest, HttpResponse, Reply, Resolution,
    SqlRequest, SqlResponse,
};

/// The way out of one connector in one subscription: its grants, its credential and its connections.
///
/// It lives on one thread: [`Gateway::perform`] must be called within a `tokio` `LocalSet` or local runtime.
pub struct Gateway {
    composer: Composer,
    credentials: Credentials,
    pool: Rc<Pool>,
    /// Set where the endpoint is a database.
    sql: Option<Sql>,
    mask: Mask,
    max_reply_bytes: u64,
    max_kept_reply_bytes: u64,
    spool_folder: Arc<Path>,
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

impl<'a> Call<'a> {
    /// Of a delivery, under this key and until then. What was merged after a conflict stands in the place of the event's
    /// own data.
    pub fn of(delivery: &'a Delivery, idempotency_key: &'a str, deadline: Instant) -> Self {
        let event_data = match &delivery.resolution {
            Some(Resolution::Merged { data, .. }) => Some(data),
            Some(Resolution::Overwrite(_)) | None => delivery.event.data.as_ref(),
        };
        Self {
            event_data,
            idempotency_key: Some(idempotency_key),
            traceparent: delivery.event.traceparent(),
            rounds: &delivery.rounds,
            deadline,
        }
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Gateway").finish_non_exhaustive()
    }
}

impl Gateway {
    /// Reads the credentials and the CA file now, so that a mistake is found before anything is consumed. Connects to
    /// nothing. Every secret that it reads or fetches, now and later, is made known to `mask`. Bodies that
    /// are kept and large go to files without a name in `spool_folder`.
    ///
    /// # Errors
    ///
    /// When a secret or a file with certificates cannot be read, or an origin cannot be reached by HTTP.
    pub fn new(settings: &Egress, mask: Mask, spool_folder: &Path) -> Result<Self, EgressError> {
        Self::of(settings, mask, spool_folder, Sql::new)
    }

    /// As [`Gateway::new`], for those who ask nothing but what it would send: a database needs no user.
    pub(crate) fn unconnected(settings: &Egress, spool_folder: &Path) -> Result<Self, EgressError> {
        Self::of(settings, Mask::default(), spool_folder, |database, settings, _, _| {
            Ok(Sql::unconnected(database, settings))
        })
    }

    fn of(
        settings: &Egress,
        mask: Mask,
        spool_folder: &Path,
        sql: impl FnOnce(&Database, &Egress, Rc<Dialer>, &Mask) -> Result<Sql, EgressError>,
    ) -> Result<Self, EgressError> {
        let dialer = Rc::new(Dialer {
            allow_networks: settings.allow_networks.clone(),
            connect_timeout: settings.connect_timeout,
            names: Names::System,
        });
        let grants = Grants::new(settings)?;
        let credentials = Credentials::new(settings, &mask)?;
        Ok(Self {
            composer: Composer::new(settings, credentials.header()),
            credentials,
            sql: match &settings.database {
                Some(database) => Some(sql(database, settings, dialer.clone(), &mask)?),
                None => None,
            },
            mask,
            pool: Pool::new(grants, dialer, settings.idle_timeout.min(LONGEST)),
            max_reply_bytes: settings.max_reply_bytes,
            max_kept_reply_bytes: settings.max_kept_reply_bytes,
            spool_folder: spool_folder.into(),
        })
    }

    /// Checks and performs one effect. What goes wrong is a [`Reply::Failed`]. Dropped before it is done, it closes
    /// the connection it was using (an HTTP/2 one is shared: there it resets the stream).
    pub async fn perform(&self, effect: &Effect, call: &Call<'_>) -> Reply {
        let mut reply = match effect {
            Effect::Http(request) => self.http(request, call).await.map(Reply::from),
            Effect::Grpc(request) => self.grpc(request, call).await.map(Reply::from),
            Effect::Sql(request) => self.sql(request, call).await.map(Reply::Sql),
        }
        .unwrap_or_else(Reply::Failed);
        strike(&mut reply, &self.mask);
        reply
    }

    /// Does this go to the connector's own system, its endpoint? Anything else asks another origin that is granted to it.
    pub(crate) fn is_to_endpoint(&self, effect: &Effect) -> bool {
        match effect {
            Effect::Http(request) => self.pool.grants.is_to_endpoint(&request.url),
            // By its path alone.
            Effect::Grpc(_) => self.sql.is_none(),
            Effect::Sql(_) => self.sql.is_some(),
        }
    }

    async fn http(&self, request: &HttpRequest, call: &Call<'_>) -> Result<HttpResponse, Failure> {
        let grants = &self.pool.grants;
        let method = message::method(&request.method)?;
        let target = grants.target(&method, &request.url)?;
        let index = target.origin;
        let message = self.composer.compose(request, call, grants.origin(index), method, target)?;
        let intake = match request.keep_body {
            false => Intake::Memory { max_bytes: self.max_reply_bytes },
            true => Intake::Spool { folder: self.spool_folder.clone(), max_bytes: self.max_kept_reply_bytes },
        };
        let (end, _) = end(request.timeout, call)?;
        let asked = timeout_at(end, self.ask(index, message, Protocol::Any, &intake)).await;
        let reply = asked.map_err(|_| Failure::TimedOut)??;
        let (body, kept) = match reply.body {
            ReceivedBody::Memory(body) => (body, None),
            ReceivedBody::Kept(kept) => (Bytes::new(), Some(kept)),
        };
        Ok(HttpResponse { status: reply.status.as_u16(), headers: reply.headers, body, kept })
    }

    async fn grpc(&self, request: &GrpcRequest, call: &Call<'_>) -> Result<GrpcResponse, Failure> {
        let grants = &self.pool.grants;
        let target = grants.target(&grpc::check_method(&request.method)?, &request.method)?;
        let index = target.origin;
        let (end, left) = end(request.timeout, call)?;
        let message = grpc::compose(&self.composer, request, call, grants.origin(index), target, left)?;
        let max_bytes = self.max_reply_bytes + grpc::PREFIX_BYTES as u64;
        let asked =
            timeout_at(end, self.ask(index, message, Protocol::Http2, &Intake::Memory { max_bytes })).await;
        let reply = asked.map_err(|_| Failure::TimedOut)?.map_err(|failure| match failure {
            Failure::TooLarge(_) => Failure::TooLarge(self.max_reply_bytes),
            failure => failure,
        })?;
        grpc::read(reply)
    }

    async fn sql(&self, request: &SqlRequest, call: &Call<'_>) -> Result<SqlResponse, Failure> {
        let (end, _) = end(request.timeout, call)?;
        // Large, and of few gateways.
        Box::pin(self.database()?.perform(request, end)).await
    }

    fn database(&self) -> Result<&Sql, Failure> {
        let why = "SQL is asked, and the connector's endpoint is not a database";
        self.sql.as_ref().ok_or_else(|| Failure::Invalid(why.to_owned()))
    }

    /// With the credential where it belongs. If that is refused and there is another one by now, once more with that:
    /// what was refused for it has done nothing.
    async fn ask(
        &self,
        index: OriginIndex,
        mut message: Message,
        protocol: Protocol,
        intake: &Intake,
    ) -> Result<Received, Failure> {
        if index != OriginIndex::ENDPOINT {
            return self.pool.exchange(index, message, protocol, intake).await;
        }
        let origin = self.pool.grants.origin(index);
        self.credentials.apply(&mut message, origin).await?;
        let spare = self.credentials.is_renewable().then(|| message.clone());
        let reply = self.pool.exchange(index, message, protocol, intake).await?;
        match spare {
            Some(mut again) if self.is_refused(&reply) => {
                match self.credentials.renew(&mut again, origin).await? {
                    true => self.pool.exchange(index, again, protocol, intake).await,
                    false => Ok(reply),
                }
            }
            Some(_) | None => Ok(reply),
        }
    }

    fn is_refused(&self, reply: &Received) -> bool {
        self.credentials.is_refusal(reply.status)
            || grpc::is_unauthenticated(reply)
            || self.credentials.is_refused_in(reply)
    }
}

/// When a request with this time-out is over, and how long that is from now.
fn end(timeout: Option<Duration>, call: &Call<'_>) -> Result<(Instant, Duration), Failure> {
    let now = Instant::now();
    let own_end = timeout.and_then(|timeout| now.checked_add(timeout));
    let end = own_end.map_or(call.deadline, |end| end.min(call.deadline));
    match end.saturating_duration_since(now) {
        Duration::ZERO => Err(Failure::TimedOut),
        left => Ok((end, left)),
    }
}

/// A system may echo the credential that it was sent: no secret enters a guest, and none is recorded or journalled.
fn strike(reply: &mut Reply, mask: &Mask) {
    if mask.is_empty() {
        return;
    }
    match reply {
        Reply::Http(response) => {
            for value in response.headers.values_mut() {
                if mask.is_in(value.as_bytes()) {
                    let mut bytes = Bytes::copy_from_slice(value.as_bytes());
                    mask.bytes(&mut bytes);
                    *value =
                        HeaderValue::from_maybe_shared(bytes).unwrap_or(HeaderValue::from_static(STRUCK));
                }
            }
            // One that is kept is not given to the guest, and stays what its sha256 says.
            mask.bytes(&mut response.body);
        }
        Reply::Grpc(response) => {
            mask.text(&mut response.status_message);
            for (_, value) in &mut response.metadata {
                mask.text(value);
            }
            // Its lengths are written into it: what is struck out must leave them true.
            if let Some(message) = &mut response.message {
                mask.blank(message);
            }
        }
        Reply::Sql(response) => {
            response.strike(mask);
        }
        Reply::Failed(
            Failure::NotAllowed(text)
            | Failure::Invalid(text)
            | Failure::Connection(text)
            | Failure::Unsupported(text)
            | Failure::Other(text),
        ) => {
            mask.text(text);
        }
        Reply::Failed(Failure::TimedOut | Failure::TooLarge(_)) => {}
    }
}
