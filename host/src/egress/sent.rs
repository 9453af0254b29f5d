//! What a request would be on its way, for those who try a plugin out: checked as if it were sent, and not sent.

use serde::Serialize;

use super::message::Message;
use super::sql::Sql;
use super::{Call, Gateway, end, grpc, message};
use crate::contract::{Failure, GrpcRequest, HttpRequest, SqlRequest};

/// What stands in the place of the method of a gRPC call, which is a `POST` on the wire.
pub(crate) const GRPC: &str = "gRPC";

/// What stands in the place of the method of a SQL transaction; its statements are the URL.
pub(crate) const SQL: &str = "SQL";

/// A request that the gateway would send. Its body is for the caller to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sent {
    pub method: String,
    /// Absolute; of a SQL transaction its statements, each on one line, with `; ` between them.
    pub url: String,
    /// Names are lower case. Values that are not text are left out.
    pub headers: Vec<(String, String)>,
}

impl Gateway {
    /// What [`Gateway::perform`] would send, or why it would refuse to. No address is looked up.
    pub(crate) fn would_send(&self, request: &HttpRequest, call: &Call<'_>) -> Result<Sent, Failure> {
        let method = message::method(&request.method)?;
        let target = self.pool.grants.target(&method, &request.url)?;
        let origin = self.pool.grants.origin(target.origin);
        let prefix = origin.to_string();
        let message = self.composer.compose(request, call, origin, method, target)?;
        Ok(Sent::of(&message, message.method().as_str(), &prefix))
    }

    /// As [`Gateway::would_send`], of a gRPC call: its method is [`GRPC`].
    pub(crate) fn would_call(&self, request: &GrpcRequest, call: &Call<'_>) -> Result<Sent, Failure> {
        let grants = &self.pool.grants;
        let target = grants.target(&grpc::check_method(&request.method)?, &request.method)?;
        let origin = grants.origin(target.origin);
        let (_, left) = end(request.timeout, call)?;
        let prefix = origin.to_string();
        let message = grpc::compose(&self.composer, request, call, origin, target, left)?;
        Ok(Sent::of(&message, GRPC, &prefix))
    }

    /// As [`Gateway::would_send`], of a SQL transaction: its method is [`SQL`].
    pub(crate) fn would_run(&self, request: &SqlRequest) -> Result<Sent, Failure> {
        self.database()?.check(request)?;
        Ok(Sent { method: SQL.to_owned(), url: request.text(), headers: Vec::new() })
    }

    /// The most rows that one SQL statement may give; none where the endpoint is no database.
    pub(crate) fn max_rows(&self) -> usize {
        self.sql.as_ref().map_or(0, Sql::max_rows)
    }
}

impl Sent {
    fn of(message: &Message, method: &str, origin: &str) -> Self {
        let headers = message.headers().iter();
        let text = headers.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        Self {
            method: method.to_owned(),
            url: format!("{origin}{}", message.uri()),
            headers: text.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        }
    }
}
