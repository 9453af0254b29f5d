//! An event channel over HTTP: `POST /events` writes CloudEvents and plain JSON to Kafka, `GET /events/ID` says what
//! became of one.
//!
//! ```text
//! connection ─▶ head ─▶ client (token) ─▶ room ─▶ body ─▶ events ─▶ route, schema ─▶ Kafka ─▶ 202
//!    (bounded)            401              429    408,413   400,415    403, 422         503
//! ```
//!
//! 202 is answered once Kafka has acknowledged every event of the request; of a request in which anything is wrong nothing
//! is written. Everything is bounded by the configuration. It is a server and no client: what it knows of Kafka is the
//! producer. `server` has the connections and `stream` their bytes; `events` does what is asked: `tokens` know who asks,
//! `body` and `request` read, `rules` allow, `sending` writes. `answer` has the words.

mod answer;
mod body;
mod events;
mod request;
mod rules;
mod sending;
mod server;
mod stream;
mod tokens;

use std::io;
use std::net::SocketAddr;

pub use rules::{Rulebook, Rules};
pub use server::{IntakeServer, Serving};

use crate::config::ClientName;
use crate::config::secret::SecretError;

#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    #[error("cannot listen on {address}: {source}; free the port, or set another `intake.address`")]
    Bind { address: SocketAddr, source: io::Error },
    #[error("intake.clients.{client}.token: {source}")]
    Token { client: ClientName, source: SecretError },
    #[error("intake.clients.{first} and {second} have the same token, so that nobody can tell them apart")]
    SameToken { first: ClientName, second: ClientName },
    #[error("intake.routes: {0}")]
    Schema(String),
}

impl IntakeError {
    /// Is it the configuration that is to be mended, rather than something outside?
    pub fn is_configuration(&self) -> bool {
        match self {
            IntakeError::Bind { .. } => false,
            IntakeError::Token { .. } | IntakeError::SameToken { .. } | IntakeError::Schema(_) => true,
        }
    }
}
