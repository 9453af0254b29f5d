//! Somebody between the host and a real server: passes each request on and its answer back, does something of its own
//! before, and changes what comes back, as proxies do.
//!
//! It is the behaviour of a [`System`](crate::system::System), whose ledger says what the host asked. One request at a time:
//! it waits for the server.

use std::net::SocketAddr;

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue};

use crate::exchange::{self, Reply};
use crate::system::{Answer, Behaviour, Request};

/// Of one connection, and not of what is sent over it.
const OF_THE_CONNECTION: [HeaderName; 4] = [HOST, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING];

/// To this server: `before` sees each request first, and `after` may change its answer. A server that is away breaks the
/// connection.
pub fn to(
    server: SocketAddr,
    before: impl Fn(&Request<'_>) + Send + Sync + 'static,
    after: impl Fn(&mut Reply) + Send + Sync + 'static,
) -> Behaviour {
    Behaviour::from_fn(move |request| {
        before(request);
        let headers = request.headers.iter().filter(|(name, _)| !OF_THE_CONNECTION.contains(name));
        let headers: Vec<_> =
            headers.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))).collect();
        let reply = exchange::ask(server, request.method.as_str(), request.path, &headers, request.body);
        reply.map_or_else(
            |_| Answer::broken(),
            |mut reply| {
                after(&mut reply);
                answer(reply)
            },
        )
    })
}

fn answer(reply: Reply) -> Answer {
    let mut answer = Answer::status(reply.status);
    for (name, value) in &reply.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value))
            && !OF_THE_CONNECTION.contains(&name)
        {
            answer = answer.with_header(name, value);
        }
    }
    answer.with_body(reply.body)
}
