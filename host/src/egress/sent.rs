//! What a request would be on its way, for those who try a plugin out: checked as if it were sent, and not sent.

use serde::Serialize;

use super::{Call, Gateway, message};
use crate::contract::{Failure, HttpRequest};

/// A request that the gateway would send. Its body is for the caller to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sent {
    pub method: String,
    /// Absolute.
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
        let headers = message.headers().iter();
        let text = headers.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        Ok(Sent {
            method: message.method().to_string(),
            url: format!("{prefix}{}", message.uri()),
            headers: text.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        })
    }
}
