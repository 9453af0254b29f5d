//! What can be wrong with a connector's way out before the first request: the mistakes that `Gateway::new` finds.
//!
//! Every message says what failed and what to do; none holds a secret.

use std::path::PathBuf;

use crate::config::secret::SecretError;
use crate::config::webhook_key::NotAKey;

/// A connector cannot be reached as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(
        "{place} holds a character that no HTTP header may carry, such as a line break: store the secret alone"
    )]
    SecretNotHeader { place: String },
    #[error("{what} holds a character that no XML may carry, such as a control character")]
    NotXml { what: String },
    #[error("{place} {why}")]
    WebhookKey { place: String, why: NotAKey },
    #[error("the user name `{username}` holds a `:`, which basic authentication does not allow (RFC 7617)")]
    Username { username: String },
    #[error("the CA file `{}` cannot be read: {source}; it must hold PEM certificates", path.display())]
    CaFile { path: PathBuf, source: rustls::pki_types::pem::Error },
    #[error("the CA file `{}` holds no certificate: it must hold at least one in PEM", path.display())]
    CaFileEmpty { path: PathBuf },
    #[error("the CA file `{}` holds a certificate that cannot be used: {source}", path.display())]
    CaCertificate { path: PathBuf, source: rustls::Error },
    #[error("the system trusts no certificate: install its CA certificates, or give the connector a CA file")]
    NoCertificates,
    #[error(
        "the client certificate in {certificate} with the key in {key} cannot be shown: {why}; give both in PEM"
    )]
    ClientCertificate { certificate: String, key: String, why: String },
    #[error("TLS cannot be set up: {0}")]
    Tls(#[source] rustls::Error),
    #[error("no database is logged in to without a user and a password: give them as a `basic` credential")]
    Login,
    #[error("the endpoint {reason}")]
    Endpoint { reason: &'static str },
    #[error("the origin `{origin}` cannot be granted: it must be http or https with a host")]
    Origin { origin: String },
}
